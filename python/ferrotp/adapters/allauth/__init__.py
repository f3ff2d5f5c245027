"""Sealed secrets for django-allauth's MFA, and codes that work once; see docs/adapters.md.

``"ferrotp.django"`` and ``"ferrotp.adapters.allauth"`` in `INSTALLED_APPS`, behind ``"allauth.mfa"``, and
``MFA_ADAPTER = "ferrotp.adapters.allauth.adapter.SealingMFAAdapter"``.
"""
