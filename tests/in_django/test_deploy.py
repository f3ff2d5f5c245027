"""`manage.py check --deploy`: each setting that lets somebody in, or keeps everybody out, is one sentence."""

from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.core.checks import run_checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import override_settings

from .site import given
from .test_checks_and_commands import AUTH, LOCAL, OURS, SESSION, earnest

__all__ = ["earnest"]

MADE = "as ferrotp.vault.new_key() makes it"
MODEL = "django.contrib.auth.backends.ModelBackend"
BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"FERROTP": given(ISSUER="")}, 'E002: FERROTP["ISSUER"] is not set.'),
    (
        {"FERROTP": given(KEYS="short")},
        f"E003: There is no usable keyring: a key is 'ferrotp1_' and 43 characters of base64url, {MADE}",
    ),
    ({"FERROTP": given(STORE="memory")}, 'E005: FERROTP["STORE"] is "memory": for tests only.'),
    ({"FERROTP": given(DATABASE="nowhere")}, "E006: FERROTP[\"DATABASE\"] names 'nowhere', which is not in DATABASES."),
    (
        {"FERROTP": given(REQUIRED=[{"who": "nobody I know"}])},
        "E001: FERROTP[\"REQUIRED\"] knows no 'nobody I know'",
    ),
    (
        {"FERROTP": given(REQUIRED=[{"who": "all", "from": "soon"}])},
        "E001: FERROTP[\"REQUIRED\"]: 'soon' is no date",
    ),
    (
        {"FERROTP": given(POLICY={"window": 9})},
        'E001: FERROTP["POLICY"]: window must be a whole number from 0 to 2',
    ),
    ({"FERROTP": given(CLOCK=7)}, 'E001: FERROTP["CLOCK"] must be a function, or the path of one'),
    (
        {"FERROTP": given(TENANT="one\ntwo")},
        'E001: FERROTP["TENANT"] must be 1 to 255 printable characters, without space at its ends',
    ),
    (
        {"FERROTP": given(BASE_TEMPLATE="nowhere.html")},
        "E015: FERROTP[\"BASE_TEMPLATE\"] names 'nowhere.html', which is no template of this site.",
    ),
    (
        {"FERROTP": given(EXEMPT_BACKENDS=[MODEL])},
        f'E017: FERROTP["EXEMPT_BACKENDS"] has {MODEL}: the password alone lets in.',
    ),
    (
        {"FERROTP": given(REQUIRED=[{"who": "group:finanace"}])},
        "W006: FERROTP[\"REQUIRED\"] names the group 'finanace', which is not there: that rule is about nobody.",
    ),
    ({"MIDDLEWARE": [SESSION, AUTH]}, "E010: MFAMiddleware is missing: nothing is gated."),
    ({"MIDDLEWARE": [SESSION, OURS, AUTH]}, "E011: MFAMiddleware must come after AuthenticationMiddleware."),
    ({"ROOT_URLCONF": "in_django.no_urls"}, "E004: The pages of ferrotp have no URLs."),
    ({"SESSION_COOKIE_SECURE": False}, "W001: SESSION_COOKIE_SECURE is off."),
    (
        {"SESSION_ENGINE": "django.contrib.sessions.backends.signed_cookies"},
        "W003: Sessions are in cookies: a copy of one that has passed the second factor cannot be ended.",
    ),
    (
        {"SESSION_ENGINE": "django.contrib.sessions.backends.cached_db", "CACHES": LOCAL},
        "E009: Sessions are in LocMemCache: other processes do not know who has passed.",
    ),
]


def said() -> list[str]:
    """What the checks of ferrotp say."""
    found = run_checks(include_deployment_checks=True, databases=["default"])
    return [f"{(message.id or '')[8:]}: {message.msg}" for message in found if "ferrotp." in (message.id or "")]


@pytest.mark.parametrize(("change", "sentence"), BROKEN)
def test_each_broken_setting_is_one_sentence(
    earnest: None, capsys: pytest.CaptureFixture[str], change: dict[str, Any], sentence: str
) -> None:
    with override_settings(**change):
        assert said() == [sentence]
        try:
            call_command("check", deploy=True, databases=["default"])
            printed = capsys.readouterr().err
        except SystemCheckError as error:
            printed = str(error)
        assert sentence[0] == "W" or "ferrotp.E" in printed
        assert f"(ferrotp.{sentence.replace(': ', ') ', 1)}" in printed


def test_a_good_site_has_none(earnest: None) -> None:
    Group.objects.get_or_create(name="finance-desk")
    with override_settings(FERROTP=given(REQUIRED=[{"who": "group:finance-desk"}])):
        assert said() == [] and settings.SESSION_COOKIE_SECURE
