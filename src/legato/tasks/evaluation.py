"""Scores beside baselines, and the verdict in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..core.words import counted
from ..data import Series
from ..models.baselines import NotApplicableError
from ..models.baselines.grid import on_grid
from ..models.baselines.interface import History
from ..training.metrics import coverage, crps_quantiles, mae, rmse
from .origins import name_series
from .rivals import Rival, ask_rivals

__all__ = ["Evaluation", "Forecast", "Score", "evaluate_forecasts", "training_deviations"]

Array = np.ndarray

_MEASURES = ("mae", "rmse", "mase", "crps")
_NOTHING = "nothing was observed in the held-out part: no score"
_TIE = 1e-9  # errors this close to each other, of the larger one, are equal
_ROUNDING = 1e-12  # of the largest value: below it an error is the rounding of none


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

    The mean absolute scaled error divides the errors in a target of one forecast by the mean absolute difference of
    neighbours in its history: rows one step apart in which the target was observed, on the regular grid that its
    observations stand on, with holes or without. The score is the mean over the forecasts whose history has such a
    scale: one without, being irregular or constant, is left out of it.

    Arguments:
        name: "model" or a baseline's name.
        mae, rmse, mase, crps: NaN where a score has no meaning (mase needs a history on a grid, crps a distribution).
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
        scores: target -> scores, the model's first, all over the same values. Of several targets "all, scaled" holds
            the errors together, each divided by its target's standard deviation in the training part, or "all" the
            errors as they are, where the targets share a unit.
        left_out: baseline -> why it does not apply, and to which targets.
        verdicts: target -> win, tie or loss in words.
        description: what was forecast from what.
        overall: the key of the scores that stand for the whole: all targets together, or else the first with a score.
        scored: how many `values`, `forecasts` and `series` have a score.
        notes: what is not scored, and why.
        origins: of rolling origins, how many there are (`count`) in how many `series`, the `first` and the `last`, and
            whether what follows them is `unseen` by the model, None where that is unknown.
    """

    scores: dict[str, list[Score]]
    left_out: dict[str, str]
    verdicts: dict[str, str]
    description: str
    overall: str
    scored: dict[str, int]
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
            "scored": self.scored,
            "overall": self.overall,
            "scores": scores,
            "left_out": self.left_out,
            "verdicts": self.verdicts,
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Evaluation:
        """Return the evaluation that `to_dict` described."""
        scores = {target: [_score(one) for one in listed] for target, listed in values["scores"].items()}
        # Runs of an earlier version say neither; of several targets their last key was all of them together.
        values = {"overall": next(reversed(scores)), "scored": {}, "notes": (), **values}
        return cls(**{**values, "scores": scores, "notes": tuple(values["notes"])})

    def won(self, target: str) -> bool | None:
        """Return whether the model wins on a target; None where it ties, or nothing can be said."""
        return {"wins": True, "loses": False}.get(self.verdicts[target].partition(":")[0])


def evaluate_forecasts(
    forecasts: Sequence[Forecast],
    targets: Sequence[str],
    *,
    description: str,
    period: float | None = None,
    extra: dict[str, Callable[[Series, Array], Array]] | None = None,
    deviations: Array | None = None,
    shared_unit: bool = False,
    notes: Sequence[str] = (),
    origins: dict[str, Any] | None = None,
) -> Evaluation:
    """Score forecasts beside the baselines, fitted to the same histories.

    All scores of one target are over the same values: those observed in forecasts to which some baseline applies, or
    all of them where none applies anywhere. A baseline that does not apply to one of those is left out.

    Arguments:
        forecasts: one per series and origin.
        targets: the names of the d targets.
        description: what was forecast from what.
        period: a known season in the unit of the times, for the baselines that have one.
        extra: more baselines: name -> function of the history and the times, giving `(m, d)`.
        deviations: `(d,)`, every target's standard deviation in the training part; by default that of the histories.
        shared_unit: whether the targets share a unit, so that their errors can be put together as they are.
        notes, origins: of the evaluation.
    """
    rivals = ask_rivals([(one.history, one.later) for one in forecasts], period=period, extra=extra or {})
    cells, found = _cells(forecasts, rivals, targets)
    naive = np.stack([_naive_scales(one.history) for one in forecasts])
    found += _mase_notes(forecasts, naive, cells, targets)
    plain = np.ones(len(targets))
    scores, verdicts = {}, {}
    for column, name in enumerate(targets):
        scores[name] = _scores(forecasts, rivals, cells & (np.arange(len(targets)) == column), plain, naive)
        verdicts[name] = _verdict(scores[name], "RMSE", _ROUNDING * _size(forecasts, [column], plain))
    overall = next((name for name in targets if scores[name][0].total), targets[0])
    if deviations is None:
        deviations = training_deviations({one.history.id: one.history for one in forecasts}.values())
    scales = plain if shared_unit else deviations
    constant = cells.any(axis=0) & ~(scales > 0)
    pooled = np.flatnonzero(cells.any(axis=0) & ~constant).tolist()
    if len(pooled) > 1:
        overall = "all" if shared_unit else "all, scaled"
        scores[overall] = _scores(forecasts, rivals, cells & ~constant, scales, naive)
        rounding = _ROUNDING * _size(forecasts, pooled, scales)
        wins = sum(verdicts[name].startswith("wins") for name in targets)
        verdicts[overall] = (
            _verdict(scores[overall], "RMSE" if shared_unit else "scaled RMSE", rounding)
            + f"; it wins on {wins} of {counted(int(cells.any(axis=0).sum()), 'target')}"
        )
        if constant.any():
            names = ", ".join(targets[column] for column in np.flatnonzero(constant).tolist())
            found.append(f"not in {overall!r}: {names}, without a spread in the training part")
    return Evaluation(
        scores=scores,
        left_out=_left_out(forecasts, rivals, cells, targets),
        verdicts=verdicts,
        description=description,
        overall=overall,
        scored=_counted(forecasts, cells),
        notes=(*notes, *found),
        origins=origins,
    )


def training_deviations(series: Iterable[Series], until: Mapping[str, float] | None = None) -> Array:
    """Return the standard deviation `(d,)` of every target, 0 where it is constant and NaN where it was never observed.

    Arguments:
        series: all of the same targets, at least one.
        until: series -> the last time that counts; others do not count at all. None counts everything.
    """
    parts = [one.values if until is None else one.values[one.times <= until.get(one.id, -np.inf)] for one in series]
    found = []
    for column in np.concatenate(parts).T:
        seen = column[np.isfinite(column)]
        size = np.abs(seen).max(initial=0.0)
        spread = float(np.std(seen / size)) if size > 0 else (0.0 if len(seen) else math.nan)
        found.append(0.0 if spread < _ROUNDING else spread * size)
    return np.array(found)


def _cells(
    forecasts: Sequence[Forecast], rivals: Mapping[str, Rival], targets: Sequence[str]
) -> tuple[Array, list[str]]:
    """Return `(forecasts, d)`, which targets of which forecasts are scored, and in words which are not."""
    observed = np.stack([one.later.mask.any(axis=0) for one in forecasts])
    known = np.array(
        [
            [any(rival.applies(place, column) for rival in rivals.values()) for column in range(len(targets))]
            for place in range(len(forecasts))
        ]
    )
    both = observed & known
    cells = np.where(both.any(axis=0), both, observed)
    notes = []
    blank = [one.history.id for one in forecasts if not one.later.mask.any()]
    if blank:
        notes.append(f"not scored: {name_series(blank)}: nothing was observed after the origin")
    for column, name in enumerate(targets):
        dropped = [one.history.id for place, one in enumerate(forecasts) if (observed & ~cells)[place, column]]
        if dropped:
            notes.append(f"not scored: {name} of {name_series(dropped)}: no baseline applies there")
    return cells, notes


def _mase_notes(forecasts: Sequence[Forecast], naive: Array, cells: Array, targets: Sequence[str]) -> list[str]:
    """Say which series a target's MASE leaves out, where it is not over all that have a score."""
    notes = []
    for column, name in enumerate(targets):
        scored = {one.history.id for one, there in zip(forecasts, cells[:, column], strict=True) if there}
        measured = cells[:, column] & np.isfinite(naive[:, column])
        without = scored - {one.history.id for one, there in zip(forecasts, measured, strict=True) if there}
        if 0 < len(without) < len(scored):
            ordered = [one.history.id for one in forecasts if one.history.id in without]
            notes.append(f"MASE of {name} leaves out {name_series(ordered)}: irregular or constant, so no yardstick")
    return notes


def _scores(
    forecasts: Sequence[Forecast], rivals: Mapping[str, Rival], cells: Array, scales: Array, naive: Array
) -> list[Score]:
    """Return the scores of the model and of every baseline that applies to all cells, in units of the scales."""
    columns = np.flatnonzero(cells.any(axis=0))
    if not len(columns):
        return [Score(name="model", mae=math.nan, rmse=math.nan, inside=0, total=0)]

    def joined(parts: Iterable[Array]) -> Array:
        return np.concatenate([part[:, columns] / scales[columns] for part in parts])

    truth = [
        np.where(chosen & one.later.mask, one.later.values, np.nan)
        for one, chosen in zip(forecasts, cells, strict=True)
    ]
    levels = sorted(forecasts[0].quantiles)
    seen, mean = joined(truth), [one.mean for one in forecasts]
    bands = np.stack([joined(one.quantiles[level] for one in forecasts) for level in levels])
    covered = coverage(seen, bands[0], bands[-1])
    listed = [
        Score(
            name="model",
            mae=mae(seen, joined(mean)),
            rmse=rmse(seen, joined(mean)),
            mase=_mase(truth, mean, naive),
            crps=crps_quantiles(seen, bands, np.array(levels)),
            inside=covered.inside,
            total=covered.total,
        )
    ]
    for name, rival in rivals.items():
        if all(rival.applies(place, column) for place, column in np.argwhere(cells)):
            guess = joined(rival.predictions)
            error = _mase(truth, rival.predictions, naive)
            listed.append(Score(name=name, mae=mae(seen, guess), rmse=rmse(seen, guess), mase=error))
    return listed


def _naive_scales(history: Series) -> Array:
    """Return `(d,)`, the mean absolute difference of rows one step apart on each target's grid; NaN without one."""
    scales = np.full(history.values.shape[1], np.nan)
    for column in range(len(scales)):
        values, mask = history.values[:, column], history.mask[:, column]
        seen = History(history.times[mask], values[mask, None], np.ones((int(mask.sum()), 1), dtype=bool))
        try:
            changes = np.abs(np.diff(on_grid(seen, baseline="MASE").values[:, 0]))
        except NotApplicableError:
            changes = np.empty(0)
        changes = changes[np.isfinite(changes)]
        if changes.any():
            scales[column] = changes.mean()
    return scales


def _mase(truth: Sequence[Array], predicted: Sequence[Array], naive: Array) -> float:
    """Return the mean over forecasts of their scaled errors; see `Score`."""
    values = []
    for seen, guess, scale in zip(truth, predicted, naive, strict=True):
        kept = np.isfinite(seen) & np.isfinite(scale)
        if kept.any():
            values.append(float((np.abs(seen - guess) / scale)[kept].mean()))
    return float(np.mean(values)) if values else math.nan


def _left_out(
    forecasts: Sequence[Forecast], rivals: Mapping[str, Rival], cells: Array, targets: Sequence[str]
) -> dict[str, str]:
    """Return for every baseline that lacks a prediction where there is a score, why."""
    left_out = {}
    scored = np.flatnonzero(cells.any(axis=0)).tolist()
    for name, rival in rivals.items():
        reasons: dict[str, list[str]] = {}
        for column in scored:
            places = np.flatnonzero(cells[:, column]).tolist()
            failed = [place for place in places if not rival.applies(place, column)]
            if failed:
                reason = str(rival.reasons[failed[0]][column])
                if len(failed) < len(places):
                    ids = [forecasts[place].history.id for place in failed]
                    many = len({one.history.id for one in forecasts}) > 1
                    where = f"in {name_series(ids)}" if many else f"from {len(failed)} of {len(places)} origins"
                    reason = f"{where} {reason}"
                reasons.setdefault(reason, []).append(targets[column])
        if len(reasons) == 1 and len(next(iter(reasons.values()))) == len(scored):
            left_out[name] = next(iter(reasons))
        elif reasons:
            left_out[name] = "; ".join(f"for {', '.join(names)}: {reason}" for reason, names in reasons.items())
    return left_out


def _counted(forecasts: Sequence[Forecast], cells: Array) -> dict[str, int]:
    """Return how many values, forecasts and series have a score."""
    chosen = [one for one, row in zip(forecasts, cells, strict=True) if row.any()]
    values = sum(int((one.later.mask & row).sum()) for one, row in zip(forecasts, cells, strict=True))
    return {"values": values, "forecasts": len(chosen), "series": len({one.history.id for one in chosen})}


def _size(forecasts: Sequence[Forecast], columns: list[int], scales: Array) -> float:
    """Return the largest observed value, in units of the scales."""
    values = np.concatenate([one.later.values[:, columns] / scales[columns] for one in forecasts])
    return float(np.abs(values[np.isfinite(values)]).max(initial=0.0))


def _verdict(scores: Sequence[Score], measure: str, rounding: float) -> str:
    """Return who wins by RMSE, in words; a difference no larger than the rounding is a tie."""
    model, rivals = scores[0], [score for score in scores[1:] if np.isfinite(score.rmse)]
    if model.total == 0:
        return _NOTHING
    if not rivals:
        return "no baseline applies"
    rivals.sort(key=lambda score: float(f"{score.rmse:.9g}"))  # those that differ by rounding keep their order
    level = [score for score in rivals if math.isclose(score.rmse, model.rmse, rel_tol=_TIE, abs_tol=rounding)]
    better = [score for score in rivals if not score.rmse >= model.rmse and score not in level]
    said = f"{measure} {model.rmse:.4g}"
    if not better and not level:
        best = rivals[0]
        lower = 100 * (1 - model.rmse / best.rmse)
        return f"wins: {said}, {lower:.0f} % below the best baseline, {best.name} ({best.rmse:.4g})"
    ahead = f"ahead of {len(rivals) - len(better) - len(level)} of {counted(len(rivals), 'baseline')}"
    if not better:
        return f"ties: {said}, as {_named(level)}; {ahead}"
    beside = f", level with {_named(level)}" if level else ""
    return f"loses: {said}, behind {_named(better)}{beside}; {ahead}"


def _named(scores: Sequence[Score]) -> str:
    return ", ".join(f"{score.name} ({score.rmse:.4g})" for score in scores)


def _score(values: dict[str, Any]) -> Score:
    """Return a score from JSON values, None where a measure has no meaning."""
    return Score(**{**values, **{name: math.nan for name in _MEASURES if values[name] is None}})


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value
