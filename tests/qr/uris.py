"""Generated provisioning URIs, the same in every run."""

import base64
import hashlib
import random

import ferrotp

ISSUERS = [
    "ACME Co",
    "Bücher & Söhne GmbH",
    "株式会社サンプル",
    "Банк Пример",
    "🦀🔐 Crab Vault 🏦",
    "a/b:c?d=e&f#g%h+i",
    "The Very Long Name of an Issuer, Established in the Year 1789 and Proud of It, Limited",
    "عينة",
    "Å" * 40,
]
ACCOUNTS = ["alice@example.com", "zoë@exämple.org", "用户一二三", "👩‍🚀", "a" * 64 + "@example.com", "x", "a b+c@d.e"]


def uris(count: int) -> list[str]:
    """So many, of every kind: issuers long and in many scripts, all hashes, secrets of 20 to 64 bytes, HOTP as well."""
    rng = random.Random(18004)
    made = []
    for number in range(count):
        name, issuer = rng.choice(ACCOUNTS) + str(number), rng.choice(ISSUERS)
        digest, size = rng.choice([(hashlib.sha1, 20), (hashlib.sha256, 32), (hashlib.sha512, 64)])
        secret = base64.b32encode(rng.randbytes(size)).decode().rstrip("=")
        if number % 4:
            totp = ferrotp.TOTP(secret, digits=rng.choice([6, 8]), digest=digest, interval=rng.choice([30, 60]))
            made.append(totp.provisioning_uri(name, issuer))
        else:
            hotp = ferrotp.HOTP(secret, digest=digest, initial_count=rng.randrange(2**40))
            made.append(hotp.provisioning_uri(name, issuer_name=issuer))
    return made
