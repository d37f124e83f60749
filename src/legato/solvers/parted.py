"""A step that some rows take by one method and the others by another."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .demand import Carry, Demand
from .sums import BufferSums, ChainSums, Sums, TensorSums

__all__ = ["PartedStep", "part_step", "sums_for"]


def sums_for(count: int, y0: Tensor, dt: Any, *, time_dtype: torch.dtype, graph: bool) -> Sums:
    """Return sums of their own for a step: on tensors where its size is one, in a buffer where no graph is kept."""
    if isinstance(dt, Tensor):
        return TensorSums(y0, time_dtype)
    if graph or not y0.is_contiguous():
        return ChainSums(time_dtype, y0.device)
    return BufferSums(count, y0, time_dtype)


def part_step(
    solver: Any,
    index: Tensor,
    term: Any,
    t0: Any,
    t1: Any,
    y0: Tensor,
    carry: Carry,
    *,
    dt: Any,
    demand: Demand,
) -> Any:
    """Take a step of some rows alone.

    Arguments:
        solver: the method.
        index: which rows, along the state's first axis.
        term, t0, t1, y0, carry, dt, demand: as in `ExplicitRungeKutta.step`, of all rows.
    """

    def pick(value: Any) -> Any:
        return value[index] if isinstance(value, Tensor) and value.dim() > 0 and len(value) == len(y0) else value

    tolerances = demand.tolerances
    if tolerances is not None:
        tolerances = tolerances.rows(index, len(y0))
    mine = y0[index]
    size = pick(dt)
    return solver.step(
        term.rows(index),
        pick(t0),
        pick(t1),
        mine,
        None if carry is None else tuple(pick(part) for part in carry),
        dt=size,
        sums=sums_for(solver.slopes, mine, size, time_dtype=term.time_dtype, graph=demand.derivatives > 0),
        demand=demand._replace(tolerances=tolerances, limit=pick(demand.limit)),
    )


class PartedStep:
    """Two steps of the rows in `first` and in `second`, seen as one of all rows."""

    def __init__(self, steps: tuple[Any, Any], places: tuple[Tensor, Tensor], *, y0: Tensor, times: Any) -> None:
        self.steps, self.places, self.y0 = steps, places, y0
        self.t0, self.t1, self.dt = times
        self.y1 = self._whole([step.y1 for step in steps])

    @property
    def made(self) -> tuple[Tensor, ...]:
        """Leaf tensors of the steps' own that their graphs hold."""
        return tuple(leaf for step in self.steps for leaf in step.made)

    @property
    def failed(self) -> Tensor | None:
        """The mask of rows whose equations were not solved."""
        masks = [step.failed for step in self.steps]
        if all(mask is None for mask in masks):
            return None
        parts = [
            torch.zeros(len(place), dtype=torch.bool, device=place.device) if mask is None else mask
            for mask, place in zip(masks, self.places, strict=True)
        ]
        return self._whole(parts)

    @property
    def carry(self) -> Carry:
        """What both steps hand on, as far as both do."""
        return self._carries([step.carry for step in self.steps])

    @property
    def retry(self) -> Carry:
        """What both attempts may begin again with, as far as both say."""
        return self._carries([step.retry for step in self.steps])

    def complete(self) -> None:
        """Evaluate what the errors need."""
        for step in self.steps:
            step.complete()

    def errors(self) -> tuple[Tensor, ...]:
        """Return the one error estimate."""
        return (self._whole([step.errors()[0] for step in self.steps]),)

    def values(self, thetas: Any) -> Tensor:
        """Return the states at `t0 + theta dt`, stacked in front."""
        return self._whole([step.values(thetas) for step in self.steps], axis=1)

    def scattered(self, thetas: Tensor, rows: Tensor) -> Tensor:
        """Return one state for each pair of a row and a theta."""
        owner = torch.zeros(len(self.y0), dtype=torch.int64, device=rows.device)
        local = torch.zeros_like(owner)
        for number, place in enumerate(self.places):
            owner[place] = number
            local[place] = torch.arange(len(place), device=rows.device)
        order, parts = [], []
        for number, step in enumerate(self.steps):
            chosen = (owner[rows] == number).nonzero().squeeze(1)
            if len(chosen):
                order.append(chosen)
                parts.append(step.scattered(thetas[chosen], local[rows[chosen]]))
        return torch.cat(parts)[torch.argsort(torch.cat(order))]

    def coefficients(self) -> Tensor:
        """Return the interpolants as polynomials of one degree, stacked in front."""
        found = [step.coefficients() for step in self.steps]
        degree = max(len(part) for part in found)
        padded = [
            torch.cat([part, part.new_zeros(degree - len(part), *part.shape[1:])]) if len(part) < degree else part
            for part in found
        ]
        return self._whole(padded, axis=1)

    def _carries(self, parts: list[Carry]) -> Carry:
        first, second = parts
        if first is None or second is None:
            return None
        return tuple(self._whole([left, right]) for left, right in zip(first, second, strict=False))

    def _whole(self, parts: list[Tensor], axis: int = 0) -> Tensor:
        joined = torch.cat(parts, dim=axis)
        return joined.index_select(axis, torch.argsort(torch.cat(self.places)))
