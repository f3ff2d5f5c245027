"""``manage.py ferrotp_django_otp adopt`` and ``back``: devices from `otp_totp` to ferrotp, and back again."""

import base64
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import router, transaction
from django_otp.plugins.otp_totp.models import TOTPDevice  # type: ignore[import-untyped,import-not-found,unused-ignore]

from ferrotp.adapters.django_otp.models import SealedTOTPDevice
from ferrotp.django.conf import keyring
from ferrotp.django.service import get_mfa_outside_transaction, user_id_of
from ferrotp.mfa import MFAError
from ferrotp.mfa.stores.base import Owner


class Command(BaseCommand):
    """Moves devices, one at a time, each in a transaction: it may be stopped and run again."""

    help = (
        "adopt: seals the devices of django_otp.plugins.otp_totp. Their users log in with the codes that they have, "
        "and no code works again that has worked. back: the other way round, before ferrotp is removed."
    )

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("direction", choices=["adopt", "back"])
        parser.add_argument("--dry-run", action="store_true", help="only tell what would be done")

    def handle(self, *arguments: Any, **options: Any) -> None:
        model, move = (TOTPDevice, _adopt) if options["direction"] == "adopt" else (SealedTOTPDevice, _back)
        moved, left = 0, []
        for pk in _all(model):
            reason = _move(model, pk, move, options["dry_run"])
            if reason:
                left.append(f"{model._meta.label_lower}/{pk}: {reason}")
            else:
                moved += 1
        for line in left:
            self.stdout.write(line)
        would = "would be " if options["dry_run"] else ""
        self.stdout.write(f"{moved} devices {would}moved, {len(left)} left as they are")
        if left:
            raise CommandError(f"{len(left)} devices are left as they are, and work as before")


class _Undone(Exception):
    """Takes back what was done for `--dry-run`."""


def _all(model: Any) -> Iterator[int]:
    last = 0
    while page := list(model.objects.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:500]):
        yield from page
        last = page[-1]


def _move(model: Any, pk: int, move: Callable[[Any], str], dry: bool) -> str:
    """Why the device stays where it is; empty if it was moved."""
    using = router.db_for_write(model)
    reason = ""
    try:
        with suppress(_Undone), transaction.atomic(using=using):
            # No login may use it while it is on its way.
            device = model.objects.using(using).select_for_update().filter(pk=pk).first()
            if device is not None:
                reason = move(device)
            if dry:
                raise _Undone
    except MFAError as error:
        return str(error)
    return reason


def _adopt(stock: Any) -> str:
    window = get_mfa_outside_transaction().policy.window
    if stock.t0:
        return f"its time begins at t0 = {stock.t0}"
    if abs(stock.drift) > window:
        return f"its clock is off by {stock.drift} time steps, and the policy's window is {window}"
    try:
        key = stock.bin_key
    except ValueError:
        return "its key is not hexadecimal"
    device = SealedTOTPDevice.objects.take_over(
        user=stock.user,
        key=key,
        name=stock.name,
        confirmed=stock.confirmed,
        digits=stock.digits,
        period=stock.step,
        last_step=stock.last_t if stock.last_t >= 0 else None,
    )
    SealedTOTPDevice.objects.filter(pk=device.pk).update(created_at=stock.created_at or device.created_at)
    stock.delete()
    return ""


def _back(device: Any) -> str:
    mfa = get_mfa_outside_transaction()
    owner = Owner(mfa.tenant, user_id_of(device.user))
    factor = next((one for one in mfa.store.user(owner).factors if one.factor_id == device.factor_id), None)
    if factor is None or factor.state == "pending":
        return "it is not set up: remove it"
    if factor.state == "disabled":
        return "it is disabled after too many failures, which django-otp does not know: remove it"
    otp = keyring().reveal((owner.tenant, owner.user_id, factor.factor_id), factor.sealed)
    if otp.algorithm != "SHA1":
        return f"django-otp knows no {otp.algorithm}"
    key = base64.b32decode(otp.secret + "=" * (-len(otp.secret) % 8))
    TOTPDevice.objects.create(
        user=device.user,
        name=device.name,
        confirmed=device.confirmed,
        key=key.hex(),
        step=otp.period,
        digits=otp.digits,
        tolerance=mfa.policy.window,
        last_t=factor.last_step,
    )
    device.delete()
    return ""
