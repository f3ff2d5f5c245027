"""Keys that are kept elsewhere: cached for minutes, and refused when their place is away for longer."""

import base64
import json
import secrets
import sys
import threading
import traceback
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ferrotp import TOTP
from ferrotp.mfa import MFA, InvalidCode, KeySource, KeysUnavailable, Policy, StoreUnavailable, keys_from_command
from ferrotp.mfa.stores.base import Owner
from ferrotp.mfa.testing import MemoryStore
from ferrotp.vault import Keyring, new_key

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
NOW = 1_800_000_000


class KMS:
    """A service for keys: it wraps data keys with a master key that never leaves it, and unwraps them."""

    def __init__(self) -> None:
        self.master, self.calls, self.away = secrets.token_bytes(64), 0, False
        kms = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                kms.calls += 1
                if kms.away:
                    self.send_error(503)
                    return
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answer = json.dumps({"plaintext": kms.xor(base64.b64decode(body["wrapped"])).decode()}).encode()
                self.send_response(200)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *more: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def xor(self, text: bytes) -> bytes:
        return bytes(a ^ b for a, b in zip(text, self.master * 4, strict=False))

    def wrap(self, key: str) -> str:
        """What stands in the application's configuration."""
        return base64.b64encode(self.xor(key.encode())).decode()

    def unwrap(self, wrapped: str) -> str:
        """As an application does it."""
        url = f"http://127.0.0.1:{self.server.server_address[1]}/unwrap"
        request = urllib.request.Request(url, json.dumps({"wrapped": wrapped}).encode())
        with urllib.request.urlopen(request, timeout=2) as answer:
            return str(json.load(answer)["plaintext"])


@pytest.fixture
def kms() -> Iterator[KMS]:
    kms = KMS()
    yield kms
    kms.server.shutdown()
    kms.server.server_close()


class World:
    """A service with its keys in the KMS, and a clock of each."""

    def __init__(self, kms: KMS) -> None:
        self.kms, self.now = kms, 0.0
        self.configured = [kms.wrap(new_key())]
        source = KeySource(lambda: [kms.unwrap(key) for key in self.configured], clock=lambda: self.now)
        self.store, self.codes = MemoryStore(), 0
        self.mfa = MFA(
            self.store,
            issuer="ACME",
            keyring=source,
            policy=Policy.cheap_for_tests(),
            clock=lambda: NOW + self.now + 30 * self.codes,
        )

    def log_in(self) -> None:
        self.codes += 1
        self.mfa.verify(user_id="7", code=TOTP(SECRET).at(self.mfa.clock()))


def test_data_keys_are_unwrapped_once_in_some_minutes(kms: KMS) -> None:
    world = World(kms)
    world.mfa.import_factor(user_id="7", secret=SECRET)
    for _ in range(3):
        world.log_in()
    assert kms.calls == 1
    world.now += 300
    world.log_in()
    world.log_in()
    assert kms.calls == 2
    assert world.mfa.for_tenant("other").keyring.writes_with == world.mfa.keyring.writes_with


def test_a_key_that_was_put_first_seals_from_the_next_fetch_on(kms: KMS) -> None:
    world = World(kms)
    world.mfa.import_factor(user_id="7", secret=SECRET)
    old, new = world.mfa.keyring.writes_with, new_key()
    world.configured.insert(0, kms.wrap(new))
    assert world.mfa.keyring.writes_with == old
    other = world.mfa.for_tenant("")
    world.now += 300
    assert world.mfa.keyring.writes_with == other.keyring.writes_with == Keyring(new).writes_with
    assert world.mfa.rotate_keys().resealed == 1
    world.log_in()


def test_a_kms_that_is_away_is_waited_for_and_then_nobody_is_let_in(kms: KMS) -> None:
    world = World(kms)
    world.mfa.import_factor(user_id="7", secret=SECRET)
    kms.away = True
    for _ in range(17):  # 14 minutes and 10 seconds
        world.now += 50
        world.log_in()
    assert kms.calls <= 1 + 12  # it is not asked at each login
    world.now += 50
    with pytest.raises(KeysUnavailable) as raised:
        world.log_in()
    assert isinstance(raised.value, StoreUnavailable)  # which every framework answers with 503
    kms.away = False
    world.now += 6
    world.log_in()
    with pytest.raises(InvalidCode) as wrong:
        world.mfa.verify(user_id="7", code="000000")
    assert wrong.value.attempts_left == 4  # nothing was counted meanwhile


class WatchedStore(MemoryStore):
    """Knows when it decides."""

    decides = False

    def attempt(self, *arguments: Any, **named: Any) -> Any:
        return self._watched(super().attempt, *arguments, **named)

    def remove_factor(self, *arguments: Any, **named: Any) -> Any:
        return self._watched(super().remove_factor, *arguments, **named)

    def _watched(self, decision: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        self.decides = True
        try:
            return decision(*arguments, **named)
        finally:
            self.decides = False


@pytest.mark.parametrize("audit", [False, True])
def test_no_attempt_is_counted_without_keys_and_no_store_waits_for_them(audit: bool) -> None:
    now, away, asked = [0.0], [False], []
    store, keyring = WatchedStore(), Keyring.generate()

    def fetch() -> Keyring:
        asked.append(store.decides)
        if away[0]:
            raise OSError
        return keyring

    source = KeySource(fetch, seconds=1, retry=0, patience=0, clock=lambda: now[0])
    policy = Policy.cheap_for_tests()
    mfa = MFA(store, issuer="ACME", keyring=source, policy=policy, clock=lambda: NOW + now[0], audit=audit)
    mfa.import_factor(user_id="7", secret=SECRET)
    hotp = mfa.import_factor(user_id="7", secret=SECRET, kind="hotp", last_step=0)
    recovery_code = mfa.regenerate_recovery_codes(user_id="7")[0]
    pending = mfa.enroll(user_id="7", account_name="alice")

    def code() -> str:
        return TOTP(SECRET).at(int(mfa.clock()))

    asking: list[Callable[[], object]] = [
        lambda: mfa.verify(user_id="7", code=code()),
        lambda: mfa.resync(user_id="7", factor_id=hotp.factor_id, code="123456", next_code="234567"),
        lambda: mfa.unlock(user_id="7", code="123456", next_code="234567"),
        lambda: mfa.recover(user_id="7", code=recovery_code),
        lambda: mfa.confirm(user_id="7", factor_id=pending.factor_id, code="123456"),
    ]
    before = dict(store.user(Owner("", "7")).budgets)
    away[0] = True
    for ask in asking:
        now[0] += 30
        with pytest.raises(KeysUnavailable):
            ask()
    assert store.user(Owner("", "7")).budgets == before
    away[0] = False
    for _ in range(3):
        now[0] += 30
        mfa.verify(user_id="7", code=code())
    now[0] += 30
    mfa.remove_factor(user_id="7", factor_id=hotp.factor_id)
    assert len(asked) > len(asking) and not any(asked)


def test_keys_that_were_never_there_are_no_keys(kms: KMS) -> None:
    kms.away = True
    with pytest.raises(KeysUnavailable):
        World(kms).mfa.import_factor(user_id="7", secret=SECRET)


def test_what_the_fetch_raises_is_told_to_nobody(kms: KMS) -> None:
    key = new_key()

    def leaking() -> str:
        raise RuntimeError(f"cannot parse {key}")

    try:
        KeySource(leaking).keyring()
    except KeysUnavailable as error:
        told = "".join(traceback.format_exception(error)) + repr(error)
    assert key not in told and "cannot parse" not in told
    with pytest.raises(KeysUnavailable):
        KeySource(lambda: "too short").keyring()


def test_many_threads_ask_once_and_none_waits_for_another_that_has_keys(kms: KMS) -> None:
    calls, now = [], [0.0]
    asked, answer = threading.Event(), threading.Event()

    def slow() -> str:
        calls.append(1)
        asked.set()
        answer.wait(60)
        return key

    key = new_key()
    source = KeySource(slow, clock=lambda: now[0])
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(source.keyring().writes_with)) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert asked.wait(60)
    answer.set()
    for thread in threads:
        thread.join()
    assert len(calls) == 1 and found == 8 * [Keyring(key).writes_with]
    now[0] += 301
    asked.clear()
    answer.clear()
    asking = threading.Thread(target=source.keyring)
    asking.start()
    assert asked.wait(60)
    assert source.keyring().writes_with == found[0]
    assert asking.is_alive()  # it has no answer yet, and this one did not wait for it
    answer.set()
    asking.join()
    assert len(calls) == 2


def test_a_command_gives_the_keys() -> None:
    key = new_key()
    program = f"print({key!r})"
    assert (
        KeySource(keys_from_command([sys.executable, "-c", program])).keyring().writes_with == Keyring(key).writes_with
    )
    for failing in ("raise SystemExit(1)", "import time; time.sleep(9)", "print('nothing of the kind')"):
        with pytest.raises(KeysUnavailable):
            KeySource(keys_from_command([sys.executable, "-c", failing], timeout=1)).keyring()
