"""What it costs a page to know that its login was not ended elsewhere: microseconds for a login that passed.

usage: python benches/sessions.py [STORE ...]

A STORE is a URL as `MFA` takes it; without one, a SQLite file in a folder of its own. `carried` is the page of most
requests, where what the store said within the last minute counts; `asked` is that of `session_check_seconds=0`, and of
each fresh view.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace

from ferrotp.mfa import MFA, Policy
from ferrotp.vault import Keyring
from ferrotp.web import Gate, Login


def microseconds(call: Callable[[Login], object], login: Login, count: int) -> float:
    """Of one call: the best of five rounds."""
    rounds = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(count):
            call(login)
        rounds.append((time.perf_counter() - start) / count)
    return 1e6 * min(rounds)


def measure(store: str) -> None:
    """Prints the line of one store."""
    policy = replace(Policy.cheap_for_tests(), session_check_seconds=60)
    mfa = MFA(store, issuer="bench", keyring=Keyring.generate(), policy=policy)
    mfa.import_factor(user_id="ann", secret=bytes(range(20)))
    gate = Gate(mfa)
    asking = Gate(MFA(mfa.store, issuer="bench", keyring=mfa.keyring, policy=replace(policy, session_check_seconds=0)))
    login = gate.begin("ann", "ann").login.promote(time.time(), fresh=True)
    carried = microseconds(gate.require_mfa, login, 20_000)
    asked = microseconds(asking.require_mfa, login, 500)
    status = microseconds(lambda login: mfa.status(user_id=login.user_id), login, 500)
    print(f"{store.partition(':')[0]:12} carried {carried:6.1f}  asked {asked:7.1f}  (a whole status: {status:7.1f})")
    mfa.reset(user_id="ann", by="bench")
    mfa.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for url in sys.argv[1:] or [f"sqlite:///{folder}/mfa.db"]:
            measure(url)
