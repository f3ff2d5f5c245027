"""How costs are measured: the sides alternated round by round, medians of the rounds."""

from __future__ import annotations

import statistics
import time
import timeit
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

SAMPLE = 0.001  # seconds: short, so that the samples of a round meet the same machine
# Time that other programs take from this one is no cost of a call. Where that clock is coarse, time on the wall.
CLOCK = "process_time" if time.get_clock_info("process_time").resolution <= 1e-6 else "perf_counter"


@dataclass(frozen=True)
class Spread:
    """A median with its quartiles."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, samples: list[float]) -> Spread:
        return cls(*statistics.quantiles(samples, n=4)) if len(samples) > 1 else cls(*samples * 3)


def alternated(samplers: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Samples of each, one a round, in an order that changes from round to round."""
    samples: dict[str, list[float]] = {library: [] for library in samplers}
    order = list(samplers)
    for _ in range(rounds):
        for library in order:
            samples[library].append(samplers[library]())
        order = order[1:] + order[:1]
    return samples


def call_timer(call: str, names: dict[str, Any], items: int = 1, clock: str = CLOCK) -> Callable[[], float]:
    """Measures nanoseconds per item, over as many calls as make a sample. timeit turns the collector off."""
    timer = timeit.Timer(call, timer=getattr(time, clock), globals=names)
    count = 1
    while (took := timer.timeit(count)) < SAMPLE / 4:
        count *= 2
    count = max(1, round(count * SAMPLE / took))
    return lambda: timer.timeit(count) / count / items * 1e9
