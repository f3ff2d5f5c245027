"""``manage.py ferrotp_reset USER``: the way out for a user who lost everything."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from ferrotp.django.service import get_mfa, user_id_of, user_of
from ferrotp.mfa import MFAError
from ferrotp.web.operators import operator


class Command(BaseCommand):
    """Resets a user."""

    help = "Removes all factors, recovery codes and trusted devices of a user, whom you have identified anew."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("user", help="the user's name, as it is typed to log in")
        parser.add_argument("--pk", action="store_true", help="USER is a primary key, and no name")
        parser.add_argument("--by", default="", help="who does it, for the event: you, if it is left out")
        parser.add_argument("--noinput", action="store_false", dest="interactive", help="do not ask whether to")

    def handle(self, *arguments: Any, **options: Any) -> None:
        user = user_of(options["user"]) if options["pk"] else _user_of_name(options["user"])
        if user is None:
            raise CommandError(f"there is no user {options['user']!r}")
        name = user.get_username()
        if options["interactive"] and input(f"Reset the second factor of {name}? [y/N] ").strip().lower() != "y":
            raise CommandError("nothing was done")
        try:
            removed = get_mfa().reset(user_id=user_id_of(user), by=options["by"] or f"{operator()} (manage.py)")
        except MFAError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{name} had {removed} factor{'' if removed == 1 else 's'}, and has none now.")


def _user_of_name(name: str) -> Any:
    model: Any = get_user_model()
    try:
        return model._default_manager.get_by_natural_key(name)
    except model.DoesNotExist:  # or the site's manager hides this user
        return model._base_manager.filter(**{model.USERNAME_FIELD: name}).first()
