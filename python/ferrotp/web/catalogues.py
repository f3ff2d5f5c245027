"""The words in other languages: catalogues of gettext's, each of them whole, or not there."""

import gettext
import logging
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from string import Formatter

_OURS = Path(__file__).parent / "locale"
_FILE = "LC_MESSAGES/ferrotp.mo"
_COUNTS = (*range(102), 1_000_000)
"""Numbers among which there is one for each plural of any language."""
_WANTED = re.compile(r"([A-Za-z]{1,8}(?:[-_][A-Za-z0-9]{1,8})*)(?:;q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?")
"""A language as browsers send it, with how much it is wanted (RFC 9110, section 12.5.4)."""

_log = logging.getLogger("ferrotp.web")


@dataclass(frozen=True)
class Catalogue:
    """Every word in one language."""

    language: str
    """As ``lang`` has it (BCP 47): ``pt-BR``."""
    texts: Mapping[str, str] = field(repr=False)
    """By message id."""
    counted: Mapping[str, Callable[[int], str]] = field(repr=False)
    """The text for a number, by message id without ``.one`` and ``.other``."""


class Catalogues:
    """The languages that there are: ours, and the application's own.

    :param english: message id to text
    :param folders: of the application's own files, ``LANGUAGE/LC_MESSAGES/ferrotp.mo``: a sentence there goes before
        ours, and a language that we do not have is there if all of it is. The first folder goes before the others
    """

    def __init__(self, english: Mapping[str, str], folders: Iterable[str | Path] = ()) -> None:
        stems = {name.removesuffix(".one") for name in english if name.endswith(".one")}
        self._plurals = {stem: (english[f"{stem}.one"], english[f"{stem}.other"]) for stem in stems}
        counted = {f"{stem}.{number}" for stem in stems for number in ("one", "other")}
        self._english = {name: text for name, text in english.items() if name not in counted}
        self._files: dict[str, list[Path]] = {"en": []}
        self._names = {"en": "en"}
        self._faults: dict[str, str] = {}
        for folder in (_OURS, *reversed([Path(folder) for folder in folders])):
            for file in sorted(folder.glob(f"*/{_FILE}")):
                name = file.parents[1].name.replace("_", "-")
                self._files.setdefault(name.lower(), []).append(file)
                self._names.setdefault(name.lower(), name)
        self._found = lru_cache(maxsize=128)(self._find)
        self._load = lru_cache(maxsize=None)(self._read)

    def best(self, wanted: str) -> Catalogue:
        """The first of the wanted languages that is there; English, where none is.

        :param wanted: a tag (``de``, ``pt_BR``), or several as browsers send them: ``de-AT,de;q=0.9,en;q=0.8``. What
            is longer than anybody's list is cut
        """
        return self._found(wanted[:200])

    def _find(self, wanted: str) -> Catalogue:
        for tag in _in_order(wanted):
            for name in _names_of(tag):
                found = self._load(name) if name in self._files else None
                if found is not None:
                    return found
        english = self._load("en")
        assert english is not None  # noqa: S101 — it is whole before any file is read
        return english

    @property
    def languages(self) -> list[str]:
        """Those that are there, as ``lang`` has them."""
        return sorted(found.language for found in map(self._load, self._files) if found is not None)

    def faults(self) -> list[str]:
        """Which of the application's own files are not used, and why: a sentence each."""
        for name in self._files:
            self._load(name)
        return list(self._faults.values())

    def _read(self, name: str) -> Catalogue | None:
        texts: dict[str, str] = {}
        counted: dict[str, Callable[[int], str]] = {}
        if name.partition("-")[0] == "en":
            texts.update(self._english)
            counted.update({stem: _counting(gettext.NullTranslations(), stem, *self._plurals[stem])
                            for stem in self._plurals})  # fmt: skip
        parts = name.split("-")  # "de-at" is what is other than in "de"
        for file in [file for end in range(len(parts)) for file in self._files.get("-".join(parts[: end + 1]), [])]:
            try:
                with file.open("rb") as opened:
                    translations = gettext.GNUTranslations(opened)
            except (OSError, ValueError, LookupError, struct.error) as error:
                self._tell(str(file), f"{file} cannot be read: {error}.")
                continue
            translations.add_fallback(_Missing())
            texts.update(self._texts_of(translations))
            counted.update(self._counted_of(translations))
        missing = sorted((self._english.keys() - texts.keys()) | (self._plurals.keys() - counted.keys()))
        if missing:
            some = ", ".join(missing[:3]) + (" …" if len(missing) > 3 else "")
            self._tell(name, f"{self._names[name]} is not offered: {len(missing)} messages are missing ({some}).")
            return None
        return Catalogue(self._names[name], texts, counted)

    def _tell(self, about: str, fault: str) -> None:
        if about not in self._faults:
            self._faults[about] = fault
            _log.warning("%s", fault)

    def _texts_of(self, translations: gettext.GNUTranslations) -> Iterator[tuple[str, str]]:
        for name, english in self._english.items():
            try:
                text = translations.pgettext(name, english)
            except LookupError:
                continue
            if _fits(text, english):
                yield name, text

    def _counted_of(self, translations: gettext.GNUTranslations) -> Iterator[tuple[str, Callable[[int], str]]]:
        for stem, (one, other) in self._plurals.items():
            counting = _counting(translations, stem, one, other)
            try:
                texts = {counting(count) for count in _COUNTS}
            except LookupError:
                continue
            if all(_fits(text, other) for text in texts):
                yield stem, counting


class _Missing(gettext.NullTranslations):
    """The end of a chain: English does not stand in for what is missing."""

    def pgettext(self, context: str, message: str) -> str:
        raise LookupError(context)

    def npgettext(self, context: str, msgid1: str, msgid2: str, n: int) -> str:
        raise LookupError(context)


def _counting(translations: gettext.NullTranslations, stem: str, one: str, other: str) -> Callable[[int], str]:
    return lambda count: translations.npgettext(stem, one, other, count)


def _fits(text: str, english: str) -> bool:
    """Whether there is a text, and all that it asks for is given."""
    try:
        fields = {name for _, name, _, _ in Formatter().parse(text) if name is not None}
    except ValueError:  # a brace alone
        return False
    return bool(text) and fields <= {name for _, name, _, _ in Formatter().parse(english)}


def _in_order(wanted: str) -> list[str]:
    """The tags of a list, the most wanted one first."""
    found = [_WANTED.fullmatch(part) for part in wanted.replace(" ", "").split(",")]
    ranked = [(match[1], float(match[2] or 1)) for match in found if match]
    return [tag for tag, quality in sorted(ranked, key=lambda pair: -pair[1]) if quality]


def _names_of(tag: str) -> Iterator[str]:
    """How a language may be called here, the nearest name first."""
    tag = tag.replace("_", "-").lower()
    parts = tag.split("-")
    if parts[0] == "zh":  # two scripts, of which one does not stand for the other; a country says which it writes
        yield tag
        yield "zh-hant" if {"hant", "tw", "hk", "mo"} & {*parts} else "zh-hans"
        return
    for end in range(len(parts), 0, -1):
        yield "-".join(parts[:end])
    if parts[0] == "pt":
        yield "pt-br"
