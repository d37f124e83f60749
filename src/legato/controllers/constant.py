"""Steps of one size, or on a given grid: every step is accepted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..core.errors import InputError
from .pid import Verdict

__all__ = ["Constant", "Grid"]


class Constant:
    """Keep the step size constant; the last step is shortened to end where the interval ends.

    Arguments:
        dt: the step size, above zero; its sign follows the direction of the solve.

    Raises:
        InputError: `dt` is not a finite positive number.
    """

    adaptive = False

    def __init__(self, dt: float) -> None:
        if not (math.isfinite(dt) and dt > 0):
            raise InputError(f"a constant step size is finite and above zero; got {dt}")
        self.dt = float(dt)

    def __repr__(self) -> str:
        return f"Constant({self.dt})"

    @staticmethod
    def start() -> tuple:
        """Return an empty memory."""
        return ()

    def start_rows(self, like: Tensor) -> tuple:
        """Return an empty memory."""
        return ()

    def judge(self, error: float, memory: tuple, *, order: int, dt: float = 1.0) -> Verdict:
        """Accept, and keep the step size."""
        return Verdict(True, 1.0, memory)

    def judge_rows(self, error: Tensor, memory: tuple, *, order: int, dt: Any = 1.0) -> Verdict:
        """Accept every row, and keep the step sizes."""
        return Verdict(torch.ones_like(error, dtype=torch.bool), torch.ones_like(error), memory)


class Grid(Constant):
    """Step from one given time to the next.

    Arguments:
        times: where steps begin and end, in the direction of the solve; the interval's ends are added by the solve. A
            1-D tensor may carry a gradient.
    """

    def __init__(self, times: Sequence[float] | Tensor) -> None:
        self.given = times
        plain = times.detach().tolist() if isinstance(times, Tensor) else times
        self.times = tuple(float(time) for time in plain)
        if not all(math.isfinite(time) for time in self.times):
            raise InputError("the times of a step grid must be finite")
        self.dt = math.inf

    def __repr__(self) -> str:
        return f"Grid({len(self.times)} times)"
