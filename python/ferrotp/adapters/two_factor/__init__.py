"""The generator of django-two-factor-auth, on sealed secrets; see docs/adapters.md.

``"ferrotp.django"``, ``"ferrotp.adapters.django_otp"`` and ``"ferrotp.adapters.two_factor"`` in `INSTALLED_APPS`, the
last behind ``"two_factor"``.
"""
