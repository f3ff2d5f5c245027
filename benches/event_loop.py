"""How long the event loop stands still while many coroutines check codes at once by `AsyncMFA`: its longest stall, and
beside it that of a loop that has nothing to do, since a machine has stalls of its own.

usage: python benches/event_loop.py [STORE ...]

A STORE is a URL as `MFA` takes it; without one, a SQLite file in a folder of its own.
"""

import asyncio
import sys
import tempfile
import time

from ferrotp import TOTP, random_base32
from ferrotp.mfa import MFA, AsyncMFA, Policy
from ferrotp.vault import Keyring

COROUTINES = 200
ROUNDS = 10
NOW = 1_800_000_000


async def stalls(done: asyncio.Event) -> list[float]:
    """Milliseconds between two turns of the loop that wanted to be one apart, beyond that one."""
    found = []
    while not done.is_set():
        begun = time.perf_counter()
        await asyncio.sleep(0.001)
        found.append(1e3 * (time.perf_counter() - begun) - 1)
    return sorted(found)


async def measure(where: str, threads: int) -> None:
    """Prints the line of one store."""
    clock = [NOW]
    mfa = AsyncMFA(
        MFA(
            where,
            issuer="bench",
            keyring=Keyring.generate(),
            policy=Policy.cheap_for_tests(),
            clock=lambda: float(clock[0]),
        ),
        threads=threads,
        patience=60,
    )
    codes = {str(number): TOTP(random_base32()) for number in range(COROUTINES)}
    for user_id, otp in codes.items():
        await mfa.import_factor(user_id=user_id, secret=otp.secret)
    lines = []
    for busy in (False, True):
        done = asyncio.Event()
        watching = asyncio.create_task(stalls(done))
        await asyncio.sleep(0.05)
        begun = time.perf_counter()
        for _ in range(ROUNDS):
            clock[0] += 60
            if busy:
                await asyncio.gather(
                    *(mfa.verify(user_id=user_id, code=otp.at(clock[0])) for user_id, otp in codes.items())
                )
            else:
                await asyncio.sleep(0.1)
        took = time.perf_counter() - begun
        done.set()
        found = await watching
        lines.append(f"longest {found[-1]:6.2f} ms, 99 of 100 below {found[len(found) * 99 // 100]:5.2f} ms")
    rate = COROUTINES * ROUNDS / took
    print(f"{where.partition(':')[0]:20} {threads} threads  idle: {lines[0]}  busy: {lines[1]}  {rate:6.0f} logins/s")
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
