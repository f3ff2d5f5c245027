"""How long the event loop stands still while many coroutines check codes at once by `AsyncMFA`: its longest stall in
each of some bursts. Beside it that of a loop that has nothing to do, since a machine has stalls of its own; of as many
tasks that do nothing; and of as many calls in a thread that do nothing.

What was loaded before is frozen for the garbage collector (`gc.freeze`), as production servers do it: to go through all
of it takes longer than anything here, and would happen once or twice by chance.

usage: python benches/event_loop.py [STORE ...]

A STORE is a URL as `MFA` takes it; without one, a SQLite file in a folder of its own.
"""

import asyncio
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from typing import Any

from ferrotp import TOTP, random_base32
from ferrotp.mfa import MFA, AsyncMFA, Policy
from ferrotp.vault import Keyring

COROUTINES = 200
BURSTS = 40
NOW = 1_800_000_000


class Watch:
    """The longest time between two turns of the loop that wanted to be a millisecond apart, beyond that one."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(0.001)
            self.longest = max(self.longest, time.perf_counter() - begun - 0.001)

    def end(self) -> None:
        self._task.cancel()


async def nothing() -> None:
    await asyncio.sleep(0)


async def measure(where: str, threads: int) -> None:
    """Prints the lines of one store."""
    clock = [NOW]
    sync = MFA(
        where,
        issuer="bench",
        keyring=Keyring.generate(),
        policy=Policy.cheap_for_tests(),
        clock=lambda: float(clock[0]),
    )
    mfa = AsyncMFA(sync, threads=threads, patience=60)
    codes = {str(number): TOTP(random_base32()) for number in range(COROUTINES)}
    for user_id, otp in codes.items():
        await mfa.import_factor(user_id=user_id, secret=otp.secret)

    def logins() -> list[Coroutine[Any, Any, Any]]:
        clock[0] += 60
        return [mfa.verify(user_id=user_id, code=otp.at(clock[0])) for user_id, otp in codes.items()]

    kinds: dict[str, Callable[[], list[Coroutine[Any, Any, Any]]]] = {
        "idle": lambda: [asyncio.sleep(0.05)],
        "empty tasks": lambda: [nothing() for _ in codes],
        "empty calls": lambda: [mfa._call(int) for _ in codes],
        "logins": logins,
    }
    gc.collect()
    gc.freeze()
    for kind, made in kinds.items():
        found, took, watch = [], 0.0, Watch()
        for _ in range(BURSTS):
            coroutines = made()
            await asyncio.sleep(0.01)
            watch.longest, begun = 0.0, time.perf_counter()
            await asyncio.gather(*coroutines)
            took += time.perf_counter() - begun
            await asyncio.sleep(0.002)  # the watch has its turn
            found.append(1e3 * watch.longest)
        watch.end()
        found.sort()
        rate = f"  {COROUTINES * BURSTS / took:6.0f} a second" if kind == "logins" else ""
        print(
            f"{where.partition(':')[0]:10} {threads} threads  {kind:12} stall of a burst: quietest {found[0]:5.2f}"
            f"  median {statistics.median(found):5.2f}  longest {found[-1]:6.2f} ms,"
            f" over 5 ms in {sum(stall > 5 for stall in found)} of {BURSTS}{rate}",
            flush=True,
        )
    for user_id in codes:
        await mfa.reset(user_id=user_id, by="bench")
    await mfa.aclose()


def main() -> None:
    """Measures each."""
    with tempfile.TemporaryDirectory() as folder:
        for where in sys.argv[1:] or [f"sqlite:///{folder}/mfa.db"]:
            for threads in (2, 4, 8):
                asyncio.run(measure(where, threads))


if __name__ == "__main__":
    main()
