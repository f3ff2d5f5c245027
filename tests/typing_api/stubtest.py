"""`mypy --strict` and `mypy.stubtest` in one: mypy reads the package, and what it is built on, once for both.

``python stubtest.py FILE ... -- ARGUMENT ...``: the files are checked as a user's, beside the package that the
arguments of stubtest name. Each error of mypy is printed, and stubtest goes on; its own verdict is the exit code.
Django's applications are loaded first: some modules are not to be imported before.
"""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import django
import mypy.build
from django.conf import settings
from mypy.main import process_options
from mypy.modulefinder import BuildSource
from mypy.stubtest import main

STRICT = ["--strict", "--show-error-codes", "--no-pretty", "--no-color-output"]
STRICT += ["--no-incremental", "--cache-dir=/dev/null"]  # it would write one all the same
# Its newest release wants Python 3.11.
ALLAUTH = ["allauth", "allauth.account", "allauth.mfa", "ferrotp.adapters.allauth"] if find_spec("allauth") else []


def build_strictly(sources: list[BuildSource], options: object, **more: Any) -> mypy.build.BuildResult:
    """What stubtest asks mypy for: strict, with the files of users beside it, and without an end at an error."""
    _, strict = process_options([*STRICT, *files])
    users = [BuildSource(file, Path(file).stem) for file in files]
    result = build([*sources, *users], strict, **more)
    print(*result.errors, sep="\n")
    result.errors = []
    return result


settings.configure(
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        "django_otp",
        "django_otp.plugins.otp_totp",
        "django_otp.plugins.otp_static",
        "two_factor",
        "ferrotp.django",
        "ferrotp.adapters.django_otp",
        "ferrotp.adapters.two_factor",
        *ALLAUTH,
    ],
    MIDDLEWARE=["allauth.account.middleware.AccountMiddleware"] if ALLAUTH else [],
    FERROTP={"ISSUER": "ACME"},
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
django.setup()
end = sys.argv.index("--")
files = sys.argv[1:end]
del sys.argv[1 : end + 1]
build = mypy.build.build
mypy.build.build = build_strictly  # type: ignore[assignment]
sys.exit(main())
