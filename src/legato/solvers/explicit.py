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
from .sums import Sums, TensorSums
from .tableau import Tableau

__all__ = ["ExplicitRungeKutta", "ExplicitStep", "dense_table", "dense_weights"]


class ExplicitStep:
    """One attempted step: its end, its error, its interpolant.

    The last stage of a first-same-as-last method, `f(t1, y1)`, is evaluated by `complete`, which whatever needs it
    calls; the end of the step does not.

    `end` is the last stage's time as the field sees it. `carry` is `f(t1, y1)` where the step knows it, so that the
    next step need not evaluate it again. The stages live in the sums that the step was made with, so errors and
    interpolated values are to be taken before the next step.
    """

    __slots__ = ("_complete", "_extra", "dt", "end", "sums", "t0", "t1", "tableau", "term", "y0", "y1")

    def __init__(
        self, tableau: Tableau, term: Any, sums: Sums, *, t0: Any, t1: Any, dt: Any, end: Tensor, y0: Tensor, y1: Tensor
    ) -> None:
        self.tableau, self.term, self.sums = tableau, term, sums
        self.t0, self.t1, self.dt, self.end, self.y0, self.y1 = t0, t1, dt, end, y0, y1
        self._extra = False
        self._complete = not tableau.first_same_as_last

    @property
    def carry(self) -> Tensor | None:
        """`f(t1, y1)`, if it has been evaluated."""
        tableau = self.tableau
        if tableau.first_same_as_last:
            self.complete()
            return self.sums.stage(tableau.stages - 1)
        return self.sums.stage(tableau.stages) if self._extra else None

    def errors(self) -> tuple[Tensor, ...]:
        """Return the local error estimates: none, one, or the two that DOP853 combines."""
        tableau = self.tableau
        self.complete()
        return tuple(self.sums.total(self.dt, weights) for weights in tableau.error_weights)

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

    def values(self, thetas: Any) -> Tensor:
        """Return the states at `t0 + theta dt` for several theta in (0, 1), stacked in front.

        Arguments:
            thetas: numbers, or a 1-D tensor where the sums work on tensors.
        """
        self.prepare()
        rows = self.tableau.dense
        if isinstance(thetas, Tensor):
            return self.sums.many(self.y0, self.dt, dense_table(rows, thetas))
        return self.sums.many(self.y0, self.dt, [dense_weights(rows, theta) for theta in thetas])

    def scattered(self, thetas: Tensor, rows: Tensor) -> Tensor:
        """Return one state for each pair of a row and a theta: `y[rows[m]](t0 + thetas[m] dt)`, for sums on tensors."""
        self.prepare()
        assert isinstance(self.sums, TensorSums)
        return self.sums.scattered(self.y0, self.dt, dense_table(self.tableau.dense, thetas), rows)

    def coefficients(self) -> Tensor:
        """Return the interpolant as a polynomial in theta: coefficients of theta^0, theta^1, ..., stacked in front."""
        self.prepare()
        columns = zip(*self.tableau.dense, strict=True)
        return torch.stack([self.y0, *(self.sums.total(self.dt, column) for column in columns)])


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

    def start(self, term: Any, t0: Tensor, y0: Tensor) -> Tensor:
        """Return the first stage, `f(t0, y0)`."""
        result: Tensor = term.field(t0, y0)
        return result

    def step(
        self, term: Any, t0: Any, t1: Any, y0: Tensor, carry: Tensor | None, *, dt: Any, sums: Sums
    ) -> ExplicitStep:
        """Take one step of size `dt` from `t0` to `t1`.

        Arguments:
            term: the right-hand side.
            t0: where the step begins, a number or a tensor of one time per row.
            t1: where it ends; `t0 + dt`, or the exact time it lands on.
            y0: the state at `t0`.
            carry: `f(t0, y0)` where known, else None.
            dt: the signed step size.
            sums: how stages are kept and added up.
        """
        tableau = self.tableau
        times = sums.times(t0, t1, dt, tableau.c)
        sums.put(0, term.field(times[0], y0) if carry is None else carry)
        inner = tableau.stages - tableau.first_same_as_last
        for index in range(1, inner):
            sums.put(index, term.field(times[index], sums.add(y0, dt, tableau.a[index])))
        y1 = sums.add(y0, dt, tableau.b[:inner])
        return ExplicitStep(tableau, term, sums, t0=t0, t1=t1, dt=dt, end=times[-1], y0=y0, y1=y1)


def dense_weights(dense: tuple[tuple[float, ...], ...], theta: float) -> tuple[float, ...]:
    """Return `b_i(theta)` of every stage, from the coefficients of theta, theta^2, ..."""
    weights = []
    for row in dense:
        value = 0.0
        for coefficient in reversed(row):
            value = (value + coefficient) * theta
        weights.append(value)
    return tuple(weights)


def dense_table(dense: tuple[tuple[float, ...], ...], thetas: Tensor) -> Tensor:
    """Return `b_i(theta)` for a 1-D float64 tensor of theta, of shape `(thetas, stages)`."""
    coefficients = torch.tensor(dense, dtype=thetas.dtype, device=thetas.device)
    value = torch.zeros(len(thetas), len(dense), dtype=thetas.dtype, device=thetas.device)
    for power in reversed(range(coefficients.shape[1])):
        value = (value + coefficients[:, power]) * thetas[:, None]
    return value
