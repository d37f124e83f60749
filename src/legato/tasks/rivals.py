"""What the baselines say beside a model, target by target, and where they say nothing and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..core.errors import InputError, SolveError
from ..data import Series
from ..models.baselines import Baseline, NotApplicableError, baselines_with

__all__ = ["Rival", "ask_rivals"]

Array = np.ndarray


class Rival(NamedTuple):
    """One baseline's predictions of several forecasts.

    Attributes:
        predictions: one per forecast, `(m, d)`, NaN where the baseline does not apply.
        reasons: one per forecast: for each of the d targets why it does not apply, None where it does.
    """

    predictions: list[Array]
    reasons: list[list[str | None]]

    def applies(self, place: int, column: int) -> bool:
        """Return whether there is a prediction of a target in a forecast."""
        return self.reasons[place][column] is None


def ask_rivals(
    pairs: Sequence[tuple[Series, Series]],
    *,
    period: float | None,
    extra: dict[str, Callable[[Series, Array], Array]],
) -> dict[str, Rival]:
    """Return what every baseline predicts of what followed each history.

    A baseline is fitted to all targets together; where that has no meaning, to each target by itself.

    Arguments:
        pairs: history and what followed.
        period: a known season in the unit of the times, for the baselines that have one.
        extra: more baselines: name -> function of the history and the times, giving `(m, d)`.
    """
    rivals = {}
    for name, baseline in baselines_with(period).items():
        answers = [_ask(baseline, history, later.times) for history, later in pairs]
        rivals[name] = Rival([predicted for predicted, _ in answers], [reasons for _, reasons in answers])
    for name, function in extra.items():
        answers = [_call(function, history, later.times) for history, later in pairs]
        rivals[name] = Rival([predicted for predicted, _ in answers], [reasons for _, reasons in answers])
    return rivals


def _ask(baseline: Baseline, history: Series, at: Array) -> tuple[Array, list[str | None]]:
    """Return predictions `(m, d)`, and for each target why there is none."""
    targets = history.values.shape[1]
    try:
        return _predict(baseline, history.times, history.values, history.mask, at), [None] * targets
    except NotApplicableError as error:
        whole = error.reason
    predicted = np.full((len(at), targets), np.nan)
    if targets == 1:
        return predicted, [whole]
    reasons: list[str | None] = []
    for column in range(targets):
        values, mask = history.values[:, column], history.mask[:, column]
        try:
            predicted[:, column] = _predict(baseline, history.times, values, mask, at)[:, 0]
            reasons.append(None)
        except NotApplicableError as error:
            reasons.append(error.reason)
    return predicted, reasons


def _predict(baseline: Baseline, times: Array, values: Array, mask: Array, at: Array) -> Array:
    """Return predictions; where the arithmetic fails, for instance since squares overflow, it does not apply."""
    try:
        with np.errstate(all="ignore"):
            return baseline.fit(times, values, mask).predict(at)
    except (ArithmeticError, np.linalg.LinAlgError) as error:
        raise NotApplicableError("the baseline", f"its arithmetic fails on these values ({error})") from None


def _call(function: Callable[[Series, Array], Array], history: Series, at: Array) -> tuple[Array, list[str | None]]:
    targets = history.values.shape[1]
    try:
        return function(history, at), [None] * targets
    except (InputError, SolveError) as error:
        return np.full((len(at), targets), np.nan), [str(error)] * targets
