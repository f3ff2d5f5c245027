"""What the contract's tests share."""

import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import textwrap
import types
from collections.abc import Callable, Mapping
from typing import Any

from ferrotp import _native

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # RFC 6238's, "12345678901234567890"
OTHER_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
EDGES = [2**bits + more for bits in (8, 16, 31, 32, 63, 64) for more in (-1, 0)]
"""Where a number no longer fits into what may hold it."""


def _releases() -> types.ModuleType:
    # pyotp's own suites fetch the same archives; theirs is the code that pins them by hash.
    path = pathlib.Path(__file__).parents[1] / "pyotp" / "releases.py"
    spec = importlib.util.spec_from_file_location("pyotp_releases", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_fetched = _releases()
MIRRORED: str = _fetched.MIRRORED
RELEASES = {"ferrotp": MIRRORED, "ferrotp.legacy": _fetched.LEGACY}


def release_path(version: str) -> str:
    """What to put on PYTHONPATH for ``import pyotp`` to give this release of pyotp."""
    return str(_fetched.unpacked(version) / "src")


def load_release(version: str) -> types.ModuleType:
    """A release of pyotp as a module named after its version, so that two live in one process."""
    return _fetched.load(version)


def outcome(function: Callable[[types.ModuleType], Any], module: types.ModuleType) -> tuple[str, Any]:
    """What a use of the module comes to: its value, or the exception's name and message."""
    try:
        value = function(module)
    except Exception as error:
        # A message may name the package; which one it is, is the only difference that is allowed.
        return type(error).__name__, str(error).replace(module.__name__ + ".", "")
    return "value", value


def is_fast(otp: Any) -> bool:
    """Whether the native path answers for the object."""
    kind = type(otp).__name__
    code = _native.hotp_at(otp, 1) if kind == "HOTP" else _native.totp_at(otp, 59, 0)
    return code is not None


def is_fast_to_verify(otp: Any) -> bool:
    """The same for what compares codes, by functions of `utils` where those are replaced."""
    kind = type(otp).__name__
    verdict = _native.hotp_verify(otp, "0", 1) if kind == "HOTP" else _native.totp_verify(otp, "0", 59, 0)
    return verdict is not None


def is_fast_to_write_a_uri(otp: Any) -> bool:
    """The same for `provisioning_uri`."""
    kind = type(otp).__name__
    uri = _native.hotp_uri(otp, None, None, None) if kind == "HOTP" else _native.totp_uri(otp, None, None)
    return uri is not None


def kinds(module: types.ModuleType) -> dict[str, Any]:
    """The public classes."""
    return {"OTP": module.OTP, "HOTP": module.HOTP, "TOTP": module.TOTP, "Steam": module.contrib.Steam}


def run_python(
    code: str,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    executable: str = sys.executable,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Runs code in an interpreter of its own; a failure shows what it said."""
    process = subprocess.run(
        [executable, "-c", textwrap.dedent(code), *arguments],
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=600,  # against a program that hangs; a machine may be slow, or emulated
    )
    assert not check or process.returncode == 0, f"exit {process.returncode}\n{process.stdout}\n{process.stderr}"
    return process


def without_addresses(text: str) -> str:
    return re.sub(r"0x[0-9a-fA-F]+", "0x", text)
