"""`Note`: what was odd in what was read."""

from collections.abc import Callable
from dataclasses import dataclass

from ._masking import masked


@dataclass(frozen=True, slots=True)
class Note:
    """What is odd in an entry that was read all the same, and how it was taken. It holds no secret.

    - `kind`: a word for programs, such as "encoded-colon"
    - `message`: a sentence for people
    - `place`: where: a line, an entry; None for a single URI
    - `account`: the label of the account, where it has one
    - `matters`: another reading would give other codes, or the account another name
    """

    kind: str
    message: str
    place: str | None = None
    account: str | None = None
    matters: bool = False

    def __post_init__(self) -> None:
        if self.account is not None:
            object.__setattr__(self, "account", masked(self.account)[:100] or None)


OnNote = Callable[[Note], object]
