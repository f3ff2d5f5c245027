"""The whole story, over HTTP and without a person: enroll, log in, refuse a replay, recover."""

import base64
import hmac
import html
import http.cookiejar
import re
import struct
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

PASSWORD = "correct horse battery"


class Browser:
    """Follows redirects, keeps cookies, fills forms in."""

    token = "csrf_token"

    def __init__(self, base: str) -> None:
        self.base = base
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(jar)
        self.url = self.text = ""

    def open(self, path: str, **fields: Any) -> str:
        """A page, or what comes of posting a form; gives the path that it ends on."""
        data = None
        if fields:
            token = re.search(rf'name="{self.token}" value="([^"]+)"', self.text)
            data = urllib.parse.urlencode({**fields, self.token: token[1] if token else ""}, doseq=True).encode()
        try:
            answer = self._opener.open(self.base + path, data, timeout=30)
        except urllib.error.HTTPError as error:
            answer = error
        self.text = html.unescape(answer.read().decode())
        self.url = urllib.parse.urlsplit(answer.url).path
        return self.url


def code(secret: str, steps: int = 0) -> str:
    """RFC 6238 by Python's own hmac: nobody marks their own work."""
    counter = struct.pack(">Q", int(time.time()) // 30 + steps)
    mac = hmac.digest(base64.b32decode(secret), counter, "sha1")
    number = struct.unpack(">I", mac[mac[-1] & 15 :][:4])[0] & 0x7FFF_FFFF
    return f"{number % 1_000_000:06}"


def check(app: Any) -> int:
    """Runs it. 0: all went as it should."""
    from werkzeug.serving import make_server

    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        story(Browser(f"http://127.0.0.1:{server.server_port}"))
    except AssertionError as error:
        print(f"failed: {error}")
        return 1
    finally:
        server.shutdown()
        thread.join()
    print("All went as it should.")
    return 0


def story(page: Browser) -> None:
    """Step by step."""
    while time.time() % 30 > 25:  # so that no step of time ends in between
        time.sleep(0.2)

    def step(what: str, right: object) -> None:
        assert right, f"{what} ({page.url})"
        print(f"  {what}")

    def password() -> str:
        page.open("/login")
        return page.open("/login", email="alice@example.com", password=PASSWORD)

    page.open("/register")
    page.open("/register", email="alice@example.com", password=PASSWORD)
    step("registered and logged in with a password alone", password() == "/inside")
    page.open("/mfa/set-up")
    page.open("/mfa/set-up", name="Phone")
    found = re.search(r"otpauth://totp/[^\"]*secret=([A-Z2-7]+)", page.text)
    step("a key to scan", found and "<svg" in page.text)
    assert found
    secret = found[1]
    first = code(secret, -1)
    page.open("/mfa/set-up/confirm", code=first)
    codes = re.findall(r"<li>([0-9A-Z-]{9,})</li>", page.text)
    step(f"confirmed by a code; {len(codes)} recovery codes shown", len(codes) == 10)
    page.open("/mfa/recovery-codes/saved", codes=codes, saved="y")
    page.open("/logout", out="y")
    step("logged out", page.open("/inside") == "/login")

    step("the password leads to the challenge now", password() == "/mfa/challenge")
    step("and to nothing else", page.open("/inside") == "/login")
    page.open("/mfa/challenge")
    page.open("/mfa/challenge", code=first)
    step("the code that confirmed is refused", page.url == "/mfa/challenge" and "not right" in page.text)
    now = code(secret)
    step("a new code logs in", page.open("/mfa/challenge", code=f"{now[:3]} {now[3:]}") == "/inside")
    page.open("/logout", out="y")

    password()
    page.open("/mfa/challenge", code=now)
    step("the same code once more is refused", page.url == "/mfa/challenge" and "not right" in page.text)
    page.open("/mfa/recover")
    step(
        "a recovery code logs in",
        page.open("/mfa/recover", code=codes[0]) == "/mfa/" and "9 codes are left" in page.text,
    )
    page.open("/logout", out="y")
    password()
    page.open("/mfa/recover")
    page.open("/mfa/recover", code=codes[0])
    step("and only once", page.url == "/mfa/recover" and "not right" in page.text)
