r"""The asynchronous leapfrog: a leapfrog of a state and its velocity, for any field, that can be stepped back.

.. math::
    u = f(t_{1/2},\; y_0 + \tfrac{\Delta t}{2} v_0), \qquad v_1 = v_0 + 2 \eta (u - v_0), \qquad
    y_1 = y_0 + \tfrac{\Delta t}{2} (v_0 + v_1),

begun with :math:`v_0 = f(t_0, y_0)`. The error estimate, of order one, is :math:`\tfrac{\Delta t}{2} (v_1 - v_0)`.

With :math:`\eta = 1` the method is of order two; a smaller :math:`\eta` damps the velocity's own oscillation, so that
decays are stable, at the price of one order. Where solutions contract at a rate :math:`k` the undamped velocity leaves
the field by a gap that grows as :math:`e^{k t}`; the error estimate sees it and shrinks the steps, so such solves end
slowly, or with a status that says so.

References: J. Zhuang, N. Dvornek, S. Tatikonda, J. Duncan, MALI: a memory efficient and reverse accurate integrator for
neural ODEs, 2021; U. Mutze, An asynchronous leapfrog method II, 2013.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ..core.errors import InputError
from .demand import Carry, Demand
from .polynomial_step import PolynomialStep, cubic, factor
from .sums import Sums

__all__ = ["AsynchronousLeapfrog", "AsynchronousLeapfrogStep"]


class AsynchronousLeapfrogStep(PolynomialStep):
    """One step, interpolated by the cubic through both ends with the velocities as slopes.

    Arguments:
        velocities: those at the start and at the end.
        slopes: `dt` times the velocities.
    """

    def __init__(self, *, velocities: tuple[Tensor, Tensor], slopes: tuple[Tensor, Tensor], **ends: Any) -> None:
        super().__init__(**ends)
        self._velocities, self._slopes = velocities, slopes

    @property
    def carry(self) -> Carry:
        """The velocity at the end, which is history."""
        return (self._velocities[1],)

    @property
    def retry(self) -> Carry:
        """The velocity at the start."""
        return (self._velocities[0],)

    def errors(self) -> tuple[Tensor, ...]:
        """Return half the difference of the slopes."""
        return (0.5 * (self._slopes[1] - self._slopes[0]),)

    def polynomial(self) -> Sequence[Tensor]:
        """Return the cubic; nothing is evaluated."""
        return cubic(self.y0, self.y1, *self._slopes)


class AsynchronousLeapfrog:
    """The asynchronous leapfrog method.

    Order 2, or 1 with damping, embedded order 1, one evaluation a step, dense order that of the method, stable on
    oscillations below two radians a step, and with damping on decays. The interpolant's slopes are the velocities,
    which differ from the field by O(h^2).

    Arguments:
        damping: by how much the velocity's own oscillation is damped, in [0, 1/2); 0 keeps the order, and 1 - damping
            is the literature's eta.

    Raises:
        InputError: the damping is out of its range.

    References: J. Zhuang, N. Dvornek, S. Tatikonda, J. Duncan, MALI: a memory efficient and reverse accurate integrator
    for neural ODEs, 2021.

    Example:
        >>> from legato.solvers import AsynchronousLeapfrog
        >>> AsynchronousLeapfrog().order, AsynchronousLeapfrog(damping=0.1).order
        (2, 1)
    """

    accepts = "ode"
    implicit = False
    name = "AsynchronousLeapfrog"
    error_order = 1
    stages = 1
    slopes = 1
    history = 1
    adaptive = True
    source = (
        "J. Zhuang, N. Dvornek, S. Tatikonda, J. Duncan, MALI: a memory efficient and reverse accurate integrator for "
        "neural ODEs, 2021; U. Mutze, An asynchronous leapfrog method II, 2013"
    )

    def __init__(self, *, damping: float = 0.0) -> None:
        if not 0 <= damping < 0.5:
            raise InputError(
                f"the damping is at least 0 and below 0.5, where steps can no longer go back; got {damping}"
            )
        self.damping = float(damping)
        self.order = self.dense_order = 1 if damping else 2
        self._gain = 2 * (1 - self.damping)

    def __repr__(self) -> str:
        return f"AsynchronousLeapfrog(order {self.order}, damping={self.damping})"

    @staticmethod
    def combine(norms: tuple[Tensor, ...]) -> Tensor:
        """Return the norm of the one error estimate."""
        return norms[0]

    @staticmethod
    def start(term: Any, t0: Tensor, y0: Tensor, f0: Tensor | None = None) -> Carry:
        """Return what the first step may begin with: the field as velocity."""
        return (term.field(t0, y0) if f0 is None else f0,)

    def step(
        self, term: Any, t0: Any, t1: Any, y0: Tensor, carry: Carry, *, dt: Any, sums: Sums, demand: Demand
    ) -> AsynchronousLeapfrogStep:
        """Take one step; see `ExplicitRungeKutta.step`."""
        begin, middle = sums.times(t0, t1, dt, (0.0, 0.5))
        velocity = term.field(begin, y0) if carry is None else carry[0]
        size = factor(dt, y0)
        slope = velocity * size
        field = term.field(middle, y0 + 0.5 * slope)
        last = velocity + self._gain * (field - velocity)
        final = last * size
        return AsynchronousLeapfrogStep(
            t0=t0,
            t1=t1,
            dt=dt,
            y0=y0,
            y1=y0 + 0.5 * (slope + final),
            velocities=(velocity, last),
            slopes=(slope, final),
        )

    def back(
        self, term: Any, t0: Any, t1: Any, y1: Tensor, carry: tuple[Any, ...], *, dt: Any, sums: Sums
    ) -> tuple[Tensor, tuple[Any, ...]]:
        """Return the state and the carry with which the step from `t0` to `t1` began, from those it ended with."""
        (middle,) = sums.times(t0, t1, dt, (0.5,))
        size = factor(dt, y1)
        velocity = carry[0]
        half = y1 - 0.5 * size * velocity
        before = (velocity - self._gain * term.field(middle, half)) / (1 - self._gain)
        return half - 0.5 * size * before, (before,)
