r"""Explicit Runge-Kutta methods: one short step over tableau data.

.. math::
    k_i = f\Bigl(t_0 + c_i \Delta t,\; y_0 + \Delta t \sum_{j<i} a_{ij} k_j\Bigr), \qquad
    y_1 = y_0 + \Delta t \sum_i b_i k_i, \qquad
    y(t_0 + \theta\,\Delta t) = y_0 + \Delta t \sum_i b_i(\theta)\, k_i .

Where the interpolant uses :math:`f(t_1, y_1)` and the stages do not hold it, it is one more slope, evaluated only for a
step that is looked into, and handed on as the first stage of the next step.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..core.errors import InputError
from .demand import Carry, Demand
from .step import StageStep
from .sums import Sums
from .tableau import Tableau

__all__ = ["ExplicitRungeKutta", "ExplicitStep"]


class ExplicitStep(StageStep):
    """One attempted step of an explicit method.

    The last stage of a first-same-as-last method, `f(t1, y1)`, is evaluated by `complete`, which whatever needs it
    calls; the end of the step does not. `end` is the last stage's time as the field sees it.
    """

    __slots__ = ("_complete", "_extra", "end", "tableau", "term")

    def __init__(
        self, tableau: Tableau, term: Any, sums: Sums, *, t0: Any, t1: Any, dt: Any, end: Tensor, y0: Tensor, y1: Tensor
    ) -> None:
        super().__init__(sums, t0=t0, t1=t1, dt=dt, y0=y0, y1=y1, errors=tableau.error_weights, dense=tableau.dense)
        self.tableau, self.term, self.end = tableau, term, end
        self._extra = False
        self._complete = not tableau.first_same_as_last

    @property
    def carry(self) -> Carry:
        """`f(t1, y1)`, where it has been evaluated or is the last stage."""
        tableau = self.tableau
        if tableau.first_same_as_last:
            self.complete()
            return (self.sums.stage(tableau.stages - 1),)
        return (self.sums.stage(tableau.stages),) if self._extra else None

    def complete(self) -> None:
        """Evaluate the last stage of a first-same-as-last method, once."""
        if not self._complete:
            self._complete = True
            self.sums.put(self.tableau.stages - 1, self.term.field(self.end, self.y1))

    def prepare(self) -> None:
        """Evaluate the stages that only the interpolant needs, once."""
        tableau, sums = self.tableau, self.sums
        if self._extra:
            return
        self._extra = True
        self.complete()
        if not tableau.first_same_as_last:
            (end,) = sums.times(self.t0, self.t1, self.dt, (1.0,))
            sums.put(tableau.stages, self.term.field(end, self.y1))
        if tableau.extra_c:
            times = sums.times(self.t0, self.t1, self.dt, tableau.extra_c)
            for index, (time, row) in enumerate(zip(times, tableau.extra_a, strict=True)):
                sums.put(tableau.stages + index, self.term.field(time, sums.add(self.y0, self.dt, row)))


class ExplicitRungeKutta:
    """An explicit Runge-Kutta method.

    Arguments:
        tableau: the coefficients; yours, or one of `legato.solvers.tableaus`.

    Example:
        >>> from legato.solvers import ExplicitRungeKutta
        >>> from legato.solvers.tableaus import DOPRI5
        >>> ExplicitRungeKutta(DOPRI5)
        ExplicitRungeKutta(Dopri5, order 5)
    """

    accepts = "ode"
    history = 0
    implicit = False

    def __init__(self, tableau: Tableau) -> None:
        if not isinstance(tableau, Tableau):
            raise InputError(f"a Tableau is needed; got {type(tableau).__name__}. Tableau.from_lists makes one")
        self.tableau = tableau
        self.name = tableau.name
        self.order = tableau.order
        self.error_order = tableau.error_order
        self.dense_order = tableau.dense_order

    def __repr__(self) -> str:
        return f"ExplicitRungeKutta({self.name}, order {self.order})"

    @property
    def adaptive(self) -> bool:
        """Whether the method estimates its error."""
        return self.tableau.adaptive

    @property
    def slopes(self) -> int:
        """The greatest number of stages that a step keeps."""
        return self.tableau.total_stages

    @staticmethod
    def combine(norms: tuple[Tensor, ...]) -> Tensor:
        """Return the norm of the error from the norms of the estimates.

        One estimate is its own norm; DOP853's two give `n5^2 / sqrt(n5^2 + 0.01 n3^2)` (Hairer, Norsett, Wanner,
        Solving Ordinary Differential Equations I, 1993, section II.10).
        """
        if len(norms) == 1:
            return norms[0]
        fine, crude = norms
        root = (fine**2 + 0.01 * crude**2).sqrt()
        # Where both are zero; not `root > 0`, which would take NaN for a perfect step.
        return torch.where(root == 0, torch.zeros_like(root), fine**2 / root)

    @staticmethod
    def start(term: Any, t0: Tensor, y0: Tensor, f0: Tensor | None = None) -> Carry:
        """Return what the first step may begin with: `f(t0, y0)`, evaluated unless it is given."""
        return (term.field(t0, y0) if f0 is None else f0,)

    def step(
        self, term: Any, t0: Any, t1: Any, y0: Tensor, carry: Carry, *, dt: Any, sums: Sums, demand: Demand
    ) -> ExplicitStep:
        """Take one step of size `dt` from `t0` to `t1`.

        Arguments:
            term: the right-hand side.
            t0: where the step begins, a number or a tensor of one time per row.
            t1: where it ends; `t0 + dt`, or the exact time it lands on.
            y0: the state at `t0`.
            carry: what the step before handed on, or None.
            dt: the signed step size.
            sums: how stages are kept and added up.
            demand: not read by an explicit method.
        """
        tableau = self.tableau
        times = sums.times(t0, t1, dt, tableau.c)
        sums.put(0, term.field(times[0], y0) if carry is None else carry[0])
        inner = tableau.stages - tableau.first_same_as_last
        for index in range(1, inner):
            sums.put(index, term.field(times[index], sums.add(y0, dt, tableau.a[index])))
        y1 = sums.add(y0, dt, tableau.b[:inner])
        return ExplicitStep(tableau, term, sums, t0=t0, t1=t1, dt=dt, end=times[-1], y0=y0, y1=y1)
