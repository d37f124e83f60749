"""Forecasting baselines: the yardsticks that stand beside every score.

    predictor = BASELINES["linear"].fit(times, values, mask)
    predictor.predict(later)                                    # (m, columns)

A baseline that has no meaning for a history says so with `NotApplicableError` and its reason; it never guesses.
"""

from __future__ import annotations

from .autoregression import Autoregression, LogVectorAutoregression
from .catalogue import BASELINES, baselines_with, fit_baselines
from .harmonics import QuadraticHarmonics
from .interface import Baseline, NotApplicableError, Predictor
from .seasonal import SeasonalNaive
from .simple import LastValue, LinearTrend, Mean

__all__ = [
    "BASELINES",
    "Autoregression",
    "Baseline",
    "LastValue",
    "LinearTrend",
    "LogVectorAutoregression",
    "Mean",
    "NotApplicableError",
    "Predictor",
    "QuadraticHarmonics",
    "SeasonalNaive",
    "baselines_with",
    "fit_baselines",
]
