"""Times of every kind find their place on an axis, and a mixture is refused."""

from __future__ import annotations

import datetime
import re

import numpy as np
import pytest

from legato.core.errors import InputError
from legato.plots.times import read_axis_times

NOON = np.datetime64("2016-07-01T12:00", "us")


@pytest.mark.parametrize(
    "times",
    [
        ["2016-07-01 12:00", "2016-07-02 12:00"],
        ["2016-07-01T12:00:00+02:00", "2016-07-02T12:00:00+02:00"],
        ["2016-07-01 12:00:00Z", "2016-07-02 12:00:00Z"],
        [datetime.datetime(2016, 7, 1, 12), datetime.datetime(2016, 7, 2, 12)],
        np.array(["2016-07-01T12", "2016-07-02T12"], dtype="datetime64[h]"),
    ],
)
def test_a_date_is_where_its_clock_says(times: object) -> None:
    assert read_axis_times(times).tolist() == [NOON.item(), NOON.item() + datetime.timedelta(days=1)]


@pytest.mark.parametrize("times", [["19580329"], ["1958-03-29"], [datetime.date(1958, 3, 29)]])
def test_days_are_dates_however_they_are_written(times: list[object]) -> None:
    assert read_axis_times(times).tolist() == [datetime.datetime(1958, 3, 29)]


@pytest.mark.parametrize("times", [[1, 2], ["1", "2.0"], np.array([1.0, 2.0], np.float32)])
def test_numbers_are_numbers_however_they_are_written(times: object) -> None:
    read = read_axis_times(times)
    assert read.dtype == np.float64
    assert read.tolist() == [1.0, 2.0]


def test_eight_digits_that_are_no_calendar_dates_are_numbers() -> None:
    assert read_axis_times(["19580329", "19581341"]).tolist() == [19580329.0, 19581341.0]


@pytest.mark.parametrize(
    "times",
    [["1900", "1900-05-01"], ["soon"], ["2016-07-01 12:00+01:00", "2016-07-01 12:00+02:00"], ["2016-07-01 12:00", "Z"]],
)
def test_times_of_several_kinds_or_zones_are_refused_with_an_example(times: list[str]) -> None:
    with pytest.raises(InputError, match=re.escape(repr(times[0])) + ".*such as 2016-07-01 13:45"):
        read_axis_times(times)


def test_a_table_is_no_list_of_times() -> None:
    with pytest.raises(InputError, match=r"shape \(1, 2\)"):
        read_axis_times([[1.0, 2.0]])
