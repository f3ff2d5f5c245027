"""The commands that move devices from another package's tables and back: what they share."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import OperationalError

from ferrotp.django import get_mfa
from ferrotp.django.management.moving import LeftAsItIs, MoveCommand
from ferrotp.django.service import user_id_of
from ferrotp.web import operators

from .conftest import Person


class Moves(MoveCommand):
    """Moves something for each user whose first name is "row". The last name says what is odd about it."""

    plural = "rows"

    def rows(self, direction: str) -> Any:
        return User.objects.filter(first_name__startswith="row")

    def adopt(self, row: Any) -> bool:
        if row.last_name == "odd":
            {}["secret"]
        if row.last_name == "none":
            row.last_name.nothing  # noqa: B018
        if row.last_name == "away":
            raise OperationalError("the server is away")
        if row.last_name == "left":
            raise LeftAsItIs("it stays")
        get_mfa().store  # noqa: B018
        return True

    def user_of_factor(self, row: Any) -> Any:
        return User.objects.get(username=row.first_name.partition(" ")[2]) if " " in row.first_name else None


@pytest.fixture
def rows(person: Callable[..., Person], monkeypatch: pytest.MonkeyPatch) -> Any:
    User.objects.filter(first_name__startswith="row").delete()

    def nameless() -> str:
        raise OSError("no such id")  # Python 3.13 raises this, and KeyError before

    monkeypatch.setattr(operators.getpass, "getuser", nameless)

    def made(*kinds: str, owner: str = "") -> None:
        for kind in kinds:
            person(first_name=f"row {owner}".rstrip(), last_name=kind)

    return made


def _run(*options: str) -> list[str]:
    out = io.StringIO()
    try:
        call_command(Moves(stdout=out), "adopt", *options)
    except CommandError as error:
        out.write(f"{error}\n")
    return out.getvalue().splitlines()


def test_an_odd_row_does_not_keep_later_ones_from_being_moved(rows: Any) -> None:
    rows("good", "odd", "none", "left", "good")
    lines = _run()
    assert lines[-2] == "2 rows moved, 3 left as they are"
    assert [line.partition(": ")[2] for line in lines[:3]] == [
        "it is not as its package writes it (KeyError)",
        "it is not as its package writes it (AttributeError)",
        "it stays",
    ]


def test_a_database_that_is_away_ends_it(rows: Any) -> None:
    rows("good", "away", "good")
    with pytest.raises(OperationalError):
        _run()


def test_a_dry_run_counts_what_the_run_will_move(rows: Any, alice: Person, ferrotp: Any) -> None:
    """More devices than a user may have: each alone would fit."""
    ferrotp(POLICY={"max_factors": 3})
    rows("good", "good", "good", "good", owner=alice.name)
    rows("good")
    lines = _run("--dry-run")
    assert lines[-2] == "3 rows would be moved, 2 left as they are"
    assert all("at most 3 factors" in line for line in lines[:2])
    assert user_id_of(alice.user) == alice.user_id
