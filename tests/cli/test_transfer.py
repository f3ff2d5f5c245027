"""Accounts in and out by the command line: what `ferrotp.transfer` reads, over files, pipes and pictures."""

import json
import os
import pathlib
import re
import stat

import pyotp
import pytest
from qr.readers import png, zxing

from .program import POSIX, SECRET, URI, as_json, error, ok, run

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


SEALED = [path for path in GOOD if "sealed" in path.name]
PASSWORD = "correct horse battery staple"


@pytest.mark.parametrize("path", SEALED, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_a_password_comes_from_a_file_or_the_environment_and_never_from_an_argument(path, tmp_path):
    expected = json.loads(path.with_name("expected.json").read_text())[path.name]
    answer = as_json("import", str(path), "--password-env", "NAME", "--show-secrets", env={"NAME": PASSWORD})
    assert [[account["uri"], account["serial"]] for account in answer["accounts"]] == expected
    assert "No such option" in error("import", str(path), "--password", PASSWORD)
    if path.name != "andotp_sealed_old.bin":  # nothing in it says what it is
        assert "use --password-file" in error("import", str(path))
    wrong = as_json("import", str(path), "--password-env", "NAME", env={"NAME": "wrong"}, code=2)["error"]
    assert wrong["kind"] in ("wrong-key", "unknown-format") and wrong["next"]


def test_a_password_is_asked_for_at_a_terminal(terminal):
    path = CORPUS / "aegis" / "good" / "aegis_sealed.json"
    pane = terminal()
    pane.type(f"clear; ferrotp import {path}")
    pane.wait(lambda screen: "Password of the file (not shown):" in screen)
    pane.type(PASSWORD)
    pane.wait(lambda screen: "gaben" in screen)
    assert PASSWORD not in pane.history()


def test_a_folder_of_twenty_mixed_files_is_one_report(tmp_path):
    folder = tmp_path / "mixed"
    (folder / "inside").mkdir(parents=True)
    good = [
        path
        for path in PLAIN
        if path.parts[-3] in ("aegis", "2fas", "bitwarden", "stratum", "keepass", "raivo", "safenet")
    ]
    count = 0
    for number, path in enumerate(good):
        (folder / f"{number:02}-{path.name}").write_bytes(path.read_bytes())
        count += len(json.loads(path.with_name("expected.json").read_text())[path.name])
    (folder / "inside" / "uris.txt").write_text(f"# mine\n{URI}\notpauth://totp/a?secret=1\n")
    sealed = CORPUS / "aegis" / "good" / "aegis_sealed.json"
    (folder / "sealed.json").write_bytes(sealed.read_bytes())
    (folder / "mail.eml").write_text("From: alice\n\nhello\n")
    (folder / "empty").write_bytes(b"")
    (folder / "vault.kdbx").write_bytes(b"\x03\xd9\xa2\x9a\x67\xfb\x4b\xb5" + bytes(100))
    (folder / "chrome.csv").write_text("name,url,username,password,note\nACME,https://a,alice,hunter2-hunter2,\n")
    (folder / "cut.json").write_bytes((CORPUS / "2fas" / "good" / "kinds.json").read_bytes()[:-40])
    parts = ok("export", "--to", "google", stdin=MANY).splitlines()
    (folder / "google-1.txt").write_text(parts[0])
    (folder / "google-3.txt").write_text(parts[2])
    files = sorted(str(path) for path in folder.rglob("*") if path.is_file())
    assert len(files) >= 20
    answer = as_json("import", str(folder), "--show-secrets", code=2)
    assert sorted(report["file"] for report in answer["files"]) == files
    assert len(answer["accounts"]) == count + 1 + 13  # the URI, and two parts of three
    titles = {pathlib.Path(report["file"]).name: report["title"] for report in answer["files"]}
    counts = {pathlib.Path(report["file"]).name: report["accounts"] for report in answer["files"]}
    assert sum(counts.values()) == len(answer["accounts"]) and counts["google-3.txt"] == 3
    assert titles["sealed.json"] == "an Aegis export" and titles["google-1.txt"] == "Google Authenticator's export"
    refused = {pathlib.Path(part["place"].split(",")[0]).name: part for part in answer["errors"]}
    assert {"sealed.json", "mail.eml", "empty", "vault.kdbx", "chrome.csv", "cut.json", "uris.txt"} <= set(refused)
    assert "part 2 of 3 missing" in " ".join(part["message"] for part in answer["errors"])
    assert all(part["next"] for part in answer["errors"])
    assert not any("hunter2" in json.dumps(part) for part in answer["errors"])
    done = run("import", str(folder))
    assert done.returncode == 2
    assert "a KeePass XML export" in done.stdout and "a SafeNet token file" in done.stdout
    for line in filter(None, done.stderr.splitlines()):
        assert line.startswith(("left out: ", "note: ")), line
    for name in refused:
        assert name in done.stderr
    # With the password, the sealed one is read, too.
    answer = as_json("import", str(folder), "--password-env", "P", env={"P": PASSWORD}, code=2)
    assert not any("sealed.json" in (part["place"] or "") for part in answer["errors"])


@POSIX
def test_what_cannot_be_read_in_a_folder_is_named_and_does_not_hang(tmp_path):
    folder = tmp_path / "folder"
    (folder / "elsewhere").mkdir(parents=True)
    (folder / "uris.txt").write_text(f"{URI}\n")
    os.mkfifo(folder / "pipe")
    (folder / "broken").symlink_to(tmp_path / "nowhere")
    (folder / "circle").symlink_to(folder)
    (folder / "zero").symlink_to("/dev/zero")
    answer = as_json("import", str(folder), code=2)
    assert [account["name"] for account in answer["accounts"]] == ["alice"]
    refused = {pathlib.Path(part["place"]).name: part["message"] for part in answer["errors"]}
    assert set(refused) == {"pipe", "broken", "circle", "zero"}
    assert all("it is no file" in message for message in refused.values())


def test_nothing_of_a_file_counts_that_ends_in_the_middle_of_a_row(tmp_path):
    path = tmp_path / "tokens.csv"
    rows = [f"{number},3132333435363738393031323334353637383930,totp\n" for number in range(9_000)]
    path.write_text("".join(rows) + '"9000,31')
    done = run("import", str(path))
    assert done.returncode == 2 and done.stdout == "" and "line 9001" in done.stderr
    answer = as_json("import", str(tmp_path), code=2)
    assert answer["accounts"] == [] and len(answer["errors"]) == 1
    path.write_text("".join(rows) + "9000,xyz,totp\n")
    done = run("import", str(path))
    assert done.returncode == 2 and done.stdout == "" and "line 9001" in done.stderr
    assert len(as_json("import", "--keep-going", str(path), code=2)["accounts"]) == 9_000
    out = tmp_path / "out.txt"
    assert run("export", str(path), "-o", str(out)).returncode == 2 and not out.exists()
    assert run("export", "--keep-going", str(path), "-o", str(out)).returncode == 2
    assert out.read_text().count("otpauth://totp/") == 9_000


def test_what_is_there_of_a_batch_comes_with_keep_going(tmp_path):
    parts = ok("export", "--to", "google", stdin=MANY).splitlines()
    path = tmp_path / "two.txt"
    path.write_text("\n".join(parts[1:]))
    assert "part 1 of 3 missing" in error("import", str(path))
    answer = as_json("import", "--keep-going", str(path), code=2)
    assert [account["name"] for account in answer["accounts"]] == NAMES[10:]
    assert ["part 1 of 3 missing" in part["message"] for part in answer["errors"]] == [True]


def test_a_vendor_s_file_takes_what_it_does_not_say_from_options(tmp_path):
    path = tmp_path / "tokens.csv"
    path.write_text("2600123456789,3132333435363738393031323334353637383930\n")
    assert "--token-type" in error("import", str(path))
    [account] = as_json("import", str(path), "--token-type", "totp", "--token-period", "60")["accounts"]
    assert (account["kind"], account["period"], account["serial"]) == ("totp", 60, "2600123456789")
    path.write_text("serial,secret,type\n1,2345ABCD,totp\n")
    assert "--token-encoding" in error("import", str(path))
    [account] = as_json("import", str(path), "--token-encoding", "hex")["accounts"]
    assert account["secret_bits"] == 32


def test_oddities_are_said_where_a_code_or_a_name_depends_on_them():
    lines = f"otpauth://totp/ACME%3Aalice?secret={SECRET}\notpauth://totp/A%3Abob?secret={SECRET.lower()}\n"
    done = run("import", stdin=lines)
    assert done.returncode == 0 and "alice" in done.stdout
    assert done.stderr.splitlines() == [
        "note: the colon between issuer and name is written %3A: some apps read one name (line 1 and 1 more)"
    ]
    notes = as_json("import", stdin=lines)["notes"]
    assert [note["kind"] for note in notes] == ["encoded-colon", "encoded-colon", "secret-case"]
    steam = f"otpauth://totp/Steam:gaben?secret={SECRET}&digits=5"
    assert "five letters" in run("code", stdin=steam).stderr
    text = ok("uri", stdin=steam)
    assert "Steam Guard" in text and "five letters" in text
    done = run("uri", stdin=f"otpauth://totp/ACME%3Aalice?secret={SECRET}&algorithm=SHA3")
    assert done.returncode == 2 and "%3A" in done.stderr and "the algorithm is not" in done.stderr
    answer = as_json("uri", stdin=f"otpauth://totp/ACME%3Aalice?secret={SECRET}&algorithm=SHA3", code=2)
    assert [warning["kind"] for warning in answer["error"]["warnings"]] == ["encoded-colon"]


@pytest.mark.parametrize("target", ["aegis", "2fas", "ente"])
def test_what_is_exported_for_an_app_comes_back(target):
    uris = ok("export", "--for", target, AEGIS)
    theirs = [account["uri"] for account in as_json("import", "--show-secrets", stdin=uris)["accounts"]]
    assert theirs == [account["uri"] for account in as_json("import", "--show-secrets", AEGIS)["accounts"]]


def test_what_an_app_cannot_make_is_said():
    assert "no Steam codes" in error("export", "--for", "google", AEGIS)
    answer = as_json("export", "--for", "google", "--keep-going", AEGIS, code=2)
    assert len(answer["uris"]) == 3 and answer["for"] == "google"
    assert {note["kind"] for note in answer["notes"]} == {"lost-period", "lost-algorithm", "lost-digits"}
    done = run("export", "--for", "google", "--keep-going", AEGIS)
    assert "Google Authenticator ignores the period" in done.stderr
    assert ok("export", "--for", "steam", stdin=f"steam://{SECRET}") == f"steam://{SECRET}\n"
    assert "--to google has one form" in error("export", "--for", "ente", "--to", "google", AEGIS)
