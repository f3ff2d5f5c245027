"""What `MFA` promises, by the requirements of docs/mfa.md. Codes come from `authenticator`, not from ferrotp."""

import base64
import re
import shutil
import subprocess
from contextlib import nullcontext
from dataclasses import FrozenInstanceError, replace
from datetime import datetime, timezone
from typing import Any, get_args

import pytest

from ferrotp.mfa import (
    MFA,
    Attempts,
    DeviceNotTrusted,
    EnrollmentExpired,
    Event,
    FactorDisabled,
    FactorExists,
    ImportedFactor,
    ImportedUser,
    InvalidCode,
    InvalidIdentifier,
    KeyInUse,
    MFAError,
    NotEnrolled,
    Policy,
    PolicyError,
    SealedRecordError,
    StoreRefused,
    Throttled,
    TooManyFactors,
    UnknownKey,
    events,
)
from ferrotp.mfa.stores.base import Acceptance, Decide, Limits, Method, Owner, Reservation
from ferrotp.vault import Hashing, Keyring

from .authenticator import Device
from .conftest import World

DAY = 86_400


def test_enrollment_confirmation_login_and_recovery(world: World) -> None:
    mfa, clock = world.mfa, world.clock
    enrollment = mfa.enroll(user_id="42", account_name="alice@example.com", name="phone")
    assert enrollment.uri.startswith("otpauth://totp/ACME:alice%40example.com?secret=")
    assert enrollment.secret in enrollment.uri
    assert enrollment.qr.svg().startswith("<svg")
    assert enrollment.grouped_secret.replace(" ", "") == enrollment.secret
    assert len(base64.b32decode(enrollment.secret)) == 20
    device = Device(enrollment.uri)
    codes = mfa.confirm(user_id="42", factor_id=enrollment.factor_id, code=device.at(clock.now))
    assert len(codes) == len(set(codes)) == 10
    assert all(re.fullmatch("[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){3}", code) for code in codes)
    clock.now += 30
    yes = mfa.verify(user_id="42", code=device.at(clock.now))
    assert (yes.user_id, yes.method, yes.factor_id, yes.factor_name) == ("42", "totp", enrollment.factor_id, "phone")
    assert (yes.time_step, yes.drift, yes.remaining) == (int(clock.now) // 30, 0, 10)
    recovered = mfa.recover(user_id="42", code=codes[0])
    assert (recovered.method, recovered.remaining, recovered.time_step) == ("recovery", 9, None)


@pytest.mark.skipif(not shutil.which("oathtool"), reason="oathtool is not installed")
def test_oathtool_agrees(world: World) -> None:
    enrollment, _, _ = world.enroll()
    now = f"@{int(world.clock.now)}"
    shown = subprocess.run(
        ["oathtool", "--totp", "--base32", "--now", now, enrollment.secret], capture_output=True, text=True, check=True
    )
    assert world.mfa.verify(user_id="42", code=shown.stdout).method == "totp"


# 1 to 3: once


def test_a_code_is_accepted_once(world: World) -> None:
    _, device, _ = world.enroll()
    code = device.at(world.clock.now)
    world.mfa.verify(user_id="42", code=code)
    with pytest.raises(InvalidCode):
        world.mfa.verify(user_id="42", code=code)
    assert world.events[-1].detail["reason"] == "used"


def test_an_older_step_is_refused_after_a_newer_one(world: World) -> None:
    _, device, _ = world.enroll()
    world.mfa.verify(user_id="42", code=device.at(world.clock.now))
    with pytest.raises(InvalidCode):
        world.mfa.verify(user_id="42", code=device.at(world.clock.now, -1))
    with pytest.raises(InvalidCode):
        world.mfa.verify(user_id="42", code=device.at(world.clock.now))
    assert world.mfa.verify(user_id="42", code=device.at(world.clock.now, 1)).drift == 1


def test_a_used_code_is_not_accepted_in_the_next_interval_or_in_another_spelling(world: World) -> None:
    """CVE-2021-43177; and one code has many spellings, but one time step."""
    _, device, _ = world.enroll()
    code = device.at(world.clock.now)
    world.mfa.verify(user_id="42", code=code)
    wide = "".join(chr(0xFF10 + int(digit)) for digit in code)
    for other in (code, f"{code[:3]} {code[3:]}", wide):
        with pytest.raises(InvalidCode):
            world.mfa.verify(user_id="42", code=other)
    world.clock.now += 30
    with pytest.raises(InvalidCode):
        world.mfa.verify(user_id="42", code=code)


def test_the_code_that_confirms_does_not_log_in(world: World) -> None:
    enrollment = world.mfa.enroll(user_id="42", account_name="alice")
    code = Device(enrollment.uri).at(world.clock.now)
    world.mfa.confirm(user_id="42", factor_id=enrollment.factor_id, code=code)
    with pytest.raises(InvalidCode):
        world.mfa.verify(user_id="42", code=code)


def test_a_name_that_is_none_costs_no_attempt(world: World) -> None:
    enrollment = world.mfa.enroll(user_id="42", account_name="alice", name="New")
    me = {"user_id": "42", "factor_id": enrollment.factor_id, "code": Device(enrollment.uri).at(world.clock.now)}
    before = world.mfa.store.user(Owner("", "42"))
    for name in (" phone", "x" * 256, "a\nb"):
        with pytest.raises(InvalidIdentifier):
            world.mfa.confirm(**me, name=name)
    assert world.mfa.store.user(Owner("", "42")) == before
    world.mfa.confirm(**me, name="My phone")
    assert world.mfa.factor(user_id="42", factor_id=enrollment.factor_id).name == "My phone"


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_one_step_to_either_side_is_accepted(world: World, steps: int) -> None:
    _, device, _ = world.enroll()
    assert world.mfa.verify(user_id="42", code=device.at(world.clock.now, steps)).drift == steps


@pytest.mark.parametrize("steps", [-2, 2, -100, 100])
def test_two_steps_to_either_side_are_refused(world: World, steps: int) -> None:
    _, device, _ = world.enroll()
    with pytest.raises(InvalidCode):
        world.mfa.verify(user_id="42", code=device.at(world.clock.now, steps))


# 4 and 5: throttling


def test_failures_carry_evidence(world: World) -> None:
    _, device, _ = world.enroll()
    left = []
    for number in range(4):
        with pytest.raises(InvalidCode) as caught:
            world.mfa.verify(user_id="42", code=device.wrong(world.clock.now, number))
        left.append(caught.value.attempts_left)
        assert caught.value.retry_at is None
    assert left == [4, 3, 2, 1]
    with pytest.raises(InvalidCode) as caught:
        world.mfa.verify(user_id="42", code=device.wrong(world.clock.now))
    assert caught.value.attempts_left == 0
    assert caught.value.retry_at is not None
    assert caught.value.retry_at.timestamp() == world.clock.now + 30
    with pytest.raises(Throttled) as throttled:
        world.mfa.verify(user_id="42", code=device.at(world.clock.now))
    assert throttled.value.retry_at == caught.value.retry_at
    told = world.kinds()
    assert world.mfa.attempts(user_id="42") == Attempts(disabled=False, failures=5, retry_at=caught.value.retry_at)
    assert world.mfa.attempts(user_id="nobody") == Attempts(disabled=False, failures=0, retry_at=None)
    assert world.kinds() == told, "to look is no event"
    world.clock.now += 30
    assert world.mfa.attempts(user_id="42").retry_at is None
    world.mfa.verify(user_id="42", code=device.at(world.clock.now))
    assert world.mfa.status(user_id="42").failures == 0


def fail_until_disabled(world: World, device: Device) -> int:
    """Guesses as fast as it may. How many guesses were looked at."""
    for failures in range(1, 1000):
        try:
            world.mfa.verify(user_id="42", code=device.wrong(world.clock.now))
        except InvalidCode as error:
            if error.retry_at:
                world.clock.now = error.retry_at.timestamp()
        except FactorDisabled:
            return failures
    raise AssertionError("never")


def test_a_hundred_failures_in_a_row_disable_the_factor_until_it_is_bound_again(world: World) -> None:
    old, device, codes = world.enroll()
    assert fail_until_disabled(world, device) == 100
    assert world.events[-1].kind == "disabled"
    assert world.events[-1].notify_user
    world.clock.now += 365 * DAY
    with pytest.raises(FactorDisabled):
        world.mfa.verify(user_id="42", code=device.at(world.clock.now))
    status = world.mfa.status(user_id="42")
    assert status.disabled and world.mfa.attempts(user_id="42").disabled
    assert status.enrolled  # so nobody is let in by the password alone
    # The way out: a recovery code, and a new factor.
    world.mfa.recover(user_id="42", code=codes[0])
    fresh = world.mfa.enroll(user_id="42", account_name="alice")
    new = Device(fresh.uri)
    world.mfa.confirm(user_id="42", factor_id=fresh.factor_id, code=new.at(world.clock.now))
    world.clock.now += 30
    world.mfa.verify(user_id="42", code=new.at(world.clock.now))
    with pytest.raises(InvalidCode):
        world.mfa.verify(user_id="42", code=device.at(world.clock.now))
    assert {factor.factor_id: factor.state for factor in world.mfa.status(user_id="42").factors} == {
        old.factor_id: "disabled",
        fresh.factor_id: "active",
    }


def test_a_success_of_the_victim_does_not_give_the_attacker_more_than_100_failures_in_30_days(world: World) -> None:
    _, device, _ = world.enroll()
    start, failures = world.clock.now, 0
    next_login = start + DAY
    while world.clock.now < start + 30 * DAY:
        try:
            world.mfa.verify(user_id="42", code=device.wrong(world.clock.now))
        except InvalidCode as error:
            failures += 1
            wait = error.retry_at.timestamp() if error.retry_at else world.clock.now
        except Throttled as error:
            wait = error.retry_at.timestamp()
        if wait >= next_login:
            world.clock.now = next_login
            try:
                world.mfa.verify(user_id="42", code=device.at(world.clock.now))
                next_login += DAY
            except Throttled as error:  # the attack holds the victim up; recovery codes are not held up
                next_login = error.retry_at.timestamp()
        else:
            world.clock.now = max(wait, world.clock.now)
    assert 50 <= failures <= 100


def test_all_factors_of_a_user_share_one_budget(world: World) -> None:
    _, phone, _ = world.enroll()
    _, tablet, more = world.enroll()
    assert more == ()  # the recovery codes of the first go on
    _, token, _ = world.enroll(kind="hotp")
    for device in (phone, tablet, phone, token, phone):
        with pytest.raises(InvalidCode):
            world.mfa.verify(user_id="42", code=device.wrong(world.clock.now))
    with pytest.raises(Throttled):
        world.mfa.verify(user_id="42", code=tablet.at(world.clock.now))
    world.clock.now += 60
    for device in (phone, tablet):
        world.mfa.verify(user_id="42", code=device.at(world.clock.now))
    assert world.mfa.verify(user_id="42", code=token.press()).method == "hotp"


def test_another_users_failures_cost_nobody_anything(world: World) -> None:
    _, alice, _ = world.enroll("alice")
    _, bob, _ = world.enroll("bob")
    for _ in range(5):
        with pytest.raises(InvalidCode):
            world.mfa.verify(user_id="bob", code=bob.wrong(world.clock.now))
    world.mfa.verify(user_id="alice", code=alice.at(world.clock.now))


def test_recovery_has_limits_of_its_own(world: World) -> None:
    _, device, codes = world.enroll()
    for _ in range(5):
        with pytest.raises(InvalidCode):
            world.mfa.verify(user_id="42", code=device.wrong(world.clock.now))
    with pytest.raises(Throttled):
        world.mfa.verify(user_id="42", code=device.at(world.clock.now))
    assert world.mfa.recover(user_id="42", code=codes[3]).remaining == 9
    with pytest.raises(Throttled):  # recovery opens no delay of the factors
        world.mfa.verify(user_id="42", code=device.at(world.clock.now))
    for _ in range(5):
        with pytest.raises(InvalidCode):
            world.mfa.recover(user_id="42", code=codes[3])
    with pytest.raises(Throttled):
        world.mfa.recover(user_id="42", code=codes[4])


# 6 and 7: secrets and steps


@pytest.mark.parametrize(("length", "taken"), [(9, False), (10, False), (15, False), (16, True), (20, True)])
def test_imported_secrets_have_128_bits(world: World, length: int, taken: bool) -> None:
    if taken:
        assert not world.mfa.import_factor(user_id="42", secret=bytes(range(length))).legacy
    else:
        with pytest.raises(PolicyError, match="128 bits"):
            world.mfa.import_factor(user_id="42", secret=bytes(range(length)))


def test_legacy_secrets_are_taken_by_policy_flagged_and_reported() -> None:
    world = World(replace(Policy.cheap_for_tests(), legacy_secrets=True))
    secret = "JBSWY3DPEHPK3PXP"  # 80 bits, of pyotp's old README
    info = world.mfa.import_factor(user_id="42", secret=secret.lower())
    assert info.legacy
    assert world.events[-1].detail["legacy"] is True
    world.mfa.import_factor(user_id="43", secret=bytes(range(20)))
    assert world.mfa.report().re_enroll == ("42",)
    device = Device(f"otpauth://totp/x?secret={secret}")
    assert world.mfa.verify(user_id="42", code=device.at(world.clock.now)).method == "totp"
    with pytest.raises(PolicyError, match="80 to"):
        world.mfa.import_factor(user_id="42", secret=bytes(9))


def test_users_of_another_system_come_as_a_whole_once_and_with_their_recovery_codes(world: World) -> None:
    secret = base64.b32encode(bytes(range(20))).decode()
    factor = ImportedFactor(secret=secret, last_step=int(world.clock.now) // 30, name="phone", factor_id="a" * 32)
    ann = ImportedUser(
        user_id="ann", factors=(factor,), recovery_codes=("ogzutz7c", "2975-8852", "ABCD EFGH", "abcdefgh")
    )
    bob = ImportedUser(user_id="bob", factors=(replace(factor, last_step=None),))
    assert world.mfa.import_users([ann, bob]) == [True, True]
    assert world.kinds() == ["factor imported", "factor imported"]
    assert world.mfa.import_users([ann, replace(bob, user_id="carol")]) == [False, True]
    device = Device(f"otpauth://totp/x?secret={secret}")
    # Ann's is used up to this step; of Bob's nobody knows, so none of about now is accepted.
    for user_id, ahead in (("ann", 0), ("bob", 0), ("bob", 1)):
        with pytest.raises(InvalidCode):
            world.mfa.verify(user_id=user_id, code=device.at(world.clock.now, ahead))
    assert world.mfa.verify(user_id="ann", code=device.at(world.clock.now, 1)).factor_id == "a" * 32
    world.clock.now += 60
    assert world.mfa.verify(user_id="bob", code=device.at(world.clock.now)).method == "totp"
    # Recovery codes: in any spelling, once, of their own user.
    assert world.mfa.recover(user_id="ann", code="29758852").remaining == 2
    assert world.mfa.recover(user_id="ann", code=" Abcd-Efgh ").remaining == 1
    for user_id, code in (("ann", "29758852"), ("ann", "ABCDEFGH"), ("bob", "ogzutz7c"), ("ann", "")):
        with pytest.raises(InvalidCode):
            world.mfa.recover(user_id=user_id, code=code)
    # The keyring rotates under them, and new codes end them.
    old = world.keyring
    world.mfa = world.service(world.mfa.policy, Keyring(f"{Keyring.generate().export()} {old.export()}"))
    assert world.mfa.rotate_keys().resealed == 4
    assert world.mfa.recover(user_id="ann", code="OGZUTZ7C").remaining == 0
    world.mfa.regenerate_recovery_codes(user_id="ann")
    world.mfa.regenerate_recovery_codes(user_id="ann")


@pytest.mark.parametrize(
    "wrong",
    [
        {"factors": ()},
        {"factors": tuple(ImportedFactor(secret=bytes(20)) for _ in range(11))},
        {"factors": (ImportedFactor(secret=bytes(10)),)},
        {"factors": (ImportedFactor(secret="no base32!"),)},
        {"factors": (ImportedFactor(secret=bytes(20), digits=9),)},
        {"factors": (ImportedFactor(secret=bytes(20), period=0),)},
        {"factors": (ImportedFactor(secret=bytes(20), last_step=-2),)},
        {"factors": (ImportedFactor(secret=bytes(20), last_step=1 << 62),)},
        {"factors": (ImportedFactor(secret=bytes(20), algorithm="MD5"),)},
        {"recovery_codes": ("12345",)},
        {"recovery_codes": ("",)},
        {"recovery_codes": ("x" * 65,)},
        {"recovery_codes": ("123456",) * 101},
    ],
)
def test_nobody_comes_with_what_the_policy_does_not_allow(world: World, wrong: dict[str, Any]) -> None:
    good = ImportedUser(user_id="ann", factors=(ImportedFactor(secret=bytes(20)),))
    with pytest.raises(PolicyError):
        world.mfa.import_users([good, replace(good, user_id="bob", **wrong)])
    assert world.store.factors(None, 10) == []


def test_an_imported_factor_keeps_its_last_step(world: World) -> None:
    secret = base64.b32encode(bytes(range(20))).decode()
    device = Device(f"otpauth://totp/x?secret={secret}")
    step = int(world.clock.now) // 30
    world.mfa.import_factor(user_id="42", secret=secret, last_step=step)
    with pytest.raises(InvalidCode):
        world.mfa.verify(user_id="42", code=device.at(world.clock.now))
    world.mfa.verify(user_id="42", code=device.at(world.clock.now, 1))


@pytest.mark.parametrize("algorithm", ["SHA1", "SHA256", "SHA512"])
@pytest.mark.parametrize("digits", [6, 7, 8])
def test_all_algorithms_and_lengths(world: World, algorithm: str, digits: int) -> None:
    world.mfa = world.service(replace(Policy.cheap_for_tests(), algorithm=algorithm, digits=digits, period=60))  # type: ignore[arg-type]
    _, device, _ = world.enroll()
    assert len(device.at(0)) == digits
    world.mfa.verify(user_id="42", code=device.at(world.clock.now))


@pytest.mark.parametrize(
    "wrong",
    [
        {"period": 121}, {"period": 14}, {"window": 3}, {"window": -1}, {"digits": 5}, {"digits": 9}, {"digits": True},
        {"secret_bytes": 15}, {"free_failures": 11}, {"disable_after": 101}, {"disable_after": 0},
        {"failures_in_30_days": 1}, {"longest_delay": 29}, {"first_delay": 0}, {"recovery_codes": 0},
        {"enrollment_lifetime": 59}, {"hotp_look_ahead": 21}, {"algorithm": "MD5"}, {"hashing": None},
        {"legacy_secrets": 1}, {"period": 30.0}, {"max_factors": 0}, {"max_pending": 0}, {"hotp_resync_window": 0},
    ],
)  # fmt: skip
def test_an_impossible_policy_is_refused_at_construction(wrong: dict[str, object]) -> None:
    with pytest.raises(PolicyError, match=next(iter(wrong))):
        Policy(**wrong)  # type: ignore[arg-type]


def test_a_policy_is_frozen_and_its_profiles_are_policies() -> None:
    policy = Policy.default()
    assert policy == Policy()
    with pytest.raises(FrozenInstanceError):
        policy.window = 2  # type: ignore[misc]
    assert Policy.asvs_strict().window == 0
    assert Policy.cheap_for_tests().limits() == policy.limits()
    limits = policy.limits()
    assert [limits.delay(failures) // 1000 for failures in range(15)] == [
        0, 0, 0, 0, 0, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600,
    ]  # fmt: skip


def test_the_strict_profile_accepts_the_current_step_alone() -> None:
    world = World(replace(Policy.asvs_strict(), hashing=Policy.cheap_for_tests().hashing))
    _, device, _ = world.enroll()
    for steps in (-1, 1):
        with pytest.raises(InvalidCode):
            world.mfa.verify(user_id="42", code=device.at(world.clock.now, steps))
    world.mfa.verify(user_id="42", code=device.at(world.clock.now))


# 9: HOTP


def test_hotp_looks_ahead_as_far_as_the_policy_says(world: World) -> None:
    _, token, _ = world.enroll(kind="hotp")
    expected = token.counter
    with pytest.raises(InvalidCode):
        world.mfa.verify(user_id="42", code=token.code(expected + 6))
    yes = world.mfa.verify(user_id="42", code=token.code(expected + 5))
    assert (yes.method, yes.time_step, yes.drift) == ("hotp", expected + 5, 5)
    for counter in range(expected + 6):
        world.clock.now += 3600
        with pytest.raises(InvalidCode):
            world.mfa.verify(user_id="42", code=token.code(counter))


def test_resync_takes_two_consecutive_codes(world: World) -> None:
    enrollment, token, _ = world.enroll(kind="hotp")
    again = {"user_id": "42", "factor_id": enrollment.factor_id}
    for first, second in ((50, 52), (50, 50), (51, 50), (50, 49), (200, 201)):
        world.clock.now += 3600
        with pytest.raises(InvalidCode):
            world.mfa.resync(**again, code=token.code(first), next_code=token.code(second))
    world.clock.now += 3600
    yes = world.mfa.resync(**again, code=token.code(50), next_code=token.code(51))
    assert yes.time_step == 51
    world.mfa.verify(user_id="42", code=token.code(52))
    for counter in (50, 51, 52):
        with pytest.raises(InvalidCode):
            world.mfa.verify(user_id="42", code=token.code(counter))


def test_resync_is_for_counters(world: World) -> None:
    enrollment, device, _ = world.enroll()
    with pytest.raises(InvalidCode):
        world.mfa.resync(
            user_id="42",
            factor_id=enrollment.factor_id,
            code=device.at(world.clock.now),
            next_code=device.at(world.clock.now, 1),
        )
    for foreign in ("", "other"):
        with pytest.raises(NotEnrolled):
            world.mfa.resync(user_id="42", factor_id=foreign, code="000000", next_code="000000")


# 10: recovery codes


def test_a_recovery_code_works_once_as_people_type_it(world: World) -> None:
    _, _, codes = world.enroll()
    world.mfa.recover(user_id="42", code=f"  {codes[0].lower().replace('-', ' ')} \n")
    for spelling in (codes[0], codes[0].lower(), codes[0].replace("-", "")):
        with pytest.raises(InvalidCode):
            world.mfa.recover(user_id="42", code=spelling)
    world.mfa.recover(user_id="42", code=codes[1].replace("0", "o").replace("1", "l"))
    assert world.mfa.status(user_id="42").recovery_codes == 8


def test_new_recovery_codes_end_the_old_ones(world: World) -> None:
    _, _, old = world.enroll()
    new = world.mfa.regenerate_recovery_codes(user_id="42")
    with pytest.raises(InvalidCode):
        world.mfa.recover(user_id="42", code=old[0])
    assert world.mfa.recover(user_id="42", code=new[0]).remaining == 9


def test_another_users_recovery_code_is_wrong(world: World) -> None:
    _, _, alices = world.enroll("alice")
    world.enroll("bob")
    with pytest.raises(InvalidCode):
        world.mfa.recover(user_id="bob", code=alices[0])
    assert world.mfa.status(user_id="alice").recovery_codes == 10


@pytest.mark.parametrize("hashing", [Hashing.argon2id(memory_kib=8, passes=1), Hashing.pbkdf2(iterations=1000)])
def test_both_hashings(hashing: Hashing) -> None:
    world = World(Policy(hashing=hashing))
    _, _, codes = world.enroll()
    world.mfa.recover(user_id="42", code=codes[0])
    # Codes that were made by another policy go on.
    world.mfa = world.service(Policy.cheap_for_tests())
    world.mfa.recover(user_id="42", code=codes[1])


# 15: sealed records


def test_a_row_of_another_user_is_refused(world: World) -> None:
    world.enroll("alice")
    _, _, _ = world.enroll("mallory")
    store = world.store
    (alice,) = store.user(Owner("", "alice")).factors
    (mallory,) = store.user(Owner("", "mallory")).factors
    # Mallory can write the database, and gives Alice a secret that she knows.
    store.reseal([(alice, mallory.sealed)])
    with pytest.raises(SealedRecordError):
        world.mfa.verify(user_id="alice", code="123456")
    assert world.events[-1].kind == "sealed record refused"
    assert store.user(Owner("", "alice")).budgets["otp"].failures == 1


def test_a_tenants_row_is_refused_by_another(world: World) -> None:
    world.enroll()
    (factor,) = world.store.user(Owner("", "42")).factors
    other = world.service(Policy.cheap_for_tests(), tenant="other")
    world.store.add_factor(replace(factor, owner=Owner("other", "42")), 0, 10, 5)
    with pytest.raises(SealedRecordError):
        other.verify(user_id="42", code="123456")


def test_a_factor_that_works_is_not_held_up_by_a_broken_one(world: World) -> None:
    world.enroll()
    _, tablet, _ = world.enroll()
    first = world.store.user(Owner("", "42")).factors[0]
    world.store.reseal([(first, b"broken" * 20)])
    world.mfa.verify(user_id="42", code=tablet.at(world.clock.now))
    with pytest.raises(SealedRecordError):
        world.mfa.verify(user_id="42", code=tablet.at(world.clock.now))


def test_keys_rotate_while_people_log_in_and_retire_only_when_unused(world: World) -> None:
    _, device, codes = world.enroll()
    world.enroll("43")
    old = world.keyring
    both = Keyring([Keyring.generate().export(), old.export()])
    mfa = world.service(Policy.cheap_for_tests(), keyring=both)
    mfa.verify(user_id="42", code=device.at(world.clock.now))  # resealed by the way
    with pytest.raises(KeyInUse) as caught:
        mfa.retire_key(old.writes_with)
    assert caught.value.records == 1 + 2 * 10
    seen = []
    rotation = mfa.rotate_keys(progress=seen.append)
    assert (rotation.seen, rotation.resealed, rotation.failed, rotation.done) == (22, 21, (), True)
    assert seen[-1].resealed == 21
    assert mfa.rotate_keys().resealed == 0
    mfa.retire_key(old.writes_with)
    with pytest.raises(KeyInUse, match="still seals 22 records"):
        mfa.retire_key(both.writes_with)
    with pytest.raises(UnknownKey, match="no key 0000: its keys are "):
        mfa.retire_key("0000")
    new = world.service(Policy.cheap_for_tests(), keyring=Keyring(both.export().split()[0]))
    world.clock.now += 30
    new.verify(user_id="42", code=device.at(world.clock.now))
    new.recover(user_id="42", code=codes[0])
    with pytest.raises(SealedRecordError):
        world.mfa.verify(user_id="42", code=device.at(world.clock.now, 1))


def test_a_rotation_that_is_stopped_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from ferrotp.mfa import maintenance

    monkeypatch.setattr(maintenance, "BATCH", 3)
    for number in range(10):
        world.mfa.import_factor(user_id=str(number), secret=bytes(range(20)))
    mfa = world.service(
        Policy.cheap_for_tests(), keyring=Keyring([Keyring.generate().export(), world.keyring.export()])
    )

    def stop(rotation: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mfa.rotate_keys(progress=stop)
    assert mfa.rotate_keys().resealed == 7


def test_what_cannot_be_opened_is_named_and_left(world: World) -> None:
    world.enroll()
    (factor,) = world.store.user(Owner("", "42")).factors
    world.store.reseal([(factor, b"\x01" * 80)])
    mfa = world.service(
        Policy.cheap_for_tests(), keyring=Keyring([Keyring.generate().export(), world.keyring.export()])
    )
    rotation = mfa.rotate_keys()
    assert len(rotation.failed) == 1
    assert "42" in rotation.failed[0]
    assert rotation.resealed == 10


# Clocks


@pytest.mark.parametrize("back", [1, 90, DAY])
def test_a_clock_that_goes_back_accepts_nothing_again(world: World, back: int) -> None:
    _, device, _ = world.enroll()
    code = device.at(world.clock.now)
    world.mfa.verify(user_id="42", code=code)
    step = int(world.clock.now) // 30
    world.clock.now -= back
    with pytest.raises(InvalidCode):
        world.mfa.verify(user_id="42", code=code)
    for old in range(step - 3, step + 1):
        with pytest.raises((InvalidCode, Throttled)):
            world.mfa.verify(user_id="42", code=device.code(old))


@pytest.mark.parametrize("back", [1, 90, DAY])
def test_a_clock_that_goes_back_opens_no_delay_early(world: World, back: int) -> None:
    _, device, _ = world.enroll()
    for _ in range(5):
        with pytest.raises(InvalidCode):
            world.mfa.verify(user_id="42", code=device.wrong(world.clock.now))
    world.clock.now += 29 - back
    with pytest.raises(Throttled):
        world.mfa.verify(user_id="42", code=device.at(world.clock.now))


def test_a_clock_that_was_ahead_has_a_way_out_and_leaves_an_event(world: World) -> None:
    _, device, codes = world.enroll()
    start = world.clock.now
    world.clock.now += DAY
    world.mfa.verify(user_id="42", code=device.at(world.clock.now))
    world.clock.now = start
    with pytest.raises(InvalidCode):
        world.mfa.verify(user_id="42", code=device.at(world.clock.now))
    assert "clock was ahead" in world.kinds()
    world.mfa.recover(user_id="42", code=codes[0])  # one way out
    world.clock.now = start + DAY + 30  # the other is time
    world.mfa.verify(user_id="42", code=device.at(world.clock.now))


def test_a_delay_of_a_clock_that_was_ahead_ends(world: World) -> None:
    _, device, _ = world.enroll()
    start = world.clock.now
    world.clock.now += 20 * DAY
    for _ in range(5):
        with pytest.raises(InvalidCode):
            world.mfa.verify(user_id="42", code=device.wrong(world.clock.now))
    world.clock.now = start
    with pytest.raises(Throttled) as caught:
        world.mfa.verify(user_id="42", code=device.at(world.clock.now))
    assert caught.value.retry_at.timestamp() <= start + 3600
    assert "clock was ahead" in world.kinds()
    world.clock.now = start + 3600
    world.mfa.verify(user_id="42", code=device.at(world.clock.now))


def test_a_wrong_clock_of_the_server_is_seen_in_the_drift_of_all(world: World) -> None:
    for number in range(20):
        _, device, _ = world.enroll(str(number))
        world.mfa.verify(user_id=str(number), code=device.at(world.clock.now, 1))
        world.clock.now -= 60
    report = world.mfa.report()
    assert (report.factors, report.median_drift, report.clock_suspect) == (20, 1.0, True)


# Enrollment


def test_a_code_that_was_sent_may_be_older_but_never_of_a_time_to_come(world: World) -> None:
    _, device, _ = world.enroll()
    world.clock.now += 600
    for steps in (-10, 2):
        with pytest.raises(InvalidCode):
            world.mfa.verify(user_id="42", code=device.at(world.clock.now, steps), past_steps=9)
    yes = world.mfa.verify(user_id="42", code=device.at(world.clock.now, -9), past_steps=9)
    assert yes.time_step == world.clock.now // 30 - 9 and yes.drift == 0
    with pytest.raises(InvalidCode):
        world.mfa.verify(user_id="42", code=device.at(world.clock.now, -9), past_steps=9)
    with pytest.raises(PolicyError):
        world.mfa.verify(user_id="42", code=device.at(world.clock.now), past_steps=21)


def test_of_some_factors_only_these_are_asked_in_one_attempt(world: World) -> None:
    first, phone, _ = world.enroll()
    second, tablet, _ = world.enroll()
    _, watch, _ = world.enroll()
    some = [first.factor_id, second.factor_id]
    with pytest.raises(InvalidCode) as refused:
        world.mfa.verify(user_id="42", code=watch.at(world.clock.now), factor_id=some)
    assert refused.value.attempts_left == 4
    assert world.mfa.verify(user_id="42", code=tablet.at(world.clock.now), factor_id=some).factor_id == some[1]
    with pytest.raises(InvalidCode):
        world.mfa.verify(user_id="42", code=phone.at(world.clock.now), factor_id=[])


def test_a_secret_that_was_made_before_its_user_was_known_is_enrolled_once(world: World) -> None:
    secret = base64.b32encode(b"a secret of 20 bytes").decode()
    for time in range(2):
        with pytest.raises(FactorExists) if time else nullcontext():
            enrollment = world.mfa.enroll(user_id="42", account_name="a", secret=secret, factor_id="phone")
    assert (enrollment.factor_id, enrollment.secret) == ("phone", secret)
    code = Device(enrollment.uri).at(world.clock.now)
    assert world.mfa.confirm(user_id="42", factor_id="phone", code=code, recovery_codes=False) == ()
    assert world.mfa.status(user_id="42").recovery_codes == 0
    with pytest.raises(FactorExists):
        world.mfa.import_factor(user_id="42", secret=secret, factor_id="phone")
    with pytest.raises(PolicyError):
        world.mfa.enroll(user_id="42", account_name="a", secret=b"only 16 bytes...")


def test_an_enrollment_expires(world: World) -> None:
    enrollment = world.mfa.enroll(user_id="42", account_name="alice")
    device = Device(enrollment.uri)
    world.clock.now += 600
    with pytest.raises(EnrollmentExpired):
        world.mfa.confirm(user_id="42", factor_id=enrollment.factor_id, code=device.at(world.clock.now))
    with pytest.raises(EnrollmentExpired):
        world.mfa.pending(user_id="42", factor_id=enrollment.factor_id, account_name="alice")
    with pytest.raises(NotEnrolled):
        world.mfa.verify(user_id="42", code=device.at(world.clock.now))


def test_a_pending_factor_can_be_shown_again_and_does_not_log_in(world: World) -> None:
    enrollment = world.mfa.enroll(user_id="42", account_name="alice")
    assert world.mfa.pending(user_id="42", factor_id=enrollment.factor_id, account_name="alice") == enrollment
    with pytest.raises(EnrollmentExpired):
        world.mfa.pending(user_id="43", factor_id=enrollment.factor_id, account_name="alice")
    with pytest.raises(NotEnrolled):
        world.mfa.verify(user_id="42", code=Device(enrollment.uri).at(world.clock.now))
    assert not world.mfa.status(user_id="42").enrolled
    assert [factor.factor_id for factor in world.mfa.status(user_id="42").pending] == [enrollment.factor_id]


def test_another_users_enrollment_is_not_confirmed(world: World) -> None:
    enrollment = world.mfa.enroll(user_id="42", account_name="alice")
    code = Device(enrollment.uri).at(world.clock.now)
    for user_id, factor_id in (("43", enrollment.factor_id), ("42", ""), ("42", "*")):
        with pytest.raises((EnrollmentExpired, NotEnrolled)):
            world.mfa.confirm(user_id=user_id, factor_id=factor_id, code=code)
    world.mfa.confirm(user_id="42", factor_id=enrollment.factor_id, code=code)
    with pytest.raises(EnrollmentExpired):
        world.mfa.confirm(user_id="42", factor_id=enrollment.factor_id, code=code)


def test_wrong_codes_of_an_enrollment_are_limited(world: World) -> None:
    enrollment = world.mfa.enroll(user_id="42", account_name="alice")
    device = Device(enrollment.uri)
    for _ in range(5):
        with pytest.raises(InvalidCode):
            world.mfa.confirm(user_id="42", factor_id=enrollment.factor_id, code=device.wrong(world.clock.now))
    with pytest.raises(Throttled):
        world.mfa.confirm(user_id="42", factor_id=enrollment.factor_id, code=device.at(world.clock.now))


def test_factors_are_bounded(world: World) -> None:
    for _ in range(10):
        world.mfa.import_factor(user_id="42", secret=bytes(range(20)))
    with pytest.raises(TooManyFactors):
        world.mfa.import_factor(user_id="42", secret=bytes(range(20)))
    with pytest.raises(TooManyFactors):
        world.mfa.enroll(user_id="42", account_name="alice")


# Looking after it


def test_a_factor_is_seen_by_its_owner_alone(world: World) -> None:
    enrollment, _, _ = world.enroll()
    waiting = world.mfa.enroll(user_id="42", account_name="alice", name="tablet")
    seen = world.mfa.factor(user_id="42", factor_id=enrollment.factor_id)
    assert seen == world.mfa.status(user_id="42").factors[0]
    assert world.mfa.factor(user_id="42", factor_id=waiting.factor_id).state == "pending"
    for user_id, factor_id in (("43", enrollment.factor_id), ("42", "nothing"), ("42", "")):
        with pytest.raises(NotEnrolled):
            world.mfa.factor(user_id=user_id, factor_id=factor_id)
    world.clock.now += 601
    with pytest.raises(NotEnrolled):
        world.mfa.factor(user_id="42", factor_id=waiting.factor_id)


def test_a_secret_that_is_taken_out_works_elsewhere_and_leaves_an_event(world: World) -> None:
    enrollment, device, _ = world.enroll()
    step = world.mfa.verify(user_id="42", code=device.at(world.clock.now)).time_step
    taken = world.mfa.reveal_secret(user_id="42", factor_id=enrollment.factor_id, by="root")
    event = world.events[-1]
    assert (event.kind, event.user_id, event.factor_id, event.detail) == (
        "secret revealed",
        "42",
        enrollment.factor_id,
        {"by": "root"},
    )
    assert (taken.factor_id, taken.kind, taken.algorithm, taken.digits, taken.period, taken.last_step) == (
        enrollment.factor_id,
        "totp",
        "SHA1",
        6,
        30,
        step,
    )
    assert taken.secret == device.secret
    assert taken.key == base64.b32decode(device.secret)
    assert world.mfa.factor(user_id="42", factor_id=enrollment.factor_id).state == "active"


def test_a_secret_is_taken_out_for_its_own_user_by_name_and_not_while_it_is_pending(world: World) -> None:
    enrollment, _, _ = world.enroll()
    waiting = world.mfa.enroll(user_id="42", account_name="alice")
    before = len(world.events)
    for user_id, factor_id in (("43", enrollment.factor_id), ("42", "nothing"), ("42", waiting.factor_id)):
        with pytest.raises(NotEnrolled):
            world.mfa.reveal_secret(user_id=user_id, factor_id=factor_id, by="root")
    for by in ("", " ", "ro\not", None):
        with pytest.raises(InvalidIdentifier):
            world.mfa.reveal_secret(user_id="42", factor_id=enrollment.factor_id, by=by)  # type: ignore[arg-type]
    assert len(world.events) == before


def test_a_secret_of_a_changed_record_is_not_taken_out(world: World) -> None:
    enrollment, _, _ = world.enroll()
    (factor,) = world.store.user(Owner("", "42")).factors
    world.store.reseal([(factor, b"\x01" * 80)])
    with pytest.raises(SealedRecordError):
        world.mfa.reveal_secret(user_id="42", factor_id=enrollment.factor_id, by="root")
    assert world.kinds()[-1] == "sealed record refused"


def test_keys_are_counted_by_the_records_that_they_seal(world: World) -> None:
    world.enroll()
    old = world.keyring.writes_with
    assert world.mfa.keys_in_use() == {old: 11}
    mfa = world.service(
        Policy.cheap_for_tests(), keyring=Keyring([Keyring.generate().export(), world.keyring.export()])
    )
    mfa.import_factor(user_id="43", secret=bytes(range(20)))
    assert mfa.keys_in_use() == {old: 11, mfa.keyring.writes_with: 1}


def test_a_factor_is_removed_by_its_owner_alone(world: World) -> None:
    """CVE-2020-5240."""
    enrollment, device, codes = world.enroll("alice")
    world.enroll("mallory")
    for user_id in ("mallory", "nobody"):
        with pytest.raises(NotEnrolled):
            world.mfa.remove_factor(user_id=user_id, factor_id=enrollment.factor_id)
    world.mfa.verify(user_id="alice", code=device.at(world.clock.now))
    removed = world.mfa.remove_factor(user_id="alice", factor_id=enrollment.factor_id)
    assert removed.factor_id == enrollment.factor_id
    assert world.events[-1].notify_user
    for ask in (world.mfa.verify, world.mfa.recover):
        with pytest.raises(NotEnrolled):
            ask(user_id="alice", code=codes[0])
    assert not world.mfa.status(user_id="alice").enrolled


def test_removing_a_factor_and_enrolling_again_opens_no_delay(world: World) -> None:
    enrollment, device, _ = world.enroll()
    for _ in range(5):
        with pytest.raises(InvalidCode):
            world.mfa.verify(user_id="42", code=device.wrong(world.clock.now))
    world.mfa.remove_factor(user_id="42", factor_id=enrollment.factor_id)
    world.clock.now -= 60  # as `enroll` sets it on by a minute
    _, device, _ = world.enroll()
    world.clock.now -= 50
    with pytest.raises(Throttled):
        world.mfa.verify(user_id="42", code=device.at(world.clock.now))


def test_a_reset_is_an_administrators_and_is_told_to_the_user(world: World) -> None:
    world.enroll()
    for by in ("", " root", None):
        with pytest.raises(InvalidIdentifier):
            world.mfa.reset(user_id="42", by=by)  # type: ignore[arg-type]
    assert world.mfa.reset(user_id="42", by="root") == 1
    event = world.events[-1]
    assert (event.kind, event.notify_user, event.detail) == ("reset", True, {"by": "root", "factors": 1})
    assert world.mfa.status(user_id="42").factors == ()


def test_many_at_once(world: World) -> None:
    _, alice, _ = world.enroll("alice")
    _, bob, _ = world.enroll("bob")
    outcomes = world.mfa.verify_many(
        [("alice", alice.at(world.clock.now)), ("nobody", "123456"), ("bob", bob.wrong(world.clock.now))]
    )
    assert outcomes[0].result().user_id == "alice"
    assert outcomes[0].error is None
    assert [type(outcome.error) for outcome in outcomes[1:]] == [NotEnrolled, InvalidCode]
    for outcome in outcomes[1:]:
        with pytest.raises(MFAError):
            outcome.result()
    with pytest.raises(TypeError, match="result"):
        bool(outcomes[0])


def test_users_of_two_tenants_are_two_users(world: World) -> None:
    other = world.service(Policy.cheap_for_tests(), tenant="other")
    _, device, _ = world.enroll()
    with pytest.raises(NotEnrolled):
        other.verify(user_id="42", code=device.at(world.clock.now))
    assert not other.status(user_id="42").enrolled
    assert list(other.factors()) == []
    assert [factor.user_id for factor in world.mfa.factors()] == ["42"]


# What people and attackers type


@pytest.mark.parametrize(
    "spelling",
    [
        "{0}{1}",
        "{0} {1}",
        " {0}{1} ",
        "{0}-{1}",
        "{0}\u00a0{1}",
        "{0}{1}\n",
        "\t{0}{1}",
        "{0}\u2009{1}",
        "wide",
        "arabic",
    ],
)
def test_codes_are_accepted_as_people_type_them(world: World, spelling: str) -> None:
    _, device, _ = world.enroll()
    code = device.at(world.clock.now)
    if spelling in ("wide", "arabic"):
        zero = 0xFF10 if spelling == "wide" else 0x0660
        text = "".join(chr(zero + int(digit)) for digit in code)
    else:
        text = spelling.format(code[:3], code[3:])
    world.mfa.verify(user_id="42", code=text)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "12345", "1234567", "abcdef", "+123456", "1_2_3_4_5_6", "0x1234", "12345\x00", "\ud800", "\u00b2" * 6,
        "\u2460" * 6, "1" * 1_000_000, "\u0301\u0316" * 500_000, None, 123456, b"123456", 1.5, True, ["1"],
        "-12345", "1e5",
    ],
)  # fmt: skip
def test_what_is_no_code_is_refused_and_counted(world: World, text: object) -> None:
    world.enroll()
    for ask in (world.mfa.verify, world.mfa.recover):
        with pytest.raises(InvalidCode):
            ask(user_id="42", code=text)  # type: ignore[arg-type]
        assert world.events[-1].detail["reason"] in ("malformed", "wrong")
    assert world.mfa.status(user_id="42").failures == 1


@pytest.mark.parametrize(
    "user_id",
    ["", " ", " 42", "42 ", "4\x002", "4\n2", "\ud800", "x" * 256, None, True, 4.2, b"42", "\u200b", "\u202e42"],
)
def test_ids_that_stores_confuse_are_refused(world: World, user_id: object) -> None:
    """CVE-2018-1000809: ``user=<space>`` took a service down."""
    for call in (
        lambda: world.mfa.verify(user_id=user_id, code="123456"),  # type: ignore[arg-type]
        lambda: world.mfa.recover(user_id=user_id, code="123456"),  # type: ignore[arg-type]
        lambda: world.mfa.enroll(user_id=user_id, account_name="alice"),  # type: ignore[arg-type]
        lambda: world.mfa.status(user_id=user_id),  # type: ignore[arg-type]
        lambda: world.mfa.attempts(user_id=user_id),  # type: ignore[arg-type]
    ):
        with pytest.raises(InvalidIdentifier):
            call()


def test_no_time_of_a_client_is_taken() -> None:
    """ASVS 6.5.8: only this server's clock."""
    import inspect

    for name in ("verify", "confirm", "recover", "resync", "enroll"):
        assert not {"now", "at", "time", "for_time", "timestamp"} & set(
            inspect.signature(getattr(MFA, name)).parameters
        )


def test_a_store_that_nobody_knows_is_refused() -> None:
    for url in ("oracle://localhost/x", "", "mfa.db", "http://x"):
        with pytest.raises(StoreRefused):
            MFA(url, issuer="ACME", keyring=Keyring.generate())


def test_a_handler_that_raises_changes_no_decision(world: World, caplog: pytest.LogCaptureFixture) -> None:
    _, device, _ = world.enroll()

    def broken(event: object) -> None:
        raise RuntimeError("boom")

    mfa = MFA(
        world.store,
        issuer="ACME",
        keyring=world.keyring,
        policy=world.mfa.policy,
        clock=world.clock,
        on_event=broken,
    )
    assert mfa.verify(user_id="42", code=device.at(world.clock.now)).user_id == "42"
    assert "raised" in caplog.text


def test_every_attempt_leaves_an_event(world: World) -> None:
    _, device, codes = world.enroll()
    world.events.clear()
    world.mfa.verify(user_id="42", code=device.at(world.clock.now))
    for _ in range(5):
        with pytest.raises(InvalidCode):
            world.mfa.verify(user_id="42", code=device.wrong(world.clock.now))
    with pytest.raises(Throttled):
        world.mfa.verify(user_id="42", code="000000")
    with pytest.raises(NotEnrolled):
        world.mfa.verify(user_id="nobody", code="000000")
    world.mfa.recover(user_id="42", code=codes[0])
    with pytest.raises(InvalidCode):
        world.mfa.recover(user_id="42", code=codes[0])
    assert world.kinds() == [
        "verified", *["refused"] * 2, "guessing suspected", *["refused"] * 3, "throttled", "refused", "recovered",
        "recovery refused",
    ]  # fmt: skip
    assert [event.user_id for event in world.events if event.notify_user] == ["42", "42"]


# Trusted devices


@pytest.fixture
def trusting() -> World:
    return World(replace(Policy.cheap_for_tests(), trusted_device_days=30))


def test_trusted_devices_are_off_by_default(world: World) -> None:
    world.enroll()
    with pytest.raises(PolicyError, match="trusted_device_days"):
        world.mfa.trust_device(user_id="42")
    with pytest.raises(DeviceNotTrusted):
        world.mfa.recognize_device(user_id="42", token="a.b")


def test_a_trusted_device_is_recognized_by_a_token_that_changes(trusting: World) -> None:
    trusting.enroll()
    token = trusting.mfa.trust_device(user_id="42", name="Firefox on Linux")
    assert token.expires_at.timestamp() == trusting.clock.now + 30 * DAY
    tokens = [token.token]
    for _ in range(3):
        trusting.clock.now += DAY
        again = trusting.mfa.recognize_device(user_id="42", token=tokens[-1])
        assert again.expires_at == token.expires_at  # using it makes it last no longer
        tokens.append(again.token)
    assert len(set(tokens)) == 4
    (device,) = trusting.mfa.trusted_devices(user_id="42")
    assert (device.name, device.last_used_at.timestamp()) == ("Firefox on Linux", trusting.clock.now)
    trusting.clock.now = token.expires_at.timestamp()
    with pytest.raises(DeviceNotTrusted):
        trusting.mfa.recognize_device(user_id="42", token=tokens[-1])
    assert trusting.mfa.trusted_devices(user_id="42") == []


def test_a_stolen_token_ends_all_devices_of_its_user(trusting: World) -> None:
    trusting.enroll("alice")
    trusting.enroll("bob")
    stolen = trusting.mfa.trust_device(user_id="alice").token
    other = trusting.mfa.trust_device(user_id="alice").token
    bobs = trusting.mfa.trust_device(user_id="bob").token
    trusting.clock.now += DAY
    thief = trusting.mfa.recognize_device(user_id="alice", token=stolen).token
    trusting.clock.now += DAY
    with pytest.raises(DeviceNotTrusted):  # the owner comes with the token that was stolen
        trusting.mfa.recognize_device(user_id="alice", token=stolen)
    assert trusting.events[-1].kind == "device theft suspected"
    assert trusting.events[-1].notify_user
    for token in (thief, other):
        with pytest.raises(DeviceNotTrusted):
            trusting.mfa.recognize_device(user_id="alice", token=token)
    trusting.mfa.recognize_device(user_id="bob", token=bobs)


@pytest.mark.parametrize("token", ["", ".", "a", "a.", ".a", "x" * 1000, "\u00e9.\u00e9", None, 42, "a.b.c"])
def test_what_is_no_token_is_not_trusted(trusting: World, token: object) -> None:
    trusting.enroll()
    with pytest.raises(DeviceNotTrusted):
        trusting.mfa.recognize_device(user_id="42", token=token)  # type: ignore[arg-type]


def test_another_users_device_is_not_trusted_and_not_forgotten(trusting: World) -> None:
    trusting.enroll("alice")
    trusting.enroll("mallory")
    token = trusting.mfa.trust_device(user_id="alice").token
    (device,) = trusting.mfa.trusted_devices(user_id="alice")
    with pytest.raises(DeviceNotTrusted):
        trusting.mfa.recognize_device(user_id="mallory", token=token)
    assert trusting.mfa.forget_devices(user_id="mallory", series=device.series) == 0
    assert trusting.mfa.forget_devices(user_id="alice", series=device.series) == 1
    with pytest.raises(DeviceNotTrusted):
        trusting.mfa.recognize_device(user_id="alice", token=token)


@pytest.mark.parametrize("series", ["", "nothing", "%", "*", " ", None])
def test_only_the_series_of_a_device_forgets_it_and_no_other_text_does(trusting: World, series: str | None) -> None:
    trusting.enroll("alice")
    tokens = [trusting.mfa.trust_device(user_id="alice").token for _ in range(2)]
    first, second = trusting.mfa.trusted_devices(user_id="alice")
    before = len(trusting.events)
    if series is None:
        assert trusting.mfa.forget_devices(user_id="alice") == 2
        assert trusting.events[-1].kind == "devices removed"
        assert trusting.events[-1].detail == {"devices": 2}
        assert trusting.mfa.trusted_devices(user_id="alice") == []
        return
    for text in (series, first.series[:-1], first.series.upper() + "x", tokens[0]):
        assert trusting.mfa.forget_devices(user_id="alice", series=text) == 0
    assert len(trusting.events) == before
    assert trusting.mfa.trusted_devices(user_id="alice") == [first, second]
    assert trusting.mfa.forget_devices(user_id="alice", series=first.series) == 1
    assert trusting.mfa.trusted_devices(user_id="alice") == [second]


# One factor of some


def test_of_two_factors_the_one_that_is_asked_for_is_checked_and_no_other(world: World) -> None:
    first, phone, _ = world.enroll()
    second, tablet, _ = world.enroll()
    with pytest.raises(InvalidCode):
        world.mfa.verify(user_id="42", code=tablet.at(world.clock.now), factor_id=first.factor_id)
    with pytest.raises(NotEnrolled):
        world.mfa.verify(user_id="42", code=phone.at(world.clock.now), factor_id="nothing")
    yes = world.mfa.verify(user_id="42", code=phone.at(world.clock.now), factor_id=first.factor_id)
    assert yes.factor_id == first.factor_id
    assert world.mfa.verify(user_id="42", code=tablet.at(world.clock.now)).factor_id == second.factor_id


# What an attempt costs


class CountingKeyring:
    """A keyring that notes which of its slow methods were called: each takes one hash."""

    SLOW = ("check_recovery_code", "find_recovery_code", "dummy_check")

    def __init__(self, keyring: Keyring) -> None:
        self.keyring = keyring
        self.hashes: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name in self.SLOW:
            self.hashes.append(name)
        return getattr(self.keyring, name)


@pytest.mark.parametrize("imported", [False, True], ids=["own codes", "imported codes"])
def test_each_attempt_to_recover_takes_one_hash_whether_there_is_such_a_code_or_not(
    world: World, imported: bool
) -> None:
    """Otherwise its time would say which codes, and whose, there are."""
    counting = CountingKeyring(world.keyring)
    mfa = world.service(world.mfa.policy, keyring=counting)  # type: ignore[arg-type]
    if imported:
        user = ImportedUser(
            user_id="42", factors=(ImportedFactor(secret=bytes(range(20))),), recovery_codes=("ogzutz7c", "mfrggzdf")
        )
        assert mfa.import_users([user]) == [True]
        codes = list(user.recovery_codes)
    else:
        codes = list(world.enroll()[2])
    mfa.import_factor(user_id="without codes", secret=bytes(range(20)))
    wrong = codes[1][:-1] + ("2" if codes[1][-1] != "2" else "3")
    attempts = [
        ("42", codes[0]),
        ("42", codes[0]),  # used
        ("42", wrong),
        ("42", "ZZZZ-ZZZZ-ZZZZ-ZZZZ"),
        ("42", "no code at all"),
        ("42", ""),
        ("42", None),
        ("without codes", codes[1]),
    ]
    for number, (user_id, code) in enumerate(attempts):
        world.clock.now += DAY
        counting.hashes.clear()
        with pytest.raises(InvalidCode) if number else nullcontext():
            mfa.recover(user_id=user_id, code=code)  # type: ignore[arg-type]
        assert len(counting.hashes) == 1, (user_id, code, counting.hashes)


# What the user hears of


def test_logins_are_ended_by_somebody_and_the_user_hears_of_it(world: World) -> None:
    world.enroll("42")
    before = world.mfa.status(user_id="42").epoch
    assert before and world.mfa.epoch(user_id=42) == before
    epoch = world.mfa.end_sessions(user_id="42", by="root")
    assert len(epoch) == 32 and epoch != before
    assert world.mfa.status(user_id="42").epoch == world.mfa.epoch(user_id="42") == epoch
    event = world.events[-1]
    assert (event.kind, event.detail, event.notify_user) == ("sessions ended", {"by": "root", "devices": 0}, True)
    for by in ("", " ", 7):
        with pytest.raises(InvalidIdentifier):
            world.mfa.end_sessions(user_id="42", by=by)  # type: ignore[arg-type]
    assert world.mfa.epoch(user_id="42") == epoch


def test_new_codes_end_logins_where_somebody_may_have_had_the_earlier_ones(world: World) -> None:
    world.enroll("42")
    before = world.mfa.epoch(user_id="42")
    world.mfa.regenerate_recovery_codes(user_id="42")
    assert world.mfa.epoch(user_id="42") == before
    assert len(world.mfa.regenerate_recovery_codes(user_id="42", end_sessions=True)) == 10
    assert world.mfa.epoch(user_id="42") != before
    assert [event.kind for event in world.events[-2:]] == ["recovery codes replaced", "sessions ended"]
    with pytest.raises(NotEnrolled):
        world.mfa.regenerate_recovery_codes(user_id="43", end_sessions=True)
    assert world.mfa.epoch(user_id="43") == ""


def test_the_user_hears_of_each_change_and_of_nothing_else() -> None:
    kinds = get_args(events.Kind)
    event = Event("reset", datetime.now(timezone.utc), "", "42")
    assert {kind for kind in kinds if replace(event, kind=kind).notify_user} == {
        "enrollment confirmed",
        "factor imported",
        "guessing suspected",
        "passkey copy suspected",
        "disabled",
        "recovered",
        "recovery codes replaced",
        "factor resynchronized",
        "factor removed",
        "reset",
        "sessions ended",
        "reminded",
        "device trusted",
        "device theft suspected",
        "enrollment lost",
    }


def test_the_log_warns_of_changes_and_refusals_and_only_informs_of_the_rest(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "ferrotp.mfa"):
        for kind in get_args(events.Kind):
            world.mfa._core.emit(kind, 0, Owner("", "4\n2"))
    levels = {record.message.partition(":")[0]: record.levelname for record in caplog.records}
    assert {kind for kind, level in levels.items() if level == "INFO"} == {
        "audit began",
        "audit pruned",
        "enrollment started",
        "passed elsewhere",
        "impersonated",
        "reminded",
        "verified",
        "unlocked",
        "device recognized",
        "device refused",
        "devices removed",
        "user deleted",
        "keys rotated",
    }
    assert levels.keys() == {*get_args(events.Kind)} - events.ROWS_ONLY
    assert all("\n" not in record.message for record in caplog.records)


# What events say of a refusal


def test_an_event_says_why_a_code_was_refused_and_the_error_does_not(world: World) -> None:
    _, device, codes = world.enroll()
    hotp = world.enroll(kind="hotp")[0].factor_id
    code = device.at(world.clock.now)
    world.mfa.verify(user_id="42", code=code)
    world.mfa.recover(user_id="42", code=codes[0])
    waiting = world.mfa.enroll(user_id="42", account_name="alice")
    confirm = {"user_id": "42", "factor_id": waiting.factor_id}
    refusals: list[tuple[Any, dict[str, str], str, str]] = [
        (world.mfa.verify, {"user_id": "42", "code": code}, "refused", "used"),
        (world.mfa.verify, {"user_id": "42", "code": device.wrong(world.clock.now)}, "refused", "wrong"),
        (world.mfa.verify, {"user_id": "42", "code": "no code"}, "refused", "malformed"),
        (
            world.mfa.confirm,
            {**confirm, "code": Device(waiting.uri).wrong(world.clock.now)},
            "enrollment refused",
            "wrong",
        ),
        (world.mfa.confirm, {**confirm, "code": "no code"}, "enrollment refused", "malformed"),
        (world.mfa.recover, {"user_id": "42", "code": codes[1][:-1] + "*"}, "recovery refused", "malformed"),
        (world.mfa.recover, {"user_id": "42", "code": codes[0]}, "recovery refused", "wrong"),
        (world.mfa.resync, {"user_id": "42", "factor_id": hotp, "code": "1", "next_code": "2"}, "refused", "wrong"),
    ]
    for call, arguments, kind, reason in refusals:
        with pytest.raises(InvalidCode) as caught:
            call(**arguments)
        event = world.events[-1]
        assert (event.kind, event.detail["reason"]) == (kind, reason)
        assert str(caught.value) == "the code is not valid"


# What a yes and its event say


def test_a_yes_and_its_event_say_which_code_of_which_device_it_was(world: World) -> None:
    enrollment, device, codes = world.enroll()
    step = int(world.clock.now) // 30
    yes = world.mfa.verify(user_id="42", code=device.at(world.clock.now, -1))
    event = world.events[-1]
    assert (event.kind, event.at, event.user_id, event.tenant) == ("verified", yes.at, "42", "")
    assert (event.factor_id, event.method) == (enrollment.factor_id, "totp")
    assert event.detail == {"time_step": step - 1, "drift": -1}
    assert yes.at.timestamp() == world.clock.now
    recovered = world.mfa.recover(user_id="42", code=codes[0])
    event = world.events[-1]
    assert (event.kind, event.at, event.method) == ("recovered", recovered.at, "recovery")
    assert event.detail == {"remaining": 9}
    factor = world.mfa.factor(user_id="42", factor_id=enrollment.factor_id)
    assert (factor.drift, factor.last_used_at) == (-1, yes.at)
    assert factor.created_at.timestamp() == world.clock.now - 60


def test_a_resync_says_how_far_the_device_had_run_ahead(world: World) -> None:
    enrollment, token, _ = world.enroll(kind="hotp")
    again = {"user_id": "42", "factor_id": enrollment.factor_id}
    yes = world.mfa.resync(**again, code=token.code(100), next_code=token.code(101))
    event = world.events[-1]
    assert (yes.user_id, yes.method, yes.factor_id, yes.time_step, yes.drift) == (
        "42", "hotp", enrollment.factor_id, 101, 100,
    )  # fmt: skip
    assert (event.kind, event.at, event.method, event.factor_id) == (
        "factor resynchronized", yes.at, "hotp", enrollment.factor_id,
    )  # fmt: skip
    assert event.detail == {"time_step": 101, "drift": 100}


def test_a_resync_searches_as_many_counters_as_the_policy_says(world: World) -> None:
    enrollment, token, _ = world.enroll(kind="hotp")
    expected = token.counter
    for ahead in (101, 100):
        with pytest.raises(InvalidCode) if ahead == 101 else nullcontext():
            world.mfa.resync(
                user_id="42",
                factor_id=enrollment.factor_id,
                code=token.code(expected + ahead),
                next_code=token.code(expected + ahead + 1),
            )


def test_a_step_of_the_window_is_no_sign_of_a_clock_that_was_ahead(world: World) -> None:
    _, device, _ = world.enroll()
    world.mfa.verify(user_id="42", code=device.at(world.clock.now, 1))
    with pytest.raises(InvalidCode):
        world.mfa.verify(user_id="42", code=device.at(world.clock.now))
    assert "clock was ahead" not in world.kinds()
    world.clock.now -= 30
    with pytest.raises(InvalidCode):
        world.mfa.verify(user_id="42", code=device.at(world.clock.now))
    event = next(event for event in world.events if event.kind == "clock was ahead")
    assert event.detail == {"last_step": int(world.clock.now) // 30 + 2}


@pytest.mark.parametrize("past_steps", [-1, 21, True, 1.0, "1"])
def test_only_so_many_past_steps_may_be_asked_for(world: World, past_steps: Any) -> None:
    _, device, _ = world.enroll()
    with pytest.raises(PolicyError, match="from 0 to 20"):
        world.mfa.verify(user_id="42", code=device.at(world.clock.now), past_steps=past_steps)
    waiting = world.mfa.enroll(user_id="42", account_name="alice")
    with pytest.raises(PolicyError, match="from 0 to 20"):
        world.mfa.confirm(
            user_id="42",
            factor_id=waiting.factor_id,
            code=Device(waiting.uri).at(world.clock.now),
            past_steps=past_steps,
        )


def test_past_steps_go_from_none_to_the_policys_most(world: World) -> None:
    _, device, _ = world.enroll()
    world.clock.now += 3600
    with pytest.raises(InvalidCode):
        world.mfa.verify(user_id="42", code=device.at(world.clock.now, -1), past_steps=0)
    with pytest.raises(InvalidCode):
        world.mfa.verify(user_id="42", code=device.at(world.clock.now, -21), past_steps=20)
    world.mfa.verify(user_id="42", code=device.at(world.clock.now, -20), past_steps=20)
    world.mfa.verify(user_id="42", code=device.at(world.clock.now), past_steps=0)


def test_64_typed_characters_are_looked_at_and_not_one_more(world: World) -> None:
    _, device, _ = world.enroll()
    code = device.at(world.clock.now)
    with pytest.raises(InvalidCode):
        world.mfa.verify(user_id="42", code=code + " " * 59)
    assert world.events[-1].detail["reason"] == "malformed"
    world.mfa.verify(user_id="42", code=code + " " * 58)


def test_ids_have_255_characters_at_most_and_names_may_be_left_out(world: World) -> None:
    longest = "x" * 255
    mfa = world.service(world.mfa.policy, tenant=longest)
    made = mfa.enroll(user_id=longest, account_name=longest, name=longest, factor_id=longest)
    assert mfa.factor(user_id=longest, factor_id=longest).name == longest
    assert mfa.enroll(user_id=longest, account_name="a").factor_id != made.factor_id
    raw = bytes(range(20))
    for wrong in ("x" * 256, " x", "x\n", 42):
        for call in (
            lambda wrong=wrong: world.mfa.enroll(user_id="42", account_name="a", name=wrong),
            lambda wrong=wrong: world.mfa.enroll(user_id="42", account_name=wrong),
            lambda wrong=wrong: world.mfa.enroll(user_id="42", account_name="a", factor_id=wrong),
            lambda wrong=wrong: world.mfa.import_factor(user_id="42", secret=raw, name=wrong),
            lambda wrong=wrong: world.mfa.import_factor(user_id="42", secret=raw, factor_id=wrong),
            lambda wrong=wrong: world.service(world.mfa.policy, tenant=wrong),
            lambda wrong=wrong: MFA(world.store, issuer=wrong, keyring=world.keyring),
        ):
            with pytest.raises(InvalidIdentifier):
                call()
    with pytest.raises(InvalidIdentifier):
        MFA(world.store, issuer="", keyring=world.keyring)
    assert world.mfa.status(user_id="42").factors == world.mfa.status(user_id="42").pending == ()


def test_a_new_secret_has_as_many_bytes_as_the_policy_says_and_128_at_most(world: World) -> None:
    for length in (19, 129):
        with pytest.raises(PolicyError, match="20 to 128 bytes"):
            world.mfa.enroll(user_id="42", account_name="a", secret=bytes(range(length)))
    for length in (20, 128):
        made = world.mfa.enroll(user_id="42", account_name="a", secret=bytes(range(length)))
        assert len(base64.b32decode(made.secret + "=" * (-len(made.secret) % 8))) == length
    with pytest.raises(PolicyError, match="kind"):
        world.mfa.enroll(user_id="42", account_name="a", kind="steam")  # type: ignore[arg-type]


def test_an_enrollment_is_the_policys_and_says_when_it_ends(world: World) -> None:
    policy = replace(Policy.cheap_for_tests(), algorithm="SHA256", digits=8, period=60, enrollment_lifetime=120)
    mfa = world.service(policy)
    made = mfa.enroll(user_id="42", account_name="alice")
    assert "algorithm=SHA256" in made.uri and "digits=8" in made.uri and "period=60" in made.uri
    assert made.expires_at.timestamp() == world.clock.now + 120
    assert world.events[-1].kind == "enrollment started"
    assert (world.events[-1].factor_id, world.events[-1].method) == (made.factor_id, "totp")
    counter = mfa.enroll(user_id="42", account_name="alice", kind="hotp")
    assert counter.uri.startswith("otpauth://hotp/") and "counter=0" in counter.uri and "period" not in counter.uri
    assert Device(counter.uri).secret != made.secret
    assert not mfa.factor(user_id="42", factor_id=made.factor_id).legacy


def test_a_second_factor_brings_no_new_recovery_codes(world: World) -> None:
    _, _, codes = world.enroll()
    world.events.clear()
    _, _, more = world.enroll()
    assert (len(codes), len(more)) == (10, 0)
    assert world.kinds() == ["enrollment started", "enrollment confirmed"]
    assert world.events[-1].detail == {"drift": 0}
    assert world.mfa.recover(user_id="42", code=codes[0]).remaining == 9
    world.mfa.regenerate_recovery_codes(user_id="42")
    assert (world.events[-1].kind, world.events[-1].method) == ("recovery codes replaced", "recovery")
    assert world.events[-1].detail == {"remaining": 10}
    with pytest.raises(NotEnrolled):
        world.mfa.regenerate_recovery_codes(user_id="43")


def test_an_enrollment_that_another_process_confirms_first_is_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrollment = world.mfa.enroll(user_id="42", account_name="alice")
    monkeypatch.setattr(world.store, "confirm", lambda *arguments: None)
    with pytest.raises(EnrollmentExpired):
        world.mfa.confirm(user_id="42", factor_id=enrollment.factor_id, code=Device(enrollment.uri).at(world.clock.now))
    assert "enrollment confirmed" not in world.kinds()


def test_a_code_that_another_process_uses_first_is_used(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _, device, codes = world.enroll()
    attempt, code = world.store.attempt, device.at(world.clock.now)

    def another_comes_first(
        owner: Owner, method: Method, now: int, limits: Limits, decide: Decide, **named: Any
    ) -> Any:
        """The decision is asked twice, as where another process came between."""

        def decide_again(reservation: Reservation) -> Acceptance | None:
            seen = decide(reservation)
            assert seen is not None
            factor = reservation.factors[0]
            taken = replace(reservation, factors=(replace(factor, last_step=seen.step),))
            return decide(taken)

        return attempt(owner, method, now, limits, decide_again, **named)

    monkeypatch.setattr(world.store, "attempt", another_comes_first)
    monkeypatch.setattr(world.store, "redeem", lambda *arguments: None)
    for ask, text in ((world.mfa.verify, code), (world.mfa.recover, codes[0])):
        with pytest.raises(InvalidCode):
            ask(user_id="42", code=text)
        assert world.events[-1].detail["reason"] == "used"


def test_what_is_told_of_an_attempt_that_is_decided_twice_is_told_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, device, _ = world.enroll()
    world.clock.now += 60
    world.mfa.verify(user_id="42", code=device.at(world.clock.now))
    world.clock.now -= 3600
    attempt = world.store.attempt

    def twice(owner: Owner, method: Method, now: int, limits: Limits, decide: Decide, **named: Any) -> Any:
        def decide_again(reservation: Reservation) -> Acceptance | None:
            decide(reservation)
            return decide(reservation)

        return attempt(owner, method, now, limits, decide_again, **named)

    monkeypatch.setattr(world.store, "attempt", twice)
    before = len(world.events)
    with pytest.raises(InvalidCode):
        world.mfa.verify(user_id="42", code=device.at(world.clock.now))
    assert [event.kind for event in world.events[before:]] == ["clock was ahead", "refused"]


def test_an_imported_factor_is_what_was_said_of_it(world: World) -> None:
    raw = bytes(range(20))
    made = world.mfa.import_factor(
        user_id="42", secret=raw, algorithm="SHA512", digits=8, period=60, name="tablet", factor_id="a", last_step=0
    )
    assert (made.factor_id, made.name, made.state, made.kind, made.legacy) == ("a", "tablet", "active", "totp", False)
    event = world.events[-1]
    assert (event.kind, event.factor_id, event.method, event.detail) == (
        "factor imported", "a", "totp", {"legacy": False},
    )  # fmt: skip
    taken = world.mfa.reveal_secret(user_id="42", factor_id="a", by="test")
    assert (taken.key, taken.algorithm, taken.digits, taken.period, taken.last_step) == (raw, "SHA512", 8, 60, 0)
    world.mfa.import_factor(user_id="42", secret=raw, factor_id="b")
    assert world.mfa.reveal_secret(user_id="42", factor_id="b", by="test").last_step == -1
    for last_step in (-1, 1 << 62):
        with pytest.raises(PolicyError, match="last_step"):
            world.mfa.import_factor(user_id="42", secret=raw, last_step=last_step)
    world.mfa.import_factor(user_id="42", secret=raw, last_step=(1 << 62) - 1, factor_id="c")


def test_of_users_that_come_without_a_last_step_no_code_of_now_is_accepted(world: World) -> None:
    raw = bytes(range(20))
    user = ImportedUser(
        user_id="42",
        factors=(ImportedFactor(secret=raw, factor_id="app"), ImportedFactor(secret=raw, kind="hotp", factor_id="key")),
    )
    assert world.mfa.import_users([user, replace(user, user_id="43")]) == [True, True]
    assert world.kinds() == ["factor imported"] * 4
    assert world.mfa.import_users([user]) == [False]
    assert len(world.events) == 4
    steps = {
        name: world.mfa.reveal_secret(user_id="42", factor_id=name, by="test").last_step for name in ("app", "key")
    }
    assert steps == {"app": int(world.clock.now) // 30 + 1, "key": -1}


@pytest.mark.parametrize(
    ("changed", "taken"),
    [
        ({"secret": bytes(16)}, True),
        ({"secret": bytes(15)}, False),
        ({"secret": bytes(128)}, True),
        ({"secret": bytes(129)}, False),
        ({"period": 120}, True),
        ({"period": 121}, False),
        ({"period": 1}, True),
        ({"period": 0}, False),
        ({"digits": 6}, True),
        ({"digits": 5}, False),
        ({"digits": 8}, True),
        ({"digits": 9}, False),
        ({"last_step": -1}, True),
        ({"last_step": -2}, False),
        ({"last_step": 1 << 62}, False),
        ({"algorithm": "MD5"}, False),
        ({"kind": "steam"}, False),
        ({"kind": "hotp", "period": 121}, True),
    ],
)
def test_the_bounds_of_what_comes_from_another_system(world: World, changed: dict[str, Any], taken: bool) -> None:
    factor = replace(ImportedFactor(secret=bytes(20)), **changed)
    with nullcontext() if taken else pytest.raises(PolicyError):
        assert world.mfa.import_users([ImportedUser(user_id="42", factors=(factor,))]) == [True]


@pytest.mark.parametrize(
    ("changed", "taken"),
    [
        ({"secret": bytes(10)}, True),
        ({"secret": bytes(9)}, False),
        ({"period": 300}, True),
        ({"period": 301}, False),
    ],
)
def test_the_bounds_of_legacy_secrets(changed: dict[str, Any], taken: bool) -> None:
    world = World(replace(Policy.cheap_for_tests(), legacy_secrets=True))
    factor = replace(ImportedFactor(secret=bytes(20)), **changed)
    with nullcontext() if taken else pytest.raises(PolicyError):
        world.mfa.import_users([ImportedUser(user_id="42", factors=(factor,))])
        assert world.mfa.status(user_id="42").factors[0].legacy


@pytest.mark.parametrize(
    ("code", "taken"),
    [
        ("123456", True),
        ("12345", False),
        ("abcde", True),
        ("1234a", True),
        ("abcd", False),
        ("wxyz", True),
        ("xyz", False),
        ("12-34 56", True),
        ("x" * 64, True),
        ("x" * 65, False),
        ("\u00e9" * 33, False),
    ],
)
def test_recovery_codes_of_fewer_than_20_bits_or_more_than_64_bytes_do_not_come(
    world: World, code: str, taken: bool
) -> None:
    user = ImportedUser(user_id="42", factors=(ImportedFactor(secret=bytes(20)),), recovery_codes=(code,))
    with nullcontext() if taken else pytest.raises(PolicyError):
        world.mfa.import_users([user])
        assert world.mfa.recover(user_id="42", code=code).remaining == 0


def test_a_status_says_when_the_next_attempt_is_open(world: World) -> None:
    _, device, _ = world.enroll()
    for failures in range(1, 6):
        with pytest.raises(InvalidCode):
            world.mfa.verify(user_id="42", code=device.wrong(world.clock.now))
        status = world.mfa.status(user_id="42")
        assert (status.failures, status.disabled, status.retry_at is not None) == (failures, False, failures == 5)
    assert status.retry_at is not None and status.retry_at.timestamp() == world.clock.now + 30
    world.clock.now += 30
    assert world.mfa.status(user_id="42").retry_at is None
    waiting = world.mfa.enroll(user_id="42", account_name="alice")
    assert len(world.mfa.status(user_id="42").pending) == 1
    assert len(world.mfa.status(user_id="42").factors) == 1
    world.clock.now = waiting.expires_at.timestamp()
    assert world.mfa.status(user_id="42").pending == ()


def test_the_report_suspects_the_clock_from_twenty_factors_on_and_when_half_are_off_to_one_side(world: World) -> None:
    def use(user_id: str, steps: int) -> None:
        world.mfa.import_factor(user_id=user_id, secret=bytes(range(20)))
        device = Device("otpauth://totp/a?secret=" + base64.b32encode(bytes(range(20))).decode())
        world.mfa.verify(user_id=user_id, code=device.at(world.clock.now, steps))

    for number in range(19):
        use(str(number), -1 if number < 9 else 1 if number < 10 else 0)
    assert not world.mfa.report().clock_suspect
    use("19", -1)
    report = world.mfa.report()
    assert (report.factors, report.clock_suspect, report.median_drift) == (20, True, -0.5)
    use("20", 1)
    assert not world.mfa.report().clock_suspect


def test_the_device_s_token_is_told_by_its_event_and_its_end_by_the_policy(trusting: World) -> None:
    with pytest.raises(NotEnrolled):
        trusting.mfa.trust_device(user_id="42")
    trusting.enroll()
    token = trusting.mfa.trust_device(user_id="42", name="Firefox")
    (device,) = trusting.mfa.trusted_devices(user_id="42")
    event = trusting.events[-1]
    assert (event.kind, event.detail) == ("device trusted", {"device": device.series, "name": "Firefox"})
    assert (device.expires_at, device.created_at.timestamp()) == (token.expires_at, trusting.clock.now)
    trusting.clock.now += 30
    again = trusting.mfa.recognize_device(user_id="42", token=token.token)
    assert (trusting.events[-1].kind, trusting.events[-1].detail) == ("device recognized", {"device": device.series})
    trusting.clock.now += 60  # two requests of one browser at once
    assert trusting.mfa.recognize_device(user_id="42", token=token.token).token == again.token
    with pytest.raises(DeviceNotTrusted):
        trusting.mfa.recognize_device(user_id="42", token="nothing.nothing.nothing")
    assert (trusting.events[-1].kind, trusting.events[-1].detail) == ("device refused", {"device": "nothing"})
    assert not trusting.events[-1].notify_user
    trusting.clock.now += 61
    with pytest.raises(DeviceNotTrusted):
        trusting.mfa.recognize_device(user_id="42", token=token.token)
    assert trusting.events[-1].kind == "device theft suspected"
    with pytest.raises(DeviceNotTrusted):
        trusting.mfa.recognize_device(user_id="42", token=again.token)


def test_two_requests_at_once_are_told_apart_from_a_theft_after_the_policys_grace() -> None:
    world = World(replace(Policy.cheap_for_tests(), trusted_device_days=30, device_grace=5, max_devices=2))
    world.enroll()
    token = world.mfa.trust_device(user_id="42").token
    world.mfa.recognize_device(user_id="42", token=token)
    world.clock.now += 5
    world.mfa.recognize_device(user_id="42", token=token)
    for _ in range(3):
        world.mfa.trust_device(user_id="42")
    assert len(world.mfa.trusted_devices(user_id="42")) == 2
