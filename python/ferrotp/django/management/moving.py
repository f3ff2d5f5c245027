"""What the commands share that move devices between a package's tables and ferrotp."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError, models, router, transaction

from ferrotp.django.service import get_mfa_outside_transaction, user_id_of
from ferrotp.mfa import MFAError
from ferrotp.vault import VaultError
from ferrotp.web.operators import operator

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

    def user_of_factor(self, row: Any) -> Any:
        """Whose factor a row becomes; None if it becomes none."""
        return row.user

    def _counted(self, move: Callable[[Any], bool], seen: "Counter[str]", row: Any) -> bool:
        """A move of a dry run, which is taken back: with the rows of the same user that were looked at before."""
        user = self.user_of_factor(row)
        if user is not None:
            mfa, user_id = get_mfa_outside_transaction(), user_id_of(user)
            there = sum(factor.state != "pending" for factor in mfa.status(user_id=user_id).factors)
            if there + seen[user_id] >= mfa.policy.max_factors:
                raise LeftAsItIs(f"a user has at most {mfa.policy.max_factors} factors: remove one first")
        moved = move(row)
        if moved and user is not None:
            seen[user_id] += 1
        return moved

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("direction", choices=["adopt", "back"])
        parser.add_argument("--dry-run", action="store_true", help="only tell what would be done")

    def handle(self, *arguments: Any, **options: Any) -> None:
        direction, dry_run = options["direction"], options["dry_run"]
        command = f"{type(self).__module__.rpartition('.')[2]} {direction}{' --dry-run' if dry_run else ''}"
        by = f"{operator()} (manage.py {command})"
        rows = self.rows(direction)
        moved, left = 0, []
        move = self.adopt if direction == "adopt" else partial(self.back, by=by)
        counted = partial(self._counted, move, Counter()) if dry_run and direction == "adopt" else move
        for pk in _keys(rows):
            try:
                moved += _move(rows, pk, counted, dry_run)
            except (LeftAsItIs, MFAError, VaultError) as error:
                left.append(f"{rows.model._meta.label_lower}/{pk}: {error}")
            except (OperationalError, InterfaceError):
                raise
            except Exception as error:  # whatever a row of another package raises: not its text, which may be a secret
                why = f"it is not as its package writes it ({type(error).__name__})"
                left.append(f"{rows.model._meta.label_lower}/{pk}: {why}")
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
