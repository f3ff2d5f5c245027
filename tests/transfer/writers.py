"""Files as the apps write them, made from accounts: in the layout that each app's own source or description has.

No reader of ours is used here. The ciphers are the package cryptography's, the XML is a text.
"""

import base64
import csv
import hashlib
import hmac
import io
import json
import struct
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from ferrotp.transfer import Account

PASSWORD = "correct horse battery staple"
# Fixed, so that a file is the same each time; an app draws them.
SALT, NONCE, IV = bytes(range(32)), bytes(range(100, 112)), bytes(range(50, 66))
KDF_FAST = 1000


@dataclass(frozen=True)
class Writer:
    """A layout: what it can say, and how it says it.

    - `holds`: whether it can hold an account as it is
    - `password`: whether the file is under `PASSWORD`
    - `label`: what comes back of issuer and name
    """

    name: str
    write: Callable[[Sequence[Account]], bytes]
    holds: Callable[[Account], bool] = lambda account: account.serial is None
    password: bool = False
    label: Callable[[Account], tuple["str | None", str, "str | None"]] = lambda account: (
        account.issuer,
        account.name,
        account.serial,
    )


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def dumps(value: Any) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode()


def uri(account: Account) -> str:
    """As the Key Uri Format's page has it."""
    kind = account.kind
    label = quote(f"{account.issuer}:{account.name}" if account.issuer else account.name, safe=":@")
    said = f"secret={account.base32()}&algorithm={account.algorithm}&digits={account.digits}"
    if account.issuer:
        said += f"&issuer={quote(account.issuer)}"
    said += f"&period={account.period}" if kind != "hotp" else f"&counter={account.counter}"
    return f"otpauth://{kind}/{label}?{said}"


def plain(account: Account) -> bool:
    """TOTP with the defaults of apps: all that a bare secret can say."""
    return (account.kind, account.algorithm, account.digits, account.period) == ("totp", "SHA1", 6, 30) and is_app(
        account
    )


def is_app(account: Account) -> bool:
    return account.serial is None


# Authenticator apps


def aegis_db(accounts: Sequence[Account]) -> dict[str, Any]:
    return {
        "version": 3,
        "entries": [
            {
                "type": account.kind,
                "uuid": f"01b3c2d4-0000-4000-8000-{number:012}",
                "name": account.name,
                "issuer": account.issuer or "",
                "note": "",
                "favorite": False,
                "icon": None,
                "info": {
                    "secret": account.base32(),
                    "algo": account.algorithm,
                    "digits": account.digits,
                    **({"counter": account.counter} if account.kind == "hotp" else {"period": account.period}),
                },
                "groups": [],
            }
            for number, account in enumerate(accounts)
        ],
        "groups": [],
        "icons_optimized": True,
    }


def aegis(accounts: Sequence[Account]) -> bytes:
    return dumps({"version": 1, "header": {"slots": None, "params": None}, "db": aegis_db(accounts)})


def aegis_sealed(accounts: Sequence[Account]) -> bytes:
    master = hashlib.sha256(b"an Aegis key").digest()
    derived = hashlib.scrypt(PASSWORD.encode(), salt=SALT, n=1 << 10, r=8, p=1, dklen=32)
    slot_key = AESGCM(derived).encrypt(NONCE, master, None)
    db = AESGCM(master).encrypt(NONCE[::-1], dumps(aegis_db(accounts)), None)
    biometric = {"type": 2, "uuid": "b" * 8, "key": "00" * 32, "key_params": {"nonce": "00" * 12, "tag": "00" * 16}}
    password = {
        "type": 1,
        "uuid": "a" * 8,
        "key": slot_key[:-16].hex(),
        "key_params": {"nonce": NONCE.hex(), "tag": slot_key[-16:].hex()},
        "n": 1 << 10,
        "r": 8,
        "p": 1,
        "salt": SALT.hex(),
        "repaired": True,
        "is_backup": False,
    }
    params = {"nonce": NONCE[::-1].hex(), "tag": db[-16:].hex()}
    return dumps({"version": 1, "header": {"slots": [biometric, password], "params": params}, "db": b64(db[:-16])})


def twofas_services(accounts: Sequence[Account]) -> list[dict[str, Any]]:
    return [
        {
            "name": account.issuer or account.name,
            "secret": account.base32(),
            "updatedAt": 1700000000000,
            "otp": {
                "label": f"{account.issuer}:{account.name}",
                "account": account.name,
                "issuer": account.issuer,
                "digits": account.digits,
                "period": account.period,
                "algorithm": account.algorithm,
                "counter": account.counter,
                "tokenType": account.kind.upper(),
                "source": "Link",
            },
            "order": {"position": number},
        }
        for number, account in enumerate(accounts)
    ]


def twofas(accounts: Sequence[Account]) -> bytes:
    return dumps({"services": twofas_services(accounts), "groups": [], "schemaVersion": 4, "appVersionCode": 5000012})


def twofas_sealed(accounts: Sequence[Account]) -> bytes:
    key = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), SALT, 10_000, 32)

    def sealed(text: bytes) -> str:
        return ":".join((b64(AESGCM(key).encrypt(NONCE, text, None)), b64(SALT), b64(NONCE)))

    return dumps(
        {
            "services": [],
            "groups": [],
            "schemaVersion": 4,
            "servicesEncrypted": sealed(dumps(twofas_services(accounts))),
            "reference": sealed(b"a reference"),
        }
    )


def andotp(accounts: Sequence[Account]) -> bytes:
    return dumps(
        [
            {
                "secret": account.base32(),
                "issuer": account.issuer or "",
                "label": account.name,
                "digits": account.digits,
                "type": account.kind.upper(),
                "algorithm": account.algorithm,
                "thumbnail": "Default",
                "last_used": 1700000000000,
                "used_frequency": 3,
                **({"counter": account.counter} if account.kind == "hotp" else {"period": account.period}),
                "tags": [],
            }
            for account in accounts
        ]
    )


def andotp_sealed(accounts: Sequence[Account]) -> bytes:
    key = hashlib.pbkdf2_hmac("sha1", PASSWORD.encode(), SALT[:12], KDF_FAST, 32)
    return struct.pack(">I", KDF_FAST) + SALT[:12] + NONCE + AESGCM(key).encrypt(NONCE, andotp(accounts), None)


def andotp_sealed_old(accounts: Sequence[Account]) -> bytes:
    return NONCE + AESGCM(hashlib.sha256(PASSWORD.encode()).digest()).encrypt(NONCE, andotp(accounts), None)


def freeotp_token(account: Account) -> dict[str, Any]:
    kind = "totp" if account.kind == "steam" else account.kind
    return {
        "algo": account.algorithm,
        "counter": account.counter,
        "digits": account.digits,
        "issuerExt": account.issuer or "",
        "label": account.name,
        "period": account.period,
        "secret": [byte - 256 if byte > 127 else byte for byte in account.secret],
        "type": kind.upper(),
    }


def freeotp_plus(accounts: Sequence[Account]) -> bytes:
    order = [f"{account.issuer}:{account.name}" for account in accounts]
    return dumps({"tokenOrder": order, "tokens": [freeotp_token(account) for account in accounts]})


def freeotp_xml(accounts: Sequence[Account]) -> bytes:
    lines = ["<?xml version='1.0' encoding='utf-8' standalone='yes' ?>", "<map>"]
    order = json.dumps([f"{account.issuer}:{account.name}" for account in accounts])
    lines.append(f'    <string name="tokenOrder">{escape(order)}</string>')
    for account in accounts:
        name = escape(f"{account.issuer}:{account.name}", {'"': "&quot;"})
        lines.append(f'    <string name="{name}">{escape(json.dumps(freeotp_token(account)))}</string>')
    return "\n".join([*lines, "</map>", ""]).encode()


def java_map(values: dict[str, str]) -> bytes:
    def text(value: str) -> bytes:
        data = value.encode()
        return b"t" + struct.pack(">H", len(data)) + data

    head = b"\xac\xed\x00\x05sr\x00\x11java.util.HashMap" + bytes.fromhex("0507dac1c31660d1") + b"\x03\x00\x02"
    head += b"F\x00\x0aloadFactor" + b"I\x00\x09threshold" + b"xp" + struct.pack(">fI", 0.75, 48)
    head += b"w\x08" + struct.pack(">II", 64, len(values))
    return head + b"".join(text(name) + text(value) for name, value in values.items()) + b"x"


def freeotp_sealed(accounts: Sequence[Account]) -> bytes:
    def signed(data: bytes) -> list[int]:
        return list(struct.unpack(f"{len(data)}b", data))

    def sealed(key: bytes, data: bytes, token: str) -> dict[str, Any]:
        return {
            "mCipher": "AES/GCM/NoPadding",
            "mCipherText": signed(AESGCM(key).encrypt(NONCE, data, token.encode())),
            "mParameters": signed(b"\x30\x11\x04\x0c" + NONCE + b"\x02\x01\x10"),
            "mToken": token,
        }

    master = hashlib.sha256(b"a FreeOTP key").digest()
    derived = hashlib.pbkdf2_hmac("sha512", PASSWORD.encode(), SALT, KDF_FAST, 32)
    values = {
        "masterKey": json.dumps(
            {
                "mAlgorithm": "PBKDF2withHmacSHA512",
                "mEncryptedKey": sealed(derived, master, "AES"),
                "mIterations": KDF_FAST,
                "mSalt": signed(SALT),
            }
        )
    }
    for number, account in enumerate(accounts):
        name = f"11111111-2222-4333-8444-{number:012}"
        values[name] = json.dumps({"key": json.dumps(sealed(master, account.secret, f"Hmac{account.algorithm}"))})
        token = freeotp_token(account)
        del token["secret"]
        values[f"{name}-token"] = json.dumps(token)
    return java_map(values)


def stratum(accounts: Sequence[Account]) -> bytes:
    return dumps(
        {
            "Authenticators": [
                {
                    "Type": {"hotp": 1, "totp": 2, "steam": 4}[account.kind],
                    "Icon": None,
                    "Issuer": account.issuer,
                    "Username": account.name,
                    "Secret": account.base32(),
                    "Pin": None,
                    "Algorithm": {"SHA1": 0, "SHA256": 1, "SHA512": 2}[account.algorithm],
                    "Digits": account.digits,
                    "Period": account.period,
                    "Counter": account.counter,
                    "CopyCount": 0,
                    "Ranking": number,
                }
                for number, account in enumerate(accounts)
            ],
            "Categories": [],
            "AuthenticatorCategories": [],
            "CustomIcons": [],
        }
    )


def stratum_sealed(accounts: Sequence[Account]) -> bytes:
    key = Argon2id(salt=SALT[:16], length=32, iterations=3, lanes=4, memory_cost=65_536).derive(PASSWORD.encode())
    return b"AUTHENTICATORPRO" + SALT[:16] + NONCE + AESGCM(key).encrypt(NONCE, stratum(accounts), None)


def cbc(key: bytes, data: bytes, iv: bytes = IV) -> bytes:
    length = 16 - len(data) % 16
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return encryptor.update(data + bytes([length]) * length) + encryptor.finalize()


def stratum_legacy(accounts: Sequence[Account]) -> bytes:
    key = hashlib.pbkdf2_hmac("sha1", PASSWORD.encode(), SALT[:20], 64_000, 32)
    return b"AuthenticatorPro" + SALT[:20] + IV + cbc(key, stratum(accounts))


def ente(accounts: Sequence[Account]) -> bytes:
    display = quote('{"pinned":false,"trashed":false,"lastUsedAt":0,"tapCount":0,"tags":[],"note":""}')
    return "".join(f"{uri(account)}&codeDisplay={display}\n" for account in accounts).encode()


def ente_sealed(accounts: Sequence[Account]) -> bytes:
    from nacl import bindings as sodium

    memory, passes = 8 << 20, 2
    key = Argon2id(salt=SALT[:16], length=32, iterations=passes, lanes=1, memory_cost=memory >> 10).derive(
        PASSWORD.encode()
    )
    state = sodium.crypto_secretstream_xchacha20poly1305_state()
    header = sodium.crypto_secretstream_xchacha20poly1305_init_push(state, key)
    text = ente(accounts).rstrip()
    tag = sodium.crypto_secretstream_xchacha20poly1305_TAG_FINAL
    sealed = sodium.crypto_secretstream_xchacha20poly1305_push(state, text, None, tag)
    return dumps(
        {
            "version": 1,
            "kdfParams": {"memLimit": memory, "opsLimit": passes, "salt": b64(SALT[:16])},
            "encryptedData": b64(sealed),
            "encryptionNonce": b64(header),
        }
    )


def proton(accounts: Sequence[Account]) -> bytes:
    return dumps(
        {
            "version": 1,
            "entries": [
                {
                    "id": f"22222222-2222-4333-8444-{number:012}",
                    "content": {
                        "uri": f"steam://{account.base32()}" if account.kind == "steam" else uri(account),
                        "entry_type": "Steam" if account.kind == "steam" else "Totp",
                        "name": account.name,
                    },
                    "note": None,
                }
                for number, account in enumerate(accounts)
            ],
        }
    )


def proton_sealed(accounts: Sequence[Account]) -> bytes:
    key = Argon2id(salt=SALT[:16], length=32, iterations=2, lanes=1, memory_cost=19 * 1024).derive(PASSWORD.encode())
    sealed = NONCE + AESGCM(key).encrypt(NONCE, proton(accounts), b"proton.authenticator.export.v1")
    return dumps({"version": 1, "salt": b64(SALT[:16]), "content": b64(sealed)})


def lastpass(accounts: Sequence[Account]) -> bytes:
    return dumps(
        {
            "deviceId": "00000000-0000-4000-8000-000000000000",
            "deviceSecret": "00000000-0000-4000-8000-000000000001",
            "localDeviceId": "00000000-0000-4000-8000-000000000002",
            "deviceName": "phone",
            "version": 3,
            "accounts": [
                {
                    "accountID": f"33333333-2222-4333-8444-{number:012}",
                    "issuerName": account.issuer or "",
                    "originalIssuerName": account.issuer or "",
                    "userName": account.name,
                    "originalUserName": account.name,
                    "pushNotification": False,
                    "secret": account.base32(),
                    "timeStep": account.period,
                    "digits": account.digits,
                    "creationTimestamp": 1700000000000,
                    "isFavorite": False,
                    "algorithm": account.algorithm,
                    "folderData": {"folderId": 0, "position": number},
                }
                for number, account in enumerate(accounts)
            ],
            "folders": [],
        }
    )


def raivo(accounts: Sequence[Account]) -> bytes:
    return dumps(
        [
            {
                "issuer": account.issuer or "",
                "account": account.name,
                "secret": account.base32(),
                "algorithm": account.algorithm,
                "digits": str(account.digits),
                "kind": account.kind.upper(),
                "timer": str(account.period),
                "counter": str(account.counter),
                "pinned": "false",
                "iconType": "",
                "iconValue": "",
            }
            for account in accounts
        ]
    )


def zipped(name: str, data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data)
    return file.getvalue()


def raivo_zip(accounts: Sequence[Account]) -> bytes:
    return zipped("raivo-otp-export.json", raivo(accounts))


def duo(accounts: Sequence[Account]) -> bytes:
    return dumps(
        [
            {
                "accountType": "OtpAccount",
                "name": account.name,
                "otpGenerator": {
                    "otpSecret": account.base32(),
                    **({"counter": account.counter} if account.kind == "hotp" else {}),
                },
                "logoUri": "android.resource://com.duosecurity.duomobile/drawable/ic_duo",
            }
            for account in accounts
        ]
    )


def preferences(name: str, value: Any) -> bytes:
    lines = ["<?xml version='1.0' encoding='utf-8' standalone='yes' ?>", "<map>"]
    lines.append(f'    <string name="{name}">{escape(json.dumps(value), {chr(34): "&quot;"})}</string>')
    return "\n".join([*lines, "</map>", ""]).encode()


def authy(accounts: Sequence[Account]) -> bytes:
    return preferences(
        "com.authy.storage.tokens.authenticator.key",
        [
            {
                "accountType": "authenticator",
                "decryptedSecret": account.base32(),
                "digits": account.digits,
                "encryptedSecret": "AAAA",
                "key_derivation_iterations": 1000,
                "name": account.name,
                "originalName": f"{account.issuer}:{account.name}" if account.issuer else account.name,
                "timestamp": 1700000000,
                "uniqueId": str(number),
            }
            for number, account in enumerate(accounts)
        ],
    )


def authy_sealed_tokens(accounts: Sequence[Account]) -> list[dict[str, Any]]:
    """As Authy's server sends them: a secret is encrypted alone."""
    tokens = []
    for number, account in enumerate(accounts):
        salt = f"salt {number}"
        key = hashlib.pbkdf2_hmac("sha1", PASSWORD.encode(), salt.encode(), KDF_FAST, 32)
        tokens.append(
            {
                "account_type": "authenticator",
                "digits": account.digits,
                "encrypted_seed": b64(cbc(key, account.base32().encode())),
                "issuer": account.issuer,
                "key_derivation_iterations": KDF_FAST,
                "name": account.name,
                "original_name": f"{account.issuer}:{account.name}",
                "password_timestamp": 1700000000,
                "salt": salt,
                "unique_id": str(number),
                "unique_iv": IV.hex(),
            }
        )
    return tokens


def authy_server(accounts: Sequence[Account]) -> bytes:
    tokens = authy_sealed_tokens(accounts)
    return dumps({"message": "success", "authenticator_tokens": tokens, "deleted": [], "success": True})


def authy_sealed(accounts: Sequence[Account]) -> bytes:
    """Its preferences, before a token was opened: with the older initial block of zeros."""
    tokens = []
    for number, account in enumerate(accounts):
        salt = f"salt {number}"
        key = hashlib.pbkdf2_hmac("sha1", PASSWORD.encode(), salt.encode(), 1_000, 32)
        tokens.append(
            {
                "accountType": "authenticator",
                "digits": account.digits,
                "encryptedSecret": b64(cbc(key, account.base32().encode(), bytes(16))),
                "name": account.name,
                "originalName": f"{account.issuer}:{account.name}",
                "salt": salt,
            }
        )
    return preferences("com.authy.storage.tokens.authenticator.key", tokens)


def authy_own(accounts: Sequence[Account]) -> bytes:
    return preferences(
        "com.authy.storage.tokens.authy.key",
        [
            {"appId": str(number), "digits": account.digits, "name": account.name, "secretSeed": account.secret.hex()}
            for number, account in enumerate(accounts)
        ],
    )


# Password managers


def bitwarden(accounts: Sequence[Account]) -> bytes:
    note = {"id": "n", "type": 2, "name": "A note", "notes": "nothing", "secureNote": {"type": 0}, "login": None}
    items = [
        {
            "id": f"44444444-2222-4333-8444-{number:012}",
            "organizationId": None,
            "folderId": None,
            "type": 1,
            "reprompt": 0,
            "name": account.issuer,
            "notes": None,
            "favorite": False,
            "login": {
                "uris": [{"match": None, "uri": "https://acme.example"}],
                "username": account.name,
                "password": "hunter2-hunter2",
                "totp": f"steam://{account.base32()}" if account.kind == "steam" else uri(account),
            },
            "collectionIds": None,
        }
        for number, account in enumerate(accounts)
    ]
    return dumps({"encrypted": False, "folders": [], "items": [note, *items]})


def bitwarden_sealed(accounts: Sequence[Account], kind: int = 0) -> bytes:
    salt = b64(SALT[:16])
    if kind == 0:
        cost: dict[str, int] = {"kdfIterations": 5000}
        master = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), salt.encode(), 5000, 32)
    else:
        cost = {"kdfIterations": 2, "kdfMemory": 16, "kdfParallelism": 4}
        own = hashlib.sha256(salt.encode()).digest()
        master = Argon2id(salt=own, length=32, iterations=2, lanes=4, memory_cost=16 * 1024).derive(PASSWORD.encode())
    key, mac_key = (hmac.digest(master, use + b"\x01", "sha256") for use in (b"enc", b"mac"))

    def sealed(data: bytes) -> str:
        body = cbc(key, data)
        return f"2.{b64(IV)}|{b64(body)}|{b64(hmac.digest(mac_key, IV + body, 'sha256'))}"

    return dumps(
        {
            "encrypted": True,
            "passwordProtected": True,
            "salt": salt,
            "kdfType": kind,
            **cost,
            "encKeyValidation_DO_NOT_EDIT": sealed(b"55555555-2222-4333-8444-000000000000"),
            "data": sealed(bitwarden(accounts)),
        }
    )


def bitwarden_argon2(accounts: Sequence[Account]) -> bytes:
    return bitwarden_sealed(accounts, 1)


def table(heading: str, rows: Sequence[Sequence[str]], quoting: Any = csv.QUOTE_MINIMAL) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=quoting)
    if heading:
        writer.writerow(heading.split(","))
    writer.writerows(rows)
    return file.getvalue().encode()


def bitwarden_csv(accounts: Sequence[Account]) -> bytes:
    heading = "folder,favorite,type,name,notes,fields,reprompt,login_uri,login_username,login_password,login_totp"
    rows = [["", "", "login", "No code", "two\nlines", "", "0", "", "bob", "hunter2-hunter2", ""]]
    rows += [
        [
            "",
            "",
            "login",
            account.issuer or "",
            "",
            "",
            "0",
            "https://acme.example",
            account.name,
            "hunter2-hunter2",
            uri(account),
        ]
        for account in accounts
    ]
    return table(heading, rows)


def bitwarden_authenticator_csv(accounts: Sequence[Account]) -> bytes:
    heading = "folder,favorite,type,name,login_uri,login_totp,issuer,period,digits"
    rows = [
        [
            "",
            "",
            "1",
            account.issuer or "",
            "",
            uri(account),
            account.issuer or "",
            str(account.period),
            str(account.digits),
        ]
        for account in accounts
    ]
    return table(heading, rows)


def onepassword_data(accounts: Sequence[Account]) -> bytes:
    items = [
        {
            "uuid": f"item{number}",
            "favIndex": 0,
            "state": "active",
            "categoryUuid": "001",
            "details": {
                "loginFields": [
                    {"value": account.name, "id": "", "name": "username", "fieldType": "T", "designation": "username"},
                    {
                        "value": "hunter2-hunter2",
                        "id": "",
                        "name": "password",
                        "fieldType": "P",
                        "designation": "password",
                    },
                ],
                "notesPlain": None,
                "sections": [
                    {
                        "title": "",
                        "name": "Section_1",
                        "fields": [
                            {"title": "one-time password", "id": f"TOTP_{number}", "value": {"totp": uri(account)}},
                            {"title": "a word", "id": "x", "value": {"string": "nothing"}},
                        ],
                    }
                ],
                "passwordHistory": [],
            },
            "overview": {"title": account.issuer or "", "url": "https://acme.example", "tags": []},
        }
        for number, account in enumerate(accounts)
    ]
    vault = {"attrs": {"uuid": "v", "name": "Personal", "type": "P"}, "items": items}
    return dumps({"accounts": [{"attrs": {"accountName": "Alice", "uuid": "a"}, "vaults": [vault]}]})


def onepassword(accounts: Sequence[Account]) -> bytes:
    return zipped("export.data", onepassword_data(accounts))


def onepassword_csv(accounts: Sequence[Account]) -> bytes:
    heading = "Title,Url,Username,Password,OTPAuth,Favorite,Archived,Tags,Notes"
    rows = [["No code", "", "bob", "hunter2-hunter2", "", "false", "false", "", ""]]
    rows += [
        [
            account.issuer or "",
            "https://acme.example",
            account.name,
            "hunter2-hunter2",
            uri(account),
            "false",
            "false",
            "",
            "",
        ]
        for account in accounts
    ]
    return table(heading, rows)


def keepass_document(entries: Sequence[dict[str, str]]) -> bytes:
    protected = ' ProtectInMemory="True"'

    def entry(fields: dict[str, str], inside: str = "") -> str:
        strings = "".join(
            f"<String><Key>{escape(key)}</Key>"
            f"<Value{protected if 'Secret' in key or key in ('otp', 'Password') else ''}>"
            f"{escape(value)}</Value></String>"
            for key, value in fields.items()
        )
        return f"<Entry><UUID>AAAAAAAAAAAAAAAAAAAAAA==</UUID>{strings}{inside}</Entry>"

    old = "<History>" + entry({"Title": "old", "otp": "otpauth://totp/old?secret=GEZDGNBVGY3TQOJQ"}) + "</History>"
    body = entry({"Title": "No code", "UserName": "bob", "Password": "hunter2-hunter2"})
    body += "".join(entry(fields, old) for fields in entries)
    return (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
        "<KeePassFile><Meta><Generator>KeePassXC</Generator></Meta>"
        f"<Root><Group><Name>Root</Name><Group><Name>Sites</Name>{body}</Group></Group></Root></KeePassFile>\n"
    ).encode()


def login(account: Account) -> dict[str, str]:
    return {
        "Title": account.issuer or "",
        "UserName": account.name,
        "Password": "hunter2-hunter2",
        "URL": "",
        "Notes": "",
    }


def keepassxc(accounts: Sequence[Account]) -> bytes:
    return keepass_document([{**login(account), "otp": uri(account)} for account in accounts])


def keepass(accounts: Sequence[Account]) -> bytes:
    entries = []
    for account in accounts:
        if account.kind == "hotp":
            own = {"HmacOtp-Secret-Base32": account.base32(), "HmacOtp-Counter": str(account.counter)}
        else:
            own = {
                "TimeOtp-Secret-Base32": account.base32(),
                "TimeOtp-Algorithm": f"HMAC-SHA-{account.algorithm[3:]}",
                "TimeOtp-Length": str(account.digits),
                "TimeOtp-Period": str(account.period),
            }
        entries.append({**login(account), **own})
    return keepass_document(entries)


def keepass_tray(accounts: Sequence[Account]) -> bytes:
    return keepass_document(
        [
            {
                **login(account),
                "TOTP Seed": account.base32(),
                "TOTP Settings": f"{account.period};{'S' if account.kind == 'steam' else account.digits}",
            }
            for account in accounts
        ]
    )


def keepassxc_csv(accounts: Sequence[Account]) -> bytes:
    heading = "Group,Title,Username,Password,URL,Notes,TOTP,Icon,Last Modified,Created"
    rows = [
        [
            "Root",
            account.issuer or "",
            account.name,
            "hunter2-hunter2",
            "",
            "",
            uri(account),
            "0",
            "2026-01-01T00:00:00Z",
            "2026-01-01T00:00:00Z",
        ]
        for account in accounts
    ]
    return table(
        heading, [["Root", "No code", "bob", "hunter2-hunter2", "", "", "", "0", "", ""], *rows], csv.QUOTE_ALL
    )


def lastpass_csv(accounts: Sequence[Account]) -> bytes:
    heading = "url,username,password,totp,extra,name,grouping,fav"
    rows = [
        ["https://acme.example", account.name, "hunter2-hunter2", account.base32(), "", account.issuer or "", "", "0"]
        for account in accounts
    ]
    return table(heading, rows)


# Hardware tokens


def yubico_traditional(accounts: Sequence[Account]) -> bytes:
    rows = [["LOGGING START", "11.12.13 18:55"]]
    rows += [
        [
            "OATH-HOTP",
            "11.12.13 18:55",
            "1",
            account.serial or "",
            "",
            account.secret.hex(),
            "",
            "",
            "0",
            "0",
            "0",
            str(account.digits),
            *"000000",
        ]
        for account in accounts
    ]
    return table("", rows)


def yubico(accounts: Sequence[Account]) -> bytes:
    rows = [
        [account.serial or "", "", "0", account.secret.hex(), "", "2013-12-12T08:41:07", ""] for account in accounts
    ]
    return table("", rows)


def safenet(accounts: Sequence[Account]) -> bytes:
    tokens = "".join(
        f'<Token serial="{account.serial}"><CaseModel>5</CaseModel><Model>101</Model>'
        "<ProductionDate>02/19/2009</ProductionDate><ProductName>eToken PASS</ProductName>"
        '<Applications><Application ConnectorID="{ab1397d2-ddb6-4705-b66e-9f83f322deb9}">'
        f"<Seed>{account.secret.hex()}</Seed><MovingFactor>{account.counter}</MovingFactor></Application></Applications></Token>\n"
        for account in accounts
    )
    return f'<?xml version="1.0" encoding="utf-8"?>\n<Tokens>\n{tokens}</Tokens>\n'.encode()


def token2(accounts: Sequence[Account]) -> bytes:
    heading = "upn,serial number,secret key,time interval,manufacturer,model,hash function"
    rows = [
        [
            account.name,
            account.serial or "",
            account.base32(),
            str(account.period),
            "Token2",
            "miniOTP-3",
            account.algorithm,
        ]
        for account in accounts
    ]
    return table(heading, rows)


def six_columns(accounts: Sequence[Account]) -> bytes:
    rows = [
        [
            account.serial or "",
            account.secret.hex(),
            "TOTP",
            str(account.digits),
            str(account.period),
            account.algorithm,
        ]
        for account in accounts
    ]
    return table("", rows)


def kinds(*names: str) -> Callable[[Account], bool]:
    return lambda account: account.kind in names and is_app(account)


def hotp_token(account: Account) -> bool:
    return account.kind == "hotp" and account.serial is not None and len(account.secret) == 20


def no_issuer(account: Account) -> tuple[str | None, str, str | None]:
    return None, account.name, None


WRITERS = (
    Writer("aegis", aegis),
    Writer("aegis_sealed", aegis_sealed, password=True),
    Writer("2fas", twofas),
    Writer("2fas_sealed", twofas_sealed, password=True),
    Writer("andotp", andotp),
    Writer("andotp_sealed", andotp_sealed, password=True),
    Writer("andotp_sealed_old", andotp_sealed_old, password=True),
    Writer("freeotp_plus", freeotp_plus),
    Writer("freeotp_xml", freeotp_xml),
    Writer("freeotp_sealed", freeotp_sealed, password=True),
    Writer("stratum", stratum),
    Writer("stratum_sealed", stratum_sealed, password=True),
    Writer("stratum_legacy", stratum_legacy, password=True),
    Writer("ente", ente),
    Writer("ente_sealed", ente_sealed, password=True),
    Writer("proton", proton, kinds("totp")),
    Writer("proton_sealed", proton_sealed, kinds("totp"), password=True),
    Writer("bitwarden", bitwarden, kinds("totp")),
    Writer("bitwarden_sealed", bitwarden_sealed, kinds("totp"), password=True),
    Writer("bitwarden_argon2", bitwarden_argon2, kinds("totp"), password=True),
    Writer("bitwarden_csv", bitwarden_csv, kinds("totp")),
    Writer("bitwarden_authenticator_csv", bitwarden_authenticator_csv, kinds("totp")),
    Writer("1password", onepassword, kinds("totp")),
    Writer("1password_data", onepassword_data, kinds("totp")),
    Writer("1password_csv", onepassword_csv, kinds("totp")),
    Writer("keepassxc", keepassxc),
    Writer(
        "keepass",
        keepass,
        lambda account: kinds("totp", "hotp")(account) and (account.kind == "totp" or account.digits == 6),
    ),
    Writer(
        "keepass_tray", keepass_tray, lambda account: kinds("totp", "steam")(account) and account.algorithm == "SHA1"
    ),
    Writer("keepassxc_csv", keepassxc_csv),
    Writer("lastpass", lastpass, kinds("totp")),
    Writer("lastpass_csv", lastpass_csv, plain),
    Writer("raivo", raivo, kinds("totp", "hotp")),
    Writer("raivo_zip", raivo_zip, kinds("totp", "hotp")),
    Writer(
        "duo",
        duo,
        lambda account: plain(account) or (account.kind == "hotp" and account.digits == 6 and is_app(account)),
        label=no_issuer,
    ),
    Writer("authy", authy, plain),
    Writer("authy_sealed", authy_sealed, plain, password=True),
    Writer("authy_server", authy_server, plain, password=True),
    Writer(
        "authy_own",
        authy_own,
        lambda account: (account.period, account.digits) == (10, 7),
        label=lambda account: ("Authy", account.name, None),
    ),
    Writer(
        "yubico_traditional",
        yubico_traditional,
        lambda account: hotp_token(account) and account.counter == 0,
        label=lambda account: (None, "", account.serial),
    ),
    Writer(
        "yubico",
        yubico,
        lambda account: hotp_token(account) and (account.counter, account.digits) == (0, 6),
        label=lambda account: (None, "", account.serial),
    ),
    Writer(
        "safenet",
        safenet,
        lambda account: hotp_token(account) and account.digits == 6,
        label=lambda account: (None, "", account.serial),
    ),
    Writer(
        "token2",
        token2,
        lambda account: account.kind == "totp" and account.serial is not None and account.digits == 6,
        label=lambda account: ("Token2", account.name, account.serial),
    ),
    Writer(
        "six_columns",
        six_columns,
        lambda account: account.kind == "totp" and account.serial is not None,
        label=lambda account: (None, "", account.serial),
    ),
)

KEY = b"12345678901234567890"
ACCOUNTS = (
    Account(KEY, "alice", "ACME"),
    Account(bytes(range(200, 232)), "bob@example.com", "Ümläut & Co", algorithm="SHA256", digits=8, period=60),
    Account(KEY[::-1], "carol", "ACME", kind="hotp", counter=7),
    Account(KEY, "dave", "ACME", kind="hotp", digits=8, counter=3, algorithm="SHA512"),
    Account(KEY, "gaben", "Steam", kind="steam", digits=5),
    Account(KEY, "own", "Authy", digits=7, period=10),
    Account(KEY, "", kind="hotp", serial="1001"),
    Account(KEY[::-1], "", kind="hotp", serial="1002", counter=5),
    Account(KEY, "erin@example.com", serial="1003", period=60, algorithm="SHA256"),
    Account(KEY, "frank@example.com", serial="1004", digits=6),
)
