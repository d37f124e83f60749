"""Timing that survives a noisy machine: all contestants in one process, in a new order every round.

Noise that lasts longer than a round hits all alike, so contestants are compared by what they took in the same round.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

__all__ = ["WARM_UPS", "Ratio", "Spread", "Times", "geometric_mean", "race", "ratio", "spread"]

WARM_UPS = 2


class Times(NamedTuple):
    """Seconds of every round: on the wall, and of this process on all cores."""

    wall: list[float]
    cpu: list[float]


class Spread(NamedTuple):
    """The median, the quartiles and the least."""

    median: float
    low: float
    high: float
    least: float


class Ratio(NamedTuple):
    """The ratio of two medians, and the quartiles of the ratios within rounds."""

    value: float
    low: float
    high: float


def race(
    contestants: Mapping[str, Callable[[], Any]], *, rounds: int, warm_ups: int = WARM_UPS, seed: int = 0
) -> dict[str, Times]:
    """Time every contestant once a round.

    Arguments:
        contestants: what to call, by name.
        rounds: how often.
        warm_ups: calls of each before the first round.
        seed: of the order within rounds.
    """
    order = list(contestants)
    shuffler = random.Random(seed)
    for call in contestants.values():
        for _ in range(warm_ups):
            call()
    times = {name: Times([], []) for name in order}
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(rounds):
            gc.collect()
            shuffler.shuffle(order)
            for name in order:
                wall, cpu = _time(contestants[name])
                times[name].wall.append(wall)
                times[name].cpu.append(cpu)
    finally:
        if collecting:
            gc.enable()
    return times


def spread(seconds: Sequence[float]) -> Spread:
    """Return the median, the quartiles and the least."""
    low, median, high = _quartiles(seconds)
    return Spread(median, low, high, min(seconds))


def ratio(over: Sequence[float], under: Sequence[float]) -> Ratio:
    """Return how many times as long `over` took, round by round."""
    low, _, high = _quartiles([a / b for a, b in zip(over, under, strict=True)])
    return Ratio(statistics.median(over) / statistics.median(under), low, high)


def geometric_mean(values: Sequence[float]) -> float:
    """Return the geometric mean."""
    return statistics.geometric_mean(values)


def _time(call: Callable[[], Any]) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    result = call()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    del result  # freed outside the time that was taken
    return wall, cpu


def _quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, median, high
