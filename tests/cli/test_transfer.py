"""Accounts in and out by the command line: what `ferrotp.transfer` reads, over files, pipes and pictures."""

import json
import os
import pathlib
import re
import stat

import pyotp
import pytest
from qr.readers import png, zxing

from .program import SECRET, URI, as_json, error, ok, run

CORPUS = pathlib.Path(__file__).parents[1] / "transfer" / "corpus"
GOOD = sorted(path for path in CORPUS.glob("*/good/*") if path.name != "expected.json")
PLAIN = [
    path
    for path in GOOD
    if path.name not in ("rfc6030_figure6.xml", "rfc6030_figure7.xml") and "sealed" not in path.name
]
AEGIS = str(CORPUS / "aegis" / "good" / "kinds.json")
FIELDS = {"name", "issuer", "kind", "algorithm", "digits", "period", "counter", "serial", "secret_bits"}
NAMES = [f"user{number}" for number in range(1, 24)]
MANY = "".join(f"otpauth://totp/ACME:{name}?secret={SECRET}&issuer=ACME\n" for name in NAMES)


@pytest.mark.parametrize("path", PLAIN, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_import_reads_every_format_and_shows_no_secret(path):
    expected = json.loads(path.with_name("expected.json").read_text())[path.name]
    answer = as_json("import", str(path))
    assert set(answer) == {"accounts", "duplicates", "errors", "files", "notes"} and answer["errors"] == []
    assert all(set(account) == FIELDS for account in answer["accounts"])
    table = ok("import", str(path)).splitlines()
    assert len(table) == (1 + len(expected) if expected else 1)
    assert not any("GEZDGNBV" in line for line in table)


@pytest.mark.parametrize("path", PLAIN, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_import_reads_what_the_corpus_says(path):
    expected = json.loads(path.with_name("expected.json").read_text())[path.name]
    answer = as_json("import", str(path), "--show-secrets")
    assert [[account["uri"], account["serial"]] for account in answer["accounts"]] == expected


def test_secrets_are_shown_when_they_are_asked_for():
    answer = as_json("import", AEGIS, "--show-secrets")
    assert all(set(account) == FIELDS | {"secret", "uri"} for account in answer["accounts"])
    assert "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" in ok("import", AEGIS, "--show-secrets")


def test_the_table_is_for_people():
    assert ok("import", AEGIS).splitlines() == [
        "   ISSUER  NAME   CODES                         SECRET",
        "1  ACME    alice  TOTP, 6 digits, 30 s          160 bits",
        "2          bob    HOTP, 8 digits, counter 3     160 bits, as in 1",
        "3  Steam   gaben  Steam                         160 bits, as in 1",
        "4  ACME    zoë    TOTP, 6 digits, 60 s, SHA512  160 bits, as in 1",
    ]


def test_the_parts_of_an_export_come_in_several_files(tmp_path):
    parts = ok("export", "--to", "google", stdin=MANY).splitlines()
    assert len(parts) == 3
    paths = []
    for number, part in enumerate(reversed(parts)):
        paths.append(str(tmp_path / f"{number}.txt"))
        pathlib.Path(paths[-1]).write_text(f"{part}\n")
    assert [account["name"] for account in as_json("import", *paths)["accounts"]] == NAMES
    assert "part 1 of 3 missing" in error("import", *paths[:2])
    pathlib.Path(paths[0]).write_text("\n\notpauth-migration://offline?data=!\n")
    assert f"{paths[0]}, line 3" in error("import", paths[1], paths[0])


def test_pictures_of_an_export_are_drawn_and_read(tmp_path):
    path = tmp_path / "export.png"
    files = as_json("export", "--to", "google", "--qr-file", str(path), stdin=MANY)["files"]
    assert [pathlib.Path(file).name for file in files] == ["export-1.png", "export-2.png", "export-3.png"]
    for file in files:
        [text] = zxing(png(pathlib.Path(file).read_bytes()).convert("RGB"))
        assert text.startswith("otpauth-migration://")
        if os.name == "posix":
            assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    for verb in ("import", "scan"):
        assert [account["name"] for account in as_json(verb, *files)["accounts"]] == NAMES
    assert "missing" in error("scan", files[0])
    assert "is there already" in error("export", "--to", "google", "--qr-file", str(path), stdin=MANY)


def test_what_is_exported_is_what_pyotp_reads(tmp_path):
    [line] = ok("export", stdin=URI).splitlines()
    assert pyotp.parse_uri(line).secret == SECRET
    path = tmp_path / "uris.txt"
    assert ok("export", AEGIS, "-o", str(path)) == f"{path}\n"
    theirs = [pyotp.parse_uri(line) for line in path.read_text().splitlines()]
    assert [type(otp).__name__ for otp in theirs] == ["TOTP", "HOTP", "Steam", "TOTP"]
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "--force" in error("export", AEGIS, "-o", str(path))
    ok("export", AEGIS, "-o", str(path), "--force")


def test_export_draws_here_one_after_the_other():
    text = ok("export", "--to", "google", "--qr", stdin=MANY)
    assert re.findall(r"^\d of \d$", text, re.M) == ["1 of 3", "2 of 3", "3 of 3"]
    assert "one of --output, --qr and --qr-file" in error("export", "--qr", "-o", "x", stdin=MANY)


def test_what_google_cannot_say_names_the_account():
    message = error("export", "--to", "google", AEGIS)
    assert "no Steam codes" in message and "gaben" in message


def test_nothing_is_left_out_in_silence(tmp_path):
    path = tmp_path / "uris.txt"
    path.write_text(f"{URI}\nnonsense\n")
    message = error("import", str(path))
    assert "line 2" in message
    done = run("import", "--keep-going", str(path))
    assert done.returncode == 2 and "alice" in done.stdout and done.stderr.startswith("left out: ")
    answer = as_json("import", "--keep-going", str(path), code=2)
    assert [account["name"] for account in answer["accounts"]] == ["alice"]
    assert [(error["kind"], error["format"], error["place"]) for error in answer["errors"]] == [
        ("malformed", "uris", "line 2")
    ]
    # With several files the place says which.
    answer = as_json("import", "--keep-going", AEGIS, str(path), code=2)
    assert answer["errors"][0]["place"] == f"{path}, line 2"


@pytest.mark.parametrize("way", ["file", "env"])
def test_encrypted_files_are_opened_with_what_no_argument_shows(way, tmp_path):
    for name, kind, value in [
        ("rfc6030_figure6.xml", "key", "12345678901234567890123456789012"),
        ("rfc6030_figure7.xml", "password", "qwerty"),
    ]:
        encrypted = str(CORPUS / "pskc" / "good" / name)
        secret = tmp_path / kind
        secret.write_text(f"{value}\n")
        secret.chmod(0o600)
        options = [f"--{kind}-{way}", str(secret) if way == "file" else "NAME"]
        assert len(as_json("import", encrypted, *options, env={"NAME": value})["accounts"]) == 1
        assert f"use --{kind}-file" in error("import", encrypted)
        wrong = as_json("import", encrypted, f"--{kind}-env", "NAME", env={"NAME": value[::-1]}, code=2)
        assert wrong["error"]["kind"] == "wrong-key"
    assert "not hexadecimal" in error("import", encrypted, "--key-env", "NAME", env={"NAME": "xyz"})


def test_what_is_no_export_is_said(tmp_path):
    picture = tmp_path / "empty.png"
    from PIL import Image

    Image.new("L", (50, 50), 255).save(picture)
    assert "no QR code was found" in error("scan", str(picture))
    assert "no QR code" in error("import", str(picture))
    assert "not a PNG" in error("scan", AEGIS)
    assert "none of" in error("import", stdin="hello")
    assert "No such file" in error("import", str(tmp_path / "none"))
    assert "no account" in error("export", str(CORPUS / "aegis" / "good" / "empty.json"))
    assert ok("import", str(CORPUS / "aegis" / "good" / "empty.json")) == "no accounts\n"


def test_a_uri_as_an_argument_is_imported_with_the_warning():
    done = run("import", URI)
    assert done.returncode == 0 and "alice" in done.stdout and "shell's history" in done.stderr


def test_import_and_export_make_a_pipe():
    assert ok("code", "--at", "59", stdin=ok("export", stdin=URI)) == "287082\n"
