"""What is kept while all rows march in step: values at times, every step, dense output.

An output has three verbs. `start` makes its store and says what it keeps of the initial state; `after` looks at an
accepted step and keeps what it wants of it; `finish` turns the store into the result. What a step gives is a pure
function of the step and of `slots`, the places it fills (`emit`), so that the reverse sweep can ask for the same values
again, and for the cotangents that belong to them (`cotangent`).
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any, NamedTuple

import torch
from torch import Tensor

__all__ = ["DenseSteps", "EveryStep", "SaveTimes", "Slots", "Store", "mask_rows", "swapped_reading"]


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
        reading: what is kept of the states instead of them, a term that gives packed readings; None keeps the states.
    """

    def __init__(self, times: Tensor, *, landed: bool = False, reading: Any = None) -> None:
        self.times, self.landed, self.reading = tuple(times.detach().tolist()), landed, reading
        self._moments = times

    def start(self, t0: float, y0: Tensor) -> tuple[Store, Slots | None]:
        """Keep the initial state once for every save time that equals `t0`."""
        count = 0
        while count < len(self.times) and self.times[count] == t0:
            count += 1
        if not count:
            return Store([], [], [0]), None
        slots = Slots(0, count, count)
        return Store([self.emit_start(y0, slots, None)], [], [count]), slots

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
        if live is not None and self.reading is not None:
            live = live.reshape(*live.shape[: self.reading.layout.batch_dims], 1)
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
        return self._read(parts[0] if len(parts) == 1 else torch.cat(parts), slots, times)

    def emit_start(self, y0: Tensor, slots: Slots, times: Tensor | None) -> Tensor:
        """Return the values at the save times that equal the start; see `emit`."""
        return self._read(y0.expand(slots.last, *y0.shape), slots, times)

    def finish(self, store: Store, y0: Tensor) -> Tensor:
        """Return the values `(times, *state)`, or `(times, *batch, numbers)` of a reading; NaN where none came."""
        missing = len(self.times) - store.filled[-1]
        parts = list(store.parts)
        if missing or not parts:
            like = y0 if self.reading is None else self.reading.nothing(y0)
            parts.append(like.new_full((missing, *like.shape), float("nan")))
        return torch.cat(parts)

    def _read(self, states: Tensor, slots: Slots, times: Tensor | None) -> Tensor:
        """Return what is kept of states, one for each of the slots."""
        if self.reading is None:
            return states
        moments = (self._moments if times is None else times)[slots.first : slots.last].to(self.reading.time_dtype)
        return torch.stack([self.reading.field(t, y) for t, y in zip(moments, states, strict=True)])

    def cotangent(self, value: Tensor, slots: Slots) -> Tensor:
        """Return the part of the result's cotangent that belongs to a step."""
        return value[slots.first : slots.last]


class EveryStep:
    """Keep the initial state and the end of every accepted step; after `finish`, `step_ends` holds the times.

    Arguments:
        every: which steps to keep: each of so many, and the one that reaches the end.
        end: the end of the march, where not every step is kept.
    """

    reading = None

    def __init__(self, every: int = 1, end: float | None = None) -> None:
        self.every, self.end = every, end
        self.step_ends: list[float] = []

    def start(self, t0: float, y0: Tensor) -> tuple[Store, Slots | None]:
        """Keep the initial state."""
        return Store([y0[None]], [t0], [1]), Slots(0, 1, 1)

    def after(
        self, step: Any, store: Store, *, t0: float, t1: float, live: Tensor | None, times: Tensor | None
    ) -> Slots | None:
        """Keep the end of the step, if it is one to be kept."""
        place, count = store.filled[-1], len(store.filled)
        if count % self.every and t1 != self.end:
            store.filled.append(place)
            return None
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


def swapped_reading(output: Any, copies: Mapping[int, Tensor]) -> Any:
    """Return an output whose reading has other tensors in its arguments, by the ids of those that are there."""
    if not copies or getattr(output, "reading", None) is None:
        return output
    other = copy(output)
    other.reading = output.reading.with_copies(copies)
    return other


def mask_rows(value: Tensor, live: Tensor | None) -> Tensor:
    """Return stacked states with NaN in the rows that have failed; `live` broadcasts against a state, None is all."""
    return value if live is None else torch.where(live, value, torch.full_like(value, float("nan")))
