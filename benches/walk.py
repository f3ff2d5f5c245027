"""Follows a right code from the form to the hash and back, in the Flask and in the Django example, and counts what it
crosses of ferrotp: calls of Python functions, files, and how often the walk goes from one file to another.

usage: python benches/walk.py [--calls] [--memory]

  --calls   prints each call, indented by its depth
  --memory  keeps the second factor in memory, for the web's share alone; otherwise in SQLite, as the examples do

It counts the answer to one POST of `/mfa/challenge`, the second one: the first has loaded what is loaded once.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

import ferrotp
from ferrotp.mfa import MFA, Policy
from ferrotp.mfa.stores.memory import MemoryStore
from ferrotp.vault import Keyring

EXAMPLES = Path(__file__).parent.parent / "examples"
PACKAGE = str(Path(ferrotp.__file__).parent) + os.sep
USER, PASSWORD = "alice@example.com", "correct horse battery"


class Clock:
    """Unix seconds: the walks' own."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


class Walk:
    """The calls of ferrotp's functions while it is on."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, str, str]] = []
        """Depth, file and function of each."""
        self._depth = 0

    def __enter__(self) -> "Walk":
        sys.setprofile(self._note)
        return self

    def __exit__(self, *exception: object) -> None:
        sys.setprofile(None)

    def _note(self, frame: FrameType, event: str, argument: object) -> None:
        path = frame.f_code.co_filename
        if event not in ("call", "return") or not path.startswith(PACKAGE):
            return
        if event == "call":
            self.calls.append((self._depth, path.removeprefix(PACKAGE), frame.f_code.co_name))
        self._depth += 1 if event == "call" else -1

    @property
    def files(self) -> list[str]:
        """Each file once, in the order of the walk."""
        return list(dict.fromkeys(file for _, file, _ in self.calls))

    @property
    def changes(self) -> int:
        """How many calls are in another file than the call before them."""
        return sum(before[1] != after[1] for before, after in pairwise(self.calls))


def flask_walk(folder: Path, in_memory: bool, clock: Clock) -> Walk:
    """In the Flask example."""
    sys.path.insert(0, str(EXAMPLES / "flask_app"))
    from app import create_app

    mfa = MFA(
        MemoryStore() if in_memory else f"sqlite:///{folder / 'mfa.db'}",
        issuer="ACME",
        keyring=Keyring.generate(),
        policy=Policy.cheap_for_tests(),
        clock=clock,
    )
    app = create_app(folder, mfa=mfa)
    app.config["WTF_CSRF_ENABLED"] = False
    app.testing = True  # only tests may leave the forms' tokens out
    app.test_client().post("/register", data={"email": USER, "password": PASSWORD})
    return second_walk(mfa, clock, "1", app.test_client, "email")


def django_walk(folder: Path, in_memory: bool, clock: Clock) -> Walk:
    """In the Django example."""
    sys.path.insert(0, str(EXAMPLES / "django_app"))
    os.environ.update(DJANGO_SETTINGS_MODULE="example.settings", EXAMPLE_FOLDER=str(folder))
    import django
    from django.conf import settings
    from django.core import mail
    from django.core.management import call_command

    mail.outbox = []  # type: ignore[attr-defined] # what marks a test: the store in memory is for tests
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    settings.ALLOWED_HOSTS = ["testserver"]
    settings.FERROTP = {**settings.FERROTP, "CLOCK": clock, "STORE": "memory" if in_memory else "django"}
    django.setup()
    call_command("migrate", verbosity=0)
    from django.contrib.auth.models import User
    from django.test import Client

    from ferrotp.django import get_mfa

    user = User.objects.create_user(USER, USER, PASSWORD)
    return second_walk(get_mfa(), clock, str(user.pk), Client, "username")


def second_walk(mfa: MFA, clock: Clock, user_id: str, new_browser: Callable[[], Any], name_field: str) -> Walk:
    """Logs in twice, and gives the walk of the second code."""
    enrollment = mfa.enroll(user_id=user_id, account_name=USER)
    totp = ferrotp.TOTP(enrollment.secret)
    mfa.confirm(user_id=user_id, factor_id=enrollment.factor_id, code=totp.at(int(clock.now)))
    for _ in range(2):
        clock.now += 30
        code = totp.at(int(clock.now))
        browser = new_browser()
        answer = browser.post("/login", data={name_field: USER, "password": PASSWORD})
        assert answer.headers["Location"].endswith("/mfa/challenge"), answer.headers["Location"]
        with Walk() as walk:
            answer = browser.post("/mfa/challenge", data={"code": code})
        assert answer.headers["Location"].endswith("/inside"), answer.headers["Location"]
    return walk


def main(arguments: list[str]) -> int:
    """0: done; 2: usage."""
    if not {*arguments} <= {"--calls", "--memory"}:
        print(__doc__, file=sys.stderr)
        return 2
    in_memory = "--memory" in arguments
    print(f"A right code, from the form to the hash and back; the store: {'memory' if in_memory else 'SQLite'}\n")
    print("| framework | calls | files | changes of file |\n|---|---|---|---|")
    walks = {}
    for framework, walk_of in (("Flask", flask_walk), ("Django", django_walk)):
        with tempfile.TemporaryDirectory() as folder:
            walks[framework] = walk = walk_of(Path(folder), in_memory, Clock())
        print(f"| {framework} | {len(walk.calls)} | {len(walk.files)} | {walk.changes} |")
    for framework, walk in walks.items():
        print(f"\n{framework}: {', '.join(walk.files)}")
        if "--calls" in arguments:
            for depth, file, function in walk.calls:
                print(f"{'  ' * depth}{file}: {function}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
