"""A visitor without a browser: plain HTTP over a socket, with cookies and the forms' tokens, and nothing clever."""

import html
import http.client
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.cookies import SimpleCookie
from threading import Barrier
from typing import TypeVar
from urllib.parse import urlencode, urlsplit

_Actor = TypeVar("_Actor")
_Reply = TypeVar("_Reply")


def together(actors: Sequence[_Actor], act: Callable[[_Actor], _Reply]) -> list[_Reply]:
    """Lets each do the same, each in a thread of its own, all begun at once."""
    barrier = Barrier(len(actors))

    def begun(actor: _Actor) -> _Reply:
        barrier.wait()
        return act(actor)

    with ThreadPoolExecutor(len(actors)) as pool:
        return list(pool.map(begun, actors))


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def location(self) -> str:
        return str(self.headers.get("Location", ""))

    @property
    def alert(self) -> str:
        """What the page says to be wrong."""
        found = re.search(r'role="alert"[^>]*>(.*?)</(?:div|p)>', self.text, re.S)
        return html.unescape(re.sub(r"<[^>]+>", "", found[1])).strip() if found else ""

    def find(self, pattern: str) -> str:
        found = re.search(pattern, self.text)
        assert found, (pattern, self.status, self.text[:2000])
        return html.unescape(found[1])

    @property
    def uri(self) -> str:
        return self.find(r'href="(otpauth://[^"]+)"')

    @property
    def codes(self) -> list[str]:
        return re.findall(r"<li>([0-9A-Z-]{9,})</li>", self.text)


class Visitor:
    """One browser, as far as servers can tell."""

    token_field = "csrf_token"

    def __init__(self, base: str) -> None:
        self.base = base
        self.cookies: dict[str, str] = {}
        self.token = ""

    def clone(self) -> "Visitor":
        """A thief with a copy of all cookies."""
        other = type(self)(self.base)
        other.cookies, other.token = dict(self.cookies), self.token
        return other

    def get(self, path: str, **headers: str) -> Answer:
        return self._ask("GET", path, None, headers)

    def post(self, path: str, data: "dict[str, object] | None" = None, *, token: bool = True, **headers: str) -> Answer:
        fields = dict(data or {})
        if token:
            fields[self.token_field] = self.token
        return self._ask("POST", path, urlencode(fields, doseq=True), headers)

    def _ask(self, method: str, path: str, body: "str | None", headers: "dict[str, str]") -> Answer:
        where = urlsplit(self.base)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=300)
        sent = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()), "Accept": "text/html"}
        if body is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        for line in response.headers.get_all("Set-Cookie") or []:
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0" or not morsel.value:
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
        found = re.search(rf'name="{self.token_field}" value="([^"]+)"', text)
        if found:
            self.token = html.unescape(found[1])
        return Answer(response.status, response.headers, text)
