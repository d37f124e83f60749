"""legato, this library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import legato
from legato.solvers.tableaus import TORCHDIFFEQ_DOPRI5

from ..problems import Problem
from .eager_torch import EagerTorch, Solved

__all__ = ["Legato"]


class Legato(EagerTorch):
    """legato; under equal rules with the tableau that torchdiffeq has, so that both take the same steps."""

    name = "legato"
    gradients = ("discrete", "direct")

    def solver(self, problem: Problem, *, equal: bool, gradient: str | None) -> Callable[[], Any]:
        """Return a call of `legato.solve`."""
        options: dict[str, Any] = {"rtol": problem.rtol, "atol": problem.atol, "gradient": gradient or "discrete"}
        if equal:
            options |= {"solver": TORCHDIFFEQ_DOPRI5, "norm": "batch"}
        times = list(problem.times)
        return lambda: legato.solve(problem.field, problem.y0, times, **options)

    def read(self, result: Any) -> Solved:
        """Return the solution's values and attempts."""
        return Solved(result.ys, int(result.stats.steps.max()))
