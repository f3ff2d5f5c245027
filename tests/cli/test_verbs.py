"""What each verb answers, to people and to programs, held against programs that know nothing of ferrotp."""

import base64
import hashlib
import json
import os
import pathlib
import re
import stat
import subprocess
import time

import pyotp
import pytest
from qr.readers import png, rasterised, zxing

from ferrotp.cli.extras import _version, is_there
from ferrotp.vault import Keyring, new_key

from .program import FERROTP, POSIX, SECRET, SHORT, URI, as_json, environment, error, needs, ok, run

ROOT = pathlib.Path(__file__).parent.parent.parent
KEY = base64.b32decode(SECRET)
# RFC 6238, appendix B, whose keys for the longer hashes go on with the same digits.
DIGITS = b"1234567890" * 7
ACCOUNT = {"name", "issuer", "kind", "algorithm", "digits", "period", "counter", "serial", "secret_bits"}
RFC_6238 = [
    (59, "sha1", "94287082"),
    (59, "sha256", "46119246"),
    (59, "sha512", "90693936"),
    (1111111109, "sha1", "07081804"),
    (20000000000, "sha256", "77737706"),
    (20000000000, "sha512", "47863826"),
]


# --- code -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("at", "algorithm", "code"), RFC_6238)
def test_the_codes_of_rfc_6238(at, algorithm, code):
    key = base64.b32encode(DIGITS[: hashlib.new(algorithm).digest_size]).decode()
    assert ok("code", "--at", str(at), "--digits", "8", "--algorithm", algorithm, stdin=key) == f"{code}\n"


def test_the_codes_of_rfc_4226_are_asked_for_by_their_counter():
    for counter, code in enumerate(["755224", "287082", "359152", "969429"]):
        assert ok("code", "--counter", str(counter), stdin=SECRET) == f"{code}\n"
    assert as_json("code", stdin=f"otpauth://hotp/a?secret={SECRET}&counter=3") == {"code": "969429", "counter": 3}
    assert "HOTP code does not change" in error("code", "--counter", "3", "--watch", stdin=SECRET)


@needs("oathtool", "oathtool")
def test_the_code_of_now_is_oathtools():
    while True:
        before = int(time.time()) // 30
        mine = ok("code", stdin=SECRET).strip()
        theirs = subprocess.run(["oathtool", "--totp", "-b", "-"], input=SECRET, capture_output=True, text=True).stdout
        if before == int(time.time()) // 30:
            break
    assert mine == theirs.strip()


def test_an_option_counts_more_than_the_uri():
    uri = f"otpauth://totp/a?secret={SECRET}&digits=8&period=60"
    assert ok("code", "--at", "59", stdin=uri) == pyotp.TOTP(SECRET, digits=8, interval=60).at(59) + "\n"
    assert ok("code", "--at", "59", "--digits", "7", "--period", "30", stdin=uri) == "4287082\n"
    assert "--counter is for HOTP" in error("code", "--counter", "1", stdin=uri)
    assert "--interval is for TOTP" in error("code", "--counter", "1", "--interval", "60", stdin=SECRET)


def test_steams_codes():
    theirs = pyotp.contrib.Steam(SECRET)
    assert ok("code", "--steam", "--at", "59", stdin=SECRET) == theirs.at(59) + "\n"
    assert ok("code", "--at", "59", stdin=f"otpauth://totp/a?secret={SECRET}&encoder=steam") == theirs.at(59) + "\n"
    assert run("verify", "--steam", "--at", "59", "--code", theirs.at(59).lower(), stdin=SECRET).returncode == 0
    assert "Steam's codes are of one sort" in error("code", "--steam", "--digits", "6", stdin=SECRET)


def test_code_tells_programs_how_long_it_is_valid():
    assert as_json("code", "--at", "1970-01-01T00:00:59.500Z", stdin=SECRET) == {
        "code": "287082",
        "step": 1,
        "valid_from": 30,
        "valid_until": 60,
        "seconds_left": 0.5,
    }


@pytest.mark.parametrize("at", ["-1", "nan", "inf", "1e300", "soon", "2026-11-24T08:30:00", "0000-00-00T00:00Z"])
def test_a_time_that_is_none_is_refused(at):
    assert "--at" in error("code", f"--at={at}", stdin=SECRET)


def test_watch_in_a_pipe_writes_a_line_a_step():
    process = subprocess.Popen(
        [FERROTP, "code", "--watch", "--json", "--interval", "1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdin and process.stdout and process.stderr
    process.stdin.write(f"{SECRET}\n".encode())
    process.stdin.flush()
    lines = [json.loads(process.stdout.readline()) for _ in range(3)]
    process.stdout.close()  # as `| head -3` does
    assert process.wait(timeout=20) not in (0, 1, 2)
    assert process.stderr.read() == b""
    process.stderr.close()
    process.stdin.close()
    steps = [line["step"] for line in lines]
    assert steps == sorted(set(steps))
    assert [line["code"] for line in lines] == [pyotp.TOTP(SECRET, interval=1).at(step) for step in steps]


# --- verify -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["287082", "287 082", " 287082 "])
def test_a_right_code_is_exit_code_0(typed):
    done = run("verify", "--at", "59", stdin=f"{SECRET}\n{typed}\n")
    assert (done.returncode, done.stdout) == (0, "yes: the code of now\n")
    assert run("verify", "--at", "59", "--code", typed, stdin=SECRET).returncode == 0


def test_a_wrong_code_is_exit_code_1():
    done = run("verify", "--at", "59", stdin=f"{SECRET}\n287083\n")
    assert (done.returncode, done.stdout) == (1, "no\n")
    done = run("verify", "--at", "59", stdin=f"{SECRET}\n28708\n")
    assert (done.returncode, done.stdout) == (1, "no: it has 5 characters, and 6 are right\n")
    answer = as_json("verify", "--at", "59", stdin=f"{SECRET}\n287083\n", code=1)
    assert answer == {"valid": False, "offset": None, "step": None}


def test_no_code_is_no_refusal():
    assert error("verify", "--at", "59", stdin=f"{SECRET}\n") == "no code was given"
    assert error("verify", "--at", "59", "--code", "", stdin=SECRET) == "no code was given"


@pytest.mark.parametrize(
    ("at", "window", "offset"),
    [(59, None, 0), (89, None, -1), (29, None, 1), (119, 2, -2), (119, None, None), (89, 0, None)],
)
def test_a_window_tells_which_step_it_was(at, window, offset):
    options = [] if window is None else ["--window", str(window)]
    answer = as_json("verify", "--at", str(at), *options, stdin=f"{SECRET}\n287082\n", code=int(offset is None))
    assert answer == {"valid": offset is not None, "offset": offset, "step": None if offset is None else 1}


def test_hotp_looks_ahead_as_far_as_it_is_told():
    assert as_json("verify", "--counter", "1", stdin=f"{SECRET}\n287082\n") == {
        "valid": True,
        "offset": 0,
        "counter": 1,
    }
    assert run("verify", "--counter", "0", stdin=f"{SECRET}\n287082\n").returncode == 1
    done = run("verify", "--counter", "0", "--window", "3", stdin=f"{SECRET}\n287082\n")
    assert (done.returncode, done.stdout) == (0, "yes: the code of counter 1. The next is 2\n")


def test_the_ends_of_time_and_of_counters_are_reached():
    last = (1 << 64) - 1
    code = ok("code", "--counter", str(last), stdin=SECRET).strip()
    assert code == pyotp.HOTP(SECRET).at(last)
    assert run("verify", "--counter", str(last), "--window", "2", "--code", code, stdin=SECRET).returncode == 0
    for at in (0, 253402214399):
        for legacy in ([], ["--legacy"]):
            code = ok("code", "--at", str(at), *legacy, stdin=SECRET).strip()
            assert code == pyotp.TOTP(SECRET).at(at)
            wrong = ["--code", "x" * 6, "--window", "3"]
            assert run("verify", "--at", str(at), *legacy, *wrong, stdin=SECRET).returncode == 1
            assert run("verify", "--at", str(at), *legacy, "--code", code, stdin=SECRET).returncode == 0


# --- new and qr -------------------------------------------------------------------------------------------------------


def test_a_new_secret_is_what_pyotp_reads():
    answer = as_json("new", "alice@example.com", "--issuer", "ACME")
    theirs = pyotp.parse_uri(answer["uri"])
    assert (theirs.secret, theirs.name, theirs.issuer) == (answer["secret"], "alice@example.com", "ACME")
    assert len(base64.b32decode(answer["secret"])) == 20
    assert set(answer) == ACCOUNT | {"secret", "uri", "qr_file"}
    assert answer["secret"] != as_json("new")["secret"]


@pytest.mark.parametrize(("algorithm", "size"), [("sha1", 20), ("sha256", 32), ("sha512", 64)])
def test_a_new_secret_is_as_long_as_its_hash(algorithm, size):
    answer = as_json("new", "--algorithm", algorithm, "--digits", "8", "--interval", "60")
    theirs = pyotp.parse_uri(answer["uri"])
    assert len(theirs.byte_secret()) == size
    assert (theirs.digest().name, theirs.digits, theirs.interval) == (algorithm, 8, 60)


def test_a_new_secret_keeps_todays_rules():
    assert "between 20 and 64" in error("new", "--bytes", "10")
    assert "interval" in error("new", "--interval", "121")
    assert "6, 7 or 8" in error("new", "--digits", "9")
    assert pyotp.parse_uri(as_json("new", "--counter", "7")["uri"]).initial_count == 7


def test_new_in_a_pipe_has_no_picture_unless_it_is_asked_for():
    text = ok("new", "alice")
    assert re.fullmatch(r"secret  ([A-Z2-7]{4} ){7}[A-Z2-7]{4}\nuri     otpauth://totp/alice\?secret=\S+\n", text)
    text = ok("new", "alice", "--qr")
    assert "▄" in text and "\x1b" not in text


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_a_qr_code_goes_into_a_file_of_its_owner(suffix, tmp_path):
    path = tmp_path / f"code.{suffix}"

    def scanned():
        data = path.read_bytes()
        return zxing(png(data).convert("RGB") if suffix == "png" else rasterised(data.decode()))

    old = os.umask(0)
    try:
        answer = as_json("new", "alice", "--qr-file", str(path))
    finally:
        os.umask(old)
    assert scanned() == [answer["uri"]] and answer["qr_file"] == str(path)
    assert "is there already: --force replaces it" in error("qr", "--qr-file", str(path), stdin=URI)
    assert scanned() == [answer["uri"]]
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o644)
    assert ok("qr", "--qr-file", str(path), "--force", stdin=URI) == f"QR code in {path}\n"
    assert scanned() == [URI]
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_no_secret_leaves_nothing_on_the_screen(tmp_path):
    path = tmp_path / "code.svg"
    assert ok("new", "alice", "--no-secret", "--qr-file", str(path)) == f"QR code in {path}\n"
    answer = as_json("new", "alice", "--no-secret", "--qr-file", str(path), "--force")
    assert "secret" not in answer and "uri" not in answer and answer["secret_bits"] == 160
    assert "needs --qr-file" in error("new", "--no-secret")


def test_qr_draws_a_uri_as_it_is_unless_an_option_changes_it():
    odd = f"otpauth://totp/a?secret={SECRET}&image=https://example.com/x.png"
    answer = as_json("qr", stdin=odd)
    assert set(answer) == {"qr_file", "version", "modules", "error_correction", "svg"}
    assert zxing(rasterised(answer["svg"])) == [odd]
    [changed] = zxing(rasterised(as_json("qr", "--issuer", "ACME", "--error-correction", "h", stdin=odd)["svg"]))
    assert pyotp.parse_uri(changed).issuer == "ACME"
    [bare] = zxing(rasterised(as_json("qr", "--name", "bob", "--digits", "8", stdin=SHORT)["svg"]))
    assert bare == f"otpauth://totp/bob?secret={SHORT}&digits=8"


def test_what_cannot_be_drawn_is_said(tmp_path):
    assert "must end in .svg or .png" in error("qr", "--qr-file", "code.gif", stdin=URI)
    assert "No such file" in error("qr", "--qr-file", str(tmp_path / "none" / "code.svg"), stdin=URI)
    assert "not an otpauth URI" in error("qr", stdin="https://example.com")
    assert "too long" in error("qr", "--name", "x" * 3000, stdin=URI)
    done = run("qr", stdin=URI, env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 2 and "encoding cannot show" in done.stderr


# --- uri --------------------------------------------------------------------------------------------------------------


def kinds(uri: str) -> list[str]:
    return [warning["kind"] for warning in as_json("uri", stdin=uri)["warnings"]]


def test_a_good_uri_has_no_warnings():
    assert kinds(URI) == []
    assert "warning" not in ok("uri", stdin=URI)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (f"secret={SHORT}", ["short-secret"]),
        (f"secret={SECRET[:24]}", ["short-secret"]),
        (f"secret={SECRET}&algorithm=SHA256", ["algorithm"]),
        (f"secret={SECRET}&digits=8", ["digits"]),
        (f"secret={SECRET}&period=60", ["period"]),
        (f"secret={SECRET}&period=300", ["long-period", "period"]),
        (f"secret={SHORT}%3D%3D", ["short-secret", "padding"]),
        (f"secret={SECRET}&colour=red", ["unknown-parameter"]),
        (f"secret={SECRET}&encoder=steam", ["steam"]),
    ],
)
def test_each_warning_of_a_uri(change, expected):
    assert kinds(f"otpauth://totp/ACME:alice?{change}&issuer=ACME") == expected


def test_warnings_of_names_and_counters():
    assert kinds(f"otpauth://totp/alice?secret={SECRET}") == ["no-issuer"]
    assert kinds(f"otpauth://totp/?secret={SECRET}&issuer=ACME") == ["no-name"]
    assert kinds(f"otpauth://hotp/a?secret={SECRET}&issuer=ACME") == ["no-counter"]


def test_every_field_of_a_uri_is_explained_and_the_secret_is_not_shown():
    uri = f"otpauth://totp/ACME%20Co:alice%40example.com?secret={SECRET}&issuer=ACME%20Co&algorithm=SHA512&image=https://x.example/a.png"
    text = ok("uri", stdin=uri)
    rows = dict(line.split(maxsplit=1) for line in text.split("\n\n")[0].splitlines())
    assert rows == {
        "kind": "TOTP: the clock is the counter",
        "issuer": "ACME Co",
        "name": "alice@example.com",
        "secret": "160 bits, not shown",
        "algorithm": "SHA512",
        "digits": "6 (not said: the default)",
        "period": "30 s (not said: the default)",
        "image": "https://x.example/a.png",
    }
    assert SECRET[:8] not in text
    assert "GEZD GNBV" in ok("uri", "--show-secret", stdin=uri)
    answer = as_json("uri", stdin=uri)
    assert set(answer) == ACCOUNT | {"said", "image", "warnings"}
    assert answer["said"] == ["algorithm", "image", "issuer", "secret"] and "secret" not in answer
    assert as_json("uri", "--show-secret", stdin=uri)["secret"] == SECRET


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("otpauth://totp/a", "no secret found in URI"),
        (f"otpauth://totp/a?secret={SECRET}&secret=MZXW6YTBOI", "duplicate secret parameter"),
        (f"otpauth://totp/a?secret={SECRET}&digits=11", "digits must be between 1 and 10"),
        (f"otpauth://totp/a?secret={SECRET}&digits=six", "the digits is not a number"),
        (f"otpauth://totp/a?secret={SECRET}&algorithm=SHA3", "the algorithm is not SHA1"),
        (f"otpauth://motp/a?secret={SECRET}", "mOTP is another kind of code"),
        (f"otpauth://x/a?secret={SECRET}", "not a supported OTP type"),
        ("otpauth://totp/a?secret=1890", "not base32"),
    ],
)
def test_a_uri_that_cannot_be_read_says_why(uri, reason):
    assert reason in error("uri", stdin=uri)


# --- doctor -----------------------------------------------------------------------------------------------------------


def test_doctor_shows_versions_and_kernels():
    answer = as_json("doctor")
    assert set(answer) == {
        "ferrotp",
        "python",
        "platform",
        "kernels",
        "extras",
        "pyotp_alias",
        "keys",
        "store",
        "time",
        "clock_problem",
        "comparison",
    }
    assert answer["kernels"] and {*answer["kernels"]} <= {"avx512", "avx2", "sha-ni", "portable"}
    assert answer["clock_problem"] is None and answer["comparison"] is None
    text = ok("doctor")
    assert answer["python"] in text and "--clock" in text


def test_doctor_lists_every_extra_the_keys_and_the_store():
    table = (
        (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("optional-dependencies]")[2].partition("\n[")[0]
    )
    declared = set(re.findall(r"^([a-z-]+) = \[", table, re.M))
    key = new_key()
    variables = {"FERROTP_KEYS": key, "FERROTP_STORE": "postgresql+psycopg://me:hunter2@host/db"}
    answer = as_json("doctor", env=variables)
    assert set(answer["extras"]) == declared >= {"cli", "redis", "flask"}
    assert answer["extras"]["cli"]["click"] is not None
    assert answer["keys"] == {"key_ids": list(Keyring([key]).key_ids), "problem": None}
    text = ok("doctor", env=variables)
    for name in answer["extras"]:
        assert f"\n[{name}] " in text
    assert answer["keys"]["key_ids"][0] in text and "postgresql+psycopg" in text
    assert key not in text and "hunter2" not in text and "hunter2" not in str(answer)


def test_doctor_says_that_keys_are_unusable():
    done = run("doctor", env={"FERROTP_KEYS": "not a key"})
    assert done.returncode == 0 and "FERROTP_KEYS: " in done.stderr


def test_an_extra_that_is_too_old_is_not_there():
    assert is_there({"click": "8.1"}) and not is_there({"click": "8.1", "redis": None})
    assert _version("click", ">=8.1") and _version("click", ">=99") is None and _version("no-such-package", "") is None


@pytest.mark.parametrize("apart", [0, 150, -150, 3600, -80_000])
def test_doctor_tells_how_far_a_phones_clock_is_apart(apart):
    # The phone: pyotp, with its clock put off.
    code = pyotp.TOTP(SECRET, digits=8).at(int(time.time()) + apart)
    answer = as_json("doctor", "--clock", "--digits", "8", stdin=f"{SECRET}\n{code}\n")["comparison"]
    assert answer["found"]
    # The test itself takes its time.
    assert answer["ahead_at_least"] - 1 <= apart <= answer["ahead_at_most"] + 40
    assert answer["ahead_at_most"] - answer["ahead_at_least"] == pytest.approx(30, abs=0.2)
    text = ok("doctor", "--digits", "8", "--code", code, "-", stdin=SECRET)
    if apart:
        assert ("ahead of" if apart > 0 else "behind") in text and "apart:" in text
    else:
        assert "agree" in text or "fair" in text


def test_doctor_with_a_code_of_no_time_near_is_exit_code_1():
    code = pyotp.TOTP(SECRET, digits=10).at(1)
    done = run("doctor", "--clock", "--digits", "10", stdin=f"{SECRET}\n{code}\n")
    assert done.returncode == 1 and "no match" in done.stdout
    answer = as_json("doctor", "--clock", "--digits", "10", stdin=f"{SECRET}\n{code}\n", code=1)
    assert answer["comparison"]["found"] is False


def test_doctor_never_waits_for_what_was_not_asked_for():
    process = subprocess.Popen([FERROTP, "doctor"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment())
    try:
        assert process.wait(timeout=20) == 0
    finally:
        process.communicate()


# --- import, export, scan ---------------------------------------------------------------------------------------------


@POSIX
def test_a_dash_is_standard_input_for_files_and_pictures(tmp_path):
    path = tmp_path / "code.png"
    ok("qr", "--qr-file", str(path), stdin=URI)
    assert "alice" in ok("import", "-", stdin=URI)
    assert "alice" in ok("scan", "-", stdin=path.read_bytes())
    assert ok("export", stdin=path.read_bytes()) == f"{URI}\n"
