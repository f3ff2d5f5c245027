"""The pages on the base templates of others: every word can be read, whatever the system's colours and the host's are.

The style sheets of Bootstrap and Tailwind are theirs, unchanged, from their packages (both MIT).
"""

import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import figures
import pytest
from flask import Flask, session
from playwright.sync_api import Page

import ferrotp
import ferrotp.web
from ferrotp.flask import FlaskMFA
from ferrotp.mfa import MFA, Policy
from ferrotp.mfa.stores.memory import MemoryStore
from ferrotp.vault import Keyring

HOSTS = Path(__file__).parent / "hosts"
BOOTSTRAP = (HOSTS / "bootstrap-5.3.9-reboot.min.css").read_text(encoding="utf-8")
PREFLIGHT = (HOSTS / "tailwind-4.3.5-preflight.css").read_text(encoding="utf-8")
STYLES = (Path(ferrotp.web.__file__).parent / "static" / "ferrotp.css").read_text(encoding="utf-8")
DARK_BY_CLASS = "html.dark body { background: #111827; color: #f3f4f6; }"
# What stands around the pages: attributes of <html>, <head>, and whether the ground is dark. None: as the system has it
BASES: dict[str, tuple[str, str, "bool | None"]] = {
    "bootstrap": ("", f"<style>{BOOTSTRAP}</style>", False),
    "bootstrap, data-bs-theme=dark": ('data-bs-theme="dark"', f"<style>{BOOTSTRAP}</style>", True),
    "tailwind": ("", f"<style>{PREFLIGHT}</style>", False),
    "tailwind, class=dark": ('class="dark"', f"<style>{PREFLIGHT}{DARK_BY_CLASS}</style>", True),
    "plain HTML": ("", "", False),
    "plain HTML, color-scheme": ("", '<meta name="color-scheme" content="light dark">', None),
    "a dark ground, class=ferrotp-dark": (
        'class="ferrotp-dark"',
        "<style>body{background:#101010;color:#eee}</style>",
        True,
    ),
}

MEASURE = """() => {
  const pixel = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = (colour) => {
    pixel.clearRect(0, 0, 1, 1); pixel.fillStyle = "#000"; pixel.fillStyle = colour; pixel.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = pixel.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255];
  };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * x + .7152 * y + .0722 * z;
  };
  const probe = document.createElement("div"); probe.style.background = "Canvas"; document.body.append(probe);
  const system = rgba(getComputedStyle(probe).backgroundColor); probe.remove();
  const ground = (element) => {
    const chain = []; for (let e = element; e; e = e.parentElement) chain.unshift(getComputedStyle(e).backgroundColor);
    return chain.map(rgba).reduce((under, top) => over(top, under), system);
  };
  const found = [];
  for (const element of document.querySelectorAll(".ferrotp, .ferrotp *")) {
    if (element.closest("svg")) continue;
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim())
      || element.matches("input:not([type=hidden],[type=checkbox])");
    if (!own || !element.checkVisibility()) continue;
    const under = ground(element), text = over(rgba(getComputedStyle(element).color), under);
    const [a, b] = [light(text), light(under)].sort((x, y) => y - x);
    found.push([(a + .05) / (b + .05),
      element.tagName + "." + element.className + ": " + element.textContent.trim().slice(0, 40), light(under)]);
  }
  return found.sort((x, y) => x[0] - y[0]);
}"""


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """What is inside of `<div class="ferrotp">`, of each page of a user's way."""
    app = Flask(__name__)
    app.config.update(SECRET_KEY="x" * 32, TESTING=True, WTF_CSRF_ENABLED=False)
    mfa = MFA(MemoryStore(), issuer="ACME", keyring=Keyring.generate(), policy=Policy.cheap_for_tests())
    flask_mfa = FlaskMFA(
        app, mfa=mfa, on_login=lambda user: session.update(u=user), current_user_id=lambda: session.get("u")
    )
    app.add_url_rule("/login", "login", lambda: flask_mfa.begin_login("1", "ann@example.com"), methods=["POST"])
    app.config["FERROTP_LOGIN_VIEW"] = "login"
    client = app.test_client()
    found: dict[str, str] = {}

    def keep(name: str, answer: Any) -> str:
        match = re.search(r'<div class="ferrotp"[^>]*>.*</div>', answer.text, re.S)
        assert match, answer.text
        found[name] = match[0]
        return str(answer.text)

    client.post("/login")
    keep("settings, off", client.get("/mfa/"))
    keep("set-up, start", client.get("/mfa/set-up"))
    client.post("/mfa/set-up")
    text = keep("set-up", client.get("/mfa/set-up"))
    phone = ferrotp.parse_uri(html.unescape(re.search(r'href="(otpauth:[^"]+)"', text)[1]))  # type: ignore[index]
    keep("set-up, wrong code", client.post("/mfa/set-up/confirm", data={"code": "000000"}))
    keep("codes", client.post("/mfa/set-up/confirm", data={"code": phone.now()}))  # type: ignore[attr-defined]
    keep("settings", client.get("/mfa/"))
    factor = mfa.status(user_id="1").factors[0].factor_id
    keep("remove", client.get(f"/mfa/factors/{factor}/remove"))
    keep("new codes", client.get("/mfa/recovery-codes"))
    with client.session_transaction() as kept:
        kept.clear()
    client.post("/login")
    keep("challenge", client.get("/mfa/challenge"))
    keep("challenge, wrong code", client.post("/mfa/challenge", data={"code": "000000"}))
    keep("recover", client.get("/mfa/recover"))
    return found


@pytest.mark.parametrize("system", ["light", "dark"])
@pytest.mark.parametrize("base", BASES)
def test_every_word_can_be_read_on_the_hosts_ground(
    open_page: Callable[..., Page], pages: dict[str, str], base: str, system: str
) -> None:
    attributes, head, dark = BASES[base]
    page = open_page(color_scheme=system)
    worst = (99.0, "")
    for name, body in pages.items():
        page.set_content(
            f"<!doctype html><html {attributes}><head>{head}</head><body><style>{STYLES}</style>{body}</body></html>"
        )
        found = page.evaluate(MEASURE)
        assert len(found) > 3, name
        # The ground is the host's: the heading stands on it.
        [heading] = [light for _, what, light in found if what.startswith("H1")]
        assert (heading < 0.2) is (system == "dark" if dark is None else dark), name
        worst = min(worst, (round(found[0][0], 2), f"{name}: {found[0][1]}"))
    figures.lines.append(f"contrast at the least, {base}, system {system}: {worst[0]}:1 ({worst[1]})")
    assert worst[0] >= 4.5, worst
