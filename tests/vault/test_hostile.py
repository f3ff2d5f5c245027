"""Hostile input meets documented exceptions, and soon; and many threads agree."""

import subprocess
import sys
import threading
import time

import instructions
from instructions import needs_valgrind

import ferrotp
from ferrotp.vault import Hashing

from .hostile import ANN, DOCUMENTED, KEYRING, RECOVERY, SELECTOR, SHOWN, TOTP, corpus

# One program for callgrind and for a process that may crash.
TRIED = """
from vault import hostile
inputs = {}
for name, call, arguments, keywords in hostile.corpus():
    inputs.setdefault(name, []).append((call, arguments, keywords))
def try_all(name):
    for call, arguments, keywords in inputs[name]:
        try:
            call(*arguments, **keywords)
        except hostile.DOCUMENTED:
            pass
"""


def test_only_documented_exceptions_are_raised() -> None:
    inputs = corpus()
    assert len(inputs) >= 500
    for name, call, arguments, keywords in inputs:
        try:
            call(*arguments, **keywords)
        except DOCUMENTED:
            pass
        except BaseException as error:
            raise AssertionError((name, type(error).__name__)) from error


@needs_valgrind
def test_no_input_makes_a_method_work_for_long() -> None:
    names = dict.fromkeys(name for name, *_ in corpus())
    taken = instructions.count(TRIED, {name: f"try_all({name!r})" for name in names}, warm_up=0)
    # A dozen of a method's values are a megabyte and more. All of them together take less than a tenth of a second.
    assert {name: work for name, work in taken.items() if work.all > 250_000_000} == {}


def test_nothing_crashes_and_no_panic_is_written() -> None:
    program = f"import sys; sys.path[:] = {sys.path!r}\n{TRIED}\nfor name in inputs: try_all(name)"
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_eight_threads_agree() -> None:
    secret = KEYRING.reveal(ANN, TOTP).secret
    app = ferrotp.TOTP(secret)
    wrong: list[object] = []
    start = threading.Barrier(8)

    def work(number: int) -> None:
        start.wait()
        for step in range(number * 1000, number * 1000 + 300):
            code = app.at(step * 30)
            found = KEYRING.match_totp(ANN, TOTP, code, step * 30 + 29, 0, 0)
            if found != (step, step):
                wrong.append((step, found))
            if step % 50 == 0 and not KEYRING.check_recovery_code("acme", "ann", SELECTOR, RECOVERY, SHOWN):
                wrong.append("recovery")
            other = KEYRING.new_secret(ANN)
            if KEYRING.reveal(ANN, other).secret == secret:
                wrong.append("same secret")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_hashing_lets_other_threads_run() -> None:
    hashing = Hashing.argon2id(passes=20)  # some 200 ms

    def turns() -> int:
        """How often another thread gets its turn meanwhile."""
        thread = threading.Thread(target=lambda: KEYRING.dummy_check(hashing))
        thread.start()
        ticks = 0
        while thread.is_alive():
            time.sleep(0.001)
            ticks += 1
        return ticks

    # Holding the interpreter's lock would let one through, or two, each time. A busy machine may do so once.
    assert any(turns() > 10 for _ in range(10))
