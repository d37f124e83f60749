r"""Rosenbrock methods: every stage is one linear system, with the same matrix.

.. math::
    \Bigl(\frac{I}{\gamma} - \Delta t\,J\Bigr) k_i = f\Bigl(t_0 + \alpha_i \Delta t,\;
    y_0 + \Delta t \sum_{j<i} a_{ij} k_j\Bigr) + \sum_{j<i} C_{ij} k_j + \gamma_i \Delta t\, f_t,
    \qquad y_1 = y_0 + \Delta t \sum_i m_i k_i .

There is nothing to iterate, so nothing to fail but a singular matrix. The derivative of a step passes through
:math:`J` and :math:`f_t`, since the end depends on both.

Reference: E. Hairer, G. Wanner, Solving Ordinary Differential Equations II, 1996, section IV.7.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..core.errors import InputError
from ..core.linear import Factored
from ..terms import check_derivatives
from .demand import Carry, Demand
from .linearised import Frame, Linearised, linearise
from .rosenbrock_tableau import RosenbrockTableau
from .step import StageStep
from .sums import Sums

__all__ = ["Rosenbrock", "RosenbrockStep"]


class RosenbrockStep(StageStep):
    """One attempted step of a Rosenbrock method."""

    __slots__ = ("point",)

    def __init__(
        self,
        tableau: RosenbrockTableau,
        sums: Sums,
        point: Linearised,
        *,
        t0: Any,
        t1: Any,
        dt: Any,
        y0: Tensor,
        y1: Tensor,
    ) -> None:
        super().__init__(sums, t0=t0, t1=t1, dt=dt, y0=y0, y1=y1, errors=(tableau.error,), dense=tableau.dense)
        self.point = point
        self.made = () if point.made is None else (point.made,)

    @property
    def retry(self) -> Carry:
        """The field and its derivatives where the step began."""
        return self.point[:3]


class Rosenbrock:
    """A Rosenbrock method.

    Arguments:
        tableau: the coefficients; yours, or one of `legato.solvers.tableaus`.

    Example:
        >>> from legato.solvers.tableaus import RODAS5P
        >>> Rosenbrock(RODAS5P)
        Rosenbrock(Rodas5P, order 5)
    """

    accepts = "ode"
    history = 0
    implicit = True
    adaptive = True

    def __init__(self, tableau: RosenbrockTableau) -> None:
        if not isinstance(tableau, RosenbrockTableau):
            raise InputError(f"a RosenbrockTableau is needed; got {type(tableau).__name__}")
        self.tableau = tableau
        self.name = tableau.name
        self.order = tableau.order
        self.error_order = tableau.error_order
        self.dense_order = tableau.dense_order
        self.slopes = tableau.stages

    def __repr__(self) -> str:
        return f"Rosenbrock({self.name}, order {self.order})"

    @staticmethod
    def combine(norms: tuple[Tensor, ...]) -> Tensor:
        """Return the norm of the one error estimate."""
        return norms[0]

    @staticmethod
    def start(term: Any, t0: Tensor, y0: Tensor, f0: Tensor | None = None) -> Carry:
        """Return None: the first step linearises the field by itself."""
        return None

    @staticmethod
    def examine(term: Any, t0: Tensor, later: Tensor, y0: Tensor) -> None:
        """Refuse a field whose derivatives autograd does not see, or whose rows depend on each other.

        Raises:
            FieldError: it is such a field.
        """
        check_derivatives(term, t0, later, y0, rows=term.layout.rows)

    def step(
        self, term: Any, t0: Any, t1: Any, y0: Tensor, carry: Carry, *, dt: Any, sums: Sums, demand: Demand
    ) -> RosenbrockStep:
        """Take one step of size `dt` from `t0` to `t1`; the arguments are those of `ExplicitRungeKutta.step`."""
        tableau = self.tableau
        frame = Frame.of(y0, demand.batch_dims)
        times = sums.times(t0, t1, dt, tableau.alpha)
        graph = demand.derivatives > 0
        if carry is None or graph:
            point = linearise(term, times[0], y0, frame, keep=graph, graph=graph, time=True)
        else:
            point = Linearised(*carry)
        size = frame.column(dt, point.jacobian)
        wide = size[..., None] if isinstance(size, Tensor) and size.dim() else size
        unit = torch.eye(point.jacobian.shape[-1], dtype=point.jacobian.dtype, device=y0.device) / tableau.gamma
        factored = Factored(unit - wide * point.jacobian)
        assert point.by_time is not None
        by_time = frame.flat(point.by_time) * size
        for index in range(tableau.stages):
            if index == 0:
                value = frame.flat(point.value)
            else:
                state = sums.add(y0, dt, tableau.a[index])
                value = frame.flat(term.field(times[index], state))
                value = value + frame.flat(sums.combine(tableau.c[index]))
            sums.put(index, frame.back(factored.solve(value + tableau.gammas[index] * by_time)))
        y1 = sums.add(y0, dt, tableau.m)
        return RosenbrockStep(tableau, sums, point, t0=t0, t1=t1, dt=dt, y0=y0, y1=y1)
