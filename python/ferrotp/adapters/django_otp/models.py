"""The device: who has it, and which of ferrotp's factors it is. The secret, the last step and the failures are there.

django-otp checks a code inside of a transaction that has this row locked. So nothing here changes with a code: what is
decided is decided in ferrotp's tables, on a connection of its own, and no rollback takes it back.
"""

from contextlib import suppress
from datetime import datetime
from typing import Any, ClassVar

from django.contrib.auth import get_user_model
from django.db import models, router, transaction
from django_otp import devices_for_user  # type: ignore[import-untyped,import-not-found,unused-ignore]
from django_otp.models import Device, DeviceManager, VerifyNotAllowed  # type: ignore[import-untyped,import-not-found,unused-ignore]

from ferrotp.django.fields import ExactTextField
from ferrotp.django.service import get_mfa_outside_transaction, user_id_of, user_of
from ferrotp.django.words import lazy_word as _
from ferrotp.mfa import (
    EnrollmentExpired,
    Event,
    FactorDisabled,
    FactorInfo,
    InvalidCode,
    NotEnrolled,
    Throttled,
    TooManyFactors,
)
from ferrotp.mfa.verification import typed_digits


class SealedTOTPDeviceManager(DeviceManager):  # type: ignore[misc] # django-otp has no types
    """As of every device; and it takes over secrets that users have already."""

    def take_over(
        self,
        *,
        user: Any,
        key: bytes,
        name: str = "",
        digits: int = 6,
        period: int = 30,
        last_step: int | None = None,
    ) -> "SealedTOTPDevice":
        """A device with a secret that its user's authenticator has already.

        :param key: the secret's bytes
        :param last_step: the time step of the last code that was accepted: it, and those before it, are not again
        :raises PolicyError: for a secret that the policy does not allow; `TooManyFactors`
        """
        with transaction.atomic(using=self.db):
            factor = get_mfa_outside_transaction().import_factor(
                user_id=user_id_of(user),
                secret=key,
                digits=digits,
                period=period,
                last_step=last_step,
                name=_factor_name(name),
            )
            device: SealedTOTPDevice = self.create(
                user=user, name=name, confirmed=True, digits=digits, factor_id=factor.factor_id
            )
            return device


class SealedTOTPDevice(Device):  # type: ignore[misc] # django-otp has no types
    """A TOTP authenticator. Created without a secret it gets a new one, pending until its first code."""

    factor_id = ExactTextField(editable=False, unique=True)
    digits: Any = models.PositiveSmallIntegerField(editable=False, default=6)
    created_at: Any = models.DateTimeField(_("added"), auto_now_add=True)

    objects: ClassVar[Any] = SealedTOTPDeviceManager()

    class Meta:
        verbose_name = _("sealed TOTP device")
        verbose_name_plural = _("sealed TOTP devices")

    def save(self, *arguments: Any, **more: Any) -> None:
        using = more.get("using") or router.db_for_write(type(self), instance=self)
        with transaction.atomic(using=using):
            if not self.factor_id:
                self._enroll()
            super().save(*arguments, **more)

    def verify_token(self, token: Any) -> bool:
        """Whether it is a code of this device that was not accepted before, nor any later one.

        :param token: as typed; an `int` stands for the code with its zeros in front
        :raises StoreUnavailable: and everything else of `ferrotp.mfa` that says nothing about the code
        """
        mfa, user_id = get_mfa_outside_transaction(), self._user_id
        code = str(token).zfill(self.digits) if isinstance(token, int) else token
        if not typed_digits(code):
            # It may be meant for another device, and can be no guess at this one's.
            return False
        asked = (self._verify, self._confirm) if self.confirmed else (self._confirm, self._verify)
        for ask in asked:
            try:
                ask(mfa, user_id, code)
            except (NotEnrolled, EnrollmentExpired):  # of which nothing was counted
                continue
            except (InvalidCode, Throttled, FactorDisabled, TooManyFactors):
                return False
            return True
        return False

    def verify_is_allowed(self) -> tuple[bool, dict[str, Any] | None]:
        """For a page: `verify_token` decides by itself, and again."""
        attempts = get_mfa_outside_transaction().attempts(user_id=self._user_id)
        if attempts.disabled:
            return False, {"error_message": _("Disabled after too many failures: this device must be set up again.")}
        if attempts.retry_at:
            return False, {
                "reason": VerifyNotAllowed.N_FAILED_ATTEMPTS,
                "failure_count": attempts.failures,
                "locked_until": attempts.retry_at,
            }
        return True, None

    @property
    def config_url(self) -> str:
        """The ``otpauth://`` URI of a device that is being set up: with a new secret, if the last one waited too long.

        :raises EnrollmentExpired: once a code was accepted. Nobody is shown the secret afterwards
        """
        with transaction.atomic(using=router.db_for_write(type(self), instance=self)):
            with suppress(EnrollmentExpired):
                return self._pending_uri()
            if self._factor() is not None:
                raise EnrollmentExpired
            self._enroll()
            self.save(update_fields=["factor_id", "digits"])
            return self._pending_uri()

    @property
    def last_used_at(self) -> datetime | None:
        """When its last code was accepted."""
        factor = self._factor()
        return factor.last_used_at if factor else None

    def forget(self) -> None:
        """Removes the factor with the device."""
        with suppress(NotEnrolled):
            get_mfa_outside_transaction().remove_factor(user_id=self._user_id, factor_id=self.factor_id)

    @property
    def _user_id(self) -> str:
        # Without asking the database for the user.
        return user_id_of(get_user_model()(pk=self.user_id))

    def _enroll(self) -> None:
        mfa = get_mfa_outside_transaction()
        made = mfa.enroll(user_id=self._user_id, account_name=self.user.get_username(), name=_factor_name(self.name))
        self.factor_id, self.digits = made.factor_id, mfa.policy.digits

    def _pending_uri(self) -> str:
        return (
            get_mfa_outside_transaction()
            .pending(user_id=self._user_id, factor_id=self.factor_id, account_name=self.user.get_username())
            .uri
        )

    def _factor(self) -> FactorInfo | None:
        with suppress(NotEnrolled):
            return get_mfa_outside_transaction().factor(user_id=self._user_id, factor_id=self.factor_id)
        return None

    def _verify(self, mfa: Any, user_id: str, code: str) -> None:
        mfa.verify(user_id=user_id, code=code, factor_id=self.factor_id)

    def _confirm(self, mfa: Any, user_id: str, code: str) -> None:
        mfa.confirm(user_id=user_id, code=code, factor_id=self.factor_id, recovery_codes=False)


def forget_factor(instance: SealedTOTPDevice, **more: Any) -> None:
    """After a device was deleted."""
    instance.forget()


def forget_rows(event: Event, **more: Any) -> None:
    """After a reset: the user's rows go, too. A device whose factor is gone would ask for codes that nobody has."""
    if event.kind != "reset" or event.tenant != get_mfa_outside_transaction().tenant:
        return
    user = user_of(event.user_id)
    # Of all kinds: stock ones of before, on the phone that is lost, backup codes, and those by telephone or mail.
    for device in () if user is None else devices_for_user(user, confirmed=None):
        device.delete()


def _factor_name(name: str) -> str:
    """What the service takes for a name; the device's own may be anything."""
    return name if name.isprintable() and name == name.strip() else ""
