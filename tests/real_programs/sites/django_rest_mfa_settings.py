"""A site for django-rest-mfa's tests."""

import site_base
from site_base import *  # noqa: F403 (settings are module globals)

INSTALLED_APPS = [*site_base.INSTALLED_APPS, "rest_framework", "django_rest_mfa"]
TEMPLATES = site_base.templates({})
ROOT_URLCONF = "django_rest_mfa.urls"
FIDO_SERVER_ID = "localhost"
MFA_SERVER_NAME = "Tests"
