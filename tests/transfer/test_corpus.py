"""Every file of the corpus yields its accounts, or its error with the place. `expected.json` was checked by eye."""

import json
from pathlib import Path
from typing import Any

import pytest

from ferrotp import transfer

CORPUS = Path(__file__).parent / "corpus"
KEY = bytes.fromhex("12345678901234567890123456789012")  # RFC 6030, figure 6
WITH_KEY = ("rfc6030_figure6.xml", "changed_secret.xml", "changed_mac.xml", "without_mac.xml", "other_cipher.xml")
OPENED: dict[str, dict[str, Any]] = {"rfc6030_figure7.xml": {"password": "qwerty"}}
OPENED.update({name: {"key": KEY} for name in WITH_KEY})
PASSWORD = "correct horse battery staple"


def opened(path: Path) -> dict[str, Any]:
    """What opens a file of the corpus."""
    return {"password": PASSWORD} if "sealed" in path.name else OPENED.get(path.name, {})


def cases(verdict: str) -> list[Any]:
    found = []
    for expected in sorted(CORPUS.glob(f"*/{verdict}/expected.json")):
        names = json.loads(expected.read_text(encoding="utf-8"))
        assert {*names, "expected.json"} == {path.name for path in expected.parent.iterdir()}
        for name, value in names.items():
            path = expected.parent / name
            found.append(pytest.param(path, value, id=f"{expected.parent.parent.name}/{name}"))
    assert len(found) > 15
    return found


@pytest.mark.parametrize(("path", "expected"), cases("good"))
def test_a_good_file_yields_its_accounts(path: Path, expected: list[Any]) -> None:
    options = opened(path)
    accounts = transfer.load(path, **options)
    assert [[account.uri(), account.serial] for account in accounts] == expected
    assert transfer.load(path.read_bytes(), **options) == accounts
    assert transfer.load(str(path), **options) == accounts
    for account in accounts:
        if account.algorithm != "MD5":
            account.otp(legacy=True).at(0)


@pytest.mark.parametrize(("path", "expected"), cases("bad"))
def test_a_bad_file_is_a_typed_error_with_the_place(path: Path, expected: list[Any]) -> None:
    with pytest.raises(transfer.TransferError) as caught:
        transfer.load(path, **opened(path))
    error = caught.value
    assert [type(error).__name__, error.reason, error.place, error.account] == expected
    assert error.format
    assert error.account is None or error.account in str(error)


def test_the_other_entries_are_read_where_the_caller_takes_the_errors() -> None:
    errors: list[transfer.TransferError] = []
    accounts = transfer.load(CORPUS / "aegis/bad/motp.json", on_error=errors.append)
    assert [account.name for account in accounts] == ["alice"]
    assert [error.account for error in errors] == ["ACME:carol"]
    accounts = transfer.load(CORPUS / "google/bad/algorithm.txt", on_error=errors.append)
    assert [account.name for account in accounts] == ["alice"]
    accounts = transfer.load(CORPUS / "oath-csv/bad/not_hex.csv", on_error=errors.append)
    assert [account.serial for account in accounts] == ["1001"]
    assert [error.account for error in errors] == ["ACME:carol", "dave", None]


def test_duplicates_stay_and_are_told() -> None:
    accounts = transfer.load(CORPUS / "aegis/good/duplicates.json")
    assert len(accounts) == 2
    assert transfer.duplicates(accounts) == [[0, 1]]
    assert transfer.duplicates(accounts[:1]) == []


def test_an_encrypted_document_asks_for_its_key() -> None:
    figure6, figure7 = CORPUS / "pskc/good/rfc6030_figure6.xml", CORPUS / "pskc/good/rfc6030_figure7.xml"
    for path in (figure6, figure7):
        with pytest.raises(transfer.EncryptedError, match="none was given") as caught:
            transfer.load(path)
        assert type(caught.value) is transfer.EncryptedError
    for options in ({"key": bytes(16)}, {"key": bytes(5)}):
        with pytest.raises(transfer.WrongKeyError):
            transfer.load(figure6, **options)
    with pytest.raises(transfer.WrongKeyError):
        transfer.load(figure7, password="qwertz")
    with pytest.raises(transfer.EncryptedError, match="not with a password"):
        transfer.load(figure6, password="qwerty")


def test_a_vendors_file_without_a_type_or_encoding_takes_them_from_the_caller() -> None:
    from ferrotp.transfer import oath_csv

    [account] = oath_csv.decode("1001,3132333435363738393031323334353637383930", kind="hotp")
    assert account.kind == "hotp" and account.secret == b"12345678901234567890"
    text = "serial,secret,type\n1,2345ABCD,totp\n"
    assert oath_csv.decode(text, encoding="hex")[0].secret == bytes.fromhex("2345ABCD")
    assert oath_csv.decode(text, encoding="base32")[0].secret == b"\xd6\xf9\xd0\x04\x43"[:5]
