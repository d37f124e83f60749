"""Columns of times: which kind each is read as, and which are refused."""

from __future__ import annotations

import datetime

import numpy as np
import pyarrow
import pytest

from legato.core.errors import OptionError
from legato.data import TableError, TimeColumn, TimeScale, parse_times, read_table, read_times


def read(*cells: object, name: str = "time", **options: object) -> TimeColumn:
    return read_times(read_table(pyarrow.table({name: list(cells)})), name, **options)


@pytest.mark.parametrize(
    ("name", "cells", "kind", "unit", "times"),
    [
        ("time", [0, 0.25], "number", None, [0.0, 0.25]),
        ("hours", [0, 0.25], "number", "hours", [0.0, 0.25]),
        ("t [s]", ["3", "5"], "integer", "seconds", [3.0, 5.0]),
        ("Year", [1900, 1902], "year", "years", [1900.0, 1902.0]),
        ("time", [1900, 1902], "integer", None, [1900.0, 1902.0]),
        ("years", [1, 2], "integer", "years", [1.0, 2.0]),
        ("date", [20200228, 20200301], "yyyymmdd", "days", [0.0, 2.0]),
        ("date", ["20200228", "20200301"], "yyyymmdd", "days", [0.0, 2.0]),
        ("date", ["2020-02-28", "2020-03-01"], "date", "days", [0.0, 2.0]),
        ("date", [datetime.date(2020, 2, 28), datetime.date(2020, 3, 1)], "date", "days", [0.0, 2.0]),
        ("date", ["2020-01-01 00:00", "2020-01-01 00:00:01.5"], "datetime", "seconds", [0.0, 1.5]),
        ("date", ["2020-01-01T00:00:00Z", "2020-01-01T00:01:00Z"], "datetime", "seconds", [0.0, 60.0]),
        ("time", [2**60, 2**60 + 1], "integer", None, [0.0, 1.0]),
        ("time", [str(2**60), str(2**60 + 1)], "integer", None, [0.0, 1.0]),
    ],
)
def test_times_are_read_as_what_every_cell_is(
    name: str, cells: list, kind: str, unit: str | None, times: list[float]
) -> None:
    column = read(*cells, name=name)
    assert (column.scale.kind, column.scale.unit) == (kind, unit)
    assert column.times.tolist() == times
    assert column.notes[0].code == "time"


def test_the_axis_begins_at_the_first_time_not_the_first_row() -> None:
    assert read("2020-01-03", "2020-01-01").times.tolist() == [2.0, 0.0]


def test_one_offset_is_kept_and_several_become_utc() -> None:
    assert read("2020-01-01T00:00+02:00", "2020-01-02T00:00+02:00").scale.zone == "+02:00"
    mixed = read("2020-10-25T02:30+02:00", "2020-10-25T02:30+01:00")
    assert mixed.times.tolist() == [0.0, 3600.0]
    assert mixed.scale.zone == "Z"
    assert "offsets" in [finding.code for finding in mixed.notes]


@pytest.mark.parametrize(
    ("cells", "code", "row"),
    [
        (["2020-01-01", "", "2020-01-03"], "missing-time", 2),
        ([0.0, float("nan")], "missing-time", 2),
        (["1", "2", "x"], "not-a-number", 3),
        (["1", "inf"], "infinite", 2),
        (["01/02/2020", "02/02/2020"], "time-format", 1),
        (["2020/01/02", "2020/01/03"], "time-format", 1),
        (["01.02.2020", "02.02.2020"], "time-format", 1),
        (["12:30", "12:31"], "time-format", 1),
        (["2020-01", "2020-02"], "time-format", 1),
        (["Feb 2020", "Mar 2020"], "time-format", 1),
        (["2020-01-01 00:00:00.1234567", "2020-01-02 00:00:00.1234567"], "time-format", 1),
        (["2020-01-01", "2020-01-02 00:00"], "mixed-times", 2),
        (["2020-01-01T00:00Z", "2020-01-02T00:00"], "mixed-times", 2),
        (["2020-01-01", "20200102"], "mixed-times", 2),
        (["2020-01-01", "2020-02-30"], "bad-date", 2),
        (["2020-01-01 00:00", "2020-01-01 24:00"], "bad-date", 2),
        (["2016-12-31 23:59:59", "2016-12-31 23:59:60"], "bad-date", 2),
        ([20200101, 20200230, 20200301], "bad-date", 2),
        ([10.0**19, 2.0**53], "time-range", None),
    ],
)
def test_times_that_are_not_understood_are_refused_with_their_row(cells: list, code: str, row: int | None) -> None:
    with pytest.raises(TableError) as caught:
        read(*cells)
    assert caught.value.finding.code == code
    assert caught.value.row == row
    assert caught.value.column == "time"
    assert caught.value.finding.fix


def test_eight_digits_that_are_no_dates_are_numbers() -> None:
    assert read(12345678, 23456789).scale.kind == "integer"


def test_a_unit_says_that_eight_digits_are_numbers() -> None:
    column = read(20200228, 20200301, unit="s")
    assert (column.scale.kind, column.scale.unit) == ("integer", "seconds")
    assert column.times.tolist() == [20200228.0, 20200301.0]


def test_a_unit_that_says_nothing_or_does_not_exist_is_refused() -> None:
    with pytest.raises(OptionError, match="leave out"):
        read("2020-01-01", "2020-01-02", unit="days")
    with pytest.raises(OptionError, match="no unit of time"):
        read(1, 2, unit="fortnights")


@pytest.mark.parametrize("power", [9, 12, 15, 18])
def test_integers_that_look_like_times_since_1970_are_warned_of(power: int) -> None:
    codes = [finding.code for finding in read(int(1.6 * 10**power), int(1.7 * 10**power)).notes]
    assert codes == ["time", "epoch"]


def test_numbers_that_look_like_a_spreadsheets_days_are_warned_of() -> None:
    assert "spreadsheet-dates" in [finding.code for finding in read(43831.5, 43832.5, name="date").notes]


def test_timestamps_finer_than_a_microsecond_are_refused() -> None:
    cells = pyarrow.array([0, 1], pyarrow.timestamp("ns"))
    with pytest.raises(TableError, match="microsecond"):
        read_times(read_table(pyarrow.table({"time": cells})), "time")


def test_later_times_join_an_earlier_axis() -> None:
    scale = read("2020-01-01", "2020-01-02").scale
    assert read("2020-01-05", scale=scale).times.tolist() == [4.0]
    assert read("2020-01-05 12:00", scale=scale).times.tolist() == [4.5]
    assert parse_times(["2019-12-31"], scale).tolist() == [-1.0]
    large = read(2**60, 2**60 + 1).scale
    assert read(2**60 + 5, scale=large).times.tolist() == [5.0]


@pytest.mark.parametrize(
    ("scale", "cell"),
    [
        (TimeScale(kind="date", unit="days"), 5),
        (TimeScale(kind="number"), "2020-01-01"),
        (TimeScale(kind="datetime", unit="seconds", zone="Z"), "2020-01-01 00:00"),
    ],
)
def test_times_of_another_kind_do_not_join(scale: TimeScale, cell: object) -> None:
    with pytest.raises(TableError) as caught:
        read(cell, scale=scale)
    assert caught.value.finding.code == "other-times"


def test_a_stamp_that_is_written_otherwise_names_its_position() -> None:
    with pytest.raises(TableError) as caught:
        parse_times(["1915", "soon"], TimeScale(kind="year", unit="years"))
    assert caught.value.row == 2


def test_timestamps_of_a_frame_are_read_with_their_zone() -> None:
    moments = np.array(["2020-01-01T00:00", "2020-01-01T01:00"], dtype="datetime64[ns]")
    for zone, expected in ((None, ""), ("UTC", "Z"), ("Europe/Berlin", "Z"), ("+02:00", "+02:00")):
        cells = pyarrow.array(moments).cast(pyarrow.timestamp("ns", zone))
        column = read_times(read_table(pyarrow.table({"time": cells})), "time")
        assert column.times.tolist() == [0.0, 3600.0]
        assert column.scale.zone == expected
