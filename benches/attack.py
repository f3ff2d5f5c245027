"""How far a guesser comes in 30 days who has the password: ``python benches/attack.py [--quick] [--guess USERS]``.

The attack runs against the real service, on a clock that is set, and counts the codes that were looked at. What such a
number of guesses is worth is arithmetic: each of n random codes is right with a chance of (live codes / 10^digits).
``--guess USERS`` does not compute but guesses, against so many users, and counts those whose code was found.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass, replace

import ferrotp
from ferrotp.mfa import MFA, FactorDisabled, InvalidCode, Policy, Throttled
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
    """Logins of the victim that had to wait."""
    logins: int = 0
    disabled_after: float | None = None


def attack(policy: Policy, victim_every: float | None, guesses: random.Random | None, days: int) -> Attack:
    """Guesses as fast as the service lets it, while the victim logs in every so many seconds."""
    now = START
    secret = ferrotp.random_base32()
    device = ferrotp.TOTP(secret, digits=policy.digits)
    mfa = MFA(
        MemoryStore(), issuer="bench", keyring=Keyring.generate(), policy=policy, clock=lambda: now, prepare=False
    )
    mfa.import_factor(user_id="victim", secret=secret, digits=policy.digits)
    result = Attack()
    login_at = now + victim_every if victim_every else None
    while now < START + days * DAY:
        if login_at is not None and login_at <= now:
            result.logins += 1
            try:
                mfa.verify(user_id="victim", code=device.at(int(now)))
            except (Throttled, InvalidCode):
                result.held_up += 1  # a recovery code lets the victim in: its budget is another one
            except FactorDisabled:
                result.held_up += 1
            login_at += victim_every or 0
            continue
        if guesses:
            code = f"{guesses.randrange(10**policy.digits):0{policy.digits}}"
        else:
            live = {device.at(int(now), step) for step in range(-3, 4)}
            code = next(wrong for wrong in map(f"{{:0{policy.digits}}}".format, range(9)) if wrong not in live)
        wait = now
        try:
            mfa.verify(user_id="victim", code=code)
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
            wait = START + days * DAY if login_at is None else login_at
        # The guesser is there first when an attempt opens, and the victim has to wait: the worst case.
        now = wait if login_at is None else max(now, min(wait, login_at))
    return result


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
    print(f"codes looked at in {days} days, by a guesser who has the password and never rests\n")
    print(f"{'policy':<14}{'victim logs in':<16}{'looked at':>10}{'live codes':>12}{'odds of one in':>16}  held up")
    for name, policy in policies.items():
        for victim, every in victims.items():
            result = attack(policy, every, None, days)
            live = 2 * policy.window + 1
            odds = 1 - (1 - live / 10**policy.digits) ** result.looked_at
            print(
                f"{name:<14}{victim:<16}{result.looked_at:>10}{live:>12}{1 / odds:>16,.0f}"
                f"  {result.held_up} of {result.logins}"
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
