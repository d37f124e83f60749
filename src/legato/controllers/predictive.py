r"""Gustafsson's predictive control: the step that the last two errors foretell.

The error coefficient of a step, :math:`e_n / \Delta t_n^k`, is taken to change from step to step by a constant factor.
Then the next step size is :math:`\Delta t_n` times

.. math::
    \min\Bigl(s\, e_n^{-1/k},\;
    s\, \frac{\Delta t_n}{\Delta t_{n-1}} \Bigl(\frac{e_{n-1}}{e_n^2}\Bigr)^{1/k}\Bigr),

which shrinks before the error has grown too large. Stiff problems, whose error coefficient falls and rises by orders
of magnitude, are rejected less often.

References: K. Gustafsson, Control-theoretic techniques for stepsize selection in implicit Runge-Kutta methods, 1994;
E. Hairer, G. Wanner, Solving Ordinary Differential Equations II, 1996, section IV.8.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from .pid import LEAST_ERROR, PID, Verdict

__all__ = ["Predictive"]

_LEAST_REMEMBERED = 1e-2
"""Below it an error says little about the next: RADAU5's bound on the error that it remembers."""


class Predictive:
    """Control the step size by the trend of the error; made for implicit methods on stiff problems.

    Arguments:
        safety: the factor s, from `shrink` to 1.
        shrink: the least factor by which a step may change, in (0, 1).
        grow: the greatest, above 1.

    Raises:
        InputError: a number is out of its range.

    Example:
        >>> control = Predictive()
        >>> rising = control.judge(0.5, control.judge(0.1, control.start(), order=3, dt=1.0).memory, order=3, dt=1.0)
        >>> rising.factor < PID().judge(0.5, PID.start(), order=3).factor
        True
    """

    adaptive = True

    def __init__(self, *, safety: float = 0.9, shrink: float = 0.2, grow: float = 8.0) -> None:
        self.classical = PID(safety=safety, shrink=shrink, grow=grow)

    def __repr__(self) -> str:
        return f"Predictive(safety={self.classical.safety})"

    @staticmethod
    def start() -> tuple[float, float, bool]:
        """Return the memory before the first step: no error, no step size, and no rejection."""
        return (1.0, 0.0, False)

    def start_rows(self, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the memory before the first step, one entry per row."""
        return (torch.ones_like(like), torch.zeros_like(like), torch.zeros_like(like, dtype=torch.bool))

    def judge(self, error: float, memory: tuple, *, order: int, dt: float) -> Verdict:
        """Judge a step by its error norm.

        Arguments:
            error: the error norm in units of the tolerance.
            memory: what the verdict before returned: the error and size of the last accepted step, and whether the last
                attempt was refused.
            order: the order of the error estimate.
            dt: the size of the step, positive.
        """
        last, last_dt, rejected = memory
        verdict = self.classical.judge(error, (1.0, 1.0, rejected), order=order)
        if not verdict.accept:
            return Verdict(False, verdict.factor, (last, last_dt, True))
        bounded = max(error, LEAST_ERROR)
        ratio = dt / last_dt if last_dt else math.inf
        foretold = self.classical.safety * ratio * (last / bounded**2) ** (1 / (order + 1))
        factor = min(verdict.factor, max(foretold, self.classical.shrink))
        return Verdict(True, factor, (max(error, _LEAST_REMEMBERED), dt, False))

    def judge_rows(self, error: Tensor, memory: tuple, *, order: int, dt: Any) -> Verdict:
        """Judge every row's step by its own error norm: the rule of `judge`, on tensors."""
        last, last_dt, rejected = memory
        one = torch.ones_like(error)
        verdict = self.classical.judge_rows(error, (one, one, rejected), order=order)
        bounded = error.clamp(min=LEAST_ERROR)
        trend = torch.exp((last.log() - 2 * bounded.log()) / (order + 1))
        foretold = (self.classical.safety * (dt / last_dt) * trend).clamp(min=self.classical.shrink)
        accept, factor = torch.as_tensor(verdict.accept), torch.as_tensor(verdict.factor)
        factor = torch.where(accept, torch.minimum(factor, foretold), factor)
        remembered = torch.where(accept, error.clamp(min=_LEAST_REMEMBERED), last)
        return Verdict(accept, factor, (remembered, torch.where(accept, dt, last_dt), ~accept))
