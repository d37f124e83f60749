"""Sources: files by what they hold, frames of every kind, and what is no table."""

from __future__ import annotations

import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pandas
import polars
import pyarrow
import pyarrow.parquet
import pytest

from legato.core.errors import OptionError
from legato.data import Dialect, TableError, read_table

TEXT = "t,y,label\n1,2.5,a\n2,,b\n"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (gzip.compress(TEXT.encode()), "gzip"),
        (b"PK\x03\x04rest", "zip"),
        (b"\xd0\xcf\x11\xe0rest", "Office"),
        (b"\x89HDF\r\n", "HDF5"),
        (b"ARROW1\x00\x00", "Feather"),
        (b"SQLite format 3\x00", "SQLite"),
        (b"<!doctype html><table>", "web page"),
        (b'[{"t": 1, "y": 2}]', "JSON"),
        (b'{"t": 1, "y": 2}\n', "JSON"),
        (b"%PDF-1.7", "PDF"),
    ],
)
def test_a_file_of_another_type_is_named_whatever_its_suffix(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(TableError, match=what) as caught:
        read_table(path)
    assert caught.value.finding.code == "wrong-type"


def test_a_path_that_leads_to_no_file_says_why(tmp_path: Path) -> None:
    link, pipe = tmp_path / "link.csv", tmp_path / "pipe.csv"
    link.symlink_to(tmp_path / "gone.csv")
    os.mkfifo(pipe)
    reasons = {
        str(tmp_path / "none.csv"): "no such file",
        str(tmp_path): "directory",
        str(link): "broken link",
        str(pipe): "not a regular file",
        "https://example.org/table.csv": "address",
        "-": "no such file",
        "x" * 300: "cannot be read",
    }
    for path, reason in reasons.items():
        with pytest.raises(TableError, match=reason) as caught:
            read_table(path)
        assert caught.value.finding.code == "no-file"


def test_a_damaged_parquet_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"t": [1, 2]}), path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    with pytest.raises(TableError, match="damaged"):
        read_table(path)
    path.write_bytes(b"t,y\n1,2\n")
    with pytest.raises(TableError, match="named like a Parquet file"):
        read_table(path)


def test_a_parquet_file_with_duplicate_names_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pyarrow.parquet.write_table(pyarrow.table([[1], [2]], names=["y", "y"]), path)
    with pytest.raises(TableError, match="several columns have this name") as caught:
        read_table(path)
    assert caught.value.column == "y"


def test_parquet_is_known_by_what_it_holds_and_keeps_its_types(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    columns = {"t": pyarrow.array([1, 2], pyarrow.int32()), "y": [2.5, None], "n": pyarrow.nulls(2), "many": [[1], [2]]}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    table = read_table(path)
    kinds = {name: column.kind for name, column in table.columns.items()}
    assert kinds == {"t": "number", "y": "number", "n": "empty", "many": "unreadable"}
    np.testing.assert_array_equal(table.numbers("y"), [2.5, np.nan])
    assert table.lines.tolist() == [1, 2]


FRAMES = {
    "pandas": pandas.DataFrame({"t": [1, 2], "y": [2.5, np.nan], "label": ["a", "b"]}),
    "pandas objects": pandas.DataFrame({"t": [1, 2], "y": [2.5, None], "label": ["a", "b"]}, dtype=object),
    "polars": polars.DataFrame({"t": [1, 2], "y": [2.5, None], "label": ["a", "b"]}),
    "pyarrow": pyarrow.table({"t": [1, 2], "y": [2.5, None], "label": ["a", "b"]}),
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_any_frame_reads_as_the_file_does(tmp_path: Path, frame: object) -> None:
    path = tmp_path / "table.csv"
    path.write_text(TEXT)
    written, held = read_table(path), read_table(frame)
    assert held.names == written.names
    for name in ("t", "y"):
        np.testing.assert_array_equal(held.numbers(name), written.numbers(name))
    assert held.column("label").text().tolist() == written.column("label").text().tolist()


def test_a_frame_that_cannot_be_a_table_is_refused() -> None:
    twice = pandas.DataFrame([[1, 2]], columns=["y", "y"])
    with pytest.raises(TableError, match="unique"):
        read_table(twice)
    with pytest.raises(TableError, match="unique"):
        read_table(pyarrow.table([[1], [2]], names=["y", "y"]))
    with pytest.raises(TableError, match="not text"):
        read_table(pandas.DataFrame({0: [1.0]}))
    with pytest.raises(TableError, match=r"column 'y'.*no common type"):
        read_table(pandas.DataFrame({"y": [1, "a", None]}))
    with pytest.raises(TableError, match="no rows"):
        read_table(polars.DataFrame({"y": []}))
    with pytest.raises(TableError, match="collect"):
        read_table(polars.LazyFrame({"y": [1]}))
    with pytest.raises(OptionError, match="got dict"):
        read_table({"y": [1]})


def test_an_index_that_holds_something_is_warned_of() -> None:
    frame = pandas.DataFrame({"t": [1, 2]}, index=pandas.Index([5, 6], name="patient"))
    assert [finding.code for finding in read_table(frame).notes] == ["index"]


def test_a_missing_column_names_the_nearest(tmp_path: Path) -> None:
    table = read_table(pyarrow.table({"Time": [1], "heart_rate": [2]}))
    with pytest.raises(TableError, match="did you mean 'Time'"):
        table.column("time")
    with pytest.raises(TableError, match="did you mean 'heart_rate'"):
        table.column("heartrate")


def test_a_dialect_is_refused_where_it_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"t": [1, 2]}), path)
    for source in (path, FRAMES["pandas"], read_table(path)):
        with pytest.raises(OptionError, match="dialect"):
            read_table(source, dialect=Dialect())


def test_the_digest_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(TEXT)
    assert read_table(path).digest == hashlib.sha256(TEXT.encode()).hexdigest()


def test_a_table_is_read_once(tmp_path: Path) -> None:
    table = read_table(FRAMES["polars"])
    assert read_table(table) is table
