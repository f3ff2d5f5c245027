"""The native floor of ferrotp. Private: use `ferrotp`.

A function that returns None leaves the decision to the plain rules beside the call.
"""

from collections.abc import Iterable, Sequence
from os import PathLike
from typing import Any, Final, Literal, NoReturn, final

from typing_extensions import Self, disjoint_base

from .vault import OTPSecret

__version__: Final[str]

@disjoint_base
class OTPBase:
    """The type under all OTP classes: it holds the attributes and the key made from them."""

    secret: str
    digits: int
    digest: Any
    name: str
    issuer: str | None
    # Lent under their plain names to the classes that have them.
    _interval: int
    _initial_count: int

    # `TOTP.__init__`: the other classes have Python functions.
    def __init__(
        self,
        s: str,
        digits: int = 6,
        digest: Any = None,
        name: str | None = None,
        issuer: str | None = None,
        interval: int = 30,
    ) -> None: ...

# What this import of the module knows of its classes and functions.
_registry: Final[object]

# Registration, once for each public class and each module whose functions tests replace.
def register(
    class_: type[OTPBase], kind: Literal["otp", "hotp", "totp", "steam"], legacy: bool, watched: tuple[type, ...]
) -> None: ...
def watch(names: dict[str, Any], functions: list[str], by: Literal["comparing", "uris"], legacy: bool) -> None: ...

# Constructors: whether the arguments were ordinary, and are set.
def init_hotp(
    slf: object, secret: object, digits: object, digest: object, name: object, issuer: object, initial_count: object, /
) -> Literal[True] | None: ...
def init_steam(slf: object, secret: object, name: object, issuer: object, /) -> Literal[True] | None: ...

# Attributes.
def getstate(slf: OTPBase) -> dict[str, Any]: ...
def setstate(slf: OTPBase, state: dict[str, Any]) -> None: ...
def instance_dict(slf: OTPBase) -> dict[str, Any]: ...
def set_instance_dict(slf: OTPBase, value: dict[str, Any]) -> None: ...

# Codes.
def generate(slf: object, counter: object, /) -> str | None: ...
def totp_now(slf: object, time: object, /) -> str | None: ...
def totp_at(slf: object, for_time: object, counter_offset: object, /) -> str | None: ...
def totp_verify(slf: object, otp: object, for_time: object, valid_window: object, /) -> bool | None: ...
def totp_find(slf: object, otp: object, for_time: object, valid_window: object, /) -> int | Literal[False] | None: ...
def hotp_at(slf: object, count: object, /) -> str | None: ...
def hotp_verify(slf: object, otp: object, count: object, /) -> bool | None: ...
def hotp_resync(
    slf: object, otp: object, next_otp: object, counter: object, window: object, /
) -> int | Literal[False] | None: ...
def verify_one(
    probe: object, secret: object, otp: object, for_time: object, valid_window: object, /
) -> bool | None: ...
def kernels() -> list[str]: ...

# Many at once: `ferrotp.batch`. None: the plain rules decide. The probe stands for what a string does.
def batch_codes(
    items: Sequence[Any], probe: OTPBase, seconds: int, threads: int
) -> tuple[list[str | None], list[int]]: ...
def batch_verify(
    items: Sequence[Any], codes: Sequence[str], probe: OTPBase, seconds: int, window: int, threads: int
) -> tuple[list[bool | None], list[int]]: ...

@disjoint_base
class KeySetBase:
    def __new__(cls, otps: Iterable[Any], probe: OTPBase) -> Self: ...
    def __len__(self, /) -> int: ...
    @property
    def width(self) -> int:
        """How many characters the longest code has."""

    @property
    def _refused(self) -> list[tuple[int, str]]: ...
    def _codes(self, start: int, end: int, seconds: int, threads: int) -> bytes: ...
    def _texts(self, start: int, end: int, seconds: int, threads: int) -> list[str | None]: ...
    def _verify(
        self, start: int, codes: list[str], seconds: int, window: int, threads: int
    ) -> tuple[list[bool | None], list[int]]: ...
    def __reduce_ex__(self, protocol: object, /) -> NoReturn: ...

# Text.
def totp_uri(slf: object, name: object, issuer_name: object, /) -> str | None: ...
def hotp_uri(slf: object, name: object, initial_count: object, issuer_name: object, /) -> str | None: ...
def decode_base32(secret: object, /) -> bytes | None: ...
def random_base32(length: object, /) -> str | None: ...
def parse_uri(uri: object, names: dict[str, Any], /) -> Any: ...

# Accounts in and out. A fault is a tuple of its kind, message, place and account's label.
_Fault = tuple[str, str, str, str | None]
_MigrationAccount = tuple[bytes, str, str, str, int, int | None]
_PskcKey = tuple[bytes, str, str | None, str | None, str | None, str | None, str, int, str, int]

def migration_decode(uri: str, /) -> tuple[list[_MigrationAccount | _Fault], int, int, int] | _Fault: ...
def migration_encode(accounts: list[_MigrationAccount], batch: int, index: int, size: int, /) -> str | None: ...
def pskc_read(xml: str, key: bytes | None, password: str | None, /) -> list[_PskcKey | _Fault] | _Fault: ...

# QR codes: the base of `ferrotp.QR`, which documents the arguments.
@disjoint_base
class QRBase:
    def __new__(cls, text: str, error_correction: str | None = "M") -> Self: ...
    @property
    def version(self) -> int: ...
    @property
    def modules(self) -> int: ...
    @property
    def error_correction(self) -> str: ...
    def _svg(
        self, size: int | None, border: int, dark: str, light: str | None, title: str, allow_inverted: bool
    ) -> str: ...
    def _png(self, size: int | None, border: int, dark: str, light: str | None, allow_inverted: bool) -> bytes: ...
    def _terminal(self, border: int, colours: bool) -> str: ...

# The vault: `ferrotp.vault` has these classes as they are.
_Sealed = bytes | bytearray | memoryview
_Owner = tuple[str, str, str]
_Kind = Literal["totp", "hotp"]

def wallet_keys(secret: bytes, salts: list[bytes], iterations: int) -> list[bytes]:
    """The keys that passlib's records are encrypted under: PBKDF2 with HMAC-SHA-256 of an application's secret and of
    each record's salt, 48 bytes each. They are derived side by side; other threads run meanwhile."""

def new_key() -> str:
    """The text form of a new key: 32 bytes from the operating system's generator.

    :raises VaultError: if the operating system gave no random bytes
    """

@final
class Hashing:
    """How recovery codes are hashed. Made by `argon2id` or `pbkdf2`."""

    def __new__(cls, scheme: Literal["argon2id", "pbkdf2"], *costs: int) -> Self: ...
    @staticmethod
    def argon2id(memory_kib: int = 19456, passes: int = 2, lanes: int = 1) -> Hashing:
        """Argon2id (RFC 9106). The defaults are OWASP's: 19 MiB, two passes, one lane, about 20 ms.

        :param memory_kib: memory in KiB, 8 a lane to 262144
        :param passes: 1 to 64
        :param lanes: 1 to 64; they are computed one after the other
        :raises ValueError: if a cost is out of its range
        """

    @staticmethod
    def pbkdf2(iterations: int = 600000) -> Hashing:
        """PBKDF2 with HMAC-SHA-256 (RFC 8018), for where FIPS 140 is asked for. The default is OWASP's.

        :param iterations: 1000 to 10000000
        :raises ValueError: if it is out of its range
        """

    @property
    def scheme(self) -> Literal["argon2id", "pbkdf2"]:
        """ "argon2id" or "pbkdf2"."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    def __reduce__(self) -> tuple[type[Hashing], tuple[str | int, ...]]: ...

@final
class Keyring:
    """Keys, of which the first seals and all open: ``Keyring(keys)`` takes their text forms, as a list or in one text,
    separated by white space or commas.

    Every method checks natively what it opens: the secret never becomes a Python object, except in `reveal`. An `owner`
    is ``(tenant, user_id, factor_id)``; the tenant may be empty.

    :raises KeyringError: for what is no key, a key that is not random or stands twice, or no key at all
    """

    def __new__(cls, keys: str | Iterable[str]) -> Self: ...
    @staticmethod
    def from_env(name: str = "FERROTP_KEYS") -> Keyring:
        """The keys in an environment variable.

        :raises KeyringError: if it is not set, or as the class does
        """

    @staticmethod
    def from_file(path: str | PathLike[str], *, allow_group: bool = False) -> Keyring:
        """The keys in a file, where ``#`` begins a comment. On POSIX nobody but its owner may have access to it.

        :param path: of a regular file of at most 64 KiB
        :param allow_group: let its group read it (mode 0440)
        :raises KeyringError: if it cannot be read or others can, or as the class does
        """

    @staticmethod
    def from_bytes(key: bytes | bytearray, *older: bytes | bytearray) -> Keyring:
        """Keys of 32 bytes each, the first of which seals.

        :raises KeyringError: as the class does
        """

    @staticmethod
    def generate() -> Keyring:
        """A keyring of one new key. Save what `export` gives: without it, what the key sealed is lost.

        :raises VaultError: if the operating system gave no random bytes
        """

    def export(self) -> str:
        """All keys in one text, which the class takes. It shows the keys: who has it opens every record."""

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The ids of all keys, the one that seals first."""

    @property
    def writes_with(self) -> str:
        """The id of the key that seals."""

    def new_secret(
        self,
        owner: _Owner,
        *,
        kind: _Kind = "totp",
        algorithm: str = "SHA1",
        digits: int = 6,
        period: int = 30,
        length: int = 20,
    ) -> bytes:
        """Seals a new secret from the operating system's generator.

        :param kind: "totp" or "hotp"
        :param algorithm: "SHA1", "SHA256" or "SHA512"
        :param digits: 6 to 10
        :param period: seconds of a time step; not used for HOTP
        :param length: bytes, 16 to 128; RFC 4226 recommends 20
        :returns: the sealed record
        :raises ValueError: if an argument is out of its range
        """

    def seal(
        self,
        owner: _Owner,
        secret: bytes | bytearray,
        *,
        kind: _Kind = "totp",
        algorithm: str = "SHA1",
        digits: int = 6,
        period: int = 30,
    ) -> bytes:
        """Seals a secret that is there already. A bytearray can be wiped afterwards, bytes cannot.

        :param secret: 10 to 128 bytes
        :param kind: "totp" or "hotp"
        :param algorithm: "SHA1", "SHA256" or "SHA512"
        :param digits: 6 to 10
        :param period: seconds of a time step; not used for HOTP
        :returns: the sealed record
        :raises ValueError: if an argument is out of its range
        """

    def reveal(self, owner: _Owner, sealed: _Sealed) -> OTPSecret:
        """The secret as Python objects, which cannot be wiped: for enrolment, when the user sees it, and for export.

        :raises SealedRecordError: if the record does not open for this owner
        """

    def match_totp(
        self, owner: _Owner, sealed: _Sealed, code: str, now: int, behind: int, ahead: int, last_step: int = -1
    ) -> tuple[int, int | None]:
        """The time step of `now`, and the step of the window whose code is `code`, or None.

        All codes of the window are compared, in a time that does not tell which one matched. The step is what must not
        be accepted again, nor any before it: keeping it is the caller's part. Two steps may have the same code: the
        earliest that is newer than `last_step` is given, or if none is newer, the newest.

        :param code: exactly as many ASCII digits as the codes have; anything else matches nothing
        :param now: Unix time in whole seconds, from the server's clock
        :param behind: how many steps before it may match, at most 1000
        :param ahead: how many steps after it, at most 1000
        :param last_step: the last step accepted, -1 if there is none
        :raises SealedRecordError: if the record does not open for this owner, or holds an HOTP secret
        :raises ValueError: if a number is negative, or a window too wide
        :raises OverflowError: if a number does not fit into 64 bits
        """

    def match_totp_pair(
        self,
        owner: _Owner,
        sealed: _Sealed,
        code: str,
        next_code: str,
        now: int,
        behind: int,
        ahead: int,
        last_step: int = -1,
    ) -> tuple[int, int | None]:
        """The time step of `now`, and the step of `next_code` where `code` and `next_code` are of two steps in a row,
        the second of them in the window, or None. The rest is as for `match_totp`: neither step of the pair may have
        been accepted.

        :param now: Unix time in whole seconds, from the server's clock
        :param behind: how many steps before it `next_code` may be of, at most 1000
        :param ahead: how many steps after it, at most 1000
        :param last_step: the last step accepted, -1 if there is none
        :raises SealedRecordError: if the record does not open for this owner, or holds an HOTP secret
        :raises ValueError: if a number is negative, or a window too wide
        :raises OverflowError: if a number does not fit into 64 bits
        """

    def match_hotp(self, owner: _Owner, sealed: _Sealed, code: str, first: int, look_ahead: int) -> int | None:
        """The earliest counter from `first` to `first` + `look_ahead` whose code is `code`, or None.

        :param code: exactly as many ASCII digits as the codes have; anything else matches nothing
        :param look_ahead: at most 1000
        :raises SealedRecordError: if the record does not open for this owner, or holds a TOTP secret
        :raises ValueError: if a number is negative, or the window too wide
        :raises OverflowError: if a number does not fit into 64 bits
        """

    def resync_hotp(
        self, owner: _Owner, sealed: _Sealed, code: str, next_code: str, first: int, window: int
    ) -> int | None:
        """The counter of `next_code`, where `code` and `next_code` are two in a row (RFC 4226, section 7.4), or None.

        :param first: the first counter that `code` may have
        :param window: how many counters after it, at most 1000
        :raises SealedRecordError: if the record does not open for this owner, or holds a TOTP secret
        :raises ValueError: if a number is negative, or the window too wide
        :raises OverflowError: if a number does not fit into 64 bits
        """

    def new_recovery_codes(
        self, tenant: str, user_id: str, count: int = 10, *, hashing: Hashing
    ) -> list[tuple[str, str, bytes]]:
        """New recovery codes, whose selectors differ. It takes a hash for each; other threads run meanwhile.

        :param count: 1 to 100
        :returns: for each the code to show once, its selector to store in clear, and the sealed record of its hash
        :raises ValueError: if an argument is out of its range
        """

    def check_recovery_code(self, tenant: str, user_id: str, selector: str, sealed: _Sealed, code: str) -> bool:
        """Whether `code`, as typed, is the code of a sealed record. It takes a hash; other threads run meanwhile.

        :param selector: the one stored beside the record; `recovery_selector` finds it from the typed code
        :raises SealedRecordError: if the record does not open for this user and selector
        """

    def hash_recovery_codes(
        self, tenant: str, user_id: str, codes: Iterable[str], *, hashing: Hashing
    ) -> list[tuple[str, bytes]]:
        """Records of recovery codes that another system made. It takes a hash for each; other threads run meanwhile.

        :param codes: 1 to 100 of at most 64 bytes each; case, spaces and hyphens do not count
        :returns: for each its selector, which says nothing of it, and the sealed record of its hash
        :raises TypeError: if `codes` is one str: its characters would be the codes
        :raises ValueError: if there are more, or one is empty or longer
        """

    def find_recovery_code(
        self, tenant: str, user_id: str, records: Sequence[tuple[str, _Sealed]], code: str
    ) -> str | None:
        """The selector of the record, of those of `hash_recovery_codes`, whose code this is, or None. It takes one hash
        for all that were made together; other threads run meanwhile.

        :param records: pairs of selector and sealed record
        :raises SealedRecordError: if one of them does not open for this user and selector
        """

    def dummy_check(self, hashing: Hashing) -> None:
        """The work of a `check_recovery_code`, for a code whose selector is not there: it then takes as long."""

    @staticmethod
    def recovery_selector(code: str) -> str | None:
        """The selector of a recovery code as typed, or None for what is none."""

    def mac(self, key_id: str, label: str, texts: tuple[str, ...]) -> bytes | None:
        """HMAC-SHA-256 of texts, each with its length, under a key that is derived for this label from one of the
        keyring: for a token that a client keeps. None if the keyring has no such key.

        :param key_id: of `key_ids`
        :returns: 32 bytes
        """

    def reseal(self, owner: _Owner, purpose: Literal["otp", "recovery"], sealed: _Sealed) -> bytes | None:
        """The same contents under the key that seals, or None if they are under it already. The record is opened in
        either case, so that a sweep finds a changed one.

        :param owner: of a recovery code's record, the selector is the factor
        :param purpose: "otp" or "recovery"
        :raises SealedRecordError: if the record does not open for this owner and purpose
        """

    @staticmethod
    def key_id(sealed: _Sealed) -> str:
        """The id of the key that sealed a record, read and not verified.

        :raises SealedRecordError: if it is no sealed record
        """

    def __reduce_ex__(self, protocol: object, /) -> NoReturn: ...
