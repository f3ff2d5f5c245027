"""Google Authenticator's export: ``otpauth-migration://`` URIs, one in each of its QR codes."""

import secrets
from collections.abc import Iterable, Iterator
from typing import Any

from .. import _native
from .._tracebacks import without_frames
from ._common import OnError, fault, taken
from ._masking import label_without, masked
from .account import Account
from .errors import BatchError, LimitError, TransferError, UnsupportedError

FORMAT = "google"
PREFIX = "otpauth-migration://"
# Google's own number. Ten accounts make a code of some 90 modules a side, which a phone reads off a screen.
_PER_PART = 10
_MAX_URI = 1_200
_MAX_PARTS = 10_000
_LONGEST_ID = (1 << 31) - 1
_QR_CAPACITY = 2_953  # bytes, at version 40 and level L


@without_frames
def decode(uris: str | Iterable[str], on_error: OnError | None = None) -> list[Account]:
    """The accounts of one or more exports. The order of the URIs does not matter, and the same one may come twice,
    as it does when somebody scans a code twice.

    :param uris: a URI, or all the URIs of the export
    :param on_error: called with each account's error, and for each export with a `BatchError` that names the parts that
        are missing; what is there is read. Without it the first error is raised
    :raises BatchError: if a part is missing, or two parts contradict each other
    :raises UnsupportedError: for a version other than 1 and 2, where one is said, and for an algorithm, digits or
        kind outside the schema
    :raises MalformedError: for anything that is no such URI
    """
    return list(read([uris] if isinstance(uris, str) else uris, on_error))


def read(uris: Iterable[str], on_error: OnError | None) -> Iterator[Account]:
    """The same, one at a time. The texts of all URIs are kept, since all must be there before the first counts."""
    batches: dict[int, dict[int, tuple[int, str]]] = {}  # by batch and index: the URI and its number
    sizes: dict[int, int] = {}
    for number, uri in enumerate(map(str.strip, uris), 1):
        if number > _MAX_PARTS:
            raise LimitError(f"more than {_MAX_PARTS} URIs", FORMAT)
        within = f"URI {number}"
        _, batch, index, size = _part(uri, within)
        parts = batches.setdefault(batch, {})
        if sizes.setdefault(batch, size) != size:
            raise BatchError(f"the parts disagree: {sizes[batch]} or {size} of them", FORMAT, within)
        if parts.setdefault(index, (number, uri))[1] != uri:
            raise BatchError(f"part {index + 1} of {size} comes twice, and differs", FORMAT, within)
    for batch, parts in batches.items():
        if error := _missing(parts, batch, sizes[batch]):
            if on_error is None:
                raise error
            on_error(error)
    yield from taken(
        (result for parts in batches.values() for _, part in sorted(parts.items()) for result in _results(*part)),
        FORMAT,
        on_error,
    )


def _part(uri: str, within: str) -> tuple[list[tuple[Any, ...]], int, int, int]:
    """The accounts of a part, or a fault in the place of one; the batch, and which part of how many it is."""
    answer = _native.migration_decode(uri)
    if isinstance(answer[0], str):
        raise fault(answer, FORMAT, within)
    return answer


def _results(number: int, uri: str) -> list["Account | TransferError"]:
    within = f"URI {number}"
    return [fault(fields, FORMAT, within) if len(fields) == 4 else _account(fields) for fields in _part(uri, within)[0]]


def _missing(parts: dict[int, tuple[int, str]], batch: int, size: int) -> BatchError | None:
    missing = [str(index + 1) for index in range(size) if index not in parts]
    if not missing:
        return None
    which = f"part{'s' if len(missing) > 1 else ''} {', '.join(missing[:20])} of {size} missing"
    had = [result for part in parts.values() for result in _results(*part) if isinstance(result, Account)]
    if had and (label := masked(label_without(had[-1].label, had[-1].base32()))):
        which += f"; the parts that are there end with {label[:100]!r}"
    return BatchError(which, FORMAT, f"batch {batch}")


@without_frames
def count(uri: str) -> int:
    """How many accounts one part of an export has, the faulty ones too; 0 if it is none."""
    answer = _native.migration_decode(uri.strip())
    return 0 if isinstance(answer[0], str) else len(answer[0])


def _account(fields: tuple[bytes, str, str, str, int, int | None]) -> Account:
    secret, name, issuer, algorithm, digits, counter = fields
    # The name is the label of the Key Uri Format, in which the issuer may stand before a colon.
    before, colon, after = name.partition(":")
    if colon and before == issuer:
        name = after.lstrip(" ")
    elif colon and not issuer:
        issuer, name = before, after.lstrip(" ")
    return Account(
        secret=secret,
        name=name,
        issuer=issuer or None,
        kind="totp" if counter is None else "hotp",
        algorithm=algorithm,
        digits=digits,
        counter=counter or 0,
    )


@without_frames
def encode(accounts: Iterable[Account], batch_id: int | None = None) -> list[str]:
    """The URIs that import accounts into Google Authenticator, one for each QR code: ten accounts at most in each, and
    fewer where names are long. They hold the secrets. Serial numbers are not in them.

    :param batch_id: what binds the parts together, from 0 to 2^31 - 1; random if not given
    :raises UnsupportedError: if the format cannot say what an account is: Steam, a period other than 30, digits other
        than 6 and 8, a counter over 2^63 - 1
    :raises LimitError: if an account alone is too long for a QR code
    """
    parts: list[list[tuple[bytes, str, str, str, int, int | None]]] = []
    for number, account in enumerate(accounts, 1):
        fields = _fields(account, f"account {number}")
        if len(_uri([fields], _LONGEST_ID, 0, 1)) > _QR_CAPACITY:
            raise LimitError("too long for a QR code", FORMAT, f"account {number}", account.label)
        last = parts[-1] if parts else None
        if last and len(last) < _PER_PART and len(_uri([*last, fields], _LONGEST_ID, 0, 1)) <= _MAX_URI:
            last.append(fields)
        else:
            parts.append([fields])
    if len(parts) > _MAX_PARTS:
        raise LimitError(f"more than {_MAX_PARTS} QR codes", FORMAT)
    if batch_id is None:
        batch_id = secrets.randbits(31)
    return [_uri(part, batch_id, index, len(parts)) for index, part in enumerate(parts)]


def _uri(accounts: list[tuple[bytes, str, str, str, int, int | None]], batch_id: int, index: int, size: int) -> str:
    uri = _native.migration_encode(accounts, batch_id, index, size)
    if uri is None:
        raise UnsupportedError("the format cannot say it", FORMAT)
    return uri


def _fields(account: Account, place: str) -> tuple[bytes, str, str, str, int, int | None]:
    wrong = None
    if account.kind == "steam":
        wrong = "the format has no Steam codes"
    elif account.kind == "totp" and account.period != 30:
        wrong = "the format has no period other than 30 seconds"
    elif account.digits not in (6, 8):
        wrong = "the format has codes of 6 and 8 digits"
    elif account.counter >= 1 << 63:
        wrong = "the format's counters end at 2^63 - 1"
    elif not account.issuer and ":" in account.name:
        wrong = "without an issuer, what stands before the name's colon would be read as one"
    if wrong:
        raise UnsupportedError(wrong, FORMAT, place, account.label)
    name = f"{account.issuer}:{account.name}" if account.issuer else account.name
    counter = account.counter if account.kind == "hotp" else None
    return account.secret, name, account.issuer or "", account.algorithm, account.digits, counter
