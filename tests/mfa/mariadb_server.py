"""A MariaDB of Debian's that the tests start themselves, without root, on a socket and a port of the loopback."""

from __future__ import annotations

import atexit
import contextlib
import functools
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pausing
import pymysql
import pytest
from folders import fill, in_memory
from programs import IN_CI

from .redis_server import free_port

PROGRAM = shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
INSTALLER = shutil.which("mariadb-install-db")
APP, PASSWORD = "app", "hunter2"
"""The store's own account, which may do what a role of an application may, and no more."""


def skip_without_mariadb() -> None:
    """A laptop may lack it; where CI=true its absence is an error."""
    if PROGRAM is None and not IN_CI:
        pytest.skip("mariadbd is not installed: apt-get install mariadb-server-core")


class MariaDBServer:
    """A server of our own in a new directory, so that it can be stopped, paused and changed."""

    def __init__(self, *, max_connections: int = 300, folder: str | None = None, **settings: str) -> None:
        assert PROGRAM and INSTALLER, "mariadbd is not installed: apt-get install mariadb-server-core"
        self._numbers = itertools.count()
        # Not pytest's tmp_path: the path of a socket is at most 107 bytes long.
        self.directory = Path(tempfile.mkdtemp(prefix="ferrotp-my-", dir=folder))
        self.socket = self.directory / "socket"
        self.port = free_port()
        data = self.directory / "data"
        data.mkdir()
        # A server that starts removes what looks like its own from the folder for temporary tables: another's, too.
        temporary = self.directory / "tmp"
        temporary.mkdir()
        # It does not serve as root.
        owner = pwd.getpwuid(os.geteuid() or pwd.getpwnam("nobody").pw_uid)
        for place in (self.directory, data, temporary):
            os.chown(place, owner.pw_uid, owner.pw_gid)
        given = {
            "user": owner.pw_name,
            "datadir": str(data),
            "tmpdir": str(temporary),
            "max_connections": str(max_connections),
            "innodb_buffer_pool_size": "64M",
            "innodb_log_file_size": "16M",
            **settings,
        }
        common = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
        install = [INSTALLER, "--no-defaults", "--basedir=/usr", *common[:2], "--skip-test-db", "--cross-bootstrap"]
        install.append("--auth-root-authentication-method=normal")
        program = os.stat(PROGRAM)
        fill(
            data,
            f"mariadb-{program.st_size}-{program.st_mtime_ns}",
            lambda: subprocess.run(install, check=True, capture_output=True, cwd=self.directory),
        )
        here = [f"--socket={self.socket}", f"--port={self.port}", "--bind-address=127.0.0.1", "--skip-name-resolve"]
        self._command = [PROGRAM, "--no-defaults", *common, *here, f"--pid-file={self.directory}/data/pid"]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()
        with self.root() as root:
            for place in ("localhost", "127.0.0.1"):
                root.execute(f"CREATE USER {APP}@'{place}' IDENTIFIED BY '{PASSWORD}'")
                root.execute(f"GRANT ALL ON `d%`.* TO {APP}@'{place}'")

    @contextlib.contextmanager
    def root(self, database: str | None = None) -> Any:
        """A cursor of the administrator's."""
        connection = pymysql.connect(
            unix_socket=str(self.socket), user="root", database=database, autocommit=True, ssl_disabled=True
        )
        try:
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()

    def url_of(self, name: str, login: str = f"{APP}:{PASSWORD}") -> str:
        """For the store."""
        return f"mysql+pymysql://{login}@/{name}?unix_socket={self.socket}"

    def database(self) -> str:
        """A new, empty database: its URL for the store."""
        name = f"d{os.getpid()}_{next(self._numbers)}"
        with self.root() as root:
            root.execute(f"CREATE DATABASE {name}")
        return self.url_of(name)

    def stop(self) -> None:
        """As an administrator stops it."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait()
        self._process = None

    def kill(self) -> None:
        """As a machine without power does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def start(self) -> None:
        log = self.directory / "log"
        with open(log, "ab") as out:
            self._process = subprocess.Popen(self._command, stdout=out, stderr=out, cwd=self.directory)
        until = time.monotonic() + 60
        while True:
            with contextlib.suppress(pymysql.OperationalError), self.root():
                return
            assert time.monotonic() < until and self._process.poll() is None, log.read_text()[-3000:]
            time.sleep(0.02)

    def pause(self) -> None:
        """Stops all of it: the kernel still takes its connections."""
        assert self._process is not None
        pausing.pause(self._process.pid)

    def resume(self) -> None:
        """Returns when it answers."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)
        with self.root() as root:
            root.execute("SELECT 1")

    def close(self) -> None:
        if self._process is not None:
            self.kill()  # nothing in it is wanted
        shutil.rmtree(self.directory, ignore_errors=True)


@functools.cache
def shared_mariadb(max_connections: int = 300) -> MariaDBServer:
    """The server that all tests of a session share, and leave as it was. It is started when it is first asked for."""
    server = MariaDBServer(max_connections=max_connections, folder=in_memory())
    atexit.register(server.close)
    return server
