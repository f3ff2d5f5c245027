"""``manage.py ferrotp_allauth adopt`` and ``back``: what allauth keeps, sealed at once and not at each next login."""

from base64 import b32decode, b32encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from allauth.mfa.adapter import get_adapter  # type: ignore[import-untyped,import-not-found,unused-ignore]
from allauth.mfa.models import Authenticator  # type: ignore[import-untyped,import-not-found,unused-ignore]
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from ferrotp.adapters.allauth.checking import adopt, last_step_of
from ferrotp.adapters.allauth.texts import factor_of, seal, unseal
from ferrotp.django.conf import keyring
from ferrotp.django.service import get_mfa_outside_transaction, user_id_of
from ferrotp.mfa import MFAError
from ferrotp.mfa.stores.base import Owner


class Command(BaseCommand):
    """Goes through the authenticators, each in a transaction: it may be stopped and run again."""

    help = (
        "adopt: seals the TOTP secrets and the seeds of recovery codes that are in clear. back: writes them in clear, "
        "for a site without ferrotp."
    )

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("direction", choices=["adopt", "back"])
        parser.add_argument("--dry-run", action="store_true", help="only tell what would be done")

    def handle(self, *arguments: Any, **options: Any) -> None:
        move = _adopt if options["direction"] == "adopt" else _back
        moved, left = 0, []
        for pk in _all():
            done, reason = _move(pk, move, options["dry_run"])
            moved += done
            if reason:
                left.append(f"mfa.authenticator/{pk}: {reason}")
        for line in left:
            self.stdout.write(line)
        would = "would be " if options["dry_run"] else ""
        self.stdout.write(f"{moved} authenticators {would}moved, {len(left)} left as they are")
        if left:
            raise CommandError(f"{len(left)} authenticators are left as they are")


class _Undone(Exception):
    """Takes back what was done for `--dry-run`."""


def _all() -> Iterator[int]:
    kinds, last = (Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES), 0
    rows = Authenticator.objects.filter(type__in=kinds).order_by("pk").values_list("pk", flat=True)
    while page := list(rows.filter(pk__gt=last)[:500]):
        yield from page
        last = page[-1]


def _move(pk: int, move: Callable[[Any], bool], dry: bool) -> tuple[bool, str]:
    """Whether there was something to do and it was done, and why not."""
    done = False
    try:
        with suppress(_Undone), transaction.atomic():
            row = Authenticator.objects.select_for_update().filter(pk=pk).first()
            done = row is not None and move(row)
            if dry:
                raise _Undone
    except (MFAError, ValueError) as error:
        return False, str(error)
    return done, ""


def _adopt(row: Any) -> bool:
    if row.type == Authenticator.Type.TOTP:
        if factor_of(row.data["secret"]):
            return False
        adopt(row, last_step_of(row))
        return True
    return _rewrite(row, lambda text: seal(get_adapter().decrypt(text)) if unseal(text) is None else text)


def _back(row: Any) -> bool:
    if row.type == Authenticator.Type.TOTP:
        factor_id = factor_of(row.data["secret"])
        if not factor_id:
            return _rewrite(row, lambda text: unseal(text) or text)
        mfa = get_mfa_outside_transaction()
        owner = Owner(mfa.tenant, user_id_of(row.user))
        factor = next((one for one in mfa.store.user(owner).factors if one.factor_id == factor_id), None)
        if factor is None or factor.state == "disabled":
            raise ValueError("disabled after too many failures, which allauth does not know: remove it")
        secret = keyring().reveal((owner.tenant, owner.user_id, factor_id), factor.sealed).secret
        # With the padding that allauth's own decoding wants.
        row.data["secret"] = b32encode(b32decode(secret + "=" * (-len(secret) % 8))).decode("ascii")
        row.save(update_fields=["data"])
        mfa.remove_factor(user_id=owner.user_id, factor_id=factor_id)
        return True
    return _rewrite(row, lambda text: unseal(text) or text)


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
