"""``manage.py ferrotp_django_otp adopt`` and ``back``: devices from `otp_totp` to ferrotp, and back again."""

from typing import Any

from django_otp.plugins.otp_totp.models import TOTPDevice  # type: ignore[import-untyped,import-not-found,unused-ignore]

from ferrotp.adapters.django_otp.models import SealedTOTPDevice
from ferrotp.django.management.moving import LeftAsItIs, MoveCommand
from ferrotp.django.service import get_mfa_outside_transaction, user_id_of
from ferrotp.mfa import NotEnrolled


class Command(MoveCommand):
    """Moves devices."""

    help = (
        "adopt: seals the devices of django_otp.plugins.otp_totp. Their users log in with the codes that they have, "
        "and no code works again that has worked. One that was never confirmed stays so, with a new secret. back: the "
        "other way round, before ferrotp is removed."
    )
    plural = "devices"
    still_work = ", and work as before"

    def rows(self, direction: str) -> Any:
        return (TOTPDevice if direction == "adopt" else SealedTOTPDevice).objects.all()

    def user_of_factor(self, row: Any) -> Any:
        return row.user if row.confirmed else None

    def adopt(self, row: Any) -> bool:
        if not row.confirmed:
            # Its user has not shown a code yet: it is no factor. Its secret, which was kept in clear, ends here.
            SealedTOTPDevice.objects.create(user=row.user, name=row.name, confirmed=False)
            row.delete()
            return True
        window = get_mfa_outside_transaction().policy.window
        if row.t0:
            raise LeftAsItIs(f"its time begins at t0 = {row.t0}")
        if abs(row.drift) > window:
            raise LeftAsItIs(f"its clock is off by {row.drift} time steps, and the policy's window is {window}")
        try:
            key = row.bin_key
        except ValueError:
            raise LeftAsItIs("its key is not hexadecimal") from None
        device = SealedTOTPDevice.objects.take_over(
            user=row.user,
            key=key,
            name=row.name,
            digits=row.digits,
            period=row.step,
            last_step=row.last_t if row.last_t >= 0 else None,
        )
        SealedTOTPDevice.objects.filter(pk=device.pk).update(created_at=row.created_at or device.created_at)
        row.delete()
        return True

    def back(self, row: Any, by: str) -> bool:
        mfa, user_id = get_mfa_outside_transaction(), user_id_of(row.user)
        try:
            state = mfa.factor(user_id=user_id, factor_id=row.factor_id).state
        except NotEnrolled:
            state = "pending"
        if state == "pending":
            raise LeftAsItIs("it is not set up: remove it")
        if state == "disabled":
            raise LeftAsItIs("it is disabled after too many failures, which django-otp does not know: remove it")
        secret = mfa.reveal_secret(user_id=user_id, factor_id=row.factor_id, by=by)
        if secret.algorithm != "SHA1":
            raise LeftAsItIs(f"django-otp knows no {secret.algorithm}")
        TOTPDevice.objects.create(
            user=row.user,
            name=row.name,
            confirmed=row.confirmed,
            key=secret.key.hex(),
            step=secret.period,
            digits=secret.digits,
            tolerance=mfa.policy.window,
            last_t=secret.last_step,
        )
        row.delete()
        return True
