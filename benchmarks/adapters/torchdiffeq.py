"""torchdiffeq (R. T. Q. Chen)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torchdiffeq

from ..problems import Problem
from .eager_torch import EagerTorch, Solved

__all__ = ["TorchDiffEq"]


class TorchDiffEq(EagerTorch):
    """torchdiffeq; its defaults are dopri5 and the equal rules' norm and controller, so the two rules are one."""

    name = "torchdiffeq"
    gradients = ("direct", "adjoint")

    def solver(self, problem: Problem, *, equal: bool, gradient: str | None) -> Callable[[], Any]:
        """Return a call of `odeint` or `odeint_adjoint`."""
        solve = torchdiffeq.odeint_adjoint if gradient == "adjoint" else torchdiffeq.odeint
        times = torch.tensor(problem.times)
        options: dict[str, Any] = {"rtol": problem.rtol, "atol": problem.atol}
        if equal:
            options["method"] = "dopri5"
        return lambda: solve(problem.field, problem.y0, times, **options)

    def read(self, result: Any) -> Solved:
        """Return the values; the library does not tell its steps."""
        return Solved(result)
