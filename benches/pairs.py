"""The rows of ``make bench`` on two versions of ferrotp: ``python benches/pairs.py OLD_PYTHON [NEW_PYTHON]``.

Each version is installed for a Python of its own, together with pyotp. Two processes on one CPU take turns: each round
times a row once on one and once on the other, a millisecond each, so that both meet the same machine. A ratio is the
median over the rounds of new to old: above 1 the new version is slower. The quartiles beside it say how exact that is.
It fails where a row is slower by more than ``--most`` (3 %), and that is no noise: its lower quartile is above 1, too.
"""

from __future__ import annotations

import argparse
import functools
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import compare

HERE = Path(__file__).resolve()
OF_FERROTP = {"ferrotp", "pyotp"}


def timers() -> dict[str, Callable[[], float]]:
    """What a version is measured by, on the version that this process has."""
    modules = {library: module for library, module in compare.load().items() if library in OF_FERROTP}
    names = compare.names_at(compare.TIME, modules)
    found: dict[str, Callable[[], float]] = {
        row.title: compare.call_timer(row.calls["ferrotp"], names, row.items.get("ferrotp", 1)) for row in compare.ROWS
    }
    if (os.cpu_count() or 1) > 1:
        found["batch: codes_into, 2 threads"] = compare.scaling()["ferrotp"]
    first = f"m.TOTP({compare.SECRET!r}).now()"
    return found | {
        "import": compare.import_timer("ferrotp"),
        "import, first code": compare.import_timer("ferrotp", first),
        "memory of an object": compare.memory_meter("ferrotp", compare.TRACED, False),
        "memory after a code": compare.memory_meter("ferrotp", compare.TRACED, True),
        "resident after a code": compare.memory_meter("ferrotp", compare.RESIDENT, True),
    }


# Rounds of what a process of its own is started for.
FEWER = {"import": 41, "import, first code": 41, "memory": 1, "resident": 3}


def rounds_of(title: str, rounds: int) -> int:
    """How often a row is measured."""
    return next((fewer for start, fewer in reversed(FEWER.items()) if title.startswith(start)), rounds)


def serve() -> None:
    """Measures the rows that the standard input names, one sample for each line."""
    compare.gc.disable()
    found = timers()
    print("\t".join(found), flush=True)
    for line in sys.stdin:
        print(found[line.rstrip("\n")](), flush=True)


class Version:
    """A process that measures one version."""

    def __init__(self, python: str) -> None:
        command = [python, str(HERE), "--serve"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.rows = self.line().split("\t")

    def line(self) -> str:
        """What the process says next."""
        out: IO[str] | None = self.process.stdout
        said = out.readline().rstrip("\n") if out else ""
        if not said:
            sys.exit(f"{self.process.args} ended")
        return said

    def sample(self, title: str) -> float:
        """Measures a row once."""
        if self.process.stdin:
            self.process.stdin.write(f"{title}\n")
        return float(self.line())


def main() -> int:
    """Prints a line for each row."""
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0] if __doc__ else None)
    parser.add_argument("old", nargs="?", help="the Python that has the older version")
    parser.add_argument("new", nargs="?", default=sys.executable, help="the one that has the newer (default: this one)")
    parser.add_argument("--rounds", type=int, default=301)
    parser.add_argument("--most", type=float, default=0.03, help="how much slower a row may be")
    parser.add_argument("--only", action="append", help="a row's title")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return 0
    if not options.old:
        parser.error("which Python has the older version?")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # the processes inherit it
    old, new = Version(options.old), Version(options.new)
    slower = []
    print(f"{'':<40}{'old':>10}{'new':>10}   new/old (quartiles)")
    for title in [title for title in new.rows if title in old.rows]:
        if options.only and title not in options.only:
            continue
        taken: list[tuple[float, float]] = []
        measure = [functools.partial(version.sample, title) for version in (old, new)]
        for turn in range(rounds_of(title, options.rounds)):
            first = turn % 2
            samples = {first: measure[first](), 1 - first: measure[1 - first]()}
            taken.append((samples[0], samples[1]))
        ratios = sorted(after / before for before, after in taken)
        low, middle, high = (ratios[len(ratios) * place // 4] for place in (1, 2, 3))
        before, after = (statistics.median(column) for column in zip(*taken, strict=True))
        is_slower = middle > 1 + options.most and low > 1
        if is_slower:
            slower.append(title)
        mark = "  SLOWER" if is_slower else ""
        print(f"{title:<40}{before:>10,.4g}{after:>10,.4g}   {middle:.3f} ({low:.3f}-{high:.3f}){mark}", flush=True)
    for version in (old, new):
        if version.process.stdin:
            version.process.stdin.close()
        version.process.wait()
    if slower:
        print(f"slower by more than {options.most:.0%}: {', '.join(slower)}")
    return bool(slower)


if __name__ == "__main__":
    sys.exit(main())
