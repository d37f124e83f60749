"""How far a forecast goes: the times of every series, from a horizon, a number of steps or times.

A forecast ends within 100 times the span of the longest series that was fitted, and has at most 1,000,000 rows: beyond
that it says nothing, and takes for ever to say it.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from ..core.errors import InputError, OptionError
from ..data import SECONDS, Series, SeriesSet, TimeScale, parse_times
from ..data.durations import Length, duration_words
from ..data.months import later_months, month_step, months_within, reach
from ..data.times import steps_in_words, steps_within
from .origins import name_series

__all__ = ["count_steps", "forecast_grids", "step_in_words"]

_FARTHEST = 100
_MOST_ROWS = 1_000_000


def forecast_grids(
    series: SeriesSet,
    fitted: SeriesSet,
    *,
    horizon: Length | None = None,
    steps: int | None = None,
    at: Any = None,
) -> list[np.ndarray]:
    """Return the times to forecast, one grid per series.

    Steps are of the median spacing, and of calendar months where all dates lie whole months apart; see
    `legato.data.months`.

    Arguments:
        series: the histories.
        fitted: what was fitted: it says how far a forecast may go, and its spacing counts where no history has two
            times.
        horizon, steps, at: one of them; see `Forecaster.predict`.

    Returns:
        `(m_i,)` for each history, empty for one that `at` does not name.

    Raises:
        OptionError: not exactly one is given, or it cannot be meant or goes too far.
        InputError: `at` holds no time, an early one, one that lies too far ahead, or names another series.
    """
    if sum(value is not None for value in (horizon, steps, at)) != 1:
        raise OptionError("give exactly one of horizon, steps and at")
    farthest = _farthest(fitted)
    if at is not None:
        named = _by_series(series, at) if isinstance(at, Mapping) else None
        if named is None:
            grids = [_times(series, series.scale, at, farthest)] * len(series)
        else:
            own = [named.get(one.id) for one in series]
            grids = [
                np.empty(0) if asked is None else _times([one], series.scale, asked, farthest)
                for one, asked in zip(series, own, strict=True)
            ]
        _check_rows(sum(len(grid) for grid in grids) * len(series.targets))
        return grids
    wanted = f"{_checked_steps(steps)} steps" if steps is not None else horizon
    assert wanted is not None
    step = _Step(series, fitted)
    counts = [step.count(one, wanted, farthest) for one in series]
    _check_rows(sum(counts) * len(series.targets))
    return [step.grid(one, count) for one, count in zip(series, counts, strict=True)]


def count_steps(series: SeriesSet, fitted: SeriesSet, horizon: Length) -> int:
    """Return how many steps a horizon holds after the first series.

    Raises:
        OptionError: the horizon cannot be meant, goes too far, or holds no step.
    """
    return _Step(series, fitted).count(series[0], horizon, _farthest(fitted))


def step_in_words(series: SeriesSet) -> str:
    """Return the step of forecasts that follow some series, such as "every 7 days".

    A step that is the median of unequal spacings is "about" that long.
    """
    step = _Step(series, series)
    if step.months is not None:
        return "every month" if step.months == 1 else f"every {step.months} months"
    length, unit = step.length, series.scale.unit
    if unit == "seconds":
        unit = next(
            name for name in ("days", "hours", "minutes", "seconds") if length % SECONDS[name] == 0 or name == unit
        )
        length /= SECONDS[unit]
    about = "" if np.allclose(series.gaps, step.length, rtol=1e-6, atol=0) else "about "
    if unit is None:
        return f"{about}every {length:g}"
    return f"{about}every {unit[:-1]}" if length == 1 else f"{about}every {length:g} {unit}"


class _Step:
    """The step of some histories: `months` of the calendar, or None and the median spacing `length` alone."""

    def __init__(self, series: SeriesSet, fitted: SeriesSet) -> None:
        known = series if len(series.gaps) else fitted
        self.scale = series.scale
        self.months = month_step(known.scale, [one.times for one in known])
        # Subtraction leaves noise in the spacing of decimals, as large as the last bit of the times.
        largest = max(float(np.abs(one.times[[0, -1]]).max()) for one in known)
        self.length = float(_plain(np.median(known.gaps, keepdims=True), largest)[0])

    def count(self, one: Series, horizon: Length, farthest: float) -> int:
        """Return how many steps after a series' last time a horizon holds."""
        if isinstance(horizon, datetime.timedelta | np.timedelta64):
            horizon = duration_words(horizon)
        if not isinstance(horizon, str | Real) or isinstance(horizon, bool):
            raise OptionError(
                f"a horizon is a number, words such as '24h' and '3 steps', or a time difference; got {horizon!r}"
            )
        count = steps_in_words(horizon)
        length = count * self.length if count is not None else reach(self.scale, one.times, horizon)
        if not math.isfinite(length):
            raise OptionError(f"a horizon is finite; got {horizon!r}")
        if length > farthest * (1 + 1e-9):
            raise OptionError(
                f"the horizon {horizon!r} goes too far: a forecast ends within {_FARTHEST} times the span of what was "
                f"fitted, about {farthest / self.length:.0f} steps; ask for less"
            )
        if count is None and self.months is not None:
            count = months_within(self.scale, one.times, length, step=self.months)
        elif count is None:
            count = steps_within(length, self.length)
        if count < 1:
            raise OptionError(
                f"the horizon {horizon!r} holds no point: it is shorter than the spacing, {self.length:g}"
            )
        return count

    def grid(self, one: Series, count: int) -> np.ndarray:
        """Return so many times after a series' last."""
        if self.months is not None:
            return later_months(self.scale, one.times, self.months * np.arange(1, count + 1))
        times = float(one.times[-1]) + self.length * np.arange(1, count + 1, dtype=np.float64)
        return times if self.scale.calendar else _plain(times, float(np.abs(times[[0, -1]]).max()))


def _plain(values: np.ndarray, largest: float) -> np.ndarray:
    """Return the numbers of fewest decimals that lie within the rounding of `largest` from some, or those themselves.

    >>> _plain(np.array([72.78999999999999, 72.80000000000001]), 72.8).tolist()
    [72.79, 72.8]
    """
    slack = 4 * np.spacing(largest)
    candidates = (np.round(values, decimals) for decimals in range(17))
    return next((plain for plain in candidates if (np.abs(plain - values) <= slack).all()), values)


def _farthest(fitted: SeriesSet) -> float:
    return _FARTHEST * max(float(one.times[-1] - one.times[0]) for one in fitted)


def _checked_steps(steps: Any) -> int:
    if not isinstance(steps, Integral) or isinstance(steps, bool) or steps < 1:
        raise OptionError(f"steps is a whole number of at least 1; got {steps!r}")
    return int(steps)


def _by_series(series: SeriesSet, at: Mapping[Any, Any]) -> dict[str, Any]:
    """Return times by the text of their series' name, all of them series of the history."""
    named = {str(name): times for name, times in at.items()}
    if not named:
        raise InputError("at holds no time; give at least one")
    if series.series_column is None:
        raise InputError("at names series, and the history is one series without a name; give the times alone")
    strange = [name for name in named if name not in series.ids]
    if strange:
        raise InputError(
            f"at has times for {name_series(strange)}, not in the history, which holds {name_series(series.ids)}"
        )
    return named


def _times(series: Sequence[Series] | SeriesSet, scale: TimeScale, at: Any, farthest: float) -> np.ndarray:
    """Return times as given, each after the last of every history."""
    if not np.size(at):
        raise InputError("at holds no time; give at least one")
    times = np.unique(parse_times(at if isinstance(at, str) or np.ndim(at) else [at], scale))
    early = [one.id for one in series if times[0] <= one.times[-1]]
    if early:
        raise InputError(
            f"a forecast is of later times, and {scale.format(times[:1])[0]} is not after the last time "
            f"of {name_series(early)}; give later times"
        )
    if times[-1] - min(one.times[-1] for one in series) > farthest * (1 + 1e-9):
        raise InputError(
            f"{scale.format(times[-1:])[0]} lies too far ahead: a forecast ends within {_FARTHEST} times the "
            "span of what was fitted; give nearer times"
        )
    return times


def _check_rows(count: int) -> None:
    if count > _MOST_ROWS:
        raise OptionError(f"a forecast has at most {_MOST_ROWS:,} rows, and this would be {count:,}; ask for less")
