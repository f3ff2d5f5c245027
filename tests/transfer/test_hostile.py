"""What no honest export is: huge, deep, endless. Each is a typed error, and soon."""

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import instructions
import pytest
from hostile_files import FILES
from hypothesis import given
from hypothesis import strategies as st
from instructions import needs_valgrind

from ferrotp import transfer


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_is_a_typed_error(name: str) -> None:
    make, huge = FILES[name]
    errors: list[transfer.TransferError] = []
    try:
        assert transfer.load(make(huge), on_error=errors.append) == []
    except transfer.TransferError as error:
        errors.append(error)
    assert errors and len(str(errors[-1])) < 400


def test_namespaces_on_many_levels_are_refused_before_the_parser_has_them() -> None:
    make, huge = FILES["namespaces on ten levels"]
    with pytest.raises(transfer.LimitError, match="too many namespaces"):
        transfer.load(make(huge))


@needs_valgrind
def test_reading_a_hostile_file_takes_work_that_grows_with_its_length_and_not_with_the_square() -> None:
    setup = """
from ferrotp import transfer
from hostile_files import FILES
def load(file):
    try:
        transfer.load(file, on_error=lambda error: None)
    except transfer.TransferError:
        pass
files = {(name, part): make(huge // part) for name, (make, huge) in FILES.items() for part in (4096, 512, 256)}
for name in FILES:
    load(files[name, 4096])  # imports, and what the interpreter specializes
"""
    pieces = {f"{name} / {part}": f"load(files[{name!r}, {part}])" for name in FILES for part in (512, 256)}
    work = instructions.count(setup, pieces, warm_up=0)
    growth = {name: work[f"{name} / 256"].all / work[f"{name} / 512"].all for name in FILES}
    assert max(growth.values()) < 2.5, growth


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


@given(JSON, st.sampled_from(["aegis", "2fas", "whole"]))
def test_any_json_is_read_or_a_typed_error(value: Any, shape: str) -> None:
    whole = {
        "aegis": {"version": 1, "header": {}, "db": {"version": 3, "entries": [value]}},
        "2fas": {"schemaVersion": 4, "services": [value]},
        "whole": value,
    }[shape]
    with contextlib.suppress(transfer.TransferError):
        transfer.load("\n" + json.dumps(whole))


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
