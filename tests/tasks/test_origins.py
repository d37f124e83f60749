"""Origins are a horizon apart, and count only where the model was not trained on what follows."""

from __future__ import annotations

import numpy as np
import pytest

from legato.core.errors import DataError
from legato.data import Series, SeriesSet, TimeScale
from legato.tasks.origins import name_series, rolling_origins


def many(*lengths: int) -> SeriesSet:
    """Series of one target, their lengths their names, at times 0, 1, 2, ..."""
    listed = []
    for count in lengths:
        values = np.arange(count, dtype=np.float64)[:, None]
        listed.append(
            Series(
                id=str(count),
                times=np.arange(count, dtype=np.float64),
                values=values,
                mask=np.isfinite(values),
                static=np.empty(0),
                rows=np.arange(count),
            )
        )
    return SeriesSet(series=tuple(listed), targets=("a",), scale=TimeScale(), time="t", series_column="id")


def test_rolling_origins_are_one_horizon_apart_and_end_with_the_series() -> None:
    pairs = rolling_origins(many(12), steps=2, origins=3, trained_until={}).pairs
    assert [(len(history), later.times.tolist()) for history, later in pairs] == [
        (6, [6.0, 7.0]),
        (8, [8.0, 9.0]),
        (10, [10.0, 11.0]),
    ]
    assert all(history.times[-1] < later.times[0] for history, later in pairs)


def test_origins_with_too_little_history_are_passed_over_and_refused_where_none_is_left() -> None:
    found = rolling_origins(many(12, 5, 7), steps=3, origins=3, trained_until={})
    assert [(history.id, len(history)) for history, _ in found.pairs] == [("12", 6), ("12", 9), ("7", 4)]
    assert found.notes == (
        "6 of 9 origins do not count: fewer than 4 rows come before them",
        "not scored: the series '5': fewer than 3 rows after 4 of history",
    )
    assert found.describe(TimeScale()).startswith("3 forecasts of 3 rows of 2 series, from 3 origins, 3.0 to 8.0: ")
    with pytest.raises(DataError, match=r"long enough to hold 9 rows .* the longest has 12"):
        rolling_origins(many(12, 5), steps=9, origins=1, trained_until={})


def test_one_row_one_origin_and_one_forecast_are_said_in_the_singular() -> None:
    found = rolling_origins(many(12), steps=1, origins=1, trained_until={})
    assert found.describe(TimeScale()).startswith("1 forecast of 1 row of 1 series, from the origin 10.0: ")
    found = rolling_origins(many(12, 4), steps=1, origins=1, trained_until={})
    assert found.notes == (
        "1 of 2 origins does not count: fewer than 4 rows come before them",
        "not scored: the series '4': fewer than 1 row after 4 of history",
    )
    with pytest.raises(DataError, match="long enough to hold 1 row for a forecast"):
        rolling_origins(many(4), steps=1, origins=1, trained_until={})


def test_an_origin_may_be_the_last_row_of_the_training_part_and_none_before_it() -> None:
    for until, counts in ((5.0, [6, 8, 10]), (5.5, [8, 10]), (8.0, [10]), (9.0, [10])):
        found = rolling_origins(many(12), steps=2, origins=3, trained_until={"12": until, "other": 99.0})
        assert [len(history) for history, _ in found.pairs] == counts
        assert found.unseen is True
    with pytest.raises(DataError, match=r"nothing is left that the model has not seen: .* up to 9.5"):
        rolling_origins(many(12), steps=2, origins=3, trained_until={"12": 9.5})


def test_few_series_are_named_in_full_and_of_many_the_first() -> None:
    assert name_series([""]) == "the series"
    assert name_series(["a", "b", "a"]) == "the series 'a', 'b'"
    assert name_series("abcdef") == "the series 'a', 'b', 'c' and 3 more"
