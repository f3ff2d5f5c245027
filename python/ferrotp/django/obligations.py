"""Who must have a second factor, for the desk: users are put under the obligation, and reminded of it.

``REQUIRED`` stays the one place that says who must. The desk puts users into a group that it names, and that gives
nothing: a group with permissions is no place for somebody who is to set up an app.
"""

from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model

from .conf import conf
from .service import due_date, get_mfa, user_id_of


def groups() -> list[Any]:
    """The groups of ``REQUIRED`` without permissions, by name. None where users have no groups."""
    names = {rule.group for rule in conf().required if rule.group}
    if not names or not apps.is_installed("django.contrib.auth") or not hasattr(get_user_model(), "groups"):
        return []
    model = apps.get_model("auth", "Group")
    return list(model._base_manager.filter(name__in=names, permissions=None).order_by("name"))


def require(users: Iterable[Any], group: Any) -> None:
    """From now on, or from the date of the rule, these users must have a second factor."""
    group.user_set.add(*users)


def can_remind() -> bool:
    """Whether anybody would hear of it: ``NOTIFY``."""
    return bool(conf().notify)


def remind(users: Iterable[Any], by: str) -> tuple[int, int]:
    """Asks users to set up a second factor.

    :return: how many were asked, and how many have no address
    """
    notify, asked, unknown = conf().notify, 0, 0
    for user in users:
        if notify in (True, "mail") and not getattr(user, user.get_email_field_name(), ""):
            unknown += 1
            continue
        due = due_date(user)
        get_mfa().remind(user_id=user_id_of(user), by=by, due=None if due is None else due.date())
        asked += 1
    return asked, unknown
