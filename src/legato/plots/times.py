"""Times as matplotlib can place them: numbers, or dates without a zone.

Times come as they were read: numbers as they are; strings all of one kind, `1958-03-29`, `2016-07-01 13:45`, with a
zone if all have the same one, `19580329` where all are calendar dates, or numbers; dates of Python and NumPy.
"""

from __future__ import annotations

import datetime
import re

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import InputError

__all__ = ["read_axis_times"]

_ZONE = re.compile(r"(?<=\d)(Z|[+-]\d\d:?\d\d)$")


def read_axis_times(times: ArrayLike) -> NDArray[np.float64] | NDArray[np.datetime64]:
    """Return times (n,) as float64 or, where they are dates, as datetime64 in microseconds.

    A zone is left out: the times are drawn as a clock there shows them.

    Raises:
        InputError: not one list, or strings of several kinds or zones.

    Example:
        >>> read_axis_times(["19580329", "19580405"]).astype(str).tolist()
        ['1958-03-29T00:00:00.000000', '1958-04-05T00:00:00.000000']
        >>> read_axis_times(["1900", "1901.5"]).tolist()
        [1900.0, 1901.5]
    """
    array = np.asarray(times)
    if array.ndim != 1:
        raise InputError(f"times have shape {array.shape}; expected one list of times, (n,)")
    if array.dtype.kind == "M":
        return array.astype("datetime64[us]")
    if array.dtype.kind in "iuf":
        return array.astype(np.float64)
    stamps = [_text(stamp) for stamp in array.tolist()]
    compact = _parse([f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:]}" for stamp in stamps if re.fullmatch(r"\d{8}", stamp)])
    if compact is not None and len(compact) == len(stamps):
        return compact
    try:
        return np.array([float(stamp) for stamp in stamps], dtype=np.float64)
    except ValueError:
        return _calendar(stamps)


def _text(stamp: object) -> str:
    if isinstance(stamp, datetime.date):
        return stamp.isoformat()
    return str(stamp).strip()


def _calendar(stamps: list[str]) -> NDArray[np.datetime64]:
    zones = {(match[0] if (match := _ZONE.search(stamp)) and ":" in stamp else "") for stamp in stamps}
    dates = _parse([_ZONE.sub("", stamp) if ":" in stamp else stamp for stamp in stamps])
    if dates is None or len(zones) > 1:
        shown = ", ".join(repr(stamp) for stamp in stamps[:3])
        raise InputError(
            f"times {shown}{', ...' if len(stamps) > 3 else ''} are not all numbers, nor all dates in one zone; "
            "give numbers, or ISO 8601 dates such as 2016-07-01 13:45 of one zone"
        )
    return dates


def _parse(stamps: list[str]) -> NDArray[np.datetime64] | None:
    try:
        moments = [datetime.datetime.fromisoformat(stamp) for stamp in stamps]
    except ValueError:
        return None
    return np.array(moments, dtype="datetime64[us]")
