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
        step, theta, size = (part[0] for part in _locate(self.knots[None], flat[None], derivative=derivative))
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
        coefficients: `(most steps, rows, degree + 1, ...)`; where a row made no step the first is its state.
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
        step, theta, size = (part.t() for part in _locate(self.knots, times.t(), derivative=derivative))
        coefficients = self.coefficients[step, torch.arange(rows, device=step.device)].flatten(0, 1)
        shape = (-1, *(1,) * (coefficients.dim() - 2))
        value = _horner(coefficients, theta.reshape(shape).to(_real(coefficients)), derivative=derivative)
        if derivative:
            value = value / size.reshape(shape).to(_real(coefficients))
        return value.view(*step.shape, *value.shape[1:])


def _locate(knots: Tensor, t: Tensor, *, derivative: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Return each time's step, its place within it, and the step's signed size.

    Arguments:
        knots: `(rows, most steps + 1)`, NaN after a row's last; a row of one knot has made no step.
        t: `(rows, T)`.
    """
    marks, times = knots.detach(), t.detach().contiguous()
    last = (~marks.isnan()).sum(dim=1, keepdim=True) - 1
    if derivative and bool((last == 0).any()):
        raise InputError("an interval of no length has no derivative in its dense solution; call the field")
    begin, end = marks[:, :1], marks.gather(1, last)
    sign = torch.where(end >= begin, 1.0, -1.0)
    outside = (times * sign < begin * sign) | (times * sign > end * sign) | times.isnan()
    if bool(outside.any()):
        row, place = outside.nonzero()[0].tolist()
        of = f" of sample {row}" if len(knots) > 1 else ""
        raise InputError(
            f"t = {float(times[row, place])} lies outside the interval{of} that was solved, {float(begin[row])} to "
            f"{float(end[row])}"
        )
    ordered = torch.where(marks.isnan(), torch.inf, marks * sign).contiguous()
    step = torch.searchsorted(ordered, times * sign, right=True) - 1
    step = step.minimum(last - 1).clamp(min=0)
    start = knots.gather(1, step)
    size = torch.where(last == 0, 1.0, knots.gather(1, (step + 1).minimum(last)) - start)
    return step, (t - start) / size, size


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
