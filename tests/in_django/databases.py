"""Databases on a server, for those who have one."""

import secrets
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
from mfa.mariadb_server import APP, PASSWORD, MariaDBServer
from mfa.servers import PostgreSQLServer


def database_on(server: PostgreSQLServer) -> dict[str, Any]:
    """A new database of a server, as Django's settings name it."""
    parts = urlsplit(server.uri)
    name = f"django_{secrets.token_hex(4)}"
    with psycopg.connect(server.uri, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": parts.username or "",
        "HOST": parse_qs(parts.query)["host"][0],
    }


def database_on_mariadb(server: MariaDBServer) -> dict[str, Any]:
    """The same, of MariaDB."""
    name = server.database().partition("?")[0].rpartition("/")[2]
    return {
        "ENGINE": "django.db.backends.mysql",
        "NAME": name,
        "USER": APP,
        "PASSWORD": PASSWORD,
        "HOST": str(server.socket),
        "OPTIONS": {"ssl_disabled": True},  # or PyMySQL reads all certificates of the system for each connection
    }
