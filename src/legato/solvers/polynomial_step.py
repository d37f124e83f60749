r"""A step that was taken by a method without stages, and its interpolant, one polynomial in the step's coordinate.

.. math::
    y(t_0 + \theta\,\Delta t) = \sum_n c_n\, \theta^n, \qquad
    c_0 = y_0,\; c_1 = \Delta t f_0,\; c_2 = 3 (y_1 - y_0) - \Delta t (2 f_0 + f_1),\;
    c_3 = \Delta t (f_0 + f_1) - 2 (y_1 - y_0)

for the cubic that takes the values and slopes of both ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .demand import Carry

__all__ = ["PolynomialStep", "cubic", "factor"]


class PolynomialStep:
    """One attempted step: its end, its error, its interpolant.

    Each method says what its step hands on, what it estimates its error by, and what its polynomial is.

    Attributes:
        t0, t1, dt: where the step begins and ends, and its signed size.
        y0, y1: the states there.
        failed: the mask of rows whose equations were not solved; None where there are none to solve.
        made: leaf tensors of the step's own that its graph holds: none.
    """

    failed: Tensor | None = None
    made: tuple[Tensor, ...] = ()

    def __init__(self, *, t0: Any, t1: Any, dt: Any, y0: Tensor, y1: Tensor) -> None:
        self.t0, self.t1, self.dt, self.y0, self.y1 = t0, t1, dt, y0, y1
        self._polynomial: tuple[Tensor, ...] | None = None

    @property
    def carry(self) -> Carry:
        """What the next step may begin with, once this one is accepted."""
        return None

    @property
    def retry(self) -> Carry:
        """What another attempt from the same state may begin with, once this one is refused."""
        return None

    def complete(self) -> None:
        """Evaluate what the error needs, once."""

    def errors(self) -> tuple[Tensor, ...]:
        """Return the local error estimates."""
        return ()

    def polynomial(self) -> Sequence[Tensor]:
        """Return the coefficients of theta^0, theta^1, ..., evaluating what they need."""
        raise NotImplementedError

    def prepare(self) -> tuple[Tensor, ...]:
        """Return the coefficients, made once."""
        if self._polynomial is None:
            self._polynomial = tuple(self.polynomial())
        return self._polynomial

    def values(self, thetas: Any) -> Tensor:
        """Return the states at `t0 + theta dt` for several theta in (0, 1), stacked in front.

        Arguments:
            thetas: numbers, or a 1-D tensor.
        """
        powers = self.prepare()
        if isinstance(thetas, Tensor):
            return _horner([power[None] for power in powers], _column(thetas, self.y0.dim(), self.y0))
        return torch.stack([_horner(powers, theta) for theta in thetas])

    def scattered(self, thetas: Tensor, rows: Tensor) -> Tensor:
        """Return one state for each pair of a row and a theta: `y[rows[m]](t0 + thetas[m] dt)`."""
        return _horner([power[rows] for power in self.prepare()], _column(thetas, self.y0.dim() - 1, self.y0))

    def coefficients(self) -> Tensor:
        """Return the interpolant as a polynomial in theta: coefficients of theta^0, theta^1, ..., stacked in front."""
        return torch.stack(self.prepare())


def factor(dt: Any, like: Tensor) -> Any:
    """Return a step size, or anything that a row has one of, as a factor of states: a number, or a tensor's rows."""
    return _column(dt, like.dim() - 1, like) if isinstance(dt, Tensor) else dt


def cubic(y0: Tensor, y1: Tensor, slope0: Tensor, slope1: Tensor) -> tuple[Tensor, ...]:
    """Return the coefficients of the cubic that takes both values, and both slopes by theta (`dt` times the field)."""
    rise = y1 - y0
    return y0, slope0, 3 * rise - 2 * slope0 - slope1, slope0 + slope1 - 2 * rise


def _column(value: Tensor, axes: int, like: Tensor) -> Tensor:
    value = value.to(like.real.dtype if like.is_complex() else like.dtype)
    return value.view(-1, *(1,) * axes) if value.dim() else value


def _horner(powers: Sequence[Tensor], theta: Any) -> Tensor:
    value = powers[-1]
    for power in reversed(powers[:-1]):
        value = value * theta + power
    return value
