"""URIs as apps write them, one a line: ``otpauth://`` in all its dialects, ``steam://``, and ``otpauth-migration://``.

`ferrotp.parse_uri` is pyotp's, and refuses or misreads most of these. Here an oddity is a `Note`, and what could be
read in two ways, with different codes, an error: nothing is guessed in silence.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from .._tracebacks import without_frames
from . import google
from ._common import OnError, algorithm_of, base32, hexadecimal, taken, tried
from ._contents import Contents
from ._frame import MAX_COUNTER, MAX_PERIOD, Options, Results
from ._masking import label_without, masked
from .account import Account, Kind
from .errors import MalformedError, TransferError, UnsupportedError
from .notes import Note, OnNote

FORMAT = "uris"
_KINDS: dict[str, Kind] = {"totp": "totp", "hotp": "hotp", "steam": "steam"}
_OTHER_KINDS = {"motp": "mOTP", "yaotp": "Yandex.Key", "yandex": "Yandex.Key", "ocra": "OCRA"}
_NAMES = ("secret", "issuer", "algorithm", "digits", "period", "counter", "encoder")
# Of an app's looks: they change no code.
_HARMLESS = {"image", "icon", "codedisplay", "color", "tag", "tags", "group", "logo"}
_QUERY = re.compile(rf"\?(?=(?:[A-Za-z_]+=[^?]*&)?(?:{'|'.join(_NAMES)})=)", re.IGNORECASE)
_LONGEST = 20_000
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
# An ordinary URI: nothing in it is odd, and it is read at once.
_ORDINARY = re.compile(
    r"otpauth://(totp|hotp)/(?:([\w.@ -]+):)?([\w.@ +-]+)\?secret=([A-Z2-7]+)(?:&issuer=([\w.@ -]+))?"
    r"(?:&algorithm=(SHA1|SHA256|SHA512))?(?:&digits=([678]))?(?:&(period|counter)=(\d{1,9}))?"
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a URI says: an account, or the error in its place, and what is odd."""

    account: Account | None
    error: TransferError | None
    notes: tuple[Note, ...]


@without_frames
def decode(
    data: bytes | str | Iterable[str], on_error: OnError | None = None, *, on_note: OnNote | None = None
) -> list[Account]:
    """The accounts of a text with a URI in each line, or of a list of URIs. Empty lines and comments, which begin with
    ``#`` or ``//``, do not count.

    :param on_error: called with each line's error, and the others are read; else the first error is raised
    :param on_note: called with what is odd in a line that is read
    :raises MalformedError: with the line, for what is no such URI
    """
    lines = Contents(data).lines(FORMAT) if isinstance(data, (bytes, str)) else data
    return list(read(lines, Options(on_note=on_note), on_error))


def read(lines: Iterable[str], options: Options, on_error: OnError | None) -> Iterator[Account]:
    """The same, one at a time: those of Google's exports last, since the parts of one may stand anywhere."""
    parts: list[str] = []
    others = without_parts(lines, lambda _, part: parts.append(part))
    yield from taken(lines_accounts(others, options), FORMAT, on_error)
    if parts:
        yield from google.read(parts, on_error)


def without_parts(lines: Iterable[str], on_part: Callable[[int, str], object]) -> Iterator[str]:
    """The lines, with an empty one in the place of each part of Google's exports.

    :param on_part: called with the number of the part's line, and its text
    """
    for number, line in enumerate(lines, 1):
        if line.strip("\ufeff \t\r\n").startswith(google.PREFIX):
            on_part(number, line.strip("\ufeff \t\r\n"))
            yield ""
        else:
            yield line


@without_frames
def explain(uri: str) -> Reading:
    """What one URI says, with a sentence for each oddity; also for a URI that is refused."""
    notes: list[Note] = []
    account = error = None
    try:
        account = account_of(uri.strip(), FORMAT, None, Options(on_note=notes.append))
    except TransferError as failure:
        failure.__context__ = failure.__cause__ = None
        error = failure.with_traceback(None)
    return Reading(account, error, tuple(notes))


def begins(line: str) -> bool:
    """Whether a line was meant as a URI of these kinds."""
    return line.lstrip("\ufeff \t")[:24].lower().startswith(("otpauth", "apple-otpauth:", "steam://", "motp://"))


def are_uris(file: Contents) -> bool:
    """Whether the first line that says anything was meant as a URI."""
    return begins(next((line for line in file.lines(FORMAT) if not is_comment(line)), ""))


def is_comment(line: str) -> bool:
    """Whether a line says nothing: it is empty, or a comment."""
    line = line.strip("\ufeff \t\r\n")
    return not line or line.startswith(("#", "//"))


def lines_accounts(lines: Iterable[str], options: Options, format: str = FORMAT) -> Results:
    """What each line says, except for comments."""

    def account(item: tuple[int, str]) -> Account | None:
        number, line = item
        if is_comment(line):
            return None
        return account_of(line.strip("\ufeff \t\r\n"), format, f"line {number}", options)

    return tried(account, enumerate(lines, 1))


def value_account(
    text: str, format: str, place: str, options: Options, issuer: str, name: str, private: tuple[object, ...] = ()
) -> Account:
    """The account of a field that holds a URI, a bare secret in base32, or KeeOtp's ``key=…&size=…&step=…``.

    :param issuer: and `name`, what the entry is called, where the URI does not say it
    :param private: what else is shown nowhere: the entry's password
    """
    text = text.strip()
    if text.startswith("key="):
        text = f"otpauth://totp/?{_from_keeotp(text)}"
    if "://" in text:
        return account_of(text, format, place, options, issuer, name, private)
    secret = base32("".join(text.split()))
    if not secret:
        label = label_without(":".join(filter(None, (issuer, name))), text, *private) or None
        raise MalformedError("neither an otpauth URI nor a secret in base32", format, place, label)
    return Account(secret, name, issuer or None)


def _from_keeotp(text: str) -> str:
    names = {"key": "secret", "size": "digits", "step": "period", "otphashmode": "algorithm"}
    pairs = (part.partition("=") for part in text.split("&"))
    return "&".join(f"{names.get(name.lower(), name)}={value}" for name, _, value in pairs)


def account_of(
    uri: str,
    format: str,
    place: str | None,
    options: Options,
    issuer: str = "",
    name: str = "",
    private: tuple[object, ...] = (),
) -> Account:
    """The account of a URI.

    :param issuer: and `name`, where the URI does not say them
    :param private: what is shown nowhere, not even where it stands in a label
    """
    found = _ORDINARY.fullmatch(uri) if len(uri) < 2_000 else None
    if found and (account := _ordinary(found)) and account.name:
        return account if account.issuer or not issuer else account.with_names(issuer, account.name)
    return _Uri(uri, format, place, options, private).account(issuer, name)


def _ordinary(found: "re.Match[str]") -> Account | None:
    kind, before, name, text, issuer, algorithm, digits, moving, number = found.groups()
    if (before or issuer or "").lower() == "steam" or (issuer and before and issuer != before):
        return None
    if name != name.strip() or len(text) % 8 in (1, 3, 6) or label_without(name, text) != name:
        return None
    if (moving == "period") != (kind == "totp") if moving else kind == "hotp":
        return None
    secret = base32(text)
    if not secret or (moving == "period" and int(number) < 1):
        return None
    period, counter = (int(number), 0) if moving == "period" else (30, int(number or 0))
    kind = _KINDS[kind]
    return Account(secret, name, issuer or before or None, kind, algorithm or "SHA1", int(digits or 6), period, counter)


class _Uri:
    """One URI that is being read."""

    def __init__(self, uri: str, format: str, place: str | None, options: Options, private: tuple[object, ...]) -> None:
        self._uri, self._format, self._place, self._options, self._private = uri, format, place, options, private
        self._called = ""

    def __repr__(self) -> str:
        return f"_Uri({self._place})"

    @property
    def _label(self) -> str | None:
        return label_without(self._called, *self._private) or None

    def _wrong(self, kind: type[TransferError], reason: str) -> TransferError:
        return kind(reason, self._format, self._place, self._label)

    def _note(self, kind: str, message: str, matters: bool = False) -> None:
        self._options.note(kind, message, self._place, self._label, matters)

    def account(self, issuer: str, name: str) -> Account:
        self._called = ":".join(filter(None, (issuer, name)))
        if len(self._uri) > _LONGEST:
            raise self._wrong(MalformedError, "the URI is too long")
        if _CONTROLS.search(self._uri):
            raise self._wrong(MalformedError, "there are control characters in the URI")
        kind, label, query = self._split()
        said = self._parameters(query)
        written = said.get("secret", "")
        self._private += (written,)
        own_issuer, own_name = self._names(label, said, written)
        issuer, name = own_issuer or issuer, own_name or name
        self._called = ":".join(filter(None, (issuer, name)))
        kind = self._kind(kind, said, issuer)
        secret = self._secret(written)
        algorithm = self._algorithm(said)
        digits = self._number(said, "digits", 5 if kind == "steam" else 6, 1, 10)
        period = self._number(said, "period", 30, 1, MAX_PERIOD) if kind != "hotp" else 30
        counter = self._number(said, "counter", 0, 0, MAX_COUNTER) if kind == "hotp" else 0
        if kind == "steam" and (digits, period, algorithm) != (5, 30, "SHA1"):
            raise self._wrong(UnsupportedError, "Steam's codes have 5 letters, 30 seconds and SHA1")
        if kind == "hotp" and not said.get("counter"):
            self._note("no-counter", "an HOTP URI must say its counter: 0 was taken", matters=True)
        if kind == "totp" and digits == 5:
            self._note("five-digits", "codes have 5 digits, as Steam's have letters: taken as digits", matters=True)
        if kind != "hotp" and said.get("counter"):
            self._note("stray-counter", "a counter in a URI that is not HOTP: passed over")
        if kind == "hotp" and said.get("period"):
            self._note("stray-period", "a period in a URI that is HOTP: passed over")
        return Account(secret, name, issuer or None, kind, algorithm, digits, period, counter)

    def _split(self) -> tuple[str, str, str]:
        """The kind, the label as it is written, and the parameters as they are written."""
        scheme, colon, rest = self._uri.partition("://")
        if scheme.lower() == "steam" and colon:
            self._note("steam-uri", "a steam:// URI, as password managers keep Steam's secrets: it has no name")
            text, _, query = rest.partition("?")
            return "steam", "", f"secret={text.strip('/')}" + (f"&{query}" if query else "")
        if scheme.lower() == "motp" and colon:
            raise self._wrong(UnsupportedError, "mOTP is another kind of code, which ferrotp does not make")
        if scheme.lower() not in ("otpauth", "apple-otpauth") or not colon:
            raise self._wrong(MalformedError, "not an otpauth URI")
        if scheme != "otpauth":
            self._note("scheme", "the scheme is not written otpauth: some apps refuse it")
        at = _QUERY.search(rest)
        head, query = (rest[: at.start()], rest[at.end() :]) if at else (rest, "")
        if not at:
            head, mark, query = rest.partition("?")
            if not mark and "secret=" in rest.lower():
                raise self._wrong(MalformedError, "there is no question mark before the parameters")
        kind, _, label = head.partition("/")
        if kind.lower() in _OTHER_KINDS:
            other = _OTHER_KINDS[kind.lower()]
            raise self._wrong(UnsupportedError, f"{other} is another kind of code, which ferrotp does not make")
        if kind.lower() not in _KINDS:
            raise self._wrong(UnsupportedError, "not a supported OTP type: totp, hotp or steam")
        if kind not in _KINDS:
            self._note("kind-case", "the kind is not in small letters: some apps refuse it")
        if kind.lower() == "steam":
            self._note("steam-host", "otpauth://steam/ is an app's own form: few read it")
        if any(letter in label for letter in "#&? "):
            self._note("raw-character", "the label has a character that must be percent-encoded: #, &, ? or a space")
        return kind.lower(), label, query

    def _parameters(self, query: str) -> dict[str, str]:
        """By their names in small letters, decoded. A raw ``&`` in a value is put back."""
        if "#" in query:
            self._note(
                "raw-character", "a parameter has a raw #: taken as part of its value, where some apps stop reading"
            )
        parts: list[list[str]] = []
        for part in query.split("&"):
            key, equals, value = part.partition("=")
            if equals or not parts:
                parts.append([key, value])
            elif part:
                parts[-1][1] += f"&{part}"
                self._note(
                    "raw-ampersand", "a parameter has a raw &: taken as part of its value, where most apps cut it off",
                    matters=True,
                )  # fmt: skip
        said: dict[str, str] = {}
        for key, value in parts:
            plain = key.strip().lower()
            if plain not in _NAMES:
                if key and plain not in _HARMLESS:
                    shown = masked(key)[:40] if key.isascii() and key.isprintable() else "…"
                    self._note("unknown-parameter", f"apps do not know: {shown}")
                elif plain == "codedisplay" and '"trashed":true' in self._decoded(value, plus=True).replace(" ", ""):
                    self._note("trashed", "it was in the app's trash", matters=True)
                continue
            if key != plain:
                self._note("parameter-case", f"the parameter {plain} is not in small letters: some apps pass it over")
            if plain == "issuer" and "+" in value:
                self._note("plus-sign", "a plus in the issuer: read as a space, as most apps do", True)
            value = self._decoded(value, plus=True)
            if plain in said and said[plain] != value:
                raise self._wrong(MalformedError, f"not a valid otpauth URI: duplicate {plain} parameter")
            if plain in said:
                self._note("twice", f"the parameter {plain} stands twice, and says the same")
            said[plain] = value
        return said

    def _decoded(self, text: str, plus: bool = False) -> str:
        if plus:
            text = text.replace("+", " ")
        if "%" not in text and text.isascii():
            return text
        if "%" in text and re.search(r"%(?![0-9A-Fa-f]{2})", text):
            self._note("percent", "a percent sign that encodes nothing: taken as itself")
        try:
            return unquote_to_bytes(text).decode()
        except UnicodeDecodeError:
            self._note("not-utf8", "what is percent-encoded is not UTF-8: taken as Latin-1", matters=True)
            return unquote_to_bytes(text).decode("latin-1")
        except UnicodeEncodeError:
            raise self._wrong(MalformedError, "the URI has half a character in it") from None

    def _names(self, written: str, said: dict[str, str], secret: str) -> tuple[str, str]:
        """Issuer and name. The parameter counts more than what stands in the label, as the format's own page says."""
        said_issuer = said.get("issuer", "")
        label = self._decoded(written)
        private = label_without(label, secret)
        if label and not private:
            self._note("secret-in-label", "the secret stands in the label, where everybody sees it")
        before, colon, after = written.partition(":")
        if colon:
            before, after = self._decoded(before), self._decoded(after)
        elif ":" in label:
            before, colon, after = label.partition(":")
            self._note(
                "encoded-colon", "the colon between issuer and name is written %3A: some apps read one name", True
            )
        else:
            before, after = "", label
        if ":" in after:
            if said_issuer and label.startswith(f"{said_issuer}:"):
                before, after = said_issuer, label[len(said_issuer) + 1 :]
            else:
                self._note("several-colons", "the label has several colons: the issuer ends at the first", True)
        before, after = before.strip(), after.strip()
        if said_issuer != said_issuer.strip():
            self._note("spaces", "there are spaces around the issuer: taken without them")
            said_issuer = said_issuer.strip()
        if said_issuer and before and before != said_issuer:
            self._note(
                "issuer-mismatch", "the label names another issuer than the parameter, which was taken", matters=True
            )
        return said_issuer or before, after

    def _kind(self, kind: str, said: dict[str, str], issuer: str) -> Kind:
        encoder = said.get("encoder", "")
        if encoder and encoder.lower() != "steam":
            raise self._wrong(UnsupportedError, "an encoder of codes that ferrotp does not know")
        if encoder and kind == "totp":
            return "steam"
        if kind == "totp" and issuer.strip().lower() == "steam":
            if said.get("digits", "5") in ("5", ""):
                self._note(
                    "steam-by-issuer",
                    "the issuer is Steam: taken as Steam's codes, five letters, as the apps do that write it so",
                    matters=True,
                )
                return "steam"
            self._note("steam-digits", "the issuer is Steam, and the codes are not five letters: taken as digits", True)
        return _KINDS[kind]

    def _secret(self, text: str) -> bytes:
        if not text.strip():
            raise self._wrong(MalformedError, "not a valid otpauth URI: no secret found in URI")
        plain = text.replace(" ", "").replace("-", "")
        for kind, is_odd, what in (
            ("secret-spaces", " " in text, "spaces"),
            ("secret-hyphens", "-" in text, "hyphens"),
            ("padding", "=" in plain, "padding"),
            ("secret-case", plain != plain.upper(), "small letters"),
        ):
            if is_odd:
                self._note(kind, f"the secret has {what}: some apps refuse it")
        secret = base32(plain)
        if secret:
            return secret
        from_hex = hexadecimal(plain.removeprefix("0x"))
        if from_hex and len(from_hex) >= 10:
            self._note("hex-secret", "the secret is no base32, and is hexadecimal: taken so", matters=True)
            return from_hex
        if not re.search(r"[^A-Za-z0-9=]", plain) and re.search(r"[0189]", plain):
            raise self._wrong(
                MalformedError, "the secret is not base32: it has one of 0, 1, 8 and 9, which is a typing error"
            )
        if not re.search(r"[^A-Za-z2-7=]", plain):
            raise self._wrong(MalformedError, "the secret is not base32: of this length it is cut off")
        raise self._wrong(MalformedError, "the secret is not base32")

    def _algorithm(self, said: dict[str, str]) -> str:
        text = said.get("algorithm", "")
        algorithm = "MD5" if text.strip().upper() in ("MD5", "HMACMD5") else algorithm_of(text)
        if algorithm is None:
            raise self._wrong(UnsupportedError, "the algorithm is not SHA1, SHA256 or SHA512")
        if text and text != algorithm:
            self._note("algorithm-spelling", f"the algorithm is {algorithm} in another spelling: some apps take SHA1")
        return algorithm

    def _number(self, said: dict[str, str], name: str, default: int, least: int, most: int) -> int:
        text = said.get(name, "").strip()
        if not text:
            if name in said:
                self._note("empty-parameter", f"the parameter {name} is empty: {default} was taken")
            return default
        if not (text.isascii() and text.isdigit() and len(text) <= 20):
            raise self._wrong(MalformedError, f"not a valid otpauth URI: the {name} is not a number")
        if not least <= int(text) <= most:
            what = "digits must be between 1 and 10" if name == "digits" else f"the {name} is out of range"
            raise self._wrong(UnsupportedError, what)
        return int(text)
