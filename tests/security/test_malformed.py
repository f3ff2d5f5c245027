"""Malformed input meets documented exceptions, never a panic, a crash or a long wait."""

import contextlib
import importlib
import json
import subprocess
import sys
import unicodedata
from unittest import mock

import instructions
import pytest

from . import malformed

SURFACES = ["ferrotp", "ferrotp.legacy"]


@pytest.fixture(scope="module")
def report():
    """What all of the corpus does in a process of its own, which may crash."""
    process = subprocess.run(
        [sys.executable, "-X", "faulthandler", malformed.__file__], capture_output=True, text=True, timeout=600
    )
    assert process.returncode == 0, process.stderr[-3000:]
    return {**json.loads(process.stdout), "stderr": process.stderr}


def test_the_corpus_has_at_least_500_inputs():
    assert len(malformed.corpus()) >= 500


def test_nothing_crashes_and_nothing_is_written_to_stderr(report):
    # A panic writes there, even one that is caught.
    assert report["stderr"] == ""


def test_only_documented_exceptions_are_raised(report):
    assert report["objections"] == []


def test_the_report_is_of_many_calls(report):
    # Or the tests above would look at nothing.
    assert report["calls"] >= 500


# Texts of a thousand characters and more: of up to a hundred thousand for every call that takes such, and of up to a
# million where a code is checked, since a code is what an attacker sends.
LONG = """
import importlib
from security import malformed
longest = [text for text in malformed.texts() if len(text) >= 1000]
def try_all(surface, name, most):
    texts = [text for text in longest if len(text) <= most]
    assert malformed.objections(importlib.import_module(surface), name, texts) == []
"""


@instructions.needs_valgrind
def test_no_input_makes_a_call_work_for_long():
    checks = {"TOTP.verify(otp)", "HOTP.verify(otp)", "Steam.verify(otp)"}
    pieces = {
        f"{surface}: {name}": f"try_all({surface!r}, {name!r}, {10**7 if name in checks else 10**5 + 1})"
        for surface in SURFACES
        for name in sorted(malformed.OPEN)
    }
    taken = instructions.count(LONG, pieces, warm_up=0)
    # A call's texts together take less than a tenth of a second. Where work grows with the square, one takes more.
    assert {name: work for name, work in taken.items() if work.all > 250_000_000} == {}


@pytest.mark.parametrize("surface", SURFACES)
def test_no_input_over_1024_characters_is_normalized(surface):
    # Its cost grows with the square of the length on some Pythons (CVE-2026-3276). A replaced `normalize` is counted.
    module = importlib.import_module(surface)
    totp, hotp = module.TOTP(malformed.SECRET), module.HOTP(malformed.SECRET)
    longest = [text for text in malformed.texts() if len(text) > 1024]
    assert longest
    with mock.patch.object(module.utils.unicodedata, "normalize", wraps=unicodedata.normalize) as normalize:
        for text in longest:
            assert totp.verify(text) is False
            assert hotp.verify(text, 1) is False
        assert normalize.call_count == 0
        assert totp.verify("0" * 6, for_time=59) is False
        assert normalize.call_count == 2


@pytest.mark.parametrize("surface", SURFACES)
def test_a_malformed_code_is_never_right(surface):
    module = importlib.import_module(surface)
    totp, hotp = module.TOTP(malformed.SECRET), module.HOTP(malformed.SECRET)
    for text in malformed.texts():
        if len(text) <= 1024 and unicodedata.normalize("NFKC", text) == "287082":
            continue
        for use in (lambda text=text: totp.verify(text, for_time=59), lambda text=text: hotp.verify(text, 1)):
            with contextlib.suppress(UnicodeEncodeError):
                assert use() is False, ascii(text[:40])


@pytest.mark.parametrize("surface", SURFACES)
def test_int_to_bytestring_of_a_negative_number_ends(surface):
    # Shifting to the right never makes 0 of it.
    code = f"""
import resource
resource.setrlimit(resource.RLIMIT_AS, (400 * 2**20, 400 * 2**20))
import {surface} as pyotp
try:
    pyotp.OTP.int_to_bytestring(-1)
except (ValueError, OverflowError):
    print("ended")
"""
    try:
        process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        pytest.fail("it does not end")
    assert process.stdout == "ended\n", process.stderr[-500:]
