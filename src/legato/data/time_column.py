"""Reading a column of times: which kind it is, and where it is refused.

The kind is decided by every cell, never by most of them: numbers; whole numbers of 1000 to 2999 in a column that is
named for years; eight-digit numbers that are all calendar dates; ISO 8601 dates; ISO 8601 dates with a time of day, all
with a zone or all without. What was decided is noted. `01/02/2020`, `12:30`, `1 Feb` and mixtures are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..core.errors import OptionError
from .arrow import extra
from .columns import Column, first_problem, read_column
from .delimited import Dialect
from .durations import SECONDS, unit_in_name, unit_name
from .finding import Finding, naming, note, refuse, warn
from .table import Table
from .times import DAY, TimeColumn, TimeScale

__all__ = ["parse_times", "read_times", "stamp_text"]

_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_CLOCK = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
_ZONE = r"(?:[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)"
_FORMS = {"date": _DATE, "datetime": f"^{_CLOCK}$", "datetime with a zone": f"^{_CLOCK}{_ZONE}$"}
_HINTS = (
    (r"^[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}", "day and month cannot be told apart", "write dates as YYYY-MM-DD"),
    (r"^[0-9]{4}[./][0-9]{1,2}[./][0-9]{1,2}", "is not written as ISO 8601", "write dates as YYYY-MM-DD"),
    (r"^[0-9]{1,2}:[0-9]{2}", "is a time of day without a date", "add the date: YYYY-MM-DD HH:MM"),
    (r"^[0-9]{4}-[0-9]{2}$", "is a month without a day", "add the day: YYYY-MM-DD"),
    (r"\.[0-9]{7,}", "is finer than a microsecond", "round to microseconds"),
)
_ADVICE = "write times as numbers, YYYY-MM-DD or YYYY-MM-DD HH:MM:SS"
_EXACT = 2**53


def read_times(table: Table, name: str, *, unit: str | None = None, scale: TimeScale | None = None) -> TimeColumn:
    """Read a column as times.

    Arguments:
        table: the table.
        name: the column.
        unit: the unit of a column of plain numbers ("hours"); it also says that eight-digit numbers are no dates. By
            default the unit that the column's name states ("hours", "time_h", "t [s]"), or none.
        scale: an earlier table's, to put these times on its axis; by default they get their own.

    Raises:
        DataError: a cell is missing, or is no time, or the kind differs from that of `scale`.
        OptionError: `unit` is no unit of time.
    """
    with naming(table.file):
        return _read(table.column(name), table.lines, unit=unit, scale=scale)


def parse_times(stamps: Sequence[Any] | str | float, scale: TimeScale) -> np.ndarray:
    """Return the times of stamps written as a table's are ("1915", "2016-09-01"), float64 of shape `(n,)`.

    Raises:
        DataError: one of them is written otherwise; `row` is its position, counted from 1.
    """
    listed = [stamps] if isinstance(stamps, (str, int, float)) else list(stamps)
    lines = np.arange(1, len(listed) + 1)
    cells = extra("pyarrow").array([stamp_text(stamp) for stamp in listed])
    return _read(read_column("times", cells, lines, Dialect()), lines, unit=None, scale=scale).times


def stamp_text(stamp: Any) -> str:
    """Return a time as text; a NumPy time of a finer unit in microseconds, where that is exact.

    >>> stamp_text(np.datetime64("2016-09-01T06:00:00.500000000")), stamp_text(1915)
    ('2016-09-01T06:00:00.500000', '1915')
    """
    if isinstance(stamp, np.datetime64):
        coarse = stamp.astype("datetime64[us]")
        return str(coarse if coarse == stamp else stamp)
    return str(stamp)


def _read(column: Column, lines: np.ndarray, *, unit: str | None, scale: TimeScale | None) -> TimeColumn:
    if column.missing.any():
        rows = lines[column.missing]
        raise refuse(
            "missing-time", "the time is missing", "fill it in or delete the row", column=column.name, rows=rows
        )
    if unit is not None and unit_name(unit) is None:
        raise OptionError(f"{unit!r} is no unit of time; known: {', '.join(SECONDS)}")
    if column.kind == "number" and len(column) and column.numbers is not None:
        plain = unit is not None or (scale is not None and not scale.calendar)
        own = None if plain else _compact_dates(column, lines)
        return _on_scale(own, scale, column, lines) if own else _numbers(column, lines, unit=unit, scale=scale)
    own = _typed(column, lines) if column.kind == "time" else _written(column, lines)
    if unit is not None:
        raise OptionError(f"column {column.name!r} holds dates, which need no unit; leave out time_unit={unit!r}")
    return _on_scale(own, scale, column, lines)


def _numbers(column: Column, lines: np.ndarray, *, unit: str | None, scale: TimeScale | None) -> TimeColumn:
    """Read plain numbers and years."""
    values = column.numbers
    assert values is not None
    whole = bool(np.all(values == np.rint(values)))
    if scale is not None:
        if scale.calendar:
            rows = lines[:1]
            message = f"holds numbers, and the times that it must join are written as {scale.kind}"
            raise refuse("other-times", message, "write them in the same form", column=column.name, rows=rows)
        return TimeColumn(times=_exact(column, whole, scale.origin) if scale.origin else values, scale=scale)
    if unit is None and whole and "year" in column.name.lower() and values.min() >= 1000 and values.max() < 3000:
        scale = TimeScale(kind="year", unit="years")
        return TimeColumn(times=values, scale=scale, notes=(note("time", "read as years", column=column.name),))
    stated = unit_in_name(column.name) if unit is None else None
    full = unit_name(unit) if unit is not None else stated
    notes = [note("time", _numbers_in_words(full, stated is not None), column=column.name)]
    if full is None:
        notes += _suspicions(column.name, values, whole)
    large = whole and np.abs(values).max() > _EXACT
    origin = _smallest(column) if large else 0
    scale = TimeScale(kind="integer" if whole else "number", unit=full, origin=origin)
    return TimeColumn(times=_exact(column, whole, origin) if large else values, scale=scale, notes=tuple(notes))


def _numbers_in_words(unit: str | None, stated: bool) -> str:
    if unit is None:
        return "read as plain numbers, whose unit is not known"
    return f"read as numbers of {unit}{', by its name' if stated else ''}"


def _integers(column: Column) -> np.ndarray:
    """Return whole numbers beyond 2^53 as int64, exactly."""
    arrow = extra("pyarrow")
    try:
        integers: np.ndarray = column.cells.cast(arrow.int64()).to_numpy(zero_copy_only=False)
    except arrow.ArrowInvalid:
        fix = "measure time from a later origin"
        raise refuse("time-range", "holds times beyond 64-bit integers", fix, column=column.name) from None
    return integers


def _smallest(column: Column) -> int:
    return int(_integers(column).min())


def _exact(column: Column, whole: bool, origin: int) -> np.ndarray:
    """Return times minus a large origin, subtracted in integers where they are whole."""
    if whole:
        return (_integers(column) - origin).astype(np.float64)
    assert column.numbers is not None
    return column.numbers - origin


def _suspicions(name: str, values: np.ndarray, whole: bool) -> list[Finding]:
    """Warn of numbers that look like times since 1970 or a spreadsheet's days."""
    for unit, low in (("seconds", 1e9), ("milliseconds", 1e12), ("microseconds", 1e15), ("nanoseconds", 1e18)):
        if whole and low / 10 <= values.min() and low <= values.max() < low * 10:
            message = f"the numbers look like {unit} since 1970 and are read as plain numbers"
            return [warn("epoch", message, f"if they are, pass time_unit={unit!r}", column=name)]
    if "date" in name.lower() and values.min() > 10_000 and values.max() < 100_000:
        message = "the numbers look like a spreadsheet's days and are read as plain numbers"
        return [warn("spreadsheet-dates", message, "write dates as YYYY-MM-DD, or pass time_unit='days'", column=name)]
    return []


def _compact_dates(column: Column, lines: np.ndarray) -> tuple[np.ndarray, TimeScale, list[Finding]] | None:
    """Read integers YYYYMMDD if every one is a calendar date; refuse if only most of them are."""
    values = column.numbers
    assert values is not None
    if not np.all((values == np.rint(values)) & (values >= 1000_00_00) & (values < 3000_00_00)):
        return None
    digits = values.astype(np.int64)
    year, month, day = digits // 10_000, digits // 100 % 100, digits % 100
    months = (year - 1970).astype("datetime64[Y]").astype("datetime64[M]") + (np.clip(month, 1, 12) - 1)
    dates = months.astype("datetime64[D]") + (day - 1)
    valid = (month >= 1) & (month <= 12) & (dates.astype("datetime64[M]") == months)
    if valid.mean() <= 0.5:
        return None
    if not valid.all():
        wrong = np.flatnonzero(~valid)
        message = f"{digits[wrong[0]]} is no calendar date, while others in the column are (YYYYMMDD)"
        fix = "correct it, or pass time_unit= if the numbers are no dates"
        raise refuse("bad-date", message, fix, column=column.name, rows=lines[wrong])
    scale = TimeScale(kind="yyyymmdd", unit="days")
    return dates.astype(np.int64) * DAY, scale, [note("time", "read as calendar dates YYYYMMDD", column=column.name)]


def _typed(column: Column, lines: np.ndarray) -> tuple[np.ndarray, TimeScale, list[Finding]]:
    """Read dates and timestamps that are typed as such."""
    arrow = extra("pyarrow")
    kind = column.cells.type
    if arrow.types.is_date(kind):
        days = column.cells.cast(arrow.date32()).cast(arrow.int32()).to_numpy(zero_copy_only=False)
        notes = [note("time", "read as dates", column=column.name)]
        return days.astype(np.int64) * DAY, TimeScale(kind="date", unit="days"), notes
    try:
        cells = column.cells.cast(arrow.timestamp("us", kind.tz))
    except arrow.ArrowInvalid:
        fix = "round the timestamps to microseconds"
        raise refuse("too-fine", "holds times finer than a microsecond", fix, column=column.name) from None
    ticks = cells.cast(arrow.int64()).to_numpy(zero_copy_only=False)
    zone = kind.tz or ""
    notes = [note("time", f"read as timestamps{f' in {zone}' if zone else ', without a zone'}", column=column.name)]
    if zone and zone[0] not in "+-":
        zone = "Z"
    return ticks, TimeScale(kind="datetime", unit="seconds", zone=zone, digits=_digits_of(ticks)), notes


def _digits_of(ticks: np.ndarray) -> int:
    return next(digits for digits in range(7) if not (ticks % 10 ** (6 - digits)).any())


def _written(column: Column, lines: np.ndarray) -> tuple[np.ndarray, TimeScale, list[Finding]]:
    """Read dates and datetimes written as ISO 8601."""
    arrow, compute = extra("pyarrow"), extra("pyarrow.compute")
    if column.kind in ("empty", "unreadable"):
        raise first_problem(column)
    cells = column.cells
    forms = {name: _matches(cells, pattern) for name, pattern in _FORMS.items()}
    form = next((name for name, found in forms.items() if found[0]), None)
    if form is None or not forms[form].all():
        raise _unlike(column, lines, forms, form)
    types = {"date": arrow.date32(), "datetime": arrow.timestamp("us")}
    zoned = form == "datetime with a zone"
    kind = arrow.timestamp("us", "UTC") if zoned else types[form]
    try:
        stamps = cells.cast(kind)
    except arrow.ArrowInvalid:
        wrong = _uncastable(cells, kind)
        message = f"{cells[wrong[0]].as_py()!r} does not exist in the calendar"
        raise refuse("bad-date", message, "correct it", column=column.name, rows=lines[wrong]) from None
    found = note("time", f"read as ISO 8601 {form}", column=column.name)
    if form == "date":
        days = stamps.cast(arrow.int32()).to_numpy(zero_copy_only=False).astype(np.int64)
        return days * DAY, TimeScale(kind="date", unit="days"), [found]
    ticks = stamps.cast(arrow.int64()).to_numpy(zero_copy_only=False)
    zone, zone_notes = _zone(column) if zoned else ("", [])
    fractions = compute.replace_substring_regex(cells, r"^[^.]*(\.[0-9]+)?.*$", r"\1")
    decimals = compute.max(compute.utf8_length(fractions))
    seconds = _matches(cells, r"^.{16}:").any()
    digits = max(int(decimals.as_py()) - 1, 0) if seconds else -1
    separator = cells[0].as_py()[10]
    scale = TimeScale(kind="datetime", unit="seconds", zone=zone, separator=separator, digits=digits)
    return ticks, scale, [found, *zone_notes]


def _matches(cells: Any, pattern: str) -> np.ndarray:
    compute = extra("pyarrow.compute")
    found: np.ndarray = compute.match_substring_regex(cells, pattern).to_numpy(zero_copy_only=False)
    return found


def _unlike(column: Column, lines: np.ndarray, forms: dict[str, np.ndarray], form: str | None) -> Exception:
    """Return the error for cells that are not all written in one ISO form."""
    if form is not None:
        wrong = np.flatnonzero(~forms[form])
        cell = column.cells[int(wrong[0])].as_py()
        message = f"{cell!r} is not written like the first row, {column.cells[0].as_py()!r} ({form})"
        return refuse("mixed-times", message, "write every time in one form", column=column.name, rows=lines[wrong])
    for pattern, what, fix in _HINTS:
        wrong = np.flatnonzero(_matches(column.cells, pattern))
        if len(wrong):
            message = f"{column.cells[int(wrong[0])].as_py()!r}: {what}" if "cannot" in what else ""
            message = message or f"{column.cells[int(wrong[0])].as_py()!r} {what}"
            return refuse("time-format", message, fix, column=column.name, rows=lines[wrong])
    if column.kind == "mixed":
        return first_problem(column)
    message = f"{column.cells[0].as_py()!r} is not a time that is understood"
    return refuse("time-format", message, _ADVICE, column=column.name, rows=lines)


def _uncastable(cells: Any, kind: Any, start: int = 0) -> list[int]:
    """Return the positions of the cells that cannot be cast, by halving."""
    try:
        cells.cast(kind)
    except extra("pyarrow").ArrowInvalid:
        if len(cells) == 1:
            return [start]
        half = len(cells) // 2
        return _uncastable(cells[:half], kind, start) + _uncastable(cells[half:], kind, start + half)
    return []


def _zone(column: Column) -> tuple[str, list[Finding]]:
    """Return the zone that all cells share, or UTC with a note."""
    compute = extra("pyarrow.compute")
    suffixes = compute.replace_substring_regex(column.cells, f"^{_CLOCK}({_ZONE})$", r"\1")
    zones = sorted(compute.unique(compute.utf8_upper(suffixes)).to_pylist())
    if len(zones) == 1:
        return zones[0], []
    return "Z", [note("offsets", f"{len(zones)} offsets from UTC: converted to UTC", column=column.name)]


def _on_scale(
    own: tuple[np.ndarray, TimeScale, list[Finding]], scale: TimeScale | None, column: Column, lines: np.ndarray
) -> TimeColumn:
    """Put calendar ticks on their own axis, or on an earlier table's."""
    ticks, found, notes = own
    if scale is None:
        scale = replace(found, origin=int(ticks.min()))
    elif not scale.calendar or bool(scale.zone) != bool(found.zone):
        theirs = f"{scale.kind}{' with a zone' if scale.zone else ''}"
        ours = f"{found.kind}{' with a zone' if found.zone else ''}"
        message = f"is written as {ours}, and the times that it must join as {theirs}"
        raise refuse("other-times", message, "write them in the same form", column=column.name, rows=lines[:1])
    per_unit = 1_000_000 if scale.kind == "datetime" else DAY
    return TimeColumn(times=(ticks - scale.origin) / per_unit, scale=scale, notes=tuple(notes))
