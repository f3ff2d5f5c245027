"""No Python code runs while an object's state is locked: what comes back to the object finds it open."""

import pytest
from contract.helpers import run_python

PRELUDE = """
import faulthandler, gc
import {surface} as pyotp
faulthandler.dump_traceback_later(60, exit=True)  # a process that hangs holds the GIL, so a thread must end it

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"

class Finalizer:
    ran = 0

    def __del__(self):
        Finalizer.ran += 1
        otp.issuer = "from the finalizer"
        otp.secret = SECRET
        try:
            otp.at(59)
        except Exception:
            pass  # of an attribute that is no number

def plant():
    # Each is a cycle, so that the collector alone finds it, at whatever allocation it begins at.
    for _ in range(3):
        finalizer = Finalizer()
        finalizer.myself = finalizer
"""


@pytest.mark.parametrize("surface", ["ferrotp", "ferrotp.legacy"])
def test_a_finalizer_comes_back_while_the_key_is_made(surface: str) -> None:
    run_python(
        PRELUDE.format(surface=surface)
        + """
gc.set_threshold(1)  # any new container collects
for _ in range(50):
    otp = pyotp.TOTP(SECRET)
    plant()
    otp.secret = "\\udc80" * 32  # which cannot be encoded: CPython builds an exception that says so
    try:
        otp.at(59)
    except ValueError:
        pass
    plant()
    otp.secret = SECRET
    assert otp.at(59) == "287082"
assert Finalizer.ran
"""
    )


@pytest.mark.parametrize("surface", ["ferrotp", "ferrotp.legacy"])
@pytest.mark.parametrize("attribute", ["digits", "digest", "interval", "secret", "name", "issuer"])
def test_a_finalizer_comes_back_while_an_attribute_is_written(surface: str, attribute: str) -> None:
    run_python(
        PRELUDE.format(surface=surface)
        + f"""
class Value(str):
    def __del__(self):
        otp.issuer = "from the value"
        vars(otp)

gc.set_threshold(1)
for _ in range(5):
    otp = pyotp.TOTP(SECRET)
    for value in (Value("x"), -(2**70), Value("y"), "\\udc80", SECRET):
        plant()
        setattr(otp, {attribute!r}, value)
        del value
    plant()
    delattr(otp, {attribute!r})
assert Finalizer.ran
"""
    )
