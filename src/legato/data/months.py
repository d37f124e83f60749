"""Calendar months: series whose dates lie whole months apart, and the dates that go on from them.

Months differ in length, so that a monthly series is irregular in days. Where every date of a series has the same time
of day and lies on the same day of the month, or on the last one where the month is too short, its steps are counted in
months: k steps of m months after the last date is the date k m months later, on that day.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from .durations import SECONDS, whole_months
from .times import DAY, TimeScale

__all__ = ["later_months", "month_step", "months_within", "reach"]

_LAST = 31


def month_step(scale: TimeScale, times: Iterable[np.ndarray]) -> int | None:
    """Return the median number of months between the dates of several series, None where they are not whole months.

    Arguments:
        scale: of the times.
        times: one increasing array per series.
    """
    if not scale.calendar:
        return None
    gaps = []
    for one in times:
        months, days, clock = _parts(scale, one)
        if len(one) > 1 and (
            (clock != clock[0]).any() or not np.array_equal(days, _day(months, _anchor(months, days)))
        ):
            return None
        gaps.append(np.diff(months))
    found = np.concatenate(gaps) if gaps else np.empty(0)
    # Two dates of one month cannot lie on the same day, so that every gap is at least one month.
    return round(float(np.median(found))) if len(found) else None


def later_months(scale: TimeScale, times: np.ndarray, months: np.ndarray) -> np.ndarray:
    """Return the times that lie whole months after the last of some, on the day of the month that these share.

    Arguments:
        scale: of the times.
        times: `(n,)`, the dates before.
        months: `(k,)`, how many months later.
    """
    known, days, clock = _parts(scale, times)
    later = known[-1] + months
    anchor = _anchor(known, days)
    if len(times) == 1 or not np.array_equal(days, _day(known, anchor)):  # they share no day: that of the last counts
        anchor = int(days[-1])
    ticks = (_first_days(later) + _day(later, anchor) - 1) * DAY + clock[-1]
    return scale.from_local(ticks)


def reach(scale: TimeScale, times: np.ndarray, horizon: str | float) -> float:
    """Return the length from the last time to the end of a horizon: months and years of a calendar end on its dates.

    Raises:
        OptionError: the horizon is no length of time on this axis.
    """
    months = whole_months(horizon) if isinstance(horizon, str) and scale.calendar else None
    if months is None:
        return scale.duration(horizon)
    return float(later_months(scale, times, np.array([months]))[0] - times[-1])


def months_within(scale: TimeScale, times: np.ndarray, length: float, *, step: int) -> int:
    """Return how many steps of whole months after the last time lie within a length."""
    assert scale.unit is not None, "a calendar has a unit"
    shortest = 28 * SECONDS["days"] / SECONDS[scale.unit]
    most = max(int(length / (shortest * step)), 0) + 1
    later = later_months(scale, times, step * np.arange(1, most + 1)) - times[-1]
    return int((later <= length * (1 + 1e-9)).sum())


def _parts(scale: TimeScale, times: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return months since 1970, days of the month and microseconds of the day, by the clock of the scale's zone."""
    moments = scale.local(times)
    months = moments.astype("datetime64[M]")
    days = moments.astype("datetime64[D]")
    clock = moments.astype(np.int64) - days.astype(np.int64) * DAY
    return months.astype(np.int64), (days - months.astype("datetime64[D]")).astype(np.int64) + 1, clock


def _anchor(months: np.ndarray, days: np.ndarray) -> int:
    """Return the day that the dates mean: the last of the month where all are, else the greatest there is."""
    return _LAST if np.array_equal(days, _day(months, _LAST)) else int(days.max())


def _day(months: np.ndarray, anchor: int) -> np.ndarray:
    """Return the day of each month that is `anchor`, or the month's last."""
    return np.minimum(_first_days(months + 1) - _first_days(months), anchor)


def _first_days(months: np.ndarray) -> np.ndarray:
    """Return the days since 1970 on which months since 1970 begin."""
    days: np.ndarray = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return days
