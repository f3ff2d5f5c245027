"""PSKC beside two other implementations: pskctool of the OATH Toolkit, and the package python-pskc."""

import base64
import datetime
import os
import re
import shutil
import subprocess
from pathlib import Path

import pskc as python_pskc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from ferrotp import transfer

GOOD = sorted((Path(__file__).parent / "corpus/pskc/good").glob("*.xml"))
KEY = bytes.fromhex("12345678901234567890123456789012")
URN = "urn:ietf:params:xml:ns:keyprov:pskc:"


@pytest.fixture
def pskctool() -> str:
    path = shutil.which("pskctool")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("pskctool is not installed, and CI=true: .ci/run installs it")
        pytest.skip("pskctool is not installed (Debian: pskctool): PSKC is NOT compared with it here")
    return path


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.name)
def test_pskctool_reads_the_same_from_the_corpus(pskctool: str, path: Path) -> None:
    shown = subprocess.run([pskctool, "--info", path], capture_output=True, text=True, check=True).stdout
    # It shows base64, and PINs as keys of their own; it decrypts nothing.
    secrets = re.findall(r"Key Secret \(base64\): (\S+)", shown)
    accounts = transfer.load(path, key=KEY) if "figure6" in path.name else None
    if accounts is None and "figure7" not in path.name:
        accounts = transfer.load(path)
        ours = [base64.b64encode(account.secret).decode() for account in accounts]
        assert ours == secrets[: len(ours)]
        assert len(secrets) - len(ours) == (1 if "figure5" in path.name else 0)
    for serial in {account.serial for account in accounts or ()} - {None}:
        assert serial in shown


@pytest.mark.parametrize("cipher", ["aes128-cbc", "aes192-cbc", "aes256-cbc"])
@pytest.mark.parametrize("mac", ["hmac-sha1", "hmac-sha256", "hmac-sha512"])
def test_what_python_pskc_encrypts_opens_here(tmp_path: Path, cipher: str, mac: str, pskctool: str) -> None:
    document = python_pskc.PSKC()
    secrets = [bytes(range(20)), bytes(range(32)), b"\x10" * 16]
    for number, secret in enumerate(secrets):
        totp = number % 2
        document.add_key(
            id=f"k{number}",
            serial=f"S{number}",
            manufacturer="Vendor",
            algorithm=URN + ("totp" if totp else "hotp"),
            response_length=8,
            response_encoding="DECIMAL",
            secret=secret,
            **({"time_interval": 60} if totp else {"counter": 5}),
        )
    size = int(cipher[3:6]) // 8
    key = bytes(range(1, size + 1))
    document.encryption.setup_preshared_key(algorithm=cipher, key=key)
    document.mac.setup(algorithm=mac)
    path = tmp_path / "tokens.xml"
    document.write(str(path))
    accounts = transfer.load(path, key=key)
    assert [account.secret for account in accounts] == secrets
    assert [account.serial for account in accounts] == ["S0", "S1", "S2"]
    assert [(account.kind, account.period, account.counter) for account in accounts] == [
        ("hotp", 30, 5),
        ("totp", 60, 0),
        ("hotp", 30, 5),
    ]
    with pytest.raises(transfer.WrongKeyError):
        transfer.load(path, key=key[::-1])
    subprocess.run([pskctool, "--info", path], capture_output=True, check=True)


def test_what_pskctool_signs_imports_here(tmp_path: Path, pskctool: str) -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.timezone.utc)
    public = (
        x509.CertificateBuilder(name, name, private.public_key(), 1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=2))
        .sign(private, hashes.SHA256())
    )
    key, certificate = tmp_path / "key.pem", tmp_path / "crt.pem"
    plain = serialization.NoEncryption()
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL
    key.write_bytes(private.private_bytes(pem, form, plain))
    certificate.write_bytes(public.public_bytes(pem))
    source = next(path for path in GOOD if "figure3" in path.name)
    command = [pskctool, "--sign", "--sign-key", key, "--sign-crt", certificate, source]
    signed = subprocess.run(command, capture_output=True, check=True).stdout
    assert b"Signature" in signed
    assert transfer.load(signed) == transfer.load(source)


def test_a_password_derives_the_key_as_python_pskc_does(tmp_path: Path) -> None:
    document = python_pskc.PSKC()
    document.add_key(id="1", algorithm=URN + "hotp", secret=b"12345678901234567890")
    document.encryption.setup_pbkdf2("correct horse", iterations=1000)
    path = tmp_path / "tokens.xml"
    document.write(str(path))
    assert transfer.load(path, password="correct horse")[0].secret == b"12345678901234567890"
    with pytest.raises(transfer.WrongKeyError):
        transfer.load(path, password="correct house")
