"""Times: a column of numbers, years or dates, as float64 on one axis.

Inside, a time is t = (stamp - origin) / unit in double precision. What it is outside is kept in a `TimeScale`, so that
a time is printed as it was read, a horizon may be said in words, and a model knows where its axis begins.

    kind        written as                                  unit inside     origin
    number      0.25, 1e3                                   the column's    0
    integer     0, 17, 1583020800                           the column's    0; the first stamp beyond 2^53
    year        1900, in a column named for years           years           0
    yyyymmdd    19580329, all of them calendar dates        days            the first
    date        1958-03-29                                  days            the first
    datetime    2016-07-01 00:00:00, 2016-07-01T00:00+02:00 seconds         the first

Calendar stamps are counted in whole microseconds, which a float64 of seconds holds exactly for 285 years.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

import numpy as np

from ..core.errors import InputError, OptionError
from .durations import SECONDS, duration_seconds
from .finding import Finding

__all__ = ["DAY", "TimeColumn", "TimeKind", "TimeScale", "steps_in_words", "steps_within", "zone_offset"]

TimeKind = Literal["number", "integer", "year", "yyyymmdd", "date", "datetime"]

_ZONE = r"(|[Zz]|[+-][0-9]{2}(:?[0-9]{2})?)"
_MICROSECOND = np.timedelta64(1, "us")
DAY = 86_400_000_000
"""Microseconds in a day."""


@dataclass(frozen=True, kw_only=True)
class TimeScale:
    """Say what times are outside the model, and convert.

    Arguments:
        kind: how times are written; see the module.
        unit: the unit inside, a key of `durations.SECONDS`; None for numbers whose unit is not known.
        origin: the stamp of time 0: a number, or microseconds since 1970 (of UTC where `zone` is set) for a calendar.
        zone: "Z" or an offset such as "+02:00" where datetimes carry one; else empty.
        separator: what stands between date and time of day.
        digits: decimals of the seconds as written; -1 where seconds are left out.
    """

    kind: TimeKind = "number"
    unit: str | None = None
    origin: int = 0
    zone: str = ""
    separator: str = " "
    digits: int = 0

    @property
    def calendar(self) -> bool:
        """Whether times are points of a calendar, so that they have a season, a weekday and a time of day."""
        return self.kind in ("yyyymmdd", "date", "datetime")

    def to_dict(self) -> dict[str, Any]:
        """Return the scale as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TimeScale:
        """Return the scale that `to_dict` described.

        Raises:
            InputError: `values` holds other fields, or what no scale holds.
        """
        known = {field.name for field in fields(cls)}
        if not isinstance(values, dict) or set(values) != known:
            raise InputError(f"a time scale has the fields {sorted(known)}; got {values!r}")
        texts = all(isinstance(values[name], str) for name in ("kind", "zone", "separator"))
        numbers = all(type(values[name]) is int for name in ("origin", "digits"))
        good = texts and numbers and values["kind"] in get_args(TimeKind) and -1 <= values["digits"] <= 6
        if not good or not re.fullmatch(_ZONE, values["zone"]) or values["unit"] not in (None, *SECONDS):
            raise InputError(f"a time scale has a known kind, unit and zone, and a whole origin; got {values!r}")
        scale = cls(**values)
        if scale.calendar and scale.unit != ("seconds" if scale.kind == "datetime" else "days"):
            raise InputError(f"a calendar counts datetimes in seconds and dates in days; got {values!r}")
        return scale

    def duration(self, length: str | float) -> float:
        """Return a length of time in the unit inside: a number as it is, or words such as "24h".

        Raises:
            OptionError: words where the unit of the times is not known, or that are no length of time.
        """
        if not isinstance(length, str):
            return float(length)
        seconds = duration_seconds(length)
        if self.unit is None:
            raise OptionError(
                f"{length!r} needs the unit of the times, which are plain numbers; name it (time_unit='hours'), or "
                "give the length as a number"
            )
        return seconds / SECONDS[self.unit]

    def grid(self, horizon: str | float, *, start: float, step: float) -> np.ndarray:
        """Return the times `start + step, start + 2 step, ...` up to `start + horizon`, float64.

        Arguments:
            horizon: a length (see `duration`), or a number of steps in words: "3 steps".
            start: the time before the first.
            step: the spacing, such as the median gap of the data.

        Raises:
            OptionError: the horizon is not positive, or shorter than one step.
        """
        count = steps_in_words(horizon)
        count = steps_within(self.duration(horizon), step) if count is None else count
        if count < 1:
            raise OptionError(f"the horizon {horizon!r} holds no point: it is shorter than the spacing, {step:g}")
        return start + step * np.arange(1, count + 1, dtype=np.float64)

    def stamps(self, times: Sequence[float] | np.ndarray) -> np.ndarray:
        """Return times as NumPy values for a data frame.

        A calendar gives `datetime64[us]` (UTC where `zone` is set); integers, years and YYYYMMDD give int64 where every
        time is whole, float64 (for YYYYMMDD: `datetime64[us]`) otherwise; numbers give float64.
        """
        times = np.asarray(times, dtype=np.float64)
        whole = bool(np.all(times == np.rint(times)))
        if self.kind == "number" or (self.kind in ("integer", "year") and not whole):
            return times + self.origin
        if self.kind in ("integer", "year"):
            return times.astype(np.int64) + self.origin
        moments = self._moments(times)
        if self.kind == "yyyymmdd" and whole:
            texts = np.datetime_as_string(moments, unit="D")
            return np.array([int(text.replace("-", "")) for text in texts], dtype=np.int64)
        return moments

    def format(self, times: Sequence[float] | np.ndarray) -> list[str]:
        """Return times as text, in the form in which they were read.

        Dates that do not fall on whole days are written with their time of day; decimals are added to a form that has
        too few for a time.
        """
        times = np.asarray(times, dtype=np.float64)
        if not self.calendar or (self.kind == "yyyymmdd" and bool(np.all(times == np.rint(times)))):
            return [repr(stamp.item()) for stamp in self.stamps(times)]
        moments = self._moments(times)
        if self.kind != "datetime" and bool(np.all(times == np.rint(times))):
            return [str(text) for text in np.datetime_as_string(moments, unit="D")]
        moments = self.local(times)
        digits = max(self.digits, _decimals(moments)) if self.digits >= 0 or _decimals(moments) >= 0 else -1
        kept = 16 if digits < 0 else 19 if digits == 0 else 20 + digits
        texts = np.datetime_as_string(moments, unit="us")
        return [f"{text[:10]}{self.separator}{text[11:kept]}{self.zone}" for text in texts]

    def phases(self, times: Sequence[float] | np.ndarray) -> dict[str, np.ndarray]:
        """Return where each time lies in its year, week and day, each in [0, 1); empty where times are no calendar.

        Dates have no phase of the day. Phases of zoned datetimes are those of their offset.
        """
        if not self.calendar:
            return {}
        moments = self.local(times)
        days = moments.astype("datetime64[D]")
        years = moments.astype("datetime64[Y]")
        ends = (years + np.timedelta64(1, "Y")).astype("datetime64[us]")
        year_length = (ends - years.astype("datetime64[us]")) / _MICROSECOND
        day = (moments - days) / _MICROSECOND / DAY
        phases = {
            "year": (moments - years.astype("datetime64[us]")) / _MICROSECOND / year_length,
            # 1970-01-01 was a Thursday; weeks begin on Monday.
            "week": ((days.astype(np.int64) + 3) % 7 + day) / 7,
        }
        return {**phases, "day": day} if self.kind == "datetime" else phases

    def local(self, times: Sequence[float] | np.ndarray) -> np.ndarray:
        """Return calendar times as `datetime64[us]` by the clock of the scale's zone."""
        moments = self._moments(np.asarray(times, dtype=np.float64))
        return moments + np.timedelta64(zone_offset(self.zone), "us")

    def from_local(self, ticks: np.ndarray) -> np.ndarray:
        """Return the times of microseconds since 1970 by the clock of the scale's zone; the inverse of `local`."""
        per_unit = 1_000_000 if self.kind == "datetime" else DAY
        times: np.ndarray = (ticks - zone_offset(self.zone) - self.origin) / per_unit
        return times

    def _moments(self, times: np.ndarray) -> np.ndarray:
        """Return calendar times as `datetime64[us]`, snapped to the form's own decimals where rounding hides them."""
        if not np.isfinite(times).all():
            raise InputError("times to be written must be finite")
        if self.kind == "datetime":
            grid = 10.0 ** max(self.digits, 0)
            coarse = np.rint(times * grid)
            snapped = np.abs(coarse / grid - times) <= 4 * np.finfo(np.float64).eps * np.abs(times)
            scale = round(1e6 / grid)
            ticks = np.where(snapped, coarse.astype(np.int64) * scale, np.rint(times * 1e6).astype(np.int64))
        else:
            ticks = np.rint(times * DAY).astype(np.int64)
        moments: np.ndarray = (ticks + self.origin).astype("datetime64[us]")
        return moments


@dataclass(frozen=True, kw_only=True)
class TimeColumn:
    """The time of every row: float64 of shape `(rows,)` on a `TimeScale`, and how it was read."""

    times: np.ndarray
    scale: TimeScale
    notes: tuple[Finding, ...] = ()


def steps_in_words(horizon: str | float) -> int | None:
    """Return the number in "3 steps"; None for other horizons."""
    words = horizon.split() if isinstance(horizon, str) else []
    return int(words[0]) if len(words) == 2 and words[1] in ("step", "steps") and words[0].isdecimal() else None


def steps_within(length: float, step: float) -> int:
    """Return how many steps a length holds, with a hair of slack: exactly k steps are k, whatever the rounding."""
    return int(np.floor(length / step * (1 + 1e-9) + 1e-9))


def zone_offset(zone: str) -> int:
    """Return the offset of "Z", "+02:00", "-0530" or "" from UTC in microseconds."""
    digits = zone[1:].replace(":", "")
    if not digits:
        return 0
    minutes = int(digits[:2]) * 60 + int(digits[2:] or 0)
    return (-1 if zone[0] == "-" else 1) * minutes * 60_000_000


def _decimals(moments: np.ndarray) -> int:
    """Return how many decimals the seconds of these moments need; -1 where all are whole minutes."""
    ticks = moments.astype(np.int64)
    if not (ticks % 60_000_000).any():
        return -1
    return next(digits for digits in range(7) if not (ticks % 10 ** (6 - digits)).any())
