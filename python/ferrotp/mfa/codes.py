"""Codes as people type them."""

import unicodedata

LONGEST = 64
"""Characters that are looked at. No code is longer, and work on a text of any length is an attack."""

_BETWEEN = frozenset(" -\t\r\n\u00a0\u2009\u200b\u202f\u2060\u3000\ufeff")


def typed_digits(text: object) -> str:
    """The ASCII digits of ``492 039``, ``492-039``, full-width or Arabic digits. Empty for what is no code.

    The text is never what tells a code from a used one: one code has many spellings, but one time step.
    """
    if not isinstance(text, str) or len(text) > LONGEST:
        return ""
    if text.isascii() and text.isdigit():
        return text
    digits = []
    for character in text:
        if character not in _BETWEEN:
            value = unicodedata.decimal(character, -1)
            if value < 0:
                return ""
            digits.append(str(value))
    return "".join(digits)
