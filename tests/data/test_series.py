"""From a table to series: roles, order, repeated rows, and one answer however the table is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas
import polars
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from legato.core.errors import OptionError
from legato.data import SeriesSet, TableError, load_lynx_hare, read_series

COLUMNS = {
    "patient": ["10", "9", "10", "9", "10"],
    "hours": [2.5, 0.0, 0.0, 1.25, 1.0],
    "pulse": [71.0, None, 70.0, 62.0, None],
    "oxygen": [0.97, 0.95, None, None, 0.99],
    "ward": ["a", "b", "a", "b", "a"],
    "weight": [80.0, 65.0, 80.0, 65.0, None],
}
ROLES = {"time": "hours", "series": "patient", "target": ["pulse", "oxygen"], "static": ["weight"]}


def frame(columns: dict = COLUMNS) -> pyarrow.Table:
    return pyarrow.table(columns)


def equal(a: SeriesSet, b: SeriesSet) -> bool:
    def same(x: object, y: object) -> bool:
        parts = ("times", "values", "mask", "static")
        return all(np.array_equal(getattr(x, part), getattr(y, part), equal_nan=part != "mask") for part in parts)

    return a.ids == b.ids and a.targets == b.targets and a.scale == b.scale and all(map(same, a, b))


def test_series_are_sorted_by_id_and_time_and_masked_never_filled() -> None:
    read = read_series(frame(), **ROLES)
    assert read.ids == ("9", "10")
    assert read[1].times.tolist() == [0.0, 1.0, 2.5]
    np.testing.assert_array_equal(read[1].values, [[70.0, np.nan], [np.nan, 0.99], [71.0, 0.97]])
    assert read[1].mask.tolist() == [[True, False], [False, True], [True, True]]
    assert read[1].rows.tolist() == [3, 5, 1]
    assert [one.static.tolist() for one in read] == [[65.0], [80.0]]
    assert read.scale.unit == "hours"
    assert sorted(read.gaps) == [1.0, 1.25, 1.5]


def test_rows_out_of_order_are_noted_and_interleaved_series_are_not() -> None:
    found = {finding.code: finding for finding in read_series(frame(), **ROLES).notes}
    assert found["unsorted"].rows == (3,)
    tidy = {name: [cells[i] for i in (2, 1, 4, 3, 0)] for name, cells in COLUMNS.items()}
    assert "unsorted" not in {finding.code for finding in read_series(frame(tidy), **ROLES).notes}


def test_one_answer_however_the_table_is_written(tmp_path: Path) -> None:
    table = frame()
    parquet, comma, semicolon = tmp_path / "a.parquet", tmp_path / "a.csv", tmp_path / "b.csv"
    pyarrow.parquet.write_table(table, parquet)
    polars.from_arrow(table).write_csv(comma)
    table.to_pandas().to_csv(semicolon, sep=";", index=False, na_rep="n/a", lineterminator="\r\n")
    expected = read_series(table, **ROLES)
    for source in (parquet, comma, semicolon, str(comma), table.to_pandas(), polars.from_arrow(table)):
        read = read_series(source, **ROLES)
        assert equal(read, expected)
        assert read.digest == expected.digest


def test_integer_ids_read_the_same_from_every_source(tmp_path: Path) -> None:
    columns = {**COLUMNS, "patient": [10, 9, 10, 9, 10]}
    path = tmp_path / "a.csv"
    polars.DataFrame(columns).write_csv(path)
    expected = read_series(frame(), **ROLES)
    for source in (path, pandas.DataFrame(columns), polars.DataFrame(columns)):
        assert equal(read_series(source, **ROLES), expected)


@given(st.permutations(range(5)), st.permutations(list(COLUMNS)))
@settings(deadline=None)
def test_the_order_of_rows_and_columns_does_not_matter(rows: list[int], names: list[str]) -> None:
    shuffled = frame({name: [COLUMNS[name][i] for i in rows] for name in names})
    read, expected = read_series(shuffled, **ROLES), read_series(frame(), **ROLES)
    assert equal(read, expected)
    assert read.digest == expected.digest


def test_the_unit_of_time_changes_times_by_its_factor() -> None:
    minutes = {"time_min" if name == "hours" else name: cells for name, cells in COLUMNS.items()}
    minutes["time_min"] = [60.0 * hours for hours in COLUMNS["hours"]]
    read = read_series(frame(minutes), **{**ROLES, "time": "time_min"})
    assert read.scale.unit == "minutes"
    assert read[1].times.tolist() == [0.0, 60.0, 150.0]


def test_by_default_every_column_of_numbers_is_a_target_and_it_is_noted() -> None:
    read = read_series(frame(), time="hours", series="patient")
    assert read.targets == ("pulse", "oxygen", "weight")
    noted = next(finding for finding in read.notes if finding.code == "targets")
    assert "pulse, oxygen, weight" in noted.message
    assert "ward (text)" in noted.message


def test_rows_that_repeat_or_complete_each_other_are_merged_and_noted() -> None:
    table = pyarrow.table({"t": [0, 0, 1, 1, 1], "a": [1.0, 1.0, 2.0, None, None], "b": [5.0, 5.0, None, 6.0, None]})
    read = read_series(table, time="t")
    assert read[0].times.tolist() == [0.0, 1.0]
    assert read[0].values.tolist() == [[1.0, 5.0], [2.0, 6.0]]
    noted = next(finding for finding in read.notes if finding.code == "repeated")
    assert (noted.rows, noted.count) == ((2, 4, 5), 3)


def test_rows_of_one_time_that_differ_are_refused_with_both_rows() -> None:
    table = pyarrow.table({"id": ["x", "y", "x"], "t": [1900, 1900, 1900], "a": [1.0, 2.0, 3.0]})
    with pytest.raises(TableError, match="1 and 3") as caught:
        read_series(table, time="t", series="id", target="a")
    assert caught.value.finding.code == "duplicate-time"
    assert caught.value.finding.rows == (1, 3)
    assert caught.value.column == "a"


@pytest.mark.parametrize(
    ("columns", "roles", "code", "row"),
    [
        ({"t": [1, 2], "y": ["1", "x"]}, {}, "not-a-number", 2),
        ({"t": [1, 2], "y": ["1", "x"]}, {"target": "y"}, "not-a-number", 2),
        ({"t": [1, 2], "y": ["a", "b"]}, {}, "no-target", None),
        ({"t": [1, 2], "y": ["a", "b"]}, {"target": "y"}, "text", None),
        ({"t": [1, 2], "y": [None, None]}, {"target": "y"}, "all-missing", None),
        ({"t": [1, 2], "y": [1, 2], "id": ["a", None]}, {"series": "id"}, "missing-id", 2),
        ({"t": [1, 2], "y": [1, 2], "id": [1.0, 2.0]}, {"series": "id"}, "float-id", None),
        ({"t": [1, 2], "y": [1, 2], "w": [1, 2]}, {"target": "y", "static": ["w"]}, "varying-static", 1),
        ({"t": [1, 2], "y": [1, 2]}, {"target": "z"}, "no-column", None),
        ({"t": [1, 2], "y": [1, 2]}, {"series": "z"}, "no-column", None),
        ({"t": [1, None], "y": [1, 2]}, {}, "missing-time", 2),
    ],
)
def test_a_role_that_a_column_cannot_play_is_refused(columns: dict, roles: dict, code: str, row: int | None) -> None:
    with pytest.raises(TableError) as caught:
        read_series(pyarrow.table(columns), time="t", **roles)
    assert caught.value.finding.code == code
    assert caught.value.row == row


def test_a_broken_column_without_a_role_does_no_harm() -> None:
    table = pyarrow.table({"t": [1, 2], "y": [1, 2], "z": ["1", "x"]})
    assert read_series(table, time="t", target="y").targets == ("y",)


def test_months_in_columns_are_refused_unless_named() -> None:
    months = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
    table = pyarrow.table({"YEAR": [1950, 1951], **{month: [1.0, 2.0] for month in months}})
    with pytest.raises(TableError, match="one row per month"):
        read_series(table, time="YEAR")
    assert read_series(table, time="YEAR", target=months).targets == tuple(months)


def test_a_column_that_counts_the_rows_is_warned_of() -> None:
    table = pyarrow.table({"rownames": [1, 2, 3], "t": [0.0, 0.5, 0.75], "y": [1.0, 3.0, 2.0]})
    assert [f.column for f in read_series(table, time="t").notes if f.code == "row-numbers"] == ["rownames"]


def test_a_column_has_one_role() -> None:
    with pytest.raises(OptionError, match="'pulse' is given twice"):
        read_series(frame(), time="hours", target=["pulse"], static=["pulse"])
    with pytest.raises(OptionError, match="as time and as series"):
        read_series(frame(), time="hours", series="hours")


def test_later_rows_join_the_axis_of_earlier_ones() -> None:
    first = read_series(pyarrow.table({"day": ["2020-01-01", "2020-01-02"], "y": [1, 2]}), time="day")
    later = read_series(pyarrow.table({"day": ["2020-01-08"], "y": [3]}), time="day", scale=first.scale)
    assert later[0].times.tolist() == [7.0]
    assert later.scale == first.scale


def test_a_row_with_nothing_observed_keeps_its_time() -> None:
    read = read_series(pyarrow.table({"t": [1, 2], "y": [None, 2.0]}), time="t")
    assert read[0].times.tolist() == [1.0, 2.0]
    assert read[0].mask.tolist() == [[False], [True]]


def test_the_digest_tells_tables_apart() -> None:
    read = read_series(frame(), **ROLES)
    changed = {**COLUMNS, "pulse": [71.5, *COLUMNS["pulse"][1:]]}
    assert read_series(frame(changed), **ROLES).digest != read.digest
    assert read_series(frame(), **{**ROLES, "target": ["oxygen", "pulse"]}).digest != read.digest


def test_the_bundled_record_is_the_one_that_was_published() -> None:
    read = read_series(load_lynx_hare(), time="year")
    hare, lynx = read[0].values.T
    assert read[0].times.tolist() == list(range(1900, 1921))
    # First, last and peak years, and the sums of the published columns.
    assert (hare[0], hare[-1], lynx[0], lynx[-1]) == (30.0, 24.7, 4.0, 8.6)
    assert (read[0].times[hare.argmax()], read[0].times[lynx.argmax()]) == (1903.0, 1904.0)
