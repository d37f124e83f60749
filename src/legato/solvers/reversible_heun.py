r"""The reversible Heun method: Heun's, with a copy that can be stepped back in closed form.

.. math::
    \hat y_1 = 2 y_0 - \hat y_0 + \Delta t\, \hat f_0, \qquad \hat f_1 = f(t_1, \hat y_1), \qquad
    y_1 = y_0 + \tfrac{\Delta t}{2} (\hat f_0 + \hat f_1),

begun with :math:`\hat y_0 = y_0`. The error estimate, of order one, is :math:`\tfrac{\Delta t}{2} (\hat f_1 - \hat
f_0)`. The same formulas with :math:`-\Delta t` lead back from :math:`(y_1, \hat y_1)` to :math:`(y_0, \hat y_0)`.

Only oscillations keep the copy near the solution. Where solutions contract at a rate :math:`k` the gap between the two
grows as :math:`e^{k t}`; the error estimate sees it and shrinks the steps, so such solves end slowly, or with a status
that says so.

Reference: P. Kidger, J. Foster, X. Li, T. Lyons, Efficient and accurate gradients for neural SDEs, 2021.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from .demand import Carry, Demand
from .polynomial_step import PolynomialStep, cubic, factor
from .sums import Sums

__all__ = ["ReversibleHeun", "ReversibleHeunStep"]


class ReversibleHeunStep(PolynomialStep):
    """One step, interpolated by the cubic through both ends with the slopes of the copy.

    Arguments:
        copies: the copy at the start and at the end.
        slopes: `dt` times the field at the copies.
        fields: the field there.
    """

    def __init__(
        self,
        *,
        copies: tuple[Tensor, Tensor],
        slopes: tuple[Tensor, Tensor],
        fields: tuple[Tensor, Tensor],
        **ends: Any,
    ) -> None:
        super().__init__(**ends)
        self._copies, self._slopes, self._fields = copies, slopes, fields

    @property
    def carry(self) -> Carry:
        """The copy at the end, which is history, and the field there, which is derived from it."""
        return (self._copies[1], self._fields[1])

    @property
    def retry(self) -> Carry:
        """The same at the start."""
        return (self._copies[0], self._fields[0])

    def errors(self) -> tuple[Tensor, ...]:
        """Return half the difference of the slopes."""
        return (0.5 * (self._slopes[1] - self._slopes[0]),)

    def polynomial(self) -> Sequence[Tensor]:
        """Return the cubic; nothing is evaluated."""
        return cubic(self.y0, self.y1, *self._slopes)


class ReversibleHeun:
    """The reversible Heun method.

    Order 2, embedded order 1, one evaluation a step, dense order 2, stable on oscillations below one radian a step and
    on no decay. The interpolant's slopes are those of the copy, which differ from the field's by O(h^2).

    Reference: P. Kidger, J. Foster, X. Li, T. Lyons, Efficient and accurate gradients for neural SDEs, 2021.

    Example:
        >>> from legato.solvers import ReversibleHeun
        >>> ReversibleHeun().history
        1
    """

    accepts = "ode"
    implicit = False
    name = "ReversibleHeun"
    order = 2
    error_order = 1
    dense_order = 2
    stages = 1
    slopes = 1
    history = 1
    adaptive = True
    source = "P. Kidger, J. Foster, X. Li, T. Lyons, Efficient and accurate gradients for neural SDEs, 2021"

    def __repr__(self) -> str:
        return "ReversibleHeun(order 2)"

    @staticmethod
    def combine(norms: tuple[Tensor, ...]) -> Tensor:
        """Return the norm of the one error estimate."""
        return norms[0]

    @staticmethod
    def start(term: Any, t0: Tensor, y0: Tensor, f0: Tensor | None = None) -> Carry:
        """Return what the first step may begin with: the state as its copy, and `f(t0, y0)`."""
        return (y0, term.field(t0, y0) if f0 is None else f0)

    def step(
        self, term: Any, t0: Any, t1: Any, y0: Tensor, carry: Carry, *, dt: Any, sums: Sums, demand: Demand
    ) -> ReversibleHeunStep:
        """Take one step; see `ExplicitRungeKutta.step`."""
        begin, end = sums.times(t0, t1, dt, (0.0, 1.0))
        copy = y0 if carry is None else carry[0]
        field = carry[1] if carry is not None and len(carry) > 1 else term.field(begin, copy)
        size = factor(dt, y0)
        slope = field * size
        onward = 2 * y0 - copy + slope
        last = term.field(end, onward)
        final = last * size
        return ReversibleHeunStep(
            t0=t0,
            t1=t1,
            dt=dt,
            y0=y0,
            y1=y0 + 0.5 * (slope + final),
            copies=(copy, onward),
            slopes=(slope, final),
            fields=(field, last),
        )

    def back(
        self, term: Any, t0: Any, t1: Any, y1: Tensor, carry: tuple[Any, ...], *, dt: Any, sums: Sums
    ) -> tuple[Tensor, tuple[Any, ...]]:
        """Return the state and the carry with which the step from `t0` to `t1` began, from those it ended with."""
        begin, end = sums.times(t0, t1, dt, (0.0, 1.0))
        copy = carry[0]
        field = carry[1] if len(carry) > 1 else term.field(end, copy)
        size = factor(dt, y1)
        before = 2 * y1 - copy - field * size
        first = term.field(begin, before)
        return y1 - 0.5 * (first * size + field * size), (before, first)
