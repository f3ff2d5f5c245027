"""A site under gunicorn with several processes, browsers for it, and what its database holds."""

import base64
import json
import os
import re
import secrets
import socket
import sqlite3
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import warm

import ferrotp
from ferrotp.vault import new_key

TESTS = Path(__file__).parent.parent
START = 1_800_000_015.0
CSRF = "c" * 32
AT_ONCE = 8


@dataclass
class Answer:
    """Of a site."""

    status: int
    headers: Any
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def location(self) -> str:
        return str(self.headers.get("Location", ""))


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any) -> None:
        return None


class Browser:
    """Cookies, and no more."""

    def __init__(self, site: "Site") -> None:
        self.site = site
        self.cookies = {"csrftoken": CSRF}
        self._opener = urllib.request.build_opener(_Stay, urllib.request.ProxyHandler({}))

    def get(self, path: str, **query: Any) -> Answer:
        return self.ask("GET", path + ("?" + urllib.parse.urlencode(query) if query else ""), None, {})

    def post(self, path: str, data: dict[str, Any] | None = None) -> Answer:
        return self.ask("POST", path, urllib.parse.urlencode(data or {}).encode(), {})

    def send(self, path: str, data: dict[str, Any], method: str = "POST") -> Answer:
        """As JSON."""
        return self.ask(method, path, json.dumps(data).encode(), {"Content-Type": "application/json"})

    def ask(self, method: str, path: str, data: bytes | None, headers: dict[str, str]) -> Answer:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        request = urllib.request.Request(
            self.site.url + path,
            data,
            {"Cookie": cookies, "X-CSRFToken": self.cookies["csrftoken"], **headers},
            method=method,
        )
        try:
            answer = self._opener.open(request, timeout=30)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            for cookie in answer.headers.get_all("Set-Cookie", []):
                name, _, value = cookie.partition(";")[0].partition("=")
                self.cookies[name] = value
            return Answer(answer.status, answer.headers, answer.read().decode())


class Place:
    """A database, a key and a clock, which outlive the sites that run on them."""

    def __init__(self, framework: str, database: dict[str, Any], folder: Path) -> None:
        self.framework, self.database, self.folder = framework, database, folder
        self._clock = folder / "clock"
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(TESTS),
            "DJANGO_SETTINGS_MODULE": f"adapters.{framework}.settings",
            "ADAPTERS_DATABASE": json.dumps(database),
            "ADAPTERS_CLOCK": str(self._clock),
            "FERROTP_KEYS": new_key(),
        }
        self.now = START
        self.tick(0)

    def tick(self, seconds: float = 30) -> None:
        self.now += seconds
        # In one step: a site may be reading it.
        new = self._clock.with_suffix(".new")
        new.write_text(str(self.now))
        new.replace(self._clock)

    def manage(self, side: str, *arguments: str, status: int = 0) -> str:
        """``manage.py``, of the site with or without ferrotp. What it prints, if it ends with this status."""
        done = warm.django().run(warm.MANAGE, *arguments, env={**self.environment, "ADAPTERS_SIDE": side})
        said = (done.stdout + done.stderr).decode()
        assert done.returncode == status, said
        return said

    def rows(self) -> str:
        """Everything in the database, as text: bytes in hexadecimal, and the contents of sessions."""
        if self.database["ENGINE"].endswith("sqlite3"):
            with sqlite3.connect(self.database["NAME"]) as raw:
                names = [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
                found = [str(row) for name in names for row in raw.execute(f'SELECT * FROM "{name}"').fetchall()]
        else:
            with psycopg.connect(
                host=self.database["HOST"], user=self.database["USER"], dbname=self.database["NAME"]
            ) as server:
                rows = server.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
                found = [str(row) for (name,) in rows for row in server.execute(f'SELECT * FROM "{name}"').fetchall()]
        text = "\n".join(found)
        return text + "\n".join(_session(text) for text in re.findall(r"'(\.?[\w-]{20,}:\w{6}:[\w-]{43})'", text))


def _session(text: str) -> str:
    packed = text.partition(":")[0]
    raw = base64.urlsafe_b64decode(packed.lstrip(".") + "=" * (-len(packed.lstrip(".")) % 4))
    with suppress(zlib.error):
        raw = zlib.decompress(raw) if packed.startswith(".") else raw
    return raw.decode("utf-8", "replace")


class Site:
    """Gunicorn with four processes of two threads each."""

    def __init__(self, place: Place, side: str) -> None:
        self.place, self.side = place, side
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        log = place.folder / f"gunicorn-{port}.log"
        self._server = warm.django().start(
            warm.GUNICORN, "adapters.wsgi:application", "--preload", "--workers=4", "--threads=2",
            f"--bind=127.0.0.1:{port}", "--log-level=warning",
            env={**place.environment, "ADAPTERS_SIDE": side}, log=log,
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while True:
            try:
                Browser(self).get("/_ready")
                break
            except OSError:
                assert self._server.poll() is None and time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)

    def __enter__(self) -> "Site":
        return self

    def __exit__(self, *failure: Any) -> None:
        self._server.end()

    def browser(self) -> Browser:
        return Browser(self)

    def user(self) -> tuple[str, int]:
        """A new user's name and id."""
        name = f"user{secrets.token_hex(4)}"
        return name, self.browser().get("/_user", name=name).json["id"]

    def failures(self, user_id: int) -> int:
        return int(self.browser().get("/_failures", id=user_id).json["failures"])


FACTORS = "/admin/ferrotp/factor/"


def reset_link(browser: Browser, name: str) -> str:
    """Where a member of staff resets a user: as the admin's list leads there."""
    page = browser.get(FACTORS, q=name)
    assert page.status == 200, page.location
    (number,) = set(re.findall(rf'href="{FACTORS}(\d+)/reset/"', page.text))
    return f"{FACTORS}{number}/reset/"


def reset_in_admin(browser: Browser, name: str) -> None:
    """The page that asks, and then its button."""
    link = reset_link(browser, name)
    asked = browser.get(link)
    assert asked.status == 200 and name in asked.text, asked.location
    done = browser.post(link)
    assert (done.status, done.location) == (303, FACTORS), done.text


ENROLLED = """
from django.contrib.auth.models import User
from ferrotp.django import get_mfa
print("enrolled:", get_mfa().status(user_id=User.objects.get(username={name!r}).pk).enrolled)
"""


class Person:
    """A user with an authenticator."""

    def __init__(self, site: Site) -> None:
        self.place = site.place
        self.name, self.id = site.user()
        self.secret = ""
        self.broken = 0  # answers of 500: "database is locked", of the stock packages on SQLite

    def code(self, steps: int = 0) -> str:
        return ferrotp.TOTP(self.secret).at(int(self.place.now) + 30 * steps)

    def wrong(self) -> str:
        live = {self.code(steps) for steps in range(-3, 4)}
        return next(code for code in map("{:06}".format, range(9)) if code not in live)

    def by_password(self, site: Site) -> Browser:
        """Logged in by the password alone, as a user is who sets up a first device."""
        browser = site.browser()
        browser.cookies["sessionid"] = site.browser().get("/_session", name=self.name).json["session"]
        return browser

    def spellings(self) -> list[str]:
        """The secret as a dump may hold it."""
        raw = ferrotp.TOTP(self.secret).byte_secret()
        return [self.secret, raw.hex(), repr(raw)[2:-1]]


def together(actions: "list[Callable[[], bool]]") -> int:
    """Starts all at once. How many said yes."""
    barrier = threading.Barrier(len(actions))

    def run(action: Callable[[], bool]) -> bool:
        barrier.wait()
        return action()

    with ThreadPoolExecutor(len(actions)) as pool:
        return sum(pool.map(run, actions))
