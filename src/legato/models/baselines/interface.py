r"""What every baseline takes and gives: a history of observations in, a rule for any later time out.

A history is a list of times :math:`t_1 < \dots < t_n`, values :math:`y_{ij}` and a mask that is true where
:math:`y_{ij}` was observed. Nothing is filled: a baseline uses what was observed, column by column, or says with a
`NotApplicableError` why it cannot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core.errors import InputError
from ...core.words import counted

__all__ = ["Baseline", "History", "NotApplicableError", "Predictor", "read_history"]

Array = NDArray[np.float64]


class NotApplicableError(InputError):
    """A baseline cannot be fitted to this history, or not asked at these times.

    Arguments:
        baseline: its name in plain words.
        reason: why not, and where something can be done, what.
    """

    def __init__(self, baseline: str, reason: str) -> None:
        super().__init__(f"{baseline} does not apply: {reason}")
        self.baseline = baseline
        self.reason = reason

    def __reduce__(self) -> tuple[type[NotApplicableError], tuple[str, str]]:
        return type(self), (self.baseline, self.reason)


class History(NamedTuple):
    """Hold checked observations: times (n,) increasing, values (n, columns), mask (n, columns) true where observed."""

    times: Array
    values: Array
    mask: NDArray[np.bool_]

    @property
    def columns(self) -> list[tuple[Array, Array]]:
        """Return for every column the times and values that were observed."""
        return [(self.times[seen], column[seen]) for column, seen in zip(self.values.T, self.mask.T, strict=True)]

    def name(self, column: int) -> str:
        """Return a column in words; a single one is the history."""
        return "the history" if self.values.shape[1] == 1 else f"column {column}"

    def require(self, count: int, *, baseline: str) -> None:
        """Refuse a history with a column of fewer than `count` observations."""
        seen = self.mask.sum(axis=0)
        if not len(seen) or seen.min() < count:
            column = int(seen.argmin()) if len(seen) else 0
            have = int(seen[column]) if len(seen) else 0
            reason = f"{self.name(column)} has {counted(have, 'observation')}; it needs at least {count}"
            raise NotApplicableError(baseline, reason)


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """Predict values at any times by a fitted rule.

    Arguments:
        description: what was fitted, in the words of a report: "AR(9)".
        rule: times (m,) -> values (m, columns).
    """

    description: str
    rule: Callable[[Array], Array]

    def predict(self, at: ArrayLike) -> Array:
        """Return predictions at the times `at`.

        Arguments:
            at: times (m,), finite, in any order, in the unit of the history.

        Returns:
            Predictions (m, columns).

        Raises:
            InputError: the times are not a finite list.
            NotApplicableError: the rule cannot be asked there, or what it continues has grown beyond all numbers.
        """
        times = np.asarray(at, dtype=np.float64)
        if times.ndim != 1 or not np.isfinite(times).all():
            raise InputError(f"at has shape {times.shape}; expected a list of finite times")
        with np.errstate(over="ignore", invalid="ignore"):
            predicted = self.rule(times)
        if not np.isfinite(predicted).all():
            raise NotApplicableError(self.description, "its prediction grows beyond all numbers; ask nearer times")
        return predicted


class Baseline(Protocol):
    """Fit a simple rule to a history; settings are fields, what was learned is in the predictor."""

    def fit(self, times: ArrayLike, values: ArrayLike, mask: ArrayLike | None = None) -> Predictor:
        """Return a predictor fitted to the observed values.

        Arguments:
            times: (n,), increasing, any unit.
            values: (n,) or (n, columns).
            mask: true where observed, the shape of values; without one, NaN is what was not observed.

        Raises:
            InputError: the history is malformed.
            NotApplicableError: the baseline has no meaning for it.
        """
        ...


def read_history(times: ArrayLike, values: ArrayLike, mask: ArrayLike | None = None) -> History:
    """Check a history and return it as float64 arrays, values as (n, columns).

    Raises:
        InputError: shapes do not match, times do not increase, or an observed value is not finite.

    Example:
        >>> read_history([0, 1], [5.0, float("nan")]).mask.tolist()
        [[True], [False]]
    """
    time, value = np.asarray(times, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if value.ndim not in (1, 2) or time.shape != value.shape[:1]:
        raise InputError(f"times have shape {time.shape} and values {value.shape}; expected (n,) and (n, columns)")
    if not np.isfinite(time).all() or (np.diff(time) <= 0).any():
        raise InputError("times must be finite and increase from row to row; sort the rows and drop repeated times")
    seen = ~np.isnan(value) if mask is None else np.asarray(mask).astype(bool)
    if seen.shape != value.shape:
        raise InputError(f"the mask has shape {seen.shape} and values {value.shape}; both need the same")
    if not np.isfinite(value[seen]).all():
        raise InputError("observed values must be finite; mask out what was not observed")
    return History(time, value.reshape(len(time), -1), seen.reshape(len(time), -1))
