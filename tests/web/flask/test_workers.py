"""The example on gunicorn with four workers and the SQLite default: one decision, whichever worker is asked."""

import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import warm
from started import gunicorn_address, when_log_says

from ..steps import PASSWORD, Phone, early_in_a_step
from ..visitor import Answer, Visitor, together
from .example import EXAMPLE

LOADED = (
    "gunicorn.app.wsgiapp",
    "gunicorn.workers.gthread",
    "flask_login",
    "flask_wtf",
    "argon2",
    "sqlalchemy.dialects.sqlite",
    "ferrotp.flask",
    "ferrotp.mfa.stores.sql",
)
"""What a server is forked with."""


@contextmanager
def gunicorn(folder: Path, port: int = 0) -> Iterator[str]:
    """The example on a free port, until the block ends."""
    log = folder / "gunicorn.log"
    log.unlink(missing_ok=True)
    path = os.pathsep.join(filter(None, [str(EXAMPLE), str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))
    server = warm.shared(*LOADED).start(
        warm.GUNICORN, "--workers=4", "--threads=8", "--worker-class=gthread", f"--bind=127.0.0.1:{port}",
        f"--chdir={EXAMPLE}", "--backlog=256", "--config=python:cheap", "cheap:application()",
        env={**os.environ, "EXAMPLE_FOLDER": str(folder), "PYTHONPATH": path}, log=log,
    )  # fmt: skip
    try:
        address = when_log_says(server, log, gunicorn_address(4))
        wait_for(address)
        yield address
    finally:
        server.end(signal.SIGTERM)


def wait_for(address: str) -> None:
    """Until it answers: the workers of a busy machine take their time to load the application."""
    for _ in range(100):
        try:
            urllib.request.urlopen(address, timeout=60)
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"{address} does not answer")


def enrolled(base: str, email: str) -> tuple[Phone, list[str]]:
    """A user whose factor was confirmed by the code of the step before: the one of now is open."""
    visitor = Visitor(base)
    visitor.get("/register")
    assert visitor.post("/register", {"email": email, "password": PASSWORD}).status == 303
    visitor.get("/login")
    visitor.post("/login", {"email": email, "password": PASSWORD})
    visitor.get("/mfa/set-up")
    visitor.post("/mfa/set-up")
    phone = Phone(visitor.get("/mfa/set-up").uri)
    answer = visitor.post("/mfa/set-up/confirm", {"code": phone.code(early_in_a_step(), -1)})
    assert len(answer.codes) == 10
    return phone, answer.codes


def half(base: str, email: str) -> Visitor:
    visitor = Visitor(base)
    visitor.get("/login")
    answer = visitor.post("/login", {"email": email, "password": PASSWORD})
    assert answer.location == "/mfa/challenge", (answer.status, answer.location)
    visitor.get("/mfa/challenge")
    return visitor


def at_once(visitors: list[Visitor], path: str, code: str) -> list[Answer]:
    return together(visitors, lambda visitor: visitor.post(path, {"code": code}))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workers")


@pytest.fixture(scope="module")
def base(folder: Path) -> Iterator[str]:
    with gunicorn(folder) as address:
        yield address


@pytest.mark.parametrize("sessions", [1, 8])
def test_of_64_posts_of_one_code_one_logs_in(base: str, sessions: int) -> None:
    email = f"race{sessions}@example.com"
    phone, _ = enrolled(base, email)
    visitors = [half(base, email) for _ in range(sessions)]
    code = phone.code(time.time())
    answers = at_once([visitor.clone() for visitor in visitors for _ in range(64 // sessions)], "/mfa/challenge", code)
    assert sorted({answer.status for answer in answers}) in ([303, 400], [303, 400, 429], [303, 429])
    inside = [answer for answer in answers if answer.status == 303]
    assert [answer.location for answer in inside] == ["/inside"]
    assert half(base, email).post("/mfa/challenge", {"code": code}).status in (400, 429)


def test_of_64_posts_of_one_recovery_code_one_logs_in(base: str) -> None:
    email = "recovery@example.com"
    _, codes = enrolled(base, email)
    visitor = half(base, email)
    answers = at_once([visitor.clone() for _ in range(64)], "/mfa/recover", codes[0])
    assert [answer.location for answer in answers if answer.status == 303] == ["/mfa/"]
    # 503: a process has a bound on the slow hashes under way
    assert {answer.status for answer in answers} <= {303, 400, 429, 503}


def test_the_limits_hold_across_workers_and_after_a_restart(base: str, folder: Path) -> None:
    email = "limits@example.com"
    phone, _ = enrolled(base, email)
    visitor = half(base, email)
    answers = at_once([visitor.clone() for _ in range(64)], "/mfa/challenge", phone.wrong(time.time()))
    looked_at = [answer for answer in answers if answer.status == 400]
    assert len(looked_at) <= 4 and {answer.status for answer in answers} == {400, 429}
    assert half(base, email).post("/mfa/challenge", {"code": phone.code(time.time())}).status == 429
    with gunicorn(folder) as restarted:
        # The same session goes on, and so does the delay.
        visitor.base = restarted
        answer = visitor.post("/mfa/challenge", {"code": phone.code(time.time())})
        assert answer.status == 429 and "Try again in" in answer.alert
        assert half(restarted, email).post("/mfa/challenge", {"code": phone.code(time.time())}).status == 429
