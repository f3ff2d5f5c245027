"""Run public programs' own tests on pyotp 2.9.0, on pyotp 2.12.1 and on ferrotp.legacy, and compare.

The claim under test: whatever passes on pyotp 2.9.0 passes on ``ferrotp.legacy`` under the alias, in programs that
know nothing of ferrotp and are not edited. ``README.md`` beside this file says how a program is added.

Only the standard library is used here: this runs before anything is installed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import venv
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
LEGACY = "ferrotp.legacy"


@dataclass(frozen=True)
class Program:
    """One row of ``programs.json``."""

    name: str
    archive: str  # file name on the registry: an sdist, or a wheel where there is no sdist
    sha256: str
    requires: list[str]  # what locks/NAME.txt is resolved from
    tests: list[str]  # files or folders
    passes: int  # on pyotp 2.9.0, so that a suite that quietly shrinks is noticed
    path: list[str] = field(default_factory=lambda: ["."])  # import roots inside the archive
    env: dict[str, str] = field(default_factory=dict)
    options: list[str] = field(default_factory=list)  # for pytest
    config: str | None = None  # the archive's own pytest configuration
    tests_here: bool = False  # the archive has no usable tests: they are in the folder NAME beside this file

    @property
    def requirement(self) -> str:
        name, version = self.archive.removesuffix(".tar.gz").split("-")[:2]
        return f"{name}=={version}"

    @property
    def lock(self) -> Path:
        return HERE / "locks" / f"{self.name}.txt"


@dataclass(frozen=True)
class Run:
    """What one leg's test process said."""

    pyotp: dict[str, str] | None
    outcomes: dict[str, str]
    reasons: dict[str, str]

    @property
    def passed(self) -> set[str]:
        return {test for test, outcome in self.outcomes.items() if outcome == "passed"}


class Failure(Exception):
    """Something that makes the comparison meaningless, in words for the person who ran it."""


def load() -> tuple[list[Program], dict[str, str], list[str]]:
    """The programs, the real pyotps' hashes by version (oldest first), and what builds metadata of sdists."""
    table = json.loads((HERE / "programs.json").read_text())
    return [Program(name, **row) for name, row in table["programs"].items()], table["pyotp"], table["tools"]


# --- the shell ---------------------------------------------------------------------------------------------------


def call(*command: str | Path) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        raise Failure(f"{' '.join(map(str, command))}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


def make_environment(folder: Path, *, pip: bool = False) -> Path:
    venv.create(folder, with_pip=pip, clear=True)
    return python_in(folder)


def python_in(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def site_packages(python: Path) -> Path:
    return Path(call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())


def digest_of(*parts: str | Path) -> str:
    total = hashlib.sha256()
    for part in parts:
        total.update(part.read_bytes() if isinstance(part, Path) else part.encode())
    return total.hexdigest()


# --- preparing a program -----------------------------------------------------------------------------------------


class Workshop:
    """The cache folder of one program: its archive, its unpacked source, and its environments."""

    def __init__(self, program: Program, cache: Path) -> None:
        self.program = program
        self.folder = cache / program.name
        self.tools = python_in(cache / f"tools-{digest_of(HERE / 'locks' / 'tools.txt')[:12]}")
        self.source = self.folder / f"source-{program.sha256[:12]}"
        self.requirements = self.folder / "requirements"

    def prepare(self) -> None:
        if not self.tools.exists():
            make_environment(self.tools.parents[1], pip=True)
            call(self.tools, "-m", "pip", "install", "-q", "--require-hashes", "-r", HERE / "locks" / "tools.txt")
        self.folder.mkdir(parents=True, exist_ok=True)
        archive = self.fetch()
        if not self.source.exists():
            unpack(archive, self.source)
        # Written last, so that an install which was interrupted is done again.
        stamp = self.requirements / "installed"
        if not stamp.exists() or stamp.read_text() != digest_of(self.program.lock):
            shutil.rmtree(self.requirements, ignore_errors=True)
            # From the tools' environment into a folder: a requirement that is an sdist finds its build backend there.
            self.pip("install", "--target", self.requirements, "--require-hashes", "-r", self.program.lock)
            stamp.write_text(digest_of(self.program.lock))

    def fetch(self) -> Path:
        """The archive, which has the hash that the table says."""
        archive = self.folder / self.program.archive
        if not archive.exists():
            # pip takes the one file whose hash is asked for; for an sdist it also asks the build backend for
            # metadata, which the tools' environment has, so that nothing unpinned is fetched to build with.
            wanted = self.folder / "archive.txt"
            wanted.write_text(f"{self.program.requirement} --hash=sha256:{self.program.sha256}\n")
            self.pip("download", "-d", self.folder, "--require-hashes", "-r", wanted)
        if digest_of(archive) != self.program.sha256:
            raise Failure(f"{archive} does not have the pinned hash")
        return archive

    def pip(self, verb: str, *what: str | Path) -> None:
        call(self.tools, "-m", "pip", verb, "-q", "--no-deps", "--no-build-isolation", *what)

    def leg(self, name: str, pyotp: tuple[str, str], *others: Path) -> Path:
        """A thin environment on top of the program's requirements: a real pyotp, and ``others``."""
        python = make_environment(self.folder / name)
        packages = site_packages(python)
        # addsitedir, and not a bare path, so that the requirements' own .pth files count as well.
        (packages / "requirements.pth").write_text(f"import site; site.addsitedir({str(self.requirements)!r})\n")
        wanted = self.folder / "pyotp.txt"
        wanted.write_text("{}=={} --hash=sha256:{}\n".format("pyotp", *pyotp))
        self.pip("install", "--target", packages, "--require-hashes", "-r", wanted)
        for other in others:
            self.pip("install", "--target", packages, other)
        return python

    def run(self, python: Path, tests: list[str]) -> Run:
        """Run the program's tests and read what the observer wrote."""
        result = python.parents[1] / "outcomes.json"
        result.unlink(missing_ok=True)
        roots = [self.source / root for root in self.program.path] + [HERE / "observe", HERE / "sites"]
        env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PYTEST", "PIP_"))}
        env |= {
            "PYTHONPATH": os.pathsep.join(map(str, roots)),
            "OUTCOME_FILE": str(result),
            "HOME": str(self.folder),  # programs keep their state in it: not in the developer's
        } | self.program.env
        # Without both of these pytest would look upwards, and find the configuration of the repository around it.
        folder = HERE / self.program.name if self.program.tests_here else self.source
        config = folder / self.program.config if self.program.config else HERE / "observe" / "empty.ini"
        options = ["-q", "-p", "outcome_observer", "-p", "no:cacheprovider", *self.program.options]
        done = subprocess.run(
            [str(python), "-m", "pytest", f"--rootdir={folder}", f"--config-file={config}", *options, *tests],
            cwd=folder,
            env=env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        (python.parents[1] / "pytest.log").write_text(done.stdout)
        if not result.exists():
            raise Failure(f"pytest did not start\n{done.stdout[-3000:]}")
        return Run(**json.loads(result.read_text()))


def unpack(archive: Path, folder: Path) -> None:
    """Lay the archive's content out in ``folder``, without the sdist's own top folder."""
    part = folder.with_name("unpacking")
    shutil.rmtree(part, ignore_errors=True)
    if archive.suffix == ".whl":
        zipfile.ZipFile(archive).extractall(part)
        part.rename(folder)
    else:
        with tarfile.open(archive) as tar:
            tar.extractall(part, filter="data")
        (top,) = part.iterdir()
        top.rename(folder)
        part.rmdir()


# --- the three legs ----------------------------------------------------------------------------------------------


def on_pyotp(shop: Workshop, version: str, sha256: str) -> Run:
    """The suite on a real pyotp. Nothing here is ferrotp's, so the outcome is kept for as long as the pins hold."""
    support = [file for folder in ("sites", shop.program.name) for file in sorted((HERE / folder).glob("*.py"))]
    key = digest_of(repr(shop.program), shop.program.lock, sha256, sys.version, *support)
    kept = shop.folder / f"on-pyotp-{version}.json"
    if kept.exists() and (content := json.loads(kept.read_text())).pop("key") == key:
        return Run(**content)
    run = shop.run(shop.leg(f"pyotp-{version}", (version, sha256)), shop.program.tests)
    check_pyotp(run, "pyotp")
    kept.write_text(json.dumps({"key": key, **vars(run)}, indent=1))
    return run


def on_ferrotp(shop: Workshop, wheel: Path, pyotp: tuple[str, str], expected: set[str]) -> tuple[Run, set[str]]:
    """The suite on ferrotp.legacy under the alias, with the newest real pyotp installed beside it, as in a program
    that depends on pyotp; and those of ``expected`` that do not pass."""
    python = shop.leg("ferrotp", pyotp, wheel)
    call(python, "-m", "ferrotp", "alias", "--install", "--legacy")
    run = shop.run(python, shop.program.tests)
    check_pyotp(run, LEGACY)
    broken = expected - run.passed
    if broken:
        # Codes live for 30 seconds, and some suites make one and check it in the next step. Once more, alone.
        again = shop.run(python, sorted(broken & run.outcomes.keys()) or shop.program.tests)
        broken -= again.passed
    return run, broken


def check_pyotp(run: Run, module: str) -> None:
    if run.pyotp is None:
        raise Failure("its tests never imported pyotp")
    # By its file: under the alias its classes say that they are pyotp's, as migrations and pickles are to have it.
    if not Path(run.pyotp["file"]).parent.as_posix().endswith(f"/{module.replace('.', '/')}"):
        raise Failure(f"should have run on {module}, and ran on {run.pyotp}")


# --- the verb ----------------------------------------------------------------------------------------------------


def compare(program: Program, cache: Path, pins: dict[str, str], wheel: Path | None) -> tuple[list[str], list[str]]:
    """One line of the table, as its cells, and what is wrong."""
    shop = Workshop(program, cache)
    shop.prepare()
    real = {version: on_pyotp(shop, version, sha256) for version, sha256 in pins.items()}
    oldest, newest = list(real)
    expected = real[oldest].passed
    wrong: list[str] = []
    if not expected or len(expected) < program.passes:
        wrong.append(f"{len(expected)} tests pass on pyotp {oldest}, {program.passes} should")
    ours = "-"
    if wheel:
        run, broken = on_ferrotp(shop, wheel, (newest, pins[newest]), expected)
        ours = str(len(run.passed | (expected - broken)))
        wrong += [f"{test}: {run.reasons.get(test, run.outcomes.get(test, 'not run'))}" for test in sorted(broken)]
    counts = [str(len(real[oldest].outcomes)), str(len(expected)), str(len(real[newest].passed)), ours]
    return [program.requirement, *counts], wrong


def lock(name: str, requires: list[str], cache: Path) -> None:
    """Resolve the requirements anew, and pin what came out by version and hash."""
    python = make_environment(cache / "resolving", pip=True)
    options = ("-q", "--dry-run", "--ignore-installed", "--report", "-")
    report = json.loads(call(python, "-m", "pip", "install", *options, *requires))
    pins = {
        item["metadata"]["name"]: f"{item['metadata']['name']}=={item['metadata']['version']}"
        f" --hash=sha256:{item['download_info']['archive_info']['hashes']['sha256']}"
        for item in report["install"]
    }
    # The program itself runs from its archive, and pyotp is what the legs differ in.
    kept = sorted((line for key, line in pins.items() if normal(key) not in {name, "pyotp"}), key=str.lower)
    (HERE / "locks" / f"{name}.txt").write_text("\n".join(kept) + "\n")
    print(f"{name}: {len(kept)} packages")


def normal(project: str) -> str:
    return project.replace("_", "-").replace(".", "-").lower()


def newest_wheel() -> Path:
    wheels = sorted((REPO / "target" / "wheels").glob("ferrotp-*.whl"), key=lambda file: file.stat().st_mtime)
    if not wheels:
        raise Failure("no wheel in target/wheels: build one, or name one with --wheel")
    return wheels[-1]


def print_table(rows: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *rest in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))]
        print("  ".join(cells))


def main() -> int:
    programs, pins, tools = load()
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", metavar="NAME", action="append", choices=[p.name for p in programs])
    parser.add_argument("--list", action="store_true", help="name the programs and stop")
    parser.add_argument("--wheel", type=Path, help="the ferrotp to test (default: the newest in target/wheels)")
    parser.add_argument("--baseline", action="store_true", help="run on the real pyotps only")
    parser.add_argument("--cache", type=Path, default=REPO / "target" / "real-programs")
    parser.add_argument("--fresh", action="store_true", help="throw the chosen programs' cache away first")
    parser.add_argument("--lock", action="store_true", help="rewrite the chosen programs' locks and stop")
    args = parser.parse_args()
    chosen = [program for program in programs if not args.only or program.name in args.only]
    if args.list:
        print("\n".join(f"{program.name}\t{program.requirement}" for program in chosen))
        return 0
    if args.lock:
        if not args.only:
            lock("tools", tools, args.cache)
        for program in chosen:
            lock(program.name, program.requires, args.cache)
        return 0

    wheel = None if args.baseline else (args.wheel or newest_wheel()).resolve()
    rows = [["program", "tests", *(f"pyotp {version}" for version in pins), LEGACY]]
    failures: dict[str, list[str]] = {}
    for program in chosen:
        if args.fresh:
            shutil.rmtree(args.cache / program.name, ignore_errors=True)
        start = time.monotonic()
        try:
            row, wrong = compare(program, args.cache.resolve(), pins, wheel)
        except Failure as failure:
            row, wrong = [program.requirement, *("-" * 4)], [str(failure)]
        print(f"{program.name}: {time.monotonic() - start:.0f} s", file=sys.stderr)
        rows.append(row)
        if wrong:
            failures[program.name] = wrong
    print_table(rows)
    for name, wrong in failures.items():
        print(f"\n{name}:", *wrong, sep="\n  ")
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        sys.exit(f"real-programs: {failure}")
