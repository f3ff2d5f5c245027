"""Languages: the visitor's by `LocaleMiddleware`, the site's own, or English; and never two on a page."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command
from django.test import override_settings
from django.utils import translation
from web.languages import OURS, languages_said, texts_of, write

from ferrotp.django import get_mfa
from ferrotp.django.checks import check_settings
from ferrotp.django.models import Factor
from ferrotp.django.test import Clock, MFAClient
from ferrotp.web import ENGLISH, Texts

from .conftest import Person
from .test_admin import staff

FOREIGN = {text for text in ENGLISH.values() if len(text) > 8 and "{" not in text}


@pytest.fixture
def czech(tmp_path: Path) -> Iterator[None]:
    """A language that the site has by itself: all of it in brackets."""
    with override_settings(LOCALE_PATHS=[str(write(tmp_path, "cs"))]):
        yield


def challenge(client: MFAClient, alice: Person, language: str) -> str:
    """The page, and what it says of a wrong code."""
    alice.password(client)
    headers = {"Accept-Language": language}
    text = client.get("/mfa/challenge", headers=headers).content.decode()
    return text + client.post("/mfa/challenge", {"code": alice.wrong()}, headers=headers).content.decode()


@pytest.mark.parametrize("language", OURS)
def test_each_language_is_there_all_of_it(client: MFAClient, alice: Person, language: str) -> None:
    page = challenge(client, alice, language)
    t = Texts(language=language)
    assert languages_said(page) == {language} == {t.language}
    assert {t("challenge.title"), t("challenge.label"), t("error.code"), t("challenge.cancel")} <= {*texts_of(page)}
    assert language == "en" or not FOREIGN & {*texts_of(page)}


@pytest.mark.parametrize(("site", "shown"), [("en-us", "en"), ("de", "de"), ("fi", "en")])
def test_a_language_that_is_not_there_is_the_sites_own_or_english(
    client: MFAClient, alice: Person, site: str, shown: str
) -> None:
    """Django itself speaks Czech: its "Heslo" would stand on an English page."""
    with override_settings(LANGUAGE_CODE=site):
        page = challenge(client, alice, "cs")
    assert languages_said(page) == {shown}
    assert Texts(language=shown)("challenge.label") in texts_of(page) and (
        shown == "en" or not FOREIGN & {*texts_of(page)}
    )


def test_a_language_of_the_sites_own_has_its_plurals(czech: None, client: MFAClient, alice: Person) -> None:
    page = challenge(client, alice, "cs")
    assert languages_said(page) == {"cs"} and "<h1>⟦Enter your code⟧</h1>" in page
    for _ in range(4):
        page = challenge(client, alice, "cs")
    assert "Try again ⟦2:in 30 seconds⟧" in page
    alice.clock.tick(27)
    assert "Try again ⟦1:in 3 seconds⟧" in challenge(client, alice, "cs")


def test_every_word_of_every_page_comes_from_the_catalogue(
    czech: None, client: MFAClient, alice: Person, person: Callable[..., Person], ferrotp: Any
) -> None:
    """In a language whose texts are in brackets, nothing stands outside of them."""
    ferrotp(POLICY={"trusted_device_days": 30})
    headers = {"Accept-Language": "cs"}

    def get(path: str) -> str:
        return client.get(path, headers=headers).content.decode()

    def post(path: str, **data: str) -> str:
        return client.post(path, data, headers=headers).content.decode()

    bob = person()
    bob.password(client)
    pages = [get("/mfa/"), get("/mfa/set-up")]
    post("/mfa/set-up")
    pages += [get("/mfa/set-up"), post("/mfa/set-up/confirm", code="")]
    client.post("/logout")
    alice.password(client)
    pages += [get("/mfa/challenge"), get("/mfa/recover")]
    pages += [post("/mfa/challenge", code=code) for code in ("", alice.wrong())]
    post("/mfa/challenge", code=alice.code(), trust="y")
    pages += [get(path) for path in ("/mfa/", "/mfa/recovery-codes", f"/mfa/factors/{alice.factor_id}/remove")]
    pages += [post("/mfa/recovery-codes"), post("/mfa/recovery-codes/saved")]
    for page in pages:
        assert languages_said(page) == {"cs"}, page
        for text in texts_of(page):
            rest = re.sub(r"⟦[^⟦⟧]*(?:⟦[^⟦⟧]*⟧[^⟦⟧]*)*⟧", "", text)
            rest = re.sub(r"[0-9A-Z]{4}(-[0-9A-Z]{4})+|\b[A-Z2-7]{4}\b|Phone|, \d{4}-\d\d-\d\d", "", rest)
            assert not re.search(r"[^\W\d_]", rest), text


def test_a_language_of_the_sites_own_that_lacks_a_sentence_is_told_by_check(tmp_path: Path, clock: Clock) -> None:
    folder = write(tmp_path, "cs", lambda message: ("Zadejte kód",) if message.context == "challenge.title" else None)
    with override_settings(LOCALE_PATHS=[folder]):
        (warning,) = [found for found in check_settings() if found.id == "ferrotp.W007"]
    assert re.match(r"cs is not offered: \d+ messages are missing \(activity.added, .* …\)\.", warning.msg)
    assert not [found for found in check_settings() if found.id == "ferrotp.W007"]


# The admin


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("de", "Zweite Faktoren|Benutzer ohne zweiten Faktor|zuletzt verwendet|nie|Diesen Benutzer zurücksetzen"),
        ("uk", "Другі фактори|Користувачі без другого фактора|востаннє використано|ніколи|Скинути цього користувача"),
        ("zh-hans", "第二因素|没有第二因素的用户|上次使用|从未|重置此用户"),
    ],
)
def test_the_admin_speaks_the_language_of_its_staff(
    client: MFAClient, person: Callable[..., Person], alice: Person, language: str, words: str
) -> None:
    get_mfa().import_factor(user_id=person().user_id, secret=bytes(20))  # never used
    helper = staff(person, "view_factor", "reset_user").enroll()
    client.force_mfa_login(helper.user)
    row = Factor.objects.get(factor_id=alice.factor_id)
    headers = {"Accept-Language": language}
    paths = ("", f"{row.pk}/reset/", "without/")
    pages = [client.get(f"/admin/ferrotp/factor/{path}", headers=headers).content.decode() for path in paths]
    shown = {text.lower() for page in pages for text in texts_of(page)}
    assert {*words.lower().split("|")} <= shown
    english = {
        "second factors",
        "last used",
        "never",
        "reset this user",
        "show all",
        "user",
        "reset",
        "active",
        "added",
    }
    assert not english & shown
    done = client.post(f"/admin/ferrotp/factor/{row.pk}/reset/", headers=headers, follow=True).content.decode()
    assert alice.name in done.lower() and "and has none now" not in done


def test_the_models_words_change_no_migration(tables: None) -> None:
    with translation.override("de"):
        call_command("makemigrations", "ferrotp", check=True, dry_run=True, verbosity=0)


# Mails


def spoken_by(user: Any) -> str | None:
    return {"uk": "uk", "cs": "cs"}.get(user.first_name)


@pytest.mark.parametrize(
    ("user", "site", "subject"),
    [
        ("uk", "de", "ACME: ваш двоетапний вхід змінено"),
        ("", "de", "ACME: Ihre Anmeldung in zwei Schritten wurde geändert"),
        ("cs", "de", "ACME: Ihre Anmeldung in zwei Schritten wurde geändert"),
        ("cs", "en", "ACME: your two-step login was changed"),
    ],
)
def test_a_mail_is_in_the_language_of_its_reader(
    client: MFAClient, person: Callable[..., Person], ferrotp: Any, user: str, site: str, subject: str
) -> None:
    """Those who guess would have it in theirs: the request's is none of it."""
    ferrotp(NOTIFY="mail", MAIL_LANGUAGE=f"{__name__}.spoken_by")
    alice = person(first_name=user).enroll()
    mail.outbox.clear()
    with override_settings(LANGUAGE_CODE=site):
        for _ in range(5):
            challenge(client, alice, "ja")
    assert [letter.subject for letter in mail.outbox] == [subject]
    assert not re.search(r"[぀-ヿ]", mail.outbox[0].body)


def test_a_wrong_function_for_it_is_told_by_check(ferrotp: Any) -> None:
    ferrotp(MAIL_LANGUAGE=7)
    (error,) = check_settings()
    assert error.msg == 'FERROTP["MAIL_LANGUAGE"] must be a function, or the path of one'
