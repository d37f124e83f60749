r"""Implicit Runge-Kutta methods: two short steps over tableau data.

.. math::
    k_i = f\Bigl(t_0 + c_i \Delta t,\; y_0 + \Delta t \sum_j a_{ij} k_j\Bigr), \qquad
    y_1 = y_0 + \Delta t \sum_i b_i k_i .

Diagonally implicit methods solve stage after stage, with one factored matrix for each coefficient on the diagonal.
Fully implicit ones solve all stages at once: with :math:`a = T \Lambda T^{-1}` the equations of Newton's method fall
apart into one system of the size of the state for each eigenvalue, and conjugate pairs share theirs.

Reference: E. Hairer, G. Wanner, Solving Ordinary Differential Equations II, 1996, section IV.8.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..core.errors import InputError
from ..core.linear import Factored
from ..terms import check_derivatives
from .demand import Carry, Demand
from .implicit import Equations, ImplicitStep
from .implicit_tableau import ImplicitTableau
from .sums import Sums

__all__ = ["DiagonallyImplicitRungeKutta", "FullyImplicitRungeKutta", "implicit_runge_kutta"]


class _ImplicitRungeKutta:
    """What both kinds say of themselves."""

    accepts = "ode"
    history = 0
    implicit = True

    def __init__(self, tableau: ImplicitTableau) -> None:
        if not isinstance(tableau, ImplicitTableau):
            raise InputError(f"an ImplicitTableau is needed; got {type(tableau).__name__}. Its from_lists makes one")
        self.tableau = tableau
        self.name = tableau.name
        self.order = tableau.order
        self.error_order = tableau.error_order
        self.dense_order = tableau.dense_order

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name}, order {self.order})"

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
    ) -> ImplicitStep:
        """Take one step of size `dt` from `t0` to `t1`; the arguments are those of `ExplicitRungeKutta.step`."""
        tableau = self.tableau
        times = sums.times(t0, t1, dt, tableau.c)
        equations = Equations(term, times[0], y0, carry, dt=dt, demand=demand)
        sums.put(0, equations.slope)
        self._solve(term, times, y0, dt, sums, equations)
        y1 = sums.add(y0, dt, tableau.b[: tableau.late])
        return ImplicitStep(tableau, term, sums, equations, times=times, t0=t0, t1=t1, dt=dt, y0=y0, y1=y1)

    def _solve(self, term: Any, times: Any, y0: Tensor, dt: Any, sums: Sums, equations: Equations) -> None:
        raise NotImplementedError


class DiagonallyImplicitRungeKutta(_ImplicitRungeKutta):
    """A diagonally implicit Runge-Kutta method.

    Arguments:
        tableau: the coefficients, lower triangular; yours, or one of `legato.solvers.tableaus`.

    Example:
        >>> from legato.solvers.tableaus import TR_BDF2
        >>> DiagonallyImplicitRungeKutta(TR_BDF2)
        DiagonallyImplicitRungeKutta(TR-BDF2, order 2)
    """

    def _solve(self, term: Any, times: Any, y0: Tensor, dt: Any, sums: Sums, equations: Equations) -> None:
        tableau, frame = self.tableau, equations.frame
        guess: Tensor | None = None
        for index in range(1, tableau.late):
            row = tableau.a[index]
            diagonal, base = row[index], sums.add(y0, dt, row[:index])
            if diagonal == 0:
                sums.put(index, term.field(times[index], base))
                continue
            factored = equations.factored(diagonal)
            if guess is None:
                guess = factored.solve(frame.flat(equations.slope.detach()))
            stage = _Stage(term, equations, times[index], base=frame.flat(base), diagonal=diagonal, dt=dt)
            found = equations.solve(stage.residual, guess, factored.solve, stage.measure, stage.exact)
            guess = found.detach()
            sums.put(index, frame.back(found))


class _Stage:
    """The equation of one stage, `k = f(t, base + dt a k)`, on flat slopes."""

    def __init__(
        self, term: Any, equations: Equations, time: Tensor, *, base: Tensor, diagonal: float, dt: Any
    ) -> None:
        self.term, self.equations, self.time, self.base, self.diagonal = term, equations, time, base, diagonal
        self.size = equations.frame.column(dt, equations.jacobian) * diagonal

    def state(self, k: Tensor) -> Tensor:
        return self.equations.frame.back(self.base + self.size * k)

    def residual(self, k: Tensor) -> Tensor:
        return k - self.equations.frame.flat(self.term.field(self.time, self.state(k)))

    def measure(self, change: Tensor) -> Tensor:
        return self.equations.measure(change * self.diagonal)

    def exact(self, k: Tensor) -> Callable[[Tensor], Tensor]:
        moved = self.equations.jacobian_at(self.term, self.time, self.state(k)) * self.diagonal
        return Factored(torch.eye(moved.shape[-1], dtype=moved.dtype, device=moved.device) - moved).solve


class FullyImplicitRungeKutta(_ImplicitRungeKutta):
    """A Runge-Kutta method whose stages are solved all at once.

    Arguments:
        tableau: the coefficients; yours, or one of `legato.solvers.tableaus`.

    Example:
        >>> from legato.solvers.tableaus import RADAU_IIA5
        >>> FullyImplicitRungeKutta(RADAU_IIA5)
        FullyImplicitRungeKutta(RadauIIA5, order 5)
    """

    def __init__(self, tableau: ImplicitTableau) -> None:
        super().__init__(tableau)
        core = torch.tensor([row[1 : tableau.late] for row in tableau.a[1 : tableau.late]], dtype=torch.float64)
        self._core = core
        values, vectors = torch.linalg.eig(core)
        inverse = torch.linalg.inv(vectors)
        order = [place for place, value in enumerate(values.tolist()) if value.imag >= -1e-12]
        # A conjugate pair counts once, with twice the real part.
        self._eigenvalues = [complex(values[place]) for place in order]
        twice = torch.tensor([2.0 if complex(values[place]).imag > 1e-12 else 1.0 for place in order])
        self._out = vectors[:, order] * twice
        self._into = inverse[order]

    def _solve(self, term: Any, times: Any, y0: Tensor, dt: Any, sums: Sums, equations: Equations) -> None:
        frame, like = equations.frame, equations.jacobian
        core = self._core.to(like)
        size, flat = frame.column(dt, like), frame.flat(y0)
        wide = size[..., None] if isinstance(size, Tensor) and size.dim() else size
        stages = range(1, self.tableau.late)

        def states(k: Tensor) -> list[Tensor]:
            moved = flat[:, None] + wide * torch.einsum("ij,rjn->rin", core, k)
            return [frame.back(part) for part in moved.unbind(1)]

        def residual(k: Tensor) -> Tensor:
            slopes = [frame.flat(term.field(times[i], state)) for i, state in zip(stages, states(k), strict=True)]
            return k - torch.stack(slopes, dim=1)

        def exact(k: Tensor) -> Callable[[Tensor], Tensor]:
            pairs = zip(stages, states(k), strict=True)
            moved = torch.stack([equations.jacobian_at(term, times[i], state) for i, state in pairs], dim=1)
            count = moved.shape[1] * moved.shape[-1]
            blocks = torch.einsum("ij,rinm->rinjm", core, moved).reshape(-1, count, count)
            factored = Factored(torch.eye(count, dtype=moved.dtype, device=moved.device) - blocks)
            return lambda value: factored.solve(value.reshape(-1, count)).view_as(value)

        guess = equations.damped(equations.slope.detach(), self._real)
        whole = frame.flat(guess)[:, None].expand(-1, len(stages), -1)
        found = equations.solve(
            residual,
            whole,
            lambda value: self._update(value, equations),
            lambda change: equations.measure(torch.einsum("ij,rjn->rin", core, change)),
            exact,
        )
        for index in stages:
            sums.put(index, frame.back(found[:, index - 1]))

    @property
    def _real(self) -> float:
        """A coefficient of the size of the eigenvalues, for the guess: that of the filter where there is one."""
        return abs(self._eigenvalues[0]) if self.tableau.damping is None else self.tableau.damping

    def _update(self, value: Tensor, equations: Equations) -> Tensor:
        """Return `(I - dt a x J)^-1 value` for values `(rows, stages, n)`, an eigenvalue at a time."""
        wide = torch.complex128 if value.dtype == torch.float64 else torch.complex64
        into, out = self._into.to(wide).to(value.device), self._out.to(wide).to(value.device)
        turned = torch.einsum("ij,rjn->irn", into, value.to(wide))
        solved = [
            equations.factored(eigenvalue).solve(part)
            for eigenvalue, part in zip(self._eigenvalues, turned, strict=True)
        ]
        return torch.einsum("ij,jrn->rin", out, torch.stack(solved)).real


def implicit_runge_kutta(tableau: ImplicitTableau) -> DiagonallyImplicitRungeKutta | FullyImplicitRungeKutta:
    """Return the solver of a tableau: stage after stage where that is possible, else all at once."""
    return DiagonallyImplicitRungeKutta(tableau) if tableau.diagonal else FullyImplicitRungeKutta(tableau)
