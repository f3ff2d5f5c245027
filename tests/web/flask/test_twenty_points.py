"""The twenty points of a page that people are glad to meet, each with its test."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Error, Page, expect

from ..browser import NARROW, fits, scan, serious
from ..steps import (
    Phone,
    alert,
    confirm,
    go,
    log_in,
    log_out,
    read_codes,
    register,
    say_saved,
    set_up,
    start_set_up,
    t,
    title,
    type_code,
)
from .example import FlaskSite
from .test_attacks import Victim

_count = iter(range(1_000_000))


@pytest.fixture
def victim(site: FlaskSite) -> Victim:
    return Victim(site, f"glad{next(_count)}@example.com")


def field(text: str) -> str:
    """The tag of the field for the code."""
    found = re.search(r'<input[^>]*name="code"[^>]*>', text)
    assert found
    return found[0]


def test_01_and_02_the_field_asks_for_a_one_time_code_in_digits(victim: Victim) -> None:
    for path in ("/mfa/challenge", "/mfa/set-up"):
        visitor = victim.half() if "challenge" in path else victim.full()
        visitor.get("/mfa/set-up")
        visitor.post("/mfa/set-up")
        tag = field(visitor.get(path).text)
        assert 'autocomplete="one-time-code"' in tag and 'type="text"' in tag and 'inputmode="numeric"' in tag


def test_03_a_code_with_a_space_is_fine_typed_and_pasted(
    site: FlaskSite, victim: Victim, open_page: Callable[..., Page]
) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    tag = field(victim.half().get("/mfa/challenge").text)
    assert "maxlength" not in tag and "pattern" not in tag
    log_in(page, site, victim.email)
    expect(page.get_by_label(t("challenge.label"))).to_be_focused()
    code = victim.code()
    page.evaluate("text => navigator.clipboard.writeText(text)", f" {code[:3]} {code[3:]}\n")
    page.keyboard.press("Control+V")  # the field has focus
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("You are inside")
    log_out(page)
    site.wait(60)
    log_in(page, site, victim.email)
    expect(page.get_by_label(t("challenge.label"))).to_be_focused()
    code = victim.code()
    page.keyboard.type(f"{code[:3]} {code[3:]}")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("You are inside")


def test_04_the_field_has_focus(site: FlaskSite, victim: Victim, open_page: Callable[..., Page]) -> None:
    page = open_page()
    log_in(page, site, victim.email)
    expect(page.get_by_label(t("challenge.label"))).to_be_focused()
    page.get_by_role("link", name=t("challenge.recover")).click()
    expect(page.get_by_label(t("recover.label"))).to_be_focused()


def test_05_and_06_an_error_is_tied_to_its_field_and_announced(victim: Victim) -> None:
    visitor = victim.half()
    answer = visitor.post("/mfa/challenge", {"code": victim.wrong()})
    tag = field(answer.text)
    assert (
        'aria-invalid="true"' in tag and 'aria-describedby="ferrotp-error ferrotp-hint"' in tag and "autofocus" in tag
    )
    assert 'id="ferrotp-error" role="alert"' in answer.text and 'id="ferrotp-hint"' in answer.text
    assert "aria-invalid" not in field(visitor.get("/mfa/challenge").text)


def test_07_a_wrong_code_is_not_shown_again(victim: Victim) -> None:
    code = victim.wrong()
    answer = victim.half().post("/mfa/challenge", {"code": code})
    assert answer.status == 400 and code not in answer.text and "value" not in field(answer.text)
    answer = victim.half().post("/mfa/recover", {"code": "ABCD-EFGH-JKMN-PQRS"})
    assert answer.status == 400 and "ABCD" not in answer.text


def test_08_a_wrong_code_during_set_up_keeps_the_secret(victim: Victim) -> None:
    visitor = victim.full()
    visitor.get("/mfa/set-up")
    visitor.post("/mfa/set-up")
    phone = Phone(visitor.get("/mfa/set-up").uri)
    answer = visitor.post("/mfa/set-up/confirm", {"code": phone.wrong(victim.site.now())})
    assert answer.status == 400 and Phone(answer.uri).secret == phone.secret
    assert visitor.post("/mfa/set-up/confirm", {"code": phone.code(victim.site.now())}).status == 303


def test_09_11_and_12_the_key_as_picture_text_and_link(victim: Victim) -> None:
    visitor = victim.full()
    visitor.get("/mfa/set-up")
    visitor.post("/mfa/set-up")
    answer = visitor.get("/mfa/set-up")
    phone = Phone(answer.uri)
    drawing = re.search(r"<svg.*?</svg>", answer.text, re.S)
    assert drawing and t("setup.qr") in drawing[0] and phone.secret not in drawing[0] and 'role="img"' in drawing[0]
    key = answer.find(r'id="ferrotp-key"[^>]*>([^<]+)<')
    assert key.split() == [phone.secret[at : at + 4] for at in range(0, 32, 4)]
    assert t("setup.open") in answer.text


def test_10_the_picture_is_readable_in_dark_mode_and_without_scripts(
    site: FlaskSite, open_page: Callable[..., Page]
) -> None:
    page = open_page(color_scheme="dark", viewport=NARROW, java_script_enabled=False)
    register(page, site, "dark@example.com")
    log_in(page, site, "dark@example.com")
    phone = start_set_up(page, site, "")
    assert phone.secret in scan(page)


def test_11_the_key_can_be_selected_by_one_click(site: FlaskSite, open_page: Callable[..., Page]) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    register(page, site, "select@example.com")
    log_in(page, site, "select@example.com")
    phone = start_set_up(page, site, "")
    page.get_by_text(t("setup.type")).click()
    page.locator("#ferrotp-key").click()
    assert page.evaluate("getSelection().toString()").replace(" ", "").strip() == phone.secret
    page.get_by_role("button", name=t("codes.copy")).click()
    expect(page.get_by_role("button", name=t("codes.copied"))).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").replace(" ", "") == phone.secret


def test_13_no_page_with_a_secret_is_kept_by_a_cache(victim: Victim) -> None:
    visitor = victim.full()
    visitor.get("/mfa/set-up")
    answers = [visitor.post("/mfa/set-up"), visitor.get("/mfa/set-up")]
    visitor.get("/mfa/recovery-codes")
    answers.append(visitor.post("/mfa/recovery-codes"))
    assert len(answers[-1].codes) == 10
    answers.append(visitor.post("/mfa/recovery-codes/saved", {"codes": answers[-1].codes, "download": "y"}))
    assert answers[-1].headers["Content-Disposition"].startswith("attachment")
    assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}


def test_14_recovery_codes_are_copied_saved_printed_and_shown_once(
    site: FlaskSite, open_page: Callable[..., Page]
) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    page.add_init_script("window.print = () => { window.printed = true; };")
    register(page, site, "codes@example.com")
    log_in(page, site, "codes@example.com")
    phone = start_set_up(page, site, "")
    confirm(page, phone.code(site.now()))
    codes = read_codes(page)
    page.get_by_role("button", name=t("codes.copy")).click()
    expect(page.get_by_role("button", name=t("codes.copied"))).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").split() == codes
    page.get_by_role("button", name=t("codes.print")).click()
    assert page.evaluate("window.printed")
    with page.expect_download() as download:
        page.get_by_role("button", name=t("codes.download")).click()
    assert download.value.suggested_filename == "recovery-codes.txt"
    assert [line for line in download.value.path().read_text().splitlines() if "-" in line and " " not in line] == codes
    # Not left before they are saved
    page.get_by_role("button", name=t("codes.continue")).click()
    title(page, "codes.title")
    say_saved(page)
    title(page, "settings.title")
    assert not any(code in page.content() for code in codes)
    with pytest.raises(Error, match="ERR_CACHE_MISS"):  # no-store: going back shows them no more
        page.go_back()


def test_14_without_scripts_the_server_asks_too(victim: Victim) -> None:
    visitor = victim.full()
    visitor.get("/mfa/recovery-codes")
    codes = visitor.post("/mfa/recovery-codes").codes
    answer = visitor.post("/mfa/recovery-codes/saved", {"codes": codes})
    assert answer.status == 400 and answer.alert == t("codes.unsaved") and answer.codes == codes
    assert t("settings.codes.unsaved") in visitor.get("/mfa/").text
    assert visitor.post("/mfa/recovery-codes/saved", {"codes": codes, "saved": "y"}).status == 303
    assert t("settings.codes.unsaved") not in visitor.get("/mfa/").text


def test_15_it_says_how_many_codes_remain(victim: Victim) -> None:
    for left in (9, 8, 7, 6, 5, 4, 3):
        visitor = victim.half()
        visitor.get("/mfa/recover")
        visitor.post("/mfa/recover", {"code": victim.codes[left]})
        text = visitor.get("/mfa/").text
        assert t("settings.codes.left", count=left) in text
        assert (t("settings.codes.low") in text) is (left <= 3)


def test_16_a_delay_says_when_to_try_again(victim: Victim) -> None:
    visitor = victim.half()
    answers = [visitor.post("/mfa/challenge", {"code": victim.wrong()}) for _ in range(5)]
    assert answers[3].alert.endswith(t("error.last"))
    assert answers[4].alert == "Too many wrong codes. Try again in 30 seconds."
    assert answers[4].status == 429 and answers[4].headers["Retry-After"] == "30"
    victim.site.wait(31)
    assert visitor.post("/mfa/challenge", {"code": victim.wrong()}).alert.endswith("in one minute.")


def test_17_every_change_asks_for_fresh_authentication(victim: Victim) -> None:
    visitor = victim.full()
    victim.site.wait(601)
    visitor.get("/mfa/")
    for path in ("/mfa/set-up", "/mfa/recovery-codes", f"/mfa/factors/{victim.factor_id}/remove", "/password"):
        assert visitor.get(path).location == "/mfa/challenge", path
        assert visitor.post(path).location == "/mfa/challenge", path
    assert visitor.post("/mfa/set-up/confirm", {"code": victim.code()}).location == "/mfa/challenge"
    assert len(victim.site.mfa.status(user_id=victim.user_id).factors) == 1
    # Once asked, it goes on where it was.
    visitor.get(f"/mfa/factors/{victim.factor_id}/remove")
    assert t("challenge.again") in visitor.get("/mfa/challenge").text
    answer = visitor.post("/mfa/challenge", {"code": victim.code()})
    assert answer.location == f"/mfa/factors/{victim.factor_id}/remove"
    visitor.get(answer.location)
    assert visitor.post(answer.location).location == "/mfa/"
    assert not victim.site.mfa.status(user_id=victim.user_id).enrolled


def test_18_each_change_of_a_factor_is_told_by_mail(site: FlaskSite) -> None:
    first = len(site.mails)
    victim = Victim(site, f"mailed{next(_count)}@example.com")
    visitor = victim.full()
    visitor.get("/mfa/recovery-codes")
    codes = visitor.post("/mfa/recovery-codes").codes
    visitor.get(f"/mfa/factors/{victim.factor_id}/remove")
    thief = victim.half()
    thief.get("/mfa/recover")
    thief.post("/mfa/recover", {"code": codes[0]})
    visitor.post(f"/mfa/factors/{victim.factor_id}/remove")
    mails = site.mails[first:]
    assert [mail.event.kind for mail in mails] == [
        "enrollment confirmed", "recovery codes replaced", "recovery codes replaced", "recovered", "factor removed",
    ]  # fmt: skip
    for mail in mails:
        assert mail.user_id == victim.user_id and mail.subject.startswith("ACME")
        assert "http" not in mail.body and not any(code in mail.body for code in codes + victim.codes)
        assert victim.phone.secret not in mail.body


def test_19_and_20_pages_pass_axe_fit_320_pixels_and_a_strict_policy(
    site: FlaskSite, open_page: Callable[..., Page]
) -> None:
    """The whole story in test_browser.py looks at each page at 390 and 960 pixels, and walks it without scripts. Here:
    320 pixels, in the dark, with what axe sees."""
    page = open_page(viewport=NARROW, color_scheme="dark")
    answers: list[str] = []
    page.on("response", lambda answer: answers.append(answer.headers.get("content-security-policy", "none")))
    register(page, site, "narrow@example.com")
    log_in(page, site, "narrow@example.com")
    phone, _ = set_up(page, site, "A name for a device that is as long as it may be, and longer")
    for path in ("settings", "password"):
        go(page, site, path)
        assert fits(page) and not serious(page)
    page.goto(site.base + "/mfa/set-up")
    assert fits(page) and not serious(page)
    page.get_by_role("button", name=t("setup.start")).click()
    expect(page.get_by_role("img", name=t("setup.qr"))).to_be_visible()
    assert fits(page) and not serious(page)
    assert page.locator("html").get_attribute("lang") == "en"
    expect(page.get_by_role("main")).to_be_visible()
    go(page, site, "inside")
    log_out(page)
    log_in(page, site, "narrow@example.com")
    type_code(page, phone.wrong(site.now()))
    alert(page, t("error.code"))
    assert fits(page) and not serious(page)
    assert all(policy.startswith("default-src 'none'; style-src 'self'; script-src 'self'") for policy in answers)
    assert "'unsafe" not in "".join(answers)
