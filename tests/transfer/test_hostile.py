"""What no honest export is: huge, deep, endless. Each is a typed error."""

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferrotp import transfer

PSKC = '<KeyContainer Version="1.0" xmlns="urn:ietf:params:xml:ns:keyprov:pskc">'
AEGIS = '{"version":1,"header":{},"db":{"version":3,"entries":'
MIB = 1 << 20

HUGE = {
    "17 MiB of nothing": b" " * (17 * MIB),
    "17 MiB of XML": PSKC.encode() + b"<a/>" * (17 * MIB // 4),
    "nested JSON": b'{"db":' + b"[" * (10 * MIB),
    "nested JSON objects": b'{"a":' * MIB,
    "nested XML": PSKC.encode() + b"<a>" * MIB,
    "many attributes": (PSKC + "<a " + " ".join(f'a{n}="" ' for n in range(MIB)) + "/>").encode(),
    "many namespaces": (PSKC + "<a " + " ".join(f'xmlns:a{n}="b{n}" ' for n in range(500_000)) + "/>").encode(),
    "one long tag": (PSKC + "<" + "a" * (15 * MIB)).encode(),
    "many keys": (PSKC + "<KeyPackage/>" * 120_000 + "</KeyContainer>").encode(),
    "many accounts": (AEGIS + "[" + ",".join(["0"] * 120_000) + "]}}").encode(),
    "a long number": b'{"db":' + b"9" * (10 * MIB) + b"}",
    "a long field": b"1001," + b"0" * MIB,
    "many lines": b"1001,00,totp\n" * 120_000,
    "a long URI": b"otpauth-migration://offline?data=" + b"A" * (10 * MIB),
    "a long otpauth URI": b"otpauth://totp/a?secret=" + b"1" * (10 * MIB),
    "long NUL": bytes(10 * MIB),
}


@pytest.mark.parametrize("name", HUGE)
def test_a_hostile_file_is_a_typed_error(name: str) -> None:
    # Time that grew with the square of the size would be hours here.
    errors: list[transfer.TransferError] = []
    try:
        assert transfer.load(HUGE[name], on_error=errors.append) == []
    except transfer.TransferError as error:
        errors.append(error)
    assert errors and len(str(errors[-1])) < 400


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: "\n" + text)))
def test_any_input_is_read_or_a_typed_error(data: "bytes | str") -> None:
    with contextlib.suppress(transfer.TransferError):
        transfer.load(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "version",
                    "header",
                    "slots",
                    "db",
                    "entries",
                    "type",
                    "name",
                    "issuer",
                    "info",
                    "secret",
                    "algo",
                    "digits",
                    "period",
                    "counter",
                    "services",
                    "schemaVersion",
                    "otp",
                    "account",
                    "tokenType",
                    "algorithm",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=30,
)


@settings(deadline=None)
@given(JSON, st.sampled_from(["aegis", "2fas", "whole"]))
def test_any_json_is_read_or_a_typed_error(value: Any, shape: str) -> None:
    whole = {
        "aegis": {"version": 1, "header": {}, "db": {"version": 3, "entries": [value]}},
        "2fas": {"schemaVersion": 4, "services": [value]},
        "whole": value,
    }[shape]
    with contextlib.suppress(transfer.TransferError):
        transfer.load("\n" + json.dumps(whole))


@settings(deadline=None)
@given(st.lists(st.text(alphabet='0123456789ABCDEFabc,;\t" totphotp', max_size=80), max_size=5))
def test_any_csv_is_read_or_a_typed_error(lines: list[str]) -> None:
    with contextlib.suppress(transfer.TransferError):
        transfer.oath_csv.decode("\n".join(lines), kind="totp")


def test_an_endless_list_of_uris_ends() -> None:
    def endless() -> Iterator[str]:
        while True:
            yield "otpauth-migration://offline?data=EAE%3D"

    with pytest.raises(transfer.LimitError):
        transfer.google.decode(endless())


def test_a_text_that_is_no_path_is_not_repeated() -> None:
    with pytest.raises(transfer.UnknownFormatError) as caught:
        transfer.load("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
    assert "GEZD" not in repr(caught.value)
    with pytest.raises(FileNotFoundError):
        transfer.load(Path("there is no such file"))


def test_a_picture_of_too_many_pixels_is_refused_unread() -> None:
    image = pytest.importorskip("PIL.Image")
    file = io.BytesIO()
    image.new("1", (20_000, 20_000)).save(file, "PNG")
    with pytest.raises(transfer.LimitError):
        transfer.load(file.getvalue())
