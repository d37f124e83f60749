"""Step sizes and verdicts: what to do after an attempt, from its error norm alone."""

from __future__ import annotations

from ..core.catalogue import Catalogue
from .constant import Constant, Grid
from .limited import Limited
from .pid import PID, Verdict
from .predictive import Predictive

__all__ = ["CONTROLLERS", "PID", "Constant", "Grid", "Limited", "Predictive", "Verdict"]

CONTROLLERS: Catalogue[PID | Predictive | Limited] = Catalogue(
    "controller",
    {
        "i": (PID(), "the classical rule: safety e^(-1/k)"),
        "pi": (PID(0.4, 0.3), "proportional-integral: smoother step sizes, fewer rejections"),
        "pid": (PID(0.2, 0.3, 0.05), "proportional-integral-derivative, for steps that vary fast"),
        "predictive": (Predictive(), "Gustafsson's, by the trend of the error: for implicit methods on stiff problems"),
        "smooth": (Limited(PID(0.4, 0.3)), "proportional-integral, its factors limited smoothly instead of cut off"),
    },
)
