"""``manage.py ferrotp_allauth adopt`` and ``back``: what allauth keeps, sealed at once and not at each next login."""

from base64 import b32encode
from collections.abc import Callable
from typing import Any

from allauth.mfa.adapter import get_adapter  # type: ignore[import-untyped,import-not-found,unused-ignore]
from allauth.mfa.models import Authenticator  # type: ignore[import-untyped,import-not-found,unused-ignore]

from ferrotp.adapters.allauth.checking import adopt, last_step_of
from ferrotp.adapters.allauth.texts import factor_of, seal, unseal
from ferrotp.django.management.moving import LeftAsItIs, MoveCommand
from ferrotp.django.service import get_mfa_outside_transaction, user_id_of
from ferrotp.mfa import MFAError, NotEnrolled


class Command(MoveCommand):
    """Goes through the authenticators."""

    help = (
        "adopt: seals the TOTP secrets and the seeds of recovery codes that are in clear. back: writes them in clear, "
        "for a site without ferrotp."
    )
    plural = "authenticators"

    def rows(self, direction: str) -> Any:
        return Authenticator.objects.filter(type__in=(Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES))

    def adopt(self, row: Any) -> bool:
        try:
            if row.type != Authenticator.Type.TOTP:
                return _rewrite(row, lambda text: seal(get_adapter().decrypt(text)) if unseal(text) is None else text)
            if factor_of(row.data["secret"]):
                return False
            adopt(row, last_step_of(row))
        except MFAError:
            raise
        except ValueError:  # of the site's own adapter: its text may be anything
            raise LeftAsItIs("the site's adapter does not decrypt it") from None
        return True

    def user_of_factor(self, row: Any) -> Any:
        is_new = row.type == Authenticator.Type.TOTP and not factor_of(row.data["secret"])
        return row.user if is_new else None

    def back(self, row: Any, by: str) -> bool:
        factor_id = factor_of(row.data.get("secret", ""))
        if not factor_id:
            return _rewrite(row, lambda text: unseal(text) or text)
        mfa, user_id = get_mfa_outside_transaction(), user_id_of(row.user)
        try:
            disabled = mfa.factor(user_id=user_id, factor_id=factor_id).state == "disabled"
        except NotEnrolled:
            disabled = True
        if disabled:
            raise LeftAsItIs("disabled after too many failures, which allauth does not know: remove it")
        secret = mfa.reveal_secret(user_id=user_id, factor_id=factor_id, by=by)
        # With the padding that allauth's own decoding wants.
        row.data["secret"] = b32encode(secret.key).decode("ascii")
        row.save(update_fields=["data"])
        mfa.remove_factor(user_id=user_id, factor_id=factor_id)
        return True


def _rewrite(row: Any, change: Callable[[str], str]) -> bool:
    data = {**row.data}
    for name in ("secret", "seed"):
        if name in data:
            data[name] = change(data[name])
    if data.get("migrated_codes"):
        data["migrated_codes"] = [change(code) for code in data["migrated_codes"]]
    if data == row.data:
        return False
    row.data = data
    row.save(update_fields=["data"])
    return True
