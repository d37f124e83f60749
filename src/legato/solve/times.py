"""The times of a solve, in the four forms that a user may give them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..core.errors import InputError

__all__ = ["TimePlan", "read_times"]


class TimePlan(NamedTuple):
    """Times, coerced.

    Attributes:
        per_sample: whether every sample has its own.
        t0, t1: the ends, float64: 0-d, or `(rows,)`.
        save: the times to keep, float64: `(T,)`, or `(rows, T)` padded with NaN at the end.
        counts: `(rows,)`, how many of `save` are times; None where the samples share them.
        gradient: whether the user's times require a gradient.
        span: whether only the end is kept, wherever it comes to lie.
    """

    per_sample: bool
    t0: Tensor
    t1: Tensor
    save: Tensor
    counts: Tensor | None
    gradient: bool
    span: bool = False

    def expanded(self, rows: int) -> TimePlan:
        """Return the plan with every sample given the shared times."""
        if self.per_sample:
            return self
        count = torch.full((rows,), len(self.save), dtype=torch.int64, device=self.save.device)
        return TimePlan(
            True,
            self.t0.expand(rows),
            self.t1.expand(rows),
            self.save.expand(rows, -1),
            count,
            self.gradient,
            self.span,
        )


def read_times(t: Any, *, rows: int, device: torch.device) -> TimePlan:
    """Return the times of a solve.

    Arguments:
        t: a tuple of two, a span, of numbers or `(rows,)` tensors; a list of numbers or a 1-D tensor, a grid; a 2-D
            tensor, one grid per sample; a list of 1-D tensors, ragged grids.
        rows: the number of samples.
        device: where the state lives.

    Raises:
        InputError: times that are empty, not finite, not monotone, or do not fit the batch.
    """
    if isinstance(t, tuple):
        return _span(t, rows, device)
    if isinstance(t, list) and t and all(isinstance(part, Tensor) and part.dim() == 1 for part in t):
        return _ragged(t, rows, device)
    grid = _as_times(t, device)
    if grid.dim() == 1:
        if len(grid) == 0:
            raise InputError("t is empty; give a span (t0, t1) or a grid whose first entry is the start")
        _check(grid.detach()[None])
        return TimePlan(False, grid[0], grid[-1], grid, None, grid.requires_grad)
    if grid.dim() == 2:
        if grid.shape[0] != rows or grid.shape[1] == 0:
            raise InputError(f"t has shape {tuple(grid.shape)}; one grid per sample needs {rows} rows and some times")
        _check(grid.detach())
        counts = torch.full((rows,), grid.shape[1], dtype=torch.int64, device=device)
        return TimePlan(True, grid[:, 0], grid[:, -1], grid, counts, grid.requires_grad)
    raise InputError(f"t has {grid.dim()} axes; expected a span (t0, t1), a 1-D grid, or a 2-D tensor (samples, times)")


def _span(t: tuple, rows: int, device: torch.device) -> TimePlan:
    if len(t) != 2:
        raise InputError(
            f"a tuple of times is a span (t0, t1); got {len(t)} entries. Pass a grid as a list or a tensor"
        )
    if all(type(part) in (int, float) and math.isfinite(part) for part in t):
        ends = torch.tensor(t, dtype=torch.float64, device=device)
        return TimePlan(False, ends[0], ends[1], ends[1:], None, False, True)
    t0, t1 = (_as_times(part, device) for part in t)
    if t0.dim() > 1 or t1.dim() > 1:
        raise InputError("the ends of a span are numbers or tensors of one entry per sample")
    gradient = t0.requires_grad or t1.requires_grad
    if t0.dim() == 0 and t1.dim() == 0:
        _check(torch.stack([t0.detach(), t1.detach()])[None])
        return TimePlan(False, t0, t1, t1[None], None, gradient, True)
    for end in (t0, t1):
        if end.dim() == 1 and len(end) != rows:
            raise InputError(f"an end of the span has {len(end)} entries for {rows} samples")
    t0, t1 = t0.expand(rows), t1.expand(rows)
    _check(torch.stack([t0.detach(), t1.detach()], dim=1))
    count = torch.ones(rows, dtype=torch.int64, device=device)
    return TimePlan(True, t0, t1, t1[:, None], count, gradient, True)


def _ragged(parts: Sequence[Tensor], rows: int, device: torch.device) -> TimePlan:
    if len(parts) != rows:
        raise InputError(f"t holds {len(parts)} grids for {rows} samples; give one grid per sample")
    grids = [_as_times(part, device) for part in parts]
    empty = [row for row, grid in enumerate(grids) if len(grid) == 0]
    if empty:
        raise InputError(f"the time grid of sample {empty[0]} is empty; its first entry is its start")
    save = torch.nn.utils.rnn.pad_sequence(grids, batch_first=True, padding_value=float("nan"))
    for row, grid in enumerate(grids):
        _check(grid.detach()[None], sample=row)
    counts = torch.tensor([len(grid) for grid in grids], dtype=torch.int64, device=device)
    t0 = torch.stack([grid[0] for grid in grids])
    t1 = torch.stack([grid[-1] for grid in grids])
    return TimePlan(True, t0, t1, save, counts, save.requires_grad)


def _as_times(value: Any, device: torch.device) -> Tensor:
    """Return times as float64: numbers never pass through the default dtype, tensors in a list keep their gradient."""
    try:
        if isinstance(value, list | tuple) and any(isinstance(part, Tensor) for part in value):
            value = torch.stack([torch.as_tensor(part, dtype=torch.float64, device=device) for part in value])
        plain = isinstance(value, float | list | tuple)
        times = torch.as_tensor(value, dtype=torch.float64 if plain else None, device=device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"t must hold numbers: {error}") from None
    if times.is_complex() or times.dtype == torch.bool:
        raise InputError(f"t must hold real numbers; got {times.dtype}")
    return times.double()


def _check(grids: Tensor, *, sample: int | None = None) -> None:
    """Refuse times that are not finite or not monotone; `grids` is `(samples, T)`."""
    finite = grids.isfinite().all(dim=1)
    if not bool(finite.all()):
        row = int((~finite).nonzero()[0]) if sample is None else sample
        of = f" of sample {row}" if grids.shape[0] > 1 or sample is not None else ""
        raise InputError(f"the times{of} hold NaN or infinity; every time must be finite")
    steps = grids.diff(dim=1)
    turning = (steps > 0).any(dim=1) & (steps < 0).any(dim=1)
    if bool(turning.any()):
        row = int(turning.nonzero()[0]) if sample is None else sample
        of = f" of sample {row}" if grids.shape[0] > 1 or sample is not None else ""
        raise InputError(f"the times{of} turn back; a grid must not change direction. Sort it")
