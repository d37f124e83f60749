"""Step sizes and verdicts: what to do after an attempt, from its error norm alone."""

from __future__ import annotations

from ..core.catalogue import Catalogue
from .constant import Constant, Grid
from .pid import PID, Verdict

__all__ = ["CONTROLLERS", "PID", "Constant", "Grid", "Verdict"]

CONTROLLERS: Catalogue[PID] = Catalogue(
    "controller",
    {
        "i": (PID(), "the classical rule: safety e^(-1/k)"),
        "pi": (PID(0.4, 0.3), "proportional-integral: smoother step sizes, fewer rejections"),
        "pid": (PID(0.2, 0.3, 0.05), "proportional-integral-derivative, for steps that vary fast"),
    },
)
