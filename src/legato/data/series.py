"""Irregular series: for each one, times, values and which of them were observed.

A series of n times and d channels is (t, x, m): t of shape (n,), strictly increasing; x of shape (n, d), NaN where
nothing was observed; m = isfinite(x). Missing values are masked, never filled; gaps are ordinary.

A table becomes a `SeriesSet` by giving its columns roles: one holds times, at most one says which series a row belongs
to, others are targets, and statics are constant within a series.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..core.errors import OptionError
from .columns import first_problem
from .delimited import Dialect
from .finding import Finding, TableError, naming, note, refuse, warn
from .table import Table, read_table
from .time_column import read_times
from .times import TimeScale

__all__ = ["INTEGERS", "LARGEST", "Series", "SeriesSet", "default_targets", "read_series", "times_by_series"]

INTEGERS = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
"""The types of whole numbers that ids are given back in."""

LARGEST = 1e70
"""The greatest magnitude of a value that may be modelled."""

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass(frozen=True, kw_only=True)
class Series:
    """Hold one irregular series.

    Arguments:
        id: its name in the table; empty where the table is one series.
        times: `(n,)` float64, strictly increasing, on the set's `TimeScale`.
        values: `(n, d)` float64, NaN where not observed.
        mask: `(n, d)` boolean, True where observed.
        static: `(s,)` float64, the series' constants, NaN where missing.
        rows: `(n,)` the row of the table that each time came from.
    """

    id: str
    times: np.ndarray
    values: np.ndarray
    mask: np.ndarray
    static: np.ndarray
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.times)

    def where(self, keep: np.ndarray) -> Series:
        """Return the series at some of its times; `keep` is a boolean of shape `(n,)`."""
        kept = {name: getattr(self, name)[keep] for name in ("times", "values", "mask", "rows")}
        return replace(self, **kept)


@dataclass(frozen=True, kw_only=True)
class SeriesSet:
    """Hold the series of one table.

    Arguments:
        series: the series, in the order of their ids (whole numbers by value, before text).
        targets: the names of the d channels.
        scale: what times mean.
        time: the name of the column of times.
        series_column: the name of the column of ids; None where the table is one series.
        id_type: what the ids were in the table: an integer type such as "int64", else "string".
        static: the names of the static columns.
        source: what was read, in words.
        notes: what was decided, and warnings.
    """

    series: tuple[Series, ...]
    targets: tuple[str, ...]
    scale: TimeScale
    time: str
    series_column: str | None = None
    id_type: str = "string"
    static: tuple[str, ...] = ()
    source: str = ""
    notes: tuple[Finding, ...] = ()

    def __len__(self) -> int:
        return len(self.series)

    def __iter__(self) -> Iterator[Series]:
        return iter(self.series)

    def __getitem__(self, index: int) -> Series:
        return self.series[index]

    @property
    def ids(self) -> tuple[str, ...]:
        """The names of the series."""
        return tuple(one.id for one in self.series)

    @property
    def gaps(self) -> np.ndarray:
        """The spacings between neighbouring times, of all series in one array; empty where none has two times."""
        return np.concatenate([np.diff(one.times) for one in self.series])

    @property
    def digest(self) -> str:
        """SHA-256 of names, ids, stamps and values: equal however the table was written and its rows ordered."""
        total = hashlib.sha256(repr((self.targets, self.static, self.ids, self.scale.to_dict())).encode())
        for one in self.series:
            for part in (one.times, one.values, one.static):
                # One bit pattern for every NaN, and one zero.
                total.update((np.where(np.isnan(part), np.nan, part) + 0.0).astype("<f8").tobytes())
        return total.hexdigest()


def read_series(
    source: Any,
    *,
    time: str,
    series: str | None = None,
    target: str | Sequence[str] | None = None,
    static: Sequence[str] = (),
    time_unit: str | None = None,
    scale: TimeScale | None = None,
    dialect: Dialect | None = None,
    unmeasured: bool = False,
) -> SeriesSet:
    """Read a table of series with variables in columns.

    Arguments:
        source: a path, a data frame or a `Table`.
        time: the column of times.
        series: the column that says which series a row belongs to; by default all rows are one series.
        target: the columns to model; by default every column of numbers that has no other role, which is noted.
        static: columns of numbers that are constant within each series.
        time_unit: the unit of times that are plain numbers.
        scale: an earlier set's `TimeScale`, to put these times on its axis.
        dialect: how a text file is written.
        unmeasured: whether the column of a named target may be empty, as in a history given to a fitted model; it is
            masked, and noted.

    Returns:
        The series, sorted by time. Rows that repeat a series and time are merged where they agree, and refused where
        they differ; both, and rows out of order, are noted.

    Raises:
        DataError: the table cannot be read like this, or holds values beyond 1e70; the message names rows, column and
            what to do.
        OptionError: a column has two roles.

    >>> from legato.data import load_lynx_hare
    >>> both = read_series(load_lynx_hare(), time="year")
    >>> both.targets, both[0].times[:3], both[0].values[:3]
    (('hare', 'lynx'), array([1900., 1901., 1902.]), array([[30. ,  4. ], [47.2,  6.1], [70.2,  9.8]]))
    """
    table = read_table(source, dialect=dialect)
    static = (static,) if isinstance(static, str) else tuple(static)
    chosen = None if target is None else ((target,) if isinstance(target, str) else tuple(target))
    _refuse_two_roles(time, series, chosen or (), static)
    with naming(table.file):
        column = read_times(table, time, unit=time_unit, scale=scale)
        codes, ids = _ids(table, series)
        notes = [*table.notes, *column.notes]
        if chosen is None:
            chosen, found = default_targets(table, taken={time, series, *static})
            notes += found
        if unmeasured:
            _refuse_absent(table, chosen)
        values = np.stack([_measured(table, name, unmeasured) for name in chosen], axis=1)
        _refuse_extreme(table, chosen, values)
        constants = np.stack([table.numbers(name) for name in static], axis=1) if static else np.empty((len(table), 0))
        for name in (*chosen, *static):
            notes += table.column(name).notes
            if table.column(name).kind == "empty":
                notes.append(note("unmeasured", "not measured at all: masked", column=name, count=len(table)))
        order = np.lexsort((column.times, codes))
        notes += _disorder(codes, column.times, table.lines, name=time)
        rows = _Rows(codes[order], column.times[order], values[order], constants[order], table.lines[order])
        rows, found = _merge(rows, chosen, column.scale)
        return SeriesSet(
            series=_cut(rows, ids, static),
            targets=chosen,
            scale=column.scale,
            time=time,
            series_column=series,
            id_type=_id_type(table, series),
            static=static,
            source=table.source,
            notes=(*notes, *found),
        )


def times_by_series(table: Table, *, time: str, series: str, scale: TimeScale) -> dict[str, np.ndarray]:
    """Return the times of each series of a table, in the order of its rows.

    Arguments:
        table: with at least these two columns.
        time: the column of times.
        series: the column that says which series a row belongs to.
        scale: an earlier set's, on whose axis the times are.

    Raises:
        DataError: a cell is missing, or no time of that scale.
    """
    times = read_times(table, time, scale=scale).times
    with naming(table.file):
        codes, ids = _ids(table, series)
    return {name: times[codes == code] for code, name in enumerate(ids)}


def default_targets(table: Table, *, taken: set[str | None]) -> tuple[tuple[str, ...], list[Finding]]:
    """Return every column of numbers that has no role yet, and what is to be said of the choice.

    Raises:
        DataError: there is none, a column mixes numbers with other cells, or the columns are the months of a year.
    """
    free = [column for name, column in table.columns.items() if name not in taken]
    months = [column.name for column in free if column.name.lower()[:3] in _MONTHS and column.kind == "number"]
    if len({name.lower()[:3] for name in months}) == 12:
        message = f"the columns {months[0]} to {months[-1]} are months: one variable spread over columns"
        raise refuse("wide-months", message, "write one row per month: a date and a value", count=len(months))
    mixed = next((column for column in free if column.kind == "mixed"), None)
    if mixed is not None:
        raise TableError(
            replace(mixed.problems[0], fix=f"{mixed.problems[0].fix}, or name the targets without this column")
        )
    chosen = tuple(column.name for column in free if column.kind == "number")
    if not chosen:
        kinds = ", ".join(f"{column.name} ({column.kind})" for column in free) or "none"
        raise refuse("no-target", f"no column of numbers is left to model; other columns: {kinds}", "name the target")
    left = [f"{column.name} ({column.kind})" for column in free if column.kind != "number"]
    message = f"every column of numbers is a target: {', '.join(chosen)}"
    notes = [note("targets", message + (f"; left out: {', '.join(left)}" if left else ""))]
    for name in chosen:
        numbers = table.numbers(name)
        if len(numbers) > 2 and np.array_equal(numbers, np.arange(len(numbers)) + numbers[0]):
            notes.append(warn("row-numbers", "counts the rows", "name the targets to leave it out", column=name))
    return chosen, notes


def _refuse_absent(table: Table, wanted: Sequence[str]) -> None:
    absent = [name for name in wanted if name not in table.columns]
    if absent:
        message = f"the table has no column {absent[0]!r}, and the columns wanted are {', '.join(wanted)}"
        fix = "name it as it was, or add an empty column for what was not measured"
        raise refuse("no-column", message, fix, column=absent[0])


def _refuse_extreme(table: Table, names: Sequence[str], values: np.ndarray) -> None:
    beyond = np.abs(values) > LARGEST
    if beyond.any():
        place = int(beyond.any(axis=0).argmax())
        rows = table.lines[beyond[:, place]]
        first = values[beyond[:, place], place][0]
        message = f"holds {first:g}, and what is computed from numbers beyond {LARGEST:g} overflows"
        raise refuse("magnitude", message, "correct it, or divide the column", column=names[place], rows=rows)


def _measured(table: Table, name: str, unmeasured: bool) -> np.ndarray:
    """Return a column of numbers, or nothing but NaN for an empty one where that is allowed."""
    if unmeasured and table.column(name).kind == "empty":
        return np.full(len(table), np.nan)
    return table.numbers(name)


@dataclass(frozen=True)
class _Rows:
    """The rows of a table in order of series and time."""

    codes: np.ndarray
    times: np.ndarray
    values: np.ndarray
    static: np.ndarray
    lines: np.ndarray


def _refuse_two_roles(time: str, series: str | None, target: Sequence[str], static: Sequence[str]) -> None:
    roles: dict[str, str] = {}
    named = [(time, "time"), *([(series, "series")] if series else []), *((name, "target") for name in target)]
    for name, role in (*named, *((name, "static") for name in static)):
        if name in roles:
            raise OptionError(f"column {name!r} is given twice, as {roles[name]} and as {role}; it can have one role")
        roles[name] = role


def _ids(table: Table, name: str | None) -> tuple[np.ndarray, list[str]]:
    """Return for each row the number of its series, and the ids by number."""
    if name is None:
        return np.zeros(len(table), dtype=np.int64), [""]
    column = table.column(name)
    if column.missing.any():
        rows = table.lines[column.missing]
        raise refuse("missing-id", "the series is missing", "fill it in or delete the row", column=name, rows=rows)
    kind = str(column.cells.type)
    if column.kind in ("unreadable", "empty"):
        raise first_problem(column)
    if kind in ("halffloat", "float", "double"):
        message = "ids are floating-point numbers, whose text is not settled"
        raise refuse("float-id", message, "convert the column to integers or text", column=name)
    found, codes = np.unique(column.text().astype(str), return_inverse=True)
    ids = sorted(range(len(found)), key=lambda code: _order(str(found[code])))
    rank = np.empty(len(ids), dtype=np.int64)
    rank[ids] = np.arange(len(ids))
    return rank[codes], [str(found[code]) for code in ids]


def _id_type(table: Table, name: str | None) -> str:
    kind = "string" if name is None else str(table.column(name).cells.type)
    return kind if kind in INTEGERS else "string"


def _order(name: str) -> tuple[int, int, str]:
    return (0, int(name), name) if name.isascii() and name.isdigit() else (1, 0, name)


def _disorder(codes: np.ndarray, times: np.ndarray, lines: np.ndarray, *, name: str) -> list[Finding]:
    """Note rows that come before the row above them in their series."""
    together = np.argsort(codes, kind="stable")
    back = (np.diff(codes[together]) == 0) & (np.diff(times[together]) < 0)
    rows = np.sort(lines[together[1:][back]])
    if len(rows) == 0:
        return []
    return [note("unsorted", "earlier than the row before it: sorted by time", column=name, rows=rows)]


def _merge(rows: _Rows, targets: Sequence[str], scale: TimeScale) -> tuple[_Rows, list[Finding]]:
    """Merge rows of one series and time that do not contradict each other."""
    again = np.append(False, (np.diff(rows.codes) == 0) & (np.diff(rows.times) == 0))
    if not again.any():
        return rows, []
    first = np.flatnonzero(~again)
    low, high = (reduce.reduceat(rows.values, first, axis=0) for reduce in (np.fmin, np.fmax))
    differ = low != high
    differ &= ~np.isnan(low)
    if differ.any():
        group, channel = (int(axis[0]) for axis in np.nonzero(differ))
        last = first[group + 1] if group + 1 < len(first) else len(rows.lines)
        involved = np.sort(rows.lines[first[group] : last])
        when = scale.format(rows.times[first[group] : first[group] + 1])[0]
        message = (
            f"rows of one series at one time ({when}) differ: {low[group, channel]:g} and {high[group, channel]:g}"
        )
        more = int(differ.any(axis=1).sum()) - 1
        message += f"; {more} more times like it" if more else ""
        fix = "keep one row per series and time, or name the column that tells series apart (series=)"
        raise refuse("duplicate-time", message, fix, column=targets[channel], rows=involved)
    repeated = np.sort(rows.lines[again])
    found = note(
        "repeated", "repeats the series and time of another row without contradicting it: merged", rows=repeated
    )
    static = np.fmin.reduceat(rows.static, first, axis=0) if rows.static.shape[1] else rows.static[first]
    return _Rows(rows.codes[first], rows.times[first], low, static, rows.lines[first]), [found]


def _cut(rows: _Rows, ids: list[str], static: Sequence[str]) -> tuple[Series, ...]:
    """Cut the rows into series."""
    bounds = np.flatnonzero(np.diff(rows.codes)) + 1
    cut = []
    for name, part in zip(ids, np.split(np.arange(len(rows.codes)), bounds), strict=True):
        constants = rows.static[part]
        low, high = np.fmin.reduce(constants, axis=0), np.fmax.reduce(constants, axis=0)
        varying = np.flatnonzero((low != high) & ~np.isnan(low))
        if len(varying):
            column = static[varying[0]]
            message = f"varies within series {name!r}: {low[varying[0]]:g} to {high[varying[0]]:g}"
            raise refuse("varying-static", message, "leave it out of static", column=column, rows=rows.lines[part])
        cut.append(
            Series(
                id=name,
                times=rows.times[part],
                values=rows.values[part],
                mask=np.isfinite(rows.values[part]),
                static=low,
                rows=rows.lines[part],
            )
        )
    return tuple(cut)
