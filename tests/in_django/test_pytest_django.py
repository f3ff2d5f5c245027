"""The page about tests with pytest-django does what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs" / "testing-django.md"
SETTINGS = """
from ferrotp.vault import new_key

SECRET_KEY = "for tests"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "ferrotp.django"]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "ferrotp.django.middleware.MFAMiddleware",
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
LOGIN_URL, LOGIN_REDIRECT_URL = "/login", "/vault"
USE_TZ = True
FERROTP = {"ISSUER": "ACME", "KEYS": new_key()}
"""
URLS = """
from django.http import HttpResponse
from django.urls import include, path

from ferrotp.django import LoginView, fresh_mfa_required, mfa_required

urlpatterns = [
    path("login", LoginView.as_view(template_name="none.html")),
    path("vault", mfa_required(lambda request: HttpResponse("vault"))),
    path("transfer", fresh_mfa_required(lambda request: HttpResponse("sent"))),
    path("mfa/", include("ferrotp.django.urls")),
]
"""


def test_the_page_about_pytest_django_works(tmp_path: Path) -> None:
    pytest.importorskip("pytest_django")
    settings, conftest, tests, _ = re.findall(r"```py\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    (tmp_path / "settings.py").write_text(SETTINGS + settings)
    (tmp_path / "urls.py").write_text(URLS)
    (tmp_path / "conftest.py").write_text(conftest)
    (tmp_path / "test_vault.py").write_text(tests)
    (tmp_path / "pytest.ini").write_text("[pytest]\nDJANGO_SETTINGS_MODULE = settings\npythonpath = .\n")
    # Of the plugins that are installed only the one that the page is about: the others take longer than the tests.
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "pytest_django.plugin"]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0 and "4 passed" in ran.stdout, ran.stdout + ran.stderr
