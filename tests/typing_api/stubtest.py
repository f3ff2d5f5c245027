"""`mypy.stubtest`, in a process where Django's applications are loaded: some modules are not to be imported before."""

import sys

import django
from django.conf import settings
from mypy.stubtest import main

settings.configure(
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        "ferrotp.django",
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
django.setup()
sys.exit(main())
