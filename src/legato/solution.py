"""What a solve returns."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .core.errors import InputError
from .core.packing import Layout
from .core.status import Status
from .paths import RowsDensePath

__all__ = ["Events", "Solution", "Stats", "diagnosis"]


class Stats(NamedTuple):
    """Counts of a solve, one per sample, shaped like the batch.

    Attributes:
        steps: attempted steps.
        accepted: accepted steps.
        evaluations: field evaluations that the sample took part in.
        checks: field evaluations made to check its contract, of the whole batch.
        engine: the engine that ran.
        gradient: the gradient that is attached, or "none".
    """

    steps: Tensor
    accepted: Tensor
    evaluations: Tensor
    checks: int
    engine: str
    gradient: str

    @property
    def rejected(self) -> Tensor:
        """Attempted steps that were not accepted."""
        return self.steps - self.accepted


@dataclass(frozen=True, kw_only=True)
class Events:
    """What happened on the way; the first axis numbers a sample's events, up to the most that any sample had.

    Attributes:
        count: how many events each sample had, shaped like the batch.
        times: when, `(most events, *batch)`, float64, in the order of the march; NaN after a sample's last.
        states: the states there, `(most events, *state)`, in the structure of `y0`; before a jump.
        index: which event of `events=` it was, -1 after a sample's last.
        mask: which entries are events.
    """

    count: Tensor
    times: Tensor
    states: Any
    index: Tensor
    mask: Tensor


@dataclass(frozen=True, kw_only=True)
class Solution:
    """The outcome of `legato.solve`.

    Attributes:
        ys: the states, time first: `(T, *state)`, in the structure of `y0`; NaN where a sample was not reached. With a
            function in `save`, what it returned, in its structure.
        ts: the times that go with them: `(T,)`, or `(samples, T)` where each sample has its own, NaN where padded.
        status: a `Status` code per sample, shaped like the batch.
        t_reached: how far each sample came, float64.
        stats: counts.
        mask: `(T, samples)`, which entries of `ys` are times that were asked for; None where all samples share the
            times.
        events: what happened on the way, or None where no events were given.
    """

    ys: Any
    ts: Tensor
    status: Tensor
    t_reached: Tensor
    stats: Stats
    mask: Tensor | None = None
    events: Events | None = None
    _layout: Layout = field(repr=False)
    _state_layout: Layout = field(repr=False)
    _packed_ys: Tensor = field(repr=False)
    _path: Any = field(default=None, repr=False)

    def __call__(self, t: Any) -> Any:
        """Return the state at any time of the interval, from the dense output.

        Arguments:
            t: a time or several, of any shape; under independent steps `(T,)` for all samples or `(T, samples)`.

        Raises:
            InputError: the solve was made without `dense=True`, or a time lies outside the interval.
        """
        return self._evaluate(t, derivative=False)

    def derivative(self, t: Any) -> Any:
        """Return the time derivative of the dense output; see `__call__`."""
        return self._evaluate(t, derivative=True)

    @property
    def success(self) -> bool:
        """Whether every sample reached what was asked for."""
        return bool(((self.status == int(Status.SUCCESS)) | (self.status == int(Status.EVENT))).all())

    @property
    def packed(self) -> Any:
        """The states at the times that were asked for, sample after sample: `(observations, *state)`."""
        layout, values = self._layout, self._packed_ys
        rows = values.reshape(values.shape[0], layout.rows, *values.shape[1 + layout.batch_dims :])
        if self.mask is None:
            chosen = rows.movedim(0, 1).reshape(-1, *rows.shape[2:])
        else:
            chosen = rows.movedim(0, 1)[self.mask.reshape(len(rows), -1).movedim(0, 1)]
        single = layout._replace(batch_shape=torch.Size(()))
        return single.unpack(chosen, leading=1)

    def _evaluate(self, t: Any, *, derivative: bool) -> Any:
        times = torch.as_tensor(t, dtype=torch.float64, device=self.t_reached.device)
        layout = self._state_layout
        state = (*layout.batch_shape, *(layout.shapes[0] if layout.lone else (sum(layout.sizes),)))
        leading = times.shape[:1] if isinstance(self._path, RowsDensePath) else times.shape
        if self._path is None and math.prod(state):
            raise InputError("this solution has no dense output; pass dense=True to solve")
        if self._path is None:
            value = torch.zeros(0, dtype=layout.dtype, device=times.device)
        else:
            value = self._path.evaluate(times, derivative=derivative).to(layout.dtype)
        return layout.unpack(value.reshape((*leading, *state)), leading=len(leading))


def diagnosis(status: Tensor, t_reached: Tensor, component: Tensor, layout: Layout) -> str:
    """Return which samples failed, when, in which component, and what to try.

    Arguments:
        status, t_reached, component: per sample, flat.
        layout: how the state is packed.
    """
    codes = [int(code) for code in status.tolist()]
    failed = [row for row, code in enumerate(codes) if not Status(code).good]
    lines = [f"{len(failed)} of {len(codes)} samples did not reach the end."]
    for code in sorted({codes[row] for row in failed}):
        rows = [row for row in failed if codes[row] == code]
        first = min(rows, key=lambda row: float(t_reached[row]))
        where = f"sample {first} at t = {float(t_reached[first]):.6g}"
        if int(component[first]) >= 0:
            where += f", {layout.component(int(component[first]))}"
        count = f"{len(rows)} x " if len(rows) > 1 else ""
        lines.append(
            f"{count}{Status(code).name} ({where}{', the earliest' if len(rows) > 1 else ''}): {Status(code).advice}."
        )
    return "\n".join(lines)
