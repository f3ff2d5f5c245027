"""The user's device: RFC 4226 and RFC 6238 by Python's own `hmac`: no test asks ferrotp for the right answer."""

import base64
import hmac
import struct
from urllib.parse import parse_qs, urlsplit


class Device:
    """An authenticator app that has scanned a URI."""

    def __init__(self, uri: str) -> None:
        parts = urlsplit(uri)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.kind = parts.netloc
        self.secret = query["secret"]
        self._key = base64.b32decode(self.secret + "=" * (-len(self.secret) % 8))
        self._hash = query.get("algorithm", "SHA1").lower()
        self._digits = int(query.get("digits", 6))
        self._period = int(query.get("period", 30))
        self.counter = int(query.get("counter", 0))

    def code(self, counter: int) -> str:
        """The code of a counter, or of a time step."""
        mac = hmac.digest(self._key, struct.pack(">Q", counter), self._hash)
        offset = mac[-1] & 15
        number = struct.unpack(">I", mac[offset : offset + 4])[0] & 0x7FFF_FFFF
        return str(number % 10**self._digits).zfill(self._digits)

    def at(self, seconds: float, steps: int = 0) -> str:
        """The code that it shows at a time, or `steps` later."""
        return self.code(int(seconds) // self._period + steps)

    def press(self) -> str:
        """The next code of a counter."""
        code = self.code(self.counter)
        self.counter += 1
        return code

    def wrong(self, seconds: float, number: int = 0) -> str:
        """A code that it does not show anywhere near that time."""
        live = {self.at(seconds, steps) for steps in range(-5, 6)}
        return [code for code in (f"{value:0{self._digits}}" for value in range(200)) if code not in live][number]


class Clock:
    """A clock that tests set."""

    def __init__(self, now: float = 1_800_000_015.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
