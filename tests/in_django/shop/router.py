"""The second factors are apart."""

from typing import Any


class Router:
    """All of ferrotp's tables in one database, all others in the other."""

    def db_for_read(self, model: Any, **more: Any) -> str:
        return "factors" if model._meta.app_label == "ferrotp" else "default"

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **more: Any) -> bool:
        return (app_label == "ferrotp") == (db == "factors")
