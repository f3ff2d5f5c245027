"""The language of the pages: named, Flask-Babel's, or English; all of a page, and what it says of itself."""

import re
import sys
from pathlib import Path

import flask
import flask_babel  # type: ignore[import-untyped]
import pytest

from ferrotp.flask import SetupError
from ferrotp.web import ENGLISH, Texts

from ..languages import OURS, languages_said, texts_of, write
from .test_extension import World


def with_babel(app: flask.Flask) -> None:
    flask_babel.Babel(app, locale_selector=lambda: flask.request.accept_languages.best_match(["de", "cs", "pt_BR"]))


def challenge(world: World, language: str = "") -> str:
    """The page of a user who has a device, and then a wrong code."""
    world.enrolled()
    client = world.client()
    client.post("/login/7")
    headers = {"Accept-Language": language}
    text = client.get("/mfa/challenge", headers=headers).text
    return text + client.post("/mfa/challenge", data={"code": "000000"}, headers=headers).text


@pytest.mark.parametrize("language", OURS)
def test_each_language_is_there_all_of_it(language: str) -> None:
    page = challenge(World(FERROTP_LANG=language))
    t = Texts(language=language)
    assert languages_said(page) == {language} == {t.language}
    assert f"<h1>{t('challenge.title')}</h1>" in page and t("error.code") in page.replace("&#39;", "'")
    foreign = {text for text in ENGLISH.values() if len(text) > 8 and not {"{"} & {*text}}
    assert language == "en" or not foreign & {*texts_of(page)}


def test_every_word_of_every_page_comes_from_the_catalogue(tmp_path: Path) -> None:
    """In a language whose texts are in brackets, nothing stands outside of them."""
    world = World(FERROTP_LANG="cs", BABEL_TRANSLATION_DIRECTORIES=str(write(tmp_path, "cs")))
    device, client = world.enrolled(), world.client()
    client.post("/login/8")
    pages = [client.get("/mfa/").text, client.get("/mfa/set-up").text]
    client.post("/mfa/set-up")
    pages += [client.get("/mfa/set-up").text, client.post("/mfa/set-up/confirm", data={"code": ""}).text]
    client = world.client()
    client.post("/login/7")
    pages += [client.get("/mfa/challenge").text, client.get("/mfa/recover").text]
    pages += [client.post("/mfa/challenge", data={"code": wrong}).text for wrong in ("", "000000")]
    firefox = {"User-Agent": "Firefox/145.0 (X11; Linux)"}
    client.post("/mfa/challenge", data={"code": device.at(world.clock.now), "trust": "y"}, headers=firefox)
    factor = world.mfa.status(user_id="7").factors[0].factor_id
    paths = ("", "recovery-codes", "sessions/end", f"factors/{factor}/remove")
    pages += [client.get(f"/mfa/{path}").text for path in paths]
    pages += [client.post("/mfa/recovery-codes").text, client.post("/mfa/recovery-codes/saved").text]
    pages += [client.get("/mfa/factors/none/remove", follow_redirects=True).text]
    for page in pages:
        assert languages_said(page) == {"cs"}
        for text in texts_of(page):
            rest = re.sub(r"⟦[^⟦⟧]*(?:⟦[^⟦⟧]*⟧[^⟦⟧]*)*⟧", "", text)
            rest = re.sub(
                r"[0-9A-Z]{4}(-[0-9A-Z]{4})+|\b[A-Z2-7]{4}\b|Firefox, Linux|Phone|, \d{4}-\d\d-\d\d", "", rest
            )
            assert not re.search(r"[^\W\d_]", rest), text


@pytest.mark.parametrize(
    ("wanted", "shown"), [("de-AT,de", "de"), ("pt-BR", "pt-BR"), ("cs", "en"), ("", "en"), ("fr", "en")]
)
def test_flask_babel_says_the_language_of_each_request(wanted: str, shown: str) -> None:
    """Czech has no pages; French is none that this site speaks."""
    page = challenge(World(change=with_babel), wanted)
    assert languages_said(page) == {shown}
    assert Texts(language=shown)("challenge.label") in texts_of(page)
    assert (ENGLISH["challenge.label"] in texts_of(page)) == (shown == "en")


def test_without_flask_babel_the_pages_are_in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    assert languages_said(challenge(World(), "de")) == {"en"}
    monkeypatch.setitem(sys.modules, "flask_babel", None)
    other = World(change=lambda app: app.extensions.update(babel="another package's"))
    assert languages_said(challenge(other, "de")) == {"en"}


def test_a_named_language_goes_before_flask_babel() -> None:
    assert languages_said(challenge(World(change=with_babel, FERROTP_LANG="it"), "de")) == {"it"}

    class Asked(World):
        def options(self) -> dict[str, object]:
            return {"language": lambda: flask.request.headers["Accept-Language"]}

    assert languages_said(challenge(Asked(FERROTP_LANG="it"), "cs,uk;q=0.5")) == {"uk"}


def test_a_sentence_of_the_applications_own_is_found_beside_its_catalogues(tmp_path: Path) -> None:
    folder = write(tmp_path, "de", lambda message: ("Los",) if message.context == "challenge.submit" else None)
    page = challenge(World(change=with_babel, BABEL_TRANSLATION_DIRECTORIES=f"translations;{folder}"), "de")
    assert "Los" in texts_of(page) and "Abbrechen und abmelden" in texts_of(page)


def test_a_named_language_that_is_not_there_is_told_at_start() -> None:
    with pytest.raises(SetupError, match=r"FERROTP_LANG is 'cs', .* There are: de, en, es, "):
        World(FERROTP_LANG="cs")
    assert languages_said(challenge(World(FERROTP_LANG="en-GB"))) == {"en"}


def test_the_pages_on_a_base_of_the_applications_own_say_what_they_are_in(tmp_path: Path) -> None:
    """Whatever that says of itself."""
    (tmp_path / "base.html").write_text(
        '<html lang="cs">{% block title %}{% endblock %}{% block content %}{% endblock %}'
    )
    page = challenge(World(templates=str(tmp_path), FERROTP_BASE_TEMPLATE="base.html"))
    assert '<html lang="cs">' in page and '<div class="ferrotp" lang="en">' in page
