"""SafeNet's (Aladdin's) XML, which came with eToken PASS: HOTP tokens, in plain."""

from functools import partial

from ._common import hexadecimal, tried
from ._frame import MAX_COUNTER, Export, Options, Results
from ._xml import Record, Xml, xml
from .account import Account
from .errors import MalformedError, UnsupportedError

FORMAT = "safenet"
_APPLICATION = "Applications/Application"
# The hash has no field: it is as long as the seed.
_HASHES = {32: "SHA256"}


def _read(document: Xml, options: Options) -> Results:
    return tried(partial(_token, options), enumerate(document.records(FORMAT, "Token"), 1))


def _token(options: Options, item: tuple[int, Record]) -> Account:
    number, record = item
    place = f"Token[{number}]"
    serial = record.attributes.get("serial", "").strip()
    seeds, counters = record.texts(f"{_APPLICATION}/Seed"), record.texts(f"{_APPLICATION}/MovingFactor")
    if len(seeds) != 1 or len(counters) > 1:
        raise MalformedError("not one seed and one counter", FORMAT, place, serial)
    secret = hexadecimal(seeds[0])
    if not secret:
        raise MalformedError("the seed is not hexadecimal", FORMAT, f"{place}/{_APPLICATION}/Seed", serial)
    counter = (counters[0] if counters else "0").strip()
    where = f"{place}/{_APPLICATION}/MovingFactor"
    if not (counter.isascii() and counter.isdigit() and len(counter) <= 20):
        raise MalformedError("the counter is not a number", FORMAT, where, serial)
    if int(counter) > MAX_COUNTER:
        raise UnsupportedError("the counter is out of range", FORMAT, where, serial)
    algorithm = _HASHES.get(len(secret), "SHA1")
    if algorithm != "SHA1":
        options.note("hash-by-length", "a seed of 32 bytes is a SHA-256 token's: taken so", place, serial, matters=True)
    return Account(secret, kind="hotp", algorithm=algorithm, counter=int(counter), serial=serial or None)


EXPORT = Export(FORMAT, "a SafeNet token file", "xml", lambda document: document.root == "Tokens", _read, xml)
decode = EXPORT.decode
