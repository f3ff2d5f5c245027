"""The Django example, up on a free port in processes of its own, with a clock that tests move."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import warm
from started import gunicorn_address, when_log_says

EXAMPLE = Path(__file__).parents[3] / "examples" / "django_app"
TESTS = Path(__file__).parents[2]


def environment(folder: Path, *, clock: bool = False, **more: str) -> dict[str, str]:
    """The example's, with its data in a folder."""
    path = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH", "")]))
    made = {
        **os.environ,
        "PYTHONPATH": path,
        "EXAMPLE_FOLDER": str(folder),
        "EXAMPLE_MAILS": str(folder / "mails"),
        "EXAMPLE_CHEAP_PASSWORDS": "1",
        "EXAMPLE_ORIGIN": "",
        **more,
    }
    return {**made, "EXAMPLE_CLOCK": "web.django.clock.now"} if clock else made


class DjangoSite:
    """A `Site`: see `web.steps`."""

    paths = {  # noqa: RUF012
        "register": "/register",
        "login": "/login",
        "inside": "/inside",
        "settings": "/mfa/",
        "password": "/password",
        "vault": "/vault",
        "admin": "/admin/",
    }

    def __init__(self, folder: Path, **more: str) -> None:
        self._folder = folder
        self._offset = 0.0
        self._server = subprocess.Popen(
            [sys.executable, str(EXAMPLE)],
            env=environment(folder, clock=True, **more),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._server.stdout is not None
        found = re.search(r"http://[\w.:]+", self._server.stdout.readline())
        assert found
        self.base = found[0]

    def now(self) -> float:
        return time.time() + self._offset

    def wait(self, seconds: float) -> None:
        self._offset += seconds
        fresh = self._folder / "clock.new"
        fresh.write_text(str(self._offset))
        fresh.rename(self._folder / "clock")

    def close(self) -> None:
        self._server.send_signal(signal.SIGINT)
        self._server.wait(120)


def manage(folder: Path, *arguments: str, **more: str) -> str:
    """`manage.py` of the example."""
    variables = {"DJANGO_SETTINGS_MODULE": "example.settings", **environment(folder, **more)}
    variables["PYTHONPATH"] = os.pathsep.join([str(EXAMPLE), variables["PYTHONPATH"]])
    done = warm.django().run(warm.MANAGE, *arguments, env=variables)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@contextmanager
def gunicorn(folder: Path, database: "dict[str, Any] | None" = None, **more: str) -> Iterator[str]:
    """The example in four worker processes, until the block ends."""
    if database is not None:
        more["EXAMPLE_DATABASE"] = json.dumps(database)
    manage(folder, "migrate", "-v0", **more)
    log = folder / "gunicorn.log"
    log.unlink(missing_ok=True)
    server = warm.django().start(
        warm.GUNICORN, "--workers=4", "--threads=8", "--worker-class=gthread", "--bind=127.0.0.1:0",
        f"--chdir={EXAMPLE}", "--backlog=256", "example.wsgi:application", env=environment(folder, **more), log=log,
    )  # fmt: skip
    try:
        yield when_log_says(server, log, gunicorn_address(4))
    finally:
        server.end(signal.SIGTERM)
