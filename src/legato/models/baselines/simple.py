r"""The baselines without memory of shape: last value, mean, straight line.

.. math::
    \hat y(t) = y_n, \qquad \hat y(t) = \frac1n \sum_i y_i, \qquad \hat y(t) = a + b t

with :math:`a, b` by least squares over the observed values; every column by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .interface import Array, Predictor, read_history

__all__ = ["LastValue", "LinearTrend", "Mean"]


@dataclass(frozen=True, kw_only=True)
class LastValue:
    """Predict every column's last observed value, for ever.

    Example:
        >>> LastValue().fit([0, 1, 2], [4.0, 7.0, float("nan")]).predict([9.0]).tolist()
        [[7.0]]
    """

    def fit(self, times: ArrayLike, values: ArrayLike, mask: ArrayLike | None = None) -> Predictor:
        """Return a predictor; needs one observation a column."""
        history = read_history(times, values, mask)
        history.require(1, baseline="the last value")
        return _constant("last value", np.array([column[-1] for _, column in history.columns]))


@dataclass(frozen=True, kw_only=True)
class Mean:
    """Predict every column's mean over its observed values, each counted once.

    Example:
        >>> Mean().fit([0, 1, 5], [1.0, 2.0, 6.0]).predict([9.0]).tolist()
        [[3.0]]
    """

    def fit(self, times: ArrayLike, values: ArrayLike, mask: ArrayLike | None = None) -> Predictor:
        """Return a predictor; needs one observation a column."""
        history = read_history(times, values, mask)
        history.require(1, baseline="the mean")
        return _constant("mean", np.array([column.mean() for _, column in history.columns]))


@dataclass(frozen=True, kw_only=True)
class LinearTrend:
    """Predict by the straight line of least squares through every column's observed values.

    Example:
        >>> LinearTrend().fit([0, 1, 3], [1.0, 3.0, 7.0]).predict([4.0]).round(12).tolist()
        [[9.0]]
    """

    def fit(self, times: ArrayLike, values: ArrayLike, mask: ArrayLike | None = None) -> Predictor:
        """Return a predictor; needs two observations a column."""
        history = read_history(times, values, mask)
        history.require(2, baseline="the linear trend")
        # Around its own mean time, a line has no cancellation however far from zero the clock starts.
        lines = np.array([_line(time, column) for time, column in history.columns])
        centre, level, slope = lines.T
        return Predictor(description="linear trend", rule=lambda at: level + slope * (at[:, None] - centre))


def _line(time: Array, values: Array) -> tuple[float, float, float]:
    centre = time.mean()
    offset = time - centre
    return centre, values.mean(), offset @ values / (offset @ offset)


def _constant(description: str, level: Array) -> Predictor:
    return Predictor(description=description, rule=lambda at: np.tile(level, (len(at), 1)))
