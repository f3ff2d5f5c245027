"""Flask-Migrate, on an application's database that holds the store's tables as well."""

from functools import partial
from pathlib import Path
from typing import Any

import flask_migrate
import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from ferrotp.mfa.stores.alembic import include_object
from ferrotp.mfa.stores.sql import SQLStore


@pytest.fixture(autouse=True)
def _loggers_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """The `env.py` that Flask-Migrate writes switches off all loggers that are there."""
    monkeypatch.setattr("logging.config.fileConfig", lambda *_, **__: None)


def migration_of(folder: Path, prefix: str, **options: Any) -> str:
    """What autogenerate writes for an application that has one table of its own."""
    app = Flask("app", root_path=str(folder))
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{folder}/app.db"
    db = SQLAlchemy(app)

    class User(db.Model):  # type: ignore[name-defined, misc]
        id = db.Column(db.Integer, primary_key=True)

    flask_migrate.Migrate(app, db, directory=str(folder / "migrations"), **options)
    store = SQLStore(f"sqlite:///{folder}/app.db", table_prefix=prefix)
    store.prepare()
    store.close()
    with app.app_context():
        flask_migrate.init()
        flask_migrate.migrate()
    (written,) = (folder / "migrations" / "versions").glob("*.py")
    text = written.read_text(encoding="utf-8")
    assert "create_table('user'" in text
    return text


@pytest.mark.parametrize("prefix", ["ferrotp_", "acme_mfa_"])
def test_autogenerate_leaves_the_stores_tables_alone(tmp_path: Path, prefix: str) -> None:
    ours = include_object if prefix == "ferrotp_" else partial(include_object, prefix=prefix)
    assert prefix not in migration_of(tmp_path, prefix, include_object=ours)


def test_without_it_autogenerate_would_drop_them(tmp_path: Path) -> None:
    assert "drop_table('ferrotp_factor')" in migration_of(tmp_path, "ferrotp_")
