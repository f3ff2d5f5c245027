"""ferrotp as a typed program uses it. Nothing here runs: mypy reads it, in strict mode."""

from __future__ import annotations

import datetime
import hashlib
import pathlib
from typing import Any

import ferrotp
import ferrotp.legacy
import ferrotp.legacy as pyotp
from ferrotp import HOTP, OTP, TOTP, OTPVerificationError, PyOTPError, alias_as_pyotp, contrib, parse_uri
from ferrotp.compat import random
from ferrotp.contrib import Steam
from ferrotp.contrib.steam import STEAM_CHARS, STEAM_DEFAULT_DIGITS
from ferrotp.exceptions import OTPVerificationError as SameError
from ferrotp.hotp import HOTP as SameHOTP
from ferrotp.mfa import MFA, AsyncMFA, Enrollment, RecoveryCodes, Verification
from ferrotp.otp import OTP as SameOTP
from ferrotp.totp import TOTP as SameTOTP
from ferrotp.utils import build_uri, compare_digest, strings_equal
from ferrotp.vault import Hashing, Keyring, KeyringError, OTPSecret, SealedRecordError, VaultError, new_key

MOMENT = datetime.datetime.now(datetime.timezone.utc)


def secrets() -> None:
    secret: str = ferrotp.random_base32()
    secret = ferrotp.random_base32(40, "ABCDEFGH")
    secret = ferrotp.random_base32(length=40, chars=["A", "B"])
    secret = ferrotp.random_hex()
    secret = ferrotp.random_hex(length=64, chars="0123456789abcdef")
    secret = random.choice([secret])


def totp() -> None:
    otp: TOTP = ferrotp.TOTP("SECRET")
    otp = TOTP("SECRET", 8, hashlib.sha256, "ann", "Bank", 60)
    otp = TOTP(s="SECRET", digits=8, digest=hashlib.sha512, name="ann", issuer="Bank", interval=60)
    otp = TOTP("SECRET", digest="sha256", name=None, issuer=None)
    otp = SameTOTP("SECRET")

    code: str = otp.now()
    code = otp.at(59)
    code = otp.at(59.5)
    code = otp.at(MOMENT)
    code = otp.at(MOMENT, 1)
    code = otp.at(MOMENT, counter_offset=-1)

    right: bool = otp.verify(code)
    right = otp.verify(code, MOMENT, 1)
    right = otp.verify(code, for_time=None)
    right = otp.verify(code, for_time=59, valid_window=1)
    right = otp.verify(code, for_time=59.5)

    try:
        step: int = otp.verify_and_get_timecode(code)
        step = otp.verify_and_get_timecode(code, for_time=MOMENT, valid_window=1)
    except OTPVerificationError as error:
        base: PyOTPError = error
        print(base, right)

    step = otp.timecode(MOMENT)
    uri: str = otp.provisioning_uri()
    uri = otp.provisioning_uri("ann", "Bank")
    uri = otp.provisioning_uri(name="ann", issuer_name="Bank", image="https://example.com/x.png")
    uri = otp.provisioning_uri(name=None, issuer_name=None)
    print(step, uri)


def hotp() -> None:
    otp: HOTP = ferrotp.HOTP("SECRET")
    otp = HOTP("SECRET", 8, hashlib.sha256, "ann", "Bank", 5)
    otp = HOTP(s="SECRET", digits=8, digest=hashlib.sha1, name="ann", issuer="Bank", initial_count=5)
    otp = SameHOTP("SECRET")
    code: str = otp.at(5)
    right: bool = otp.verify(code, 5)
    right = otp.verify(otp=code, counter=5)
    uri: str = otp.provisioning_uri("ann", 5, "Bank")
    uri = otp.provisioning_uri(name="ann", initial_count=None, issuer_name="Bank", image="https://example.com/x.png")
    print(right, uri)


def steam() -> None:
    otp: Steam = contrib.Steam("SECRET", name="ann", issuer="Bank", interval=30, digits=5)
    parent: TOTP = otp
    code: str = otp.now()
    characters: str = STEAM_CHARS
    number: int = STEAM_DEFAULT_DIGITS
    print(parent, code, characters, number)


def base() -> None:
    otp: OTP = ferrotp.OTP("SECRET", digits=6, digest=hashlib.sha1, name="ann", issuer="Bank")
    otp = SameOTP("SECRET")
    code: str = otp.generate_otp(5)
    key: bytes = otp.byte_secret()
    counter: bytes = otp.int_to_bytestring(5, padding=8)
    counter = OTP.int_to_bytestring(5)
    print(code, key, counter)


def attributes(totp: TOTP, hotp: HOTP) -> None:
    secret: str = totp.secret
    digits: int = totp.digits
    name: str = totp.name
    issuer: str | None = totp.issuer
    interval: int = totp.interval
    count: int = hotp.initial_count
    digest: Any = totp.digest
    totp.secret, totp.digits, totp.name, totp.issuer, totp.interval = secret, digits, name, issuer, interval
    totp.digest, hotp.initial_count = digest, count
    state: dict[str, Any] = totp.__dict__
    print(state)


def uris(text: str) -> None:
    otp: OTP = parse_uri(text)
    otp = ferrotp.parse_uri(uri=text)
    if isinstance(otp, TOTP):
        print(otp.now())
    elif isinstance(otp, HOTP):
        print(otp.at(otp.initial_count))


async def second_factor(mfa: MFA) -> None:
    awaited: AsyncMFA = AsyncMFA(mfa, threads=4, waiting=10, patience=1.5)
    async with awaited as service:
        enrollment: Enrollment = await service.enroll(user_id=42, account_name="alice", kind="hotp")
        codes: RecoveryCodes = await service.confirm(user_id=42, factor_id=enrollment.factor_id, code="123456")
        verified: Verification = await service.verify(user_id="42", code="123456", past_steps=3)
        removed: int = await service.reset(user_id=42, by="support")
        of_one: AsyncMFA = service.for_tenant("one")
        async for factor in of_one.factors():
            name: str = factor.name
            print(name)
    print(codes, verified, removed)


def utils() -> None:
    equal: bool = strings_equal("1", "2")
    equal = compare_digest(b"1", b"2")
    uri: str = build_uri("SECRET", "ann", initial_count=5, issuer="Bank", algorithm="sha256", digits=8, period=60)
    uri = build_uri("SECRET", "ann", image="https://example.com/x.png")
    print(equal, uri, ferrotp.utils.strings_equal("1", "2"))


def errors() -> None:
    failed: PyOTPError = OTPVerificationError("no")
    failed = SameError("no")
    failed = ferrotp.exceptions.OTPVerificationError("no")
    failed = ferrotp.OTPVerificationError("no")
    print(failed)


class TOTPer(TOTP):
    def __init__(self, user: str) -> None:
        self.user = user
        super().__init__("SECRET", interval=60, name=user)

    def verify(self, otp: str, for_time: int | float | datetime.datetime | None = None, valid_window: int = 1) -> bool:
        return super().verify(otp, for_time, valid_window)

    def generate_otp(self, input: int) -> str:
        return super().generate_otp(input)

    def byte_secret(self) -> bytes:
        return super().byte_secret()


class Counter(HOTP):
    def at(self, count: int) -> str:
        return super().at(count)


def subclasses() -> None:
    user: str = TOTPer("ann").user
    code: str = Counter("SECRET").at(5)
    print(user, code)


def aliases() -> None:
    alias_as_pyotp()
    alias_as_pyotp(legacy=True)
    version: str = ferrotp.__version__
    print(version)


class LegacyTOTPer(pyotp.TOTP):
    def __init__(self, user: str) -> None:
        super().__init__("SECRET", 6, hashlib.sha1, user, "Bank", 300)


def legacy() -> None:
    secret: str = pyotp.random_base32()
    secret = pyotp.random_hex(40)
    otp: pyotp.TOTP = pyotp.TOTP(secret, interval=600)
    otp = pyotp.TOTP(secret, 6, hashlib.sha1, "ann", "Bank", 300)
    code: str = otp.now()
    code = otp.at(59)
    code = otp.at(MOMENT, 1)
    right: bool = otp.verify(code, MOMENT, 1)
    right = otp.verify(code, for_time=None, valid_window=60)
    step: int = otp.timecode(MOMENT)
    try:
        step = otp.verify_and_get_timecode(code, MOMENT, 1)
    except pyotp.OTPVerificationError as error:
        print(error)
    uri: str = otp.provisioning_uri("ann", issuer_name="Bank", image="https://example.com/x.png")

    counter: pyotp.HOTP = pyotp.HOTP(secret, 6, hashlib.sha1, "ann", "Bank", 5)
    code = counter.at(5)
    right = counter.verify(code, 5)
    uri = counter.provisioning_uri("ann", 5, issuer_name="Bank")

    steam: pyotp.contrib.Steam = pyotp.contrib.Steam(secret, "ann", "Bank")
    parent: pyotp.OTP = pyotp.parse_uri(uri)
    key: bytes = parent.byte_secret()
    uri = pyotp.utils.build_uri(secret, "ann", 5, issuer="Bank")
    interval: int = LegacyTOTPer("ann").interval
    print(code, right, step, uri, steam, key, interval, ferrotp.legacy.TOTP)


def vault() -> None:
    text: str = new_key()
    keyring: Keyring = Keyring(text)
    keyring = Keyring([text, text])
    keyring = Keyring.from_env()
    keyring = Keyring.from_env("KEYS")
    keyring = Keyring.from_file("keys")
    keyring = Keyring.from_file(pathlib.Path("keys"), allow_group=True)
    keyring = Keyring.from_bytes(bytes(32), bytearray(32))
    keyring = Keyring.generate()
    ids: tuple[str, ...] = keyring.key_ids
    text = keyring.writes_with
    text = keyring.export()

    owner = ("acme", "ann", "phone")
    sealed: bytes = keyring.new_secret(owner, kind="hotp", algorithm="SHA256", digits=8, period=30, length=32)
    sealed = keyring.seal(owner, bytes(20), kind="totp", algorithm="SHA512", digits=8, period=60)
    sealed = keyring.seal(owner, bytearray(20))
    text = Keyring.key_id(sealed)
    step, matched = keyring.match_totp(owner, sealed, "123456", 59, 1, 1)
    step, matched = keyring.match_totp_pair(owner, sealed, "123456", "654321", 59, 1, 1, last_step=step)
    counter: int | None = keyring.match_hotp(owner, memoryview(sealed), "123456", 0, 10)
    counter = keyring.resync_hotp(owner, sealed, "123456", "654321", 0, 100)
    secret: OTPSecret = keyring.reveal(owner, sealed)
    text = secret.secret
    otp: TOTP = TOTP(secret.secret, digits=secret.digits, digest=secret.algorithm, interval=secret.period)
    resealed: bytes | None = keyring.reseal(owner, "otp", sealed)

    hashing: Hashing = Hashing.pbkdf2(600_000)
    hashing = Hashing.argon2id(memory_kib=19456, passes=2, lanes=1)
    for shown, selector, record in keyring.new_recovery_codes("acme", "ann", count=10, hashing=hashing):
        right: bool = keyring.check_recovery_code("acme", "ann", selector, record, shown)
        found: str | None = Keyring.recovery_selector(shown)
        print(right, found)
    keyring.dummy_check(hashing)
    try:
        keyring.reveal(owner, sealed)
    except SealedRecordError as error:
        reason: str = error.reason
        key_id: str | None = error.key_id
        base: VaultError = error
        print(reason, key_id, base)
    except (KeyringError, ValueError) as wrong:
        print(wrong)
    current: int = step
    print(ids, text, current, matched, counter, otp, resealed, ferrotp.vault.Keyring)
