"""The words in other languages: whole, right in their plurals, and never two languages on a page."""

import gettext
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from string import Formatter

import pytest
from babel import Locale
from babel.messages.pofile import read_po
from mfa.authenticator import Clock

from ferrotp.mfa import MFA, Policy
from ferrotp.mfa.stores.memory import MemoryStore
from ferrotp.vault import Keyring
from ferrotp.web import ENGLISH, Notice, Notifier, Texts

from .languages import OURS, ROOT, tool, write

PACKAGE = ROOT / "python" / "ferrotp"
CATALOGUES = sorted(PACKAGE.rglob("*.po"))


def name_of(path: Path) -> str:
    return f"{path.stem}-{path.parents[1].name}"


def fields_of(text: str) -> list[str]:
    """The places of a text where values go."""
    braces = [name for _, name, _, _ in Formatter().parse(text) if name is not None]
    return sorted([*braces, *re.findall(r"%(?:\(\w+\))?[ds]", text)])


# The files


def test_the_files_are_up_to_date_and_all_is_translated() -> None:
    stale = [str(path) for path, content in tool["files"]().items() if path.read_bytes() != content]
    assert not stale, "python tools/translations.py"
    assert not tool["untranslated"]()
    for folder in ("web", "django"):
        there = [path.name.replace("_", "-") for path in (PACKAGE / folder / "locale").iterdir() if path.is_dir()]
        assert sorted([*there, "en"]) == OURS


@pytest.mark.parametrize("path", CATALOGUES, ids=name_of)
def test_a_catalogue_passes_the_checkers_of_babel_and_gettext(path: Path, tmp_path: Path) -> None:
    with path.open("rb") as opened:
        catalogue = read_po(opened, abort_invalid=True)
    assert not [(message.id, errors) for message, errors in catalogue.check()]
    if shutil.which("msgfmt"):
        made = tmp_path / "made.mo"
        result = subprocess.run(["msgfmt", "-c", "-o", made, path], capture_output=True, text=True)
        assert (result.returncode, result.stderr) == (0, "")
        theirs, ours = (gettext.GNUTranslations(file.open("rb"))._catalog for file in (made, path.with_suffix(".mo")))
        assert theirs == ours


@pytest.mark.parametrize("path", CATALOGUES, ids=name_of)
def test_each_place_for_a_value_is_kept(path: Path) -> None:
    with path.open("rb") as opened:
        catalogue = read_po(opened)
    plural = gettext.c2py(catalogue.plural_expr)  # type: ignore[attr-defined]
    alone = {plural(1)} - {plural(count) for count in range(201) if count != 1}
    for message in catalogue:
        if not message.id:
            continue
        one, other = message.id if message.pluralizable else (message.id, message.id)
        texts = message.string if message.pluralizable else (message.string,)
        for number, text in enumerate(texts):
            # What is said of one thing alone may leave the number out, as English does.
            allowed = [fields_of(other), fields_of(one)] if number in alone else [fields_of(other)]
            assert fields_of(text) in allowed, (message.context, text)


@pytest.mark.parametrize("path", CATALOGUES, ids=name_of)
def test_plurals_are_those_of_the_language(path: Path) -> None:
    """As the Unicode CLDR has them."""
    with path.open("rb") as opened:
        catalogue = read_po(opened)
    plural = gettext.c2py(catalogue.plural_expr)  # type: ignore[attr-defined]
    rule = Locale.parse(path.parents[1].name).plural_form
    pairs = {(plural(count), rule(count)) for count in range(1001)}
    assert (
        len(pairs) == len({number for number, _ in pairs}) == len({kind for _, kind in pairs}) == catalogue.num_plurals
    )


# The words


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ("de", "de"), ("de-AT", "de"), ("de_DE.UTF-8", "en"), ("DE", "de"), ("pt_BR", "pt-BR"), ("pt-PT", "pt-BR"),
        ("zh-CN", "zh-Hans"), ("zh_Hans_SG", "zh-Hans"), ("zh", "zh-Hans"), ("zh-TW", "en"), ("zh-Hant", "en"),
        ("en-GB,de;q=0.9", "en"), ("cs,de;q=0.5", "de"), ("de;q=0.1, uk ;q=0.2", "uk"), ("de;q=0,it", "it"),
        ("cs", "en"), ("", "en"), ("*", "en"), ("../../de", "en"), ("de;q=nan", "en"), ("x" * 10_000, "en"),
    ],
)  # fmt: skip
def test_the_first_wanted_language_that_is_there_is_shown(wanted: str, shown: str) -> None:
    texts = Texts(language=wanted)
    assert texts.language == shown
    assert (texts("challenge.title") == ENGLISH["challenge.title"]) == (shown == "en")


def test_a_language_may_be_said_by_an_object_and_by_nobody() -> None:
    locale = Locale("pt", "BR")
    assert Texts(language=lambda: locale).language == "pt-BR" and Texts(language=lambda: None).language == "en"


def test_what_is_counted_takes_the_plural_of_its_language() -> None:
    def minutes(language: str) -> list[str]:
        return [Texts(language=language)("in.minutes", count=count) for count in (1, 2, 5, 21)]

    assert minutes("en") == ["in one minute", "in 2 minutes", "in 5 minutes", "in 21 minutes"]
    assert minutes("pl") == ["za minutę", "za 2 minuty", "za 5 minut", "za 21 minut"]
    assert minutes("uk") == ["через 1 хвилину", "через 2 хвилини", "через 5 хвилин", "через 21 хвилину"]
    assert minutes("ja") == ["1 分後", "2 分後", "5 分後", "21 分後"]
    assert Texts(language="fr")("settings.codes.left", count=0) == "Il reste 0 code."
    assert Texts()("challenge.trust", count=1) == "Trust this device for one day"


def test_a_language_of_the_sites_own_is_there_when_it_is_whole(tmp_path: Path) -> None:
    texts = Texts(language="cs-CZ", translations=[write(tmp_path, "cs")])
    assert texts.language == "cs" and texts("challenge.submit") == "⟦Continue⟧"
    assert [texts("in.days", count=count) for count in (1, 3, 9)] == [
        "⟦0:in 1 days⟧", "⟦1:in 3 days⟧", "⟦2:in 9 days⟧",
    ]  # fmt: skip
    assert "cs" in texts.catalogues.languages and not texts.catalogues.faults()


@pytest.mark.parametrize("lack", ["challenge.submit", "in.days", "error.wait"])
def test_a_language_that_lacks_a_sentence_is_not_there(
    lack: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def but_one(message: object) -> tuple[str, ...] | None:
        if message.context != lack:  # type: ignore[attr-defined]
            return (f"⟦{message.text}⟧",) * (3 if message.plural else 1)  # type: ignore[attr-defined]
        # It asks for a value that is not given, or is not there at all.
        return ("{nobody}",) if lack == "error.wait" else None

    texts = Texts(language="cs", translations=[write(tmp_path, "cs", but_one)])
    assert texts.language == "en" and {texts(name) for name in ("challenge.title", "codes.print")} == {
        ENGLISH["challenge.title"],
        ENGLISH["codes.print"],
    }
    (fault,) = texts.catalogues.faults()
    assert fault == f"cs is not offered: 1 messages are missing ({lack})."
    assert fault in caplog.text


def test_a_sentence_of_the_sites_own_goes_before_ours_in_its_language_alone(tmp_path: Path) -> None:
    def one(message: object) -> tuple[str, ...] | None:
        own = {"challenge.submit": ("Los",), "error.wait": ("Warten: {wann}",), "for.days": ("a", "b", "{count} c")}
        return own.get(message.context)  # type: ignore[attr-defined]

    texts = Texts(language="de", translations=[write(tmp_path, "de", one)])
    assert (texts.language, texts("challenge.submit"), texts("challenge.back")) == ("de", "Los", "Abbrechen")
    assert "gleich" in texts("error.wait", when="gleich")  # a place for a value that is not given: ours
    assert texts("for.days", count=7) == "7 c" and texts("in.days", count=7) == "in 7 Tagen"
    assert (
        texts.in_language("fr")("challenge.submit") == "Continuer" and texts.in_language("en")("codes.copy") == "Copy"
    )


def test_a_regional_language_is_what_is_other_than_in_its_own(tmp_path: Path) -> None:
    write(tmp_path, "de_CH", lambda message: ("Weiter, gell",) if message.context == "challenge.submit" else None)
    swiss = Texts(language="de-CH", translations=[tmp_path])
    assert (swiss.language, swiss("challenge.submit"), swiss("challenge.back")) == (
        "de-CH",
        "Weiter, gell",
        "Abbrechen",
    )


def test_a_file_that_is_no_catalogue_is_a_fault_and_no_error(tmp_path: Path) -> None:
    for language, content in (("cs", b"nonsense"), ("de", b"\xde\x12\x04\x95" + b"\xff" * 24)):
        file = tmp_path / language / "LC_MESSAGES" / "ferrotp.mo"
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
    texts = Texts(language="cs", translations=[tmp_path])
    assert texts.language == "en" and texts.in_language("de")("challenge.back") == "Abbrechen"
    assert len([fault for fault in texts.catalogues.faults() if "cannot be read" in fault]) == 2


# Templates and mails


PAGES = sorted(path for room in ("flask", "django") for path in (PACKAGE / room / "templates").rglob("*.html"))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_template_has_a_word_of_its_own(path: Path) -> None:
    text = re.sub(r"{% blocktranslate .*?{% endblocktranslate %}", "", path.read_text("utf-8"))
    text = re.sub(r"{#.*?#}|{%.*?%}|{{.*?}}", "", text, flags=re.S)
    assert not re.findall(r'(?:aria-label|alt|title|placeholder)="[^"]*[A-Za-z]', text)
    assert not re.findall(r"[A-Za-z]{2,}", re.sub(r"<[^>]*>|&\w+;", "", text))


def test_a_mail_is_in_the_language_of_its_reader_all_of_it() -> None:
    mails: list[Notice] = []
    notifier = Notifier(mails.append, issuer="ACME", language=lambda user_id: {"7": "uk-UA", "8": "cs"}[user_id])
    mfa = MFA(MemoryStore(), issuer="ACME", keyring=Keyring.generate(), policy=replace(Policy.cheap_for_tests()),
              clock=Clock(), on_event=notifier)  # fmt: skip
    for user_id in ("7", "8"):
        mfa.import_factor(user_id=user_id, secret=bytes(20))
    ukrainian, english = mails
    assert ukrainian.subject == "ACME: ваш двоетапний вхід змінено" and "додано програму" in ukrainian.body
    assert not re.search(r"\b(you|your|the|was|an)\b", ukrainian.body + ukrainian.subject)
    notifier = Notifier(mails.append, issuer="ACME", texts=Texts(language="de"))
    notifier(english.event)
    assert mails[-1].subject == "ACME: Ihre Anmeldung in zwei Schritten wurde geändert"
    assert english.subject == "ACME: your two-step login was changed" and "was added to your account" in english.body
