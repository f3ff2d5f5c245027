"""A device for django-otp whose secret is sealed and whose codes work once; see docs/adapters.md.

``"ferrotp.django"`` and ``"ferrotp.adapters.django_otp"`` in `INSTALLED_APPS`; then ``manage.py ferrotp_django_otp
adopt`` takes over the devices of `django_otp.plugins.otp_totp`.
"""
