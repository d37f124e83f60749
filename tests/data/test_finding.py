"""Findings: place, message and remedy, in words and as JSON."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest

from legato.core.errors import DataError
from legato.data import TableError, read_series, read_table, read_times
from legato.data.finding import note, refuse
from legato.data.series import times_by_series


def test_a_refusal_says_where_what_and_what_to_do() -> None:
    error = refuse("bad", "'x' is no number", "correct it", column="y", rows=np.array([3, 5, 7, 9, 11]))
    assert isinstance(error, DataError)
    assert str(error) == "rows 3, 5, 7 and 2 more, column 'y': 'x' is no number; correct it"
    assert (error.row, error.column) == (3, "y")


def test_a_finding_without_a_place_is_its_message() -> None:
    assert str(note("parquet", "read as Parquet")) == "read as Parquet"


def test_a_finding_is_plain_json() -> None:
    finding = refuse("bad", "message", "fix", rows=np.array([3])).finding
    assert json.loads(json.dumps(finding.to_dict()))["rows"] == [3]


def test_a_refusal_crosses_process_borders_whole() -> None:
    error = refuse("bad", "message", "fix", column="y", rows=[3])
    again = pickle.loads(pickle.dumps(TableError(error.finding, "table.csv")))
    assert (again.finding, again.file, str(again)) == (
        error.finding, "table.csv", "table.csv: row 3, column 'y': message; fix",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("t,y\n1,2\n1\n", {"time": "t"}),
        ("t,t\n1,2\n", {"time": "t"}),
        ("t,y\n1,2\n2,x\n", {"time": "t"}),
        ("t,y\n1,2\n,3\n", {"time": "t"}),
        ("t,y\n1,2\n1,3\n", {"time": "t"}),
        ("t,y\n1,2\n2,3\n", {"time": "when"}),
        ("t,y\n1,2\n2,3\n", {"time": "t", "series": "who"}),
        ("t,y\n1,2\n2,1e80\n", {"time": "t"}),
        ("", {"time": "t"}),
    ],
    ids=str,
)
def test_an_error_about_a_table_names_its_file_once(tmp_path: Path, text: str, options: dict[str, Any]) -> None:
    path = tmp_path / "vitals.csv"
    path.write_text(text)
    for source in (path, str(path)):
        with pytest.raises(TableError) as caught:
            read_series(source, **options)
        assert str(caught.value).count("vitals.csv") == 1
        assert "vitals.csv" not in str(caught.value.finding) or text == ""


def test_an_error_about_times_names_the_file_of_the_times(tmp_path: Path) -> None:
    path = tmp_path / "times.csv"
    path.write_text("t,who\n1,a\nsoon,\n")
    table, scale = read_table(path), read_series(pyarrow.table({"t": [1], "y": [2]}), time="t").scale
    with pytest.raises(TableError, match=r"^times\.csv: row 3, column 't'"):
        read_times(table, "t", scale=scale)
    path.write_text("t,who\n1,a\n2,\n")
    with pytest.raises(TableError, match=r"^times\.csv: row 3, column 'who'"):
        times_by_series(read_table(path), time="t", series="who", scale=scale)
