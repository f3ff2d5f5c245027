"""The installed program, run as a person or a script runs it."""

import json
import os
import pathlib
import shutil
import subprocess
import sysconfig
from typing import Any

import pytest
import warm

FERROTP = str(pathlib.Path(sysconfig.get_path("scripts")) / ("ferrotp.exe" if os.name == "nt" else "ferrotp"))
IN_CI = os.environ.get("CI") == "true"
POSIX = pytest.mark.skipif(os.name != "posix", reason="modes, signals and /dev are POSIX's")

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # of RFC 6238, appendix B
SHORT = "JBSWY3DPEHPK3PXP"  # 80 bits
URI = f"otpauth://totp/ACME:alice?secret={SECRET}&issuer=ACME"


def needs(program: str, package: str) -> pytest.MarkDecorator:
    """Where CI=true the absence of a program is an error, not a skip."""
    missing = shutil.which(program) is None and not IN_CI
    return pytest.mark.skipif(missing, reason=f"{program} is not installed: apt-get install {package}")


def environment(**variables: str) -> dict[str, str]:
    """Without what a developer's shell says of colours, terminals and Python."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PYTHON") and name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM")
    }
    return {**kept, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **variables}


# What the installed script does.
_PROGRAM = [(1, "import sys; from ferrotp.__main__ import run; sys.exit(run())")]


def _warm(with_stores: bool) -> warm.Warm:
    """What has loaded what each verb loads; for those about a store, also what SQLAlchemy makes of its statements."""
    modules = ("ferrotp.cli.app", "ferrotp.__main__", "ferrotp.legacy", "encodings.utf_8_sig", "importlib.metadata")
    others = ("cryptography.hazmat.primitives.ciphers.aead", "PIL.ImageOps", "zxingcpp")
    return warm.shared(*modules, *others, *(("ferrotp.mfa.preloaded",) if with_stores else ()))


def run(*arguments: str, stdin: "str | bytes" = b"", env: dict[str, str] | None = None, cwd: Any = None) -> Any:
    """One command, in a fork of a process that has loaded ferrotp (tests of its start run the installed script). Its
    output is text in UTF-8; none may ever be a traceback.
    """
    done = _warm("mfa" in arguments or "FERROTP_STORE" in (env or {})).run(
        _PROGRAM,
        *arguments,
        name=FERROTP,
        stdin=stdin.encode() if isinstance(stdin, str) else stdin,
        env=environment(**(env or {})),
        cwd=cwd,
    )
    out = done.stdout.decode().replace("\r\n", "\n")
    err = done.stderr.decode().replace("\r\n", "\n")
    assert "Traceback" not in err, err
    return subprocess.CompletedProcess(done.args, done.returncode, out, err)


def ok(*arguments: str, **options: Any) -> str:
    """The output of a command that has to succeed."""
    done = run(*arguments, **options)
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def as_json(*arguments: str, code: int = 0, **options: Any) -> dict[str, Any]:
    """The object of a command with --json: one, in one line."""
    done = run(*arguments, "--json", **options)
    assert done.returncode == code, (done.stdout, done.stderr)
    assert done.stdout.count("\n") == 1 and done.stdout.isascii()
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def error(*arguments: str, code: int = 2, **options: Any) -> str:
    """The message of a command that has to fail, without its usage line: the same for people and for programs."""
    done = run(*arguments, **options)
    assert done.returncode == code, (done.stdout, done.stderr)
    assert done.stdout == ""
    [message] = [line.removeprefix("ferrotp: ") for line in done.stderr.splitlines() if line.startswith("ferrotp: ")]
    answer = as_json(*arguments, code=code, **options)
    assert set(answer) == {"error"} and answer["error"]["message"] == message
    return message
