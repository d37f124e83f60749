r"""Scores of forecasts: how far, how well calibrated, and against what yardstick.

With observations :math:`y_i`, forecasts :math:`\hat y_i` and the mean :math:`\langle\cdot\rangle` over the observed,

.. math::
    \mathrm{MAE} = \langle |y - \hat y| \rangle, \qquad
    \mathrm{RMSE} = \langle (y - \hat y)^2 \rangle^{1/2}, \qquad
    \rho_\tau(y, q) = \max(\tau (y - q),\, (\tau - 1)(y - q)),

.. math::
    \mathrm{CRPS}(F, y) = \int (F(x) - [x \ge y])^2\,dx
                        = 2 \int_0^1 \rho_\tau(y, F^{-1}(\tau))\,d\tau
                        = E|X - y| - \tfrac12 E|X - X'| .

The pinball loss :math:`\rho_\tau` is least at the quantile of level :math:`\tau`; the continuous ranked probability
score has the unit of the data and is the absolute error where the forecast is a point.

Everywhere: arrays or tensors in, of equal shape, computed in float64; a Python float out. `mask` is true where a value
was observed; without one, a NaN in the truth is a value that was not observed. What is masked out may hold anything.
Where nothing was observed a score is NaN, and a forecast that is NaN where it is scored makes the score NaN.

References:
    T. Gneiting and A. E. Raftery, Strictly proper scoring rules, prediction, and estimation, 2007.
    R. J. Hyndman and A. B. Koehler, Another look at measures of forecast accuracy, 2006.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ..core.errors import InputError

__all__ = [
    "Coverage",
    "coverage",
    "crps_gaussian",
    "crps_quantiles",
    "crps_samples",
    "mae",
    "mase",
    "pinball",
    "rmse",
    "weighted_quantile_loss",
]

Values = ArrayLike | torch.Tensor
Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Coverage(NamedTuple):
    """Count how many observations fell inside a band; `str` says it as "9 of 12"."""

    inside: int
    total: int

    @property
    def fraction(self) -> float:
        """Return the share inside, in [0, 1]; NaN where nothing was observed."""
        return self.inside / self.total if self.total else math.nan

    def __str__(self) -> str:
        return f"{self.inside} of {self.total}"


def mae(truth: Values, forecast: Values, *, mask: Values | None = None) -> float:
    r"""Return the mean absolute error :math:`\langle |y - \hat y| \rangle`, in the unit of the data.

    Arguments:
        truth: observations, any shape.
        forecast: the same shape.
        mask: true where observed, the same shape.

    Raises:
        InputError: shapes differ, or an observed value is infinite.

    Example:
        >>> mae([1.0, 2.0, float("nan")], [2.0, 4.0, 9.0])
        1.5
    """
    seen, scored = _observed(truth, mask)
    return _mean(np.abs(seen - _part(forecast, scored, name="forecast")))


def rmse(truth: Values, forecast: Values, *, mask: Values | None = None) -> float:
    r"""Return the root mean squared error :math:`\langle (y - \hat y)^2 \rangle^{1/2}`, in the unit of the data.

    Arguments and errors are those of `mae`.

    Example:
        >>> rmse([0.0, 0.0], [3.0, -3.0])
        3.0
    """
    seen, scored = _observed(truth, mask)
    error = seen - _part(forecast, scored, name="forecast")
    # A power of two takes no digit, and keeps the squares of numbers near 1e200 finite.
    _, power = np.frexp(np.abs(error).max(initial=0.0))
    return math.ldexp(math.sqrt(_mean(np.ldexp(error, -power) ** 2)), int(power))


def mase(
    truth: Values,
    forecast: Values,
    *,
    history: Values,
    period: int = 1,
    mask: Values | None = None,
    history_mask: Values | None = None,
) -> float:
    r"""Return the mean absolute scaled error: 1 is what the seasonal-naive forecast does inside the history.

    .. math::
        \mathrm{MASE} = \Big\langle \frac{|y_{ij} - \hat y_{ij}|}{s_j} \Big\rangle, \qquad
        s_j = \operatorname{mean}_i |h_{ij} - h_{i-m,\,j}|

    over the pairs of rows `period` apart of which both were observed; each column has its own scale. It is NaN where
    no such pair exists or all pairs are equal, since then there is no yardstick.

    Arguments:
        truth: observations, (rows,) or (rows, columns).
        forecast: the same shape.
        history: what the forecast was fitted to, equally spaced, (rows of history,) or (rows of history, columns).
        period: the season :math:`m` in rows; 1 is the plain naive forecast.
        mask: true where `truth` was observed.
        history_mask: true where `history` was observed.

    Raises:
        InputError: shapes differ, `period` is not a whole number of at least 1, or the history is not longer than it.

    References:
        R. J. Hyndman and A. B. Koehler, Another look at measures of forecast accuracy, 2006.

    Example:
        >>> mase([5.0], [8.0], history=[1.0, 2.0, 4.0])
        2.0
    """
    seen, scored = _observed(truth, mask)
    error = np.abs(seen - _part(forecast, scored, name="forecast"))
    past, known = _masked(history, history_mask, "history")
    if past.ndim not in (1, 2) or past.ndim != scored.ndim or past.shape[1:] != scored.shape[1:]:
        raise InputError(f"history has shape {past.shape} and truth {scored.shape}; expected the same columns in both")
    if int(period) != period or not 1 <= period < len(past):
        raise InputError(f"period is {period}; expected a whole number of rows, from 1 to {len(past) - 1} here")
    both = known[period:] & known[:-period]
    change = np.where(both, np.abs(past[period:] - past[:-period]), 0.0)
    scale = change.sum(axis=0) / np.where(both.any(axis=0), both.sum(axis=0), np.nan)
    return _mean(error / np.broadcast_to(np.where(scale > 0, scale, np.nan), scored.shape)[scored])


def pinball(truth: Values, quantile: Values, level: float, *, mask: Values | None = None) -> float:
    r"""Return the mean pinball loss :math:`\langle \rho_\tau(y, q) \rangle` of a forecast of one quantile.

    Arguments:
        truth: observations, any shape.
        quantile: the forecast of the quantile, the same shape.
        level: :math:`\tau`, in (0, 1).
        mask: true where observed, the same shape.

    Raises:
        InputError: shapes differ, or the level is outside (0, 1).

    References:
        R. Koenker and G. Bassett, Regression quantiles, 1978.

    Example:
        >>> pinball([10.0], [6.0], 0.75)
        3.0
    """
    (tau,) = _levels([level])
    seen, scored = _observed(truth, mask)
    return _mean(_rho(seen, _part(quantile, scored, name="quantile"), tau))


def weighted_quantile_loss(truth: Values, quantiles: Values, levels: Values, *, mask: Values | None = None) -> float:
    r"""Return the weighted quantile loss :math:`\frac1K \sum_k 2 \sum_i \rho_{\tau_k}(y_i, q_{ki}) / \sum_i |y_i|`.

    It has no unit. It is NaN where all observations are zero.

    Arguments:
        truth: observations, any shape.
        quantiles: forecasts of the quantiles, (levels, *shape of truth).
        levels: :math:`\tau_k`, increasing, in (0, 1).
        mask: true where observed, the shape of truth.

    Raises:
        InputError: shapes differ, or the levels are not increasing in (0, 1).

    References:
        D. Salinas, V. Flunkert, J. Gasthaus and T. Januschowski, DeepAR, 2020.
    """
    tau = _levels(levels)
    seen, scored = _observed(truth, mask)
    bands = _bands(quantiles, scored, name="quantiles", count=len(tau))
    size = np.abs(seen).sum()
    return float(2 * _rho(seen, bands, tau[:, None]).sum(axis=1).mean() / size) if size > 0 else math.nan


def crps_gaussian(truth: Values, mean: Values, deviation: Values, *, mask: Values | None = None) -> float:
    r"""Return the mean continuous ranked probability score of normal forecasts, in closed form.

    .. math::
        \mathrm{CRPS}(N(\mu, \sigma^2), y) = \sigma \left( z\,(2\Phi(z) - 1) + 2\varphi(z) - \pi^{-1/2} \right),
        \qquad z = (y - \mu) / \sigma ,

    which tends to :math:`|y - \mu|` as :math:`\sigma \to 0`, and is that at 0.

    Arguments:
        truth: observations, any shape.
        mean: :math:`\mu`, the same shape.
        deviation: :math:`\sigma \ge 0`, the same shape.
        mask: true where observed, the same shape.

    Raises:
        InputError: shapes differ, or a scored deviation is negative.

    References:
        T. Gneiting and A. E. Raftery, Strictly proper scoring rules, prediction, and estimation, 2007, equation 21.
    """
    seen, scored = _observed(truth, mask)
    sigma = _part(deviation, scored, name="deviation")
    error = seen - _part(mean, scored, name="mean")
    if (sigma < 0).any():
        raise InputError(f"deviation goes down to {sigma.min():g}; a standard deviation is at least 0")
    z = error / np.where(sigma == 0, 1.0, sigma)
    twice = torch.erf(torch.from_numpy(z / math.sqrt(2))).numpy()  # 2 Phi(z) - 1
    density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    spread = sigma * (z * twice + 2 * density - 1 / math.sqrt(math.pi))
    return _mean(np.where(sigma == 0, np.abs(error), spread))


def crps_samples(truth: Values, samples: Values, *, mask: Values | None = None) -> float:
    r"""Return the mean continuous ranked probability score of forecasts given as samples.

    The score is that of the empirical distribution of the samples :math:`x_1 \le \dots \le x_S`, exactly:

    .. math::
        \frac1S \sum_s |x_s - y| - \frac{2}{S^2} \sum_s \left( s - \tfrac{S + 1}{2} \right) x_s .

    Arguments:
        truth: observations, any shape.
        samples: (samples, *shape of truth).
        mask: true where observed, the shape of truth.

    Raises:
        InputError: shapes differ, or there is no sample.
    """
    seen, scored = _observed(truth, mask)
    drawn = np.sort(_bands(samples, scored, name="samples"), axis=0)
    count = len(drawn)
    rank = np.arange(1, count + 1) - (count + 1) / 2
    return _mean(np.abs(drawn - seen).mean(axis=0) - 2 * (rank @ drawn) / count**2)


def crps_quantiles(truth: Values, quantiles: Values, levels: Values, *, mask: Values | None = None) -> float:
    r"""Return the mean continuous ranked probability score of forecasts given as quantiles.

    The integral :math:`2 \int_0^1 \rho_\tau\,d\tau` is summed over cells that meet half-way between neighbouring
    levels, the first beginning at 0 and the last ending at 1; a cell's width is the weight of its level. With the
    levels :math:`(k - \frac12)/K` this is the midpoint rule, and exact for the distribution of K samples; with the
    median alone it is the mean absolute error.

    Arguments:
        truth: observations, any shape.
        quantiles: forecasts of the quantiles, (levels, *shape of truth).
        levels: :math:`\tau_k`, increasing, in (0, 1).
        mask: true where observed, the shape of truth.

    Raises:
        InputError: shapes differ, or the levels are not increasing in (0, 1).

    References:
        F. Laio and S. Tamea, Verification tools for probabilistic forecasts of continuous hydrological variables, 2007.
    """
    tau = _levels(levels)
    seen, scored = _observed(truth, mask)
    bands = _bands(quantiles, scored, name="quantiles", count=len(tau))
    width = np.diff(np.concatenate([[0.0], (tau[1:] + tau[:-1]) / 2, [1.0]]))
    return _mean(2 * width @ _rho(seen, bands, tau[:, None]))


def coverage(truth: Values, lower: Values, upper: Values, *, mask: Values | None = None) -> Coverage:
    """Count the observations inside the closed band from `lower` to `upper`; a NaN in the band covers nothing.

    Arguments:
        truth: observations, any shape.
        lower: lower edge of the band, the same shape.
        upper: upper edge of the band, the same shape.
        mask: true where observed, the same shape.

    Raises:
        InputError: shapes differ, or an upper edge lies below its lower edge.

    Example:
        >>> print(coverage([1.0, 2.0, 3.0], [0.0, 0.0, 0.0], [1.0, 2.0, 2.0]))
        2 of 3
    """
    seen, scored = _observed(truth, mask)
    low, high = _part(lower, scored, name="lower"), _part(upper, scored, name="upper")
    if (high < low).any():
        raise InputError(f"upper lies below lower at {int((high < low).sum())} places; swap the edges of the band")
    return Coverage(int(((low <= seen) & (seen <= high)).sum()), seen.size)


def _array(values: Values) -> Array:
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().numpy()
    return np.asarray(values, dtype=np.float64)


def _masked(truth: Values, mask: Values | None, name: str) -> tuple[Array, Mask]:
    """Return values and where they were observed, checked."""
    values = _array(truth)
    scored = ~np.isnan(values) if mask is None else _array(mask) != 0
    if scored.shape != values.shape:
        raise InputError(f"the mask of {name} has shape {scored.shape} and {name} {values.shape}; both need the same")
    if not np.isfinite(values[scored]).all():
        count = int((~np.isfinite(values[scored])).sum())
        raise InputError(f"{count} observed values of {name} are NaN or infinite; mask out what was not observed")
    return values, scored


def _observed(truth: Values, mask: Values | None) -> tuple[Array, Mask]:
    """Return the observed values in one row, and where they stood."""
    values, scored = _masked(truth, mask, "truth")
    return values[scored], scored


def _part(values: Values, scored: Mask, *, name: str) -> Array:
    """Return the scored part of a forecast whose shape must be that of the truth."""
    array = _array(values)
    if array.shape != scored.shape:
        raise InputError(f"{name} has shape {array.shape} and truth {scored.shape}; both need the same")
    return array[scored]


def _bands(values: Values, scored: Mask, *, name: str, count: int | None = None) -> Array:
    """Return the scored part of several forecasts, (forecasts, observed values)."""
    array = _array(values)
    wanted = (array.shape[0] if array.ndim and count is None else count, *scored.shape)
    if array.shape != wanted or not len(array):
        raise InputError(f"{name} has shape {array.shape}; expected {count or 'at least one'} times {scored.shape}")
    return array[:, scored]


def _levels(levels: Values) -> Array:
    tau = _array(levels)
    if tau.ndim != 1 or not tau.size or not ((tau > 0) & (tau < 1)).all() or (np.diff(tau) <= 0).any():
        raise InputError(f"levels are {tau.tolist()}; expected increasing numbers between 0 and 1, both excluded")
    return tau


def _rho(truth: Array, quantile: Array, level: Array | float) -> Array:
    error = truth - quantile
    return np.maximum(level * error, (level - 1) * error)


def _mean(values: Array) -> float:
    return float(values.mean()) if values.size else math.nan
