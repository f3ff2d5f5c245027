"""Looks at every page of `ferrotp.flask` on the base templates of others, in Chromium: what a page weighs, what it asks
the server for, whether every word can be read, and what axe finds. Pictures go to target/pages.

usage: python benches/pages.py [--pictures] [--others]

  --pictures  takes a picture of each page on each host, light and dark, and puts those of a host on one sheet
  --others    the same for the pages of django-allauth and django-two-factor-auth, as they come

A page's weight is that of a first visit; a second one has style and script in its cache.
"""

import gzip
import html
import io
import logging
import os
import re
import secrets
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "target" / "pages"
sys.path.insert(0, str(ROOT / "tests"))

from axe_playwright_python.sync_playwright import Axe  # noqa: E402
from PIL import Image  # noqa: E402
from playwright.sync_api import Browser, Page, Response, sync_playwright  # noqa: E402
from programs import CHROMIUM  # noqa: E402
from qr.readers import CHROMIUM_FLAGS  # noqa: E402
from web.passkeys import Authenticator, free_port  # noqa: E402
from web.test_hosts import BOOTSTRAP, MEASURE, PREFLIGHT  # noqa: E402

import ferrotp  # noqa: E402

PHONE = {"width": 390, "height": 844}
HEADER = (
    '<header style="padding:1rem 1.25rem;border-bottom:1px solid rgba(128,128,128,.35);margin-bottom:2rem;'
    'font-weight:600">ACME</header>'
)
AROUND = "<style>body{margin:0;padding-bottom:2rem} main{padding:0 1.25rem}</style>"
DARK = "<style>html.dark body{background:#111827;color:#f3f4f6}</style>"
HOSTS = {
    "plain, light": ("", AROUND),
    "plain, dark": ("", f'<meta name="color-scheme" content="light dark">{AROUND}'),
    "bootstrap, light": ("", f"<style>{BOOTSTRAP}</style>{AROUND}"),
    "bootstrap, dark": ('data-bs-theme="dark"', f"<style>{BOOTSTRAP}</style>{AROUND}"),
    "tailwind, light": ("", f"<style>{PREFLIGHT}</style>{AROUND}"),
    "tailwind, dark": ('class="dark"', f"<style>{PREFLIGHT}</style>{AROUND}{DARK}"),
}
"""Attributes of <html>, and what is in <head>."""


class Site:
    """A Flask application with ferrotp's pages on a base template of its own, on a free port."""

    def __init__(self) -> None:
        import jinja2
        from flask import Flask, session
        from werkzeug.serving import make_server

        from ferrotp.flask import FlaskMFA
        from ferrotp.mfa import MFA, Passkeys, Policy
        from ferrotp.mfa.stores.memory import MemoryStore
        from ferrotp.vault import Keyring

        self.host = HOSTS["plain, light"]
        self.offset = 0.0
        port = free_port()
        self.base = f"http://localhost:{port}"
        policy = Policy(trusted_device_days=30, passkeys=Passkeys(rp_id="localhost", origins=[self.base]))
        self.mfa = MFA(MemoryStore(), issuer="ACME", keyring=Keyring.generate(), policy=policy, clock=self.now)
        app = Flask(__name__)
        app.jinja_loader = jinja2.DictLoader(
            {
                "host.html": '<!doctype html><html lang="en" {{ host[0]|safe }}><head><meta charset="utf-8">'
                '<meta name="viewport" content="width=device-width, initial-scale=1"><title>{% block title %}'
                "{% endblock %}</title>{{ host[1]|safe }}</head><body>"
                + HEADER
                + "<main>{% block content %}{% endblock %}</main></body></html>"
            }
        )
        app.context_processor(lambda: {"host": self.host})
        app.config.update(
            SECRET_KEY=secrets.token_hex(32), FERROTP_BASE_TEMPLATE="host.html", FERROTP_LOGIN_VIEW="/login"
        )
        flask_mfa = FlaskMFA(
            app,
            mfa=self.mfa,
            on_login=lambda user: session.update(u=user),
            current_user_id=lambda: session.get("u"),
            verify_password=lambda user, password: False,
        )
        app.add_url_rule("/login/<user>", "login", lambda user: flask_mfa.begin_login(user, "ann@example.com"))
        app.add_url_rule("/login", "log_in", lambda: "log in")
        app.add_url_rule("/", "home", lambda: "home")
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = make_server("127.0.0.1", port, app, threaded=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def now(self) -> float:
        return time.time() + self.offset

    def close(self) -> None:
        self._server.shutdown()


def walk(page: Page, site: Site, user: str) -> Iterator[str]:
    """Goes through every page of a user: the name of the one that is open."""

    def go(path: str) -> None:
        page.goto(site.base + path)

    def submit() -> None:
        page.locator(".ferrotp main, .ferrotp").locator("form button[type=submit].ferrotp-wide:visible").first.click()

    Authenticator(page)
    go(f"/login/{user}")
    go("/mfa/")
    yield "settings, off"
    go("/mfa/set-up")
    yield "set-up, start"
    submit()
    yield "set-up"
    uri = page.locator('a[href^="otpauth:"]').get_attribute("href")
    phone = ferrotp.parse_uri(html.unescape(str(uri)))
    assert isinstance(phone, ferrotp.TOTP)
    page.fill("[name=code]", "000000")
    submit()
    yield "set-up, wrong code"
    page.fill("[name=code]", phone.at(int(site.now())))
    page.fill("[name=name]", "My phone")
    submit()
    yield "codes"
    page.check("[name=saved]")
    submit()
    go("/mfa/passkeys/add")
    yield "passkey"
    page.fill("[name=name]", "This laptop")
    submit()
    page.get_by_text("This laptop").wait_for()
    yield "settings"
    page.locator("ul.ferrotp-list a").last.click()
    yield "remove"
    go("/mfa/recovery-codes")
    yield "new codes"
    go("/mfa/sessions/end")
    yield "log out elsewhere"
    site.offset += 700
    go("/mfa/recovery-codes")
    yield "challenge, before a change"
    page.context.clear_cookies()
    go(f"/login/{user}")
    yield "challenge"
    for _ in range(5):
        page.fill("[name=code]", "000000")
        page.locator("form[action$=challenge] button.ferrotp-wide").click()
        if _ == 0:
            yield "challenge, wrong code"
    yield "challenge, delay"
    go("/mfa/recover")
    yield "recover"
    page.context.clear_cookies()
    go(f"/login/{user}-new")
    site.offset += 700
    go("/mfa/set-up")
    yield "password"


# What the packages give, as they come


class Django:
    """A site with the pages of another package, asked without a socket."""

    base = ""

    def __init__(self, package: str) -> None:
        import django
        from django.conf import settings

        apps = ["auth", "contenttypes", "sessions", "messages"]
        two_factor = ["django_otp", "django_otp.plugins.otp_totp", "django_otp.plugins.otp_static", "two_factor"]
        otp = "django_otp.middleware.OTPMiddleware"
        settings.configure(
            SECRET_KEY=secrets.token_hex(32),
            ALLOWED_HOSTS=["testserver"],
            DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
            INSTALLED_APPS=[
                *(f"django.contrib.{name}" for name in apps),
                *(["allauth", "allauth.account", "allauth.mfa"] if package == "allauth" else two_factor),
            ],
            MIDDLEWARE=[
                "django.contrib.sessions.middleware.SessionMiddleware",
                "django.contrib.auth.middleware.AuthenticationMiddleware",
                "django.contrib.messages.middleware.MessageMiddleware",
                "allauth.account.middleware.AccountMiddleware" if package == "allauth" else otp,
            ],
            AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.ModelBackend"],
            TEMPLATES=[
                {
                    "BACKEND": "django.template.backends.django.DjangoTemplates",
                    "APP_DIRS": True,
                    "OPTIONS": {
                        "context_processors": [
                            "django.template.context_processors.request",
                            "django.contrib.auth.context_processors.auth",
                            "django.contrib.messages.context_processors.messages",
                        ]
                    },
                }
            ],
            ROOT_URLCONF=__name__,
            LOGIN_URL="/account/login/",
            ACCOUNT_EMAIL_VERIFICATION="none",
            ACCOUNT_RATE_LIMITS=False,
            ACCOUNT_REAUTHENTICATION_REQUIRED=False,
            MFA_ALLOW_UNVERIFIED_EMAIL=True,
            MFA_TOTP_ISSUER="ACME",
            DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        )
        django.setup()
        from django.core.management import call_command
        from django.urls import include, path

        global urlpatterns
        if package == "allauth":
            urlpatterns = [path("accounts/", include("allauth.urls"))]
        else:
            from two_factor.urls import urlpatterns as pages

            urlpatterns = [path("", include(pages))]
        call_command("migrate", verbosity=0)
        self.package = package

    def pages(self) -> Iterator[tuple[str, str]]:
        """Name and HTML of each page of the second factor."""
        from django.contrib.auth import get_user_model
        from django.test import Client

        user = get_user_model().objects.create_user("ann", "ann@example.com", "correct horse battery")
        client = Client()
        if self.package == "allauth":
            client.post("/accounts/login/", {"login": "ann", "password": "correct horse battery"})
            client.post("/accounts/reauthenticate/", {"password": "correct horse battery"})
        else:
            client.force_login(user, "django.contrib.auth.backends.ModelBackend")

        def get(path: str) -> str:
            return client.get(path, follow=True).content.decode()

        if self.package == "allauth":
            yield "settings, off", get("/accounts/2fa/")
            page = get("/accounts/2fa/totp/activate/")
            yield "set-up", page
            wrong = client.post("/accounts/2fa/totp/activate/", {"code": "000000"}).content.decode()
            yield "set-up, wrong code", wrong
            secret = client.session["mfa.totp.secret"]
            client.post("/accounts/2fa/totp/activate/", {"code": ferrotp.TOTP(secret).now()})
            yield "codes", get("/accounts/2fa/recovery-codes/")
            yield "settings", get("/accounts/2fa/")
            client.logout()
            client.post("/accounts/login/", {"login": "ann", "password": "correct horse battery"})
            yield "challenge", get("/accounts/2fa/authenticate/")
            wrong = client.post("/accounts/2fa/authenticate/", {"code": "000000"}).content.decode()
            yield "challenge, wrong code", wrong
            return
        yield "settings, off", get("/account/two_factor/")
        yield "set-up, start", get("/account/two_factor/setup/")
        page = client.post("/account/two_factor/setup/", {"setup_view-current_step": "welcome"}).content.decode()
        yield "set-up", page
        data = {"setup_view-current_step": "generator", "generator-token": "000000"}
        yield "set-up, wrong code", client.post("/account/two_factor/setup/", data).content.decode()
        from base64 import b32encode

        from django_otp.plugins.otp_totp.models import TOTPDevice

        device = TOTPDevice.objects.create(user=user, name="default")
        yield "settings", get("/account/two_factor/")
        yield "codes", get("/account/two_factor/backup/tokens/")
        client.logout()
        data = {"login_view-current_step": "auth", "auth-username": "ann", "auth-password": "correct horse battery"}
        yield "challenge", client.post("/account/login/", data).content.decode()
        data = {"login_view-current_step": "token", "token-otp_token": "000000"}
        yield "challenge, wrong code", client.post("/account/login/", data).content.decode()
        assert b32encode(device.bin_key)


urlpatterns: list[Any] = []

# What is looked at


@dataclass
class Looker:
    """Takes the figures of the page that is open, and its picture."""

    page: Page
    pictures: list[tuple[str, bytes]] = field(default_factory=list)
    answers: list[Response] = field(default_factory=list)

    def listen(self) -> None:
        """Keeps what is answered from now on, and nothing in the cache."""
        session = self.page.context.new_cdp_session(self.page)
        session.send("Network.enable")
        session.send("Network.setCacheDisabled", {"cacheDisabled": True})
        self.page.on("response", self._answered)

    def _answered(self, response: Response) -> None:
        if response.request.resource_type == "document":
            self.answers.clear()
        if response.status < 300 or response.status >= 400:
            self.answers.append(response)

    def figures(self, name: str) -> tuple[float, str]:
        """A line of the table, and the least contrast."""
        self.page.wait_for_load_state("networkidle")
        bodies = [(answer.request.resource_type, answer.body()) for answer in self.answers]
        document = sum(len(body) for kind, body in bodies if kind == "document")
        whole, packed = sum(len(body) for _, body in bodies), sum(len(gzip.compress(body)) for _, body in bodies)
        contrast, worst = self.contrast(".ferrotp")
        kilobytes = " | ".join(f"{size / 1000:.1f}" for size in (document, whole, packed))
        line = f"| {name} | {len(bodies)} | {kilobytes} | {contrast} | {len(self.faults())} |"
        print(line, flush=True)
        return contrast, worst

    def contrast(self, below: str) -> tuple[float, str]:
        found = self.page.evaluate(MEASURE.replace(".ferrotp, .ferrotp *", f"{below}, {below} *"))
        return (round(found[0][0], 2), str(found[0][1])) if found else (21.0, "")

    def faults(self) -> list[str]:
        """What axe finds serious or critical."""
        violations = Axe().run(self.page).response["violations"]
        return [fault["id"] for fault in violations if fault["impact"] in ("serious", "critical")]

    def take(self, name: str) -> None:
        """A picture, of as much as there is."""
        self.page.wait_for_load_state("networkidle")
        self.pictures.append((name, self.page.screenshot(full_page=True)))

    def sheet(self, name: str) -> None:
        """All pictures in one."""
        pictures = [Image.open(io.BytesIO(data)).convert("RGB") for _, data in self.pictures]
        columns = [pictures[start : start + 5] for start in range(0, len(pictures), 5)]
        rows = [(sum(image.width + 12 for image in row), max(image.height for image in row) + 12) for row in columns]
        whole = Image.new("RGB", (max(width for width, _ in rows), sum(height for _, height in rows)), "#888888")
        top = 0
        for row, (_, height) in zip(columns, rows, strict=True):
            left = 0
            for image in row:
                whole.paste(image, (left, top))
                left += image.width + 12
            top += height
        PICTURES.mkdir(parents=True, exist_ok=True)
        whole.save(PICTURES / f"{re.sub('[^a-z]+', '-', name.lower())}.png")
        print(f"target/pages/{re.sub('[^a-z]+', '-', name.lower())}.png", flush=True)


def ours(browser: Browser, pictures: bool) -> None:
    """Figures on the plain host, and pictures on all."""
    site = Site()
    print("| page | requests | HTML, KB | all, KB | gzip, KB | contrast at the least | axe |")
    print("|---|---|---|---|---|---|---|")
    try:
        for number, (name, host) in enumerate(HOSTS.items()):
            if number and not pictures:
                break
            site.host = host
            context = browser.new_context(viewport=PHONE, color_scheme="dark" if "dark" in name else "light")
            looker = Looker(context.new_page())
            looker.listen()
            for page in walk(looker.page, site, f"user-{number}"):
                if number == 0:
                    looker.figures(page)
                if pictures:
                    looker.take(page)
            if pictures:
                looker.sheet(name)
            context.close()
    finally:
        site.close()


def others(browser: Browser, package: str) -> None:
    """The figures of another package's pages, as they come, and their pictures."""
    context = browser.new_context(viewport=PHONE)
    looker = Looker(context.new_page())
    for name, text in list(Django(package).pages()):
        looker.page.set_content(text)
        contrast, worst = looker.contrast("body")
        size = len(text.encode())
        print(f"| {package}: {name} | {size / 1000:.1f} | {contrast} {worst} | {looker.faults()} |", flush=True)
        looker.take(name)
    looker.sheet(package)
    context.close()


def main(arguments: list[str]) -> int:
    """0: done; 2: usage."""
    if not set(arguments) <= {"--pictures", "--others", "allauth", "two_factor"}:
        print(__doc__, file=sys.stderr)
        return 2
    if CHROMIUM is None:
        print("chromium is not installed: apt-get install chromium-headless-shell", file=sys.stderr)
        return 1
    packages = [name for name in arguments if not name.startswith("-")]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_FLAGS))
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright has a loop in this thread
        for package in packages:
            others(browser, package)
        if not packages:
            ours(browser, "--pictures" in arguments)
        browser.close()
    if "--others" in arguments:  # a process each: Django is set up once
        import subprocess

        for package in ("allauth", "two_factor"):
            subprocess.run([sys.executable, __file__, package], check=True)
    return 0


if __name__ == "__main__":
    sys.modules.setdefault(Path(__file__).stem, sys.modules[__name__])
    sys.exit(main(sys.argv[1:]))
