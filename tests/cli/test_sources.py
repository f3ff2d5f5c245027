"""Where secrets come from, and that they are seen nowhere on the way."""

import contextlib
import os
import pathlib
import subprocess
import time

import pytest

import ferrotp

from .program import FERROTP, POSIX, SECRET, SHORT, URI, environment, error, ok, run
from .terminal import needs_tmux

CODE = "287082"  # RFC 4226's for counter 1
CANARY = "KRUGS4ZANFZSAYJAMNQW4YLSPEQHGZLD"


@pytest.fixture
def secret_file(tmp_path):
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")
    path.chmod(0o600)
    return str(path)


@pytest.mark.parametrize("secret", [SECRET, SECRET.lower(), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ", URI])
def test_every_source_gives_the_same_code(secret, secret_file):
    pathlib.Path(secret_file).write_text(secret)
    for arguments, options in [
        ([], {"stdin": secret}),
        (["-"], {"stdin": f"{secret}\n"}),
        (["--secret-file", "-"], {"stdin": f"\ufeff  {secret}\r\n"}),
        (["--secret-file", secret_file], {}),
        (["--secret-env", "SOME_NAME"], {"env": {"SOME_NAME": secret}}),
    ]:
        done = run("code", "--at", "59", *arguments, **options)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{CODE}\n", "")


def test_an_argument_works_with_a_warning():
    for words in ([SECRET], SECRET[:16].split() + SECRET[16:].split()):
        done = run("code", "--at", "59", *words)
        assert (done.returncode, done.stdout) == (0, f"{CODE}\n")
        assert done.stderr.count("\n") == 1
        assert "shell's history" in done.stderr and "ps" in done.stderr and SECRET[:8] not in done.stderr


def test_what_is_wrong_with_a_source_is_said(secret_file, tmp_path):
    code = ("code", "--at", "59")
    assert "is not set" in error(*code, "--secret-env", "NOT_THERE")
    assert "is empty" in error(*code)
    assert "is empty" in error(*code, stdin="\n")
    assert "more than one way" in error(*code, "--secret-env", "X", "--secret-file", secret_file, env={"X": SECRET})
    assert "not base32" in error(*code, stdin="not base 32!")
    assert "not UTF-8" in error(*code, stdin=b"\xff\xfe\xfd\n")
    assert "too long" in error(*code, stdin="A" * 100_000)
    assert "No such file" in error(*code, "--secret-file", str(tmp_path / "none"))
    pathlib.Path(secret_file).write_text(f"{URI}\n{URI}\n")
    assert "`ferrotp import` reads such files" in error(*code, "--secret-file", secret_file)
    assert "holds 2 accounts" in error(
        *code, stdin=ok("export", "--to", "google", stdin=f"{URI}\n{URI}2\n".replace("ACME2", "ACME"))
    )


@POSIX
def test_a_secret_file_that_others_can_read_is_warned_of(secret_file):
    os.chmod(secret_file, 0o644)
    done = run("code", "--at", "59", "--secret-file", secret_file)
    assert (done.returncode, done.stdout) == (0, f"{CODE}\n")
    assert "chmod 600" in done.stderr


def test_an_old_secret_needs_the_legacy_switch():
    assert error("code", stdin=SHORT) == "Secrets must be at least 112 bits after decoding; --legacy takes it"
    assert len(ok("code", "--legacy", stdin=SHORT)) == 7


def shown_by_ps() -> str:
    """What every user of the machine sees of all processes."""
    paths = list(pathlib.Path("/proc").glob("[0-9]*/cmdline"))
    if not paths:
        return subprocess.run(["ps", "-axo", "args"], capture_output=True, text=True, check=True).stdout
    texts = []
    for path in paths:
        with contextlib.suppress(OSError):  # it has ended
            texts.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return "\n".join(texts)


@POSIX
@pytest.mark.parametrize("source", ["stdin", "file", "environment", "argument"])
def test_only_an_argument_shows_in_ps(source, secret_file):
    secret = ferrotp.random_base32()
    pathlib.Path(secret_file).write_text(secret)
    arguments = {
        "stdin": [],
        "file": ["--secret-file", secret_file],
        "environment": ["--secret-env", "SOME_NAME"],
        "argument": [secret],
    }[source]
    variables = {"SOME_NAME": secret} if source == "environment" else {}
    process = subprocess.Popen(
        [FERROTP, "code", "--watch", "--json", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(**variables),
    )
    try:
        assert process.stdin and process.stdout
        process.stdin.write(f"{secret}\n".encode())
        process.stdin.flush()
        os.set_blocking(process.stdout.fileno(), False)
        samples = []
        end = time.monotonic() + 20
        while not process.stdout.read() and time.monotonic() < end:  # from its start to its first code
            samples.append(shown_by_ps())
        samples.append(shown_by_ps())
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()
    assert all("--watch" in sample for sample in samples[-2:])
    assert any(secret in sample for sample in samples) == (source == "argument")


@needs_tmux
def test_what_is_typed_at_a_prompt_does_not_show_in_ps(terminal):
    secret = ferrotp.random_base32()
    pane = terminal()
    pane.type("ferrotp code --watch")
    pane.wait(lambda screen: "not shown" in screen)
    pane.type(secret)
    pane.wait(lambda screen: "█" in screen)
    shown = shown_by_ps()
    assert "--watch" in shown and secret not in shown and secret not in pane.history()


@pytest.mark.parametrize(
    "arguments",
    [
        [CANARY],
        ["code", "--digits", CANARY],
        ["code", f"--{CANARY}"],
        ["code", f"--nothing={CANARY}"],
        ["code", "--algorithm", CANARY],
        ["code", "--at", CANARY],
        ["code", "--secret-env", CANARY],
        ["code", "--secret-file", CANARY],
        ["code", f"otpauth://totp/x?secret={CANARY}&digits={CANARY}"],
        ["code", f"otpauth://{CANARY}/x?secret={CANARY}"],
        ["code", f"{CANARY}1"],
        ["code", f"{CANARY}:"],
        ["uri", f"otpauth://totp/x?secret={CANARY}1"],
        ["uri", f"https://example.com/?secret={CANARY}"],
        ["import", CANARY],
        ["import", CANARY.lower()],
        ["scan", CANARY],
        ["export", f"otpauth-migration://offline?data={CANARY}"],
        ["new", "x", "--qr-file", CANARY],
        ["verify", CANARY, "--window", CANARY],
        ["completion", CANARY],
        ["doctor", CANARY, "--code", CANARY, "--digits", CANARY],
    ],
    ids=lambda arguments: " ".join(arguments).replace(CANARY, "CANARY"),
)
def test_a_secret_in_the_wrong_place_is_not_repeated(arguments):
    for extra in ([], ["--json"]):
        done = run(*arguments, *extra)
        assert done.returncode == 2
        text = (done.stdout + done.stderr).upper()
        assert CANARY[:12] not in text and CANARY[-12:] not in text
