"""A process that has loaded modules, and forks for each program: most of what a new interpreter costs is loading."""

import functools
import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import types
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS = 60


class Warm:
    """Runs programs one after the other, each in a fork of a process that has loaded modules. What is not installed
    is not loaded.
    """

    def __init__(self, *modules: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def run(
        self,
        program: Iterable[tuple[int, str]],
        *arguments: str,
        name: str = "-c",
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: "str | Path | None" = None,
    ) -> "subprocess.CompletedProcess[bytes]":
        """As `python -c` would run a program: pieces of it, each with the line that it begins at in the file `name`."""
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder, stream) for stream in ("stdin", "stdout", "stderr")]
            files[0].write_bytes(stdin)
            status = self._ask(
                program=list(program),
                arguments=[name, *arguments],
                name=name,
                env=dict(os.environ if env is None else env),
                cwd=str(cwd or os.getcwd()),
                files=[str(file) for file in files],
            )
            return subprocess.CompletedProcess([name, *arguments], status, *(file.read_bytes() for file in files[1:]))

    def start(self, program: Iterable[tuple[int, str]], *arguments: str, env: Mapping[str, str], log: Path) -> "Server":
        """The same of a server, which writes into a log and stays until its `end`."""
        return Server(
            self,
            self._ask(
                program=list(program),
                arguments=["-c", *arguments],
                name="-c",
                env=dict(env),
                cwd=os.getcwd(),
                files=[os.devnull, str(log), str(log)],
                stays=True,
            ),
        )

    def _ask(self, **request: Any) -> int:
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps(request), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=SECONDS)


RUNNING = 1000
"""Instead of a status."""


@dataclass
class Server:
    """One that runs in a fork."""

    warm: Warm
    pid: int

    def poll(self) -> "int | None":
        """Its status, or None while it runs."""
        status = self.warm._ask(poll=self.pid)
        return None if status == RUNNING else status

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Ends it. If it is killed, so are all processes that it has started: to put their affairs in order takes them
        as long as to start."""
        if number == signal.SIGKILL:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)
        else:
            os.kill(self.pid, number)
        until = time.monotonic() + 2 * SECONDS
        while self.poll() is None:
            assert time.monotonic() < until, "it does not end"
            time.sleep(0.02)


@functools.cache
def shared(*modules: str) -> Warm:
    """One for all tests of a worker, to the end of it."""
    return Warm(*modules)


def script(path: Path) -> list[tuple[int, str]]:
    """As `python PATH` would run it."""
    return [(1, f"import runpy; runpy.run_path({str(path)!r}, run_name='__main__')")]


# As `manage.py` is run, and `django-admin`.
MANAGE = [(1, "import sys; from django.core.management import execute_from_command_line as run; run(sys.argv)")]
# As servers are run.
GUNICORN = [(1, "from gunicorn.app.wsgiapp import run; run()")]
UVICORN = [(1, "from uvicorn import main; main()")]


def django() -> Warm:
    """With what Django's commands and gunicorn load, of modules that want no settings."""
    return shared(
        "django.core.management",
        "django.contrib.auth.hashers",
        "django.views.debug",
        "django.core.wsgi",
        "django.test.client",
        "django.template.defaulttags",
        "psycopg",
        "gunicorn.app.wsgiapp",
        "gunicorn.workers.gthread",
        "ferrotp.mfa",
    )


def _child(request: dict[str, Any]) -> None:
    """Becomes the program: its folder, streams, variables, arguments."""
    import atexit

    if "stays" in request:
        os.setpgid(0, 0)
    else:
        signal.alarm(SECONDS)
    os.chdir(str(request["cwd"]))
    os.environ.clear()
    os.environ.update(request["env"])
    for number, file in enumerate(request["files"]):
        os.dup2(os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND), number)
    encoding, _, errors = os.environ.get("PYTHONIOENCODING", "utf-8").partition(":")
    sys.stdin = open(0, encoding=encoding, errors=errors or None, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding=encoding, errors=errors or None, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding=encoding, errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
    sys.argv = list(request["arguments"])
    sys.path[0] = ""
    sys.path[1:1] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        for line, code in request["program"]:
            exec(compile("\n" * (line - 1) + code, str(request["name"]), "exec"), main.__dict__)
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()


def _status(end: SystemExit) -> int:
    if end.code is None or isinstance(end.code, int):
        return end.code or 0
    print(end.code, file=sys.stderr)
    return 1


def _serve() -> None:
    for module in sys.argv[1:]:
        with suppress(ImportError):
            __import__(module)
    gc.freeze()  # or a child that looks for garbage copies each page of it
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    staying: set[int] = set()
    for line in requests:
        request = json.loads(line)
        if "poll" in request:
            ended, found = os.waitpid(request["poll"], os.WNOHANG)
            staying.discard(ended)
            print(os.waitstatus_to_exitcode(found) if ended else RUNNING, file=answers, flush=True)
            continue
        child = os.fork()
        if child == 0:
            status = 1
            try:
                _child(request)
                status = 0
            except SystemExit as end:
                status = _status(end)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        if "stays" in request:
            with suppress(OSError):  # it has done so itself
                os.setpgid(child, child)
            staying.add(child)
            print(child, file=answers, flush=True)
        else:
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=answers, flush=True)
    for server in staying:  # the tests were interrupted
        os.killpg(server, signal.SIGKILL)


if __name__ == "__main__":
    _serve()
