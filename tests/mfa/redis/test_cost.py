"""What a decision costs: one round trip."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ferrotp import TOTP
from ferrotp.mfa import MFA, InvalidCode, Policy
from ferrotp.mfa.stores import redis as module
from ferrotp.mfa.stores.redis import RedisStore
from ferrotp.vault import Keyring

from ..redis_server import Server
from .test_faults import operations, reads


class Wire:
    """Counts what is sent: each packet waits for its answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent = 0
        send = module._Bounded.send_packed_command

        def counted(connection: module._Bounded, *args: object, **kwargs: object) -> None:
            self.sent += 1
            send(connection, *args, **kwargs)

        monkeypatch.setattr(module._Bounded, "send_packed_command", counted)

    def trips(self, verb: Callable[[], object]) -> int:
        before = self.sent
        verb()
        return self.sent - before


def test_each_decision_but_an_attempt_is_one_round_trip(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    from .test_decisions import ALICE, NOW, factor
    from .test_faults import CODE

    store.add_factor(factor(), NOW, 5, 5)
    store.replace_recovery_codes(ALICE, [CODE], NOW)
    verbs = operations(store) | reads(store)
    del verbs["prepare"]
    for _ in range(2):  # first so that the server has the scripts
        for verb in verbs.values():
            verb()
        store.add_factor(factor(), NOW, 5, 5)
    wire = Wire(monkeypatch)
    assert {name: wire.trips(verb) for name, verb in verbs.items()} == {
        name: 2 if name == "attempt" else 1 for name in verbs
    }


@pytest.mark.parametrize("audit", [False, True])
def test_a_verification_is_two_round_trips(
    shared: Server, store: RedisStore, monkeypatch: pytest.MonkeyPatch, audit: bool
) -> None:
    now = 1_800_000_000.0
    mfa = MFA(
        store,
        issuer="ACME",
        keyring=Keyring.generate(),
        policy=Policy.cheap_for_tests(),
        clock=lambda: now,
        prepare=False,
        audit=audit,
    )
    secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    otp = TOTP(secret)
    mfa.import_factor(user_id="alice", secret=secret)
    mfa.verify(user_id="alice", code=otp.at(now - 30))
    wire = Wire(monkeypatch)
    served = shared.client().info("stats")["total_commands_processed"]
    assert wire.trips(lambda: mfa.verify(user_id="alice", code=otp.at(now))) == 2

    def wrong() -> None:
        with pytest.raises(InvalidCode):
            mfa.verify(user_id="alice", code=otp.at(now))

    assert wire.trips(wrong) <= 2
    assert served


def test_with_an_audit_a_decision_is_one_round_trip_more(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    mfa = MFA(store, issuer="ACME", keyring=Keyring.generate(), policy=Policy.cheap_for_tests(), audit=True)
    mfa.reset(user_id="alice", by="the desk")  # the server has the scripts from now on
    assert Wire(monkeypatch).trips(lambda: mfa.reset(user_id="alice", by="the desk")) == 2


def test_the_scripts_are_in_the_package() -> None:
    folder = Path(module.__file__).with_name("lua")
    names = {path.stem for path in folder.glob("*.lua")}
    assert names >= {"common", "reserve", "look", "settle", "confirm", "redeem"}
    for name in names - {"common"}:
        assert len(module._script(name)[0]) == 40
