"""The FastAPI example, up on a free port in this process, with a clock that tests move."""

import json
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn
from argon2 import PasswordHasher
from fastapi import FastAPI

from ferrotp.mfa import MFA, Event, Policy
from ferrotp.mfa.stores.memory import MemoryStore
from ferrotp.vault import Keyring
from ferrotp.web import Notice, Notifier

from ..steps import PASSWORD, Phone
from ..visitor import Answer, Visitor

EXAMPLE = Path(__file__).parents[3] / "examples" / "fastapi_app"
sys.path.insert(0, str(EXAMPLE))

import server as example  # noqa: E402
from accounts import Accounts  # noqa: E402

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
URN = "urn:ferrotp:problem:"


class FastAPISite:
    """A `Site`: see `web.steps`."""

    paths = {  # noqa: RUF012
        "register": "/#register",
        "login": "/#login",
        "inside": "/#inside",
        "settings": "/#settings",
        "password": "/#password",
        "vault": "/#vault",
    }

    def __init__(
        self,
        folder: Path,
        *,
        policy: Policy | None = None,
        change: Callable[[FastAPI], object] | None = None,
        port: int = 0,
    ) -> None:
        self.offset = 0.0
        self.events: list[Event] = []
        self.mails: list[Notice] = []
        notifier = Notifier(self.mails.append, issuer="ACME")

        def on_event(event: Event) -> None:
            self.events.append(event)
            notifier(event)

        self.mfa = MFA(
            MemoryStore(),
            issuer="ACME",
            keyring=Keyring.generate(),
            policy=policy or replace(Policy.cheap_for_tests(), trusted_device_days=30),
            clock=self.now,
            on_event=on_event,
        )
        self.accounts = Accounts(folder / "users.db", hasher=CHEAP)
        self.app = example.create_app(folder, mfa=self.mfa, accounts=self.accounts)
        if change is not None:
            change(self.app)
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", port))
        self.base = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._server = uvicorn.Server(uvicorn.Config(self.app, log_level="error", lifespan="off"))
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def now(self) -> float:
        return time.time() + self.offset

    def wait(self, seconds: float) -> None:
        self.offset += seconds

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


class Reply(Answer):
    """An answer that is JSON."""

    @property
    def body(self) -> Any:
        return json.loads(self.text)

    @property
    def kind(self) -> str:
        """The kind of a problem, which is whole and is not kept by a cache; "" for none."""
        if self.headers["Content-Type"] != "application/problem+json":
            return ""
        body = self.body
        assert body["status"] == self.status and body["title"] and body["detail"]
        assert body["type"].startswith(URN) and self.headers["Cache-Control"] == "no-store"
        return str(body["type"].removeprefix(URN))


class Client(Visitor):
    """A client of the API: a cookie for the session, and a pending token while there is one."""

    pending: str | None = None

    def clone(self) -> "Client":
        other = Client(self.base)
        other.cookies, other.pending = dict(self.cookies), self.pending
        return other

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Reply:
        text = None if body is None else json.dumps(body)
        sent = {"Accept": "application/json", **({"Content-Type": "application/json"} if text is not None else {})}
        answer = self._ask(method, path, text, {**sent, **headers})
        return Reply(answer.status, answer.headers, answer.text)

    def do(self, operation: str, *, session: bool = False, **fields: object) -> Reply:
        """An operation of the router; with the pending token, if there is one."""
        body = {**fields, **({"pending_token": self.pending} if self.pending and not session else {})}
        return self.ask("POST", f"/mfa/{operation}", body)

    def password(self, email: str, password: str = PASSWORD) -> Reply:
        """The first factor."""
        reply = self.ask("POST", "/api/login", {"email": email, "password": password})
        if reply.status == 200:
            self.pending = reply.body["pending_token"]
        return reply


class Victim:
    """A user with a device and recovery codes, logged out."""

    def __init__(self, site: FastAPISite, email: str) -> None:
        self.site, self.email = site, email
        client = Client(site.base)
        assert client.ask("POST", "/api/register", {"email": email, "password": PASSWORD}).status == 201
        assert client.password(email).body["status"] == "done"
        enrolled = client.do("enroll", name="Phone")
        assert enrolled.status == 201, enrolled.text
        self.phone = Phone(enrolled.body["uri"])
        self.factor_id = enrolled.body["factor_id"]
        self.first_code = self.code()
        confirmed = client.do("confirm", factor_id=self.factor_id, code=self.first_code)
        assert confirmed.status == 200, confirmed.text
        self.codes: list[str] = confirmed.body["recovery_codes"]
        self.user_id = next(event.user_id for event in reversed(site.events))
        client.ask("POST", "/api/logout", {})
        site.wait(60)

    def code(self, steps: int = 0) -> str:
        return self.phone.code(self.site.now(), steps)

    def wrong(self) -> str:
        return self.phone.wrong(self.site.now())

    def half(self) -> Client:
        client = Client(self.site.base)
        reply = client.password(self.email)
        assert reply.body["status"] == "pending" and reply.body["session"] is None and client.pending
        return client

    def full(self) -> Client:
        client = self.half()
        assert client.do("verify", code=self.code()).status == 200
        client.pending = None
        self.site.wait(30)
        return client
