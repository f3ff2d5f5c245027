"""Passkeys in a real browser, with Chromium's virtual authenticator: played against each framework's example."""

import re
import socket
from contextlib import suppress
from dataclasses import replace
from typing import Any

from playwright.sync_api import CDPSession, Page, TimeoutError, expect

from ferrotp.mfa import Passkeys, Policy

from .browser import PHONE, fits, keep_picture, serious
from .steps import Site, go, log_in, log_out, read_codes, register, say_saved, t, title, type_recovery_code

DARK_PHONE: dict[str, Any] = {
    "viewport": PHONE, "color_scheme": "dark", "device_scale_factor": 2, "is_mobile": True, "has_touch": True
}  # fmt: skip
"""For `open_page`."""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def policy_at(port: int, *, sign_in: bool = True) -> Policy:
    passkeys = Passkeys(rp_id="localhost", origins=[f"http://localhost:{port}"], sign_in=sign_in)
    return replace(Policy.cheap_for_tests(), trusted_device_days=30, passkeys=passkeys)


class Authenticator:
    """Chromium's virtual one, of the device itself or of a key beside it."""

    def __init__(self, page: Page, **options: Any) -> None:
        self._session: CDPSession = page.context.new_cdp_session(page)
        self._session.send("WebAuthn.enable")
        given = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
            **options,
        }
        self._id = self._session.send("WebAuthn.addVirtualAuthenticator", {"options": given})["authenticatorId"]

    def touch(self, present: bool) -> None:
        """Whether somebody is there who says yes to what is asked."""
        given = {"authenticatorId": self._id, "enabled": present}
        self._session.send("WebAuthn.setAutomaticPresenceSimulation", given)

    def verify(self, verified: bool) -> None:
        """Whether the fingerprint is the right one."""
        given = {"authenticatorId": self._id, "isUserVerified": verified}
        self._session.send("WebAuthn.setUserVerified", given)

    @property
    def credentials(self) -> list[dict[str, Any]]:
        found = self._session.send("WebAuthn.getCredentials", {"authenticatorId": self._id})
        return list(found["credentials"])

    def forget(self) -> None:
        self._session.send("WebAuthn.clearCredentials", {"authenticatorId": self._id})


def come_in(page: Page, site: Site, email: str) -> None:
    """A new account, by its password alone."""
    register(page, site, email)
    log_in(page, site, email)
    expect(page.get_by_role("heading", level=1)).to_have_text("You are inside")


def by_password(page: Page, site: Site, email: str, authenticator: Authenticator) -> None:
    """The virtual authenticator would say yes to the login form's offer at once: it is away meanwhile."""
    authenticator.touch(False)
    log_in(page, site, email)
    page.wait_for_url(lambda url: site.paths["login"] not in url)
    authenticator.touch(True)


def add_passkey(page: Page, site: Site, name: str) -> None:
    """Two clicks from the settings."""
    go(page, site, "settings")
    page.get_by_role("link", name=t("settings.passkeys.add")).click()
    title(page, "passkey.title")
    page.get_by_label(t("passkey.name")).fill(name)
    page.get_by_role("button", name=t("passkey.create")).click()


def walk(page: Page, site: Site) -> None:
    """Registers, logs in by it, is asked again, and removes it."""
    authenticator = Authenticator(page)
    come_in(page, site, "passkeys@example.com")
    add_passkey(page, site, "My laptop")
    assert len(read_codes(page)) == 10
    say_saved(page)
    assert len(authenticator.credentials) == 1
    row = page.get_by_role("list", name=t("settings.passkeys")).get_by_role("listitem")
    expect(row).to_contain_text("My laptop")
    expect(row).to_contain_text(t("settings.never"))

    # The same device has it already, in people's words.
    add_passkey(page, site, "Again")
    expect(page.get_by_role("alert")).to_have_text(t("passkey.taken"))

    go(page, site, "inside")
    log_out(page)
    by_password(page, site, "passkeys@example.com", authenticator)
    title(page, "challenge.again")
    expect(page.get_by_label(t("challenge.label"))).to_have_count(0)  # there is no code to type
    page.get_by_role("button", name=t("challenge.passkey")).click()
    page.wait_for_url("**" + site.paths["inside"])

    # A page that asks for a fresh login, later.
    site.wait(3600)
    go(page, site, "settings")
    page.get_by_role("link", name=t("settings.codes.new")).click()
    title(page, "challenge.again")
    page.get_by_role("button", name=t("challenge.passkey")).click()
    expect(page.get_by_role("button", name=t("challenge.passkey"))).to_have_count(0)
    go(page, site, "settings")
    page.get_by_role("link", name=t("settings.codes.new")).click()
    title(page, "codes.new.title")

    # It is gone from the device: cancelled, or timed out, in words; a recovery code leads on.
    go(page, site, "inside")
    log_out(page)
    by_password(page, site, "passkeys@example.com", authenticator)
    authenticator.forget()
    page.get_by_role("button", name=t("challenge.passkey")).click()
    expect(page.get_by_role("alert")).to_have_text(t("passkey.cancelled"))
    expect(page.get_by_role("button", name=t("challenge.passkey"))).to_be_enabled()


def sign_in(page: Page, site: Site) -> None:
    """By a passkey alone: from the list of the field for the user name, and by the button."""
    authenticator = Authenticator(page)
    come_in(page, site, "alone@example.com")
    add_passkey(page, site, "My laptop")
    say_saved(page)
    go(page, site, "inside")
    authenticator.touch(False)
    log_out(page)
    go(page, site, "login")
    expect(page.get_by_role("button", name=t("sign-in.submit"))).to_be_visible()
    looks_right(page)
    keep_picture(page, "login-passkey")
    # The virtual authenticator takes the offer as soon as there is one: nothing was typed, and nothing clicked.
    authenticator.touch(True)
    page.reload()
    page.wait_for_url("**" + site.paths["inside"])
    go(page, site, "vault")
    expect(page.get_by_role("heading", level=1)).to_have_text("Vault")
    # By the button, after it was cancelled once.
    authenticator.touch(False)
    log_out(page)
    go(page, site, "vault")
    expect(page.get_by_label("E-mail address")).to_have_attribute("autocomplete", "username webauthn")
    authenticator.verify(False)
    authenticator.touch(True)
    page.get_by_role("button", name=t("sign-in.submit")).click()
    expect(page.get_by_role("alert").filter(visible=True)).to_have_text(t("passkey.cancelled"))
    authenticator.verify(True)
    # The offer of the field is open again, and the authenticator may take it before there is a click: then the button
    # is gone.
    with suppress(TimeoutError):
        page.get_by_role("button", name=t("sign-in.submit")).click(timeout=5_000)
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("Vault|You are inside"))


def phone_and_key(page: Page, other: Page, site: Site) -> None:
    """On a phone with a passkey of its own; then at another computer, by a key on a chain."""
    email = "two@example.com"
    phone = Authenticator(page)
    come_in(page, site, email)
    go(page, site, "settings")
    looks_right(page)
    page.get_by_role("link", name=t("settings.passkeys.add")).click()
    title(page, "passkey.title")
    looks_right(page)
    page.get_by_label(t("passkey.name")).fill("My phone")
    page.get_by_role("button", name=t("passkey.create")).click()
    codes = read_codes(page)
    looks_right(page)
    say_saved(page)
    go(page, site, "inside")
    phone.touch(False)
    log_out(page)
    by_password(page, site, email, phone)
    expect(page.get_by_role("button", name=t("challenge.passkey"))).to_be_visible()
    looks_right(page)
    page.get_by_role("button", name=t("challenge.passkey")).click()
    page.wait_for_url("**" + site.paths["inside"])

    # The other computer: in by a recovery code, and a key of its own there.
    key = Authenticator(other, transport="usb")
    by_password(other, site, email, key)
    type_recovery_code(other, codes[0])
    title(other, "settings.title")
    add_passkey(other, site, "My key")
    rows = other.get_by_role("list", name=t("settings.passkeys")).get_by_role("listitem")
    expect(rows).to_have_count(2)
    expect(rows.filter(has_text="My key")).to_contain_text(t("settings.passkeys.bound"))
    # One that keeps no list of its passkeys, or asks for no PIN, cannot sign in alone: where the policy has that, it is
    # not taken.
    for lacks in ("hasResidentKey", "hasUserVerification"):
        third = other.context.new_page()
        Authenticator(third, transport="usb", **{lacks: False})
        add_passkey(third, site, "Old key")
        expect(third.get_by_role("alert").filter(visible=True)).to_have_text(t("passkey.cancelled"))
        third.close()
    go(other, site, "inside")
    key.touch(False)
    log_out(other)
    by_password(other, site, email, key)
    other.get_by_role("button", name=t("challenge.passkey")).click()
    other.wait_for_url("**" + site.paths["inside"])

    # The key is lost: the phone removes it.
    phone.touch(False)  # it would say yes to what a login page offers
    go(page, site, "settings")
    page.get_by_role("link", name=t("settings.remove.which", name="My key")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(t("remove.title", name="My key"))
    looks_right(page)
    page.get_by_role("button", name=t("remove.submit")).click()
    expect(page.get_by_role("status")).to_have_text(t("settings.removed", name="My key"))
    expect(page.get_by_role("list", name=t("settings.passkeys")).get_by_role("listitem")).to_have_count(1)


def second_factor_alone(page: Page, site: Site) -> None:
    """Where a passkey signs in nobody alone: a key that keeps no list of its passkeys and asks for no PIN will do."""
    key = Authenticator(page, transport="usb", hasResidentKey=False, hasUserVerification=False, isUserVerified=False)
    come_in(page, site, "old@example.com")
    add_passkey(page, site, "Old key")
    say_saved(page)
    assert [credential["isResidentCredential"] for credential in key.credentials] == [False]
    go(page, site, "inside")
    log_out(page)
    log_in(page, site, "old@example.com")
    expect(page.get_by_role("button", name=t("sign-in.submit"))).to_have_count(0)
    page.get_by_role("button", name=t("challenge.passkey")).click()
    page.wait_for_url("**" + site.paths["inside"])


def looks_right(page: Page) -> None:
    """Nothing sticks out, and axe finds nothing serious."""
    assert fits(page) and not serious(page), page.url


def without_scripts(page: Page, site: Site) -> None:
    """What works instead is said, and works."""
    come_in(page, site, "plain@example.com")
    go(page, site, "settings")
    page.get_by_role("link", name=t("settings.passkeys.add")).click()
    expect(page.get_by_text(t("passkey.without"))).to_be_visible()
    expect(page.get_by_role("button", name=t("passkey.create"))).to_have_count(0)
    page.get_by_role("link", name=t("setup.title")).click()
    title(page, "setup.title")
