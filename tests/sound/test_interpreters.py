"""A second interpreter in the process, as mod_wsgi makes one for each application: refused, and nothing hangs."""

import sys
import textwrap

import pytest
from contract.helpers import run_python

# The interpreters are to share the GIL and to take any extension module, as mod_wsgi's do.
if sys.version_info < (3, 13):
    NAME, CREATE = "_xxsubinterpreters", "create(isolated=False)"
else:
    NAME, CREATE = "_interpreters", "create('legacy')"

PRELUDE = f"""
import faulthandler, textwrap
import {NAME} as interpreters

faulthandler.dump_traceback_later(60, exit=True)  # a process that hangs holds the GIL, so a thread must end it

def run(code, interpreter=None):
    interpreter = interpreters.{CREATE} if interpreter is None else interpreter
    failure = interpreters.run_string(interpreter, textwrap.dedent(code))
    assert failure is None, failure.errdisplay  # where it is not raised
    return interpreter
"""

USE = """
import copy, gc, hashlib, pickle
import ferrotp, ferrotp.legacy, ferrotp.batch, ferrotp.vault

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
for surface in (ferrotp, ferrotp.legacy):
    otp = surface.TOTP(SECRET)
    assert otp.at(59) == "287082" and otp.verify("287082", 59) and not otp.verify("000000", 59, 1)
    assert otp.at(59.5) == "287082"
    otp.digits = 2**70
    otp.digits = 6
    assert copy.copy(otp).at(59) == pickle.loads(pickle.dumps(otp)).at(59) == "287082"
    assert vars(otp)["secret"] == SECRET and otp.at(59) == "287082"
    assert surface.HOTP(SECRET).at(1) == "287082"
for refused in ("A", "\\udc80" * 32, "0" * 32):
    try:
        ferrotp.TOTP(refused)
    except ValueError:
        pass
    else:
        raise AssertionError(refused)
try:
    ferrotp.legacy.TOTP("\\udc80" * 32).at(59)
except ValueError:
    pass
assert ferrotp.batch.codes([SECRET, ferrotp.TOTP(SECRET)], 59) == ["287082"] * 2
try:
    ferrotp.vault.Keyring("no key")
except ferrotp.vault.KeyringError:
    pass
gc.collect()
"""

REFUSED = """
for _ in range(2):
    try:
        import ferrotp
    except ImportError as error:
        assert "WSGIApplicationGroup %{GLOBAL}" in str(error), error
        assert str(error).count(". ") == 0, error
    else:
        raise AssertionError("imported")
"""


def indented(name: str, code: str) -> str:
    return f"{name} = {code!r}\n"


def test_the_first_interpreter_may_be_any() -> None:
    run_python(PRELUDE + indented("USE", USE) + "interpreters.destroy(run(USE))")


def test_the_second_interpreter_is_refused_and_the_first_goes_on() -> None:
    run_python(
        PRELUDE
        + indented("USE", USE)
        + indented("REFUSED", REFUSED)
        + "exec(USE, {})\n"
        + textwrap.dedent(
            """
            import copy, pickle, ferrotp
            otp = ferrotp.TOTP("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
            interpreter = run(REFUSED)
            assert copy.copy(otp).at(59) == pickle.loads(pickle.dumps(otp)).at(59) == "287082"
            assert vars(otp)["digits"] == 6
            interpreters.destroy(interpreter)
            exec(USE, {})
            """
        )
    )


def test_the_main_interpreter_is_refused_while_another_has_it() -> None:
    run_python(
        PRELUDE
        + indented("USE", USE)
        + indented("REFUSED", REFUSED)
        + "first = run(USE)\nexec(REFUSED, {})\nrun(USE, first)"
    )


@pytest.mark.skipif(sys.version_info < (3, 14), reason="concurrent.interpreters is new in 3.14")
def test_an_interpreter_with_a_gil_of_its_own_is_refused_and_the_first_goes_on() -> None:
    refused = """
try:
    import ferrotp
except ImportError as error:
    assert "ferrotp._native" in str(error), error  # it is Python that refuses the module
else:
    raise AssertionError("imported")
"""
    run_python(
        PRELUDE
        + indented("USE", USE)
        + indented("REFUSED", refused)
        + textwrap.dedent(
            """
            from concurrent import interpreters as isolated
            early = isolated.create()
            early.exec(REFUSED)
            exec(USE, {})
            late = isolated.create()
            late.exec(REFUSED)
            early.exec(REFUSED)
            early.close()
            late.close()
            exec(USE, {})
            """
        )
    )
