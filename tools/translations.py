"""The words in other languages, from their sources to the files that programs read.

    python tools/translations.py             brings templates (.pot), catalogues (.po) and the .mo of these up to date
    python tools/translations.py --check     changes nothing; names what is not up to date, or not translated

A new or changed sentence is empty, or fuzzy, in each .po until a translator has written it; then run this once more.
"""

import ast
import re
import struct
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from babel.messages.pofile import read_po

from ferrotp.web.texts import ENGLISH

PACKAGE = Path(__file__).parent.parent / "python" / "ferrotp"
SHARED = PACKAGE / "web" / "locale"
ADMIN = PACKAGE / "django" / "locale"
_FUNCTIONS = {"_", "word", "lazy_word", "counted_word"}
"""Those of `ferrotp.django.words`."""
_IN_TEMPLATES = re.compile(
    r'{% translate "([^"]+)" context "ferrotp" %}|{% blocktranslate context "ferrotp" %}(.*?){% endblocktranslate %}'
)


@dataclass(frozen=True)
class Message:
    """A sentence to be translated."""

    context: str
    text: str
    plural: str = ""

    @property
    def key(self) -> str:
        """What a .mo knows it by."""
        return f"{self.context}\x04{self.text}" + (f"\0{self.plural}" if self.plural else "")

    @property
    def flags(self) -> list[str]:
        """What msgfmt shall look at."""
        if self.context == "ferrotp":
            return ["python-format"] if "%" in self.text else []
        return ["python-brace-format"] if "{" in self.text + self.plural else []


@dataclass
class Language:
    """A catalogue as its translator left it: texts by message, one for each plural."""

    name: str
    plurals: str
    texts: dict[Message, tuple[str, ...]] = field(default_factory=dict)
    fuzzy: dict[Message, tuple[str, ...]] = field(default_factory=dict)

    @property
    def header(self) -> str:
        """For both files; it says nothing of when."""
        return (
            "Project-Id-Version: ferrotp\nPO-Revision-Date: 2026-11-28 00:00+0000\n"
            f"Last-Translator: The ferrotp developers\nLanguage-Team: {self.name}\nLanguage: {self.name}\n"
            "MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n"
            f"Plural-Forms: {self.plurals}\n"
        )


def shared_messages() -> list[Message]:
    """Those of the pages and mails: the context is the message id."""
    found = []
    for name, text in ENGLISH.items():
        stem, _, number = name.rpartition(".")
        if number == "one" and f"{stem}.other" in ENGLISH:
            found.append(Message(stem, text, ENGLISH[f"{stem}.other"]))
        elif number != "other" or f"{stem}.one" not in ENGLISH:
            found.append(Message(name, text))
    return found


def admin_messages() -> list[Message]:
    """Those of Django's admin, by reading its code and its templates; sorted, so that code may move."""
    return sorted({*_in_code(), *_in_templates()}, key=lambda message: message.key)


def _in_code() -> Iterator[Message]:
    for folder in (PACKAGE / "django", PACKAGE / "adapters" / "django_otp"):
        for path in sorted(folder.rglob("*.py")):
            source = path.read_text("utf-8")
            if "words import" not in source:
                continue
            for call in ast.walk(ast.parse(source)):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in _FUNCTIONS:
                    texts = [node.value for node in call.args if isinstance(node, ast.Constant)]
                    yield Message("ferrotp", *[text for text in texts if isinstance(text, str)])


def _in_templates() -> Iterator[Message]:
    for path in sorted((PACKAGE / "django" / "templates" / "admin").rglob("*.html")):
        for plain, block in _IN_TEMPLATES.findall(path.read_text("utf-8")):
            yield Message("ferrotp", plain or re.sub(r"{{ (\w+) }}", r"%(\1)s", block))


def read(path: Path, messages: Iterable[Message]) -> Language:
    """A catalogue, with a place for each message: the text of a sentence that is another now is fuzzy."""
    with path.open("rb") as opened:
        catalogue = read_po(opened)
    found = Language(path.parents[1].name, catalogue.plural_forms)
    by_context = {message.context: message for message in catalogue}
    for message in messages:
        old = catalogue.get(message.text, message.context)
        if old is None or (message.plural and old.id[1:] != (message.plural,)):
            old = by_context.get(message.context) if message.context != "ferrotp" else None
            texts = () if old is None else _texts(old.string)
            found.fuzzy[message] = texts if len(texts) == _count(message, found) else ("",) * _count(message, found)
            continue
        (found.fuzzy if old.fuzzy else found.texts)[message] = _texts(old.string)
    return found


def _texts(string: object) -> tuple[str, ...]:
    return tuple(string) if isinstance(string, (tuple, list)) else (str(string),)


def _count(message: Message, language: Language) -> int:
    return int(re.findall(r"nplurals=(\d)", language.plurals)[0]) if message.plural else 1


def written(language: Language | None, messages: Iterable[Message]) -> str:
    """The .po; the .pot, where there is no language."""
    header = (language or Language("", "nplurals=2; plural=(n != 1);")).header
    lines = ["# Written by python tools/translations.py, but for what the translators say.", 'msgid ""', 'msgstr ""']
    lines += [_quoted(line) for line in header.splitlines(keepends=True)]
    for message in messages:
        texts: tuple[str, ...] = ("", "") if message.plural else ("",)
        flags = message.flags
        if language is not None and message in language.texts:
            texts = language.texts[message]
        elif language is not None:
            texts = language.fuzzy[message]
            flags = ["fuzzy", *flags] if any(texts) else flags
        lines += ["", *([f"#, {', '.join(flags)}"] if flags else []), f"msgctxt {_quoted(message.context)}"]
        lines.append(f"msgid {_quoted(message.text)}")
        lines += [f"msgid_plural {_quoted(message.plural)}"] if message.plural else []
        names = [f"msgstr[{place}]" for place in range(len(texts))] if message.plural else ["msgstr"]
        lines += [f"{name} {_quoted(text)}" for name, text in zip(names, texts, strict=True)]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def compiled(language: Language) -> bytes:
    """The .mo, as msgfmt makes it: of what is translated."""
    texts = {"": language.header}
    texts |= {message.key: "\0".join(given) for message, given in language.texts.items() if all(given)}
    entries = [(key.encode(), texts[key].encode()) for key in sorted(texts, key=str.encode)]
    start = 28 + 16 * len(entries)
    tables: list[bytes] = []
    data = b""
    for column in (0, 1):
        for entry in entries:
            tables.append(struct.pack("<2I", len(entry[column]), start + len(data)))
            data += entry[column] + b"\0"
    head = struct.pack("<7I", 0x950412DE, 0, len(entries), 28, 28 + 8 * len(entries), 0, start)
    return head + b"".join(tables) + data


def files() -> dict[Path, bytes]:
    """Every file of translations, as it should be."""
    made: dict[Path, bytes] = {}
    for folder, domain, messages in ((SHARED, "ferrotp", shared_messages()), (ADMIN, "django", admin_messages())):
        made[folder / f"{domain}.pot"] = written(None, messages).encode()
        for path in sorted(folder.glob(f"*/LC_MESSAGES/{domain}.po")):
            language = read(path, messages)
            made[path] = written(language, messages).encode()
            made[path.with_suffix(".mo")] = compiled(language)
    return made


def untranslated() -> list[str]:
    """What translators have to do."""
    found = []
    for folder, domain, messages in ((SHARED, "ferrotp", shared_messages()), (ADMIN, "django", admin_messages())):
        for path in sorted(folder.glob(f"*/LC_MESSAGES/{domain}.po")):
            language = read(path, messages)
            todo = [message for message in messages if not all(language.texts.get(message, ("",)))]
            found += [f"{language.name}: {message.context}: {message.text}" for message in todo]
    return found


def main(arguments: list[str]) -> int:
    """Brings them up to date, or says what is not."""
    changed = [path for path, content in files().items() if not path.exists() or path.read_bytes() != content]
    if "--check" not in arguments:
        for path, content in files().items():
            path.write_bytes(content)
    for path in changed:
        print(f"{path.relative_to(PACKAGE)}: {'is old' if '--check' in arguments else 'written'}")
    missing = untranslated()
    for line in missing:
        print(f"not translated: {line}")
    return 1 if missing or (changed and "--check" in arguments) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
