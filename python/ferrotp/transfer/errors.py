"""What can be wrong with an export of accounts."""

from ._masking import masked


class TransferError(ValueError):
    """Base class of these errors. None of them holds a secret, so they may be logged.

    - `reason`: what is wrong
    - `format`: which format it was read as: "google", "aegis", "2fas", "pskc", "oath-csv", "uris", "qr", "bitwarden" …
    - `place`: where: a part, an entry, a line, an XML path; None for the input as a whole
    - `account`: the label of the account that it is about, where a field that is a label says it, without what looks
      like a secret
    """

    def __init__(self, reason: str, format: str = "", place: str | None = None, account: str | None = None) -> None:
        self.reason = reason
        self.format = format
        self.place = place
        self.account = None if account is None else masked(account)[:100]
        text = f"{format}: {reason}" if format else reason
        if place:
            text += f" (at {place})"
        if self.account:
            text += f" (account {self.account!r})"
        super().__init__(text)

    def __reduce__(self) -> tuple[type["TransferError"], tuple[str, str, str | None, str | None]]:
        return type(self), (self.reason, self.format, self.place, self.account)


class UnknownFormatError(TransferError):
    """The input is in none of the known formats, or says too little to tell."""


class MalformedError(TransferError):
    """The input breaks the rules of its format."""


class UnsupportedError(TransferError):
    """The input says something that has no meaning here, or that the other format cannot say: an algorithm, a kind
    of code, a version."""


class BatchError(TransferError):
    """Parts of a batch are missing, or contradict each other."""


class LimitError(TransferError):
    """The input is larger, deeper or longer than any honest one."""


class EncryptedError(TransferError):
    """The export is encrypted, and cannot be opened with what was given."""


class WrongKeyError(EncryptedError):
    """The given key or password does not open the export, or the export was changed."""


class RefusedError(TransferError):
    """`Account.otp` cannot make an object: pyotp's rules refuse the secret, the digits or the period."""


class MissingExtraError(TransferError):
    """A package is not installed that this needs."""
