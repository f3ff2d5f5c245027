"""`kill -9` at random points of a service with an audit: each login that stands has its row, and no other one has."""

import itertools
import multiprocessing
import random
import secrets
import time
from base64 import b32encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from apart import apart
from soak import SOAK

from ferrotp.mfa import MFA, MFAError, Policy, open_store
from ferrotp.mfa.stores.base import Owner
from ferrotp.vault import Keyring

from ..authenticator import Device
from ..redis_server import server

KILLS = 300 if SOAK else 25
USERS = ("alice", "bob")
POLICY = replace(Policy.cheap_for_tests(), failures_in_30_days=1000)


BEGAN = time.time()


def clock() -> float:
    """So fast that the losers of races, whose codes are wrong ones, are held up for milliseconds."""
    return 1_800_000_000 + (time.time() - BEGAN) * 100_000


def service(url: str, keys: str) -> MFA:
    store = open_store(url, timeout=10)
    return MFA(store, issuer="ACME", keyring=Keyring(keys), policy=POLICY, clock=clock, audit=True)


def log_in(url: str, keys: str, uris: dict[str, str], ready: Any) -> None:
    """Takes the next code of each user, as all workers do."""
    mfa = service(url, keys)
    for turn in itertools.count():
        if turn == 3:
            ready.send(None)
        for user_id, uri in uris.items():
            step = mfa.store.user(Owner("", user_id)).factors[0].last_step
            with suppress(MFAError):  # another worker was faster, or the store is late
                mfa.verify(user_id=user_id, code=Device(uri).code(step + 1))


@pytest.mark.parametrize("where", ["wal", "delete", "postgresql", "mariadb", "redis"])
def test_killed_workers_leave_a_row_for_each_login(where: str, database_at: Callable[[str], str]) -> None:
    if where == "redis":
        with server() as own:
            apart(_torture, own.url)
    else:
        apart(_torture, database_at(where))


def _torture(url: str) -> None:
    keys, rng = Keyring.generate().export(), random.Random(1)
    mfa = service(url, keys)
    uris = {}
    for user_id in USERS:
        secret = secrets.token_bytes(20)
        mfa.import_factor(user_id=user_id, secret=secret, kind="hotp")
        uris[user_id] = f"otpauth://hotp/{user_id}?secret={_base32(secret)}&counter=0"
    mfa.close()
    context = multiprocessing.get_context("fork")

    def start() -> Any:
        mine, theirs = context.Pipe(duplex=False)
        process = context.Process(target=log_in, args=(url, keys, uris, theirs), daemon=True)
        process.start()
        return process, mine

    workers = [start() for _ in range(2)]
    for kill in range(KILLS):
        process, ready = workers[kill % 2]
        assert ready.poll(30), "a worker does nothing"
        time.sleep(rng.uniform(0, 0.03))
        process.kill()
        process.join()
        workers[kill % 2] = start()
    for process, _ in workers:
        process.kill()
        process.join()
    time.sleep(0.5)  # a server may still be at the last statement of a dead client
    mfa = service(url, keys)
    assert mfa.verify_audit().faults == ()
    steps = 0
    for user_id in USERS:
        (factor,) = mfa.store.user(Owner("", user_id)).factors
        rows = [row for row in mfa.audit_entries(user_id=user_id) if row.kind == "verified"]
        assert [row.detail["time_step"] for row in rows] == [*range(factor.last_step + 1)]
        steps += len(rows)
    assert steps > KILLS
    mfa.close()


def _base32(secret: bytes) -> str:
    return b32encode(secret).decode().rstrip("=")
