"""Processes that log users in and rotate keys, and are killed at random points: for any store.

A worker's login counts as acknowledged when its line is in its file, which is after the store said yes. The kernel
keeps what was written when the process is killed.
"""

import multiprocessing
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apart import apart
from soak import SOAK

from ferrotp.mfa import passkey_records
from ferrotp.mfa.maintenance import rotate
from ferrotp.mfa.policy import Policy
from ferrotp.mfa.stores.base import (
    Acceptance,
    AnsweredChallenge,
    Factor,
    Limits,
    Owner,
    RecoveryCode,
    Reservation,
    Store,
)
from ferrotp.mfa.testing import advance
from ferrotp.vault import Keyring

KILLS = 1000 if SOAK else 100
NOW = 1_800_000_000_000
# Everything is open, and every attempt that is not taken back moves `spent_until` by one.
LIMITS = Limits(free=10**9, delays=(1,), disable_at=10**9, cost=1, horizon=10**12)
USERS = 3
WORKERS = 3
HANG = 300
"""Seconds after which it is a hang, and no slow machine."""


@dataclass
class Account:
    """What the workers had acknowledged, and what the store holds, after all of them are dead."""

    kills: int
    logins: Counter[tuple[str, int]] = field(default_factory=Counter)
    """How often a step of a user was acknowledged."""
    answered: Counter[tuple[str, int]] = field(default_factory=Counter)
    """How often an answer of a user's passkey was acknowledged."""
    refused: Counter[str] = field(default_factory=Counter)
    recovered: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    sweeps: int = 0

    def is_enough(self) -> bool:
        """It did happen: logins before and after kills, answers of passkeys, recoveries, whole sweeps beside them."""
        many = len(self.logins) > self.kills and len(self.answered) > self.kills / 4
        return many and bool(self.recovered and self.sweeps)


def torture(opener: Callable[[], Store], directory: Path, kills: int = KILLS, seed: int = 1) -> Account:
    """Kills so many workers of a store, and checks what it holds afterwards."""
    return apart(_torture, opener, directory, kills, seed)


def _torture(opener: Callable[[], Store], directory: Path, kills: int, seed: int) -> Account:
    rng = random.Random(seed)
    rings = [Keyring.generate(), Keyring.generate()]
    keys = " ".join(ring.export() for ring in rings)
    tenant = f"{rng.randrange(10**9)}-{time.time_ns()}"
    store = opener()
    store.prepare()
    for user in range(USERS):
        owner = Owner(tenant, str(user))
        record = Keyring(keys).new_secret((tenant, str(user), "f"), kind="hotp")
        assert store.add_factor(Factor(owner, "f", "hotp", "", "active", record, False, NOW, 0), NOW, 1, 1)
        assert store.replace_recovery_codes(owner, _codes(keys, owner), NOW)
        assert store.add_passkey(_passkey(keys, owner), _answer(owner, 0), NOW, [], 2)
    store.close()

    # All is imported here, and nothing is open: a worker is there in milliseconds.
    context = multiprocessing.get_context("fork")
    files = []

    def start() -> Any:
        files.append(directory / f"worker-{len(files)}")
        job = _rotate if len(files) % (WORKERS + 1) == 0 else _log_in
        process = context.Process(target=job, args=(opener, keys, tenant, files[-1]), daemon=True)
        process.start()
        return process, files[-1]

    workers = [start() for _ in range(WORKERS + 1)]
    killed = 0
    while killed < kills:
        # Some at one moment: all that the others do meanwhile costs more than the kills.
        victims = rng.sample(range(len(workers)), rng.randint(1, 2))
        deadline = time.monotonic() + HANG
        for number in victims:
            while not workers[number][1].exists():  # it writes when it is connected
                assert time.monotonic() < deadline, "a worker does not start"
                time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.05))
        for number in victims:
            workers[number][0].kill()
        for number in victims:
            workers[number][0].join()
            workers[number] = start()
        killed += len(victims)
    # On a busy machine they may have been killed faster than they worked.
    kills = killed + len(workers)
    deadline = time.monotonic() + HANG
    while not _told(files, kills).is_enough():
        assert time.monotonic() < deadline, "the workers do nothing"
        time.sleep(0.05)
    for process, _ in workers:
        process.kill()
        process.join()
    time.sleep(0.5)  # a server may still be at the last statement of a dead client
    account = _told(files, kills)
    _check(opener, keys, tenant, account)
    return account


def _told(files: list[Path], kills: int) -> Account:
    """What the workers have said."""
    account = Account(kills)
    for file in files:
        # Whole ones: a worker may be writing.
        for line in file.read_text().rpartition("\n")[0].splitlines() if file.exists() else ():
            kind, _, rest = line.partition(" ")
            if kind == "in":
                user, step = rest.split()
                account.logins[user, int(step)] += 1
            elif kind == "answered":
                user, counter = rest.split()
                account.answered[user, int(counter)] += 1
            elif kind == "refused":
                account.refused[rest] += 1
            elif kind == "recovered":
                account.recovered[rest] += 1
            elif kind == "swept":
                account.sweeps += 1
            elif kind == "error":
                account.errors.append(rest)
    return account


def _check(opener: Callable[[], Store], keys: str, tenant: str, account: Account) -> None:
    # On a loaded machine an answer may be late, which is honest: the attempt may have been made or not, as with a kill.
    late = [error for error in account.errors if error.startswith("StoreUnavailable")]
    assert [error for error in account.errors if error not in late] == []
    assert len(late) < sum(account.logins.values()), "more was refused than let in"
    assert [login for login, times in account.logins.items() if times > 1] == [], "accepted twice"
    assert [answer for answer, times in account.answered.items() if times > 1] == [], "answered twice"
    assert [code for code, times in account.recovered.items() if times > 1] == [], "used twice"
    store, ring = opener(), Keyring(keys)
    store.prepare()
    for user in map(str, range(USERS)):
        state = store.user(Owner(tenant, user))
        (factor,), (passkey,) = (
            [found for found in state.factors if found.kind == kind] for kind in ("hotp", "passkey")
        )
        mine = [step for whose, step in account.logins if whose == user]
        accepted = factor.last_step + 1  # each login takes the next step
        assert factor.last_step >= max(mine, default=-1), "an acknowledged login is lost"
        assert len(mine) <= accepted <= len(mine) + account.kills
        answers = [counter for whose, counter in account.answered if whose == user]
        assert passkey.last_step >= max(answers, default=0), "an acknowledged answer is lost"
        assert len(answers) <= passkey.last_step <= len(answers) + account.kills
        assert passkey_records.open_passkey(ring, passkey).credential_id
        # An attempt is either taken back by its login, or counted. A killed worker may have made one unseen.
        spent = max(state.budgets["otp"].spent_until - NOW, 0)
        assert account.refused[user] <= spent <= account.refused[user] + account.kills
        gone = {code.partition("/")[2] for code in account.recovered if code.startswith(user + "/")}
        assert len(gone) <= 10 - state.recovery_codes <= len(gone) + account.kills
        # Every row can be read.
        ring.match_hotp((tenant, user, "f"), factor.sealed, "000000", 0, 1)
    codes = [code for code in _all(store.recovery_codes) if code.owner.tenant == tenant]
    assert not [code for code in codes if f"{code.owner.user_id}/{code.selector}" in account.recovered]
    for code in codes:
        ring.reseal((tenant, code.owner.user_id, code.selector), "recovery", code.sealed)
    # And the store works on.
    last = next(found for found in store.user(Owner(tenant, "0")).factors if found.kind == "hotp").last_step
    assert advance(store, Owner(tenant, "0"), "f", last + 1, limits=LIMITS)
    store.close()


def _codes(keys: str, owner: Owner) -> list[RecoveryCode]:
    made = Keyring(keys).new_recovery_codes(owner.tenant, owner.user_id, 10, hashing=Policy.cheap_for_tests().hashing)
    return [RecoveryCode(owner, selector, record) for _, selector, record in made]


def _passkey(keys: str, owner: Owner) -> Factor:
    credential_id = f"{owner.tenant} {owner.user_id}".encode()
    passkey = passkey_records.Passkey(credential_id, b"key", b"handle", "", (), "", False, False)
    sealed = passkey_records.seal(Keyring(keys), owner, passkey)
    factor_id = passkey_records.factor_id_of(credential_id)
    return Factor(owner, factor_id, "passkey", "", "active", sealed, False, NOW, 0, last_step=0)


def _answer(owner: Owner, counter: int) -> AnsweredChallenge:
    """The challenge that the passkey answers by this counter: workers at the same moment answer the same one."""
    return AnsweredChallenge(owner.tenant, f"{int(owner.user_id):08x}{counter:024x}", NOW + 120_000)


def _all(read: Callable[[Any, int], list[Any]]) -> Iterator[Any]:
    batch = read(None, 100)
    while batch:
        yield from batch
        batch = read(batch[-1], 100)


def _log_in(opener: Callable[[], Store], keys: str, tenant: str, file: Path) -> None:
    """Logs users in, and now and then by a recovery code, until it is killed."""
    rng = random.Random()
    rings = [Keyring(keys), Keyring(keys.split()[::-1])]
    descriptor = os.open(file.with_suffix(".new"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def say(*words: object) -> None:
        os.write(descriptor, (" ".join(map(str, words)) + "\n").encode())

    try:
        store = opener()
        store.user(Owner(tenant, "0"))  # it is connected
        os.rename(file.with_suffix(".new"), file)
        while True:
            owner = Owner(tenant, str(rng.randrange(USERS)))
            if rng.random() < 0.02:
                codes = [code for code in _all(store.recovery_codes) if code.owner == owner]
                if codes:
                    selector = rng.choice(codes).selector
                    found = store.reserve(owner, "recovery", NOW, LIMITS, selector=selector)
                    assert isinstance(found, Reservation)
                    if store.redeem(found, selector, NOW) is not None:
                        say("recovered", f"{owner.user_id}/{selector}")
                continue
            if rng.random() < 0.25:
                passkey = next(found for found in store.user(owner).factors if found.kind == "passkey")
                counter = passkey.last_step + 1
                sealed = passkey_records.reseal(rng.choice(rings), passkey) or passkey.sealed
                said = store.use_passkey(passkey, _answer(owner, counter), counter, sealed, NOW, disable_at=10**9)
                if said == "accepted":
                    say("answered", owner.user_id, counter)
                continue
            ring = rng.choice((None, *rings))

            def decide(reservation: Reservation, ring: Keyring | None = ring) -> Acceptance | None:
                if ring is None:
                    return None  # a wrong code
                (factor,) = [found for found in reservation.factors if found.kind == "hotp"]
                resealed = ring.reseal((tenant, factor.owner.user_id, "f"), "otp", factor.sealed)
                return Acceptance("f", factor.last_step + 1, 0, resealed)

            answer = store.attempt(owner, "otp", NOW, LIMITS, decide)
            assert isinstance(answer, Reservation)
            if answer.accepted is None:
                say("refused", owner.user_id)
            else:
                say("in", owner.user_id, answer.accepted.step)
    except BaseException as error:
        say("error", type(error).__name__, error)
        if not file.exists():
            os.rename(file.with_suffix(".new"), file)


def _rotate(opener: Callable[[], Store], keys: str, tenant: str, file: Path) -> None:
    """Seals all records with one key, then with the other, until it is killed."""
    descriptor = os.open(file.with_suffix(".new"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def say(*words: object) -> None:
        os.write(descriptor, (" ".join(map(str, words)) + "\n").encode())

    try:
        store = opener()
        store.user(Owner(tenant, "0"))
        os.rename(file.with_suffix(".new"), file)
        while True:
            for ring in (Keyring(keys), Keyring(keys.split()[::-1])):
                rotation = rotate(store, ring, None)
                assert not rotation.failed, rotation
                say("swept", rotation.resealed)
    except BaseException as error:
        say("error", type(error).__name__, error)
        if not file.exists():
            os.rename(file.with_suffix(".new"), file)
