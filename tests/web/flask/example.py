"""The Flask example, up on a free port in this process, with a clock that tests move."""

import logging
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from flask import Flask
from werkzeug.serving import make_server

from ferrotp.mfa import MFA, Event, Policy
from ferrotp.mfa.stores.memory import MemoryStore
from ferrotp.vault import Keyring
from ferrotp.web import Notice, Notifier

EXAMPLE = Path(__file__).parents[3] / "examples" / "flask_app"
sys.path.insert(0, str(EXAMPLE))

import app as example  # noqa: E402

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
logging.getLogger("werkzeug").setLevel(logging.ERROR)


class FlaskSite:
    """A `Site`: see `web.steps`."""

    paths = {  # noqa: RUF012
        "register": "/register",
        "login": "/login",
        "inside": "/inside",
        "settings": "/mfa/",
        "password": "/password",
        "vault": "/vault",
    }

    def __init__(
        self,
        folder: Path,
        *,
        policy: Policy | None = None,
        change: Callable[[Flask], object] | None = None,
        port: int = 0,
    ) -> None:
        # It stands still in the middle of a time step, until somebody waits: no test meets the end of one.
        self.time = time.time() // 30 * 30 + 15.0
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
        self.app: Flask = example.create_app(folder, mfa=self.mfa)
        users: Any = self.app.extensions["example_users"]
        users._hasher = CHEAP
        users._nobody = CHEAP.hash("nobody")
        if change is not None:
            change(self.app)
        self._server = make_server("127.0.0.1", port, self.app, threaded=True)
        self.base = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float) -> None:
        self.time += seconds

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
