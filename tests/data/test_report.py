"""The data report: everything wrong in one reading, nothing raised."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow
import pytest

from legato.core.errors import OptionError
from legato.data import Report, TableError, check_table, load_lynx_hare, read_series


def codes(report: Report, severity: str) -> list[str]:
    return [finding.code for finding in report.findings if finding.severity == severity]


def test_a_good_table_is_described() -> None:
    report = check_table(load_lynx_hare(), time="year")
    assert report.good
    assert (report.source, report.rows, report.series) == ("lynx_hare.csv", 21, 1)
    assert (report.shortest, report.longest) == (21, 21)
    assert [(column.name, column.role) for column in report.columns] == [
        ("year", "time"),
        ("hare", "target"),
        ("lynx", "target"),
    ]
    assert (report.columns[1].minimum, report.columns[1].maximum) == (7.6, 77.4)
    assert (report.time.kind, report.time.start, report.time.end) == ("year", "1900", "1920")
    assert (report.time.gap_min, report.time.gap_median, report.time.gap_max) == (1.0, 1.0, 1.0)


def test_the_report_is_plain_json() -> None:
    report = check_table(load_lynx_hare())
    read = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert read["good"] is True
    assert read["columns"][1] == {
        "name": "hare",
        "kind": "number",
        "role": "target",
        "missing": 0.0,
        "minimum": 7.6,
        "maximum": 77.4,
    }


def test_every_broken_column_is_reported_at_once(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("t;a;b;c\n1;x;2,5;1\n;2;1e400;1\n3;4;5;1\n")
    report = check_table(path, time="t", target=["a", "b", "c"])
    assert not report.good
    assert sorted(codes(report, "error")) == ["comma-number", "infinite", "missing-time", "not-a-number"]
    assert codes(report, "warning") == ["constant"]
    assert report.rows == 3


def test_a_cell_that_cannot_be_read_is_one_finding() -> None:
    for roles in ({}, {"target": "y"}):
        report = check_table(pyarrow.table({"t": [1, 2], "y": ["1", "x"], "z": [1, 3]}), time="t", **roles)
        assert codes(report, "error") == ["not-a-number"]


def test_shares_of_missing_cells_and_gaps_are_stated() -> None:
    table = pyarrow.table({"t": [0.0, 1.0, 4.0, 6.0], "y": [1.0, None, 3.0, None]})
    report = check_table(table, time="t")
    assert report.columns[1].missing == 0.5
    assert (report.time.gap_min, report.time.gap_median, report.time.gap_max) == (1.0, 2.0, 3.0)


def test_the_time_is_found_where_one_column_is_named_like_it_and_it_is_noted() -> None:
    table = pyarrow.table({"Date": ["2020-01-01", "2020-01-02"], "y": [1, 3]})
    assert "time-column" in codes(check_table(table), "note")
    for names in ({"u": [1, 2], "y": [1, 3]}, {"time": [1, 2], "date": [1, 2], "y": [1, 3]}):
        report = check_table(pyarrow.table(names))
        assert codes(report, "error") == ["no-time"]


@pytest.mark.parametrize("content", ["", "t,y\n", "t,t\n1,2\n", "1,2\n3,4\n", "t,y\n1\n"])
def test_a_file_that_is_no_table_is_one_finding(tmp_path: Path, content: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(content)
    report = check_table(path)
    assert len(codes(report, "error")) == 1
    assert report.rows == 0


def test_a_file_that_is_not_there_is_a_finding(tmp_path: Path) -> None:
    assert codes(check_table(tmp_path / "none.csv"), "error") == ["no-file"]


@pytest.mark.parametrize(
    "columns",
    [
        {"t": [1, 2], "y": ["1", "x"]},
        {"t": [1, 1], "y": [1, 2]},
        {"t": [1, None], "y": [1, 2]},
        {"t": ["soon", "later"], "y": [1, 2]},
        {"t": [1, 2], "y": ["a", "b"]},
    ],
)
def test_the_report_holds_the_error_that_reading_raises(columns: dict) -> None:
    table = pyarrow.table(columns)
    with pytest.raises(TableError) as caught:
        read_series(table, time="t")
    assert caught.value.finding.code in codes(check_table(table, time="t"), "error")


def test_a_role_for_a_column_that_does_not_exist_is_a_finding() -> None:
    table = pyarrow.table({"t": [1, 2], "y": [1, 3]})
    for roles in ({"time": "z"}, {"time": "t", "target": "z"}, {"time": "t", "series": "z"}):
        assert "no-column" in codes(check_table(table, **roles), "error")


def test_a_mistake_in_the_arguments_still_raises() -> None:
    with pytest.raises(OptionError):
        check_table(pyarrow.table({"t": [1, 2], "y": [1, 3]}), time="t", time_unit="fortnights")
