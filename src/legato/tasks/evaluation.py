"""Scores beside baselines, and the verdict in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..core.errors import InputError, SolveError
from ..data import Series
from ..models.baselines import NotApplicableError, fit_baselines
from ..training.metrics import coverage, crps_quantiles, mae, mase, rmse

__all__ = ["Evaluation", "Forecast", "Score", "evaluate_forecasts"]

Array = np.ndarray

_MEASURES = ("mae", "rmse", "mase", "crps")


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What was known of one series, what came later, and what the model said of it.

    Arguments:
        history: the series up to the origin.
        later: the series after it.
        mean: `(m, d)`, the model's median at the times of `later`.
        quantiles: level -> `(m, d)`.
    """

    history: Series
    later: Series
    mean: Array
    quantiles: dict[float, Array]


@dataclass(frozen=True, kw_only=True)
class Score:
    """The scores of one forecaster on one target, or over all targets.

    Arguments:
        name: "model" or a baseline's name.
        mae, rmse, mase, crps: NaN where a score has no meaning (mase needs a regular history, crps a distribution).
        inside, total: how many values lie in the 80 % band, of how many; None for a forecaster without a band.
    """

    name: str
    mae: float
    rmse: float
    mase: float = float("nan")
    crps: float = float("nan")
    inside: int | None = None
    total: int | None = None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Scores of the model and of every baseline.

    Arguments:
        scores: target -> scores, the model's first; "all" holds all targets together.
        left_out: baseline -> why it does not apply.
        verdicts: target -> win or loss in words.
        description: what was forecast from what.
        notes: what is not scored, and why.
        origins: of rolling origins, how many there are (`count`) in how many `series`, the `first` and the `last`, and
            whether what follows them is `unseen` by the model, None where that is unknown.
    """

    scores: dict[str, list[Score]]
    left_out: dict[str, str]
    verdicts: dict[str, str]
    description: str
    notes: tuple[str, ...] = ()
    origins: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the evaluation as plain JSON values; NaN becomes None."""
        scores = {
            target: [{key: _plain(value) for key, value in asdict(score).items()} for score in listed]
            for target, listed in self.scores.items()
        }
        return {
            "description": self.description,
            "origins": self.origins,
            "scores": scores,
            "left_out": self.left_out,
            "verdicts": self.verdicts,
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Evaluation:
        """Return the evaluation that `to_dict` described."""
        scores = {target: [_score(one) for one in listed] for target, listed in values["scores"].items()}
        return cls(**{**values, "scores": scores, "notes": tuple(values.get("notes", ()))})


def evaluate_forecasts(
    forecasts: Sequence[Forecast],
    targets: Sequence[str],
    *,
    description: str,
    period: float | None = None,
    extra: dict[str, Callable[[Series, Array], Array]] | None = None,
    notes: Sequence[str] = (),
    origins: dict[str, Any] | None = None,
) -> Evaluation:
    """Score forecasts beside the baselines, fitted to the same histories.

    Arguments:
        forecasts: one per series and origin.
        targets: the names of the d targets.
        description: what was forecast from what.
        period: a known season in the unit of the times, for the baselines that have one.
        extra: more baselines: name -> function of the history and the times, giving `(m, d)`.
        notes, origins: of the evaluation.
    """
    rivals, left_out = _rivals(forecasts, period, extra or {})
    scores: dict[str, list[Score]] = {}
    verdicts = {}
    columns = {**{name: [place] for place, name in enumerate(targets)}, "all": list(range(len(targets)))}
    if len(targets) == 1:
        del columns["all"]
    for name, chosen in columns.items():
        listed = [_model_score(forecasts, chosen)]
        for rival, predicted in rivals.items():
            truth = np.concatenate([one.later.values[:, chosen] for one in forecasts])
            guess = np.concatenate([part[:, chosen] for part in predicted])
            listed.append(
                Score(
                    name=rival, mae=mae(truth, guess), rmse=rmse(truth, guess), mase=_mase(forecasts, predicted, chosen)
                )
            )
        scores[name] = listed
        verdicts[name] = _verdict(listed)
    return Evaluation(
        scores=scores,
        left_out=left_out,
        verdicts=verdicts,
        description=description,
        notes=tuple(notes),
        origins=origins,
    )


def _rivals(
    forecasts: Sequence[Forecast], period: float | None, extra: dict[str, Callable[[Series, Array], Array]]
) -> tuple[dict[str, list[Array]], dict[str, str]]:
    """Return every baseline's predictions, and why the others do not apply."""
    predictions: dict[str, list[Array]] = {}
    left_out: dict[str, str] = {}
    for one in forecasts:
        fitted = fit_baselines(one.history.times, one.history.values, one.history.mask, period=period)
        for name, predictor in fitted.items():
            try:
                if isinstance(predictor, NotApplicableError):
                    raise predictor
                predictions.setdefault(name, []).append(predictor.predict(one.later.times))
            except NotApplicableError as error:
                left_out[name] = error.reason
        for name, function in extra.items():
            try:
                predictions.setdefault(name, []).append(function(one.history, one.later.times))
            except (InputError, SolveError) as error:
                left_out[name] = str(error)
    return {name: parts for name, parts in predictions.items() if len(parts) == len(forecasts)}, left_out


def _model_score(forecasts: Sequence[Forecast], chosen: list[int]) -> Score:
    truth = np.concatenate([one.later.values[:, chosen] for one in forecasts])
    mean = np.concatenate([one.mean[:, chosen] for one in forecasts])
    levels = sorted(forecasts[0].quantiles)
    bands = np.stack([np.concatenate([one.quantiles[level][:, chosen] for one in forecasts]) for level in levels])
    covered = coverage(truth, bands[0], bands[-1])
    return Score(
        name="model",
        mae=mae(truth, mean),
        rmse=rmse(truth, mean),
        mase=_mase(forecasts, [one.mean for one in forecasts], chosen),
        crps=crps_quantiles(truth, bands, np.array(levels)),
        inside=covered.inside,
        total=covered.total,
    )


def _mase(forecasts: Sequence[Forecast], predicted: Sequence[Array], chosen: list[int]) -> float:
    """Return the mean of the series' scaled errors; NaN where a history is not regular."""
    values = []
    for one, guess in zip(forecasts, predicted, strict=True):
        gaps = np.diff(one.history.times)
        if len(gaps) == 0 or gaps.max() > gaps.min() * (1 + 1e-6):
            return float("nan")
        values.append(mase(one.later.values[:, chosen], guess[:, chosen], history=one.history.values[:, chosen]))
    return float(np.nanmean(values)) if values and not np.all(np.isnan(values)) else float("nan")


def _verdict(scores: Sequence[Score]) -> str:
    """Return who wins by RMSE, in words."""
    model, rivals = scores[0], [score for score in scores[1:] if np.isfinite(score.rmse)]
    if not rivals:
        return "no baseline applies"
    best = min(rivals, key=lambda score: score.rmse)
    if model.rmse < best.rmse:
        lower = 100 * (1 - model.rmse / best.rmse)
        return f"wins: RMSE {model.rmse:.4g}, {lower:.0f} % below the best baseline, {best.name} ({best.rmse:.4g})"
    better = sorted((score for score in rivals if not score.rmse > model.rmse), key=lambda score: score.rmse)
    names = ", ".join(f"{score.name} ({score.rmse:.4g})" for score in better)
    beaten = len(rivals) - len(better)
    return f"loses: RMSE {model.rmse:.4g}, behind {names}; ahead of {beaten} of {len(rivals)} baselines"


def _score(values: dict[str, Any]) -> Score:
    """Return a score from JSON values, None where a measure has no meaning."""
    return Score(**{**values, **{name: math.nan for name in _MEASURES if values[name] is None}})


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value
