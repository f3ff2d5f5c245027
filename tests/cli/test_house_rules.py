"""What holds for every verb: exit codes, quiet ends, other locales, no traceback; and what is without click."""

import importlib.metadata
import inspect
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import venv
import zipfile

import pytest

import ferrotp
import ferrotp.cli.app

from .program import FERROTP, POSIX, SECRET, URI, environment, error, needs, ok, run

VERBS = ["new", "code", "verify", "uri", "qr", "scan", "import", "export", "doctor", "demo", "completion", "alias"]


def test_every_verb_is_in_the_help_and_has_its_own():
    text = ok("--help")
    for verb in VERBS:
        assert f"\n  {verb} " in text
        assert f"Usage: ferrotp {verb}" in ok(verb, "--help") == ok(verb, "-h")
        assert "--json" in ok(verb, "--help") or verb in ("alias", "demo")
    assert "Exit codes: 0 yes, 1 code refused, 2 usage" in " ".join(text.split())


def test_python_m_ferrotp_is_the_same_program():
    done = subprocess.run([sys.executable, "-m", "ferrotp", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == ok("--version") == f"ferrotp {ferrotp.__version__}\n"


@pytest.mark.parametrize("arguments", [["nothing"], ["code", "--nothing"], ["scan"], ["completion", "tcsh"]])
def test_wrong_usage_is_exit_code_2(arguments):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: ferrotp")
    error(*arguments)


def test_no_verb_is_wrong_usage_with_the_whole_help():
    done = run()
    assert (done.returncode, done.stdout, done.stderr) == (2, "", ok("--help"))


@POSIX
def test_a_reader_that_goes_away_ends_it_quietly(tmp_path):
    path = tmp_path / "many.txt"
    path.write_text("".join(f"otpauth://totp/a{number}?secret={SECRET}\n" for number in range(5000)))
    for command in (f"'{FERROTP}' export {path}", f"'{FERROTP}' import --json {path}"):
        shell = f"set -o pipefail; {command} | head -c 100 >/dev/null; echo ${{PIPESTATUS[0]}}"
        done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, env=environment(), check=False)
        assert (done.stdout, done.stderr) == ("141\n", "")


@POSIX
def test_an_output_that_takes_nothing_is_an_error():
    for where in (">&-", ">/dev/full"):
        if where == ">/dev/full" and not pathlib.Path("/dev/full").exists():
            continue
        shell = f"echo {SECRET} | '{FERROTP}' code {where}"
        done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, env=environment(), check=False)
        assert done.returncode == 2 and done.stderr.startswith("ferrotp: ") and done.stderr.count("\n") == 1, where
    done = subprocess.run(
        ["bash", "-c", f"'{FERROTP}' code <&-"], capture_output=True, text=True, env=environment(), check=False
    )
    assert done.returncode == 2 and "standard input is closed" in done.stderr


@POSIX
def test_bytes_that_are_no_text_are_refused_without_a_traceback():
    for arguments in (["code", b"\xff"], ["new", b"\xff"], ["uri", b"otpauth://totp/\xff?secret=" + SECRET.encode()]):
        for locale in ({"LC_ALL": "C.UTF-8"}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}):
            done = subprocess.run(
                [FERROTP, *arguments], capture_output=True, env={**environment(), **locale}, check=False, timeout=20
            )
            assert done.returncode == 2, (arguments, done)
            assert b"Traceback" not in done.stderr


def test_a_terminal_without_unicode_gets_escapes():
    uri = URI.replace("alice", "zo%C3%AB")
    for encoding in ("ascii", "latin-1", "utf-8"):
        done = subprocess.run(
            [FERROTP, "import"],
            input=uri.encode(),
            capture_output=True,
            env=environment(PYTHONIOENCODING=encoding),
            check=True,
        )
        assert ("zoë".encode(encoding, "backslashreplace")) in done.stdout


@POSIX
def test_ctrl_c_is_exit_code_130_and_quiet():
    process = subprocess.Popen(
        [FERROTP, "code", "--watch"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdin and process.stdout
    process.stdin.write(f"{SECRET}\n".encode())
    process.stdin.flush()
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert (process.returncode, told) == (130, b"")


def test_output_for_a_pipe_has_no_escapes_even_where_colour_is_forced():
    for arguments in (["verify", "--at", "59", "--code", "287082"], ["uri"], ["import"], ["qr"]):
        assert "\x1b" not in ok(*arguments, stdin=URI, env={"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1"})


def test_a_defect_is_told_without_a_traceback_or_what_it_holds(monkeypatch, capfd):
    def broken(_arguments):
        secret = SECRET
        raise RuntimeError(f"broken by {secret}")

    monkeypatch.setattr(ferrotp.cli.app, "_invoke", broken)
    assert ferrotp.cli.app.run(["code"]) == 70
    told = capfd.readouterr()
    assert told.out == "" and SECRET[:8] not in told.err and "Traceback" not in told.err
    assert "RuntimeError" in told.err and "broken" in told.err and "report" in told.err


@needs("bash", "bash")
@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="click wants bash 4.4")
def test_completion_loads_in_bash_and_completes():
    shell = (
        'eval "$(ferrotp completion bash)"; complete -p ferrotp; '
        "COMP_WORDS=(ferrotp co); COMP_CWORD=1; _ferrotp_completion ferrotp; echo ${COMPREPLY[@]};"
        "COMPREPLY=(); COMP_WORDS=(ferrotp code --w); COMP_CWORD=2; _ferrotp_completion ferrotp; echo ${COMPREPLY[@]};"
        "COMPREPLY=(); COMP_WORDS=(ferrotp import na); COMP_CWORD=2; compopt() { echo files; };"
        "_ferrotp_completion ferrotp; echo ${COMPREPLY[@]}"
    )
    path = os.path.dirname(FERROTP) + os.pathsep + os.environ["PATH"]
    done = subprocess.run(
        ["bash", "--norc", "-c", shell], capture_output=True, text=True, env=environment(PATH=path), check=True
    )
    assert done.stderr == ""
    registered, verbs, options, files, _ = done.stdout.splitlines()
    assert registered.startswith("complete ") and registered.endswith(" ferrotp")
    assert verbs.split() == ["code", "completion"] and options == "--watch" and files == "files"


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_for_other_shells_is_printed(shell):
    assert "_FERROTP_COMPLETE" in ok("completion", shell)


def test_alias_is_a_verb_of_the_program():
    assert ok("alias", "--status") == "none\n"
    for wrong in ([], ["--install", "--remove"], ["--remove", "--legacy"]):
        done = run("alias", *wrong)
        assert done.returncode == 2 and "--install" in done.stderr


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """The Python of an environment with ferrotp and nothing else."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False)
    python = str(folder / ("Scripts" if os.name == "nt" else "bin") / "python")
    where = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = subprocess.run(where, capture_output=True, text=True, check=True).stdout.strip()
    shutil.copytree(pathlib.Path(ferrotp.__file__).parent, pathlib.Path(packages) / "ferrotp")
    return python


def test_a_zip_is_refused_in_a_sentence(bare, tmp_path):
    package = pathlib.Path(ferrotp.__file__).parent
    with zipfile.ZipFile(tmp_path / "app.pyz", "w") as file:
        file.write(package / "__init__.py", "ferrotp/__init__.py")
        file.write(package / "otp.py", "ferrotp/otp.py")
        file.write(next(package.glob("_native*.so")), f"ferrotp/{next(package.glob('_native*.so')).name}")
        file.writestr("__main__.py", "import ferrotp")
    done = subprocess.run([bare, "-S", str(tmp_path / "app.pyz")], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "it cannot be loaded from a zip (zipapp)" in done.stderr


def test_pyinstaller_is_told_what_is_loaded_by_name():
    points = importlib.metadata.distribution("ferrotp").entry_points.select(group="pyinstaller40")
    [folder] = points["hook-dirs"].load()()
    assert {path.name for path in pathlib.Path(folder).glob("hook-*.py")} == {
        "hook-ferrotp.py",
        "hook-ferrotp.django.py",
    }
    # The hook leaves out what an import statement leads to. What the package loads by name, it may not leave out.
    hook = (pathlib.Path(folder) / "hook-ferrotp.py").read_text(encoding="utf-8")
    by_name = {module.partition(":")[0] for module in re.findall(r'"(ferrotp\.[\w.:]+)"', inspect.getsource(ferrotp))}
    left_out = set(re.findall(r'"(\w+)"', hook.partition("= (")[2].partition(")")[0]))
    assert len(by_name) > 10 and not {name.split(".")[1] for name in by_name} & left_out


def test_without_click_it_says_what_to_install(bare):
    # What the script `ferrotp` runs, and the module.
    for program in (["-c", "import sys; from ferrotp.__main__ import run; sys.exit(run())"], ["-m", "ferrotp"]):
        for arguments in (["code"], ["--json"], []):
            done = subprocess.run(
                [bare, *program, *arguments], capture_output=True, text=True, env=environment(), check=False
            )
            assert (done.returncode, done.stdout) == (2, "")
            assert 'pip install "ferrotp[cli]"' in done.stderr
    done = subprocess.run(
        [bare, "-m", "ferrotp", "alias", "--status"], capture_output=True, text=True, env=environment(), check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "none\n", "")
    done = subprocess.run([bare, "-m", "ferrotp", "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"ferrotp {ferrotp.__version__}\n", "")
