"""`Account`: into URIs and into objects that make codes."""

import pytest

import ferrotp
import ferrotp.legacy
from ferrotp import transfer
from ferrotp.transfer import Account

KEY = b"12345678901234567890"


@pytest.mark.parametrize(
    "account",
    [
        Account(KEY, "alice", "ACME"),
        Account(KEY, "alice:home", "ACME & Söhne"),
        Account(KEY, "bob", kind="hotp", counter=7, digits=8),
        Account(KEY, "carol", "ACME", algorithm="SHA256", period=60, digits=7),
        Account(KEY, "gaben", "Steam", kind="steam", digits=5),
    ],
    ids=lambda account: account.label,
)
def test_a_uri_comes_back_as_the_account(account: Account) -> None:
    assert transfer.load(account.uri()) == [account]


def test_objects_make_the_rfcs_codes() -> None:
    assert Account(KEY, digits=8).otp().at(59) == "94287082"  # RFC 6238, appendix B
    assert Account(KEY, kind="hotp", counter=1).otp().at(0) == "287082"  # RFC 4226, appendix D: the next counter is 1
    assert type(Account(KEY).otp()) is ferrotp.TOTP
    assert type(Account(KEY).otp(legacy=True)) is ferrotp.legacy.TOTP
    assert len(Account(KEY, kind="steam").otp().at(0)) == 5


@pytest.mark.parametrize(
    "account", [Account(KEY[:10], "a"), Account(KEY, "a", period=300), Account(KEY, "a", digits=5)]
)
def test_what_pyotp_refuses_names_the_account_and_the_way_out(account: Account) -> None:
    with pytest.raises(transfer.RefusedError, match=r"legacy=True.*account 'a'"):
        account.otp()
    assert account.otp(legacy=True).at(0)


def test_md5_is_carried_and_not_used() -> None:
    account = Account(KEY, "a", algorithm="MD5")
    for legacy in (False, True):
        with pytest.raises(transfer.UnsupportedError, match="MD5") as caught:
            account.otp(legacy)
        assert caught.value.account == "a" and "legacy=True" not in str(caught.value)
    assert transfer.google.decode(transfer.google.encode([account])) == [account]
