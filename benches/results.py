"""What compare.py measures, and how it is told."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """A median with its quartiles."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, samples: list[float]) -> Spread:
        return cls(*statistics.quantiles(samples, n=4)) if len(samples) > 1 else cls(*samples * 3)


@dataclass(frozen=True)
class Result:
    """ferrotp beside one peer. `ratio` says how many times the peer's cost is ours, or for bytes ours the peer's."""

    row: str
    unit: str
    peer: str
    ferrotp_cost: Spread
    peer_cost: Spread
    ratio: Spread
    target: float | None
    met: bool | None


def results(row: str, samples: dict[str, list[float]], targets: dict[str, float], unit: str = "ns") -> Iterator[Result]:
    """One result for each peer."""
    ours = samples["ferrotp"]
    for peer, theirs in samples.items():
        if peer == "ferrotp":
            continue
        pairs = zip(ours, theirs, strict=True)
        ratio = Spread.of([our / their if unit == "bytes" else their / our for our, their in pairs])
        target = targets.get(peer)
        met = None if target is None else ratio.median <= target if unit == "bytes" else ratio.median >= target
        yield Result(row, unit, peer, Spread.of(ours), Spread.of(theirs), ratio, target, met)
