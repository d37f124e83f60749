"""The baselines by name, with the settings that need no knowledge of the data, and all of them at once."""

from __future__ import annotations

from dataclasses import replace

from numpy.typing import ArrayLike

from ...core.catalogue import Catalogue
from .autoregression import Autoregression, LogVectorAutoregression
from .harmonics import QuadraticHarmonics
from .interface import Baseline, NotApplicableError, Predictor
from .seasonal import SeasonalNaive
from .simple import LastValue, LinearTrend, Mean

__all__ = ["BASELINES", "baselines_with", "fit_baselines"]

BASELINES: Catalogue[Baseline] = Catalogue(
    "baseline",
    {
        "last": (LastValue(), "the last observed value"),
        "mean": (Mean(), "the mean of the observed values"),
        "linear": (LinearTrend(), "the straight line of least squares"),
        "seasonal-naive": (SeasonalNaive(), "the observation nearest to a whole number of periods earlier"),
        "ar": (Autoregression(), "an autoregression of the order that AIC chooses, on a regular grid"),
        "var-log": (LogVectorAutoregression(), "a first-order vector autoregression of logarithms, on a regular grid"),
        "harmonics": (QuadraticHarmonics(), "a quadratic trend with the harmonics of a given calendar period"),
    },
)


def baselines_with(period: float | None) -> dict[str, Baseline]:
    """Return the baselines by name, those that have a period with this one, unless it is None.

    Raises:
        InputError: the period is not positive.
    """
    seasonal = (SeasonalNaive, QuadraticHarmonics)
    return {
        name: baseline if period is None or not isinstance(baseline, seasonal) else replace(baseline, period=period)
        for name, baseline in BASELINES.items()
    }


def fit_baselines(
    times: ArrayLike, values: ArrayLike, mask: ArrayLike | None = None, *, period: float | None = None
) -> dict[str, Predictor | NotApplicableError]:
    """Fit every baseline to one history, and say of each that does not apply why.

    Arguments:
        times: (n,), increasing, any unit.
        values: (n,) or (n, columns).
        mask: true where observed, the shape of values; without one, NaN is what was not observed.
        period: a known period in the unit of the times, for the baselines that have one.

    Returns:
        For every name of `BASELINES` a predictor, or the error that holds the reason.

    Raises:
        InputError: the history is malformed, or the period is not positive.

    Example:
        >>> fitted = fit_baselines([0, 1, 2, 3], [1.0, 2.0, 3.0, 4.0])
        >>> fitted["linear"].predict([4.0]).tolist()
        [[5.0]]
        >>> print(fitted["harmonics"])
        the quadratic with harmonics does not apply: it needs a calendar period; give period=
    """
    fitted: dict[str, Predictor | NotApplicableError] = {}
    for name, baseline in baselines_with(period).items():
        try:
            fitted[name] = baseline.fit(times, values, mask)
        except NotApplicableError as error:
            fitted[name] = error
    return fitted
