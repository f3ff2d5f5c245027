"""Where codes are checked, and where secrets come and go.

Every way in that allauth has asks `TOTP.validate_code`: its pages, its API, and both when somebody is asked again. So
that is what is replaced, and not the forms and views before it, of which one would be forgotten.
"""

import functools
import inspect
import json
from base64 import b32decode
from contextlib import suppress
from typing import Any

from allauth.core import context  # type: ignore[import-untyped,import-not-found,unused-ignore]
from allauth.mfa import app_settings  # type: ignore[import-untyped,import-not-found,unused-ignore]
from allauth.mfa.adapter import get_adapter  # type: ignore[import-untyped,import-not-found,unused-ignore]
from allauth.mfa.models import Authenticator  # type: ignore[import-untyped,import-not-found,unused-ignore]
from allauth.mfa.totp.internal.auth import TOTP  # type: ignore[import-untyped,import-not-found,unused-ignore]
from django.contrib.auth import get_user_model
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models.signals import post_delete, post_save

from ferrotp.django.service import get_mfa_outside_transaction, mfa_event, now, user_id_of, user_of
from ferrotp.mfa import Event, FactorDisabled, InvalidCode, NotEnrolled, PolicyError, Throttled
from ferrotp.mfa.time_step import time_step_of
from ferrotp.mfa.verification import typed_digits

from .adapter import SealingMixin
from .texts import factor_of, factor_text


def connect() -> None:
    """When the applications are loaded."""
    if list(inspect.signature(TOTP.validate_code).parameters) != ["self", "code"]:
        raise ImproperlyConfigured(
            "this django-allauth checks codes otherwise: ferrotp.adapters.allauth does not fit it"
        )
    TOTP.validate_code = functools.wraps(TOTP.validate_code)(_validate_code)
    post_save.connect(_saved, sender=Authenticator, dispatch_uid="ferrotp_allauth")
    post_delete.connect(_deleted, sender=Authenticator, dispatch_uid="ferrotp_allauth")
    mfa_event.connect(_forget_rows, dispatch_uid="ferrotp_allauth")
    checks.register(check_adapter, checks.Tags.security)


def check_adapter(app_configs: Any = None, **more: Any) -> list[checks.CheckMessage]:
    """Whether what allauth keeps is sealed."""
    if isinstance(get_adapter(), SealingMixin):
        return []
    hint = 'Set MFA_ADAPTER = "ferrotp.adapters.allauth.adapter.SealingMFAAdapter", or put SealingMixin before yours.'
    return [checks.Error("MFA_ADAPTER does not seal.", hint=hint, id="ferrotp_allauth.E001")]


def adopt(authenticator: Any, last_step: int | None) -> str:
    """Makes an authenticator's secret one of ferrotp's factors, inside of the caller's transaction. The factor's id."""
    secret = get_adapter().decrypt(authenticator.data["secret"])
    factor = get_mfa_outside_transaction().import_factor(
        user_id=user_id_of(authenticator.user),
        secret=secret,
        digits=app_settings.TOTP_DIGITS,
        period=app_settings.TOTP_PERIOD,
        last_step=last_step,
    )
    authenticator.data = {**authenticator.data, "secret": factor_text(factor.factor_id)}
    Authenticator.objects.filter(pk=authenticator.pk).update(data=authenticator.data)
    return factor.factor_id


def adopt_locked(pk: int) -> str | None:
    """`adopt` for a row of before, once, however many processes try. None if it is gone.

    :raises MFAError: if the policy does not allow the secret
    """
    with transaction.atomic():
        # Writing first: SQLite lets nobody write who has read before somebody else wrote.
        Authenticator.objects.filter(pk=pk).update(type=Authenticator.Type.TOTP)
        row = Authenticator.objects.select_for_update().select_related(None).filter(pk=pk).first()
        if row is None:
            return None
        return factor_of(row.data["secret"]) or adopt(row, last_step_of(row))


def last_step_of(authenticator: Any) -> int | None:
    """The newest step of which a code may have been accepted: allauth keeps the time, and not the step."""
    if authenticator.last_used_at is None:
        return None
    period, tolerance = int(app_settings.TOTP_PERIOD), int(app_settings.TOTP_TOLERANCE)
    return int(authenticator.last_used_at.timestamp()) // period + tolerance


def _validate_code(self: Any, code: str) -> bool:
    """Whether it is a code of this authenticator that was not accepted before, nor any later one."""
    bypass = app_settings.TOTP_INSECURE_BYPASS_CODE
    if bypass and code == bypass:
        return True
    if len(typed_digits(code)) != app_settings.TOTP_DIGITS:
        # A recovery code, of the same form.
        return False
    factor_id = factor_of(self.instance.data["secret"]) or adopt_locked(self.instance.pk)
    if factor_id is None:
        return False
    try:
        get_mfa_outside_transaction().verify(user_id=_user_id(self.instance), code=code, factor_id=factor_id)
    except (InvalidCode, Throttled, FactorDisabled, NotEnrolled):
        return False
    return True


def _saved(instance: Any, created: bool, raw: bool = False, **more: Any) -> None:
    """A new authenticator is a factor from the start, in the transaction that adds it, with its first code used up."""
    if not created or raw or instance.type != Authenticator.Type.TOTP or factor_of(instance.data["secret"]):
        return
    adopt(instance, _step_used_up(get_adapter().decrypt(instance.data["secret"])))


def _step_used_up(secret: str) -> int:
    window, period = get_mfa_outside_transaction().policy.window, int(app_settings.TOTP_PERIOD)
    try:
        key = b32decode(secret, casefold=True)
    except ValueError:
        raise PolicyError("the secret must be base32") from None
    step = time_step_of(key, _posted_code(), now(), window=window, digits=app_settings.TOTP_DIGITS, period=period)
    # Without the code, all that it may have been.
    return int(now()) // period + window if step is None else step


def _posted_code() -> object:
    request = context.request
    if request is None:
        return None
    if "code" in request.POST:
        return request.POST["code"]
    with suppress(ValueError, AttributeError):  # no JSON, or no object
        return json.loads(request.body).get("code")
    return None


def _deleted(instance: Any, **more: Any) -> None:
    factor_id = factor_of(instance.data.get("secret") or "")
    if factor_id:
        with suppress(NotEnrolled):
            get_mfa_outside_transaction().remove_factor(user_id=_user_id(instance), factor_id=factor_id)


def _forget_rows(event: Event, **more: Any) -> None:
    """After a reset: allauth's rows go, too. It would go on to ask for codes that nobody has."""
    user = user_of(event.user_id) if event.kind == "reset" else None
    if user is not None and event.tenant == get_mfa_outside_transaction().tenant:
        Authenticator.objects.filter(user=user).delete()  # security keys, too: allauth asks while there is any


def _user_id(authenticator: Any) -> str:
    return user_id_of(get_user_model()(pk=authenticator.user_id))
