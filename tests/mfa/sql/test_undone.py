"""A decision that was undone leaves nothing behind, on the connection either, which a server's goes on with."""

import pytest

from ferrotp.mfa import StoreUnavailable
from ferrotp.mfa.audit_chain import appends
from ferrotp.mfa.core import moment
from ferrotp.mfa.events import AuditContext, Event
from ferrotp.mfa.stores.again import Undone
from ferrotp.mfa.stores.base import AuditAppend, AuditHead, AuditRow
from ferrotp.mfa.stores.sql import SQLStore
from ferrotp.mfa.stores.sql.records import owner_values
from ferrotp.vault import Keyring

from .samples import FACTOR, NOW, OWNER, furnish


def test_what_is_undone_is_gone_and_the_connection_of_a_server_goes_on(store: SQLStore) -> None:
    furnish(store)
    before = store.user(OWNER)

    def decide() -> None:
        with store._pool.borrow() as connection:
            connection.begin()
            connection.run(store._statements.drop_factors, owner_values(OWNER))
            raise Undone("another process was faster")

    with pytest.raises(Undone):
        decide()
    assert store._pool.unused == (store._dialect.name != "sqlite")
    assert store.user(OWNER) == before
    # What comes next is no part of what was undone: it is kept.
    assert store.remove_factor(OWNER, FACTOR.factor_id, "moved")
    store._pool.close()
    assert FACTOR.factor_id not in [factor.factor_id for factor in store.user(OWNER).factors]


@pytest.mark.parametrize("url", ["postgresql", "mariadb"], indirect=True)
def test_who_lost_the_head_of_an_audit_has_it_alone_in_the_next_try(store: SQLStore, url: str) -> None:
    furnish(store)
    keyring = Keyring.generate()
    event = Event("verified", moment(NOW), OWNER.tenant, OWNER.user_id)
    faster, late = SQLStore(url), SQLStore(url, timeout=1.0)
    numbers: list[int] = []

    def row() -> AuditAppend:
        (made,) = appends(keyring, [event], AuditContext())
        return made

    def after(head: AuditHead) -> tuple[AuditHead, list[AuditRow]]:
        numbers.append(head.number)
        if len(numbers) == 1:
            faster.append_audit([row()])
        else:
            with pytest.raises(StoreUnavailable):
                late.append_audit([row()])
        return row().after(head)

    store.append_audit([row()])
    assert store.remove_factor(OWNER, FACTOR.factor_id, "moved", audit=lambda _: [AuditAppend(OWNER, after)])
    assert numbers == [1, 2]
    assert [kept.number for kept in store.audit_rows(OWNER, 0, 10)] == [1, 2, 3]
    for opened in (faster, late):
        opened.close()
