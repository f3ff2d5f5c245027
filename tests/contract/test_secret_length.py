"""`min_secret_length_bits` (pyotp 2.12.1): a class variable, read at construction and at each use."""

from unittest import mock

import pytest

import ferrotp.batch

from .helpers import SECRET, is_fast, kinds, outcome

KINDS = ["OTP", "HOTP", "TOTP", "Steam"]
SECRETS = {80: "GEZDGNBVGY3TQOJQ", 112: "GEZDGNBVGY3TQOJQGEZDGNA", 120: "GEZDGNBVGY3TQOJQGEZDGNBV", 160: SECRET}


def uses(otp):
    answers = [outcome(lambda _: otp.generate_otp(1), mock), outcome(lambda _: otp.byte_secret(), mock)]
    if hasattr(otp, "initial_count"):
        return [*answers, outcome(lambda _: otp.at(1), mock), outcome(lambda _: otp.verify("000000", 1), mock)]
    if hasattr(otp, "interval"):
        answers += [outcome(lambda _: otp.at(59), mock), outcome(lambda _: bool(otp.now()), mock)]
        answers += [outcome(lambda _: otp.verify("000000", for_time=59), mock)]
        answers += [outcome(lambda _: otp.verify("000000", for_time=59, valid_window=1), mock)]
    return answers


def test_it_is_on_every_class(modern, legacy):
    for module, bits in ((modern, 112), (legacy, 0)):
        for kind in kinds(module).values():
            assert kind.min_secret_length_bits == bits == kind(SECRET).min_secret_length_bits


@pytest.mark.parametrize("bits", SECRETS)
@pytest.mark.parametrize("minimum", [0, 80, 81, 112, 113, 128, 160, 161])
@pytest.mark.parametrize("kind", KINDS)
def test_a_subclass_asks_for_as_much_as_in_pyotp(modern, reference_2_12, kind, minimum, bits):
    def use(module):
        strict = type("Mine", (kinds(module)[kind],), {"min_secret_length_bits": minimum})
        return uses(strict(SECRETS[bits]))

    assert outcome(use, modern) == outcome(use, reference_2_12)


@pytest.fixture
def reference_2_12():
    from .helpers import MIRRORED, load_release

    return load_release(MIRRORED)


@pytest.mark.parametrize("minimum", [0, 80, 113, 160, 161, None, "112"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", ["OTP", "its own class", "the object", "the object's dict"])
def test_a_change_after_construction_is_read_at_the_next_use(modern, reference_2_12, kind, where, minimum):
    def use(module):
        otp = kinds(module)[kind](SECRETS[112])
        if where == "the object":
            otp.min_secret_length_bits = minimum
        elif where == "the object's dict":
            otp.__dict__["min_secret_length_bits"] = minimum
        else:
            target = module.OTP if where == "OTP" else type(otp)
            with mock.patch.object(target, "min_secret_length_bits", minimum):
                return uses(otp), outcome(lambda _: uses(type(otp)(SECRETS[80])), mock)
        return uses(otp)

    assert use(modern) == use(reference_2_12)


def test_when_the_change_is_undone_the_object_is_fast_again(surface):
    otp = surface.TOTP(SECRET)
    with mock.patch.object(surface.OTP, "min_secret_length_bits", 161):
        assert not is_fast(otp)
    assert is_fast(otp)
    otp.min_secret_length_bits = 0
    assert not is_fast(otp)
    del otp.min_secret_length_bits
    assert is_fast(otp)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stricter_class_over_legacy_refuses_at_use(legacy, kind):
    class Strict(kinds(legacy)[kind]):
        min_secret_length_bits = 112

    otp = Strict(SECRETS[80])  # decoded at first use, as before 2.12
    with pytest.raises(ValueError, match=r"^Secrets must be at least 112 bits after decoding$"):
        otp.generate_otp(1)
    assert Strict(SECRETS[112]).generate_otp(1) == kinds(legacy)[kind](SECRETS[112]).generate_otp(1)
    assert kinds(legacy)[kind](SECRETS[80]).generate_otp(1)


def test_uris_batches_and_codes_follow_a_patched_minimum(modern):
    uri = f"otpauth://totp/ann?secret={SECRETS[120]}"
    with mock.patch.object(modern.OTP, "min_secret_length_bits", 128):
        for use in (lambda: modern.parse_uri(uri), lambda: modern.TOTP(SECRETS[120])):
            with pytest.raises(ValueError, match="128 bits after decoding"):
                use()
        assert [type(code) for code in ferrotp.batch.codes([SECRETS[120]], 59)] != [str]
    with mock.patch.object(modern.TOTP, "min_secret_length_bits", 80):
        assert modern.TOTP(SECRETS[80]).at(59) == modern.parse_uri(f"otpauth://totp/a?secret={SECRETS[80]}").at(59)
    assert list(ferrotp.batch.codes([SECRETS[120]], 59)) == [modern.TOTP(SECRETS[120]).at(59)]
