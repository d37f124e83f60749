"""The settings of a forecaster: checked before anything is read, and as JSON for its run folder."""

from __future__ import annotations

import datetime
import inspect
import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from ..core.errors import OptionError
from ..data import Dialect, SeriesSet, SeriesSplit, split_series
from ..data.time_column import stamp_text
from ..models import MODELS

__all__ = ["check_settings", "settings_from_json", "settings_to_json", "split_off"]

_MOST_SEED = 2**64 - 1


def check_settings(settings: Mapping[str, Any]) -> None:
    """Refuse settings that cannot be meant, whatever the table.

    Raises:
        OptionError: with the setting, what was got and what is expected.
    """
    if settings["time"] is None:
        raise OptionError("name the column of times: Forecaster(time=...)")
    for name in ("time", "series", "time_unit"):
        if not isinstance(settings[name], str | None):
            raise OptionError(f"{name} is a text; got {settings[name]!r}")
    MODELS[str(settings["model"])]  # which refuses a name that is not there
    _check_target(settings["target"])
    seed, members = settings["seed"], settings["members"]
    if not _whole(seed) or not 0 <= seed <= _MOST_SEED:
        raise OptionError(f"seed is a whole number from 0 to 2^64 - 1; got {seed!r}")
    if members is not None and (not _whole(members) or members < 1):
        raise OptionError(f"members is a whole number of at least 1, or None for the model's own; got {members!r}")
    for name in ("period", "max_time"):
        value = settings[name]
        if value is not None and not (_number(value) and 0 < value < math.inf):
            raise OptionError(f"{name} is a number above zero, or None; got {value!r}")
    dialect = settings["dialect"]
    if not isinstance(dialect, Dialect | None):
        raise OptionError(f"dialect is a legato.data.Dialect or None; got {dialect!r}")
    _check_holdout(settings["holdout"])


def settings_to_json(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as plain JSON values."""
    dialect, target, holdout = settings["dialect"], settings["target"], settings["holdout"]
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in settings.items()}
    return {
        **plain,
        "dialect": None if dialect is None else {name: getattr(dialect, name) for name in _DIALECT},
        "target": target if target is None or isinstance(target, str) else list(target),
        "holdout": stamp_text(holdout) if _moment(holdout) else plain["holdout"],
    }


def settings_from_json(values: Any) -> dict[str, Any]:
    """Return the settings that `settings_to_json` described; a dialect's lists are tuples again."""
    settings = dict(values)
    if settings["dialect"] is not None:
        parts = settings["dialect"].items()
        fields: dict[str, Any] = {name: tuple(part) if isinstance(part, list) else part for name, part in parts}
        settings["dialect"] = Dialect(**fields)
    return settings


def split_off(series: SeriesSet, holdout: Any) -> SeriesSplit | None:
    """Return training and test part by a share, a number of rows or a time; None for None."""
    if holdout is None:
        return None
    if isinstance(holdout, str) or _moment(holdout):
        return split_series(series, at=stamp_text(holdout))
    if _whole(holdout):
        return split_series(series, last=int(holdout))
    return split_series(series, fraction=float(holdout))


_DIALECT = tuple(inspect.signature(Dialect).parameters)


def _check_target(target: Any) -> None:
    if target is None or isinstance(target, str):
        return
    if not (isinstance(target, Sequence) and len(target) and all(isinstance(name, str) for name in target)):
        raise OptionError(f"target names at least one column, or is None for every column of numbers; got {target!r}")


def _check_holdout(holdout: Any) -> None:
    if holdout is None or isinstance(holdout, str) or _moment(holdout):
        return
    if _whole(holdout) and holdout >= 1:
        return
    if not (_number(holdout) and not _whole(holdout) and 0 < holdout < 1):
        raise OptionError(
            f"holdout is a share between 0 and 1, a number of rows of at least 1, a time, or None; got {holdout!r}"
        )


def _moment(value: Any) -> bool:
    return isinstance(value, datetime.date | np.datetime64)


def _whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
