"""How many users had a second factor, day by day or week by week: counted by the database, drawn without a library."""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from itertools import accumulate
from typing import Any, Literal

from django.db.models import BigIntegerField, Count, Exists, ExpressionWrapper, F, OuterRef
from django.utils import timezone as site_time

from .words import word

Span = Literal["day", "week"]

_DAY = 86_400_000
_SIZES: dict[Span, int] = {"day": _DAY, "week": 7 * _DAY}
_COUNTS: dict[Span, int] = {"day": 30, "week": 52}
"""Points of the picture."""
_THURSDAY = 3 * _DAY
"""From a Monday to the weekday on which Unix time began: weeks begin on Mondays."""

WIDTH, HEIGHT = 720, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 8, 12, 28
_DASHES = ("", "7 4", "2 4", "9 3 2 3")


@dataclass(frozen=True, slots=True)
class Line:
    """The users who had a factor of one kind, or any, at the end of each day or week."""

    name: str
    counts: tuple[int, ...]
    points: str
    """For an SVG ``polyline``."""
    dash: str
    """Lines are told apart without colours."""

    @property
    def last(self) -> int:
        """How many there are now."""
        return self.counts[-1]


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark at an axis."""

    at: float
    label: Any
    anchor: str = "end"


@dataclass(frozen=True, slots=True)
class Growth:
    """The picture, and the table that says the same."""

    span: Span
    dates: tuple[date, ...]
    """The first day of each, in the site's time."""
    lines: tuple[Line, ...]
    """All users first, and then those of each kind of factor."""
    levels: tuple[Tick, ...]
    moments: tuple[Tick, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    bottom: int = HEIGHT - _BOTTOM

    @property
    def rows(self) -> list[tuple[date, tuple[int, ...]]]:
        """Of the table: the newest first."""
        columns = zip(*(line.counts for line in self.lines), strict=True)
        return list(zip(self.dates, columns, strict=True))[::-1]


def growth(factors: Any, span: Span, now: float) -> Growth:
    """Counts by two queries, whose answers have a row for each day or week.

    :param factors: a queryset of `Factor`: those that are there now. When a factor was removed is not kept
    :param now: Unix seconds
    """
    zone, size = site_time.get_current_timezone(), _SIZES[span]
    offset = datetime.fromtimestamp(now, zone).utcoffset() or timedelta()
    shift = offset // timedelta(milliseconds=1) + (_THURSDAY if span == "week" else 0)
    newest = int(now * 1000) - (int(now * 1000) + shift) % size
    begins = [newest - size * back for back in reversed(range(_COUNTS[span]))]

    factors = factors.order_by()
    found = {"": _counted(factors, ("user_id",), size, shift)}
    for kind, *counted in _counted(factors, ("user_id", "kind"), size, shift, "kind"):
        found.setdefault(kind, []).append(tuple(counted))
    series = {kind: _reached(counted, begins) for kind, counted in found.items()}

    top, levels = _levels(max(series[""]))
    kinds = {"": word("Users with a second factor"), **_kinds()}
    order = sorted(series, key=lambda kind: (kind != "", [*kinds].index(kind) if kind in kinds else len(kinds), kind))
    dates = tuple((datetime.fromtimestamp(begin / 1000, timezone.utc) + offset).date() for begin in begins)
    places = (0, len(dates) // 2, len(dates) - 1)
    anchors = ("start", "middle", "end")
    return Growth(
        span,
        dates,
        tuple(
            Line(kinds.get(kind, kind), series[kind], _points(series[kind], top), _DASHES[number % len(_DASHES)])
            for number, kind in enumerate(order)
        ),
        tuple(Tick(_y(level, top), level) for level in levels),
        tuple(Tick(_x(at, len(dates)), dates[at], how) for at, how in zip(places, anchors, strict=True)),
    )


def _kinds() -> dict[str, str]:
    return {"totp": word("authenticator app"), "hotp": word("hardware token"), "passkey": word("passkey")}


def _counted(factors: Any, of_each: tuple[str, ...], size: int, shift: int, *groups: str) -> list[Any]:
    """For each day or week: how many users had their first factor then; or the first of each kind."""
    earlier = factors.filter(created_at__lt=OuterRef("created_at"), **{name: OuterRef(name) for name in of_each})
    begin = F("created_at") - (F("created_at") + shift) % size
    rows = factors.filter(~Exists(earlier)).annotate(begin=ExpressionWrapper(begin, output_field=BigIntegerField()))
    rows = rows.values(*groups, "begin").annotate(users=Count("user_id", distinct=True))
    return list(rows.values_list(*groups, "begin", "users"))


def _reached(counted: list[tuple[int, int]], begins: list[int]) -> tuple[int, ...]:
    """How many there were by the end of each."""
    counted = sorted(counted)
    sums = [0, *accumulate(users for _, users in counted)]
    starts = [begin for begin, _ in counted]
    return tuple(sums[bisect_right(starts, begin)] for begin in begins)


def _levels(highest: int) -> tuple[int, list[int]]:
    """Where the picture ends, and the lines across it: round numbers, six at most."""
    step = next(
        digit * 10**power for power in range(12) for digit in (1, 2, 5) if digit * 10**power * 5 >= max(highest, 1)
    )
    top = step * -(-max(highest, 1) // step)
    return top, list(range(0, top + 1, step))


def _x(at: int, count: int) -> float:
    return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * at / (count - 1), 1)


def _y(users: int, top: int) -> float:
    return round(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * users / top, 1)


def _points(counts: tuple[int, ...], top: int) -> str:
    return " ".join(f"{_x(at, len(counts))},{_y(users, top)}" for at, users in enumerate(counts))
