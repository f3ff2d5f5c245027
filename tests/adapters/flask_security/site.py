"""The site on gunicorn, and those who use it: through JSON, and through its database."""

import http.cookiejar
import itertools
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier
from typing import Any, TypeVar

import warm
from flask import Flask
from sqlalchemy import MetaData, create_engine, select
from started import gunicorn_address, when_log_says

import ferrotp
from ferrotp.vault import new_key

from .site_app import create_app

PASSWORD = "correct horse battery"
WORKERS = 3
LOADED = (
    "gunicorn.app.wsgiapp",
    "gunicorn.workers.gthread",
    "flask_sqlalchemy",
    "flask_security.models.fsqla_v3",
    "psycopg",
    "ferrotp.adapters.flask_security",
    "ferrotp.mfa.stores.sql",
)
"""What a server is forked with."""
_T = TypeVar("_T")


class Browser:
    """A session. `post` gives the status and the answer."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.cookies = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))
        self.headers: dict[str, str] = {}

    def post(self, path: str, **fields: object) -> tuple[int, dict[str, Any]]:
        request = urllib.request.Request(
            self.base + path,
            json.dumps(fields).encode(),
            {"Content-Type": "application/json", "Accept": "application/json"},
        )
        try:
            with self.opener.open(request, timeout=20) as answer:
                self.headers = dict(answer.headers)
                return answer.status, json.load(answer)["response"]
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read() or b"{}").get("response", {})

    def clone(self) -> "Browser":
        """The same session in another window."""
        other = Browser(self.base)
        for cookie in self.cookies:
            other.cookies.set_cookie(cookie)
        return other


class Phone:
    """An authenticator app."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.totp = ferrotp.TOTP(secret)

    def code(self, step: int = 0) -> str:
        return self.totp.at(time.time(), step)

    def wrong(self) -> str:
        return next(
            code for code in ("000000", "111111", "222222", "333333") if not self.totp.verify(code, valid_window=30)
        )


def steady() -> None:
    """Waits for a moment that is followed by seconds of the same time step."""
    while time.time() % 30 > 26:
        time.sleep(0.1)


class Site:
    """One database, and the application on it: stock or with ferrotp, one after the other."""

    numbers = itertools.count()

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.outbox = folder / "outbox"
        self.outbox.touch()
        os.environ.update(SITE_KEYS=os.environ.get("SITE_KEYS") or new_key(), SITE_OUTBOX=str(self.outbox))
        self.apps: dict[bool, Flask] = {}
        with self.inside(False) as (database, *_):
            database.create_all()
        self.base = ""

    @contextmanager
    def inside(self, with_ferrotp: bool = True) -> Iterator[tuple[Any, Any, Any, Any]]:
        """The application in this process: its database, `User`, `Security` and `MFA`."""
        if with_ferrotp not in self.apps:
            self.apps[with_ferrotp] = create_app(self.url, with_ferrotp)
        app = self.apps[with_ferrotp]
        with app.app_context():
            yield app.extensions["site"]

    @contextmanager
    def serving(self, what: str) -> Iterator[None]:
        """On a free port, until the block ends."""
        log = self.folder / f"gunicorn-{next(self.numbers)}.log"
        server = warm.shared(*LOADED).start(
            warm.GUNICORN, "--preload", f"--workers={WORKERS}", "--threads=4", "--worker-class=gthread",
            "--bind=127.0.0.1:0", f"--chdir={Path(__file__).parent}", "site_app:served()",
            env={**os.environ, "SITE_DATABASE": self.url, "SITE_WITH": what}, log=log,
        )  # fmt: skip
        try:
            self.base = when_log_says(server, log, gunicorn_address(WORKERS))
            Browser(self.base).post("/login")
            yield
        finally:
            server.end()

    def user(self) -> str:
        """A new user: the address."""
        email = f"user{next(self.numbers)}@example.com"
        with self.inside(False) as (database, _, security, _mfa):
            security.datastore.create_user(email=email, password=PASSWORD)
            database.session.commit()
        return email

    def columns(self, email: str) -> tuple[str, str, list[str]]:
        with self.inside() as (_, _user, security, _mfa):
            user = security.datastore.find_user(email=email)
            return user.tf_totp_secret, user.us_totp_secrets, list(user.mf_recovery_codes or [])

    def log_in(self, email: str) -> Browser:
        """With the password alone: inside, or asked for a code."""
        browser = Browser(self.base)
        status, _ = browser.post("/login", email=email, password=PASSWORD)
        assert status == 200
        return browser

    def set_up(self, email: str, step: int = -1) -> tuple[Phone, str, Browser]:
        """A user's authenticator, the code that confirmed it, and the session."""
        browser = self.log_in(email)
        status, answer = browser.post("/tf-setup", setup="authenticator")
        assert status == 200, answer
        phone = Phone(answer["tf_authr_b32key"])
        code = phone.code(step)
        status, answer = browser.post(f"/tf-setup/{answer['tf_state_token']}", code=code)
        assert status == 200, answer
        return phone, code, browser

    def enrolled(self) -> tuple[str, Phone]:
        email = self.user()
        phone, _, _ = self.set_up(email)
        return email, phone

    def login(self, email: str, code: str, path: str = "/tf-validate") -> int:
        return self.log_in(email).post(path, code=code)[0]

    def dump(self) -> str:
        """All of the database, as text."""
        engine = create_engine(self.url)
        metadata = MetaData()
        metadata.reflect(engine)
        with engine.connect() as connection:
            rows = [row for table in metadata.sorted_tables for row in connection.execute(select(table))]
        engine.dispose()
        return "\n".join(repr([value.hex() if isinstance(value, bytes) else value for value in row]) for row in rows)


def at_once(calls: Sequence[Callable[[], _T]]) -> list[_T]:
    barrier = Barrier(len(calls))

    def run(call: Callable[[], _T]) -> _T:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def race(site: Site, email: str, code: str, path: str = "/tf-validate", count: int = 8) -> int:
    """How many of parallel logins, each with a session of its own, one code opens."""
    browsers = [site.log_in(email) for _ in range(count)]
    answers = at_once([lambda browser=browser: browser.post(path, code=code) for browser in browsers])  # type: ignore[misc]
    assert {status for status, _ in answers} <= {200, 400}, answers
    return sum(status == 200 for status, _ in answers)
