r"""A step that was taken by a method with stages, and what may be asked of it.

.. math::
    y(t_0 + \theta\,\Delta t) = y_0 + \Delta t \sum_i b_i(\theta)\, k_i, \qquad
    b_i(\theta) = \sum_{n \ge 1} d_{in}\, \theta^n .
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .demand import Carry
from .sums import Sums, TensorSums

__all__ = ["StageStep", "dense_table", "dense_weights"]

Rows = tuple[tuple[float, ...], ...]


class StageStep:
    """One attempted step: its end, its error, its interpolant.

    The stages live in the sums that the step was made with, so errors and interpolated values are to be taken before
    the next step. Each kind of method says what its step hands on, and what it has to evaluate first.

    Attributes:
        t0, t1, dt: where the step begins and ends, and its signed size.
        y0, y1: the states there.
        failed: the mask `(rows,)` of rows whose equations were not solved, or None where there are none to solve.
        made: leaf tensors of the step's own that its graph holds.
    """

    __slots__ = ("_dense", "_errors", "dt", "failed", "made", "sums", "t0", "t1", "y0", "y1")

    def __init__(
        self, sums: Sums, *, t0: Any, t1: Any, dt: Any, y0: Tensor, y1: Tensor, errors: Rows, dense: Rows
    ) -> None:
        self.sums, self.t0, self.t1, self.dt, self.y0, self.y1 = sums, t0, t1, dt, y0, y1
        self._errors, self._dense = errors, dense
        self.failed: Tensor | None = None
        self.made: tuple[Tensor, ...] = ()

    @property
    def carry(self) -> Carry:
        """What the next step may begin with, once this one is accepted."""
        return None

    @property
    def retry(self) -> Carry:
        """What another attempt from the same state may begin with, once this one is refused."""
        return (self.sums.stage(0),)

    def complete(self) -> None:
        """Evaluate the stages that the error needs, once."""

    def prepare(self) -> None:
        """Evaluate the stages that the interpolant needs, once."""

    def errors(self) -> tuple[Tensor, ...]:
        """Return the local error estimates: none, one, or the two that DOP853 combines."""
        self.complete()
        return tuple(self.sums.total(self.dt, weights) for weights in self._errors)

    def values(self, thetas: Any) -> Tensor:
        """Return the states at `t0 + theta dt` for several theta in (0, 1), stacked in front.

        Arguments:
            thetas: numbers, or a 1-D tensor where the sums work on tensors.
        """
        self.prepare()
        if isinstance(thetas, Tensor):
            return self.sums.many(self.y0, self.dt, dense_table(self._dense, thetas))
        return self.sums.many(self.y0, self.dt, [dense_weights(self._dense, theta) for theta in thetas])

    def scattered(self, thetas: Tensor, rows: Tensor) -> Tensor:
        """Return one state for each pair of a row and a theta: `y[rows[m]](t0 + thetas[m] dt)`, for sums on tensors."""
        self.prepare()
        assert isinstance(self.sums, TensorSums)
        return self.sums.scattered(self.y0, self.dt, dense_table(self._dense, thetas), rows)

    def coefficients(self) -> Tensor:
        """Return the interpolant as a polynomial in theta: coefficients of theta^0, theta^1, ..., stacked in front."""
        self.prepare()
        columns = zip(*self._dense, strict=True)
        return torch.stack([self.y0, *(self.sums.total(self.dt, column) for column in columns)])


def dense_weights(dense: Rows, theta: float) -> tuple[float, ...]:
    """Return `b_i(theta)` of every stage, from the coefficients of theta, theta^2, ..."""
    weights = []
    for row in dense:
        value = 0.0
        for coefficient in reversed(row):
            value = (value + coefficient) * theta
        weights.append(value)
    return tuple(weights)


def dense_table(dense: Rows, thetas: Tensor) -> Tensor:
    """Return `b_i(theta)` for a 1-D float64 tensor of theta, of shape `(thetas, stages)`."""
    coefficients = torch.tensor(dense, dtype=thetas.dtype, device=thetas.device)
    value = torch.zeros(len(thetas), len(dense), dtype=thetas.dtype, device=thetas.device)
    for power in reversed(range(coefficients.shape[1])):
        value = (value + coefficients[:, power]) * thetas[:, None]
    return value
