"""Dates that lie whole months apart go on by the calendar; the truth is pandas' own arithmetic of months."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from legato.data import TimeScale, read_series
from legato.data.months import later_months, month_step, months_within, reach


def axis(dates: pd.DatetimeIndex) -> tuple[TimeScale, np.ndarray]:
    read = read_series(pd.DataFrame({"day": dates, "y": np.arange(len(dates)) ** 2.0}), time="day")
    return read.scale, read[0].times


FIRSTS = pd.date_range("1999-11-01", periods=7, freq="MS")
MIDDLES = pd.date_range("2000-01-15 06:30", periods=9, freq=pd.DateOffset(months=1))
ENDS = pd.date_range("2000-01-31", periods=5, freq="ME")
THIRTIETHS = pd.DatetimeIndex([pd.Timestamp("1999-10-30") + pd.DateOffset(months=k) for k in range(6)])
QUARTERS = pd.date_range("2001-03-31", periods=6, freq="QE")
YEARS = pd.date_range("1960-02-29", periods=4, freq=pd.DateOffset(years=4))
MARCHES = pd.date_range("1995-03-01", periods=5, freq=pd.DateOffset(years=1), tz="UTC")


@pytest.mark.parametrize(
    ("dates", "step"),
    [(FIRSTS, 1), (MIDDLES, 1), (ENDS, 1), (THIRTIETHS, 1), (QUARTERS, 3), (YEARS, 48), (MARCHES, 12)],
    ids=["firsts", "middles", "ends", "thirtieths", "quarters", "leap days", "years"],
)
def test_a_series_of_calendar_months_goes_on_by_them(dates: pd.DatetimeIndex, step: int) -> None:
    known = dates[:-2]
    scale, times = axis(known)
    assert month_step(scale, [times]) == step
    wanted = [str(date) for date in (dates[-2:].tz_localize(None) if dates.tz else dates[-2:])]
    found = scale.stamps(later_months(scale, times, step * np.arange(1, 3)))
    assert [str(pd.Timestamp(one)) for one in found] == wanted


def test_a_month_that_is_missing_does_not_change_the_step() -> None:
    scale, times = axis(FIRSTS.delete(3))
    assert month_step(scale, [times]) == 1


@pytest.mark.parametrize(
    "dates",
    [
        pd.date_range("2000-01-01", periods=60, freq="D"),
        pd.date_range("2000-01-01", periods=9, freq="28D"),
        pd.DatetimeIndex(["2000-01-01 06:00", "2000-02-01 06:00", "2000-03-01 07:00"]),
        pd.DatetimeIndex(["2000-01-01", "2000-02-01", "2000-02-15", "2000-03-01"]),
    ],
    ids=["daily", "four weeks", "another hour", "a date between"],
)
def test_other_dates_have_no_step_in_months(dates: pd.DatetimeIndex) -> None:
    scale, times = axis(dates)
    assert month_step(scale, [times]) is None


def test_numbers_have_no_step_in_months() -> None:
    assert month_step(TimeScale(kind="year", unit="years"), [np.arange(1900.0, 1910.0)]) is None


def test_a_horizon_of_months_ends_on_the_date_and_holds_its_steps() -> None:
    scale, times = axis(FIRSTS)  # to 2000-05-01
    for horizon, end, count in (("12 months", "2001-05-01", 12), ("1 year", "2001-05-01", 12), ("90 days", None, 2)):
        length = reach(scale, times, horizon)
        if end is not None:
            assert scale.format([times[-1] + length]) == [f"{end} 00:00:00"]
        assert months_within(scale, times, length, step=1) == count
    scale, times = axis(pd.date_range("2000-01-01", "2000-01-31", freq="D"))
    assert reach(scale, times, "1 month") == 29 * 86400
