"""The method, and the form of its set-up."""

from typing import Any

from django.core.exceptions import ValidationError
from django_otp.plugins.otp_totp.models import TOTPDevice  # type: ignore[import-untyped,import-not-found,unused-ignore]
from two_factor.forms import TOTPDeviceForm  # type: ignore[import-untyped,import-not-found,unused-ignore]
from two_factor.plugins.registry import GeneratorMethod  # type: ignore[import-untyped,import-not-found,unused-ignore]

from ferrotp.adapters.django_otp.models import SealedTOTPDevice
from ferrotp.django.service import get_mfa_outside_transaction, now
from ferrotp.mfa.time_step import time_step_of


class SealedTOTPDeviceForm(TOTPDeviceForm):  # type: ignore[misc] # two_factor has no types
    """Checks the code of a secret that the wizard holds in the session, and seals the secret with that code used up."""

    time_step: int

    def clean_token(self) -> int:
        token: int = self.cleaned_data["token"]
        code, window = str(token).zfill(self.digits), get_mfa_outside_transaction().policy.window
        step = time_step_of(self.bin_key, code, now(), window=window, digits=self.digits, period=self.step)
        if step is not None:
            self.time_step = step
            return token
        raise ValidationError(self.error_messages["invalid_token"])

    def save(self) -> SealedTOTPDevice:
        return SealedTOTPDevice.objects.take_over(  # type: ignore[no-any-return]
            user=self.user,
            key=self.bin_key,
            # django-two-factor-auth looks for a device of this name.
            name="default",
            digits=self.digits,
            period=self.step,
            last_step=self.time_step,
        )


class SealedGeneratorMethod(GeneratorMethod):  # type: ignore[misc] # two_factor has no types
    """The token generator, under its own code: users and templates see no difference."""

    def get_devices(self, user: Any) -> list[Any]:
        return [*SealedTOTPDevice.objects.devices_for_user(user), *TOTPDevice.objects.devices_for_user(user)]

    def recognize_device(self, device: Any) -> bool:
        return isinstance(device, (SealedTOTPDevice, TOTPDevice))

    def get_setup_forms(self, *wizard: Any) -> dict[str, Any]:
        return {"generator": SealedTOTPDeviceForm}
