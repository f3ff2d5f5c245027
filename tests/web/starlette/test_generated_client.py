"""A typed client, generated from the document of the application in docs/spa.md, logs in by the page's own lines."""

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from doc_blocks import blocks_of

if sys.version_info < (3, 11):
    pytest.skip("openapi-python-client wants CPython 3.11 or newer", allow_module_level=True)

PAGE = (Path(__file__).parents[3] / "docs" / "spa.md").read_text(encoding="utf-8")
STORY = """
import sys
import time

from login import access_token
from second_factor_client import AuthenticatedClient
from second_factor_client.api.default import inside
from second_factor_client.api.second_factor import confirm, enroll, status, unlock
from second_factor_client.models import ConfirmAnswer, ConfirmBody, EnrollAnswer, EnrollBody
from second_factor_client.models import Problem, StatusAnswer, UnlockBody

import ferrotp

base = sys.argv[1]


def as_user(token: str) -> AuthenticatedClient:
    return AuthenticatedClient(base, token=token)


def never(said: str) -> str:
    raise AssertionError("nobody has a second factor yet")


me = as_user(access_token(base, "42", "correct horse battery", never))
early = unlock.sync(client=me, body=UnlockBody(code="000000", next_code="000001"))
assert isinstance(early, Problem) and early.type_.endswith(":not-enrolled") and early.next_ == "enroll", early
assert early.detail.startswith("There is no two-step login for this account yet")
enrolled = enroll.sync(client=me, body=EnrollBody())
assert isinstance(enrolled, EnrollAnswer)
phone = ferrotp.TOTP(enrolled.secret)
now = int(time.time())
body = ConfirmBody(factor_id=enrolled.factor_id, code=phone.at(now), name="My phone")
confirmed = confirm.sync(client=me, body=body)
assert isinstance(confirmed, ConfirmAnswer) and len(confirmed.recovery_codes) == 10
asked: list[str] = []


def ask(said: str) -> str:
    asked.append(said)
    return phone.at(now if len(asked) == 1 else now + 30)  # the first one confirmed: it is used up


token = access_token(base, "42", "correct horse battery", ask)
assert asked[0] == "" and asked[1].startswith("This code is not right."), asked
found = status.sync(client=as_user(token))
assert isinstance(found, StatusAnswer) and found.factors[0].name == "My phone" and found.fresh
assert inside.sync(client=as_user(token)) == "42"
refused = status.sync(client=as_user("none"))
assert isinstance(refused, Problem) and refused.status == 401
try:
    access_token(base, "42", "wrong", never)
except PermissionError as error:
    print("logged in;", error)
"""


def test_a_client_generated_from_the_document_is_typed_and_logs_in(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(blocks_of(PAGE)[0].code, encoding="utf-8")
    program = re.search(r"^```text\n(from collections.*?)^```", PAGE, re.S | re.M)
    assert program
    (tmp_path / "login.py").write_text(program[1], encoding="utf-8")
    (tmp_path / "story.py").write_text(STORY, encoding="utf-8")
    (tmp_path / "generator.yml").write_text("post_hooks: []\n", encoding="utf-8")

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("ferrotp", "keys", "new", "--file", "keys.txt")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    serve = [sys.executable, "-m", "uvicorn", "app:app", "--port", str(port), "--log-level", "warning"]
    server = subprocess.Popen(serve, cwd=tmp_path, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    try:
        for _ in range(600):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert server.poll() is None
            time.sleep(0.1)
        where = ["--url", f"{base}/openapi.json", "--output-path", "second_factor_client"]
        run(
            "openapi_python_client",
            "generate",
            *where,
            "--meta",
            "none",
            "--config",
            "generator.yml",
            "--fail-on-warning",
        )
        run("mypy", "--strict", "--follow-imports=silent", "--cache-dir", os.devnull, "login.py", "story.py")
        assert run("story", base) == "logged in; the name or the password is not right\n"
    finally:
        server.terminate()
        server.wait()
