"""PgBouncer in front of a PostgreSQL server, on a socket of its own."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from programs import IN_CI

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

needs_pgbouncer = pytest.mark.skipif(
    PROGRAM is None and not IN_CI, reason="pgbouncer is not installed: apt-get install pgbouncer"
)


class PgBouncer:
    """One that passes a session on after each transaction.

    :param url: the store's URL of a database of the server
    :param size: how many sessions of the server all clients share
    """

    def __init__(self, url: str, *, size: int, mode: str = "transaction") -> None:
        assert PROGRAM is not None, "pgbouncer is not installed: apt-get install pgbouncer"
        parts = urlsplit(url)
        self._name = parts.path.strip("/")
        server = parse_qs(parts.query)["host"][0]
        self.directory = Path(tempfile.mkdtemp(prefix="ferrotp-pgb-"))
        users = self.directory / "users.txt"
        users.write_text('"postgres" ""\n', encoding="utf-8")
        settings = self.directory / "pgbouncer.ini"
        settings.write_text(
            f"""[databases]
{self._name} = host={server} user=postgres
[pgbouncer]
listen_port = 6432
unix_socket_dir = {self.directory}
auth_type = trust
auth_file = {users}
pool_mode = {mode}
default_pool_size = {size}
max_client_conn = 1000
ignore_startup_parameters = extra_float_digits
""",
            encoding="utf-8",
        )
        command = [PROGRAM, str(settings)]
        if os.geteuid() == 0:  # neither of the two serves as root: it is the server's user
            owner = pwd.getpwuid(os.stat(f"{server}/.s.PGSQL.5432").st_uid).pw_name
            command = [PROGRAM, "-u", owner, str(settings)]
            self.directory.chmod(0o777)
        self._log = open(self.directory / "log", "wb")  # noqa: SIM115 - for as long as the process
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log)
        self.url = f"postgresql+psycopg://postgres:@:6432/{self._name}?host={self.directory}"
        self.conninfo = f"host={self.directory} port=6432 user=postgres dbname={self._name}"
        until = time.monotonic() + 20
        while True:
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.conninfo).close()
                return
            assert time.monotonic() < until and self._process.poll() is None, (self.directory / "log").read_text()
            time.sleep(0.05)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._log.close()
        shutil.rmtree(self.directory, ignore_errors=True)
