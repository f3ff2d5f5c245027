"""pyotp's name for ferrotp: in one process, and in a whole environment."""

import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import venv

import pytest

import ferrotp

from .helpers import MIRRORED, release_path, run_python

SUBMODULES = ["otp", "totp", "hotp", "utils", "compat", "exceptions", "contrib", "contrib.steam"]
SHORT = "GEZDGNBVGY3TQOJQ"


def call(legacy):
    return f"import ferrotp; ferrotp.alias_as_pyotp({'legacy=True' if legacy else ''})\n"


def source(legacy):
    return "ferrotp.legacy" if legacy else "ferrotp"


@pytest.mark.parametrize("legacy", [False, True])
def test_the_package_and_its_submodules_are_the_same_objects(legacy):
    run_python(
        call(legacy)
        + f"""
import importlib, sys
import pyotp
assert pyotp is sys.modules["{source(legacy)}"]
for name in {SUBMODULES!r}:
    module = importlib.import_module("pyotp." + name)
    assert module is importlib.import_module("{source(legacy)}." + name), name
    assert module is sys.modules["pyotp." + name]
import pyotp.totp, pyotp.contrib.steam
from pyotp import TOTP, HOTP, OTP, random_base32, parse_uri, utils, contrib
from pyotp.totp import TOTP as Again
from pyotp.contrib.steam import Steam
from pyotp.utils import strings_equal, build_uri
from pyotp.compat import random
from pyotp.exceptions import OTPVerificationError
import pyotp.hotp as hotp
assert Again is TOTP is pyotp.TOTP is pyotp.totp.TOTP
assert Steam is pyotp.contrib.Steam and hotp.HOTP is HOTP
assert pyotp.utils is utils
"""
    )


@pytest.mark.parametrize("legacy", [False, True])
def test_the_alias_has_the_surfaces_policy(legacy):
    accepted = run_python(
        call(legacy)
        + f"""
import pyotp
try:
    pyotp.TOTP("{SHORT}", interval=600)
    print("yes")
except ValueError:
    print("no")
"""
    ).stdout
    assert accepted == ("yes\n" if legacy else "no\n")


@pytest.mark.parametrize("legacy", [False, True])
def test_patches_under_pyotps_name_work(legacy):
    run_python(
        call(legacy)
        + """
from unittest import mock
import pyotp
otp = pyotp.TOTP("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
with mock.patch("pyotp.TOTP.verify", return_value=True):
    assert otp.verify("x")
import datetime
class Fixed(datetime.datetime):
    @classmethod
    def now(cls):
        return cls.fromtimestamp(59)
with mock.patch("datetime.datetime", Fixed), mock.patch("pyotp.totp.time.time", return_value=59):
    assert otp.now() == "287082"
with mock.patch("pyotp.utils.strings_equal", return_value=True):
    assert otp.verify("x")
with mock.patch("pyotp.totp.TOTP.now", return_value="1"), mock.patch("pyotp.random_base32", return_value="2"):
    assert otp.now() + pyotp.random_base32() == "12"
assert not otp.verify("x")
"""
    )


@pytest.mark.parametrize("legacy", [False, True])
def test_what_is_asked_of_the_module_is_answered(legacy):
    run_python(
        call(legacy)
        + """
import importlib, importlib.util, inspect, pickle, pyotp
assert importlib.util.find_spec("pyotp") is not None
assert pyotp.__version__
assert inspect.getsource(pyotp.TOTP)
assert pyotp.__file__
importlib.import_module("pyotp.totp")
otp = pickle.loads(pickle.dumps(pyotp.TOTP("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")))
assert isinstance(otp, pyotp.TOTP)
"""
    )


@pytest.mark.parametrize("legacy", [False, True])
def test_a_class_has_the_names_under_the_alias_that_it_has_without_it(legacy):
    # The guard of the fast path looks for them.
    run_python(
        f"""
        import ferrotp, ferrotp.contrib, ferrotp.legacy, inspect
        pyotp = ferrotp.legacy if {legacy} else ferrotp
        classes = [pyotp.OTP, pyotp.TOTP, pyotp.HOTP, pyotp.contrib.Steam]
        names, sources = [set(vars(kind)) for kind in classes], [inspect.getsource(kind) for kind in classes]
        for back in (False, True, {legacy}):
            ferrotp.alias_as_pyotp(back)
            assert names == [set(vars(kind)) for kind in classes]
            assert sources == [inspect.getsource(kind) for kind in classes]
        """
    )


@pytest.mark.parametrize("legacy", [False, True])
def test_it_wins_over_an_installed_pyotp_even_one_that_was_imported(legacy):
    run_python(
        f"""
        import pyotp, pyotp.totp
        real = pyotp.TOTP
        assert real.__module__ == "pyotp.totp"
        import ferrotp
        ferrotp.alias_as_pyotp({legacy})
        import pyotp, pyotp.totp, pyotp.utils
        assert pyotp.TOTP is not real
        assert pyotp.__name__ == "{source(legacy)}"
        assert pyotp.totp.TOTP is pyotp.TOTP
        assert pyotp.utils is __import__("sys").modules["{source(legacy)}.utils"]
        """,
        env={"PYTHONPATH": release_path(MIRRORED)},
    )


def test_it_can_be_called_twice_and_the_last_call_counts():
    run_python(
        """
        import sys, ferrotp
        for legacy in (False, False, True, True, False):
            assert ferrotp.alias_as_pyotp(legacy) is None
            import pyotp, pyotp.totp, pyotp.contrib.steam
            name = "ferrotp.legacy" if legacy else "ferrotp"
            assert sys.modules["pyotp"].__name__ == name
            assert sys.modules["pyotp.totp"].__name__ == name + ".totp"
            assert sys.modules["pyotp.contrib.steam"].__name__ == name + ".contrib.steam"
        """
    )


@pytest.mark.parametrize("legacy", [False, True])
def test_classes_functions_and_methods_say_that_they_are_pyotps(legacy):
    release = release_path("2.10.0" if legacy else MIRRORED)
    show = """
import importlib, inspect
for name in ["", *[f".{name}" for name in SUBMODULES]]:
    try:
        module = importlib.import_module("pyotp" + name)
    except ModuleNotFoundError:
        continue
    for word in getattr(module, "__all__", ()):
        getattr(module, word)  # what is loaded at first use
    for word, value in sorted(vars(module).items()):
        if not word.startswith("_") and getattr(value, "__module__", "").startswith("pyotp"):
            print(name, word, value.__module__)
            if isinstance(value, type) and not issubclass(value, Exception):
                for member, function in inspect.getmembers(value, inspect.isfunction):
                    if not member.startswith("_"):
                        print(name, word, member, function.__module__, function.__qualname__)
""".replace("SUBMODULES", repr(SUBMODULES))
    # Each name is looked up, so that what is loaded at first use is there.
    touch = "import pyotp; [getattr(pyotp, name) for name in pyotp.__all__ if hasattr(pyotp, name)]\n"
    theirs = set(run_python(show, env={"PYTHONPATH": release}).stdout.splitlines())
    ours = set(run_python(call(legacy) + touch + show).stdout.splitlines())
    if legacy:  # which has what 2.12 has besides
        ours = {line for line in ours if "verify_and_get_timecode" not in line and "Error" not in line}
    missing = {line for line in theirs - ours if "strings_equal" not in line or not legacy}
    assert not missing
    assert ours and all(" pyotp" in line for line in ours)


@pytest.mark.parametrize("legacy", [False, True])
def test_pickles_are_pyotps_both_ways(legacy, tmp_path):
    release = release_path("2.10.0" if legacy else MIRRORED)
    make = """
import pickle, sys, pyotp
S = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
things = [pyotp.TOTP(S, digits=8), pyotp.HOTP(S, initial_count=3), pyotp.contrib.Steam(S), pyotp.random_base32]
things += [pyotp.TOTP, pyotp.TOTP.verify, pyotp.parse_uri]
with open(sys.argv[1], "wb") as file:
    pickle.dump(things, file, protocol=4)
"""
    read = """
import pickle, sys, pyotp
with open(sys.argv[1], "rb") as file:
    data = file.read()
assert b"ferrotp" not in data
totp, hotp, steam, random_base32, kind, verify, parse_uri = pickle.loads(data)
assert type(totp) is kind is pyotp.TOTP and type(hotp) is pyotp.HOTP and type(steam) is pyotp.contrib.Steam
assert random_base32 is pyotp.random_base32 and parse_uri is pyotp.parse_uri and verify is pyotp.TOTP.verify
assert totp.at(59) == "94287082" and hotp.at(1) and hotp.initial_count == 3
"""
    here, there = str(tmp_path / "ours"), str(tmp_path / "theirs")
    run_python(call(legacy) + make, here)
    run_python(read, here, env={"PYTHONPATH": release})
    run_python(make, there, env={"PYTHONPATH": release})
    run_python(call(legacy) + read, there)
    run_python(call(legacy) + read, here)


def test_when_the_other_surface_is_aliased_the_first_has_its_own_names_again():
    run_python(
        """
        import ferrotp, ferrotp.legacy
        names = lambda: [kind.__module__ for kind in (
            ferrotp.TOTP, ferrotp.HOTP, ferrotp.random_hex, ferrotp.legacy.TOTP, ferrotp.legacy.HOTP)]
        before = names()
        ferrotp.alias_as_pyotp(legacy=True)
        assert names() == before[:3] + ["pyotp.totp", "pyotp.hotp"], names()
        ferrotp.alias_as_pyotp()
        assert names() == ["pyotp.totp", "pyotp.hotp", "pyotp"] + before[3:], names()
        """
    )


def test_makemigrations_writes_pyotps_name(tmp_path):
    run_python(
        call(True)
        + """
import pyotp
from django.db.migrations.writer import MigrationWriter
assert MigrationWriter.serialize(pyotp.random_base32) == ("pyotp.random_base32", {"import pyotp"})
"""
    )


@pytest.mark.parametrize("legacy", [False, True])
def test_the_alias_leaves_the_fast_path(legacy):
    run_python(
        call(legacy)
        + """
import pyotp
from ferrotp import _native
S = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
assert _native.totp_at(pyotp.TOTP(S), 59, 0) == "287082" and _native.hotp_at(pyotp.HOTP(S), 1)
assert _native.totp_at(pyotp.contrib.Steam(S), 59, 0)
"""
    )


def test_nothing_is_aliased_by_an_import():
    run_python("import ferrotp, ferrotp.legacy, sys; assert not [name for name in sys.modules if 'pyotp' in name]")


# --- a whole environment ----------------------------------------------------------------------------------------------


class Environment:
    """An environment with ferrotp in it, made by copying the package that is under test."""

    def __init__(self, folder: pathlib.Path) -> None:
        venv.create(folder, with_pip=False)
        self.python = str(folder / ("Scripts" if os.name == "nt" else "bin") / "python")
        self.packages = pathlib.Path(
            subprocess.run(
                [self.python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.strip()
        )
        shutil.copytree(pathlib.Path(ferrotp.__file__).parent, self.packages / "ferrotp")

    @property
    def pth(self) -> pathlib.Path:
        return self.packages / "ferrotp_alias_pyotp.pth"

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return subprocess.run(
            [self.python, *arguments], capture_output=True, text=True, timeout=60, env=environment, check=False
        )

    def alias(self, *arguments: str) -> subprocess.CompletedProcess:
        return self.run("-m", "ferrotp", "alias", *arguments)

    def pyotp(self) -> str:
        """What ``import pyotp`` gives here."""
        process = self.run("-c", "import pyotp, pyotp.totp; print(pyotp.__name__, pyotp.totp.__name__)")
        return process.stdout.strip() if process.returncode == 0 else process.stderr.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return Environment(tmp_path_factory.mktemp("environment"))


@pytest.fixture(params=["without pyotp", "with pyotp"])
def environment(template, request):
    if request.param == "with pyotp":
        shutil.copytree(pathlib.Path(release_path(MIRRORED)) / "pyotp", template.packages / "pyotp")
    yield template
    if template.pth.is_dir():
        template.pth.rmdir()
    template.pth.unlink(missing_ok=True)
    shutil.rmtree(template.packages / "pyotp", ignore_errors=True)


def has_pyotp(environment):
    return (environment.packages / "pyotp").exists()


def without_alias(environment):
    return "pyotp pyotp.totp" if has_pyotp(environment) else "ModuleNotFoundError: No module named 'pyotp'"


@pytest.mark.parametrize("legacy", [False, True])
def test_install_status_and_remove_do_it_for_the_environment(environment, legacy):
    surface = source(legacy)
    assert environment.pyotp() == without_alias(environment)
    status = environment.alias("--status")
    assert (status.returncode, status.stdout) == (0, "none\n")

    done = environment.alias("--install", *(["--legacy"] if legacy else []))
    assert (done.returncode, done.stderr) == (0, "")
    assert surface in done.stdout
    assert environment.pyotp() == f"{surface} {surface}.totp"
    status = environment.alias("--status")
    assert (status.returncode, status.stdout) == (0, "legacy\n" if legacy else "modern\n")

    done = environment.alias("--remove")
    assert (done.returncode, done.stderr) == (0, "")
    assert environment.pyotp() == without_alias(environment)
    assert environment.alias("--status").stdout == "none\n"
    assert not environment.pth.exists()


def test_install_again_changes_the_surface(environment):
    for arguments, surface in (
        ([], "ferrotp"),
        (["--legacy"], "ferrotp.legacy"),
        (["--legacy"], "ferrotp.legacy"),
        ([], "ferrotp"),
    ):
        assert environment.alias("--install", *arguments).returncode == 0
        assert environment.pyotp() == f"{surface} {surface}.totp"


def test_a_process_without_site_is_not_touched(environment):
    environment.alias("--install")
    assert environment.run("-S", "-c", "import sys; assert 'ferrotp' not in sys.modules").returncode == 0


def test_remove_of_nothing_says_so_with_exit_code_1(environment):
    done = environment.alias("--remove")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--nothing"],
        ["--install", "--nothing"],
        ["--install", "--legacy", "--legacy"],
        ["--legacy"],
        ["--remove", "--legacy"],
        ["--status", "x"],
        ["--install", "--remove"],
    ],
    ids=str,
)
def test_wrong_usage_says_how_with_exit_code_2(template, arguments):
    done = template.alias(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: python -m ferrotp alias")
    assert not template.pth.exists()


def test_no_or_another_command_is_wrong_usage(template):
    for arguments in ([], ["nothing"], ["alias"]):
        done = template.run("-m", "ferrotp", *arguments)
        assert done.returncode == 2
        assert "usage" in done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["alias", "--help"], ["alias", "-h"]], ids=str)
def test_help_is_printed_with_exit_code_0(template, arguments):
    done = template.run("-m", "ferrotp", *arguments)
    assert done.returncode == 0
    assert "--install" in done.stdout and "--legacy" in done.stdout


@pytest.mark.parametrize("command", [["--install"], ["--install", "--legacy"], ["--remove"], ["--status"]], ids=str)
def test_an_unwritable_file_is_said_in_one_line_with_exit_code_1(environment, command):
    # A folder in the file's place fails for root as well, whom permissions do not stop.
    environment.pth.mkdir()
    done = environment.alias(*command)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("ferrotp: ")]) == 1


def test_without_ferrotp_the_environment_falls_back_to_its_own_pyotp(environment):
    environment.alias("--install")
    hidden = environment.packages / "hidden"
    (environment.packages / "ferrotp").rename(hidden)
    try:
        process = environment.run("-c", "print('alive')")
        assert (process.returncode, process.stdout, process.stderr) == (0, "alive\n", "")
        assert environment.pyotp() == without_alias(environment)
    finally:
        hidden.rename(environment.packages / "ferrotp")


def test_the_file_is_one_line_that_no_other_user_can_change(environment):
    environment.alias("--install")
    text = environment.pth.read_text(encoding="utf-8")
    assert text.startswith("import ") and text.count("\n") == 1
    if os.name == "posix":
        assert environment.pth.stat().st_mode & 0o022 & ~_umask() == environment.pth.stat().st_mode & 0o022 == 0


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_pickles_and_subprocesses_see_the_alias(environment):
    environment.alias("--install")
    code = (
        "import multiprocessing, pyotp\n"
        "if __name__ == '__main__':\n"
        "    otp = pyotp.TOTP('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ')\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.map(otp.at, [59]), otp.__module__, pyotp.__name__)\n"
    )
    script = environment.packages / "script_for_test.py"
    script.write_text(code)
    process = environment.run(str(script))
    script.unlink()
    assert process.stdout == "['287082'] pyotp.totp ferrotp\n", process.stderr


def test_the_module_says_where_the_file_goes():
    from ferrotp import alias

    assert alias._pth_path().startswith(sysconfig.get_path("purelib"))
    assert sys.prefix in alias._pth_path()
