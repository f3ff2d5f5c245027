"""Files that other programs wrote, and what other programs make of files that ferrotp wrote: the same accounts, and the
same codes. OTPClient and KeePassXC are Debian's packages ``otpclient-cli`` and ``keepassxc``.
"""

import hashlib
import json
import os
import pty
import select
import subprocess
import termios
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import writers
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from programs import needs
from writers import ACCOUNTS, PASSWORD

from ferrotp import transfer
from ferrotp.transfer import Account, targets

OTPCLIENT = needs("otpclient-cli", "otpclient-cli")
KEEPASSXC = needs("keepassxc-cli", "keepassxc")
# Version 3.1 of OTPClient cuts off what has letters beyond ASCII in it.
PLAIN = [
    replace(account, issuer=(account.issuer or "").encode("ascii", "ignore").decode())
    for account in ACCOUNTS
    if writers.is_app(account) and account.kind != "steam" and account.period >= 30
]


def answered(command: Sequence[str], home: Path, answers: Sequence[str]) -> str:
    """What a program says that asks for passwords at a terminal."""
    left = list(answers)
    pid, terminal = pty.fork()
    if pid == 0:
        environment = {**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home)}
        os.execvpe(command[0], list(command), environment)
    said, asked, end = b"", 0, time.monotonic() + 120
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                said += os.read(terminal, 4096)
            except OSError:  # it has ended
                break
        # What is typed before the terminal is silent is thrown away.
        is_silent = not termios.tcgetattr(terminal)[3] & termios.ECHO
        if said.lower().count(b"password: ") > asked and left and is_silent:
            asked += 1
            os.write(terminal, left.pop(0).encode() + b"\n")
    os.close(terminal)
    os.waitpid(pid, 0)
    return said.decode(errors="replace")


@pytest.fixture
def otpclient(tmp_path: Path) -> Path:
    """A folder with OTPClient's settings, and its own database of our accounts."""
    tokens = [
        {
            "type": account.kind.upper(),
            "label": account.name,
            "issuer": account.issuer,
            "secret": account.base32(),
            "digits": account.digits,
            "algo": account.algorithm,
            **({"counter": account.counter} if account.kind == "hotp" else {"period": account.period}),
        }
        for account in PLAIN
    ]
    iv, salt = bytes(range(16)), writers.SALT
    key = hashlib.pbkdf2_hmac("sha512", PASSWORD.encode(), salt, 100_000, 32)
    database = tmp_path / "database.enc"
    database.write_bytes(iv + salt + AESGCM(key).encrypt(iv, json.dumps(tokens).encode(), iv + salt))
    (tmp_path / "otpclient.cfg").write_text(f"[config]\ndb_path={database}\nuse_secret_service=false\n")
    return tmp_path


def shape(account: Account) -> tuple[object, ...]:
    period = account.period if account.kind == "totp" else None
    return account.secret, account.kind, account.algorithm, account.digits, period, account.counter


@OTPCLIENT
@pytest.mark.parametrize("format", ["aegis", "andotp_plain", "andotp_encrypted", "freeotpplus"])
def test_what_otpclient_exports_is_read(otpclient: Path, format: str) -> None:
    out = otpclient / "out"
    out.mkdir()
    said = answered(
        ["otpclient-cli", "export", "-t", format, "-d", str(out)], otpclient, [PASSWORD, PASSWORD, PASSWORD]
    )
    assert "successfully exported" in said, said
    [file] = out.iterdir()
    # It takes andotp_plain for andotp_encrypted, and the other way round.
    is_sealed = "password" in said.replace("decryption password", "")
    assert is_sealed == (b"ACME" not in file.read_bytes())
    read = transfer.load(file, password=PASSWORD if is_sealed else None)
    assert sorted(map(shape, read)) == sorted(map(shape, PLAIN))
    assert {account.label for account in read} == {account.label for account in PLAIN}


@OTPCLIENT
def test_otpclient_makes_the_same_codes(otpclient: Path) -> None:
    account = PLAIN[0]
    for _ in range(3):  # a step may end meanwhile
        before = account.otp().now()
        said = answered(
            ["otpclient-cli", "show", "-a", account.name, "-i", str(account.issuer), "-m"], otpclient, [PASSWORD]
        )
        if account.otp().now() == before:
            break
    assert before in said.replace(" ", "")


def keepassxc(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        ["keepassxc-cli", *arguments],
        input=f"{PASSWORD}\n{PASSWORD}\n",
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@KEEPASSXC
@pytest.mark.parametrize("target", ["aegis", "ente"])
def test_keepassxc_writes_what_is_read_and_makes_the_same_codes_of_our_uris(
    tmp_path: Path, target: targets.Target
) -> None:
    """Our URIs go into its database, and come back out of its XML and its CSV."""
    accounts = [
        account for account in ACCOUNTS if writers.is_app(account) and account.kind == "totp" and account.period >= 30
    ]
    entries = [{**writers.login(account), "otp": targets.uri(account, target)[0]} for account in accounts]
    (tmp_path / "in.xml").write_bytes(writers.keepass_document(entries))
    database = str(tmp_path / "vault.kdbx")
    keepassxc(tmp_path, "import", "-p", str(tmp_path / "in.xml"), database)
    for format in ("xml", "csv"):
        text = keepassxc(tmp_path, "export", "--format", format, "-q", database)
        read = transfer.load(text.encode())
        assert sorted(map(shape, read)) == sorted(map(shape, accounts))
        assert {account.label for account in read} == {account.label for account in accounts}
    for account in accounts:
        for _ in range(3):
            before = account.otp(legacy=True).now()
            code = keepassxc(tmp_path, "show", "-q", "-t", database, f"Sites/{account.issuer}").strip()
            if account.otp(legacy=True).now() == before:
                break
        assert code == before
