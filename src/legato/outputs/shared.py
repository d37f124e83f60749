"""What is kept while all rows march in step: values at times, every step, dense output.

An output has three verbs. `start` makes its store and says what it keeps of the initial state; `after` looks at an
accepted step and keeps what it wants of it; `finish` turns the store into the result. What a step gives is a pure
function of the step and of `slots`, the places it fills (`emit`), so that the reverse sweep can ask for the same values
again, and for the cotangents that belong to them (`cotangent`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

__all__ = ["DenseSteps", "EveryStep", "SaveTimes", "Slots", "Store", "mask_rows"]


class Slots(NamedTuple):
    """The places `first ... last` of a result; the last `at_end` of them are the step's own end."""

    first: int
    last: int
    at_end: int


class Store(NamedTuple):
    """Emissions so far, and the times at which steps ended."""

    parts: list[Tensor]
    times: list[float]
    filled: list[int]


class SaveTimes:
    """Keep the values at given times.

    Arguments:
        times: the save times in the direction of the march, within the interval.
        landed: whether steps are made to end on them, so that they move as those steps' ends do.
    """

    def __init__(self, times: Sequence[float], *, landed: bool = False) -> None:
        self.times, self.landed = tuple(times), landed

    def start(self, t0: float, y0: Tensor) -> tuple[Store, Slots | None]:
        """Keep the initial state once for every save time that equals `t0`."""
        count = 0
        while count < len(self.times) and self.times[count] == t0:
            count += 1
        parts = [y0.expand(count, *y0.shape)] if count else []
        return Store(parts, [], [count]), Slots(0, count, count) if count else None

    def after(
        self, step: Any, store: Store, *, t0: float, t1: float, live: Tensor | None, times: Tensor | None
    ) -> Slots | None:
        """Keep the values at the save times in `(t0, t1]`; see `emit` for `times`."""
        mine, first = self.times, store.filled[-1]
        if first == len(mine) or (mine[first] > t1 if t1 > t0 else mine[first] < t1):
            return None
        last, at_end = first, 0
        while last < len(mine) and (mine[last] <= t1 if t1 > t0 else mine[last] >= t1):
            at_end += mine[last] == t1
            last += 1
        slots = Slots(first, last, at_end)
        store.parts.append(mask_rows(self.emit(step, slots, times), live))
        store.filled.append(last)
        return slots

    def emit(self, step: Any, slots: Slots, times: Tensor | None) -> Tensor:
        """Return the values at the step's save times, stacked.

        Arguments:
            step: the step.
            slots: which save times.
            times: all save times as a tensor that carries a gradient, or None.
        """
        first, last, at_end = slots
        if times is not None:
            # Of times that are equal only the last moves with the end.
            at_end = 1 if at_end and (self.landed or last == len(self.times)) else 0
        inside = last - at_end
        parts = []
        if inside > first:
            if times is None:
                thetas: Any = [(time - step.t0) / step.dt for time in self.times[first:inside]]
            else:
                thetas = (times[first:inside] - step.t0) / step.dt
            parts.append(step.values(thetas))
        if at_end:
            parts.append(step.y1.expand(at_end, *step.y1.shape))
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def finish(self, store: Store, y0: Tensor) -> Tensor:
        """Return the values `(times, *state)`, NaN where the march did not come."""
        missing = len(self.times) - store.filled[-1]
        parts = list(store.parts)
        if missing or not parts:
            parts.append(y0.new_full((missing, *y0.shape), float("nan")))
        return torch.cat(parts)

    def cotangent(self, value: Tensor, slots: Slots) -> Tensor:
        """Return the part of the result's cotangent that belongs to a step."""
        return value[slots.first : slots.last]


class EveryStep:
    """Keep the initial state and the end of every accepted step; after `finish`, `step_ends` holds the times."""

    def __init__(self) -> None:
        self.step_ends: list[float] = []

    def start(self, t0: float, y0: Tensor) -> tuple[Store, Slots | None]:
        """Keep the initial state."""
        return Store([y0[None]], [t0], [1]), Slots(0, 1, 1)

    def after(
        self, step: Any, store: Store, *, t0: float, t1: float, live: Tensor | None, times: Tensor | None
    ) -> Slots | None:
        """Keep the end of the step."""
        place = store.filled[-1]
        slots = Slots(place, place + 1, 1)
        store.filled.append(place + 1)
        store.parts.append(mask_rows(self.emit(step, slots, None), live))
        store.times.append(t1)
        return slots

    def emit(self, step: Any, slots: Slots, times: Tensor | None) -> Tensor:
        """Return the end of the step."""
        end: Tensor = step.y1[None]
        return end

    def finish(self, store: Store, y0: Tensor) -> Tensor:
        """Return the values `(steps + 1, *state)`."""
        self.step_ends = store.times
        return torch.cat(store.parts)

    def cotangent(self, value: Tensor, slots: Slots) -> Tensor:
        """Return the part of the result's cotangent that belongs to a step."""
        return value[slots.first : slots.last]


class DenseSteps(EveryStep):
    """Keep the interpolating polynomial of every accepted step: `(steps, degree + 1, *state)`."""

    def start(self, t0: float, y0: Tensor) -> tuple[Store, Slots | None]:
        """Keep the time of the start; a polynomial needs a step."""
        return Store([], [t0], [0]), None

    def emit(self, step: Any, slots: Slots, times: Tensor | None) -> Tensor:
        """Return the step's polynomial in theta."""
        polynomial: Tensor = step.coefficients()[None]
        return polynomial

    def finish(self, store: Store, y0: Tensor) -> Tensor:
        """Return the polynomials; a constant one where no step was made."""
        self.step_ends = store.times
        return torch.cat(store.parts) if store.parts else y0[None, None]


def mask_rows(value: Tensor, live: Tensor | None) -> Tensor:
    """Return stacked states with NaN in the rows that have failed; `live` broadcasts against a state, None is all."""
    return value if live is None else torch.where(live, value, torch.full_like(value, float("nan")))
