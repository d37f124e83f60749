r"""What diagonally and fully implicit Runge-Kutta methods share: the equations of a step, and the step they make.

For the slopes :math:`k` of one stage, or of all at once,

.. math:: G(k) = k - f\bigl(t,\; y + \Delta t\, a\, k\bigr) = 0, \qquad
    W = I - \Delta t\, a \otimes J, \qquad J = \frac{\partial f}{\partial y}(t_0, y_0).

Newton's method with :math:`W` in place of the derivative finds a root without a graph. Where the step is to be
differentiated, :math:`m` more updates :math:`k \leftarrow k - V^{-1} G(k)`, with :math:`V = \partial G/\partial k` at
the root and held constant, leave its value as it is and give it its first :math:`m` derivatives, those of the implicit
function theorem: as a function of whatever enters :math:`G`, the root is wrong in first order before the first of them
and by one order more after each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..core.linear import Factored
from ..core.newton import newton
from .demand import Carry, Demand
from .implicit_tableau import ImplicitTableau
from .linearised import Frame, Linearised, linearise
from .step import StageStep
from .sums import Sums

__all__ = ["Equations", "ImplicitStep"]

_TO_ROUNDING = 1e3
"""How many roundings of its row's largest component stand for a tolerance where none is given."""


class Equations:
    """The field linearised where a step begins, and all that solving its stages takes.

    Arguments:
        term: the right-hand side.
        t0: the time at which the step begins, as the field takes it.
        y0: the state there.
        carry: the value and the Jacobian of the field there, from an attempt that was refused, or None.
        dt: the signed step size.
        demand: how precisely to solve, and how often to differentiate.
    """

    def __init__(self, term: Any, t0: Tensor, y0: Tensor, carry: Carry, *, dt: Any, demand: Demand) -> None:
        self.frame = Frame.of(y0, demand.batch_dims)
        self.derivatives = demand.derivatives
        self._patience: dict[str, Any] = {} if demand.tolerances is not None else {"limit": 60, "noise": 1.0}
        if carry is not None and len(carry) > 1 and not demand.derivatives:
            point = Linearised(carry[0], carry[1])
        else:
            point = linearise(term, t0, y0, self.frame, keep=demand.derivatives > 0, graph=False, time=False)
        self.slope, self.jacobian = point.value, point.jacobian
        plain = dt.detach() if isinstance(dt, Tensor) else dt
        self._size = self.frame.column(plain, self.jacobian)
        self._unit = torch.eye(self.jacobian.shape[-1], dtype=self.jacobian.dtype, device=y0.device)
        self._factored: dict[tuple[type, complex], Factored] = {}
        self._scale = self._tolerance(y0.detach(), demand)
        self.failed = torch.zeros(self.frame.rows, dtype=torch.bool, device=y0.device)

    def _tolerance(self, y0: Tensor, demand: Demand) -> Tensor:
        """Return the tolerance of every component, `(rows, n)`."""
        frame = self.frame
        if demand.tolerances is not None:
            return frame.scale(demand.tolerances.of_size(y0.abs()))
        state, moved = frame.flat(y0).abs(), (frame.flat(self.slope.detach()) * self._size).abs()
        if not state.shape[1]:
            return state
        numbers = torch.finfo(state.dtype)
        largest = torch.maximum(state, moved).amax(dim=1, keepdim=True).expand_as(state)
        return (largest * (_TO_ROUNDING * numbers.eps)).clamp(min=numbers.tiny)

    def factored(self, coefficient: complex) -> Factored:
        """Return `I - dt coefficient J`, ready to solve with; made once a step."""
        key = type(coefficient), coefficient
        found = self._factored.get(key)
        if found is None:
            size = self._size[..., None] if isinstance(self._size, Tensor) and self._size.dim() else self._size
            found = self._factored[key] = Factored(self._unit - (size * coefficient) * self.jacobian)
        return found

    def damped(self, slope: Tensor, coefficient: float) -> Tensor:
        """Return a slope without its stiff part, `(I - dt coefficient J)^-1 slope`, in the state's shape."""
        return self.frame.back(self.factored(coefficient).solve(self.frame.flat(slope)))

    def measure(self, change: Tensor) -> Tensor:
        """Return the root mean square of `dt change` in units of the tolerance, for changes `(rows, ..., n)`."""
        scale, size = self._scale, self._size
        if change.dim() == 3:
            scale = scale[:, None]
            size = size[..., None] if isinstance(size, Tensor) and size.dim() else size
        scaled = (change * size / scale).reshape(self.frame.rows, -1)
        return torch.linalg.vector_norm(scaled, dim=1) / max(scaled.shape[1], 1) ** 0.5

    def solve(
        self,
        residual: Callable[[Tensor], Tensor],
        guess: Tensor,
        update: Callable[[Tensor], Tensor],
        measure: Callable[[Tensor], Tensor],
        exact: Callable[[Tensor], Callable[[Tensor], Tensor]],
    ) -> Tensor:
        """Return a root of `residual`, with as many derivatives as the step is to have; notes the rows without one.

        Arguments:
            residual, guess, update, measure: as in `newton`.
            exact: maps a root to the update with the derivative of the residual there.
        """
        with torch.no_grad():
            found, failed = newton(residual, guess.detach(), update, measure, **self._patience)
            if bool(failed.any()):  # the matrix of the step's start is too far off: once more with that of the guess
                column = failed.view(-1, *(1,) * (guess.dim() - 1))
                again, still = newton(residual, guess.detach(), exact(guess.detach()), measure, **self._patience)
                found, failed = torch.where(column, again, found), failed & still
        self.failed = self.failed | failed
        if self.derivatives:
            update = exact(found)
            for _ in range(self.derivatives):
                found = found - update(residual(found))
        return found

    def jacobian_at(self, term: Any, t: Tensor, state: Tensor) -> Tensor:
        """Return the Jacobian at a stage, times the step size: `(rows, n, n)`."""
        found = linearise(term, t, state.detach(), self.frame, keep=False, graph=False, time=False).jacobian
        size = self._size
        return found * (size[..., None] if isinstance(size, Tensor) and size.dim() else size)


class ImplicitStep(StageStep):
    """One attempted step of an implicit method; `end` is the time `t1` as the field sees it."""

    __slots__ = ("_complete", "_extra", "end", "equations", "tableau", "term", "times")

    def __init__(
        self,
        tableau: ImplicitTableau,
        term: Any,
        sums: Sums,
        equations: Equations,
        *,
        times: Any,
        t0: Any,
        t1: Any,
        dt: Any,
        y0: Tensor,
        y1: Tensor,
    ) -> None:
        errors = () if tableau.error is None else (tableau.error,)
        super().__init__(sums, t0=t0, t1=t1, dt=dt, y0=y0, y1=y1, errors=errors, dense=tableau.dense)
        self.tableau, self.term, self.equations, self.times = tableau, term, equations, times
        self.failed = equations.failed
        self._complete = tableau.late == tableau.stages
        self._extra = tableau.total_stages == tableau.stages

    @property
    def retry(self) -> Carry:
        """The field and its Jacobian where the step began."""
        return (self.equations.slope, self.equations.jacobian)

    def complete(self) -> None:
        """Evaluate the stages that only the error needs, once."""
        if self._complete:
            return
        self._complete = True
        tableau, sums = self.tableau, self.sums
        for index in range(tableau.late, tableau.stages):
            row = tableau.a[index][:index]
            sums.put(index, self.term.field(self.times[index], sums.add(self.y0, self.dt, row)))

    def prepare(self) -> None:
        """Evaluate the slope at the end where the interpolant needs it, once."""
        self.complete()
        if self._extra:
            return
        self._extra = True
        (end,) = self.sums.times(self.t0, self.t1, self.dt, (1.0,))
        self.sums.put(self.tableau.stages, self.term.field(end, self.y1))

    def errors(self) -> tuple[Tensor, ...]:
        """Return the local error estimate, filtered where the method's is."""
        estimates = super().errors()
        coefficient = self.tableau.damping
        if coefficient is None:
            return estimates
        return tuple(self.equations.damped(estimate, coefficient) for estimate in estimates)
