"""An import that is killed and begun again brings everybody, and nobody twice."""

import base64
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pyotp

from ferrotp.mfa.imports import DjangoOTP, run_import

from .conftest import Service
from .test_hostile import django_tables

USERS = 4000


def count(where: Path) -> int:
    if not where.exists():
        return 0
    with closing(sqlite3.connect(where, timeout=5)) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM ferrotp_factor").fetchone()[0])
        except sqlite3.OperationalError:  # no tables yet
            return 0


def test_an_import_that_was_killed_is_begun_again(tmp_path: Path, service: Service) -> None:
    keys = [os.urandom(20) for _ in range(USERS)]
    source = django_tables(tmp_path / "app.db", [{"key": key.hex(), "last_t": 50_000_000} for key in keys])
    store = tmp_path / "mfa.db"
    command = [sys.executable, "-m", "ferrotp", "mfa", "import", "--from", "django-otp", "--source", source]
    command += ["--write", "--store", service.url]
    environment = os.environ | {"FERROTP_KEYS": service.keyring.export()}
    kills = 0
    for share in (0.1, 0.3, 0.6, 0.8):
        running = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while running.poll() is None and count(store) < share * USERS:
            time.sleep(0.002)
        running.send_signal(signal.SIGKILL) if running.poll() is None else None
        kills += running.wait() == -signal.SIGKILL
    assert kills >= 2
    there = count(store)
    assert 0 < there < USERS
    service.now = 50_000_000 * 30 + 35
    gone = next(factor for factor in service.mfa.factors())
    service.mfa.remove_factor(user_id=gone.user_id, factor_id=gone.factor_id)
    report = run_import(source, DjangoOTP(), service.mfa)
    assert (report.imported, report.already) == (USERS - there, there)
    # What was removed since does not come back, and everybody else is there once.
    users = [factor.user_id for factor in service.mfa.factors()]
    assert len(users) == len({*users}) == USERS - 1
    assert gone.user_id not in users
    for number in (2, USERS):
        if str(number) != gone.user_id:
            code = pyotp.TOTP(base64.b32encode(keys[number - 1]).decode())
            assert not service.takes(number, code.generate_otp(50_000_000))
            assert service.takes(number, code.generate_otp(50_000_001))


def test_the_source_is_only_read(tmp_path: Path, service: Service) -> None:
    source = Path(django_tables(tmp_path / "app.db", [{}, {}]))
    before, files = source.read_bytes(), {*tmp_path.iterdir()}
    source.chmod(0o400)
    run_import(str(source), DjangoOTP(), service.mfa)
    assert source.read_bytes() == before
    assert {path.name for path in {*tmp_path.iterdir()} - files} <= {"mfa.db", "mfa.db-wal", "mfa.db-shm"}


def test_the_application_writes_on_meanwhile(tmp_path: Path, service: Service) -> None:
    source = django_tables(tmp_path / "app.db", [{} for _ in range(1200)])
    pages = 0

    def write(done: int, total: int) -> None:
        nonlocal pages
        pages += 1
        with closing(sqlite3.connect(source, timeout=1)) as connection, connection:
            connection.execute("UPDATE otp_totp_totpdevice SET last_t = 7 WHERE id = 1")

    assert run_import(source, DjangoOTP(), service.mfa, progress=write).imported == 1200
    assert pages == 3
