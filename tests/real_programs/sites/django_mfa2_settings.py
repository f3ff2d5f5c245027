"""A site for django-mfa2's tests, made from its README and from what the tests ask of it."""

import site_base
from site_base import *  # noqa: F403 (settings are module globals)

INSTALLED_APPS = [*site_base.INSTALLED_APPS, "mfa"]
TEMPLATES = site_base.templates({"base.html": "{% block head %}{% endblock %}{% block content %}{% endblock %}"})
ROOT_URLCONF = "django_mfa2_urls"
LOGIN_URL = "/auth/login/"
PASSWORD_HASHERS = [*site_base.PASSWORD_HASHERS, "mfa.recovery.Hash"]
RECOVERY_ITERATION = 1
EMAIL_FROM = "security@example.com"
TOKEN_ISSUER_NAME = "Django MFA"
MFA_UNALLOWED_METHODS = ()
MFA_HIDE_DISABLE = ()
MFA_RENAME_METHODS: dict[str, str] = {}
MFA_LOGIN_CALLBACK = "mfa.tests.create_session"
MFA_REDIRECT_AFTER_REGISTRATION = "mfa_home"
MFA_SUCCESS_REGISTRATION_MSG = "Go to Security Home"
MFA_RECHECK = False
MFA_QUICKLOGIN = True
U2F_APPID = "https://localhost:9000"
U2F_FACETS = ["https://localhost:9000"]
FIDO_SERVER_ID = "example.com"
FIDO_SERVER_NAME = "Test Server"
