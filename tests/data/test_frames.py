"""Tables on the way out come back as they were, in every kind of frame, and files are whole or not at all."""

from __future__ import annotations

import csv
import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from legato.core import files
from legato.core.errors import ModelFileError
from legato.data import SeriesSet, read_series, read_table
from legato.data.frames import FrameKind, frame_kind, make_frame, read_history, write_csv, write_history

DAYS = np.array(["2020-01-01", "2020-01-02", "2020-02-29"], dtype="datetime64[us]")
COLUMNS = {"series": ["a", "a", "b"], "time": [1, 2, 4], "mean": [0.1, -2.5, 1e300]}
MAKERS: dict[str, Any] = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}


def rows(frame: Any) -> list[dict[str, Any]]:
    if isinstance(frame, pd.DataFrame):
        return frame.to_dict("records")
    return frame.to_dicts() if isinstance(frame, pl.DataFrame) else frame.to_pylist()


@pytest.mark.parametrize("module", MAKERS)
def test_columns_become_a_frame_of_the_kind_that_was_read(module: str) -> None:
    given = MAKERS[module](COLUMNS)
    kind = frame_kind(given, time="time")
    assert kind.module == module
    made = make_frame(COLUMNS, kind=kind)
    assert type(made) is type(given)
    assert rows(made) == rows(given)
    assert list(rows(made)[0]) == ["series", "time", "mean"]


@pytest.mark.parametrize("module", MAKERS)
@pytest.mark.parametrize(
    "times",
    [
        DAYS.astype("datetime64[ns]"),
        DAYS.astype("datetime64[ms]"),
        pd.DatetimeIndex(DAYS).tz_localize("UTC"),
        [day.item().date() for day in DAYS],
        np.array([3, 4, 9], dtype=np.int32),
        np.array([0.25, 1.0, 1e9]),
        ["2020-01-01", "2020-01-02", "2020-02-29"],
    ],
    ids=["nanoseconds", "milliseconds", "zoned", "dates", "int32", "float64", "text"],
)
def test_times_come_back_in_the_type_of_the_column_that_was_read(module: str, times: Any) -> None:
    given = MAKERS[module](
        {"when": pa.array(times).to_pandas() if module == "pandas" else pa.array(times), "y": [1.0, 2.0, 4.0]}
    )
    kind = frame_kind(given, time="when")
    series = read_series(given, time="when", target="y")
    inside = series[0].times
    made = make_frame(
        {"time": series.scale.format(inside) if kind.time is None else series.scale.stamps(inside)}, kind=kind
    )
    if module == "pandas":
        assert made["time"].dtype == given["when"].dtype
        assert made["time"].tolist() == given["when"].tolist()
    else:
        read, written = (table if module == "pyarrow" else table.to_arrow() for table in (given, made))
        assert written.column("time").to_pylist() == read.column("when").to_pylist()
        assert written.column("time").type == read.column("when").type


def test_times_that_the_column_cannot_hold_keep_a_type_of_their_own() -> None:
    halves = make_frame({"time": [1.5, 2.0]}, kind=FrameKind("pyarrow", pa.int64()))
    assert halves.column("time").to_pylist() == [1.5, 2.0]
    noon = make_frame({"time": DAYS + np.timedelta64(12, "h")}, kind=FrameKind("pyarrow", pa.date32()))
    assert noon.column("time")[0].as_py() == datetime.datetime(2020, 1, 1, 12)


@pytest.mark.parametrize("source", ["table.csv", Path("table.csv")])
def test_a_path_gives_a_pyarrow_table_with_times_as_text(source: Any) -> None:
    assert frame_kind(source, time="time") == FrameKind("pyarrow", None)
    assert make_frame({"time": ["1915"]}, kind=FrameKind()).equals(pa.table({"time": ["1915"]}))


def test_numbers_in_csv_come_back_to_the_bit_and_missing_ones_are_empty(tmp_path: Path) -> None:
    numbers = [0.1, 1 / 3, -1e-300, 5e-324, 123456789.123456789, np.float64(2) ** 0.5, float("nan"), None]
    write_csv(tmp_path / "a.csv", {"x": numbers, 'name, "quoted"': ["a,b", 'c"', "d\ne", "é", "", " f ", "g", "h"]})
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as lines:
        header, *found = csv.reader(lines)
    assert header == ["x", 'name, "quoted"']
    assert [float(row[0]) for row in found[:6]] == numbers[:6]
    assert [row[0] for row in found[6:]] == ["", ""]
    assert [row[1] for row in found[:4]] == ["a,b", 'c"', "d\ne", "é"]


def test_a_written_csv_is_read_by_the_strict_reader(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", {"t": [1, 2], "y": np.array([0.5, np.nan])})
    table = read_table(tmp_path / "a.csv")
    assert table.numbers("t").tolist() == [1.0, 2.0]
    assert np.array_equal(table.numbers("y"), [0.5, np.nan], equal_nan=True)


def sample() -> SeriesSet:
    frame = pa.table(
        {"t": [0.1, 0.3, 0.2, 7.0], "id": ["b", "b", "é, c", "b"], "x": [1.0, None, 3.0, 4.0], "y": [1, 2, 3, 4]}
    )
    return read_series(frame, time="t", series="id")


def reread(path: Path, series: SeriesSet, **changes: Any) -> SeriesSet:
    known = {"targets": series.targets, "scale": series.scale, "time": series.time, "column": series.series_column}
    return read_history(path, **{**known, **changes})


def test_a_history_comes_back_to_the_bit_with_what_was_missing(tmp_path: Path) -> None:
    series = sample()
    write_history(tmp_path / "history.parquet", series)
    found = reread(tmp_path / "history.parquet", series)
    assert (found.ids, found.targets, found.time, found.series_column) == (series.ids, ("x", "y"), "t", "id")
    assert found.digest == series.digest
    for one, other in zip(series, found, strict=True):
        assert np.array_equal(one.times, other.times)
        assert np.array_equal(one.values, other.values, equal_nan=True)
        assert np.array_equal(one.mask, other.mask)


def test_a_history_that_is_missing_damaged_or_of_other_columns_is_a_model_file_error(tmp_path: Path) -> None:
    series, path = sample(), tmp_path / "history.parquet"
    with pytest.raises(ModelFileError, match="cannot be read"):
        reread(path, series)
    write_history(path, series)
    with pytest.raises(ModelFileError, match="cannot be read"):
        reread(path, series, targets=("x", "y", "z"))
    content = path.read_bytes()
    for damaged in (
        b"",
        content[: len(content) // 2],
        b"not parquet at all",
        content[:40] + b"\xff" * 40 + content[80:],
    ):
        path.write_bytes(damaged)
        with pytest.raises(ModelFileError, match="cannot be read"):
            reread(path, series)


@pytest.mark.parametrize("write", [write_csv, write_history])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Any
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    place = tmp_path / "file"
    place.write_bytes(b"old")
    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write(place, sample() if write is write_history else COLUMNS)
    assert place.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_csv_of_unequal_columns_is_not_begun(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="zip"):
        write_csv(tmp_path / "a.csv", {"a": [1, 2], "b": [1]})
    assert list(tmp_path.iterdir()) == []
