r"""A dense solution: the steps' interpolating polynomials, joined end to end.

On the step from :math:`t_n` to :math:`t_{n+1}`, with :math:`\theta = (t - t_n)/(t_{n+1} - t_n)`,

.. math::
    y(t) = \sum_p c_{n,p}\, \theta^p, \qquad y'(t) = \frac{1}{t_{n+1} - t_n} \sum_{p \ge 1} p\, c_{n,p}\, \theta^{p-1} .
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..core.errors import InputError

__all__ = ["DensePath", "RowsDensePath"]


class DensePath(NamedTuple):
    """A dense solution whose rows stepped together.

    Attributes:
        knots: the times at which steps began and ended, `(steps + 1,)`, float64, in the direction of the solve.
        coefficients: `(steps, degree + 1, *state)`.
    """

    knots: Tensor
    coefficients: Tensor

    def evaluate(self, t: Tensor, *, derivative: bool = False) -> Tensor:
        """Return the state, or its time derivative, at times `(...)`: `(..., *state)`.

        Raises:
            InputError: a time lies outside the interval that was solved.
        """
        flat = t.reshape(-1).double()
        step, theta, size = _locate(self.knots, flat)
        coefficients = self.coefficients[step]
        theta = theta.view(-1, *(1,) * (coefficients.dim() - 2)).to(_real(coefficients))
        value = _horner(coefficients, theta, derivative=derivative)
        if derivative:
            value = value / size.view_as(theta).to(theta.dtype)
        return value.reshape((*t.shape, *value.shape[1:]))


class RowsDensePath(NamedTuple):
    """A dense solution whose rows stepped each for itself.

    Attributes:
        knots: `(rows, most steps + 1)`, float64, NaN after a row's last.
        coefficients: `(most steps, rows, degree + 1, ...)`.
    """

    knots: Tensor
    coefficients: Tensor

    def evaluate(self, t: Tensor, *, derivative: bool = False) -> Tensor:
        """Return the states, or their time derivatives, at times `(T,)` or `(T, rows)`: `(T, rows, ...)`.

        Raises:
            InputError: a time lies outside a row's interval.
        """
        rows = self.knots.shape[0]
        times = t.double() if t.dim() == 2 else t.double().reshape(-1, 1).expand(-1, rows)
        values = []
        for row in range(rows):
            knots = self.knots[row]
            part = DensePath(knots[~knots.isnan()], self.coefficients[:, row])
            values.append(part.evaluate(times[:, row], derivative=derivative))
        return torch.stack(values, dim=1)


def _locate(knots: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return each time's step, its place within it, and the step's signed size."""
    marks = knots.detach()
    if len(knots) < 2:
        if bool((t != marks[0]).any()):
            raise InputError(f"the solution is known only at t = {float(marks[0])}")
        return torch.zeros_like(t, dtype=torch.int64), torch.zeros_like(t), torch.ones_like(t)
    sign = 1.0 if marks[-1] >= marks[0] else -1.0
    outside = (t * sign < marks[0] * sign) | (t * sign > marks[-1] * sign) | t.isnan()
    if bool(outside.any()):
        worst = float(t[outside][0])
        raise InputError(
            f"t = {worst} lies outside the interval that was solved, {float(marks[0])} to {float(marks[-1])}"
        )
    step = torch.searchsorted((marks * sign).contiguous(), (t.detach() * sign).contiguous(), right=True) - 1
    step = step.clamp(0, len(knots) - 2)
    size = knots[step + 1] - knots[step]
    return step, (t - knots[step]) / size, size


def _horner(coefficients: Tensor, theta: Tensor, *, derivative: bool) -> Tensor:
    powers = coefficients.unbind(1)
    if derivative:
        powers = tuple(power * part for power, part in enumerate(powers))[1:]
    if not powers:
        return torch.zeros_like(coefficients[:, 0])
    value = powers[-1]
    for part in reversed(powers[:-1]):
        value = value * theta + part
    return value


def _real(tensor: Tensor) -> torch.dtype:
    return tensor.real.dtype if tensor.is_complex() else tensor.dtype
