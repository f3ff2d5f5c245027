"""Very many logins with right codes, by four processes: each refusal has to be explained by another one's login."""

import multiprocessing
import random
import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from apart import apart
from soak import SOAK

from ferrotp import TOTP, random_base32
from ferrotp.mfa import MFA, InvalidCode, Policy, Throttled
from ferrotp.mfa.stores.base import Owner, Store
from ferrotp.vault import Keyring

LOGINS = 1_000_000 if SOAK else 1_200
PROCESSES = 4
OWN, SHARED = 20, 4
"""Users that one process logs in alone, and users whom all of them log in at the same moments."""
BEGIN = 1_800_000_000
# The owner of a phone is not in four places: of the failures that they cause, none is to hold up the next login.
BETWEEN = 3 * 3600
POLICY = replace(Policy.cheap_for_tests(), failures_in_30_days=1000)


@dataclass
class Outcome:
    """What one process was told."""

    alone: int
    """Right codes of users that nobody else logged in: each was accepted."""
    accepted: list[tuple[int, int]]
    """Of a user shared with the others: the number of the user, and the time step."""
    refused: list[tuple[int, int]]
    throttled: int
    """Refused without a look at the code: another process is further on in time, where the user has failures."""


def log_in_often(opener: Callable[[], Store], logins: int = LOGINS) -> dict[str, int]:
    """Logs in so many times, and says how often what happened."""
    return apart(_log_in_often, opener, logins)


def _log_in_often(opener: Callable[[], Store], logins: int) -> dict[str, int]:
    tenant, keys = secrets.token_hex(8), Keyring.generate().export()
    codes: dict[str, TOTP] = {}
    store = opener()
    store.prepare()
    service = _service(store, keys, tenant, [BEGIN])
    for user_id in [*_own_of_all(), *_shared()]:
        codes[user_id] = TOTP(random_base32())
        service.import_factor(user_id=user_id, secret=codes[user_id].secret)
    store.close()

    context = multiprocessing.get_context("fork")
    turns = [context.Value("q", 0) for _ in range(SHARED)]
    running = []
    for number in range(PROCESSES):
        theirs, ours = context.Pipe(duplex=False)
        arguments = (opener, keys, tenant, codes, number, logins // PROCESSES, turns, ours)
        process = context.Process(target=_log_in, args=arguments, daemon=True)
        process.start()
        ours.close()
        running.append((process, theirs))
    outcomes: list[Outcome] = []
    for process, theirs in running:
        told = theirs.recv()
        assert isinstance(told, Outcome), told
        outcomes.append(told)
        process.join()
    return _explained(opener, tenant, outcomes, logins)


def _log_in(
    opener: Callable[[], Store],
    keys: str,
    tenant: str,
    codes: dict[str, TOTP],
    number: int,
    logins: int,
    turns: list[Any],
    answer: Any,
) -> None:
    try:
        clock, rng = [BEGIN], random.Random(number)
        store = opener()
        service = _service(store, keys, tenant, clock)
        own, own_turns = _own(number), Counter[str]()
        outcome = Outcome(0, [], [], 0)
        for _ in range(logins):
            if rng.random() < 0.9:
                user_id = rng.choice(own)
                own_turns[user_id] += 1
                clock[0] = BEGIN + 30 * own_turns[user_id]
                # An error here is a right code that was refused: it ends all, and is told.
                assert service.verify(user_id=user_id, code=codes[user_id].at(clock[0])).time_step == clock[0] // 30
                outcome.alone += 1
                continue
            shared = rng.randrange(SHARED)
            turn = turns[shared].value + 1
            clock[0] = BEGIN + BETWEEN * turn
            user_id, step = _shared()[shared], clock[0] // 30
            try:
                found = service.verify(user_id=user_id, code=codes[user_id].at(clock[0])).time_step
            except InvalidCode:
                outcome.refused.append((shared, step))
            except Throttled:
                outcome.throttled += 1
            else:
                # Once in a million the step before has the same code, and then it is the one that counts.
                assert found in (step - 1, step)
                outcome.accepted.append((shared, found))
            with turns[shared]:
                turns[shared].value = max(turns[shared].value, turn)
        answer.send(outcome)
        store.close()
    except BaseException as error:
        answer.send(f"process {number}: {error!r}")
        raise


def _explained(opener: Callable[[], Store], tenant: str, outcomes: list[Outcome], logins: int) -> dict[str, int]:
    accepted = [login for outcome in outcomes for login in outcome.accepted]
    refused = [login for outcome in outcomes for login in outcome.refused]
    throttled = sum(outcome.throttled for outcome in outcomes)
    alone = sum(outcome.alone for outcome in outcomes)
    assert alone + len(accepted) + len(refused) + throttled == logins
    assert len(accepted) == len(set(accepted)), "a code was accepted twice"
    newest = {shared: max(step for user, step in accepted if user == shared) for shared in range(SHARED)}
    assert all(step <= newest[shared] for shared, step in refused), "a right code was refused, and none came before it"
    assert not throttled or refused
    store = opener()
    for shared, user_id in enumerate(_shared()):
        (factor,) = store.user(Owner(tenant, user_id)).factors
        assert factor.last_step == newest[shared], "a login is lost"
    for number, outcome in enumerate(outcomes):
        states = [store.user(Owner(tenant, user_id)) for user_id in _own(number)]
        assert sum(state.factors[0].last_step - BEGIN // 30 for state in states if state.factors[0].last_step > 0) == (
            outcome.alone
        ), "a login is lost"
        assert not any(budget.failures for state in states for budget in state.budgets.values())
    store.close()
    return {"alone": alone, "accepted": len(accepted), "refused": len(refused), "throttled": throttled}


def _service(store: Store, keys: str, tenant: str, clock: list[int]) -> MFA:
    return MFA(store, issuer="ACME", keyring=Keyring(keys), policy=POLICY, tenant=tenant, clock=lambda: float(clock[0]))


def _own(number: int) -> list[str]:
    return [f"own {number} {user}" for user in range(OWN)]


def _own_of_all() -> list[str]:
    return [user_id for number in range(PROCESSES) for user_id in _own(number)]


def _shared() -> list[str]:
    return [f"shared {user}" for user in range(SHARED)]
