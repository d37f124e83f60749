"""Rolling origins: from where forecasts are scored, and what the model has seen of what follows.

An origin is the last row of a history. It counts only where the model was not trained on what follows it: a series that
was in the training data has origins from the end of its training part on, any other series has them anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import DataError
from ..core.words import counted
from ..data import Series, SeriesSet, TimeScale

__all__ = ["RollingOrigins", "name_series", "rolling_origins"]

_FEWEST = 4
_UNKNOWN = (
    "it is unknown which rows the model was trained on, since the run was written before runs said so: these scores "
    "may be of rows that it has seen; fit anew to be sure"
)


class RollingOrigins(NamedTuple):
    """The origins that count.

    Attributes:
        pairs: history and what follows, one pair per origin.
        notes: in words, which origins and series do not count, and why.
        steps: how many rows follow an origin.
        unseen: True where the model was not trained on what follows, None where that is unknown.
    """

    pairs: list[tuple[Series, Series]]
    notes: tuple[str, ...]
    steps: int
    unseen: bool | None

    def facts(self, scale: TimeScale) -> dict[str, Any]:
        """Return how many origins there are and from where, as plain JSON values."""
        ends = np.array([history.times[-1] for history, _ in self.pairs])
        first, last = scale.format(np.array([ends.min(), ends.max()]))
        count, series = len(self.pairs), len({history.id for history, _ in self.pairs})
        return {"count": count, "series": series, "first": first, "last": last, "unseen": self.unseen}

    def describe(self, scale: TimeScale) -> str:
        """Return the same in words."""
        facts = self.facts(scale)
        count, first, last = facts["count"], facts["first"], facts["last"]
        where = f"the origin {first}" if first == last else f"{counted(count, 'origin')}, {first} to {last}"
        seen = "the model was not trained on what follows" if self.unseen else "maybe it was trained on what follows"
        made = f"{counted(count, 'forecast')} of {counted(self.steps, 'row')}"
        return f"{made} of {facts['series']} series, from {where}: {seen}"


class _Tally(NamedTuple):
    """How many origins of one series count, lie before the end of its training part, and have too short a history."""

    name: str
    kept: int
    seen: int
    short: int


def rolling_origins(
    series: SeriesSet, *, steps: int, origins: int, trained_until: Mapping[str, float] | None
) -> RollingOrigins:
    """Return the last `origins` origins of every series, `steps` rows apart, that count.

    Arguments:
        series: what to score on.
        steps: the rows of a forecast.
        origins: how many are asked for in each series.
        trained_until: series -> the last time that the model was trained on; None where that is unknown.

    Raises:
        DataError: no origin counts.
    """
    known = trained_until or {}
    pairs: list[tuple[Series, Series]] = []
    tallies = []
    for one in series:
        rows, seen, short, before = np.arange(len(one)), 0, 0, len(pairs)
        for place in range(origins, 0, -1):
            cut = len(one) - place * steps
            if cut < _FEWEST:
                short += 1
            elif one.times[cut - 1] < known.get(one.id, -np.inf):
                seen += 1
            else:
                pairs.append((one.where(rows < cut), one.where((rows >= cut) & (rows < cut + steps))))
        tallies.append(_Tally(one.id, len(pairs) - before, seen, short))
    if not pairs:
        raise _none_left(series, tallies, steps, known)
    notes = _notes(tallies, origins, steps) + ([] if trained_until is not None else [_UNKNOWN])
    return RollingOrigins(pairs, tuple(notes), steps, None if trained_until is None else True)


def name_series(names: Iterable[str], *, most: int = 3) -> str:
    """Return the first few of some series in words.

    >>> name_series(["a", "b", "c", "d", "e"])
    "the series 'a', 'b', 'c' and 2 more"
    """
    listed = list(dict.fromkeys(names))
    if listed == [""]:
        return "the series"
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return f"the series {', '.join(map(repr, listed[:most]))}{more}"


def _notes(tallies: Sequence[_Tally], origins: int, steps: int) -> list[str]:
    """Say which origins do not count, and which series have none that does."""
    notes = []
    seen, short = sum(one.seen for one in tallies), sum(one.short for one in tallies)
    asked = origins * len(tallies)
    if seen:
        notes.append(f"{_none_of(seen, asked)}: the model was trained on rows that follow them")
    if short:
        notes.append(f"{_none_of(short, asked)}: fewer than {_FEWEST} rows come before them")
    learned = [one.name for one in tallies if not one.kept and one.seen]
    brief = [one.name for one in tallies if not one.kept and not one.seen]
    if learned:
        notes.append(f"not scored: {name_series(learned)}: fewer than {counted(steps, 'row')} follow the training part")
    if brief:
        notes.append(f"not scored: {name_series(brief)}: fewer than {counted(steps, 'row')} after {_FEWEST} of history")
    return notes


def _none_of(count: int, asked: int) -> str:
    return f"{count} of {counted(asked, 'origin')} {'does' if count == 1 else 'do'} not count"


def _none_left(series: SeriesSet, tallies: Sequence[_Tally], steps: int, known: Mapping[str, float]) -> DataError:
    learned, rows = [one.name for one in tallies if one.seen], counted(steps, "row")
    if not learned:
        longest = max(len(one) for one in series)
        return DataError(
            f"no series is long enough to hold {rows} for a forecast and {_FEWEST} for its history: the longest "
            f"has {longest}; give a longer table or a shorter horizon"
        )
    last = series.scale.format(np.array([max(known[name] for name in learned)]))[0]
    return DataError(
        f"nothing is left that the model has not seen: it was trained on {name_series(learned)} up to {last}, and no "
        f"origin from there on is followed by {rows}; give a file with later rows or a shorter horizon, or a run "
        "that was fitted with a holdout"
    )
