"""What looks like a secret, wherever it stands: it is shown in no error."""

import re

# Base32 as it is generated: capitals, or small letters with a digit among them, or too many for a word; the same in
# groups, as people type it; hexadecimal.
_LIKE_A_SECRET = re.compile(
    r"(?:otpauth|steam:)[^\s'\"]*"
    r"|[A-Z2-7]{12,}=*"
    r"|(?=[a-z]*[2-7])[a-z2-7]{12,}=*"
    r"|[A-Za-z2-7]{20,}=*"
    r"|[0-9A-Fa-f]{20,}"
    r"|\b[A-Za-z2-7]{4}(?:[ -][A-Za-z2-7]{4}){3,}\b"
    r"|\b[0-9A-Fa-f]{2}(?:[ :-][0-9A-Fa-f]{2}){7,}\b"
)
# One shorter than this is found in half of all labels.
_SHORTEST = 4


def likenesses(text: str) -> list[str]:
    """The parts of a text that look like a secret."""
    return _LIKE_A_SECRET.findall(text)


def masked(text: str) -> str:
    """A text without what looks like a secret."""
    return _LIKE_A_SECRET.sub("…", text)


def label_without(label: str, *secrets: object) -> str:
    """A label, unless one of these secrets stands in it: then nothing. However they are grouped."""
    plain = _letters(label)
    for secret in secrets:
        if isinstance(secret, str) and len(letters := _letters(secret)) >= _SHORTEST and letters in plain:
            return ""
    return label


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text)).casefold()
