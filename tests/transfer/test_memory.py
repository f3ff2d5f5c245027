"""Memory while a file is read does not grow with the number of its entries; what must be whole is a small multiple."""

import gc
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import writers
from writers import ACCOUNTS, PASSWORD, WRITERS, Writer

from ferrotp import transfer
from ferrotp.transfer import Account, _json

KIB = 1 << 10
# benches/files.py measures 1,000, 10,000 and 100,000.
FEW, MANY = 500, 1_000
MOST = 280 * KIB  # some pieces of 16 KiB; a list of so many accounts takes more
# What a format's frame makes whole: its text must be there before any of it may be believed (a tag over all of it), its
# entries are values in a map, or its native parser takes the document.
WHOLE = {writer.name for writer in WRITERS if writer.password} | {"authy", "authy_own", "google", "pskc"}


def pskc(accounts: Sequence[Account]) -> bytes:
    keys = "".join(
        f"<KeyPackage><DeviceInfo><Manufacturer>ACME</Manufacturer><SerialNo>{account.serial}</SerialNo></DeviceInfo>"
        f'<Key Id="{account.serial}" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:hotp"><AlgorithmParameters>'
        f'<ResponseFormat Length="6" Encoding="DECIMAL"/></AlgorithmParameters><Data><Secret><PlainValue>'
        f"{writers.b64(account.secret)}</PlainValue></Secret><Counter><PlainValue>0</PlainValue></Counter></Data></Key>"
        "</KeyPackage>\n"
        for account in accounts
    )
    return f'<KeyContainer Version="1.0" xmlns="urn:ietf:params:xml:ns:keyprov:pskc">{keys}</KeyContainer>'.encode()


def google(accounts: Sequence[Account]) -> bytes:
    return "\n".join(transfer.google.encode(accounts, 1)).encode()


LAYOUTS = (
    *WRITERS,
    Writer("uris", lambda accounts: "".join(f"{writers.uri(account)}\n" for account in accounts).encode()),
    Writer("google", google, writers.plain),
    Writer("pskc", pskc, lambda account: account.kind == "hotp" and account.serial is not None),
)


def file_of(layout: Writer, count: int, path: Path) -> int:
    """Writes a file of so many accounts; its size."""
    account = next(account for account in ACCOUNTS if layout.holds(account))
    accounts = [
        replace(
            account,
            secret=number.to_bytes(4, "big") * (len(account.secret) // 4),
            name=f"user{number}@example.com" if account.name else "",
            serial=f"{number:08}" if account.serial else None,
        )
        for number in range(1, count + 1)
    ]
    path.write_bytes(layout.write(accounts))
    return path.stat().st_size


def peak(read: Callable[[], int], count: int) -> int:
    """Bytes that were taken at once."""
    gc.collect()
    tracemalloc.start()
    try:
        assert read() == count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def streamed(layout: Writer, path: Path) -> Callable[[], int]:
    password = PASSWORD if layout.password else None
    return lambda: sum(1 for _ in transfer.stream(path, password=password))


@pytest.mark.parametrize(
    "layout", [layout for layout in LAYOUTS if layout.name not in WHOLE], ids=lambda layout: layout.name
)
def test_memory_does_not_grow_with_the_number_of_entries(layout: Writer, tmp_path: Path) -> None:
    path = tmp_path / "file"
    file_of(layout, 10, path)
    streamed(layout, path)()  # what is loaded once
    file_of(layout, MANY, path)
    assert peak(streamed(layout, path), MANY) < MOST


@pytest.mark.parametrize(
    "layout", [layout for layout in LAYOUTS if layout.name in WHOLE], ids=lambda layout: layout.name
)
def test_what_must_be_whole_takes_three_times_the_file_at_most(layout: Writer, tmp_path: Path) -> None:
    path = tmp_path / "many"
    size = file_of(layout, FEW, path)
    few = tmp_path / "few"
    file_of(layout, 10, few)
    streamed(layout, few)()
    assert peak(streamed(layout, path), FEW) < 3 * size + 128 * KIB


def test_a_list_would_grow(tmp_path: Path) -> None:
    """Or the measure above would see nothing."""
    for name in ("aegis", "six_columns"):
        path = tmp_path / name
        file_of(next(layout for layout in LAYOUTS if layout.name == name), MANY, path)
        transfer.load(ACCOUNTS[0].uri())
        assert peak(lambda path=path: len(transfer.load(path)), MANY) > 1.1 * MOST


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_a_stream_gives_what_a_list_has(layout: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    file_of(layout, 30, path)
    password = PASSWORD if layout.password else None
    accounts = transfer.load(path, password=password)
    assert len(accounts) == 30
    assert list(transfer.stream(path, password=password)) == accounts
    if not layout.password:
        monkeypatch.setattr(_json, "_piece", 400)  # so that all is longer than what is in memory
        assert list(transfer.stream(path.read_bytes())) == list(transfer.stream(path)) == accounts


def test_nothing_of_a_file_that_is_broken_at_its_end_is_handed_out(tmp_path: Path) -> None:
    for name in ("aegis", "bitwarden", "keepassxc", "1password_data", "1password", "pskc", "stratum"):
        layout = next(layout for layout in LAYOUTS if layout.name == name)
        path = tmp_path / name
        file_of(layout, FEW, path)
        path.write_bytes(path.read_bytes().rstrip()[:-2])
        with pytest.raises(transfer.MalformedError):
            next(transfer.stream(path))
    path = tmp_path / "lines"
    file_of(next(layout for layout in LAYOUTS if layout.name == "uris"), FEW, path)
    path.write_bytes(path.read_bytes() + b"\xff")
    with pytest.raises(transfer.MalformedError, match="UTF-8"):
        next(transfer.stream(path))


def test_an_entry_that_cannot_be_taken_ends_a_stream_when_its_turn_comes(tmp_path: Path) -> None:
    path = tmp_path / "uris"
    path.write_text(f"{writers.uri(ACCOUNTS[0])}\nnonsense\n{writers.uri(ACCOUNTS[1])}\n", encoding="utf-8")
    with transfer.stream(path) as accounts:
        assert next(accounts) == ACCOUNTS[0]
        with pytest.raises(transfer.MalformedError, match="line 2"):
            next(accounts)
        with pytest.raises(StopIteration):
            next(accounts)
    errors: list[transfer.TransferError] = []
    assert list(transfer.stream(path, on_error=errors.append)) == list(ACCOUNTS[:2])
    assert [error.place for error in errors] == ["line 2"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"version": 1, "db": {"entries": [%s}}', "line 1"),
        ('{"version": 1,\n "db": {"entries": [%s,]}}', "line 2"),
        ('{"version": 1,\n\n "db": {"entries": [%s]} "x": 1}', "line 3"),
        ('{"version": 1, "db": {"entries": [%s], 1: 2}}', "line 1"),
        ('{"version": 1, "db": {"entries": [%s]}}\n\n]', "line 3"),
        ('{"version": 1, "db": {"entries": [%s]}, "a": "\n"}', "line 1"),
        ('{"version": 1, "db": {"entries": [%s]}, "db": 1}', None),
        ('{"version": 1, "db": {"entries": [%s, {"a": 1, "a": 1}]}}', None),
        ('{"version": 1, "db": {"entries": [%s, 999999999999999999999999]}}', None),
    ],
)
def test_a_long_document_is_as_strict_as_a_short_one(text: str, place: "str | None") -> None:
    for entries in ("0", ", ".join(['{"a": "b"}'] * 20_000)):
        with pytest.raises(transfer.MalformedError) as caught:
            transfer.load(text % entries)
        assert caught.value.place == place


def test_a_list_of_blanks_is_an_empty_list() -> None:
    blank = " " * 200_000
    assert transfer.load(f'{{{blank}"version":{blank}1,"db":{{"entries":[{blank}],"a":{{{blank}}}}}}}{blank}') == []


def test_a_long_document_in_utf_16_is_read_entry_by_entry() -> None:
    data = writers.aegis([replace(ACCOUNTS[0], name="😀ü")] * 2_000)
    accounts = transfer.load(data.decode().encode("utf-16"))
    assert len(accounts) == 2_000 and {account.name for account in accounts} == {"😀ü"}
    assert transfer.load(b"\xef\xbb\xbf" + data) == accounts == transfer.load(data.decode())
