"""The example in four worker processes, on SQLite and on PostgreSQL: one decision, whichever worker is asked."""

import http.client
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mfa.servers import PostgreSQLServer, shared_postgresql

from ..steps import PASSWORD, Phone, early_in_a_step
from ..visitor import Answer, Visitor, together
from .example import gunicorn, manage


class Browser(Visitor):
    token_field = "csrfmiddlewaretoken"


def database_on(server: PostgreSQLServer) -> dict[str, Any]:
    from in_django.databases import database_on

    return {**database_on(server), "CONN_MAX_AGE": 60}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path, Any]]:
    """Under ATOMIC_REQUESTS, which puts a transaction around the site's own views."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "sqlite":
        with gunicorn(folder, EXAMPLE_ATOMIC_REQUESTS="1") as base:
            yield base, folder, None
        return
    database = database_on(shared_postgresql())
    with gunicorn(folder, database, EXAMPLE_ATOMIC_REQUESTS="1") as base:
        yield base, folder, database


def password(browser: Browser, email: str) -> Answer:
    browser.get("/login")
    return browser.post("/login", {"username": email, "password": PASSWORD})


def enrolled(base: str, email: str) -> tuple[Phone, list[str], Browser]:
    """A user whose factor was confirmed by the code of the step before: the one of now is open."""
    browser = Browser(base)
    browser.get("/register")
    assert browser.post("/register", {"email": email, "password": PASSWORD}).status == 302
    assert password(browser, email).location == "/inside"
    browser.get("/mfa/set-up")
    browser.post("/mfa/set-up")
    phone = Phone(browser.get("/mfa/set-up").uri)
    answer = browser.post("/mfa/set-up/confirm", {"code": phone.code(early_in_a_step(), -1)})
    assert len(answer.codes) == 10
    return phone, answer.codes, browser


def half(base: str, email: str) -> Browser:
    browser = Browser(base)
    assert password(browser, email).location == "/mfa/challenge"
    browser.get("/mfa/challenge")
    return browser


def at_once(visitors: list[Visitor], path: str, code: str) -> list[Answer]:
    def post(visitor: Visitor) -> Answer:
        for _ in range(20):
            try:
                return visitor.post(path, {"code": code})
            except (ConnectionError, http.client.RemoteDisconnected):  # no answer, so no login
                time.sleep(0.05)
        raise AssertionError("no answer")

    return together(visitors, post)


@pytest.mark.parametrize("sessions", [1, 8])
def test_of_64_posts_of_one_code_one_logs_in(site: tuple[str, Path, Any], sessions: int) -> None:
    base = site[0]
    email = f"race{sessions}@example.com"
    phone, _, _ = enrolled(base, email)
    visitors = [half(base, email) for _ in range(sessions)]
    code = phone.code(time.time())
    answers = at_once([visitor.clone() for visitor in visitors for _ in range(64 // sessions)], "/mfa/challenge", code)
    inside = [answer for answer in answers if answer.location == "/inside"]
    assert len(inside) == 1, [(answer.status, answer.location) for answer in answers]
    # A request that came after the winner's new session key is at the login page.
    assert {answer.status for answer in answers} <= {302, 303, 400, 429}
    assert {answer.location for answer in answers if answer.status in (302, 303)} <= {"/inside", "/login"}


def test_of_64_posts_of_one_recovery_code_one_logs_in(site: tuple[str, Path, Any]) -> None:
    _, codes, _ = enrolled(site[0], "recovery@example.com")
    visitor = half(site[0], "recovery@example.com")
    answers = at_once([visitor.clone() for _ in range(64)], "/mfa/recover", codes[0])
    assert [answer.location for answer in answers].count("/mfa/") == 1
    # 503: a process has a bound on the slow hashes under way
    assert {answer.status for answer in answers} <= {302, 303, 400, 429, 503}


def test_guesses_in_a_view_that_raises_under_atomic_requests_are_counted(site: tuple[str, Path, Any]) -> None:
    """Its own view, in whichever worker: it raises `InvalidCode`, and the request's transaction is rolled back."""
    base, folder, database = site
    email = "guesser@example.com"
    phone, _, browser = enrolled(base, email)
    wrong = phone.wrong(time.time())
    browser.get("/mfa/")
    answers = at_once([browser.clone() for _ in range(50)], "/api/guess", wrong)
    assert {answer.status for answer in answers} == {500}
    more = {} if database is None else {"EXAMPLE_DATABASE": __import__("json").dumps(database)}
    program = (
        "from ferrotp.django import get_mfa; from django.contrib.auth.models import User;"
        f"print(get_mfa().status(user_id=str(User.objects.get(username='{email}').pk)).failures)"
    )
    assert manage(folder, "shell", "-c", program, **more).split()[-1] == "5"  # four are free, the fifth delays
    assert browser.post("/api/guess", {"code": phone.code(time.time())}).status == 500  # the right one, too
