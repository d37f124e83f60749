r"""Linear recurrences on a regular grid: AR(p), and VAR(1) in logarithms.

.. math::
    y_n = c + \sum_{k=1}^{p} \varphi_k\, y_{n-k} + \varepsilon_n, \qquad
    \log y_n = c + A \log y_{n-1} + \varepsilon_n ,

fitted by conditional least squares over every stretch that was observed without a gap, and run forward from the last
rows with :math:`\varepsilon = 0`. The second predicts the median, not the mean, of a log-normal.

References:
    J. D. Hamilton, Time Series Analysis, 1994, chapters 5 and 11.
    H. Akaike, A new look at the statistical model identification, 1974.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core.errors import InputError
from .grid import on_grid
from .interface import Array, NotApplicableError, Predictor, read_history

__all__ = ["Autoregression", "LogVectorAutoregression"]


@dataclass(frozen=True, kw_only=True)
class Autoregression:
    r"""Predict every column by an autoregression AR(p) with a constant.

    Without an order, :math:`p` is the one of least :math:`\mathrm{AIC} = m \log(\mathrm{RSS}/m) + 2 (p + 2)`, from 1 to
    :math:`\min(10 \log_{10} n, n/4)`, all orders judged on the same :math:`m` rows.

    Arguments:
        order: :math:`p`, or None to choose one for each column.

    Example:
        >>> Autoregression(order=1).fit(range(5), [1.0, 3, 7, 15, 31]).predict([5, 6]).round(8).ravel().tolist()
        [63.0, 127.0]
    """

    order: int | None = None

    def __post_init__(self) -> None:
        if self.order is not None and (int(self.order) != self.order or self.order < 1):
            raise InputError(f"order is {self.order}; expected a whole number of at least 1")

    def fit(self, times: ArrayLike, values: ArrayLike, mask: ArrayLike | None = None) -> Predictor:
        """Return a predictor; needs a regular grid whose last p rows were observed."""
        name = "AR(p)" if self.order is None else f"AR({self.order})"
        grid = on_grid(read_history(times, values, mask), baseline=name)
        fits = [_fit_column(column, self.order, name) for column in grid.values.T]

        def rule(at: Array) -> Array:
            steps = grid.steps_to(at, baseline=name)
            return np.column_stack(
                [_continue(column, fit, steps) for column, fit in zip(grid.values.T, fits, strict=True)]
            )

        orders = dict.fromkeys(str(len(fit) - 1) for fit in fits)
        return Predictor(description=f"AR({', '.join(orders)})", rule=rule)


@dataclass(frozen=True, kw_only=True)
class LogVectorAutoregression:
    """Predict all columns together by a first-order vector autoregression of their logarithms.

    Example:
        >>> LogVectorAutoregression().fit(range(4), [1.0, 2, 4, 8]).predict([4, 5]).round(8).ravel().tolist()
        [16.0, 32.0]
    """

    def fit(self, times: ArrayLike, values: ArrayLike, mask: ArrayLike | None = None) -> Predictor:
        """Return a predictor; needs positive data on a regular grid whose last row was observed."""
        name = "VAR(1) in logs"
        history = read_history(times, values, mask)
        lowest = np.min(history.values, initial=np.inf, where=history.mask)
        if lowest <= 0:
            raise NotApplicableError(name, f"logarithms need positive data; the smallest value is {lowest:.6g}")
        grid = on_grid(history, baseline=name)
        logs = np.log(grid.values)
        if np.isnan(logs[-1]).any():
            raise NotApplicableError(name, "the last row was not observed in full, so it cannot be continued")
        columns = logs.shape[1]
        rows = np.column_stack([np.ones(len(logs) - 1), logs[:-1]])
        law = _least_squares(rows, logs[1:], name)

        def rule(at: Array) -> Array:
            steps = grid.steps_to(at, baseline=name)
            path = np.empty((max(steps, default=0) + 1, columns))
            path[0] = logs[-1]
            for index in range(1, len(path)):
                path[index] = law[0] + path[index - 1] @ law[1:]
            return np.exp(path[steps])

        return Predictor(description=name, rule=rule)


def _least_squares(rows: Array, target: Array, name: str) -> Array:
    """Return the coefficients over the rows that were observed in full."""
    target = target[:, None] if target.ndim == 1 else target
    full = np.isfinite(rows).all(axis=1) & np.isfinite(target).all(axis=1)
    if full.sum() <= rows.shape[1]:
        reason = f"{rows.shape[1]} coefficients need more than {int(full.sum())} rows observed together with their past"
        raise NotApplicableError(name, reason)
    return np.asarray(np.linalg.lstsq(rows[full], target[full], rcond=None)[0], dtype=np.float64)


def _lagged(column: Array, order: int) -> Array:
    """Return the rows (1, y_(n-1), ..., y_(n-p)) for n = p, p + 1, ..."""
    lags = [column[order - lag : len(column) - lag] for lag in range(1, order + 1)]
    return np.column_stack([np.ones(len(column) - order), *lags])


def _not_observed(order: int) -> str:
    if order == 1:
        return "the last row was not observed, so it cannot be continued"
    return f"the last {order} rows were not all observed, so they cannot be continued"


def _fit_column(column: Array, order: int | None, name: str) -> Array:
    """Return (c, phi_1, ..., phi_p)."""
    chosen = _order_by_aic(column, name) if order is None else order
    if chosen >= len(column):
        raise NotApplicableError(name, f"{len(column)} rows are too few for order {chosen}")
    if np.isnan(column[-chosen:]).any():
        raise NotApplicableError(name, _not_observed(chosen))
    return _least_squares(_lagged(column, chosen), column[chosen:], name)[:, 0]


def _order_by_aic(column: Array, name: str) -> int:
    most = min(int(10 * math.log10(len(column))), len(column) // 4)
    if most < 1:
        raise NotApplicableError(name, f"{len(column)} rows are too few to choose an order; it needs at least 4")
    rows, target = _lagged(column, most), column[most:]
    full = np.isfinite(rows).all(axis=1) & np.isfinite(target)
    rows, target = rows[full], target[full]
    # An exact recurrence leaves rounding alone; below that, a smaller sum means nothing and the penalty decides.
    rounding = max(len(target) * (1e-12 * np.abs(target).max(initial=0.0)) ** 2, 1e-300)
    scores = []
    for order in range(1, most + 1):
        part = rows[:, : order + 1]
        rest = target - part @ _least_squares(part, target, name)[:, 0]
        scores.append(len(target) * math.log(max(rest @ rest, rounding) / len(target)) + 2 * (order + 2))
    return 1 + int(np.argmin(scores))


def _continue(column: Array, fit: Array, steps: NDArray[np.int64]) -> Array:
    """Run a fitted recurrence forward and return it after the given numbers of steps."""
    order = len(fit) - 1
    path = np.empty(order + int(max(steps, default=0)))
    path[:order] = column[-order:]
    for index in range(order, len(path)):
        path[index] = fit[0] + fit[1:] @ path[index - order : index][::-1]
    return path[order - 1 + steps]
