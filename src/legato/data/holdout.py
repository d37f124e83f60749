"""Splits in time: what a model may learn from, and what it is judged by.

Every split cuts each series once: before the cut is for training, from the cut on for testing. Nothing is shuffled, so
no later value leaks into training.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..core.errors import OptionError
from ..core.words import counted
from .finding import refuse
from .series import Series, SeriesSet
from .time_column import parse_times

__all__ = ["SeriesSplit", "split_series"]


@dataclass(frozen=True, kw_only=True)
class SeriesSplit:
    """Hold two parts of a set and, in words, how they were drawn.

    A series without rows in a part is not in that part; the ids tell.
    """

    train: SeriesSet
    test: SeriesSet
    description: str


def split_series(
    series: SeriesSet, *, at: str | float | None = None, fraction: float | None = None, last: int | None = None
) -> SeriesSplit:
    """Split every series in time.

    Arguments:
        series: the set.
        at: test from this time on, written as the table's times are ("1915", "2016-09-01").
        fraction: test on the last rows of each series, this share of them (rounded, at least one), in (0, 1).
        last: test on this many last rows of each series.

    Raises:
        OptionError: not exactly one of `at`, `fraction` and `last` is given, or it is out of range.
        DataError: a part would be empty.
    """
    given = {"at": at, "fraction": fraction, "last": last}
    named = [name for name, value in given.items() if value is not None]
    if len(named) != 1:
        raise OptionError(f"give exactly one of at, fraction and last; got {', '.join(named) or 'none'}")
    if fraction is not None and not 0 < fraction < 1:
        raise OptionError(f"fraction lies between 0 and 1; got {fraction:g}")
    if last is not None and last < 1:
        raise OptionError(f"last is at least 1; got {last}")
    cut = float(parse_times(at, series.scale)[0]) if at is not None else None
    later = [_later(one, cut=cut, fraction=fraction, last=last) for one in series]
    train = _part(series, [~rows for rows in later])
    test = _part(series, later)
    kept = "the last row" if last == 1 else f"the last {last} rows"
    words = {"at": f"split at {at}", "fraction": f"the last {fraction} of each series", "last": kept}
    described = f"train: {_span(train)}; test: {_span(test)} ({words[named[0]]})"
    if len(train) == 0 or len(test) == 0:
        side = "before" if len(train) == 0 else "after"
        raise refuse("empty-split", f"no row lies {side} the cut ({words[named[0]]})", "move the cut, or add rows")
    return SeriesSplit(train=train, test=test, description=described)


def _later(one: Series, *, cut: float | None, fraction: float | None, last: int | None) -> np.ndarray:
    if cut is not None:
        return one.times >= cut
    count = last if last is not None else max(1, round((fraction or 0.0) * len(one)))
    return np.arange(len(one)) >= len(one) - count


def _part(series: SeriesSet, keep: list[np.ndarray]) -> SeriesSet:
    kept = tuple(one.where(rows) for one, rows in zip(series, keep, strict=True) if rows.any())
    return replace(series, series=kept)


def _span(part: SeriesSet) -> str:
    rows = sum(len(one) for one in part)
    if rows == 0:
        return "no rows"
    first, last = min(one.times[0] for one in part), max(one.times[-1] for one in part)
    start, end = (part.scale.format([time])[0] for time in (first, last))
    many = f" of {len(part)} series" if len(part) > 1 else ""
    return f"{counted(rows, 'row')}{many}, {start} to {end}"
