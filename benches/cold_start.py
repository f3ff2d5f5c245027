"""A site's processes that start at once: fresh interpreters, each of which imports, opens the store that nobody has
made yet, binds a factor and logs its user in, within the default deadlines.

usage: python benches/cold_start.py [PROCESSES]

It prints, for a SQLite file by each journal and for a PostgreSQL of the tests' own, how many were done, in which step
the others failed and what they said, how long all took, and the load of the machine before. Exits with 1 if any was
not done. It keeps both processors busy for a minute or more.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

PROGRAM = """
import secrets, sys
from ferrotp import TOTP
from ferrotp.mfa import MFA, Policy
from ferrotp.vault import Keyring
now = [1_800_000_000]
step = "open"
try:
    keyring = Keyring(sys.argv[2])
    mfa = MFA(sys.argv[1], issuer="ACME", keyring=keyring, policy=Policy.cheap_for_tests(), clock=lambda: now[0])
    step = "enroll"
    user = secrets.token_hex(8)
    enrollment = mfa.enroll(user_id=user, account_name=user)
    step = "confirm"
    device = TOTP(enrollment.secret)
    mfa.confirm(user_id=user, factor_id=enrollment.factor_id, code=device.at(now[0]))
    step = "verify"
    now[0] += 30
    mfa.verify(user_id=user, code=device.at(now[0]))
    print("done")
except Exception as error:
    print(f"{step}: {type(error).__name__}: {error}")
"""


def answers(url: str, size: int) -> Counter[str]:
    """What so many of them say."""
    from ferrotp.vault import new_key

    key = new_key()
    arguments = [sys.executable, "-W", "ignore", "-c", PROGRAM, url, key]
    processes = [subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) for _ in range(size)]
    return Counter(process.communicate()[0].strip() for process in processes)


def main() -> int:
    """0: all were done."""
    from mfa.servers import PostgreSQLServer

    size = int(sys.argv[1]) if len(sys.argv) > 1 else 48
    missed = 0
    server = PostgreSQLServer()
    with tempfile.TemporaryDirectory() as folder:
        for name, url in (
            ("SQLite, WAL", f"sqlite:///{folder}/wal.db?journal=wal"),
            ("SQLite, rollback journal", f"sqlite:///{folder}/delete.db?journal=delete"),
            ("PostgreSQL", server.database()),
        ):
            load, begun = os.getloadavg()[0], time.monotonic()
            said = answers(url, size)
            done = said.pop("done", 0)
            missed += size - done
            print(f"{name}: {done} of {size} in {time.monotonic() - begun:.1f} s, load {load:.1f}", *said.items())
    server.close()
    return min(missed, 1)


if __name__ == "__main__":
    sys.exit(main())
