"""Customers in one store, told apart by the request."""

from __future__ import annotations

import contextvars
from concurrent.futures import ThreadPoolExecutor

import pytest

from ferrotp.mfa import MFA, InvalidCode, InvalidIdentifier, NotEnrolled, Policy, SealedRecordError
from ferrotp.mfa.stores.memory import MemoryStore
from ferrotp.vault import Keyring
from ferrotp.web import check_store
from ferrotp.web.gate import Gate

from .authenticator import Clock, Device

CUSTOMER: contextvars.ContextVar[str] = contextvars.ContextVar("customer")


def customer() -> str:
    """As a middleware of the application has set it."""
    return CUSTOMER.get("")


@pytest.fixture
def mfa() -> MFA:
    return MFA(
        MemoryStore(),
        issuer="ACME",
        keyring=Keyring.generate(),
        policy=Policy.cheap_for_tests(),
        clock=Clock(),
        tenant=customer,
    )


def enroll(mfa: MFA, user_id: str = "1") -> Device:
    clock = mfa.clock
    assert isinstance(clock, Clock)
    enrollment = mfa.enroll(user_id=user_id, account_name="alice")
    device = Device(enrollment.uri)
    mfa.confirm(user_id=user_id, factor_id=enrollment.factor_id, code=device.at(clock.now))
    clock.now += 60
    return device


def test_user_1_of_one_customer_does_not_pass_with_the_phone_of_user_1_of_another(mfa: MFA) -> None:
    CUSTOMER.set("acme")
    device = enroll(mfa)
    CUSTOMER.set("globex")
    assert not mfa.status(user_id="1").enrolled
    with pytest.raises(NotEnrolled):
        mfa.verify(user_id="1", code=device.at(mfa.clock()))
    other = enroll(mfa)
    with pytest.raises(InvalidCode):
        mfa.verify(user_id="1", code=device.at(mfa.clock()))
    mfa.verify(user_id="1", code=other.at(mfa.clock()))
    CUSTOMER.set("acme")
    mfa.verify(user_id="1", code=device.at(mfa.clock()))
    assert {factor.user_id for factor in mfa.factors()} == {"1"} and mfa.report().factors == 1


def test_a_tenant_that_is_not_known_is_nobody(mfa: MFA) -> None:
    """The empty tenant has users of its own, and they must not be met by mistake."""
    for unknown in ("", " ", "a\0b", "a\nb", None, 5):
        CUSTOMER.set(unknown)  # type: ignore[arg-type]
        for ask in (
            lambda: mfa.tenant,
            lambda: mfa.status(user_id="1"),
            lambda: mfa.verify(user_id="1", code="000000"),
            lambda: mfa.enroll(user_id="1", account_name="alice"),
            lambda: mfa.reset(user_id="1", by="support"),
        ):
            with pytest.raises(InvalidIdentifier):
                ask()


def test_what_the_function_raises_is_no_answer(mfa: MFA) -> None:
    def lost() -> str:
        raise LookupError("no request")

    with pytest.raises(LookupError):
        mfa.for_tenant(lost).status(user_id="1")


def test_another_tenants_service_shares_all_but_the_users(mfa: MFA) -> None:
    acme, globex = mfa.for_tenant("acme"), mfa.for_tenant("globex")
    assert (acme.store, acme.keyring, acme.policy, acme.clock) == (mfa.store, mfa.keyring, mfa.policy, mfa.clock)
    assert (acme.tenant, globex.tenant, acme.for_tenant("").tenant) == ("acme", "globex", "")
    device = enroll(acme)
    with pytest.raises(NotEnrolled):
        globex.verify(user_id="1", code=device.at(mfa.clock()))
    acme.verify(user_id="1", code=device.at(mfa.clock()))
    with pytest.raises(InvalidIdentifier):
        mfa.for_tenant("a\0b")


def test_a_record_that_was_moved_to_another_customer_does_not_open(mfa: MFA) -> None:
    acme, globex = mfa.for_tenant("acme"), mfa.for_tenant("globex")
    device, other = enroll(acme), enroll(globex)
    store = mfa.store
    assert isinstance(store, MemoryStore)
    (stolen,) = (factor for factor in store.factors(None, 9) if factor.owner.tenant == "acme")
    (own,) = (factor for factor in store.factors(None, 9) if factor.owner.tenant == "globex")
    assert store.reseal([(own, stolen.sealed)]) == 1
    for code in (device.at(mfa.clock()), other.at(mfa.clock())):
        with pytest.raises(SealedRecordError):
            globex.verify(user_id="1", code=code)


def test_requests_of_two_customers_at_once_do_not_meet(mfa: MFA) -> None:
    devices = {}
    for name in ("acme", "globex"):
        CUSTOMER.set(name)
        devices[name] = enroll(mfa)

    def log_in(name: str) -> str:
        CUSTOMER.set(name)
        wrong = devices["globex" if name == "acme" else "acme"]
        with pytest.raises(InvalidCode):
            mfa.verify(user_id="1", code=wrong.at(mfa.clock()))
        mfa.verify(user_id="1", code=devices[name].at(mfa.clock()))
        return mfa.tenant

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(log_in, ["acme", "globex"])) == ["acme", "globex"]


def test_a_login_of_one_customer_is_none_of_another(mfa: MFA) -> None:
    gate = Gate(mfa, clock=mfa.clock)
    CUSTOMER.set("acme")
    login = gate.begin("1", "alice").login
    assert gate.load(login.dump()) == login
    cookie = gate.device_cookie("1")
    CUSTOMER.set("globex")
    assert gate.load(login.dump()) is None
    assert gate.device_cookie("1") != cookie == gate.for_tenant("acme").device_cookie("1")
    assert gate.for_tenant("acme").load(login.dump()) == login


def test_the_start_needs_no_request(mfa: MFA) -> None:
    CUSTOMER.set("")
    check_store(mfa)
