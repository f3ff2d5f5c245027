"""Where the interpreter calls into Rust: nothing aborts, nothing piles up, nothing raises what is no `Exception`."""

import sys

import pytest
from contract.helpers import run_python

import ferrotp
from ferrotp import _native

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


def test_a_first_fallback_during_shutdown_does_no_harm() -> None:
    # An attribute of a module is dropped when the interpreter is nearly gone.
    done = run_python(
        f"""
        import os, sys
        import ferrotp

        class AtTheEnd:
            def __init__(self):
                self.otp, self.make, self.write = ferrotp.TOTP({SECRET!r}), ferrotp.TOTP, os.write

            def __del__(self):
                try:
                    self.otp.digits = 2**70
                    self.otp.digits = 6
                    self.otp.at("no time")
                except Exception as error:
                    self.write(1, type(error).__name__.encode() + b" ")
                try:
                    del self.otp.none
                except Exception as error:
                    self.write(1, type(error).__name__.encode() + b" ")
                try:
                    self.make("A")
                except Exception as error:
                    self.write(1, b"refused ")
                self.write(1, self.otp.at(59).encode())

        sys.at_the_end = AtTheEnd()
        """
    )
    assert done.stdout.split()[-1] == "287082", done.stdout
    assert "refused" in done.stdout
    assert not done.stderr, done.stderr


def grown_by(use: str) -> int:
    """Bytes by which a process grows over 300,000 refusals, of which none is followed by an ordinary call."""
    done = run_python(
        f"""
        import gc, resource
        import ferrotp
        otp = ferrotp.TOTP({SECRET!r})

        def refused(times):
            for _ in range(times):
                try:
                    {use}
                except Exception:
                    pass

        def pages():
            with open("/proc/self/statm") as statm:
                return int(statm.read().split()[1])

        refused(2000)
        gc.collect()
        before = pages()
        refused(300_000)
        print((pages() - before) * resource.getpagesize())
        """
    )
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="the unwinder is linked statically on Linux alone")
@pytest.mark.parametrize(
    "use",
    [
        "otp.digits = 2**70",
        "del otp.name; del otp.name",
        "otp.__init__('A')",
        "otp.__init__(chr(0xdc80) * 32)",
        "otp.verify('000000', 2**70)",
        "otp.at(2**70)",
    ],
)
def test_refusals_leave_nothing_behind(use: str) -> None:
    assert grown_by(use) < 4 << 20


def test_a_state_that_changes_while_it_is_read_is_an_ordinary_matter() -> None:
    class Grows(type(ferrotp.TOTP)):
        def __getattribute__(cls, name):
            state[f"more {len(state)}"] = 1
            return super().__getattribute__(name)

    class Mine(ferrotp.TOTP, metaclass=Grows):
        pass

    otp = Mine(SECRET)
    state = {"secret": SECRET, "digits": 6, "issuer": "acme"}
    otp.__setstate__(state)  # PyO3's iterator over a dict panics when the dict changes
    assert otp.secret == SECRET and otp.issuer == "acme"


@pytest.mark.skipif(sys.platform != "linux", reason="the unwinder is linked statically on Linux alone")
def test_the_module_loads_no_unwinder_of_its_own() -> None:
    done = run_python(
        """
        import ctypes  # what Python itself may load
        before = open("/proc/self/maps").read().count("libgcc_s")
        import ferrotp
        print(open("/proc/self/maps").read().count("libgcc_s") - before)
        """
    )
    assert done.stdout.split() == ["0"]


def test_a_verb_says_how_many_arguments_it_takes() -> None:
    for arguments in [(), (1,), (1, 2, 3, 4, 5)]:
        with pytest.raises(TypeError):
            _native.totp_at(*arguments)  # type: ignore[call-arg]
