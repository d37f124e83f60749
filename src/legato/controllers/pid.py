r"""Step-size control by the history of the error: I, PI and PID.

With :math:`e_n` the error norm of the current attempt, in units of the tolerance, and :math:`k` the order of the error
estimate plus one, a step is accepted where :math:`e_n \le 1`, and the next step size is :math:`\Delta t` times

.. math::
    \operatorname{clip}\bigl(s\; e_n^{-\beta_1}\, e_{n-1}^{\beta_2}\, e_{n-2}^{-\beta_3},\;
    \mathrm{shrink},\; \mathrm{grow}\bigr),
    \qquad \beta_1 = (k_P + k_I + k_D)/k, \quad \beta_2 = (k_P + 2 k_D)/k, \quad \beta_3 = k_D/k,

at most 1 after a rejection and always below 1 on one, where the pure I rule
:math:`s\,e_n^{-1/k}` decides. :math:`e_{n-1}, e_{n-2}` belong to the accepted steps before.

References: K. Gustafsson, Control theoretic techniques for stepsize selection in explicit Runge-Kutta methods, 1991;
G. Soderlind, Digital filters in adaptive time-stepping, 2003.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..core.errors import InputError

__all__ = ["LEAST_ERROR", "PID", "Verdict"]

LEAST_ERROR = 1e-10
"""Errors below it count as this much."""
# A rejected step is followed by a smaller one even where safety is 1 and the error just above 1.
_GREATEST_RETREAT = 0.99


class Verdict(NamedTuple):
    """Accept the step or not, the factor for the next step size, and what to remember.

    Under shared steps these are a bool, a float and a tuple of floats; under independent steps tensors of one entry per
    row, and a tuple of such tensors.
    """

    accept: bool | Tensor
    factor: float | Tensor
    memory: tuple


class PID:
    """Control the step size by the last three errors.

    Arguments:
        proportional, integral, derivative: the coefficients k_P, k_I, k_D. (0, 1, 0) is the classical I controller.
        safety: the factor s, from `shrink` to 1.
        shrink: the least factor by which a step may change, in (0, 1).
        grow: the greatest, above 1.

    Raises:
        InputError: a number is out of its range.

    Example:
        >>> PID().judge(0.5, PID.start(), order=5).accept
        True
    """

    adaptive = True

    def __init__(
        self,
        proportional: float = 0.0,
        integral: float = 1.0,
        derivative: float = 0.0,
        *,
        safety: float = 0.9,
        shrink: float = 0.2,
        grow: float = 10.0,
    ) -> None:
        if not 0 < shrink < 1 < grow:
            raise InputError(f"expected 0 < shrink < 1 < grow; got shrink={shrink}, grow={grow}")
        if not shrink <= safety <= 1:
            raise InputError(f"expected shrink <= safety <= 1; got safety={safety}, shrink={shrink}")
        if not integral > 0:
            raise InputError(
                f"the integral coefficient must be above zero, or errors are not corrected; got {integral}"
            )
        self.proportional, self.integral, self.derivative = proportional, integral, derivative
        self.safety, self.shrink, self.grow = safety, shrink, grow
        self._retreat_most = min(safety, _GREATEST_RETREAT)

    def __repr__(self) -> str:
        return f"PID({self.proportional}, {self.integral}, {self.derivative}, safety={self.safety})"

    @staticmethod
    def start() -> tuple[float, float, bool]:
        """Return the memory before the first step: two errors of 1 and no rejection."""
        return (1.0, 1.0, False)

    def start_rows(self, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the memory before the first step, one entry per row."""
        one = torch.ones_like(like)
        return (one, one, torch.zeros_like(like, dtype=torch.bool))

    def judge(self, error: float, memory: tuple, *, order: int, dt: float = 1.0) -> Verdict:
        """Judge a step by its error norm.

        Arguments:
            error: the error norm in units of the tolerance.
            memory: what the verdict before returned.
            order: the order of the error estimate.
            dt: the size of the step; not read here.
        """
        last, before, rejected = memory
        if not error <= 1:
            return Verdict(False, self._retreat(error, order + 1), (last, before, True))
        error = max(error, LEAST_ERROR)
        first, second, third = self._exponents(order + 1)
        raw = self.safety * error**-first * last**second * before**-third
        highest = 1.0 if rejected else self.grow
        return Verdict(True, min(max(raw, self.shrink), highest), (error, last, False))

    def judge_rows(self, error: Tensor, memory: tuple, *, order: int, dt: Any = 1.0) -> Verdict:
        """Judge every row's step by its own error norm: the rule of `judge`, on tensors."""
        last, before, rejected = memory
        accept = error <= 1
        bounded = error.clamp(min=LEAST_ERROR)
        first, second, third = self._exponents(order + 1)
        # By exp and log, which torch rounds alike wherever a row lies in the batch; pow it does not.
        raw = self.safety * torch.exp(last.log() * second - bounded.log() * first - before.log() * third)
        highest = torch.where(rejected, torch.ones_like(error), self.grow)
        onward = torch.minimum(raw.clamp(min=self.shrink), highest)
        retreat = (self.safety * torch.exp(bounded.log() / -(order + 1))).clamp(self.shrink, self._retreat_most)
        retreat = torch.where(error.isfinite(), retreat, self.shrink)
        memory = (torch.where(accept, bounded, last), torch.where(accept, last, before), ~accept)
        return Verdict(accept, torch.where(accept, onward, retreat), memory)

    def _retreat(self, error: float, power: int) -> float:
        if not math.isfinite(error):
            return self.shrink
        return min(max(self.safety * error ** (-1 / power), self.shrink), self._retreat_most)

    def _exponents(self, power: int) -> tuple[float, float, float]:
        return (
            (self.proportional + self.integral + self.derivative) / power,
            (self.proportional + 2 * self.derivative) / power,
            self.derivative / power,
        )
