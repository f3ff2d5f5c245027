"""What the error numbers of MySQL and MariaDB mean to a store. No driver is known here.

Names and numbers are those of both servers' manuals.
"""

from ..errors import StoreRefused, StoreUnavailable
from .again import Undone

_UNDONE = {1020, 1213}
"""ER_CHECKREAD, ER_LOCK_DEADLOCK."""

_BAD_RECORD = {
    1048,  # ER_BAD_NULL_ERROR
    1062,  # ER_DUP_ENTRY
    1153,  # ER_NET_PACKET_TOO_LARGE
    1264,  # ER_WARN_DATA_OUT_OF_RANGE
    1366,  # ER_TRUNCATED_WRONG_VALUE_FOR_FIELD
    1406,  # ER_DATA_TOO_LONG
    3819,  # ER_CHECK_CONSTRAINT_VIOLATED, of MySQL
    4025,  # ER_CONSTRAINT_FAILED, of MariaDB
}
_NO_TABLE = 1146
_LATE = {1205, 1969, 3024}
"""ER_LOCK_WAIT_TIMEOUT, MariaDB's ER_STATEMENT_TIMEOUT, MySQL's ER_QUERY_TIMEOUT."""

_LOST = {0, 2003, 2006, 2013, 2014, 2055, 4031}
"""The connection is gone, or was ended for having said nothing. 0: the driver has no number for it."""


class Forbidden(StoreUnavailable):
    """The user may not do this."""


class ReadOnly(StoreUnavailable):
    """Nobody may, at the moment."""


_REFUSED: "dict[int, type[StoreUnavailable]]" = {
    1142: Forbidden,  # ER_TABLEACCESS_DENIED_ERROR
    1143: Forbidden,  # ER_COLUMNACCESS_DENIED_ERROR
    1290: ReadOnly,  # ER_OPTION_PREVENTS_STATEMENT
    1792: ReadOnly,  # ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
    1836: ReadOnly,  # ER_READ_ONLY_MODE
}


def number_of(error: BaseException | None) -> int:
    """The server's number of a driver's error; 0 if it has none."""
    first = error.args[0] if error is not None and error.args else 0
    return first if isinstance(first, int) else 0


def failure_of(number: int, server: str, is_late: bool, advice: str) -> Exception:
    """The store's error for one of the server's. Only the number is told: the texts hold values.

    :param is_late: whether the operation's deadline is over
    :param advice: what makes the tables
    """
    if number in _BAD_RECORD:
        return ValueError(f"{server} cannot hold the record, or has it already (error {number})")
    if number == _NO_TABLE:
        return StoreRefused(f"the tables are not there: {advice}")
    if number in _UNDONE:
        return Undone(f"{server} undid the transaction (error {number})")
    if number in _LATE or is_late:
        return StoreUnavailable(f"{server} did not answer in time")
    if number in _LOST:
        return StoreUnavailable(f"the connection to {server} broke (error {number})")
    return _REFUSED.get(number, StoreUnavailable)(f"{server} refused (error {number})")
