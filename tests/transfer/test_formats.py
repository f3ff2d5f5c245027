"""Every format that apps and vendors write: the same accounts in, and the same codes out, judged by other programs."""

import base64
import hashlib
import io
import json
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyotp
import pytest
import writers
from writers import ACCOUNTS, KEY, PASSWORD, WRITERS, Writer

from ferrotp import transfer
from ferrotp.transfer import Account, _zip_aes, authy

EACH = pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.name)
SEALED = pytest.mark.parametrize(
    "writer", [writer for writer in WRITERS if writer.password], ids=lambda writer: writer.name
)


def held(writer: Writer) -> list[Account]:
    found = [account for account in ACCOUNTS if writer.holds(account)]
    assert found, "the sample has no account for this format"
    return found


def load(writer: Writer, data: bytes, **options: Any) -> list[Account]:
    return transfer.load(data, **{"password": PASSWORD if writer.password else None, **options})


def shape(account: Account) -> tuple[Any, ...]:
    """All that makes its codes."""
    period = account.period if account.kind != "hotp" else None
    return account.secret, account.kind, account.algorithm, account.digits, period, account.counter


@EACH
def test_the_same_accounts_come_out(writer: Writer) -> None:
    accounts = held(writer)
    read = load(writer, writer.write(accounts))
    assert list(map(shape, read)) == list(map(shape, accounts))
    assert [(account.issuer, account.name, account.serial) for account in read] == [*map(writer.label, accounts)]


def their_codes(account: Account, moments: Iterable[int]) -> list[str]:
    """Another program's codes of an account as it was before it was written into a file."""
    if account.kind == "steam":
        steam = pyotp.contrib.Steam(account.base32(), interval=account.period)
        return [steam.at(moment) for moment in moments]
    oathtool = shutil.which("oathtool")
    assert oathtool, "oathtool is not installed (Debian: oathtool)"
    codes = []
    for moment in moments:
        if account.digits not in (6, 7, 8):
            raise AssertionError(account.digits)
        command = [oathtool, f"--digits={account.digits}"]
        if account.kind == "hotp":
            if account.algorithm != "SHA1":  # oathtool has SHA-1 for HOTP alone
                digest = getattr(hashlib, account.algorithm.lower())
                otp = pyotp.HOTP(account.base32(), digits=account.digits, digest=digest)
                codes.append(otp.at(account.counter))
                continue
            command.append(f"--counter={account.counter}")
        else:
            command += [f"--totp={account.algorithm}", f"--time-step-size={account.period}s", f"--now=@{moment}"]
        done = subprocess.run([*command, "-"], input=account.secret.hex(), capture_output=True, text=True, check=True)
        codes.append(done.stdout.strip())
    return codes


@EACH
def test_the_same_codes_come_out_as_another_program_makes(writer: Writer) -> None:
    accounts = held(writer)
    for account, read in zip(accounts, load(writer, writer.write(accounts)), strict=True):
        otp = read.otp(legacy=True)
        ours = [otp.at(0 if account.kind == "hotp" else moment) for moment in (59, 1_700_000_000)]
        assert ours == their_codes(account, (59, 1_700_000_000))


@SEALED
def test_an_encrypted_file_asks_for_its_password_and_takes_no_other(writer: Writer) -> None:
    data = writer.write(held(writer))
    with pytest.raises((transfer.EncryptedError, transfer.UnknownFormatError), match="password") as caught:
        transfer.load(data)
    if writer.name != "andotp_sealed_old":  # nothing in it says what it is
        assert type(caught.value) is transfer.EncryptedError and "none was given" in caught.value.reason
    for wrong in ("", PASSWORD[:-1], PASSWORD + "x", PASSWORD.upper()):
        with pytest.raises((transfer.WrongKeyError, transfer.UnknownFormatError)):
            transfer.load(data, password=wrong)


def ciphertexts(writer: Writer, data: bytes) -> Iterable[bytes]:
    """The file with a bit of what is encrypted turned over, in its middle and at its end."""
    if not data.startswith(b"{"):
        for at in (len(data) // 2, len(data) - 1, len(data) - 20):
            yield data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        return
    values = json.loads(data)
    for token in values.get("authenticator_tokens", []):
        raw = bytearray(base64.b64decode(token["encrypted_seed"]))
        raw[0] ^= 1
        yield json.dumps(
            {**values, "authenticator_tokens": [{**token, "encrypted_seed": writers.b64(bytes(raw))}]}
        ).encode()
    for path in (("db",), ("servicesEncrypted",), ("encryptedData",), ("content",), ("data",)):
        if path[0] not in values:
            continue
        text = values[path[0]]
        parts = text.split("|") if "|" in text else text.split(":")
        for at, part in enumerate(parts):
            raw = bytearray(base64.b64decode(part.removeprefix("2.")))
            raw[len(raw) // 2] ^= 1
            changed = ("2." if part.startswith("2.") else "") + base64.b64encode(raw).decode()
            text = ("|" if "|" in values[path[0]] else ":").join([*parts[:at], changed, *parts[at + 1 :]])
            yield json.dumps({**values, path[0]: text}).encode()


@SEALED
def test_a_changed_file_does_not_open(writer: Writer) -> None:
    changed = list(ciphertexts(writer, writer.write(held(writer))))
    assert changed
    for data in changed:
        if writer.name == "stratum_legacy":  # AES-CBC without a tag, as the app wrote it: a block of it is garbled
            try:
                accounts = load(writer, data, on_error=lambda error: None)
            except transfer.TransferError:
                continue
            assert [account.secret for account in accounts] != [account.secret for account in held(writer)]
            continue
        with pytest.raises(transfer.TransferError):
            load(writer, data)


COSTS = {
    "aegis_sealed": lambda values: values["header"]["slots"][1].update(n=1 << 30),
    "bitwarden_sealed": lambda values: values.update(kdfIterations=1 << 30),
    "bitwarden_argon2": lambda values: values.update(kdfMemory=1 << 20),
    "ente_sealed": lambda values: values["kdfParams"].update(memLimit=1 << 40),
}


@pytest.mark.parametrize("name", [*COSTS, "ente_passes", "aegis_lanes"])
def test_the_cost_of_a_key_is_bounded(name: str) -> None:
    by_name = {writer.name: writer for writer in WRITERS}
    base = {"ente_passes": "ente_sealed", "aegis_lanes": "aegis_sealed"}.get(name, name)
    values = json.loads(by_name[base].write(ACCOUNTS[:1]))
    if name == "ente_passes":
        values["kdfParams"]["opsLimit"] = 1 << 30
    elif name == "aegis_lanes":
        values["header"]["slots"][1]["p"] = 1 << 30
    else:
        COSTS[name](values)
    with pytest.raises(transfer.LimitError, match="beyond all reason"):
        transfer.load(json.dumps(values), password=PASSWORD)


def test_the_cost_of_freeotp_s_key_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "KDF_FAST", 1 << 30)
    monkeypatch.setattr(writers.hashlib, "pbkdf2_hmac", lambda *_: bytes(32))
    data = writers.freeotp_sealed(ACCOUNTS[:1])
    monkeypatch.undo()
    with pytest.raises(transfer.LimitError, match="beyond all reason"):
        transfer.load(data, password=PASSWORD)


def test_an_encrypted_andotp_backup_with_an_endless_key_is_none() -> None:
    data = writers.andotp_sealed(ACCOUNTS[:1])
    with pytest.raises(transfer.UnknownFormatError):
        transfer.load(b"\x7f\xff\xff\xff" + data[4:], password=PASSWORD)


@EACH
def test_a_file_that_is_cut_off_is_a_typed_error_or_says_less(writer: Writer) -> None:
    data = writer.write(held(writer))
    whole = load(writer, data)
    for at in sorted({*range(0, len(data), max(1, len(data) // 25)), len(data) - 1}):
        if writer.password and at < len(data) - 60 and writer.name not in ("2fas_sealed", "aegis_sealed") and at % 3:
            continue  # each costs a key
        errors: list[transfer.TransferError] = []
        try:
            read = load(writer, data[:at], on_error=errors.append)
        except transfer.TransferError:
            continue
        # Lines that end early are fewer lines, of which the last may say less; all others are right.
        assert [*map(shape, read)][:-1] == [*map(shape, whole)][: max(0, len(read) - 1)] or errors


@EACH
def test_duplicates_stay(writer: Writer) -> None:
    account = held(writer)[0]
    read = load(writer, writer.write([account, account]))
    assert len(read) == 2 and transfer.duplicates(read) == [[0, 1]]


@EACH
def test_one_bad_entry_is_told_with_its_place_and_the_others_are_read(writer: Writer) -> None:
    account = held(writer)[0]
    bad = replace(account, secret=b"a secret that is to be broken" + bytes(range(128, 160)))

    def breaking(accounts: Any) -> bytes:
        """The same file with the bad secret made no base32, no hexadecimal and no bytes."""
        return writer.write(accounts)

    plain = {"base32": bad.base32(), "hex": bad.secret.hex()}
    data = breaking([account, bad, account])
    if writer.password or data.startswith(b"PK"):
        return  # their plain twins are tried
    for text in plain.values():
        data = data.replace(text.encode(), text[:-1].encode() + b"!")
    if data == breaking([account, bad, account]):  # FreeOTP's lists of numbers
        signed = [byte - 256 if byte > 127 else byte for byte in bad.secret]
        for separator in (", ", ",\n    ", ",\n     "):
            data = data.replace(
                separator.join(map(str, signed[-3:])).encode(), separator.join(["1", "2", "999"]).encode()
            )
    assert data != breaking([account, bad, account])
    errors: list[transfer.TransferError] = []
    assert len(transfer.load(data, on_error=errors.append)) == 2
    [error] = errors
    assert error.place and error.format
    with pytest.raises(transfer.TransferError):
        transfer.load(data)


def test_steam_s_secrets_come_from_password_managers() -> None:
    steam = Account(KEY, "gaben", "Steam", kind="steam", digits=5)
    for write in (writers.bitwarden, writers.proton):
        [read] = transfer.load(write([steam]))
        assert shape(read) == shape(steam)


def test_pykeepass_writes_what_is_read() -> None:
    """A database of KeePass' own format, made by another package, as the XML that it holds."""
    pykeepass = pytest.importorskip("pykeepass")
    file = io.BytesIO()
    database = pykeepass.create_database(file, password="x")
    group = database.add_group(database.root_group, "Sites")
    database.add_entry(group, "ACME", "alice", "hunter2", otp=writers.uri(ACCOUNTS[0]))
    entry = database.add_entry(group, "Own", "bob", "hunter2")
    entry.set_custom_property("TimeOtp-Secret-Base32", ACCOUNTS[1].base32(), protect=True)
    entry.set_custom_property("TimeOtp-Algorithm", "HMAC-SHA-256")
    entry.set_custom_property("TimeOtp-Length", "8")
    entry.set_custom_property("TimeOtp-Period", "60")
    entry.save_history()
    database.add_entry(group, "No code", "carol", "hunter2")
    xml = database.xml()
    read = transfer.load(xml)
    assert [*map(shape, read)] == [shape(ACCOUNTS[0]), shape(ACCOUNTS[1])]
    assert [account.label for account in read] == ["ACME:alice", "Own:bob"]


def test_what_ferrotp_does_not_read_is_called_by_its_name() -> None:
    for data, name in (
        (b"\x03\xd9\xa2\x9a\x67\xfb\x4b\xb5" + bytes(100), "KeePass database: export it as XML"),
        (b"SQLite format 3\0" + bytes(100), "export the accounts from the app"),
        (b"-----BEGIN PGP MESSAGE-----\n\nhQ==\n", "decrypt it with gpg"),
        (b"name,url,username,password,note\nA,https://a,alice,hunter2,\n", "a CSV of passwords"),
        (b"<!DOCTYPE html><html><body>x</body></html>", "a web page"),
        (b"<opml version='1'><body/></opml>", "XML of a kind"),
        (b'{"hello": "world"}', "JSON of a kind"),
        (b"[1, 2]", "JSON of a kind"),
        (writers.zipped("readme.txt", b"x"), "a ZIP archive: unpack it"),
        (b"date,amount\n2026-01-01,5\n", "a CSV file of a kind"),
        (b"hello", "none of the formats"),
        (b"%PDF-1.7\n", "a PDF"),
    ):
        with pytest.raises(transfer.UnknownFormatError, match=name) as caught:
            transfer.load(data)
        assert caught.value.format


def test_a_bitwarden_export_that_only_its_account_opens_says_what_to_do() -> None:
    data = {"encrypted": True, "encKeyValidation_DO_NOT_EDIT": "2.a|b|c", "folders": [], "items": []}
    with pytest.raises(transfer.EncryptedError, match="file password"):
        transfer.load(json.dumps(data), password=PASSWORD)


def test_a_raivo_archive_under_its_password_says_what_to_do() -> None:
    data = bytearray(writers.raivo_zip(ACCOUNTS[:1]))
    for header, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(header) + at] |= 1
    with pytest.raises(transfer.EncryptedError, match="unpack it first"):
        transfer.load(bytes(data))


def test_a_raivo_archive_under_aes_opens_with_its_password_and_takes_no_other() -> None:
    """The package pyzipper wrote it."""
    data = (Path(__file__).parent / "corpus/raivo/good/raivo_sealed.zip").read_bytes()
    [account, *_] = transfer.load(data, password=PASSWORD)
    assert account.secret == KEY
    with pytest.raises(transfer.EncryptedError, match="a Raivo export under a password, and none was given"):
        transfer.load(data)
    with pytest.raises(transfer.WrongKeyError):
        transfer.load(data, password=PASSWORD[:-1])
    start = data.index(b"raivo-otp-export.json") + len("raivo-otp-export.json") + 11  # behind the local header
    end = data.index(b"PK\x01\x02")
    for at in range(start, end, 7):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises(transfer.TransferError):
            transfer.load(changed, password=PASSWORD)
    for at in (10, start + 20, end - 3, len(data) - 10):
        with pytest.raises(transfer.TransferError):
            transfer.load(data[:at], password=PASSWORD)


def test_an_archive_under_aes_that_unpacks_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = (Path(__file__).parent / "corpus/raivo/good/raivo_sealed.zip").read_bytes()
    monkeypatch.setattr(_zip_aes, "_most_unpacked", 100)
    with pytest.raises(transfer.LimitError):
        transfer.load(data, password=PASSWORD)


def test_the_keys_of_all_of_aegis_slots_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    values = json.loads(writers.aegis_sealed(ACCOUNTS[:1]))
    slot = {**values["header"]["slots"][1], "n": 1 << 20}  # 1 GiB each
    values["header"]["slots"] = [slot] * 20
    keys: list[int] = []

    def scrypt(password: bytes, **parameters: Any) -> bytes:
        keys.append(parameters["n"])
        return bytes(32)

    monkeypatch.setattr(hashlib, "scrypt", scrypt)
    with pytest.raises(transfer.LimitError, match="beyond all reason"):
        transfer.load(json.dumps(values), password=PASSWORD)
    assert len(keys) <= 4


@pytest.mark.parametrize(
    ("name", "field"), [("aegis_sealed", "db"), ("2fas_sealed", "servicesEncrypted"), ("proton_sealed", "content")]
)
def test_another_number_of_parts_is_a_typed_error(name: str, field: str) -> None:
    writer = next(writer for writer in WRITERS if writer.name == name)
    values = json.loads(writer.write(held(writer)))
    for text in (values[field] + ":AAAA", "A"):
        with pytest.raises(transfer.TransferError):
            transfer.load(json.dumps({**values, field: text}), password=PASSWORD)


def test_authy_s_keys_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    data = writers.authy_server([account for account in ACCOUNTS if writers.plain(account)] * 3)
    monkeypatch.setattr(authy, "_MOST_ITERATIONS", 2 * writers.KDF_FAST)
    errors: list[transfer.TransferError] = []
    assert len(transfer.load(data, password=PASSWORD, on_error=errors.append)) == 2
    assert {type(error) for error in errors} == {transfer.LimitError}


def test_authy_s_tokens_that_are_open_are_read_without_the_password_of_the_others() -> None:
    account = ACCOUNTS[0]
    tokens = writers.authy_sealed_tokens([account])
    tokens.append({"decryptedSecret": account.base32(), "name": "bob", "digits": 6})
    data = writers.dumps({"authenticator_tokens": tokens})
    errors: list[transfer.TransferError] = []
    assert [read.name for read in transfer.load(data, on_error=errors.append)] == ["bob"]
    assert "give the backup's password" in errors[0].reason and errors[0].account == "alice"


def test_an_archive_that_unpacks_without_end_is_refused() -> None:
    for name in ("export.data", "raivo-otp-export.json"):
        with pytest.raises(transfer.LimitError):
            transfer.load(writers.zipped(name, b" " * (20 << 20)))


def test_freeotp_s_map_of_other_things_is_refused() -> None:
    data = writers.freeotp_sealed(ACCOUNTS[:2])
    for changed in (
        data.replace(b"java.util.HashMap", b"java.util.TreeMap"),
        data[:-1],
        data[:-1] + b"sr",
        data[:100],
        b"\xac\xed\x00\x05",
    ):
        with pytest.raises(transfer.TransferError) as caught:
            transfer.load(changed, password=PASSWORD)
        assert caught.value.format == "freeotp"


def test_a_sixth_column_is_the_algorithm_and_nothing_else() -> None:
    line = f"1001,{KEY.hex()},TOTP,6,30"
    assert transfer.load(f"{line},SHA256\n")[0].algorithm == "SHA256"
    assert transfer.load(f"{line},\n")[0].algorithm == "SHA1"
    for more in ("MD5", "whatever", "SHA1,more"):
        with pytest.raises(transfer.UnsupportedError):
            transfer.load(f"{line},{more}\n")
    heading = "upn,serial number,secret key,time interval,manufacturer,model"
    row = f"alice,1001,{ACCOUNTS[0].base32()},60,Token2,miniOTP"
    for name in ("hash", "Hash Function", "hashAlgorithm", "algorithm"):
        [account] = transfer.load(f"{heading},{name}\n{row},HMAC-SHA-256\n")
        assert (account.algorithm, account.period) == ("SHA256", 60)
    with pytest.raises(transfer.UnsupportedError, match="under a heading that ferrotp does not know"):
        transfer.load(f"{heading},whatever\n{row},SHA256\n")
    notes: list[transfer.Note] = []
    transfer.load(f"{heading},whatever\n{row},blue\n", on_note=notes.append)
    assert [(note.kind, note.place) for note in notes] == [("unknown-column", "column 7")]


@pytest.mark.parametrize("separator", [",", " ", "\t", ";", ", "])
def test_feitian_s_two_columns_take_their_kind_from_the_caller(separator: str) -> None:
    text = f"2600123456789{separator}{KEY.hex()}\n2600123456790{separator}{KEY[::-1].hex()}\n"
    with pytest.raises(transfer.UnknownFormatError, match="does not say its type"):
        transfer.load(text)
    accounts = transfer.oath_csv.decode(text, kind="totp")
    assert [account.serial for account in accounts] == ["2600123456789", "2600123456790"]
    assert [account.secret for account in accounts] == [KEY, KEY[::-1]]
