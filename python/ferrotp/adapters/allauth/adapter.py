"""allauth's hook for what it keeps: ``MFA_ADAPTER``."""

from allauth.mfa.adapter import DefaultMFAAdapter  # type: ignore[import-untyped,import-not-found,unused-ignore]
from django.core.exceptions import ImproperlyConfigured

from .texts import factor_of, seal, unseal


class SealingMixin:
    """For an adapter of your own: ``class MyAdapter(SealingMixin, DefaultMFAAdapter)``."""

    def encrypt(self, text: str) -> str:
        return seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        """What was kept before ferrotp came goes to the class behind this one: to `DefaultMFAAdapter`, it is in clear.

        :raises ImproperlyConfigured: for the secret of a factor: code that asks for it would check codes by itself
        """
        if factor_of(encrypted_text) is not None:
            raise ImproperlyConfigured("this secret stays sealed: ferrotp checks its codes, and nothing else does")
        text = unseal(encrypted_text)
        return super().decrypt(encrypted_text) if text is None else text  # type: ignore[misc]


class SealingMFAAdapter(SealingMixin, DefaultMFAAdapter):  # type: ignore[misc] # allauth has no types
    """``MFA_ADAPTER = "ferrotp.adapters.allauth.adapter.SealingMFAAdapter"``."""
