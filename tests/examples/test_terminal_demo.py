"""The terminal demo, run as a person runs it."""

import base64
import hmac
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import warm

DEMO = Path(__file__).parents[2] / "examples" / "terminal_demo.py"
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # of RFC 6238, appendix B
SHORT = "JBSWY3DPEHPK3PXP"  # 80 bits, as pyotp made them until 2.4
STEAM = "23456789BCDFGHJKMNPQRTVWXY"


def number(secret: str, counter: int, algorithm: str = "sha1") -> int:
    """RFC 4226, section 5.3, before the digits are cut off."""
    mac = hmac.digest(base64.b32decode(secret), counter.to_bytes(8, "big"), algorithm)
    offset = mac[-1] & 15
    return int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFFFFFF


def code(secret: str, counter: int, digits: int = 6, algorithm: str = "sha1") -> str:
    return f"{number(secret, counter, algorithm) % 10**digits:0{digits}}"


def steam_code(secret: str, counter: int) -> str:
    rest = number(secret, counter)
    return "".join(STEAM[rest // 26**place % 26] for place in range(5))


def environment(**more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if name not in ("FERROTP_SECRET", "NO_COLOR")}
    return clean | more


def run_bytes(*arguments: str, stdin: bytes = b"", **more: str) -> "subprocess.CompletedProcess[bytes]":
    """In a fork of a process that has loaded what the demo loads, but for pyotp."""
    modules = ("ferrotp.legacy", "getpass", "importlib.metadata", "statistics", "subprocess", "timeit")
    return warm.shared(*modules).run(
        warm.script(DEMO), *arguments, name=str(DEMO), stdin=stdin, env=environment(**more)
    )


def run(*arguments: str, stdin: str = "", **more: str) -> "subprocess.CompletedProcess[str]":
    done = run_bytes(*arguments, stdin=stdin.encode(), **more)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def start(*arguments: str, stdin: str = "", **more: str) -> "subprocess.CompletedProcess[str]":
    """In an interpreter of its own."""
    return subprocess.run(
        [sys.executable, str(DEMO), *arguments], input=stdin, capture_output=True, text=True, env=environment(**more)
    )


def table(output: str) -> dict[str, str]:
    """The lines by label; a version after the label is left out."""
    lines = (re.split(r" {2,}", line.strip(), maxsplit=1) for line in output.splitlines() if line.startswith("  "))
    return {label.split(" ")[0] if label.startswith("pyotp") else label: value for label, value in lines}


def shown_code(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    lines = table(done.stdout)
    shown = lines["code"].split()[0]
    assert lines["verified"].split() == [shown, "accepted"]
    wrong, refused = lines["wrong code"].split()
    assert wrong != shown
    assert refused == "refused"
    return shown


def steps(start: float, period: int = 30) -> range:
    """The time steps since `start`: the demo may have seen any of them."""
    return range(int(start) // period, int(time.time()) // period + 1)


def test_a_new_secret_has_the_code_of_its_uri() -> None:
    start = time.time()
    done = run()
    lines = table(done.stdout)
    secret = lines["new secret"]
    assert re.fullmatch("[A-Z2-7]{32}", secret)
    assert lines["URI"].startswith("otpauth://totp/")
    assert f"secret={secret}&" in lines["URI"]
    assert shown_code(done) in [code(secret, step) for step in steps(start)]
    assert 1 <= int(re.search(r"(\d+) s left", lines["code"]).group(1)) <= 30  # type: ignore[union-attr]
    assert table(run().stdout)["new secret"] != secret


@pytest.mark.parametrize("way", ["argument", "groups", "lower case", "stdin", "environment"])
def test_an_own_secret_gives_its_code_and_is_not_shown(way: str) -> None:
    start = time.time()
    if way == "stdin":
        done = run("-", stdin=SECRET + "\n")
    elif way == "environment":
        done = run(FERROTP_SECRET=SECRET)
    elif way == "groups":
        done = run(*re.findall("....", SECRET))
    else:
        done = run(SECRET if way == "argument" else SECRET.lower())
    assert shown_code(done) in [code(SECRET, step) for step in steps(start)]
    assert SECRET.lower() not in (done.stdout + done.stderr).lower()
    assert ("history" in done.stderr) == (way not in ("stdin", "environment"))


def test_a_uri_brings_its_digits_algorithm_and_period() -> None:
    start = time.time()
    done = run("-", stdin=f"otpauth://totp/A:b?secret={SECRET}&digits=8&algorithm=SHA256&period=60\n")
    assert shown_code(done) in [code(SECRET, step, 8, "sha256") for step in steps(start, 60)]


def test_an_hotp_uri_gives_the_code_of_its_counter() -> None:
    done = run("-", stdin=f"otpauth://hotp/A:b?secret={SECRET}&counter=9")
    assert shown_code(done) == "520489"  # RFC 4226, appendix D
    assert "of count 9" in done.stdout


def test_a_counter_of_32_digits_is_not_cut_short() -> None:
    done = run("-", stdin=f"otpauth://hotp/A:b?secret={SECRET}&counter={10**31 + 7}")
    assert shown_code(done).isdecimal()


def test_a_steam_uri_gives_steams_characters() -> None:
    start = time.time()
    done = run("-", stdin=f"otpauth://totp/Steam:b?secret={SECRET}&encoder=steam")
    assert shown_code(done) in [steam_code(SECRET, step) for step in steps(start)]


def test_a_short_secret_is_refused_with_the_way_out() -> None:
    done = run("-", stdin=SHORT)
    assert done.returncode == 2
    assert "112 bits" in done.stderr
    assert "--legacy" in done.stderr
    assert SHORT not in done.stderr


@pytest.mark.parametrize(
    ("text", "period"), [(SHORT, 30), (f"otpauth://totp/A:b?secret={SHORT}&period=600", 600)], ids=["secret", "uri"]
)
def test_legacy_serves_short_secrets_and_long_periods(text: str, period: int) -> None:
    start = time.time()
    done = run("--legacy", "-", stdin=text)
    assert shown_code(done) in [code(SHORT, step) for step in steps(start, period)]


BAD = {
    "nothing": ("", "No secret was given"),
    "not base32": ("SUPER0SECRET189", "base32"),
    "not ASCII": ("SÜPERSECRET", "base32"),
    "another scheme": (f"https://example.com/?secret={SECRET}", "Not an otpauth URI"),
    "no secret": ("otpauth://totp/A:b", "No secret"),
    "the secret is a parameter's name": (f"otpauth://totp/A:b?{SECRET}", ""),
    "the secret stands for the digits": (f"otpauth://totp/A:b?secret={SECRET}&digits={SECRET}", "parameter"),
    "hotp with a period": (f"otpauth://hotp/A:b?secret={SECRET}&period=30", "parameter"),
    "another type": (f"otpauth://motp/A:b?secret={SECRET}", "type"),
    "no host": (f"otpauth://[{SECRET}", "cannot be read"),
}


@pytest.mark.parametrize("surface", [(), ("--legacy",)], ids=["modern", "legacy"])
@pytest.mark.parametrize(("text", "reason"), BAD.values(), ids=BAD)
def test_bad_input_is_one_sentence_without_the_secret(text: str, reason: str, surface: tuple[str, ...]) -> None:
    done = run(*surface, "-", stdin=text)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith(".\n")
    assert reason in done.stderr
    for word in (SECRET, text):
        assert not word or word not in done.stderr


def test_bytes_that_are_no_text_are_bad_input() -> None:
    done = run_bytes("-", stdin=b"\xff\xfe")
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1


def test_an_unknown_option_is_not_repeated() -> None:
    done = run(f"--secret={SECRET}")
    assert done.returncode == 2
    assert "--help" in done.stderr
    assert SECRET not in done.stderr


def test_help_says_how() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "--legacy" in done.stdout
    assert "FERROTP_SECRET" in done.stdout


def test_pyotp_shows_the_same_and_is_timed() -> None:
    pytest.importorskip("pyotp")
    lines = table(run("-", stdin=SECRET).stdout)
    assert lines["pyotp"].split(maxsplit=1) == [lines["code"].split()[0], "the same"]
    assert "times as fast" in lines["speed"]


def stub(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    return str(folder)


def test_says_so_where_pyotp_and_oathtool_are_missing(tmp_path: Path) -> None:
    done = run("-", stdin=SECRET, PYTHONPATH=stub(tmp_path, "pyotp.py", "raise ImportError"), PATH=str(tmp_path))
    shown_code(done)
    lines = table(done.stdout)
    assert lines["pyotp"] == lines["oathtool"] == "not installed"
    assert "speed" not in lines


def test_ferrotp_under_pyotps_name_is_not_taken_for_pyotp(tmp_path: Path) -> None:
    alias = stub(tmp_path, "sitecustomize.py", "import ferrotp; ferrotp.alias_as_pyotp()")
    done = start("-", stdin=SECRET, PYTHONPATH=alias)
    shown_code(done)
    assert "for ferrotp" in table(done.stdout)["pyotp"]
    assert "speed" not in table(done.stdout)


@pytest.mark.skipif(not shutil.which("oathtool"), reason="oathtool is not installed")
@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        SHORT,
        f"otpauth://totp/A:b?secret={SECRET}&digits=8&algorithm=SHA512&period=45",
        f"otpauth://hotp/A:b?secret={SECRET}&counter=4",
    ],
)
def test_oathtool_shows_the_same(text: str) -> None:
    lines = table(run("--legacy", "-", stdin=text).stdout)
    assert lines["oathtool"].split(maxsplit=1) == [lines["code"].split()[0], "the same"]


@pytest.mark.skipif(os.name != "posix", reason="the stand-in for oathtool is a shell script")
def test_a_different_code_is_reported_and_the_secret_is_no_argument(tmp_path: Path) -> None:
    stub(tmp_path, "oathtool", f'#!/bin/sh\necho "$@" > "{tmp_path}/arguments"\necho 12345\n')
    (tmp_path / "oathtool").chmod(0o755)
    done = run("-", stdin=SECRET, PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert done.returncode == 1
    assert "DIFFERENT" in table(done.stdout)["oathtool"]
    assert SECRET not in (tmp_path / "arguments").read_text()


def on_a_terminal(*arguments: str, answer: str = "", **more: str) -> str:
    """What the demo prints when it talks to a terminal, which types `answer` after the prompt."""
    pty = pytest.importorskip("pty")
    process, terminal = pty.fork()
    if process == 0:
        os.execve(sys.executable, [sys.executable, str(DEMO), *arguments], environment(**more))
    printed = b""
    with open(terminal, "r+b", buffering=0) as screen:
        while True:
            try:
                new = os.read(screen.fileno(), 1024)
            except OSError:  # what Linux says at the end
                break
            if not new:
                break
            printed += new
            if answer and printed.endswith(b": "):
                os.write(screen.fileno(), answer.encode() + b"\n")
                answer = ""
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    return printed.decode()


def test_colour_is_for_terminals_that_want_it() -> None:
    assert "\033[32m" in on_a_terminal(FERROTP_SECRET=SECRET)
    assert "\033" not in on_a_terminal(FERROTP_SECRET=SECRET, NO_COLOR="1")
    assert "\033" not in run(FERROTP_SECRET=SECRET).stdout


def test_a_secret_typed_at_the_prompt_is_not_echoed() -> None:
    start = time.time()
    printed = on_a_terminal("-", answer=SECRET, NO_COLOR="1")
    assert SECRET not in printed
    assert table(printed)["code"].split()[0] in [code(SECRET, step) for step in steps(start)]
