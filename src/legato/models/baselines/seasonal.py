r"""The seasonal-naive baseline: what was seen a whole number of periods earlier.

.. math::
    \hat y(s) = y_i, \qquad i = \arg\min_i |t_i - (s - kP)|, \qquad
    k = \max\left(1, \left\lceil \frac{s - t_n}{P} \right\rceil\right) .

On irregular times this is the observation nearest to the same phase of the last period that was seen; of two equally
near ones the earlier. At times inside the history it looks one period back, as it does beyond it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ...core.errors import InputError
from .interface import Array, History, NotApplicableError, Predictor, read_history
from .periodogram import dominant_period

__all__ = ["SeasonalNaive"]

_NAME = "the seasonal-naive forecast"


@dataclass(frozen=True, kw_only=True)
class SeasonalNaive:
    """Predict by the observation nearest to a whole number of periods earlier.

    Arguments:
        period: in the unit of the times; None finds the strongest one, and refuses where none stands out.

    Example:
        >>> SeasonalNaive(period=3).fit(range(6), [1.0, 2, 3, 4, 5, 6]).predict([6, 7, 8, 9]).ravel().tolist()
        [4.0, 5.0, 6.0, 4.0]
    """

    period: float | None = None

    def __post_init__(self) -> None:
        if self.period is not None and not 0 < self.period < np.inf:
            raise InputError(f"period is {self.period}; expected a positive length of time")

    def fit(self, times: ArrayLike, values: ArrayLike, mask: ArrayLike | None = None) -> Predictor:
        """Return a predictor; needs a whole period of history in every column."""
        history = read_history(times, values, mask)
        history.require(2, baseline=_NAME)
        period = dominant_period(history) if self.period is None else float(self.period)
        if period is None:
            raise NotApplicableError(_NAME, "no period stands out of the noise; give period= if you know one")
        _require_a_period(history, period)

        def rule(at: Array) -> Array:
            return np.column_stack([_look_back(column, at, period) for column in history.columns])

        return Predictor(description=f"seasonal-naive, period {period:.6g}", rule=rule)


def _look_back(column: tuple[Array, Array], at: Array, period: float) -> Array:
    times, values = column
    # A time one period after the last observation is that observation's, whatever the last bit of the division says.
    periods = np.maximum(1, np.ceil((at - times[-1]) / period - 1e-9))
    return _nearest_value(times, values, at - periods * period)


def _nearest_value(times: Array, values: Array, at: Array) -> Array:
    """Return the value observed nearest to each time, the earlier of two equally near."""
    right = np.clip(np.searchsorted(times, at), 1, len(times) - 1) if len(times) > 1 else np.zeros(len(at), dtype=int)
    left = np.maximum(right - 1, 0)
    return np.where(at - times[left] <= times[right] - at, values[left], values[right])


def _require_a_period(history: History, period: float) -> None:
    for index, (times, _) in enumerate(history.columns):
        # n observations one spacing apart show n phases, so the last spacing counts as seen.
        seen = times[-1] - times[0] + np.median(np.diff(times))
        if seen < period * (1 - 1e-9):
            reason = f"{history.name(index)} spans {seen:.6g} in time, less than one period of {period:.6g}"
            raise NotApplicableError(_NAME, reason)
