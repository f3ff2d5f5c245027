"""How far a guesser comes in 30 days who has the password: ``python benches/attack.py [--quick] [--guess USERS]``.

The attack runs against the real service, on a clock that is set, and counts the codes that were looked at. What such a
number of guesses is worth is arithmetic: each of n random codes is right with a chance of (live codes / 10^digits), and
each of n random pairs of codes in a row with one of (live pairs / 10^(2 digits)). While single codes are delayed, the
victim logs in by such a pair. ``--guess USERS`` does not compute but guesses, against so many users, and counts those
whose code was found.
"""

from __future__ import annotations

import argparse
import math
import random
from dataclasses import dataclass, replace

import ferrotp
from ferrotp.mfa import MFA, FactorDisabled, InvalidCode, MFAError, Policy, Throttled
from ferrotp.mfa.stores.memory import MemoryStore
from ferrotp.vault import Keyring

DAY = 86_400
START = 1_800_000_000.0


@dataclass
class Attack:
    """What came of one."""

    looked_at: int = 0
    found: bool = False
    held_up: int = 0
    """Logins of the victim in which one code was not enough."""
    waits: list[float] | None = None
    """Seconds until two in a row were looked at, for each of these."""
    logins: int = 0
    pairs: int = 0
    disabled_after: float | None = None


def attack(
    policy: Policy, victim_every: float | None, guesses: random.Random | None, days: int, *, pairs: bool = False
) -> Attack:
    """Guesses as fast as the service lets it, while the victim logs in every so many seconds.

    :param pairs: whether the guesser spends the attempts at two codes in a row, too, and is first at each
    """
    now = START
    end = START + days * DAY
    secret = ferrotp.random_base32()
    device = ferrotp.TOTP(secret, digits=policy.digits)
    mfa = MFA(
        MemoryStore(), issuer="bench", keyring=Keyring.generate(), policy=policy, clock=lambda: now, prepare=False
    )
    mfa.import_factor(user_id="victim", secret=secret, digits=policy.digits)
    result = Attack(waits=[])
    login_at = now + victim_every if victim_every else None
    next_pair = START

    def wrong() -> str:
        if guesses:
            return f"{guesses.randrange(10**policy.digits):0{policy.digits}}"
        live = {device.at(int(now), step) for step in range(-3, 4)}
        return next(code for code in map(f"{{:0{policy.digits}}}".format, range(9)) if code not in live)

    def spend_pairs() -> float:
        """Tries pairs until none is open. When the next one is."""
        while True:
            try:
                mfa.unlock(user_id="victim", code=wrong(), next_code=wrong())
            except Throttled as error:
                return error.retry_at.timestamp()
            except FactorDisabled:
                return end
            except InvalidCode:
                result.pairs += 1

    def log_in() -> None:
        """The victim: by one code, else by two, as soon as a pair is looked at."""
        nonlocal now
        result.logins += 1
        try:
            mfa.verify(user_id="victim", code=device.at(int(now)))
            return
        except MFAError:
            result.held_up += 1
        came = now
        while True:
            try:
                mfa.unlock(user_id="victim", code=device.at(int(now), -1), next_code=device.at(int(now)))
            except Throttled as error:
                now = error.retry_at.timestamp()
            except (FactorDisabled, InvalidCode):
                return  # a recovery code lets the victim in: its budget is another one
            else:
                break
        assert result.waits is not None
        result.waits.append(now - came)

    while now < end:
        if pairs and next_pair <= now:
            next_pair = spend_pairs()
        if login_at is not None and login_at <= now:
            log_in()
            login_at += victim_every or 0
            continue
        wait = now
        try:
            mfa.verify(user_id="victim", code=wrong())
            result.found = True
            result.looked_at += 1
            return result
        except InvalidCode as error:
            result.looked_at += 1
            if error.retry_at:
                wait = error.retry_at.timestamp()
        except Throttled as error:
            wait = error.retry_at.timestamp()
        except FactorDisabled:
            result.looked_at += result.disabled_after is None
            result.disabled_after = result.disabled_after or (now - START) / DAY
            wait = end
        # The guesser is there first when an attempt opens, and the victim has to wait: the worst case.
        now = max(now, min([wait, *([login_at] if login_at else []), *([next_pair] if pairs else [])]))
    return result


def odds(live: int, digits: int, guesses: int) -> str:
    """One in so many."""
    found = -math.expm1(guesses * math.log1p(-live / 10**digits))
    return f"{1 / found:,.0f}" if found else "-"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three days instead of 30")
    parser.add_argument("--guess", type=int, metavar="USERS", default=0)
    arguments = parser.parse_args()
    days = 3 if arguments.quick else 30
    cheap = Policy.cheap_for_tests().hashing
    policies = {
        "default": Policy(hashing=cheap),
        "asvs_strict": replace(Policy.asvs_strict(), hashing=cheap),
        "window=2": Policy(window=2, hashing=cheap),
        "digits=8": Policy(digits=8, hashing=cheap),
    }
    victims = {"never": None, "daily": float(DAY), "hourly": 3600.0}
    print(f"codes looked at in {days} days, by a guesser who has the password and never rests; and how long the victim")
    print("waits who needs two codes in a row, because one is not looked at\n")
    print(f"{'policy':<14}{'victim logs in':<16}{'looked at':>10}{'live codes':>12}{'odds of one in':>16}", end="")
    print("  needs two    waits")
    for name, policy in policies.items():
        for victim, every in victims.items():
            result = attack(policy, every, None, days)
            live = 2 * policy.window + 1
            waits = result.waits or [0.0]
            print(
                f"{name:<14}{victim:<16}{result.looked_at:>10}{live:>12}"
                f"{odds(live, policy.digits, result.looked_at):>16}"
                f"  {f'{result.held_up} of {result.logins}':<11}  {max(waits):,.0f} s"
            )
    print("\nthe same guesser, who also tries pairs of codes whenever one is open\n")
    print(f"{'policy':<14}{'victim logs in':<16}{'pairs':>10}{'live pairs':>12}{'odds of one in':>20}", end="")
    print("  needs two    waits at most")
    for name, policy in policies.items():
        for victim, every in victims.items():
            result = attack(policy, every, None, days, pairs=True)
            live = 2 * policy.window + 1
            waits = result.waits or [0.0]
            print(
                f"{name:<14}{victim:<16}{result.pairs:>10}{live:>12}{odds(live, 2 * policy.digits, result.pairs):>20}"
                f"  {f'{result.held_up} of {result.logins}':<11}  {max(waits):,.0f} s"
            )
    if arguments.guess:
        rng = random.Random(1)
        policy = policies["default"]
        found = looked_at = 0
        for _ in range(arguments.guess):
            result = attack(policy, float(DAY), rng, days)
            found += result.found
            looked_at += result.looked_at
        print(
            f"\nguessed for real, default, daily: {found} of {arguments.guess:,} users found in {looked_at:,} guesses"
        )
        print(f"expected: {looked_at * 3e-6:.1f}")


if __name__ == "__main__":
    main()
