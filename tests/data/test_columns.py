"""Cells: which are numbers, which are missing, and which are refused."""

from __future__ import annotations

import datetime
import decimal
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from legato.data import MISSING, Dialect, Table, TableError, read_table
from legato.data.columns import read_column


def read(folder: Path, *cells: str) -> Table:
    path = folder / "table.csv"
    path.write_text("\n".join(["t;y", *(f"{i};{cell}" for i, cell in enumerate(cells)), ""]), encoding="utf-8")
    return read_table(path)


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("error", "not-a-number"),
        ("-", "not-a-number"),
        ("0x10", "not-a-number"),
        ("1_000", "not-a-number"),
        ("5%", "not-a-number"),
        ("1+2j", "not-a-number"),
        ("€12", "not-a-number"),
        ("1e", "not-a-number"),
        ("NAN", "not-a-number"),
        ("١٢", "not-a-number"),
        ("inf", "infinite"),
        ("-Infinity", "infinite"),
        ("1e400", "infinite"),
        ("2,5", "comma-number"),
        ("1,234.5", "comma-number"),
    ],
)
def test_a_cell_that_is_no_number_among_numbers_is_refused_with_row_and_column(
    tmp_path: Path, cell: str, code: str
) -> None:
    table = read(tmp_path, "1", "2", cell, "4")
    with pytest.raises(TableError) as caught:
        table.numbers("y")
    assert caught.value.finding.code == code
    assert (caught.value.row, caught.value.column) == (4, "y")
    assert cell in str(caught.value)


@pytest.mark.parametrize("cells", [("2,5", "3,5"), ("5%", "6%"), ("inf", "inf"), ("0x10", "0x11"), ("€1", "€2")])
def test_a_column_meant_as_numbers_throughout_is_not_taken_for_text(tmp_path: Path, cells: tuple[str, ...]) -> None:
    assert read(tmp_path, *cells).column("y").kind == "mixed"


@pytest.mark.parametrize("mark", MISSING)
def test_every_documented_mark_is_missing_and_nothing_is_filled(tmp_path: Path, mark: str) -> None:
    column = read(tmp_path, "1", mark, f" {mark} ", "4").column("y")
    assert column.missing.tolist() == [False, True, True, False]
    assert np.isnan(column.numbers).tolist() == [False, True, True, False]


def test_a_column_of_nothing_but_marks_is_empty(tmp_path: Path) -> None:
    table = read(tmp_path, "", "NA", "?")
    assert table.column("y").kind == "empty"
    with pytest.raises(TableError, match="every cell is missing"):
        table.numbers("y")


@pytest.mark.parametrize("cells", [("True", "false", ""), ("yes", "No", "NA")])
def test_true_and_yes_are_one_and_it_is_noted(tmp_path: Path, cells: tuple[str, ...]) -> None:
    column = read(tmp_path, *cells).column("y")
    assert column.kind == "number"
    np.testing.assert_array_equal(column.numbers, [1.0, 0.0, np.nan])
    assert column.notes[0].code == "boolean"


def test_words_are_text_and_refused_as_numbers(tmp_path: Path) -> None:
    table = read(tmp_path, "red", "green", "")
    assert table.column("y").kind == "text"
    with pytest.raises(TableError, match="leave it out of the targets"):
        table.numbers("y")


@pytest.mark.parametrize("sentinel", ["-999", "-9999", "1e20"])
def test_a_sentinel_far_from_the_rest_is_warned_of_and_kept(tmp_path: Path, sentinel: str) -> None:
    column = read(tmp_path, "1.5", sentinel, "3", "2").column("y")
    assert column.numbers[1] == float(sentinel)
    assert (column.notes[0].code, column.notes[0].severity, column.notes[0].rows) == ("sentinel", "warning", (3,))


def test_a_value_that_only_spells_like_a_sentinel_is_not_warned_of(tmp_path: Path) -> None:
    assert read(tmp_path, "-2000", "-999", "0", "500").column("y").notes == ()


def test_long_identifiers_keep_their_digits_as_text(tmp_path: Path) -> None:
    cells = ["9007199254740993", "", "007"]
    assert read(tmp_path, *cells).column("y").text().tolist() == ["9007199254740993", None, "007"]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_a_number_written_in_full_is_read_to_the_last_bit(numbers: list[float]) -> None:
    cells = pyarrow.array([repr(number) for number in numbers])
    column = read_column("y", cells, np.arange(len(numbers)), Dialect())
    assert column.numbers.tolist() == numbers


@pytest.mark.parametrize(
    "cells",
    [
        pyarrow.array([1, None, 3], pyarrow.int8()),
        pyarrow.array([1, None, 3], pyarrow.uint64()),
        pyarrow.array([1.0, None, 3.0], pyarrow.float32()),
        pyarrow.array([1.0, float("nan"), 3.0]),
        pyarrow.array([decimal.Decimal("1.0"), None, decimal.Decimal("3.0")]),
        pyarrow.array(["1", None, "3"]).dictionary_encode(),
        pyarrow.array(["1", "NA", "3"], pyarrow.large_string()),
        pyarrow.chunked_array([["1"], [None, "3"]]),
    ],
    ids=lambda cells: str(cells.type),
)
def test_every_type_of_number_reads_as_the_same_numbers(cells: pyarrow.Array) -> None:
    column = read_column("y", cells, np.arange(3), Dialect())
    assert column.kind == "number"
    np.testing.assert_array_equal(column.numbers, [1.0, np.nan, 3.0])
    assert column.missing.tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (pyarrow.nulls(2), "empty"),
        (pyarrow.array([None, None], pyarrow.float64()), "empty"),
        (pyarrow.array([datetime.date(2020, 1, 1), None]), "time"),
        (pyarrow.array([datetime.datetime(2020, 1, 1), None]), "time"),
        (pyarrow.array([[1], [2]]), "unreadable"),
        (pyarrow.array([{"a": 1}, {"a": 2}]), "unreadable"),
        (pyarrow.array([b"1", b"2"]), "unreadable"),
        (pyarrow.array([1.0, float("inf")]), "mixed"),
    ],
)
def test_types_that_are_no_numbers_say_what_they_are(cells: pyarrow.Array, kind: str) -> None:
    assert read_column("y", cells, np.arange(2), Dialect()).kind == kind


def test_integers_that_a_double_cannot_hold_are_warned_of() -> None:
    column = read_column("y", pyarrow.array([2**53 + 1, 1]), np.arange(2), Dialect())
    assert [finding.code for finding in column.notes] == ["rounded"]
