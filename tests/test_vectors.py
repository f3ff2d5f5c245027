"""Published vectors, read from the files that cargo test reads, too."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

import ferrotp
import ferrotp.legacy

VECTORS = Path(__file__).parent / "vectors"
RFC4226: dict[str, Any] = json.loads((VECTORS / "rfc4226_appendix_d.json").read_text())
RFC6238: dict[str, Any] = json.loads((VECTORS / "rfc6238_appendix_b.json").read_text())
SURFACES = pytest.mark.parametrize("pyotp", [ferrotp, ferrotp.legacy], ids=["modern", "legacy"])


def base32(secret_hex: str) -> str:
    return base64.b32encode(bytes.fromhex(secret_hex)).decode()


@SURFACES
@pytest.mark.parametrize("vector", RFC4226["vectors"], ids=lambda vector: str(vector["count"]))
def test_rfc4226_appendix_d_holds(pyotp: Any, vector: dict[str, Any]) -> None:
    hotp = pyotp.HOTP(base32(RFC4226["secret_hex"]), digits=RFC4226["digits"])
    assert hotp.at(vector["count"]) == vector["code"]
    assert hotp.generate_otp(vector["count"]) == vector["code"]
    assert hotp.verify(vector["code"], vector["count"])
    assert not hotp.verify(vector["code"], vector["count"] + 1)


@SURFACES
@pytest.mark.parametrize("vector", RFC6238["vectors"], ids=lambda vector: f"{vector['algorithm']}-{vector['time']}")
def test_rfc6238_appendix_b_holds(pyotp: Any, vector: dict[str, Any]) -> None:
    algorithm = vector["algorithm"]
    totp = pyotp.TOTP(
        base32(RFC6238["secrets_hex"][algorithm]),
        digits=RFC6238["digits"],
        digest=getattr(hashlib, algorithm.lower()),
        interval=RFC6238["period"],
    )
    step = vector["time"] // RFC6238["period"]
    assert totp.at(vector["time"]) == vector["code"]
    assert totp.verify(vector["code"], vector["time"])
    assert totp.verify_and_get_timecode(vector["code"], vector["time"] + 30, valid_window=1) == step
    assert not totp.verify(vector["code"], vector["time"] + 60, valid_window=1)


def test_the_files_hold_all_vectors_of_the_rfcs() -> None:
    assert len(RFC4226["vectors"]) == 10
    assert len(RFC6238["vectors"]) == 18
