"""The axis of time: lossless back to the form that was read."""

from __future__ import annotations

import datetime
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from legato.core.errors import InputError, OptionError
from legato.data import TimeScale, parse_times

DATETIME = TimeScale(kind="datetime", unit="seconds", digits=0)
DATE = TimeScale(kind="date", unit="days")
COMPACT = TimeScale(kind="yyyymmdd", unit="days")
YEAR = TimeScale(kind="year", unit="years")
ZONED = TimeScale(kind="datetime", unit="seconds", zone="+02:00", separator="T")


@pytest.mark.parametrize(
    ("scale", "text"),
    [
        (DATETIME, "2016-07-01 13:45:09"),
        (TimeScale(kind="datetime", unit="seconds", digits=-1), "2016-07-01 13:45"),
        (TimeScale(kind="datetime", unit="seconds", digits=3), "2016-07-01 13:45:09.250"),
        (ZONED, "2016-07-01T13:45:09+02:00"),
        (TimeScale(kind="datetime", unit="seconds", zone="-05:30"), "2016-07-01 13:45:09-05:30"),
        (TimeScale(kind="datetime", unit="seconds", zone="Z"), "2016-07-01 13:45:09Z"),
        (DATE, "1958-03-29"),
        (DATE, "1000-01-01"),
        (DATE, "2999-12-31"),
        (COMPACT, "19580329"),
        (YEAR, "1900"),
        (TimeScale(kind="integer", origin=2**60), str(2**60 + 1)),
        (TimeScale(kind="number"), "0.1"),
    ],
)
def test_a_stamp_comes_back_as_it_was_written(scale: TimeScale, text: str) -> None:
    assert scale.format(parse_times(text, scale)) == [text]


def test_a_day_is_one_on_an_axis_of_days_and_86400_on_one_of_seconds() -> None:
    assert np.diff(parse_times(["2020-02-28", "2020-03-01"], DATE)).tolist() == [2.0]
    assert np.diff(parse_times(["19000228", "19000301"], COMPACT)).tolist() == [1.0]
    assert np.diff(parse_times(["2020-02-28 00:00", "2020-02-29 00:00"], DATETIME)).tolist() == [86400.0]


def test_an_offset_is_subtracted() -> None:
    utc = parse_times("2016-07-01T11:45:09Z", ZONED)
    assert parse_times("2016-07-01T13:45:09+02:00", ZONED).tolist() == utc.tolist()


@given(st.datetimes(datetime.datetime(1000, 1, 1), datetime.datetime(2999, 12, 31)))
def test_every_second_of_two_thousand_years_comes_back(moment: datetime.datetime) -> None:
    text = moment.replace(microsecond=0).isoformat(sep=" ")
    assert DATETIME.format(parse_times(text, DATETIME)) == [text]


@given(st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2100, 1, 1)))
def test_every_microsecond_near_the_origin_comes_back(moment: datetime.datetime) -> None:
    scale = TimeScale(kind="datetime", unit="seconds", digits=6, separator="T")
    text = moment.isoformat(timespec="microseconds")
    assert scale.format(parse_times(text, scale)) == [text]


@given(st.integers(-(2**62), 2**62), st.integers(-(2**52), 2**52))
def test_integers_are_exact_whatever_their_origin(origin: int, difference: int) -> None:
    scale = TimeScale(kind="integer", origin=origin)
    assert scale.stamps([float(difference)]).tolist() == [origin + difference]


def test_dates_between_days_are_written_with_their_time_of_day() -> None:
    half = parse_times("2020-02-28", DATE) + 0.5
    assert DATE.format(half) == ["2020-02-28 12:00:00"]
    assert COMPACT.format(half) == ["2020-02-28 12:00:00"]
    assert YEAR.format([1900.5]) == ["1900.5"]


def test_stamps_for_a_frame_have_the_type_of_the_column() -> None:
    assert DATETIME.stamps([0.5])[0] == np.datetime64("1970-01-01T00:00:00.500000")
    assert DATE.stamps([1.0])[0] == np.datetime64("1970-01-02")
    assert COMPACT.stamps([1.0]).tolist() == [19700102]
    assert YEAR.stamps([1900.0]).dtype == np.int64


def test_a_scale_survives_json() -> None:
    for scale in (DATETIME, DATE, COMPACT, YEAR, ZONED, TimeScale(kind="integer", origin=2**60)):
        assert TimeScale.from_dict(json.loads(json.dumps(scale.to_dict()))) == scale


def test_a_damaged_scale_is_refused() -> None:
    with pytest.raises(InputError, match="fields"):
        TimeScale.from_dict({"kind": "date"})


def test_a_horizon_in_words_is_converted_to_the_axis() -> None:
    assert DATETIME.duration("24h") == 86400.0
    assert COMPACT.duration("7d") == 7.0
    assert YEAR.duration("5 years") == 5.0
    assert TimeScale(unit="hours").duration("90 min") == 1.5
    assert TimeScale().duration(2.5) == 2.5


def test_words_need_a_unit() -> None:
    with pytest.raises(OptionError, match="time_unit"):
        TimeScale().duration("24h")


def test_a_grid_holds_every_step_up_to_the_horizon() -> None:
    assert YEAR.grid("6 years", start=1914.0, step=1.0).tolist() == [1915, 1916, 1917, 1918, 1919, 1920]
    assert YEAR.grid("2 steps", start=1914.0, step=2.0).tolist() == [1916, 1918]
    assert len(TimeScale(unit="hours").grid(1.0, start=0.0, step=0.1)) == 10
    with pytest.raises(OptionError, match="no point"):
        COMPACT.grid("3 days", start=0.0, step=7.0)


def test_phases_tell_season_weekday_and_hour() -> None:
    phases = DATETIME.phases(parse_times(["2020-07-01 00:00:00", "2021-01-04 06:00:00"], DATETIME))
    # 1 July is day 182 of 366; 4 January 2021 was a Monday, day 3 of 365.
    np.testing.assert_allclose(phases["year"], [182 / 366, 3.25 / 365], rtol=1e-14)
    np.testing.assert_allclose(phases["week"], [2 / 7, 0.25 / 7], rtol=1e-14)
    np.testing.assert_allclose(phases["day"], [0.0, 0.25], rtol=1e-14)
    assert set(DATE.phases([0.0])) == {"year", "week"}
    assert YEAR.phases([1900.0]) == {}


def test_phases_are_those_of_the_clock_on_the_wall() -> None:
    assert ZONED.phases(parse_times("2020-07-01T00:30:00+02:00", ZONED))["day"].tolist() == [0.5 / 24]


def test_times_to_write_must_be_finite() -> None:
    with pytest.raises(InputError, match="finite"):
        DATE.format([np.nan])
