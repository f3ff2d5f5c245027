"""Breaks the Python of ferrotp in many places, one at a time, and says which changes no test notices.

``python benches/mutants.py [file ...]``: the files of `FILES`, unless some are named. What survives is killed by a
test, or listed with the reason why it is harmless in ``tests/mutants.md``. Exits with 1 where a survivor is neither.

pytest collects the tests once, in a process that runs none of them: so it has no thread, and no lock is held when it
forks. The first child runs each test, and says how long it takes and which lines it runs. Then each mutant has a
child: one function of the installed package gets the changed code, and the tests that run the changed lines are run,
what killed its neighbours first, then what kills most for its time, to the first that fails. A change outside functions
needs a process that imports the file anew. A child leads a process group, which is killed as a whole when its time is
over: a mutant that hangs is noticed.

``python benches/mutants.py --survivors``: only those that survived the last time, once there are new tests.

Most of the time goes to those that survive, since each of them is given every test that runs its lines. So a first
run with ``--most 30`` gives each no more than so many, and ``--survivors`` after it gives the few that live the others.
``--since COMMIT`` tries only what stands on lines that have changed since a commit.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import hashlib
import json
import math
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from importlib.util import spec_from_loader
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest
from mutations import Mutant, mutants_of

import ferrotp

ROOT = Path(__file__).resolve().parents[1]
INSTALLED = Path(ferrotp.__file__).parents[1]
LIST = ROOT / "tests" / "mutants.md"
SURVIVORS = ROOT / "target" / "mutants-survivors.json"
COSTS = ROOT / "target" / "mutants-costs.json"

FILES = [
    "ferrotp/web/gate.py",
    "ferrotp/mfa/stores/base.py",
    "ferrotp/starlette/tokens.py",
    "ferrotp/django/auth.py",
    "ferrotp/mfa/*.py",
    "ferrotp/mfa/stores/memory.py",
    "ferrotp/mfa/stores/pool.py",
    "ferrotp/mfa/stores/waiting.py",
    "ferrotp/web/*.py",
    "ferrotp/flask/auth.py",
    "ferrotp/flask/extension.py",
    "ferrotp/starlette/api.py",
    "ferrotp/starlette/guards.py",
    "ferrotp/django/middleware.py",
]
NO_FILES = ["ferrotp/mfa/testing.py"]  # itself a test: the suite for stores

# Tests that run in this process. The stores are in memory, or SQLite.
TESTS = [
    "tests/mfa/test_*.py",
    "tests/web/test_*.py",
    "tests/web/flask/test_attacks.py",
    "tests/web/flask/test_extension.py",
    "tests/web/flask/test_twenty_points.py",
    "tests/web/starlette/test_attacks.py",
    "tests/web/starlette/test_router.py",
    "tests/in_django/test_admin.py",
    "tests/in_django/test_api.py",
    "tests/in_django/test_auth.py",
    "tests/in_django/test_auth_promises.py",
    "tests/in_django/test_login.py",
    "tests/in_django/test_login_edges.py",
    "tests/in_django/test_pages.py",
    "tests/in_django/test_passed_elsewhere.py",
    "tests/in_django/test_passkeys.py",
    "tests/in_django/test_routes.py",
    "tests/in_django/test_seams.py",
]
NO_FIXTURES = {"postgresql", "browser", "open_page"}
"""Tests that start a server or a browser are no cheap ones."""
SLOW = 10.0
"""Seconds of this process: no test that takes longer is run for a mutant."""
PATIENCE, COMPUTING = 90.0, 30.0
"""Seconds by the clock, and of the processor, that a mutant has beside a multiple of what its tests take."""
QUICK_FILE, QUICK_MUTANTS = "ferrotp/web/login.py", 12
QUICK_TESTS = ["tests/web/test_floor.py", "tests/web/test_sessions.py", "tests/web/flask/test_attacks.py"]


@dataclass(frozen=True)
class Cost:
    """What a test takes, by itself."""

    source: str
    """The digest of the test's file."""
    seconds: float
    """Of the processor. Infinite, where it fails."""
    clock: float
    """Seconds by the clock on the wall."""
    lines: dict[str, list[int]]
    """What it runs of each file."""


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant."""

    mutant: Mutant
    end: str
    """"killed", "timed out" or "survived"."""
    killer: str = ""
    """The test that failed."""


class Children:
    """Processes that this one forks, each of which leads a group, and has its time."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._running: dict[int, tuple[Callable[[int], None], float, Path]] = {}

    def __enter__(self) -> None:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

    def __exit__(self, *exception: object) -> None:
        for process in self._running:
            os.killpg(process, signal.SIGKILL)

    def start(
        self, work: Callable[[Path], int], then: Callable[[int], None], *, clock: float, processor: float
    ) -> None:
        """Forks a child as soon as one more may run.

        :param work: done by the child, in a folder of its own for what is temporary; its exit status
        :param then: called here with the wait status, -1 for one whose time was over
        :param clock: seconds after which it is killed
        :param processor: seconds that it may compute
        """
        while len(self._running) >= self.most:
            self._wait()
        folder = Path(tempfile.mkdtemp(prefix="ferrotp-mutant-"))
        sys.stdout.flush()
        process = os.fork()
        if process == 0:
            status = 3
            try:
                os.setsid()
                seconds = int(processor) + 1
                resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
                os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
                nowhere = os.open(os.devnull, os.O_RDWR)
                for stream in range(3):
                    os.dup2(nowhere, stream)
                status = work(folder)
            finally:
                os._exit(status)
        self._running[process] = then, time.monotonic() + clock, folder

    def finish(self) -> None:
        """Waits for all."""
        while self._running:
            self._wait()

    def _wait(self) -> None:
        for process, (then, deadline, folder) in list(self._running.items()):
            ended, status = os.waitpid(process, os.WNOHANG)
            late = not ended and time.monotonic() > deadline
            if ended or late:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process, signal.SIGKILL)
                if late:
                    os.waitpid(process, 0)
                del self._running[process]
                shutil.rmtree(folder, ignore_errors=True)
                then(-1 if late or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU) else status)
                return
        time.sleep(0.01)


class Trial:
    """A plugin of pytest that tries mutants in place of running the tests."""

    def __init__(self, mutants: Sequence[Mutant], jobs: int, most: int | None = None) -> None:
        self.mutants = mutants
        self.outcomes: list[Outcome] = []
        self._costs: dict[str, Cost] = {}
        self._tests: dict[tuple[str, int], set[str]] = defaultdict(set)
        self._children = Children(jobs)
        self._most = most
        self._killers: dict[str, Counter[str]] = defaultdict(Counter)
        self._kills: Counter[str] = Counter()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items if _is_cheap(item)}
        assert len(os.listdir("/proc/self/task")) == 1, "a process with threads must not fork"
        gc.unfreeze()  # the tests' conftest freezes, and what is frozen is not found
        code = _Code()
        gc.freeze()
        with self._children:
            self._run_child(_make_site)
            self._measure(items)
            # Those that need a process of their own come last.
            for mutant in sorted(self.mutants, key=lambda mutant: mutant.scope is None):
                self._try(mutant, items, code)
            self._children.finish()
        return True

    def _measure(self, items: dict[str, pytest.Item]) -> None:
        """What each test costs and runs. What is known of the last time, and has not changed since, is kept."""
        files = sorted({mutant.file for mutant in self.mutants})
        sources = {item: _digest([items[item].path]) for item in items}
        known = _known_costs(files)
        costs = {item: known[item] for item in items if item in known and known[item].source == sources[item]}
        missing = [items[item] for item in items if item not in costs]
        print(f"{len(self.mutants)} mutants of {len(files)} files; {len(missing)} of {len(items)} tests are measured")

        def work(folder: Path) -> int:
            report.write_text(json.dumps(_measured(missing, files, folder)))
            return 0

        if missing:
            with tempfile.TemporaryDirectory() as kept:
                report = Path(kept) / "costs.json"
                self._run_child(work)
                costs |= {item: Cost(sources[item], *cost) for item, cost in json.loads(report.read_text()).items()}
            _keep_costs(files, known | costs)
        self._costs = {item: cost for item, cost in costs.items() if cost.seconds < SLOW}
        slow = items.keys() - self._costs.keys()
        print(
            f"{len(self._costs)} tests are run for mutants; {len(slow)} take over {SLOW} s, or fail alone", flush=True
        )
        print(*sorted(slow), sep="\n")
        for item, cost in self._costs.items():
            for file, lines in cost.lines.items():
                for line in lines:
                    self._tests[file, line].add(item)
                    self._tests[file, 0].add(item)

    def _run_child(self, work: Callable[[Path], int]) -> None:
        statuses: list[int] = []
        self._children.start(work, statuses.append, clock=3600, processor=3600)
        self._children.finish()
        assert statuses == [0], f"it ended with {statuses}"

    def _tests_of(self, mutant: Mutant) -> set[str]:
        """Those that may notice: what runs the changed lines. Where they run as the file is imported, all tests of the
        files of tests that run anything of it."""
        lines = mutant.lines if mutant.scope else ()
        tests: set[str] = set().union(*(self._tests[mutant.file, line] for line in lines))
        if not tests:
            files = {test.partition("::")[0] for test in self._tests[mutant.file, 0]}
            tests = {test for test in self._costs if test.partition("::")[0] in files}
        return tests

    def _try(self, mutant: Mutant, items: dict[str, pytest.Item], code: _Code) -> None:
        costs, killers = self._costs, self._killers[mutant.function]

        def rank(test: str) -> tuple[float, ...]:
            seconds = costs[test].seconds
            return -killers[test], -self._kills[test] / (seconds + 0.01), seconds

        tests = sorted(self._tests_of(mutant), key=rank)[: self._most]
        try:
            in_memory = code.change(mutant)
        except SyntaxError:
            self._note(Outcome(mutant, "killed"))
            return
        if not tests:
            self._note(Outcome(mutant, "survived"))
            return
        report = Path(tempfile.mkstemp(prefix="ferrotp-killer-")[1])

        def work(folder: Path) -> int:
            if in_memory is None:
                return _run_anew(mutant, tests, folder, report)
            for function, changed in in_memory:
                function.__code__ = changed
            killer = _run([items[test] for test in tests], folder)
            report.write_text(killer)
            return bool(killer)

        def then(status: int) -> None:
            killer = report.read_text()
            report.unlink()
            killers[killer] += bool(killer)
            self._kills[killer] += bool(killer)
            self._note(Outcome(mutant, {-1: "timed out", 0: "survived"}.get(status, "killed"), killer))

        # Far more than they take on a busy machine: only what hangs ends so.
        clock, processor = sum(costs[test].clock for test in tests), sum(costs[test].seconds for test in tests)
        if in_memory is None:  # Python and pytest start
            clock, processor = clock + 10, processor + 2
        self._children.start(work, then, clock=PATIENCE + 10 * clock, processor=COMPUTING + 5 * processor)

    def _note(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        if len(self.outcomes) % 100 == 0:
            print(f"{len(self.outcomes)} of {len(self.mutants)}, {os.times().children_user:.0f} s", flush=True)
        if outcome.end != "killed":
            print(f"{len(self.outcomes)}: {described(outcome.mutant)}\n  {outcome.end}", flush=True)


def _is_cheap(item: pytest.Item) -> bool:
    return not NO_FIXTURES.intersection(getattr(item, "fixturenames", ())) and not item.get_closest_marker("races")


def _measured(items: list[pytest.Item], files: Iterable[str], folder: Path) -> dict[str, tuple[Any, ...]]:
    """Runs tests, and watches. For each what `Cost` has of it, but for its source."""
    import coverage  # in this process alone: what watches slows down

    _give_own_site(folder)
    paths = {file: str(INSTALLED / file) for file in files}
    watch = coverage.Coverage(data_file=None, include=list(paths.values()), config_file=False)
    taken: dict[str, tuple[float, float]] = {}
    watch.start()
    for item, next_item in zip(items, [*items[1:], None], strict=True):
        watch.switch_context(item.nodeid)
        failed, started, clock = item.session.testsfailed, time.process_time(), time.monotonic()
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=next_item)
        seconds = time.process_time() - started if item.session.testsfailed == failed else math.inf
        taken[item.nodeid] = seconds, time.monotonic() - clock
    watch.stop()
    lines: dict[str, dict[str, list[int]]] = {item.nodeid: {file: [] for file in paths} for item in items}
    for file, path in paths.items():
        for line, tests in watch.get_data().contexts_by_lineno(path).items():
            for test in filter(None, tests):
                lines[test][file].append(line)
    return {test: (*taken[test], lines[test]) for test in taken}


def _digest(paths: Iterable[Path]) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def _package() -> str:
    """What costs are measured on."""
    return _digest(sorted(INSTALLED.glob("ferrotp/**/*.py")))


def _known_costs(files: Sequence[str]) -> dict[str, Cost]:
    """Those of the last time, if it was the same package, and these files were watched."""
    try:
        package, watched, costs = json.loads(COSTS.read_text())
    except FileNotFoundError:
        return {}
    if package != _package() or not {*files} <= {*watched}:
        return {}
    return {test: Cost(*cost) for test, cost in costs.items()}


def _keep_costs(files: Sequence[str], costs: dict[str, Cost]) -> None:
    kept = {test: (cost.source, cost.seconds, cost.clock, cost.lines) for test, cost in costs.items()}
    COSTS.write_text(json.dumps([_package(), files, kept]))


def _run(items: list[pytest.Item], folder: Path) -> str:
    """The first test that fails."""
    _give_own_site(folder)
    for item, next_item in zip(items, [*items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=next_item)
        if item.session.testsfailed:
            return item.nodeid
    return ""


def _make_site(folder: Path) -> int:
    """The tables of the tests' Django site, whose place is chosen where it is imported."""
    if "in_django.site" in sys.modules:
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
    return 0


def _give_own_site(folder: Path) -> None:
    """A copy of its database for each child, whose tables are made once."""
    if "in_django.site" in sys.modules:
        from django.core.management.commands import migrate
        from django.db import connections

        settings = connections.settings["default"]
        settings["NAME"] = shutil.copy(settings["NAME"], folder)
        migrate.Command.handle = lambda self, *arguments, **options: None  # type: ignore[method-assign]


class _Code:
    """The functions of the installed package, and what their code is changed into."""

    def __init__(self) -> None:
        self._originals: dict[str, dict[tuple[str, int], CodeType]] = {}
        self._functions: dict[tuple[str, str, int], list[FunctionType]] = defaultdict(list)
        for function in gc.get_objects():
            if type(function) is FunctionType and function.__code__.co_filename.startswith(str(INSTALLED)):
                code = function.__code__
                self._functions[code.co_filename, code.co_name, code.co_firstlineno].append(function)

    def change(self, mutant: Mutant) -> list[tuple[FunctionType, CodeType]] | None:
        """Which functions get which code. None: the file has to be imported anew.

        :raises SyntaxError: if it is no program
        """
        path = str(INSTALLED / mutant.file)
        if mutant.scope is None:
            compile(mutant.source, path, "exec")
            return None
        if mutant.file not in self._originals:
            self._originals[mutant.file] = _code_by_scope(compile(Path(path).read_text(encoding="utf-8"), path, "exec"))
        old = self._originals[mutant.file][mutant.scope]
        new = _code_by_scope(compile(mutant.source, path, "exec"))[mutant.scope]
        functions = self._functions.get((path, old.co_name, old.co_firstlineno), [])
        if not functions or old.co_freevars != new.co_freevars:
            return None
        return [(function, new) for function in functions]


def _code_by_scope(module: CodeType) -> dict[tuple[str, int], CodeType]:
    """The code of a module's functions and of its classes' methods, as `mutations.Scope` names them."""
    found: dict[tuple[str, int], CodeType] = {}
    seen: Counter[str] = Counter()

    def look(code: CodeType, path: str) -> None:
        for inner in code.co_consts:
            if isinstance(inner, CodeType) and not inner.co_name.startswith("<"):
                name = f"{path}{inner.co_name}"
                if inner.co_flags & 0x2:  # CO_NEWLOCALS, which the body of a class has not
                    found[name, seen[name]] = inner
                    seen[name] += 1
                else:
                    look(inner, f"{name}.")

    look(module, "")
    return found


# A change outside functions


def _run_anew(mutant: Mutant, tests: Sequence[str], folder: Path, report: Path) -> int:
    """Runs the tests in a new process, which imports the changed file."""
    order = folder / "order.json"
    order.write_text(json.dumps([mutant.file, mutant.source, tests, str(report)]))
    os.execv(sys.executable, [sys.executable, __file__, "--order", str(order)])


def _carry_out(order: Path) -> int:
    file, source, tests, report = json.loads(order.read_text())

    class Loader(SourceFileLoader):
        def get_code(self, fullname: str) -> CodeType:
            return compile(source, self.path, "exec")

    class Finder:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> Any:
            if name != module:
                return None
            return spec_from_loader(name, Loader(name, str(INSTALLED / file)))

    class Report:
        @staticmethod
        def pytest_runtest_logreport(report: pytest.TestReport) -> None:
            if report.failed:
                killer.write_text(report.nodeid)

    module, killer = file.removesuffix(".py").replace("/", "."), Path(report)
    for name in [name for name in sys.modules if name.partition(".")[0] == "ferrotp"]:
        del sys.modules[name]
    sys.meta_path.insert(0, Finder())
    return pytest.main([*ARGUMENTS, "-x", *tests], plugins=[Report()])


# What is said of it


def described(mutant: Mutant) -> str:
    """For people."""
    return f"{mutant.function}, line {mutant.lines.start}\n  - {mutant.taken}\n  + {mutant.put}"


def harmless() -> set[tuple[str, str, str]]:
    """The rows of the list: function, the lines it takes, the lines it puts, the reason."""
    rows = re.findall(r"^\| `(.+?)` \| `(.*?)` \| `(.*?)` \| .+ \|$", LIST.read_text(encoding="utf-8"), re.M)
    return {(name, taken.replace(r"\|", "|"), put.replace(r"\|", "|")) for name, taken, put in rows}


def tell(outcomes: Sequence[Outcome]) -> bool:
    """A row for each file, as in `tests/mutants.md`. Whether all survivors are explained."""
    listed = harmless()
    print("\n| file | mutants | killed | timed out | survive, explained | survive, open |\n|---|---|---|---|---|---|")
    for file in sorted({outcome.mutant.file for outcome in outcomes}):
        ends = [outcome for outcome in outcomes if outcome.mutant.file == file]
        counts = Counter(outcome.end for outcome in ends)
        explained = sum(outcome.mutant.key in listed for outcome in ends if outcome.end == "survived")
        open_ones = counts["survived"] - explained
        row = (len(ends), counts["killed"], counts["timed out"], explained, open_ones)
        print(f"| `{file}` | {' | '.join(map(str, row))} |")
    return all(outcome.mutant.key in listed for outcome in outcomes if outcome.end == "survived")


# The program

ARGUMENTS = ["-q", "--capture=no", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not races", f"--rootdir={ROOT}"]


def tried(mutants: Sequence[Mutant], tests: Sequence[str], jobs: int, most: int | None = None) -> Trial:
    """What becomes of them by these tests, of which each is given `most` at most."""
    trial = Trial(mutants, jobs, most)
    os.chdir(ROOT)
    status = pytest.main([*ARGUMENTS, *tests], plugins=[trial])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED) or len(trial.outcomes) != len(mutants):
        raise SystemExit(f"pytest ended with {status!r} after {len(trial.outcomes)} of {len(mutants)} mutants")
    return trial


def _survivors() -> dict[str, list[Any]]:
    """The keys of those that survived the last time, for each file."""
    return json.loads(SURVIVORS.read_text()) if SURVIVORS.exists() else {}


def changed_lines(file: str, commit: str) -> set[int]:
    """The lines of a file of the package that are not as they were at a commit."""
    command = ["git", "diff", "--unified=0", commit, "--", f"python/{file}"]
    text = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    hunks = re.findall(r"^@@ -\S+ \+(\d+)(?:,(\d+))? @@", text, re.M)
    return {line for start, count in hunks for line in range(int(start), int(start) + int(count or 1))}


def matching(patterns: Iterable[str], root: Path) -> list[str]:
    """Files below a folder, each once."""
    found = (path.relative_to(root).as_posix() for pattern in patterns for path in sorted(root.glob(pattern)))
    return list(dict.fromkeys(found))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="file", help="such as ferrotp/web/gate.py; all unless named")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    parser.add_argument("--quick", action="store_true", help=f"a few of {QUICK_FILE}")
    parser.add_argument("--since", metavar="commit", help="only on lines that have changed since then")
    parser.add_argument("--survivors", action="store_true", help="only those that survived the last time")
    parser.add_argument(
        "--most", type=int, metavar="tests", help="how many are run for a mutant at most; all unless said"
    )
    parser.add_argument("--tests", action="append", metavar="file", help="these alone, instead of all that are fast")
    parser.add_argument("--order", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.order:
        return _carry_out(options.order)
    files = [QUICK_FILE] if options.quick else matching(options.files or FILES, INSTALLED)
    mutants = [
        mutant
        for file in files
        if file not in NO_FILES
        for mutant in mutants_of(file, (INSTALLED / file).read_text(encoding="utf-8"))
    ]
    if options.quick:
        mutants = mutants[:: len(mutants) // QUICK_MUTANTS]
    if options.since:
        changed = {file: changed_lines(file, options.since) for file in files}
        mutants = [mutant for mutant in mutants if not changed[mutant.file].isdisjoint(mutant.lines)]
    if options.survivors:
        survived = {tuple(key) for file in files for key in _survivors().get(file, [])}
        mutants = [mutant for mutant in mutants if mutant.key in survived]
    tests = QUICK_TESTS if options.quick else options.tests or matching(TESTS, ROOT)
    trial = tried(mutants, tests, options.jobs, options.most)
    if not options.quick:
        kept = _survivors() | {file: [] for file in files}
        for outcome in trial.outcomes:
            if outcome.end == "survived":
                kept[outcome.mutant.file].append(outcome.mutant.key)
        SURVIVORS.write_text(json.dumps(kept, indent=1))
    return not tell(trial.outcomes)


if __name__ == "__main__":
    sys.exit(main())
