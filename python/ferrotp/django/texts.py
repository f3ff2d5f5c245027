"""The pages' words in the language of the reader: `ferrotp.web.texts`, by way of gettext.

The English text is the message id, so that a site translates it in a catalogue of its own.
"""

import sys
from collections.abc import Mapping

from django.utils.translation import gettext, ngettext

from ferrotp.web.texts import ENGLISH, Texts


def translate(message_id: str, text: str, values: Mapping[str, object]) -> str:
    """The text in the active language. What is counted takes that language's plurals."""
    stem, _, number = message_id.rpartition(".")
    count = values.get("count")
    if number in ("one", "other") and isinstance(count, int):
        return ngettext(ENGLISH[f"{stem}.one"], ENGLISH[f"{stem}.other"], count)
    return gettext(text)


texts = Texts(translate)


def catalogue() -> str:
    """All messages as a template for translators, as ``makemessages`` would write it."""
    lines = [
        "# The pages of ferrotp. Written by python -m ferrotp.django.texts",
        'msgid ""',
        'msgstr ""',
        '"Content-Type: text/plain; charset=UTF-8\\n"',
        '"Content-Transfer-Encoding: 8bit\\n"',
        '"Plural-Forms: nplurals=2; plural=(n != 1);\\n"',
        "",
    ]
    seen = set()
    for message_id, text in ENGLISH.items():
        stem, _, number = message_id.rpartition(".")
        if number == "other" and f"{stem}.one" in ENGLISH:
            continue
        if text in seen:
            continue
        seen.add(text)
        lines.append(f"#. {message_id}")
        if "{" in text:
            lines.append("#, python-brace-format")
        lines.append(f"msgid {_quoted(text)}")
        if number == "one":
            lines += [f"msgid_plural {_quoted(ENGLISH[stem + '.other'])}", 'msgstr[0] ""', 'msgstr[1] ""', ""]
        else:
            lines += ['msgstr ""', ""]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


if __name__ == "__main__":
    sys.stdout.write(catalogue())
