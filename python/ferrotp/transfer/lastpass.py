"""LastPass: the authenticator's export, in JSON, and the vault's, in CSV."""

from typing import Any

from ._csv import read_csv
from ._frame import Entry, Export, Options, Results, each, has
from ._json import read_json
from ._vaults import VaultCsv

FORMAT = "lastpass"
_ENTRY = Entry(
    name=("userName", "originalUserName"),
    issuer=("issuerName", "originalIssuerName"),
    kind=None,
    period="timeStep",
    counter=None,
)


def _read(values: dict[str, Any], options: Options) -> Results:
    return each(values["accounts"], FORMAT, "$.accounts", _ENTRY.read)


_CSV = VaultCsv(FORMAT, "totp", ("name",), ("username",), ("password", "extra"), ("url", "username", "extra", "name"))
EXPORT = Export(FORMAT, "a LastPass Authenticator export", "json", has("accounts", "localDeviceId"), _read, read_json)
TABLE = Export(FORMAT, "a LastPass CSV", "csv", _CSV.known, _CSV.read, read_csv)
decode = EXPORT.decode
decode_csv = TABLE.decode
