"""An engine of the application, which lends its way to connect."""

from collections.abc import Callable
from typing import Any

from sqlalchemy.engine import Engine

from ...errors import StoreRefused
from ..pool import forget_after_fork


class EnginesWay:
    """An engine's way to connect, its events and all, but none of the connections that the application uses.

    :param at_rest: whether a driver's connection is in no transaction
    """

    def __init__(self, engine: Engine, at_rest: Callable[[object], bool]) -> None:
        self._pool = engine.pool.recreate()
        self._at_rest = at_rest
        forget_after_fork(self)

    def forget(self) -> None:
        """In a forked child: leaves the locks alone that a thread of the parent may have held."""
        self._pool = self._pool.recreate()

    def connect(self) -> Any:
        """The driver's connection."""
        fairy = self._pool.connect()
        connection = fairy.driver_connection
        fairy.detach()
        if not self._at_rest(connection):
            raise StoreRefused(
                "the engine's new connection is in a transaction: it is one in use, or a listener did not commit"
            )
        return connection
