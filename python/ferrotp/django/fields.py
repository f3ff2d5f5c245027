"""A text that is compared by code point, whatever the database's locale."""

from typing import Any

from django.db import models


class ExactTextField(models.TextField):  # type: ignore[type-arg,unused-ignore]
    """Text in the order of Python's `str`: a locale's order changes with the system's libraries, and an index with it.

    SQLite compares so anyway.
    """

    def db_parameters(self, connection: Any) -> Any:
        parameters = super().db_parameters(connection)
        if connection.vendor == "postgresql":
            return {**parameters, "collation": "C"}
        return parameters
