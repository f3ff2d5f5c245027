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
_BETWEEN = re.compile(r"[\W_]+")
# One shorter than this is found in half of all labels; and a part of a label shorter than that in many secrets.
_SHORTEST, _SHORTEST_PART = 4, 8


def likenesses(text: str) -> list[str]:
    """The parts of a text that look like a secret."""
    return _LIKE_A_SECRET.findall(text)


def masked(text: str) -> str:
    """A text without what looks like a secret."""
    return _LIKE_A_SECRET.sub("…", text)


def label_without(label: str, *secrets: object) -> str:
    """A label, unless a secret stands in it, however it is grouped, or it is a part of one: then nothing."""
    if not label:
        return label
    plain = _letters(label)
    parts = [letters for letters in map(_letters, label.split(":")) if len(letters) >= _SHORTEST_PART]
    for secret in secrets:
        if not isinstance(secret, str) or len(letters := _letters(secret)) < _SHORTEST:
            continue
        # A URI holds its label.
        if letters in plain or ("://" not in secret and any(part in letters for part in parts)):
            return ""
    return label


def _letters(text: str) -> str:
    return _BETWEEN.sub("", text).casefold()
