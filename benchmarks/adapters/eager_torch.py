"""What libraries on eager PyTorch share: the two runs over one function that solves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..problems import Problem
from .interface import Answer, Run

__all__ = ["EagerTorch", "Solved"]


class Solved(NamedTuple):
    """Values time first, the start included, and the steps where the library tells them."""

    values: Tensor
    steps: int | None = None


class EagerTorch:
    """A library on eager PyTorch; one that is added writes `solver`."""

    name = ""
    gradients: tuple[str, ...] = ("direct",)
    eager = True

    def solver(self, problem: Problem, *, equal: bool, gradient: str | None) -> Callable[[], Any]:
        """Return a function of nothing that solves; `read` understands its result."""
        raise NotImplementedError

    def read(self, result: Any) -> Solved:
        """Return what a solve found."""
        raise NotImplementedError

    def forward(self, problem: Problem, *, equal: bool) -> Run:
        """Return the solve without gradient."""
        solve = self.solver(problem, equal=equal, gradient=None)

        def call() -> Any:
            with torch.no_grad():
                return solve()

        return Run(call, lambda: self._answer(problem, call, gradient=False))

    def gradient(self, problem: Problem, kind: str, *, equal: bool) -> Run:
        """Return the solve, the loss and its gradient by the field's parameters."""
        solve = self.solver(problem, equal=equal, gradient=kind)

        def call() -> Any:
            problem.field.zero_grad()
            result = solve()
            self.read(result).values[1:].square().sum().backward()
            return result

        return Run(call, lambda: self._answer(problem, call, gradient=True))

    def _answer(self, problem: Problem, call: Callable[[], Any], *, gradient: bool) -> Answer:
        """Return the answer of one more run, its evaluations counted."""
        calls = []
        hook = problem.field.register_forward_pre_hook(lambda module, inputs: calls.append(1))
        try:
            solved = self.read(call())
        finally:
            hook.remove()
        parts = [parameter.grad.flatten() for parameter in problem.field.parameters()] if gradient else []
        return Answer(
            solved.values[1:].detach().double().numpy(),
            np.asarray(torch.cat(parts).double()) if parts else None,
            solved.steps,
            len(calls),
        )
