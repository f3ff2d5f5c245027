"""Who a user is: applications keep ids as texts, numbers and UUIDs, and each is one user whichever way it comes in."""

from uuid import UUID

import pytest

from ferrotp.mfa import MFA, ImportedUser, InvalidIdentifier, Policy, user_id_text
from ferrotp.mfa.stores.memory import MemoryStore
from ferrotp.vault import Keyring

ID = UUID("12345678-1234-5678-1234-56781234ABCD")


@pytest.fixture
def mfa() -> MFA:
    return MFA(MemoryStore(), issuer="ACME", keyring=Keyring.generate(), policy=Policy.cheap_for_tests())


@pytest.mark.parametrize(
    ("user_id", "text"),
    [
        ("alice", "alice"),
        ("0042", "0042"),
        (42, "42"),
        (-7, "-7"),
        (1 << 80, str(1 << 80)),
        (ID, "12345678-1234-5678-1234-56781234abcd"),
        (str(ID).upper(), str(ID).upper()),
    ],
)
def test_an_id_has_one_text(mfa: MFA, user_id: str | int | UUID, text: str) -> None:
    assert user_id_text(user_id) == text
    mfa.enroll(user_id=user_id, account_name="alice")
    assert len(mfa.status(user_id=text).pending) == 1
    assert len(mfa.status(user_id=user_id).pending) == 1


@pytest.mark.parametrize("user_id", [None, True, 4.2, b"42", "", " 42", "4\0", "x" * 256, "\ud800", ["42"], object()])
def test_what_is_no_id_is_refused_and_named(mfa: MFA, user_id: object) -> None:
    with pytest.raises(InvalidIdentifier, match="user_id must be"):
        mfa.verify(user_id=user_id, code="123456")  # type: ignore[arg-type]
    with pytest.raises(InvalidIdentifier, match="user_id must be"):
        mfa.import_users([ImportedUser(user_id=user_id, factors=())])  # type: ignore[arg-type]


def test_every_verb_takes_a_number(mfa: MFA) -> None:
    enrollment = mfa.enroll(user_id=42, account_name="alice")
    assert mfa.pending(user_id=42, factor_id=enrollment.factor_id, account_name="alice").uri == enrollment.uri
    assert mfa.remove_factor(user_id=42, factor_id=enrollment.factor_id).user_id == "42"
    assert mfa.trusted_devices(user_id=42) == [] and mfa.forget_devices(user_id=42) == 0
    assert mfa.reset(user_id=42, by="tests") == 0
    (outcome,) = mfa.verify_many([(42, "123456")])
    assert outcome.error is not None and not isinstance(outcome.error, InvalidIdentifier)
