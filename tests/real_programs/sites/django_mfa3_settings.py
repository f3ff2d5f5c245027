"""A site for django-mfa3's tests, made from its README and from what the tests ask of it."""

import site_base
from site_base import *  # noqa: F403 (settings are module globals)

INSTALLED_APPS = [*site_base.INSTALLED_APPS, "mfa"]
MIDDLEWARE = [*site_base.MIDDLEWARE, "mfa.middleware.MFAEnforceMiddleware"]
TEMPLATES = site_base.templates({"registration/login.html": "{{ form }}"})
ROOT_URLCONF = "django_mfa3_urls"
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
MFA_DOMAIN = "localhost"
MFA_SITE_TITLE = "Tests"
