"""Splits in time, in words."""

from __future__ import annotations

import pyarrow
import pytest

from legato.core.errors import OptionError
from legato.data import SeriesSet, TableError, load_lynx_hare, read_series, split_series


@pytest.fixture
def record() -> SeriesSet:
    return read_series(load_lynx_hare(), time="year")


@pytest.mark.parametrize("cut", [{"at": "1915"}, {"at": 1915}, {"last": 6}, {"fraction": 0.29}])
def test_the_same_cut_can_be_said_in_three_ways(record: SeriesSet, cut: dict) -> None:
    parts = split_series(record, **cut)
    assert parts.train[0].times.tolist() == list(range(1900, 1915))
    assert parts.test[0].times.tolist() == list(range(1915, 1921))
    assert parts.description.startswith("train: 15 rows, 1900 to 1914; test: 6 rows, 1915 to 1920 (")


def test_nothing_is_lost_and_nothing_is_in_both_parts(record: SeriesSet) -> None:
    for last in range(1, 21):
        parts = split_series(record, last=last)
        rows = [*parts.train[0].rows, *parts.test[0].rows]
        assert rows == record[0].rows.tolist()


def test_one_row_is_the_last_row(record: SeriesSet) -> None:
    assert split_series(record, last=1).description.endswith("test: 1 row, 1920 to 1920 (the last row)")


def test_every_series_is_cut_and_one_without_rows_in_a_part_is_not_in_it() -> None:
    table = pyarrow.table({"id": list("aaabb"), "t": [1, 2, 3, 3, 4], "y": [1, 2, 3, 4, 5]})
    parts = split_series(read_series(table, time="t", series="id"), at=3)
    assert parts.train.ids == ("a",)
    assert parts.test.ids == ("a", "b")
    assert "3 rows of 2 series, 3 to 4" in parts.description


def test_a_part_without_rows_is_refused(record: SeriesSet) -> None:
    for cut in ({"at": "1900"}, {"at": "1921"}, {"last": 21}):
        with pytest.raises(TableError, match="move the cut"):
            split_series(record, **cut)


@pytest.mark.parametrize("cut", [{}, {"at": 1915, "last": 2}, {"fraction": 1.0}, {"fraction": 0.0}, {"last": 0}])
def test_a_cut_that_cannot_be_meant_is_refused(record: SeriesSet, cut: dict) -> None:
    with pytest.raises(OptionError):
        split_series(record, **cut)
