r"""Any explicit Runge-Kutta method, made algebraically reversible by a second copy of the state.

With :math:`\Psi_h(t, y)` the increment of the method's step of size :math:`h`,

.. math::
    y_1 = \lambda y_0 + (1 - \lambda) z_0 + \Psi_h(t_0, z_0), \qquad z_1 = z_0 - \Psi_{-h}(t_1, y_1),

begun with :math:`z_0 = y_0`, and, solved for where the step began,

.. math::
    z_0 = z_1 + \Psi_{-h}(t_1, y_1), \qquad
    y_0 = \lambda^{-1} y_1 + (1 - \lambda^{-1}) z_0 - \lambda^{-1} \Psi_h(t_0, z_0) .

The order is the method's. The gap between the copies is multiplied by about :math:`\lambda e^{k h}` in a step where
solutions contract at a rate :math:`k`, so it grows wherever :math:`h > -\log(\lambda) / k`, and an error estimate of
the step alone does not see it. Here the error of a step is, component by component, the larger of the method's estimate
and of the gap, or half the gap where it has not grown: steps become as small as the gap needs, since it shrinks by
:math:`\lambda` in a step of no size, and no smaller.

Reference: S. McCallum, J. Foster, Efficient, accurate and stable gradients for neural ODEs, 2024.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..core.errors import InputError
from .demand import Carry, Demand
from .explicit import ExplicitRungeKutta, ExplicitStep
from .polynomial_step import PolynomialStep, cubic, factor
from .sums import ChainSums, Sums, TensorSums

__all__ = ["Reversible", "ReversibleStep"]


class ReversibleStep(PolynomialStep):
    """One step of both copies, interpolated by the method's polynomial, bent to take y's values and slopes.

    Arguments:
        term: the right-hand side.
        forth: the method's step from `z0`.
        copies: z at the start and at the end.
        fields: the field at `y0`, or None where the interpolant has to evaluate it, and at `y1`.
    """

    def __init__(
        self,
        term: Any,
        forth: ExplicitStep,
        *,
        copies: tuple[Tensor, Tensor],
        fields: tuple[Tensor | None, Tensor],
        **ends: Any,
    ) -> None:
        super().__init__(**ends)
        self.term, self.forth = term, forth
        self._copies, self._fields = copies, fields

    @property
    def carry(self) -> Carry:
        """The copy z at the end, which is history, and `f(t1, y1)`."""
        return (self._copies[1], self._fields[1])

    @property
    def retry(self) -> Carry:
        """The copy z at the start, and `f(t0, y0)` where it is known."""
        copy, field = self._copies[0], self._fields[0]
        return (copy,) if field is None else (copy, field)

    def complete(self) -> None:
        """Evaluate the stages that the method's error needs, once."""
        self.forth.complete()

    def errors(self) -> tuple[Tensor, ...]:
        """Return the method's estimates, nowhere below the gap between the copies.

        In a step that is small enough the gap shrinks, but by little; half of it lets the step size grow again.
        """
        before, gap = (self.y0 - self._copies[0]).abs(), (self.y1 - self._copies[1]).abs()
        gap = torch.where(gap > before, gap, 0.5 * gap)
        return tuple(torch.maximum(error.abs(), gap) for error in self.forth.errors())

    def polynomial(self) -> Sequence[Tensor]:
        """Return the method's polynomial from `z0`, plus the cubic that carries it to y's values and slopes."""
        inner = self.forth.coefficients().unbind(0)
        size = factor(self.dt, self.y0)
        field = self._fields[0]
        if field is None:
            (begin,) = self.forth.sums.times(self.t0, self.t1, self.dt, (0.0,))
            field = self.term.field(begin, self.y0)
        end, steep = sum(inner[1:], inner[0]), sum(power * part for power, part in enumerate(inner))
        bend = cubic(self.y0 - inner[0], self.y1 - end, field * size - inner[1], self._fields[1] * size - steep)
        powers = list(inner) + [torch.zeros_like(inner[0])] * (len(bend) - len(inner))
        return [part + bend[power] if power < len(bend) else part for power, part in enumerate(powers)]


class Reversible:
    """An explicit Runge-Kutta method, made algebraically reversible.

    Order, embedded order and dense order are the method's; a step takes its stages twice. Stable on decays of a rate k
    for steps below -log(coupling) / k, about a thousandth of 1 / k: it is for solutions that neither contract nor
    expand for long. The interpolant is the method's own, bent to y.

    Arguments:
        method: an `ExplicitRungeKutta`.
        coupling: lambda, in (0, 1]; 1 does not couple the copies, and lets the gap grow with every contraction.

    Raises:
        InputError: another kind of method, or a coupling out of its range.

    Reference: S. McCallum, J. Foster, Efficient, accurate and stable gradients for neural ODEs, 2024.

    Example:
        >>> from legato.solvers import SOLVERS, Reversible
        >>> Reversible(SOLVERS["bosh3"])
        Reversible(Bosh3, order 3, coupling=0.999)
    """

    accepts = "ode"
    implicit = False
    history = 1

    def __init__(self, method: ExplicitRungeKutta, coupling: float = 0.999) -> None:
        if not isinstance(method, ExplicitRungeKutta):
            raise InputError(
                f"an explicit Runge-Kutta method is needed, such as SOLVERS['tsit5']; got {type(method).__name__}"
            )
        if not 0 < coupling <= 1:
            raise InputError(f"the coupling is above 0 and at most 1; got {coupling}")
        self.method, self.coupling = method, float(coupling)
        self.name = f"Reversible{method.name}"
        self.order, self.error_order, self.dense_order = method.order, method.error_order, method.dense_order
        self.adaptive, self.slopes, self.combine = method.adaptive, method.slopes, method.combine
        inner = method.tableau.stages - method.tableau.first_same_as_last
        self.stages = inner + method.tableau.stages
        self.source = (
            "S. McCallum, J. Foster, Efficient, accurate and stable gradients for neural ODEs, 2024; around "
            f"{method.name}"
        )
        self._weights = method.tableau.b[:inner]

    def __repr__(self) -> str:
        return f"Reversible({self.method.name}, order {self.order}, coupling={self.coupling})"

    @staticmethod
    def start(term: Any, t0: Tensor, y0: Tensor, f0: Tensor | None = None) -> Carry:
        """Return what the first step may begin with: the state as its copy, and `f(t0, y0)`."""
        return (y0, term.field(t0, y0) if f0 is None else f0)

    def step(
        self, term: Any, t0: Any, t1: Any, y0: Tensor, carry: Carry, *, dt: Any, sums: Sums, demand: Demand
    ) -> ReversibleStep:
        """Take one step; see `ExplicitRungeKutta.step`."""
        copy = y0 if carry is None else carry[0]
        field = carry[1] if carry is not None and len(carry) > 1 else None
        if field is None and copy is y0:
            field = term.field(sums.times(t0, t1, dt, (0.0,))[0], y0)
        known = (field,) if copy is y0 else None
        forth = self.method.step(term, t0, t1, copy, known, dt=dt, sums=sums, demand=demand)
        y1 = y0 + (1 - self.coupling) * (copy - y0) + sums.total(dt, self._weights)
        back, onward = self._increment(term, t1, t0, y1, None, dt=-dt)
        ends = {"t0": t0, "t1": t1, "dt": dt, "y0": y0, "y1": y1}
        return ReversibleStep(term, forth, copies=(copy, copy - back), fields=(field, onward), **ends)

    def back(
        self, term: Any, t0: Any, t1: Any, y1: Tensor, carry: tuple[Any, ...], *, dt: Any, sums: Sums
    ) -> tuple[Tensor, tuple[Any, ...]]:
        """Return the state and the carry with which the step from `t0` to `t1` began, from those it ended with."""
        known = (carry[1],) if len(carry) > 1 else None
        back, _ = self._increment(term, t1, t0, y1, known, dt=-dt)
        copy = carry[0] + back
        forth, _ = self._increment(term, t0, t1, copy, None, dt=dt)
        return copy + (y1 - copy - forth) / self.coupling, (copy,)

    def _increment(self, term: Any, t0: Any, t1: Any, y0: Tensor, known: Carry, *, dt: Any) -> tuple[Tensor, Tensor]:
        """Return the increment of the method's step, and the field where it begins."""
        tensors = isinstance(dt, Tensor)
        sums: Any = TensorSums(y0, term.time_dtype) if tensors else ChainSums(term.time_dtype, y0.device)
        self.method.step(term, t0, t1, y0, known, dt=dt, sums=sums, demand=Demand(0))
        return sums.total(dt, self._weights), sums.stage(0)
