"""A text that is compared by code point, whatever the database's locale."""

from typing import Any

from django.db import models

_LONGEST = 4 * 255
"""Bytes, on MySQL and MariaDB: a key has room for three such texts."""


class ExactTextField(models.TextField):  # type: ignore[type-arg,unused-ignore]
    """Text in the order of Python's `str`: a locale's order changes with the system's libraries, and an index with it.

    SQLite compares so anyway. MySQL and MariaDB have no collation in common that tells "a" from "a ", so there they are
    bytes.
    """

    def db_parameters(self, connection: Any) -> Any:
        parameters = super().db_parameters(connection)
        if connection.vendor == "postgresql":
            return {**parameters, "collation": "C"}
        return parameters

    def db_type(self, connection: Any) -> Any:
        if connection.vendor == "mysql":
            return f"varbinary({_LONGEST})"
        return super().db_type(connection)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """
        :raises ValueError: for what is too long. An ``INSERT IGNORE`` would cut it, and one user would be another
        """
        value = super().get_db_prep_value(value, connection, prepared)
        if connection.vendor != "mysql" or not isinstance(value, str):
            return value
        encoded = value.encode()
        if len(encoded) > _LONGEST:
            raise ValueError(f"the database cannot hold texts of more than {_LONGEST} bytes")
        return encoded

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return value.decode() if isinstance(value, bytes) else value
