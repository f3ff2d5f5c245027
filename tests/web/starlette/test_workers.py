"""The example on uvicorn with four workers and the SQLite default: one decision, whichever worker is asked."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from started import when_log_says

from ..steps import PASSWORD, Phone, early_in_a_step
from ..visitor import together
from .example import EXAMPLE, Client, Reply

HERE = Path(__file__).parent
WORKERS = 4


@contextmanager
def uvicorn(folder: Path) -> Iterator[str]:
    """The example on a free port, until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "uvicorn.log"
    path = os.pathsep.join(filter(None, [str(EXAMPLE), os.environ.get("PYTHONPATH", "")]))
    command = [
        sys.executable, str(HERE / "uvicorn_forked.py"), f"--workers={WORKERS}", "--factory", f"--port={port}",
        f"--app-dir={EXAMPLE}", "--no-access-log", "--backlog=256", "server:create_app",
    ]  # fmt: skip
    with log.open("w") as out:
        server = subprocess.Popen(
            command,
            env={**os.environ, "EXAMPLE_FOLDER": str(folder), "PYTHONPATH": path},
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        when_log_says(server, log, lambda text: text.count("Application startup complete") == WORKERS or None)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(120)


def enrolled(base: str, email: str) -> tuple[Phone, list[str]]:
    """A user whose factor was confirmed by the code of the step before: the one of now is open."""
    client = Client(base)
    assert client.ask("POST", "/api/register", {"email": email, "password": PASSWORD}).status == 201
    assert client.password(email).body["status"] == "done"
    body = client.do("enroll", name="Phone").body
    phone = Phone(body["uri"])
    reply = client.do("confirm", factor_id=body["factor_id"], code=phone.code(early_in_a_step(), -1))
    return phone, reply.body["recovery_codes"]


def half(base: str, email: str) -> Client:
    client = Client(base)
    assert client.password(email).body["status"] == "pending"
    return client


def at_once(clients: list[Client], operation: str, code: str) -> list[Reply]:
    return together(clients, lambda client: client.do(operation, code=code))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workers")


@pytest.fixture(scope="module")
def base(folder: Path) -> Iterator[str]:
    with uvicorn(folder) as address:
        yield address


@pytest.mark.parametrize("tokens", [1, 8])
def test_of_64_posts_of_one_code_one_logs_in(base: str, tokens: int) -> None:
    email = f"race{tokens}@example.com"
    phone, _ = enrolled(base, email)
    clients = [half(base, email) for _ in range(tokens)]
    code = phone.code(time.time())
    replies = at_once([client.clone() for client in clients for _ in range(64 // tokens)], "verify", code)
    assert {reply.status for reply in replies} <= {200, 400, 429}
    assert len([reply for reply in replies if reply.status == 200]) == 1
    assert half(base, email).do("verify", code=code).status in (400, 429)


def test_of_64_posts_of_one_recovery_code_one_logs_in(base: str) -> None:
    _, codes = enrolled(base, "recovery@example.com")
    client = half(base, "recovery@example.com")
    replies = at_once([client.clone() for _ in range(64)], "recover", codes[0])
    # 503: a process has a bound on the slow hashes under way
    assert {reply.status for reply in replies} <= {200, 400, 429, 503}
    assert len([reply for reply in replies if reply.status == 200]) == 1


def test_the_limits_hold_across_workers_and_after_a_restart(base: str, folder: Path) -> None:
    email = "limits@example.com"
    phone, _ = enrolled(base, email)
    client = half(base, email)
    replies = at_once([client.clone() for _ in range(64)], "verify", phone.wrong(time.time()))
    assert {reply.status for reply in replies} == {400, 429}
    assert len([reply for reply in replies if reply.kind == "invalid-code"]) <= 5  # the others were not looked at
    with uvicorn(folder) as restarted:
        client.base = restarted
        assert client.do("verify", code=phone.code(time.time())).kind == "too-many-attempts"
        assert half(restarted, email).do("verify", code=phone.code(time.time())).kind == "too-many-attempts"
