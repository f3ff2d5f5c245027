"""The whole story, over HTTP and without a person: enroll, log in, refuse a replay, recover."""

import base64
import hmac
import http.cookiejar
import json
import socket
import struct
import threading
import time
import urllib.error
import urllib.request
from typing import Any

import uvicorn
from fastapi import FastAPI

CREDENTIALS = {"email": "alice@example.com", "password": "correct horse battery"}


class Client:
    """Speaks JSON, keeps cookies."""

    def __init__(self, base: str) -> None:
        self.base = base
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(jar)
        self.status = 0

    def ask(self, path: str, body: object = None) -> dict[str, Any]:
        """What comes of a GET, or of a POST where there is a body."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"})
        try:
            answer = self._opener.open(request, timeout=30)
        except urllib.error.HTTPError as error:
            answer = error
        self.status = answer.status
        text = answer.read()
        found: dict[str, Any] = json.loads(text) if text else {}
        return found


def code(secret: str, steps: int = 0) -> str:
    """RFC 6238 by Python's own hmac: nobody marks their own work."""
    counter = struct.pack(">Q", int(time.time()) // 30 + steps)
    mac = hmac.digest(base64.b32decode(secret), counter, "sha1")
    number = struct.unpack(">I", mac[mac[-1] & 15 :][:4])[0] & 0x7FFF_FFFF
    return f"{number % 1_000_000:06}"


def check(app: FastAPI) -> int:
    """Runs it. 0: all went as it should."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        story(Client(f"http://127.0.0.1:{listening.getsockname()[1]}"))
    except AssertionError as error:
        print(f"failed: {error}")
        return 1
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
    print("All went as it should.")
    return 0


def story(api: Client) -> None:
    """Step by step."""
    while time.time() % 30 > 25:  # so that no step of time ends in between
        time.sleep(0.2)

    def step(what: str, right: object) -> None:
        assert right, f"{what} ({api.status})"
        print(f"  {what}")

    def password() -> str:
        found = api.ask("/api/login", CREDENTIALS)
        return str(found["pending_token"] or "")

    api.ask("/api/register", CREDENTIALS)
    step("registered and logged in with a password alone", password() == "" and api.ask("/api/me")["email"])
    enrolled = api.ask("/mfa/enroll", {"name": "Phone"})
    secret = enrolled["secret"]
    step("a key to scan", "<svg" in enrolled["qr_svg"] and secret in enrolled["uri"])
    first = code(secret, -1)
    codes = api.ask("/mfa/confirm", {"factor_id": enrolled["factor_id"], "code": first})["recovery_codes"]
    step(f"confirmed by a code; {len(codes)} recovery codes shown", len(codes) == 10)
    api.ask("/api/logout", {})
    api.ask("/api/me")
    step("logged out", api.status == 401)

    pending = password()
    step("the password gives a pending token now", pending)
    api.ask("/api/me")
    step("and that opens nothing else", api.status == 401)
    problem = api.ask("/mfa/verify", {"code": first, "pending_token": pending})
    step(f"the code that confirmed is refused; attempts left: {problem['attempts_left']}", api.status == 400)
    now = code(secret)
    api.ask("/mfa/verify", {"code": f"{now[:3]} {now[3:]}", "pending_token": pending})
    step("a new code logs in", api.status == 200 and api.ask("/api/vault")["text"])
    api.ask("/api/logout", {})

    pending = password()
    api.ask("/mfa/verify", {"code": now, "pending_token": pending})
    step("the same code once more is refused", api.status == 400)
    left = api.ask("/mfa/recover", {"code": codes[0], "pending_token": pending})
    step("a recovery code logs in", api.status == 200 and left["recovery_codes_left"] == 9)
    api.ask("/api/logout", {})
    api.ask("/mfa/recover", {"code": codes[0], "pending_token": password()})
    step("and only once", api.status == 400)
