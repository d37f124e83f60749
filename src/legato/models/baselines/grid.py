r"""Regular grids: the only place where "one step earlier" has a meaning.

A history stands on a grid if :math:`t_i = t_1 + k_i \Delta` with whole numbers :math:`k_i`, up to a hundredth of
:math:`\Delta`. Rows that are missing from it are rows without observations; they are not filled.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .interface import Array, History, NotApplicableError

__all__ = ["Grid", "on_grid"]

_SLACK = 0.01
_MOST_ROWS = 4  # grid rows for each row of the history: with three in four missing it is hardly a grid


class Grid(NamedTuple):
    """Hold values on a regular grid: last time, spacing, values (rows, columns) with NaN where nothing was observed."""

    last: float
    spacing: float
    values: Array

    def steps_to(self, at: Array, *, baseline: str) -> NDArray[np.int64]:
        """Return how many steps after the last row each time lies.

        Raises:
            NotApplicableError: a time lies between the grid's points, or not after the last row.
        """
        steps = (at - self.last) / self.spacing
        whole = np.rint(steps)
        if (np.abs(steps - whole) > _SLACK).any():
            away = at[np.abs(steps - whole).argmax()]
            reason = f"it steps by {self.spacing:.6g} from {self.last:.10g}, and {away:.10g} lies between its steps"
            raise NotApplicableError(baseline, reason)
        if len(whole) and whole.min() < 1:
            raise NotApplicableError(baseline, f"it predicts times after {self.last:.10g}; got {at.min():.10g}")
        return whole.astype(np.int64)


def on_grid(history: History, *, baseline: str) -> Grid:
    """Return the history on its regular grid.

    Raises:
        NotApplicableError: there are fewer than three rows, or their times are irregular.
    """
    times = history.times
    if len(times) < 3:
        raise NotApplicableError(baseline, f"it needs at least 3 rows; got {len(times)}")
    gaps = np.diff(times)
    typical = float(np.median(gaps[gaps < 1.5 * gaps.min()]))
    rows = round(float((times[-1] - times[0]) / typical)) + 1
    if rows > _MOST_ROWS * len(times):
        raise NotApplicableError(baseline, f"the times are irregular: gaps from {gaps.min():.6g} to {gaps.max():.6g}")
    spacing = float(times[-1] - times[0]) / (rows - 1)
    place = (times - times[0]) / spacing
    whole = np.rint(place)
    if (np.abs(place - whole) > _SLACK).any() or (np.diff(whole) < 1).any():
        raise NotApplicableError(baseline, f"the times are irregular: gaps from {gaps.min():.6g} to {gaps.max():.6g}")
    values = np.full((rows, history.values.shape[1]), np.nan)
    values[whole.astype(np.int64)] = np.where(history.mask, history.values, np.nan)
    return Grid(float(times[-1]), spacing, values)
