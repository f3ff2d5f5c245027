"""A search for secrets in all that is said about files: every format, each hostile variant of it, and each verb.

A secret and a password that stand nowhere else are put into every field in turn; the files are cut off, and broken.
What comes back as an error, a note or a line beside the output must hold neither.
"""

import base64
import contextlib
import io
import json
import re
import sys
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import writers
from writers import ACCOUNTS, PASSWORD, WRITERS, Writer

import ferrotp
from ferrotp import transfer
from ferrotp.cli import app

SECRET = b"canary-canary-canary"
BASE32, HEX = base64.b32encode(SECRET).decode(), SECRET.hex()
WORD = "hunter2-hunter2"  # the password in the password managers' files
NEEDLES = (BASE32, BASE32.lower(), HEX, HEX.upper(), WORD, PASSWORD, "canary-canary", BASE32[:12], HEX[:16])
PACKAGE = str(Path(ferrotp.__file__).parent)


def leaks(text: str) -> bool:
    plain = re.sub(r"[ :-]", "", text)
    return any(needle in text or needle in plain for needle in NEEDLES)


def holding(writer: Writer) -> bytes:
    """A file with the canary in it, for an account that the format can hold."""
    from dataclasses import replace

    account = next(account for account in ACCOUNTS if writer.holds(account))
    return writer.write([replace(account, secret=SECRET), replace(account, secret=SECRET)])


def json_variants(value: Any, put: str) -> Iterator[Any]:
    """The value with one of its leaves replaced: by the canary, and by things of other kinds."""
    if isinstance(value, dict):
        for key in value:
            for changed in json_variants(value[key], put):
                yield {**value, key: changed}
            yield {name: inner for name, inner in value.items() if name != key}
            yield {**{name: inner for name, inner in value.items() if name != key}, put: value[key]}
    elif isinstance(value, list):
        if value and all(isinstance(item, int) for item in value):
            yield [*value, 999]
            yield put
            return
        for at, item in enumerate(value[:2]):
            for changed in json_variants(item, put):
                yield [*value[:at], changed, *value[at + 1 :]]
    yield put
    yield {put: put}
    yield [put]
    yield -1


def variants(data: bytes) -> Iterator[bytes]:
    """Hostile and spoilt files that hold the canary. (A password that is itself written into a field for a label is a
    label: nothing can tell it from one.)
    """
    for at in range(1, len(data), max(1, len(data) // 12)):
        yield data[:at]
    if data.startswith(b"PK") or b"\0" in data:
        return
    text = data.decode()
    yield (text + text).encode()
    yield text.replace(BASE32, BASE32[:-1] + "!").encode()
    yield text.replace(BASE32, f"{BASE32[:-1]}1").encode()
    yield text.replace(HEX, HEX[:-1]).encode()
    yield text.replace("\n", f"\n{BASE32},", 3).encode()
    yield text.encode("utf-16")
    yield text.encode() + b"\xff"
    for put in (BASE32, HEX):
        if text[:1] in "{[":
            for value in json_variants(json.loads(text), put):
                yield json.dumps(value).encode()
        elif text.startswith("<"):
            for found in list(re.finditer(r">[^<>\n]+<", text))[:60]:
                yield f"{text[: found.start()]}>{put}<{text[found.end() :]}".encode()
            for found in list(re.finditer(r"</?[A-Za-z]+", text))[:60]:
                yield f"{text[: found.start()]}<{put}{text[found.end() :]}".encode()
            for found in list(re.finditer(r'="[^"]*"', text))[:20]:
                yield f'{text[: found.start()]}="{put}"{text[found.end() :]}'.encode()
        else:
            for separator in (",", "&", "=", ":", "/", "?"):
                parts = text.split(separator)
                for at in range(min(len(parts), 25)):
                    yield separator.join([*parts[:at], put, *parts[at + 1 :]]).encode()
                    yield separator.join([*parts[:at], put, *parts[at:]]).encode()


def said_of(data: bytes, password: str | None) -> list[str]:
    """All that the library says of a file: errors, what is left out, notes."""
    said: list[str] = []
    notes: list[transfer.Note] = []
    errors: list[transfer.TransferError] = []
    for on_error in (None, errors.append):
        try:
            transfer.load(data, password=password, on_error=on_error, on_note=notes.append)
        except transfer.TransferError as error:
            said.append(repr(error) + str(vars(error)) + str(error) + repr(error.__context__) + repr(error.__cause__))
            for frame, _ in traceback.walk_tb(error.__traceback__):
                if frame.f_code.co_filename.startswith(PACKAGE):
                    said += [repr(value) for value in frame.f_locals.values()]
    return said + [repr(error) + str(vars(error)) for error in errors] + [*map(repr, notes)]


@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.name)
def test_the_library_says_no_secret(writer: Writer) -> None:
    count = 0
    password = PASSWORD if writer.password else None
    data = holding(writer)
    for variant in [data] if writer.password else [data, *variants(data)]:
        count += 1
        for text in said_of(variant, password):
            assert not leaks(text), (variant[:2000], text)
    if writer.password:  # each costs a key: fewer, and a wrong password, which is a secret too
        for variant in (data[:-1], data[: len(data) // 2], data + b"x"):
            assert not any(map(leaks, said_of(variant, password)))
        assert not any(map(leaks, said_of(data, None)))
        assert not any(map(leaks, said_of(data, BASE32)))
    assert count > (0 if writer.password or data.startswith(b"PK") else 20)


def run(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[int, str, str]:
    """The program, in this process: thousands of files are looked at."""
    monkeypatch.setattr(sys, "argv", ["ferrotp", *arguments])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    code = app.run(arguments)
    done = capsys.readouterr()
    return code, done.out, done.err


VERBS = (
    ["import"],
    ["import", "--keep-going"],
    ["import", "--json"],
    ["import", "--keep-going", "--json"],
    ["export", "--json", "-o", "OUT", "--force"],
    ["export", "--for", "google", "-o", "OUT", "--force"],
    ["export", "--to", "google", "-o", "OUT", "--force"],
    ["scan"],
)
LABELS = ("name", "issuer", "serial", "account")


def errors_of(out: str) -> str:
    """What a JSON answer says beside the accounts: a label that is a secret is an account's own."""
    with contextlib.suppress(json.JSONDecodeError):
        answer = json.loads(out)
        return json.dumps({name: value for name, value in answer.items() if name not in ("accounts", "duplicates")})
    return ""


@pytest.mark.parametrize(
    "writer", [writer for writer in WRITERS if not writer.password], ids=lambda writer: writer.name
)
def test_no_verb_says_a_secret(
    writer: Writer, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, out = tmp_path / "file", str(tmp_path / "out")
    few = [data for number, data in enumerate(variants(holding(writer))) if number % 17 == 0][:25]
    for number, data in enumerate([holding(writer), *few]):
        path.write_bytes(data)
        for verb in VERBS if number < 6 else VERBS[number % 2 :: 3]:
            arguments = [out if word == "OUT" else word for word in verb]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                code, stdout, stderr = run([*arguments, str(path)], capsys, monkeypatch)
            assert code in (0, 2) and "Traceback" not in stderr, (code, stderr)
            assert not leaks(stderr), (verb, data[:1000], stderr)
            assert not leaks(errors_of(stdout)), (verb, data[:1000], stdout)


@pytest.mark.parametrize(
    "text",
    [
        f"{BASE32},alice\n",
        f"{BASE32},{HEX}x,totp\n",
        f"alice,{BASE32}\n",
        f"{HEX},{HEX},wotp\n",
        f"serial,secret,type\n{BASE32},{BASE32}!,totp\n",
        f"name,username,password,totp\nACME,alice,{WORD},{WORD}\n",
        f"otpauth://totp/{BASE32}:x?secret={BASE32}!\n",
        f"otpauth://totp/a?secret={BASE32}&{BASE32}=1&digits=x\n",
        f"otpauth://totp/a?secret={BASE32}&issuer={BASE32}&algorithm=x\n",
        f"otpauth://{BASE32}/a?secret={BASE32}\n",
        f"<{BASE32}/>",
        f"<KeyContainer Version='{BASE32}'/>",
        f'{{"{BASE32}": 1}}',
        f'{{"entries": "{BASE32}", "version": "{BASE32}"}}',
    ],
)
def test_a_secret_in_the_place_of_a_label_is_not_shown(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not any(map(leaks, said_of(text.encode(), None)))
    path = tmp_path / "file"
    path.write_text(text)
    for verb in VERBS[:4]:
        code, out, err = run([*verb, str(path)], capsys, monkeypatch)
        assert code == 2 and not leaks(err) and not leaks(errors_of(out)), (out, err)
    if text.startswith("otpauth"):
        for more in ([], ["--json"]):
            monkeypatch.setenv("CANARY", text)
            code, out, err = run(["uri", "--secret-env", "CANARY", *more], capsys, monkeypatch)
            assert code == 2 and not leaks(out + err), (out, err)


def test_the_writers_put_the_password_into_the_files() -> None:
    """Or the search would find nothing where there is nothing."""
    for write in (writers.bitwarden, writers.bitwarden_csv, writers.onepassword_csv, writers.keepassxc):
        assert WORD.encode() in write(ACCOUNTS[:1])
    assert leaks(BASE32) and leaks(f"x{HEX}") and leaks(" ".join(re.findall("....", BASE32))) and not leaks("alice")


def test_an_entry_that_is_called_by_its_password_or_secret_is_called_nothing() -> None:
    heading = "Title,Url,Username,Password,OTPAuth,Favorite,Archived,Tags,Notes\n"
    for title, totp in ((WORD, "otpauth://totp/?secret=1"), (WORD, "x"), (BASE32[:8], BASE32[:8] + "1")):
        text = f"{heading}{title},,alice,{WORD},{totp},,,,\n"
        with pytest.raises(transfer.MalformedError) as caught:
            transfer.load(text)
        assert caught.value.account is None and caught.value.place == "line 2, column 5"
    # A row that is longer than its heading has all in other places.
    with pytest.raises(transfer.MalformedError) as caught:
        transfer.load(f"{heading}ACME,more,,alice,x,{WORD},,,,\n".replace("alice", WORD))
    assert caught.value.account is None
