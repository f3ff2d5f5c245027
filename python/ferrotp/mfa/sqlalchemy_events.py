"""The deletion of accounts, as SQLAlchemy's sessions tell of it: one line, and a user's second factor ends with the
account::

    follow_deletions(mfa, User)

What is deleted in a session ends when the session has committed, and stays if it is rolled back; a savepoint that is
rolled back takes back its part. A session sees ``session.delete(user)``, cascades of the ORM, and deletions of many by
``delete(User)`` or ``query.delete()``. It does not see SQL as text, what runs on a connection without a session, and
what the database deletes by itself (``ON DELETE CASCADE`` with ``passive_deletes``): call `MFA.delete_users` there,
after the commit.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from sqlalchemy import event, inspect, select
from sqlalchemy.orm import Session, object_session

from .core import user_id_text
from .errors import InvalidIdentifier, MFAError
from .service import MFA


def follow_deletions(
    mfa: "MFA | Callable[[], MFA]", model: type, *, user_id: str = "", sessions: Any = Session
) -> None:
    """Ends the second factor of each user whose row of `model` is deleted, after the commit.

    :param mfa: the service, or what gives it when it is needed
    :param model: the mapped class of users. Those that inherit from it are users too
    :param user_id: the attribute that holds what the service knows the user by; empty for the primary key
    :param sessions: a class of sessions, a ``sessionmaker`` or a session; all sessions, if nothing is said
    :raises ValueError: if the primary key has several columns, and no attribute is named
    """
    _Follower(mfa, model, user_id).listen(sessions)


class _Follower:
    """What one call of `follow_deletions` listens with."""

    def __init__(self, mfa: "MFA | Callable[[], MFA]", model: type, user_id: str) -> None:
        self._mfa = mfa
        self._model = model
        self._mapper: Any = inspect(model)
        if not user_id:
            if len(self._mapper.primary_key) != 1:
                raise ValueError("the primary key has several columns: name the attribute with the user's id")
            user_id = self._mapper.get_property_by_column(self._mapper.primary_key[0]).key
        self._attribute = user_id

    def listen(self, sessions: Any) -> None:
        event.listen(self._model, "before_delete", self._before_delete, propagate=True)
        event.listen(sessions, "do_orm_execute", self._before_statement)
        event.listen(sessions, "after_commit", self._after_commit)
        event.listen(sessions, "after_soft_rollback", self._after_end)
        event.listen(sessions, "after_transaction_end", self._after_end)

    # What is deleted: a row, or rows by one statement

    def _before_delete(self, mapper: Any, connection: Any, row: Any) -> None:
        session = object_session(row)
        if session is not None:
            self._note(session, [getattr(row, self._attribute)])

    def _before_statement(self, state: Any) -> None:
        if not state.is_delete:
            return
        table, of = state.statement.table, self._model
        with suppress(KeyError):  # it names the table, and no class
            described = state.statement.entity_description
            table, of = described["table"], described.get("entity") or of
        # A subclass with a table of its own leaves the user's row where it is.
        if table is not self._mapper.local_table:
            return
        column: Any = getattr(of, self._attribute) if inspect(of).is_mapper else self._mapper.c[self._attribute]
        # The rows are locked, so that those are deleted that were read.
        rows: Any = select(column).with_for_update()
        if state.statement.whereclause is not None:
            rows = rows.where(state.statement.whereclause)
        bound = {name: value for name, value in state.bind_arguments.items() if name == "bind"}
        parameters = state.parameters
        for values in parameters if isinstance(parameters, list) else [parameters]:
            self._note(state.session, state.session.execute(rows, values, bind_arguments=bound).scalars())

    # What becomes of it

    def _note(self, session: Session, user_ids: Iterable[object]) -> None:
        transaction = session.get_nested_transaction() or session.get_transaction()
        self._noted(session).extend((transaction, user_id) for user_id in user_ids)

    def _noted(self, session: Session) -> list[tuple[Any, Any]]:
        noted: list[tuple[Any, Any]] = session.info.setdefault(self, [])
        return noted

    def _after_commit(self, session: Session) -> None:
        noted = self._noted(session)
        savepoint = session.get_nested_transaction()
        if savepoint is not None:  # it is a part of the one around it, from now on
            noted[:] = [(savepoint.parent if of is savepoint else of, user_id) for of, user_id in noted]
            return
        ended = list(_texts(user_id for _, user_id in noted))
        noted.clear()
        if ended:
            self._end(ended)

    def _after_end(self, session: Session, transaction: Any) -> None:
        noted = self._noted(session)
        noted[:] = [(of, user_id) for of, user_id in noted if transaction.parent is not None and of is not transaction]

    def _end(self, user_ids: list[str]) -> None:
        with suppress(MFAError):  # which the service has logged: nobody above could bring the accounts back
            (self._mfa if isinstance(self._mfa, MFA) else self._mfa()).delete_users(user_ids=user_ids)


def _texts(user_ids: Iterable[Any]) -> Iterator[str]:
    """Those that are ids of the service: the others have nothing there."""
    for user_id in dict.fromkeys(user_ids):
        try:
            yield user_id_text(user_id)
        except InvalidIdentifier:
            continue
