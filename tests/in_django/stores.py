"""Opens the store anywhere: in this process, and in those that race with it."""

from typing import Any

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connections

from ferrotp.mfa.stores.base import Store


def set_up(databases: dict[str, Any]) -> None:
    """Django, with these databases beside those that it has."""
    if any(database["ENGINE"].endswith("mysql") for database in databases.values()):
        import pymysql  # as who has no mysqlclient does

        pymysql.install_as_MySQLdb()
    if not settings.configured:
        settings.configure(
            DATABASES={"default": next(iter(databases.values())), **databases},
            INSTALLED_APPS=["ferrotp.django"],
            USE_TZ=True,
        )
        django.setup()
    for alias, database in databases.items():
        if alias not in connections.settings:
            connections.settings.update(
                {alias: connections.configure_settings({"default": {"ENGINE": ""}, alias: database})[alias]}
            )


def migrate(alias: str) -> None:
    call_command("migrate", "ferrotp", database=alias, verbosity=0)


def open_store(alias: str, database: dict[str, Any], timeout: float = 30) -> Store:
    """The machine of the tests may be small, and 64 processes race: what a deadline does has tests of its own."""
    set_up({alias: database})
    from ferrotp.django.store import DjangoStore

    return DjangoStore(alias, timeout=timeout)
