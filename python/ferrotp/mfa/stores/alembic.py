"""For Alembic and Flask-Migrate, where the store's tables are in the application's database."""

from typing import Any

MINE = "ferrotp"
"""What the tables' `Table.info` holds: for hooks of your own that look at it."""


def include_object(
    object: Any, name: str | None, type_: str, reflected: bool, compare_to: Any, *, prefix: str = "ferrotp_"
) -> bool:
    """For ``context.configure(include_object=include_object)``: leaves tables of the store alone that autogenerate sees
    in the database and not in your metadata. Without it, it writes ``drop_table('ferrotp_factor')``, and the upgrade
    drops everybody's second factor.

    :param prefix: the store's `table_prefix`, by `functools.partial`
    """
    unknown = type_ == "table" and reflected and compare_to is None
    return not (unknown and name is not None and name.startswith(prefix))
