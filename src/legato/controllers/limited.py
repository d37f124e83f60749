r"""A smooth limiter in the place of abrupt bounds.

With :math:`f` the factor that a controller asks for, the step size changes by

.. math:: 1 + \kappa \arctan\frac{f - 1}{\kappa},

which is :math:`f` to second order near 1 and lies within :math:`1 \pm \kappa \pi / 2`. Step sizes, and so the error,
then depend more smoothly on the tolerance.

Reference: G. Soderlind, L. Wang, Adaptive time-stepping and computational stability, 2006.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ..core.errors import InputError
from .pid import Verdict

__all__ = ["Limited"]


class Limited:
    """Limit the factors of another controller smoothly.

    Arguments:
        controller: the controller, one that adapts steps.
        kappa: how far factors may go from 1, from 0.5 to 2. With 1 they lie between 0.21 and 2.57.

    Raises:
        InputError: `kappa` is out of its range, or the controller keeps its steps.

    Example:
        >>> from legato.controllers import PID
        >>> limited = Limited(PID())
        >>> 2.4 < limited.judge(1e-9, limited.start(), order=4, dt=1.0).factor < 2.5
        True
    """

    adaptive = True

    def __init__(self, controller: Any, *, kappa: float = 1.0) -> None:
        if not getattr(controller, "adaptive", False):
            raise InputError(f"a limiter limits a controller that adapts its steps; got {controller!r}")
        if not 0.5 <= kappa <= 2:
            raise InputError(f"kappa is from 0.5 to 2; got {kappa}")
        self.controller, self.kappa = controller, kappa

    def __repr__(self) -> str:
        return f"Limited({self.controller!r}, kappa={self.kappa})"

    def start(self) -> tuple:
        """Return the controller's memory before the first step."""
        memory: tuple = self.controller.start()
        return memory

    def start_rows(self, like: Tensor) -> tuple:
        """Return the controller's memory before the first step, one entry per row."""
        memory: tuple = self.controller.start_rows(like)
        return memory

    def judge(self, error: float, memory: tuple, *, order: int, dt: float) -> Verdict:
        """Judge a step by its error norm, as the controller does."""
        verdict: Verdict = self.controller.judge(error, memory, order=order, dt=dt)
        return verdict._replace(factor=1 + self.kappa * math.atan((verdict.factor - 1) / self.kappa))

    def judge_rows(self, error: Tensor, memory: tuple, *, order: int, dt: Any) -> Verdict:
        """Judge every row's step by its own error norm, as the controller does."""
        verdict: Verdict = self.controller.judge_rows(error, memory, order=order, dt=dt)
        asked = torch.as_tensor(verdict.factor)
        return verdict._replace(factor=1 + self.kappa * torch.atan((asked - 1) / self.kappa))
