"""What the commands share that move devices between a package's tables and ferrotp."""

import getpass
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import models, router, transaction

from ferrotp.mfa import MFAError
from ferrotp.vault import VaultError

PAGE = 500
"""Keys that are read at once: a size of work, so no policy."""


class LeftAsItIs(Exception):
    """Why a row is not moved."""


class _Undone(Exception):
    """Takes back what was done for `--dry-run`."""


class MoveCommand(BaseCommand):
    """``manage.py NAME adopt`` and ``back``: each row in a transaction, so that it may be stopped and run again.

    A command has two moves. Each is called with a row that is locked, gives whether there was anything to do, and
    raises `LeftAsItIs`, or an `MFAError`, for one that stays.
    """

    plural: str
    """What the rows are called."""
    still_work = ""
    """What to say of those that are left."""

    def rows(self, direction: str) -> "models.QuerySet[Any]":
        """The rows to go through."""
        raise NotImplementedError

    def adopt(self, row: Any) -> bool:
        """Moves a row to ferrotp."""
        raise NotImplementedError

    def back(self, row: Any, by: str) -> bool:
        """Moves a row back.

        :param by: who does it, for the event of a secret that is taken out
        """
        raise NotImplementedError

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("direction", choices=["adopt", "back"])
        parser.add_argument("--dry-run", action="store_true", help="only tell what would be done")

    def handle(self, *arguments: Any, **options: Any) -> None:
        direction, dry_run = options["direction"], options["dry_run"]
        command = f"{type(self).__module__.rpartition('.')[2]} {direction}{' --dry-run' if dry_run else ''}"
        by = f"{getpass.getuser()} (manage.py {command})"
        rows = self.rows(direction)
        moved, left = 0, []
        move = self.adopt if direction == "adopt" else partial(self.back, by=by)
        for pk in _keys(rows):
            try:
                moved += _move(rows, pk, move, dry_run)
            except (LeftAsItIs, MFAError, VaultError) as error:
                left.append(f"{rows.model._meta.label_lower}/{pk}: {error}")
        for line in left:
            self.stdout.write(line)
        would = "would be " if dry_run else ""
        self.stdout.write(f"{moved} {self.plural} {would}moved, {len(left)} left as they are")
        if left:
            raise CommandError(f"{len(left)} {self.plural} are left as they are{self.still_work}")


def _keys(rows: "models.QuerySet[Any]") -> Iterator[int]:
    last = 0
    while page := list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:PAGE]):
        yield from page
        last = page[-1]


def _move(rows: "models.QuerySet[Any]", pk: int, move: Callable[[Any], bool], dry_run: bool) -> bool:
    using = router.db_for_write(rows.model)
    moved = False
    with suppress(_Undone), transaction.atomic(using=using):
        # No login may use it while it is on its way.
        row = rows.using(using).select_for_update().filter(pk=pk).first()
        moved = row is not None and move(row)
        if dry_run:
            raise _Undone
    return moved
