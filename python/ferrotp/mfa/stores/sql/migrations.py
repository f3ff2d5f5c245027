"""What brings older tables to the version of `schema`, within one transaction under the lock of the schema."""

from .dialect import SQLConnection
from .statements import Statements


def allow_unlock(connection: SQLConnection, statements: Statements) -> None:
    """Budgets may be of the method ``unlock``."""
    for text in statements.replace_method_check():
        connection.script(text)
