"""The store in a SQL database: a SQLite file, PostgreSQL, MariaDB or MySQL."""

from .schema import VERSION, Tables, metadata, tables
from .store import MIGRATIONS, SQLStore

__all__ = ["MIGRATIONS", "VERSION", "SQLStore", "Tables", "metadata", "tables"]
