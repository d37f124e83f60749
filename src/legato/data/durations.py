"""Lengths of time, in words: "24h", "7 days", "5 years".

Units have fixed lengths: a year is 365.2425 days and a month a twelfth of it, the means of the Gregorian calendar. A
horizon of whole months on an axis of dates ends on the calendar's date instead (`legato.data.months`).
"""

from __future__ import annotations

import datetime
import re

import numpy as np

from ..core.catalogue import nearest
from ..core.errors import OptionError

__all__ = ["SECONDS", "Length", "duration_seconds", "duration_words", "unit_in_name", "unit_name", "whole_months"]

Length = str | float | datetime.timedelta | np.timedelta64
"""A length of time: words, a number in the unit of the times, or a time difference of Python or NumPy."""

SECONDS = {
    "nanoseconds": 1e-9,
    "microseconds": 1e-6,
    "milliseconds": 1e-3,
    "seconds": 1.0,
    "minutes": 60.0,
    "hours": 3600.0,
    "days": 86400.0,
    "weeks": 604800.0,
    "months": 2629746.0,
    "years": 31556952.0,
}
"""Seconds in each unit of time."""

_SHORT = {
    "ns": "nanoseconds",
    "us": "microseconds",
    "µs": "microseconds",
    "ms": "milliseconds",
    "s": "seconds",
    "sec": "seconds",
    "secs": "seconds",
    "min": "minutes",
    "mins": "minutes",
    "h": "hours",
    "hr": "hours",
    "hrs": "hours",
    "d": "days",
    "w": "weeks",
    "wk": "weeks",
    "mo": "months",
    "y": "years",
    "yr": "years",
    "yrs": "years",
}
_NUMPY = dict(zip(("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns"), reversed(SECONDS), strict=True))
_LARGER = {"days": 86_400_000_000, "hours": 3_600_000_000, "minutes": 60_000_000, "seconds": 1_000_000}
_AMOUNT = re.compile(r"\s*([0-9]+\.?[0-9]*|\.[0-9]+)\s*([^\W\d_]+)\s*")


def unit_name(text: str) -> str | None:
    """Return the full name of a unit of time, or None where `text` is none.

    >>> unit_name("h"), unit_name("Hour"), unit_name("m")
    ('hours', 'hours', None)
    """
    lowered = text.lower()
    if lowered in _SHORT:
        return _SHORT[lowered]
    plural = lowered if lowered.endswith("s") else f"{lowered}s"
    return plural if plural in SECONDS else None


def unit_in_name(column: str) -> str | None:
    """Return the unit that a column's name states: "hours", "time_h", "Time (min)" or "t [s]"; else None."""
    if len(column) > 2 and (whole := unit_name(column)) is not None:
        return whole
    stated = re.fullmatch(r".*[^\W_][_ ]*(?:[(\[]\s*(\w+)\s*[)\]]|_(\w+))", column)
    return unit_name(stated[1] or stated[2]) if stated else None


def duration_seconds(text: str) -> float:
    """Return the length of time that `text` states, in seconds.

    >>> duration_seconds("24h"), duration_seconds("1.5 days")
    (86400.0, 129600.0)

    Raises:
        OptionError: it states none.
    """
    amount, unit = _amount(text)
    return amount * SECONDS[unit]


def duration_words(length: datetime.timedelta | np.timedelta64) -> str:
    """Return a time difference in words; NumPy's months and years are those of the calendar.

    >>> duration_words(datetime.timedelta(days=1, hours=12)), duration_words(np.timedelta64(3, "M"))
    ('36 hours', '3 months')

    Raises:
        OptionError: it is negative or no time, or has no unit from nanoseconds to years.
    """
    if isinstance(length, np.timedelta64):
        unit, count = np.datetime_data(length.dtype)
        if np.isnat(length) or unit not in _NUMPY:
            raise OptionError(f"a length of time in NumPy has one of the units {', '.join(_NUMPY)}; got {length!r}")
        amount, name = int(length.astype(np.int64)) * count, _NUMPY[unit]
    else:
        amount, name = length // datetime.timedelta(microseconds=1), "microseconds"
        for larger, size in _LARGER.items():
            if amount % size == 0:
                amount, name = amount // size, larger
                break
    if amount < 0:
        raise OptionError(f"a length of time is above zero; got {length!r}")
    return f"{amount} {name}"


def whole_months(text: str) -> int | None:
    """Return the whole number of months that a length in months or years is, None for other lengths.

    >>> whole_months("1.5 years"), whole_months("30 days")
    (18, None)

    Raises:
        OptionError: `text` states no length of time.
    """
    amount, unit = _amount(text)
    months = amount * {"months": 1, "years": 12}.get(unit, 0)
    return int(months) if months > 0 and months.is_integer() else None


def _amount(text: str) -> tuple[float, str]:
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise OptionError(f"{text!r} is no length of time; write a number and a unit, such as '24h' or '5 years'")
    unit = unit_name(match[2])
    if unit is None:
        hint = "write 'min' or 'months'" if match[2].lower() == "m" else nearest(match[2], {*SECONDS, *_SHORT})
        raise OptionError(f"{match[2]!r} in {text!r} is no unit of time; {hint}")
    return float(match[1]), unit
