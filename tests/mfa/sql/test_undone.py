"""A decision that was undone leaves nothing behind, on the connection either, which a server's goes on with."""

import pytest

from ferrotp.mfa.stores.again import Undone
from ferrotp.mfa.stores.sql import SQLStore
from ferrotp.mfa.stores.sql.records import owner_values

from .samples import FACTOR, OWNER, furnish


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
