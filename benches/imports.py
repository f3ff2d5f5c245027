"""How long users of other packages take to come, and how much memory that takes.

Each import is a process of its own, whose peak memory the kernel knows, into a new SQLite file. The sources have the
tables that the packages make. Needs requirements/test.txt: `make bench-import`.
"""

import argparse
import base64
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from ferrotp.vault import Keyring

DEVICES = (
    "CREATE TABLE auth_user (id INTEGER PRIMARY KEY)",
    """CREATE TABLE otp_totp_totpdevice (id INTEGER PRIMARY KEY, user_id INTEGER, name TEXT, confirmed BOOL, key TEXT,
       step INTEGER, t0 BIGINT, digits INTEGER, drift INTEGER, last_t BIGINT)""",
    "CREATE INDEX device_user ON otp_totp_totpdevice (user_id)",
    "CREATE TABLE otp_static_staticdevice (id INTEGER PRIMARY KEY, user_id INTEGER, confirmed BOOL)",
    "CREATE INDEX static_user ON otp_static_staticdevice (user_id)",
    "CREATE TABLE otp_static_statictoken (id INTEGER PRIMARY KEY, device_id INTEGER, token TEXT)",
    "CREATE INDEX token_device ON otp_static_statictoken (device_id)",
)
ALLAUTH = (
    "CREATE TABLE auth_user (id INTEGER PRIMARY KEY)",
    "CREATE TABLE mfa_authenticator (id INTEGER PRIMARY KEY, user_id INTEGER, type TEXT, data TEXT)",
    "CREATE INDEX authenticator_user ON mfa_authenticator (user_id)",
)
ACCOUNT = ("CREATE TABLE account (id INTEGER PRIMARY KEY, mail TEXT UNIQUE, otp TEXT, last INTEGER)",)
FLASK = (
    """CREATE TABLE user (id INTEGER PRIMARY KEY, fs_uniquifier TEXT UNIQUE, tf_primary_method TEXT,
       tf_totp_secret TEXT, us_totp_secrets TEXT, mf_recovery_codes TEXT)""",
)


def filled(where: Path, tables: tuple[str, ...], rows: "dict[str, Iterator[tuple[Any, ...]]]") -> str:
    """A database with these rows."""
    with closing(sqlite3.connect(where)) as connection, connection:
        for table in tables:
            connection.execute(table)
        for insert, values in rows.items():
            connection.executemany(insert, values)
    return str(where)


def secret() -> str:
    return base64.b32encode(os.urandom(20)).decode()


def sources(users: int, codes: int, folder: Path) -> "Iterator[tuple[str, int, str, list[str]]]":
    """Name, users, database and the command's options of each."""
    everybody, some = range(1, users + 1), range(1, codes + 1)
    step = int(time.time()) // 30 - 100
    device = "INSERT INTO otp_totp_totpdevice VALUES (?, ?, 'default', 1, ?, 30, 0, 6, 0, ?)"

    column = filled(
        folder / "column.db",
        ACCOUNT,
        {"INSERT INTO account VALUES (?, ?, ?, ?)": ((n, f"{n}@example.com", secret(), step) for n in everybody)},
    )
    said = "--table account --user-column mail --secret-column otp --last-used time-step --last-used-column last"
    yield "pyotp-column", users, column, said.split()

    yield (
        "django-otp",
        users,
        filled(
            folder / "otp.db",
            DEVICES,
            {
                "INSERT INTO auth_user VALUES (?)": ((n,) for n in everybody),
                device: ((n, n, os.urandom(20).hex(), step) for n in everybody),
            },
        ),
        [],
    )

    yield (
        "django-allauth",
        users,
        filled(
            folder / "allauth.db",
            ALLAUTH,
            {
                "INSERT INTO auth_user VALUES (?)": ((n,) for n in everybody),
                "INSERT INTO mfa_authenticator VALUES (?, ?, 'totp', ?)": (
                    (n, n, json.dumps({"secret": secret()})) for n in everybody
                ),
            },
        ),
        [],
    )

    from passlib.totp import TOTP

    totp = TOTP.using(secrets={"1": "the application's secret"}, issuer="bench")
    wallets = [totp.new().to_json(encrypt=True) for _ in range(min(codes, 50))]
    proof = totp.from_source(wallets[0]).generate().token
    secrets = folder / "secrets"
    secrets.write_text('{"1": "the application\'s secret"}')
    secrets.chmod(0o600)
    yield (
        "flask-security",
        codes,
        filled(
            folder / "flask.db",
            FLASK,
            {
                "INSERT INTO user VALUES (?, ?, 'authenticator', ?, NULL, NULL)": (
                    (n, f"u{n}", wallets[(n - 1) % len(wallets)]) for n in some
                )
            },
        ),
        ["--totp-secrets-file", str(secrets), "--proof", f"1={proof}"],
    )

    yield (
        "django-otp, 10 codes each",
        codes // 10,
        filled(
            folder / "codes.db",
            DEVICES,
            {
                "INSERT INTO auth_user VALUES (?)": ((n,) for n in some[: codes // 10]),
                device: ((n, n, os.urandom(20).hex(), step) for n in some[: codes // 10]),
                "INSERT INTO otp_static_staticdevice VALUES (?, ?, 1)": ((n, n) for n in some[: codes // 10]),
                "INSERT INTO otp_static_statictoken (device_id, token) VALUES (?, ?)": (
                    (n, base64.b32encode(os.urandom(5)).decode().lower())
                    for n in some[: codes // 10]
                    for _ in range(10)
                ),
            },
        ),
        [],
    )


def measured(name: str, source: str, options: list[str], folder: Path) -> tuple[float, float, int]:
    """Seconds, peak memory in MB, and how many came."""
    command = [sys.executable, "-m", "ferrotp", "mfa", "import", "--from", name.split(",")[0], "--source", source]
    store = folder / f"{time.monotonic_ns()}.db"
    command += ["--write", "--store", f"sqlite:///{store}", "--unchecked-ids", "--json", *options]
    environment = os.environ | {"FERROTP_KEYS": Keyring.generate().export()}
    begun = time.monotonic()
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    said = json.loads(child.stdout.read())
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, said
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return time.monotonic() - begun, usage.ru_maxrss / unit, said["imported"]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="5,000 users instead of 100,000")
    quick = options.parse_args().quick
    scales = ((500, 200), (5_000, 1_000)) if quick else ((10_000, 1_000), (100_000, 5_000))
    print(f"{'source':28}{'users':>9}{'seconds':>10}{'users/s':>10}{'peak MB':>9}")
    slow = []
    for users, codes in scales:
        with tempfile.TemporaryDirectory(prefix="ferrotp-bench-") as place:
            for name, count, source, said in sources(users, codes, Path(place)):
                seconds, peak, came = measured(name, source, said, Path(place))
                assert came == count, (name, came)
                print(f"{name:28}{count:9,}{seconds:10.1f}{count / seconds:10,.0f}{peak:9.0f}", flush=True)
                if count >= 100_000 and seconds > 120:
                    slow.append(name)
    if slow:
        sys.exit(f"more than two minutes: {', '.join(slow)}")


if __name__ == "__main__":
    main()
