"""`ferrotp.legacy`: what pyotp 2.12 no longer takes, and programs still have."""

import binascii
import datetime
import hashlib

import pytest
from names import shown

from .helpers import EDGES, SECRET, is_fast, kinds, load_release

TEN_YEARS = 10 * 365 * 86400


@pytest.fixture
def theirs():
    return load_release("2.10.0")


@pytest.mark.parametrize("kind", ["OTP", "HOTP", "TOTP", "Steam"])
@pytest.mark.parametrize("secret", [None, "0" * 32, "1", "not base32", "", b"\xff", 5, [], object()], ids=shown)
def test_a_secret_is_looked_at_when_it_is_used(legacy, theirs, kind, secret):
    ours = kinds(legacy)[kind](secret)
    assert ours.secret is secret
    assert vars(ours) == vars(kinds(theirs)[kind](secret))


def test_what_no_secret_is_fails_at_use_as_in_pyotp(legacy, theirs):
    for module in (legacy, theirs):
        with pytest.raises(TypeError):
            module.TOTP(None).now()
        with pytest.raises(TypeError):
            module.TOTP(None).verify("000000")
        with pytest.raises(binascii.Error):
            module.TOTP("0" * 32).now()
        with pytest.raises(binascii.Error):
            module.TOTP("0" * 32).verify("000000")
        assert module.TOTP("0" * 32).provisioning_uri("ann") == f"otpauth://totp/ann?secret={'0' * 32}"
        otp = module.TOTP(None)
        otp.secret = SECRET
        assert otp.at(59) == "287082"


@pytest.mark.parametrize("secret", ["", "GE", "GEZD", "GEZDGNBV", "GEZDGNBVGY3T", "GEZDGNBVGY3TQOJQ", "gezdgnbvgy3t"])
@pytest.mark.parametrize("kind", ["OTP", "HOTP", "TOTP", "Steam"])
def test_short_secrets_make_pyotps_codes(legacy, theirs, kind, secret):
    ours, reference = kinds(legacy)[kind](secret), kinds(theirs)[kind](secret)
    for count in (0, 1, 59, 10**10):
        assert ours.generate_otp(count) == reference.generate_otp(count)
    if kind in ("TOTP", "Steam"):
        assert ours.at(1234567890) == reference.at(1234567890)
        assert ours.verify(reference.at(1234567890), for_time=1234567890)


def test_a_short_secret_is_as_fast_as_a_long_one(legacy):
    assert is_fast(legacy.TOTP("GEZDGNBVGY3T"))
    assert is_fast(legacy.HOTP("GEZDGNBVGY3T"))


def test_no_short_secret_is_ever_made(legacy):
    assert len(legacy.random_base32()) == 32
    with pytest.raises(ValueError, match=r"^Secrets should be at least 160 bits$"):
        legacy.random_base32(16)


@pytest.mark.parametrize("count", [10**31 + 7, 10**31 - 1, 2**63, 2**64, 2**64 + 1, 2**128, 10**32 - 1])
@pytest.mark.parametrize("secret", [SECRET, "GEZDGNBVGY3T", "JBSWY3DPEHPK3PXP"])
def test_counters_of_32_digits_make_pyotps_codes(surface, reference, secret, count):
    if surface.__name__ == "ferrotp" and secret != SECRET:
        secret = SECRET
    ours, theirs = surface.HOTP(secret), reference.HOTP(secret)
    assert ours.at(count) == theirs.at(count)
    assert ours.verify(theirs.at(count), count)
    assert not ours.verify(theirs.at(count), count + 1)
    # No counter is cut to 64 bits.
    if count >= 2**64:
        assert ours.at(count) != ours.at(count % 2**64)
    assert surface.HOTP(secret, initial_count=count).at(5) == theirs.at(count + 5)
    assert surface.TOTP(secret, interval=1).generate_otp(count) == theirs.at(count)
    assert surface.parse_uri(f"otpauth://hotp/ann?secret={secret}&counter={count}").at(0) == theirs.at(count)


@pytest.mark.parametrize("window", [1, 30, 60, 1000])
def test_wide_windows_match_where_pyotps_do(surface, reference, window):
    ours, theirs = surface.TOTP(SECRET), reference.TOTP(SECRET)
    moment = 1234567890
    for offset in (-window - 1, -window, -1, 0, 1, window, window + 1):
        code = theirs.at(moment + 30 * offset)
        inside = abs(offset) <= window
        assert ours.verify(code, for_time=moment, valid_window=window) is inside
        if window <= 60:
            assert theirs.verify(code, for_time=moment, valid_window=window) is inside
        if inside:
            assert ours.verify_and_get_timecode(code, for_time=moment, valid_window=window) == moment // 30 + offset


def test_a_window_wider_than_the_native_path_takes_still_matches(surface):
    otp = surface.TOTP(SECRET)
    code = otp.at(1234567890 + 30 * 10005)
    assert otp.verify(code, for_time=1234567890, valid_window=10010)
    assert otp.verify_and_get_timecode(code, for_time=1234567890, valid_window=10010) == 41152263 + 10005


@pytest.mark.parametrize(
    "interval", [1, 15, 30, 60, 120, 180, 300, 600, 3000, 86400, TEN_YEARS, *EDGES, 2**40, 0.5, 2.5]
)
def test_every_interval_makes_pyotps_codes(legacy, theirs, interval):
    ours, reference = legacy.TOTP(SECRET, interval=interval), theirs.TOTP(SECRET, interval=interval)
    for moment in (0, 1, 59, 299, 300, 1234567890, 20000000000):
        assert ours.at(moment) == reference.at(moment)
        assert ours.verify(reference.at(moment), for_time=moment)
        assert ours.timecode(datetime.datetime.fromtimestamp(moment)) == (
            reference.timecode(datetime.datetime.fromtimestamp(moment))
        )
    assert ours.provisioning_uri("ann") == reference.provisioning_uri("ann")
    assert ours.interval == interval


@pytest.mark.parametrize("digits", range(1, 11))
def test_every_number_of_digits_makes_pyotps_codes(legacy, theirs, digits):
    for kind in ("OTP", "HOTP", "TOTP"):
        ours, reference = kinds(legacy)[kind](SECRET, digits=digits), kinds(theirs)[kind](SECRET, digits=digits)
        codes = [ours.generate_otp(count) for count in range(200)]
        assert codes == [reference.generate_otp(count) for count in range(200)]
        assert {len(code) for code in codes} == {digits}


@pytest.mark.parametrize("digits", [6, 7, 8, 9, 10])
@pytest.mark.parametrize("digest", [hashlib.sha1, hashlib.sha256, hashlib.sha512])
def test_ten_digits_are_filled_up_as_in_pyotp(surface, reference, digits, digest):
    # 31 bits fill no ten digits: the first is 0, 1 or 2.
    ours = surface.HOTP(SECRET, digits=digits, digest=digest)
    theirs = reference.HOTP(SECRET, digits=digits, digest=digest)
    assert [ours.at(count) for count in range(300)] == [theirs.at(count) for count in range(300)]


def test_verify_and_get_timecode_is_2_12s(legacy, modern):
    assert issubclass(legacy.OTPVerificationError, legacy.PyOTPError)
    for kind in ("TOTP", "Steam"):
        otp = kinds(legacy)[kind](SECRET)
        for moment in (59, 59.5, datetime.datetime.fromtimestamp(59, datetime.timezone.utc)):
            assert otp.verify_and_get_timecode(otp.at(60), for_time=moment, valid_window=1) == 2
        with pytest.raises(legacy.OTPVerificationError, match=r"^OTP verification failed$"):
            otp.verify_and_get_timecode("000000", for_time=59, valid_window=1)
        with pytest.raises(ValueError, match=r"^valid_window cannot be negative$"):
            otp.verify_and_get_timecode("000000", for_time=59, valid_window=-1)
        assert otp.verify_and_get_timecode(otp.now()) > 0
    otp = legacy.TOTP("GEZDGNBVGY3T", interval=600)
    assert otp.verify_and_get_timecode(otp.at(6000), for_time=6000) == 10


def test_seen_in_real_programs(surface):
    class Mine(surface.TOTP):
        def verify(self, otp, for_time=None, valid_window=0):
            return super().verify(otp, for_time, valid_window)

    otp = Mine(SECRET)
    assert otp.verify(otp.now()) or otp.verify(otp.now())
    assert otp.verify("287082", 59, 1)
    assert surface.TOTP(SECRET).provisioning_uri("ann@example.com", issuer_name="Bank") == (
        f"otpauth://totp/Bank:ann%40example.com?secret={SECRET}&issuer=Bank"
    )


def test_the_two_surfaces_do_not_mix(modern, legacy):
    assert legacy.TOTP is not modern.TOTP
    legacy.TOTP("GEZDGNBV")
    with pytest.raises(ValueError, match="112 bits"):
        modern.TOTP("GEZDGNBV")
    assert type(legacy.parse_uri("otpauth://totp/ann?secret=GEZDGNBV&period=600")) is legacy.TOTP
    with pytest.raises(ValueError, match="112 bits"):
        modern.parse_uri("otpauth://totp/ann?secret=GEZDGNBV")
    with pytest.raises(ValueError, match="at most 120 seconds"):
        modern.parse_uri(f"otpauth://totp/ann?secret={SECRET}&period=600")
