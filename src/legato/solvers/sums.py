r"""Sums over stages, :math:`y_0 + \Delta t \sum_j w_j k_j`, in three arithmetics.

The sums are all that an explicit step does besides calling the field, so they decide what a step costs.

- `BufferSums`: no gradient, one step size for the batch. The stages lie in one buffer and a sum is one matrix-vector
  product, whatever the number of stages.
- `ChainSums`: the same with gradients, as a chain of additions whose backward pass is a chain of multiplications.
- `TensorSums`: the step size is a tensor, one per row, or one that carries a gradient.

The same weights give sums that agree within rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

__all__ = ["BufferSums", "ChainSums", "Sums", "TensorSums"]

Weights = Sequence[float]


class Sums(Protocol):
    """Where the stages of a step live and how they are added up."""

    def times(self, t0: Any, t1: Any, dt: Any, nodes: Sequence[float]) -> Sequence[Tensor]:
        """Return the field's time at each node `c`: `t0 + c dt`, and exactly `t1` where `c` is 1."""

    def put(self, index: int, stage: Tensor) -> None:
        """Keep stage `index`, the stages before it being kept already."""

    def stage(self, index: int) -> Tensor:
        """Return stage `index`."""

    def add(self, y0: Tensor, dt: Any, weights: Weights) -> Tensor:
        """Return `y0 + dt sum_j weights[j] k[j]`."""

    def total(self, dt: Any, weights: Weights) -> Tensor:
        """Return `dt sum_j weights[j] k[j]`."""

    def combine(self, weights: Weights) -> Tensor:
        """Return `sum_j weights[j] k[j]`."""

    def many(self, y0: Tensor, dt: Any, table: Any) -> Tensor:
        """Return `y0 + dt sum_j table[m, j] k[j]` for every row m of a table, stacked in front."""


class BufferSums:
    """Stages in one buffer, sums by one matrix-vector product; made once a solve.

    Arguments:
        rows: the greatest number of stages.
        like: a state.
        time_dtype: the dtype of the field's time.
    """

    def __init__(self, rows: int, like: Tensor, time_dtype: torch.dtype) -> None:
        self._flat = like.new_empty((rows, like.numel()))
        self._slots = list(self._flat.view(rows, *like.shape).unbind(0))
        self._columns = [self._flat[:count].t() for count in range(rows + 1)]
        self._shape = like.shape
        self._like = like
        self._time_dtype = time_dtype
        self._weights: dict[Weights, Tensor] = {}
        self._origin, self._flat_origin = like, like.view(-1)

    def times(self, t0: float, t1: float, dt: float, nodes: Sequence[float]) -> Sequence[Tensor]:
        """Return the field's times, made with one call."""
        values = [t1 if node == 1 else t0 + node * dt for node in nodes]
        return torch.tensor(values, dtype=self._time_dtype, device=self._like.device).unbind()

    def put(self, index: int, stage: Tensor) -> None:
        """Copy a stage into the buffer."""
        self._slots[index].copy_(stage)

    def stage(self, index: int) -> Tensor:
        """Return a view of a stage."""
        return self._slots[index]

    def add(self, y0: Tensor, dt: float, weights: Weights) -> Tensor:
        """Return `y0 + dt sum_j weights[j] k[j]`."""
        if len(weights) == 1:
            return torch.add(y0, self._slots[0], alpha=dt * weights[0])
        columns = self._columns[len(weights)]
        return torch.addmv(self._flattened(y0), columns, self._vector(weights), alpha=dt).view(self._shape)

    def total(self, dt: float, weights: Weights) -> Tensor:
        """Return `dt sum_j weights[j] k[j]`."""
        vector = self._vector(weights)
        return torch.mv(self._columns[len(weights)], vector).mul_(dt).view(self._shape)

    def combine(self, weights: Weights) -> Tensor:
        """Return `sum_j weights[j] k[j]`."""
        return torch.mv(self._columns[len(weights)], self._vector(weights)).view(self._shape)

    def many(self, y0: Tensor, dt: float, table: Sequence[Weights]) -> Tensor:
        """Return `y0 + dt sum_j table[m, j] k[j]` by one matrix product."""
        weights = torch.tensor(table, dtype=self._like.dtype, device=self._like.device)
        stages = self._flat[: weights.shape[1]]
        return torch.addmm(y0.view(1, -1), weights, stages, alpha=dt).view(-1, *self._shape)

    def _flattened(self, y0: Tensor) -> Tensor:
        """Return a state as a vector: a view, made once for the sums of a step."""
        if y0 is not self._origin:
            self._origin, self._flat_origin = y0, y0.view(-1)
        return self._flat_origin

    def _vector(self, weights: Weights) -> Tensor:
        vector = self._weights.get(weights)
        if vector is None:
            vector = self._weights[weights] = torch.tensor(weights, dtype=self._like.dtype, device=self._like.device)
        return vector


class ChainSums:
    """Stages in a list, sums by chained additions; the step size is a number."""

    def __init__(self, time_dtype: torch.dtype, device: torch.device) -> None:
        self._stages: list[Tensor] = []
        self._time_dtype = time_dtype
        self._device = device

    def times(self, t0: float, t1: float, dt: float, nodes: Sequence[float]) -> Sequence[Tensor]:
        """Return the field's times, made with one call."""
        values = [t1 if node == 1 else t0 + node * dt for node in nodes]
        return torch.tensor(values, dtype=self._time_dtype, device=self._device).unbind()

    def put(self, index: int, stage: Tensor) -> None:
        """Keep a stage, forgetting the ones after it."""
        del self._stages[index:]
        self._stages.append(stage)

    def stage(self, index: int) -> Tensor:
        """Return a stage."""
        return self._stages[index]

    def add(self, y0: Tensor, dt: float, weights: Weights) -> Tensor:
        """Return `y0 + dt sum_j weights[j] k[j]`."""
        total = y0
        for weight, stage in zip(weights, self._stages, strict=False):
            if weight:
                total = torch.add(total, stage, alpha=dt * weight)
        return total

    def total(self, dt: float, weights: Weights) -> Tensor:
        """Return `dt sum_j weights[j] k[j]`."""
        return self.add(torch.zeros_like(self._stages[0]), dt, weights)

    def combine(self, weights: Weights) -> Tensor:
        """Return `sum_j weights[j] k[j]`."""
        return self.total(1.0, weights)

    def many(self, y0: Tensor, dt: float, table: Sequence[Weights]) -> Tensor:
        """Return `y0 + dt sum_j table[m, j] k[j]`, stacked."""
        return torch.stack([self.add(y0, dt, weights) for weights in table])


class TensorSums:
    """Stages in a list; the times and the step size are tensors, 0-d or one per row."""

    def __init__(self, like: Tensor, time_dtype: torch.dtype) -> None:
        self._stages: list[Tensor] = []
        self._dtype = like.real.dtype if like.is_complex() else like.dtype
        self._tail = (1,) * (like.dim() - 1)
        self._time_dtype = time_dtype

    def times(self, t0: Tensor, t1: Tensor, dt: Tensor, nodes: Sequence[float]) -> Sequence[Tensor]:
        """Return the field's times, 0-d or of shape `(rows, 1, ...)`."""
        made = {node: t1 if node == 1 else torch.add(t0, dt, alpha=node) for node in set(nodes)}
        shaped = {node: self._column(time).to(self._time_dtype) for node, time in made.items()}
        return [shaped[node] for node in nodes]

    def put(self, index: int, stage: Tensor) -> None:
        """Keep a stage, forgetting the ones after it."""
        del self._stages[index:]
        self._stages.append(stage)

    def stage(self, index: int) -> Tensor:
        """Return a stage."""
        return self._stages[index]

    def add(self, y0: Tensor, dt: Tensor, weights: Weights) -> Tensor:
        """Return `y0 + dt sum_j weights[j] k[j]`."""
        return y0 + self.total(dt, weights)

    def total(self, dt: Tensor, weights: Weights) -> Tensor:
        """Return `dt sum_j weights[j] k[j]`."""
        return self.combine(weights) * self._column(dt).to(self._dtype)

    def combine(self, weights: Weights) -> Tensor:
        """Return `sum_j weights[j] k[j]`.

        Products and sums are rounded one by one, never fused, so that a row's bits do not depend on where in the batch
        it lies.
        """
        total: Tensor | None = None
        for weight, stage in zip(weights, self._stages, strict=False):
            if weight:
                part = stage * weight
                total = part if total is None else total + part
        return torch.zeros_like(self._stages[0]) if total is None else total

    def many(self, y0: Tensor, dt: Tensor, table: Tensor) -> Tensor:
        """Return `y0 + dt sum_j table[m, j] k[j]`; the step size is 0-d, and the table may carry a gradient."""
        table = table.to(self._dtype).view(*table.shape, *(1,) * y0.dim())
        parts = [table[:, j] * stage for j, stage in zip(range(table.shape[1]), self._stages, strict=False)]
        return y0 + sum(parts[1:], parts[0]) * dt.to(self._dtype)

    def scattered(self, y0: Tensor, dt: Tensor, table: Tensor, rows: Tensor) -> Tensor:
        """Return `y0[r] + dt[r] sum_j table[m, j] k[j][r]`, `r = rows[m]`: a value for each pair of row and time."""
        table = table.to(self._dtype).view(*table.shape, *self._tail)
        parts = [table[:, j] * stage[rows] for j, stage in zip(range(table.shape[1]), self._stages, strict=False)]
        return y0[rows] + sum(parts[1:], parts[0]) * self._column(dt[rows]).to(self._dtype)

    def _column(self, value: Tensor) -> Tensor:
        return value if value.dim() == 0 else value.view(-1, *self._tail)
