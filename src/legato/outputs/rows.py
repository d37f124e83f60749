"""What is kept while every row marches for itself: values at times, every step, dense output.

The verbs are those of `outputs.shared`; a step is that of the rows still active, and `slots` says which of the accepted
rows fill which places of the result. The store follows the active rows by `select`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

__all__ = ["Fired", "RowDense", "RowSlots", "RowStep", "RowSteps", "RowTimes"]


class Fired(NamedTuple):
    """Events that happened within steps, in the order of rows, and of each row's times.

    Attributes:
        rows: where their rows lie among the active ones.
        thetas: where in the steps they happened.
        events: which they are.
        ends: whether the step ends there.
    """

    rows: Tensor
    thetas: Tensor
    events: Tensor
    ends: Tensor


class RowStep(NamedTuple):
    """A step as taken by the active rows that were accepted.

    Attributes:
        step: the step.
        chosen: where the accepted rows lie in `step`; None where it is a step of just those.
        rows: the active rows, as indices into the whole batch.
        accept: which of them were accepted.
        t0, t1, dt: where the active rows' steps began and ended, and the signed sizes, float64.
        fired: what happened within the accepted steps, or None.
        ended: which of the active rows end here at a terminal event, or None.
    """

    step: Any
    chosen: Tensor | None
    rows: Tensor
    accept: Tensor
    t0: Tensor
    t1: Tensor
    dt: Tensor
    fired: Fired | None = None
    ended: Tensor | None = None


class RowSlots(NamedTuple):
    """Places in a result: `places[m]` of row `rows[m]`, filled by the accepted row at `positions[m]` at `thetas[m]`.

    `thetas` is None where the step's own end or its polynomial is meant; `ends` marks the pairs that are the step's
    end. In a table of events, `events` says which each is.
    """

    places: Tensor
    rows: Tensor
    positions: Tensor
    thetas: Tensor | None = None
    ends: Tensor | None = None
    events: Tensor | None = None


class RowTimes:
    """Keep the values at each row's own times.

    Arguments:
        times: `(rows, T)`, float64, padded at the end with NaN, in the direction of each row's march.
        counts: how many of them are times, per row.
        sign: the direction of each row, 1 or -1.
        landed: whether steps are made to end on them, so that they move as those steps' ends do.
        reading: what is kept of the states instead of them, a term that gives packed readings; None keeps the states.
        span: whether the one time of each row stands for its end, wherever a terminal event puts it.
    """

    reading: Any = None

    def __init__(
        self,
        times: Tensor,
        counts: Tensor,
        sign: Tensor,
        *,
        landed: bool = False,
        reading: Any = None,
        span: bool = False,
    ) -> None:
        self.span = span
        self._moments, times = times, times.detach()
        self.times, self.counts, self.landed, self.reading = times, counts, landed, reading
        signed = times * sign[:, None]
        self._signed = torch.where(times.isnan(), torch.inf, signed).contiguous()
        self._sign = sign
        self._next = torch.zeros(len(times), dtype=torch.int64, device=times.device)
        self._active = self._signed
        self._parts: list[Tensor] = []
        self._slots: list[RowSlots] = []

    def start(self, t0: Tensor, y0: Tensor) -> RowSlots | None:
        """Keep the initial state once for every save time that equals a row's start."""
        count = torch.searchsorted(self._signed, (t0 * self._sign)[:, None], right=True).squeeze(1)
        count = torch.minimum(count, self.counts)
        rows, places = _expand(torch.zeros_like(count), count)
        self._next = count
        if not len(rows):
            return None
        slots = RowSlots(places, rows, rows)
        self._keep(self.emit_start(y0, slots, None), slots)
        return slots

    def select(self, kept: Tensor) -> None:
        """Follow the active rows: keep those in the mask."""
        self._active, self._next, self._sign = self._active[kept], self._next[kept], self._sign[kept]

    def after(self, taken: RowStep, times: Tensor | None = None) -> RowSlots | None:
        """Keep the values at the save times in `(t0, t1]` of the accepted rows."""
        reached = torch.searchsorted(self._active, (taken.t1 * self._sign)[:, None], right=True).squeeze(1)
        ended = taken.ended if self.span else None
        reached = reached if ended is None else torch.where(ended, 1, reached)
        reached = torch.where(taken.accept, reached, self._next)
        active, places = _expand(self._next, reached)
        self._next = reached
        if not len(active):
            return None
        when = self._active[active, places] * self._sign[active]
        slots = RowSlots(
            places,
            taken.rows[active],
            (taken.accept.cumsum(0) - 1)[active],
            (when - taken.t0[active]) / taken.dt[active],
            when == taken.t1[active] if ended is None else (when == taken.t1[active]) | ended[active],
        )
        self._keep(self.emit(taken.step, slots, times, index=taken.chosen), slots)
        return slots

    def emit(self, step: Any, slots: RowSlots, times: Tensor | None, *, index: Tensor | None = None) -> Tensor:
        """Return the values that fill `slots`.

        Arguments:
            step: the step.
            slots: the places to fill.
            times: the save times `(rows, T)` where they carry a gradient, or None.
            index: where the accepted rows lie in the step; None where it is a step of just those.
        """
        if times is not None and slots.ends is not None:
            wanted = times[slots.rows, slots.places]
            positions = slots.positions
            thetas = (wanted - step.t0[positions]) / step.dt[positions]
            final = slots.places == self.counts[slots.rows] - 1
            if self.landed:  # of times that are equal only the last moves with the end
                after = self.times[slots.rows, (slots.places + 1).clamp(max=self.times.shape[1] - 1)]
                final = final | (after != self.times[slots.rows, slots.places])
            slots = slots._replace(thetas=thetas, ends=slots.ends & final)
        return self._read(_at(step, slots.positions if index is None else index[slots.positions], slots), slots, times)

    def emit_start(self, y0: Tensor, slots: RowSlots, times: Tensor | None) -> Tensor:
        """Return the values at the save times that equal the start; see `emit`."""
        return self._read(y0[slots.rows], slots, times)

    def finish(self, y0: Tensor) -> Tensor:
        """Return the values `(T, rows, ...)`, NaN where a row did not come or has no such time."""
        return self._assemble(self.times.shape[1], y0)

    def cotangent(self, value: Tensor, slots: RowSlots) -> Tensor:
        """Return the part of the result's cotangent that belongs to a step."""
        return value[slots.places, slots.rows]

    def _read(self, states: Tensor, slots: RowSlots, times: Tensor | None) -> Tensor:
        """Return what is kept of states, one for each of the slots."""
        if self.reading is None:
            return states
        moments = (self._moments if times is None else times)[slots.rows, slots.places].to(self.reading.time_dtype)
        column = moments.view(-1, *(1,) * (states.dim() - 1))
        return torch.as_tensor(self.reading.rows(slots.rows).field(column, states))

    def _keep(self, values: Tensor, slots: RowSlots) -> None:
        self._parts.append(values)
        self._slots.append(slots)

    def _assemble(self, length: int, y0: Tensor) -> Tensor:
        like = self._parts[0] if self._parts else y0 if self.reading is None else self.reading.nothing(y0)
        empty = like.new_full((length, y0.shape[0], *like.shape[1:]), float("nan"))
        if not self._parts:
            return empty
        places = torch.cat([slots.places for slots in self._slots])
        rows = torch.cat([slots.rows for slots in self._slots])
        parts, self._parts = self._parts, []
        return empty.index_put((places, rows), torch.cat(parts))


class RowSteps(RowTimes):
    """Keep the initial state and the end of every accepted step of each row.

    Arguments:
        rows: the number of rows.
        device: where they lie.
        every: which steps to keep: each of so many, and the one that reaches the row's end.
        ends: the end of each row's march, where not every step is kept.
    """

    def __init__(self, rows: int, device: torch.device, *, every: int = 1, ends: Tensor | None = None) -> None:
        self._every, self._ends = every, ends
        self._next = torch.zeros(rows, dtype=torch.int64, device=device)
        self._taken = torch.zeros(rows, dtype=torch.int64, device=device)
        self._parts, self._slots = [], []
        self._times: list[Tensor] = []
        self._length = 0

    def start(self, t0: Tensor, y0: Tensor) -> RowSlots | None:
        """Keep the initial state."""
        rows = torch.arange(len(y0), device=y0.device)
        slots = RowSlots(torch.zeros_like(rows), rows, rows)
        self._keep(y0, slots)
        self._times.append(t0)
        self._next = self._next + 1
        self._length = 1
        return slots

    def select(self, kept: Tensor) -> None:
        """Follow the active rows."""
        self._next, self._taken = self._next[kept], self._taken[kept]
        self._ends = None if self._ends is None else self._ends[kept]

    def after(self, taken: RowStep, times: Tensor | None = None) -> RowSlots | None:
        """Keep the ends of the accepted steps."""
        wanted = taken.accept if self._every == 1 else self._due(taken)
        active = wanted.nonzero().squeeze(1)
        if not len(active):
            return None
        slots = RowSlots(self._next[active], taken.rows[active], (taken.accept.cumsum(0) - 1)[active])
        self._next = self._next + wanted
        self._length = max(self._length, int(slots.places.max()) + 1)
        self._times.append(taken.t1[active])
        self._keep(self.emit(taken.step, slots, None, index=taken.chosen), slots)
        return slots

    def emit(self, step: Any, slots: RowSlots, times: Tensor | None, *, index: Tensor | None = None) -> Tensor:
        """Return what is kept of the accepted rows' step."""
        return self._emission(step)[slots.positions if index is None else index[slots.positions]]

    def finish(self, y0: Tensor) -> Tensor:
        """Return the values `(most steps + 1, rows, ...)`, NaN after a row's last."""
        return self._assemble(self._length, y0)

    def step_times(self, rows: int) -> Tensor:
        """Return the times at which steps ended, `(rows, most steps + 1)`, float64, NaN after a row's last."""
        times = torch.cat(self._times)
        table = times.new_full((rows, self._length), float("nan"))
        places = torch.cat([slots.places for slots in self._slots])
        index = torch.cat([slots.rows for slots in self._slots])
        return table.index_put((index, places), times)

    def _due(self, taken: RowStep) -> Tensor:
        """Return which of the accepted rows' steps are to be kept, counting them."""
        self._taken = self._taken + taken.accept
        due = self._taken % self._every == 0
        last = None if self._ends is None else taken.t1 == self._ends
        last = taken.ended if last is None else last if taken.ended is None else last | taken.ended
        return taken.accept & (due if last is None else due | last)

    def _emission(self, step: Any) -> Tensor:
        end: Tensor = step.y1
        return end


class RowDense(RowSteps):
    """Keep the interpolating polynomial of every accepted step: `(most steps, rows, degree + 1, ...)`."""

    def start(self, t0: Tensor, y0: Tensor) -> RowSlots | None:
        """Keep nothing; a polynomial needs a step."""
        return None

    def finish(self, y0: Tensor) -> Tensor:
        """Return the polynomials; constant ones where no row made a step."""
        return self._assemble(self._length, y0) if self._parts else y0[None, :, None]

    def _emission(self, step: Any) -> Tensor:
        return torch.as_tensor(step.coefficients()).movedim(0, 1)


def _expand(first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
    """Return the pairs `(i, first[i]), ..., (i, last[i] - 1)` of every i, as two tensors."""
    count = last - first
    owners = torch.repeat_interleave(count)
    begins = torch.cumsum(count, 0) - count
    return owners, torch.arange(len(owners), device=first.device) - begins[owners] + first[owners]


def _at(step: Any, positions: Tensor, slots: RowSlots) -> Tensor:
    """Return one state for each pair of a row (its position in the step) and a theta."""
    ends: Tensor = step.y1[positions]
    if slots.ends is None or slots.thetas is None or bool(slots.ends.all()):
        return ends
    inside: Tensor = step.scattered(slots.thetas, positions)
    return torch.where(slots.ends.view(-1, *(1,) * (ends.dim() - 1)), ends, inside)
