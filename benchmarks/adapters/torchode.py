"""torchode (M. Lienen)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torchode
from torch import Tensor

from ..problems import Problem
from .eager_torch import EagerTorch, Solved

__all__ = ["TorchODE"]


class TorchODE(EagerTorch):
    """torchode; every sample has its own step, so under equal rules all samples are given the norm of the whole batch.

    Its default method is tsit5 under a PI controller, with steps of every sample's own.
    """

    name = "torchode"

    def solver(self, problem: Problem, *, equal: bool, gradient: str | None) -> Callable[[], Any]:
        """Return a call of its solver."""
        term = torchode.ODETerm(problem.field)
        times = torch.tensor(problem.times).expand(len(problem.y0), -1).contiguous()
        tolerances: dict[str, Any] = {"atol": problem.atol, "rtol": problem.rtol, "term": term}
        if equal:
            controller = torchode.IntegralController(norm=_whole_batch, **tolerances)
            method = torchode.Dopri5(term=term)
        else:
            # The coefficients of torchode.solve_ivp, which does not take tolerances.
            controller = torchode.PIDController(pcoeff=0.2, icoeff=0.5, dcoeff=0.0, **tolerances)
            method = torchode.Tsit5(term=term)
        solver = torchode.AutoDiffAdjoint(method, controller)
        question = torchode.InitialValueProblem(y0=problem.y0, t_eval=times)
        return lambda: solver.solve(question)

    def read(self, result: Any) -> Solved:
        """Return the values, time first, and the most attempts of any sample."""
        return Solved(result.ys.movedim(1, 0), int(result.stats["n_steps"].max()))


def _whole_batch(scaled: Tensor) -> Tensor:
    """Return the root mean square over everything, once for every sample."""
    return (torch.linalg.vector_norm(scaled) / scaled.numel() ** 0.5).expand(len(scaled))
