"""What a type checker has to refuse. Each line that is marked must be an error, and no other."""

import datetime

import ferrotp
import ferrotp.legacy
import ferrotp.mfa
import ferrotp.vault

otp = ferrotp.TOTP("SECRET")
legacy = ferrotp.legacy.TOTP("SECRET")

ferrotp.TOTP()  # error
ferrotp.TOTP(5)  # error
ferrotp.TOTP("SECRET", digits="6")  # error
ferrotp.TOTP("SECRET", nothing=1)  # error
ferrotp.TOTP("SECRET", interval=None)  # error
ferrotp.HOTP()  # error
ferrotp.HOTP("SECRET", interval=30)  # error
ferrotp.OTP("SECRET", digits="6")  # error
ferrotp.contrib.Steam("SECRET", digest=None)  # error
ferrotp.legacy.TOTP()  # error
ferrotp.legacy.TOTP("SECRET", digits="6")  # error
ferrotp.legacy.HOTP("SECRET", nothing=1)  # error

otp.verify(287082)  # error
otp.verify("287082", valid_window="1")  # error
otp.at("59")  # error
otp.at(None)  # error
otp.now(1)  # error
otp.timecode(datetime.date(2000, 1, 1))  # error
otp.verify_and_get_timecode()  # error
otp.generate_otp("1")  # error
otp.nothing()  # error
otp.initial_count  # error
otp.secret = 5  # error
otp.digits = "6"  # error
legacy.verify(287082)  # error
legacy.at("59")  # error

code: int = otp.now()  # error
right: str = otp.verify("287082")  # error
step: str = otp.verify_and_get_timecode("287082")  # error
kind: ferrotp.TOTP = ferrotp.parse_uri("otpauth://")  # error
modern: ferrotp.TOTP = legacy  # error
ferrotp.random_base32("32")  # error
ferrotp.alias_as_pyotp("legacy")  # error
ferrotp.nothing  # error

keyring = ferrotp.vault.Keyring.generate()
owner = ("acme", "ann", "phone")
ferrotp.vault.Keyring(b"ferrotp1_")  # error
ferrotp.vault.Keyring.from_bytes("key")  # error
ferrotp.vault.Hashing.argon2id("19456")  # error
keyring.match_totp(owner, "sealed", "123456", 59, 1, 1)  # error
keyring.match_totp(("ann",), b"", "123456", 59, 1, 1)  # error
keyring.match_totp(owner, b"", 123456, 59, 1, 1)  # error
keyring.match_totp(owner, b"", "123456", 59.5, 1, 1)  # error
keyring.new_secret(owner, kind="steam")  # error
keyring.new_secret(owner, "totp")  # error
keyring.new_recovery_codes("acme", "ann", 10)  # error
keyring.reseal(owner, "secret", b"")  # error
keyring.writes_with = "other"  # error


async def second_factor(service: ferrotp.mfa.AsyncMFA) -> None:
    service.verify(user_id="42", code="123456").factor_id  # error
    await service.verify("42", "123456")  # error
    await service.verify(user_id="42")  # error
    await service.verify(user_id="42", code=123456)  # error
    await service.close()  # error
