"""The report of a run: what was read, what was learned, who won, with pictures."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import plots
from ..core.words import counted
from ..data import SECONDS, Batch, Prediction, Series, SeriesSet
from ..models import LatentODE, ObservedODE
from ..training.metrics import rmse
from ..version import __version__
from .evaluation import Evaluation, Forecast, Score, training_deviations
from .forecaster import Forecaster
from .horizons import forecast_grids, step_in_words

__all__ = ["forecast_figure", "report_run", "versions"]

_MOST_PANELS = 6
_SMOOTH = 120


def report_run(
    forecaster: Forecaster,
    path: Path,
    *,
    title: str,
    command: str,
    origins: plots.Table | None = None,
    evaluation: Evaluation | None = None,
    others: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
    spell: Callable[[str], str] = str,
) -> None:
    """Write the HTML report of a fit, and beside it its first picture, `forecast.svg`.

    Arguments:
        forecaster: fitted, with a part held out or none.
        path: the file.
        title: the report's title.
        command: the exact command that makes the run again.
        origins: a table of scores from other origins.
        evaluation: scores to show instead of the forecaster's own.
        others: name -> times and values `(m, d)` of other forecasts, drawn beside a single series.
        spell: how advice is written for who reads the report, such as with a program's options.
    """
    evaluation = evaluation or forecaster.evaluation_
    series = forecaster.series_
    pictures = tuple(_pictures(forecaster, evaluation, others or {}))
    plots.save_picture(path.with_name("forecast.svg"), pictures[0].figure)
    plots.write_report(
        path,
        plots.Report(
            title=title,
            summary=_summary(evaluation),
            won=None if evaluation is None else evaluation.won(evaluation.overall),
            pictures=pictures,
            read=_read(series),
            model=_model(forecaster),
            notes=(
                *(plots.Note(spell(str(note))) for note in series.notes),
                *(plots.Note(spell(text)) for text in (() if evaluation is None else evaluation.notes)),
                *(plots.Note(spell(text), "warning") for text in forecaster.model_.warnings),
            ),
            split="" if forecaster.split_ is None else forecaster.split_.description,
            scores=()
            if evaluation is None
            else tuple(_table(evaluation, target, spell) for target in evaluation.scores),
            origins=origins,
            coverage=() if evaluation is None else tuple(_coverage(evaluation)),
            command=command,
            versions=versions(),
            data_hash=f"sha256:{series.digest}",
            settings=_settings(forecaster),
        ),
    )


def versions() -> dict[str, str]:
    """Return the versions that a run depends on."""
    return {
        "legato": __version__,
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "Python": platform.python_version(),
        "threads": str(torch.get_num_threads()),
    }


def _pictures(
    forecaster: Forecaster, evaluation: Evaluation | None, others: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> Iterator[plots.Picture]:
    """Draw what the run has something to draw for."""
    figure = forecast_figure(forecaster, others)
    yield plots.Picture(figure=figure, title="Data, fit and forecast", caption=_FORECAST_CAPTION)
    if evaluation is not None and _coverage(evaluation):
        bars = {
            target: [plots.ScoreBar(score.name, score.rmse, ours=score.name == "model") for score in scores]
            for target, scores in evaluation.scores.items()
            if scores[0].total != 0
        }
        caption = _SCALED_CAPTION if "all, scaled" in bars else ""
        yield plots.Picture(figure=plots.scores_picture(bars), title="RMSE beside the baselines", caption=caption)
        yield plots.Picture(figure=plots.calibration_picture(_coverage(evaluation)), title="What the bands hold")
    model = forecaster.model_
    if isinstance(model, ObservedODE) and model.channels == 2:
        caption = "Stream lines: the learned field. A closed orbit is a cycle that repeats."
        yield plots.Picture(figure=_phase_figure(forecaster, model), title="Phase portrait", caption=caption)
    trained = getattr(forecaster, "trained_", None)
    if trained is not None and trained.losses:
        caption = f"{counted(trained.iterations, 'iteration')}; {trained.stopped}."
        yield plots.Picture(figure=plots.training_curve(trained.losses), title="Training", caption=caption)
        iterations = np.arange(1, len(trained.evaluations) + 1)
        panel = plots.EvaluationPanel("iteration", iterations, trained.evaluations)
        caption = "The solver adapts: a longer horizon and a more bent field take more evaluations."
        figure = plots.evaluations_picture([panel])
        yield plots.Picture(figure=figure, title="Field evaluations per solve", caption=caption)


_SCALED_CAPTION = "All, scaled: every error divided by its target's standard deviation in the training part."
_FORECAST_CAPTION = (
    "Dots: what was observed. Line over the training part: each row forecast from the rows before it. After the split: "
    "the forecast with its bands of 80 % and 40 %."
)


def forecast_figure(forecaster: Forecaster, others: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Any:
    """Draw data, fit and forecast of the series, or of the best, the median and the worst of several."""
    heldout: list[Forecast] = getattr(forecaster, "heldout_", [])
    if not heldout:
        heldout = [_ahead(forecaster, one) for one in forecaster.series_.series[:_MOST_PANELS]]
    shown = _representatives(heldout)
    series, panels = forecaster.series_, []
    for name, one in shown:
        history = Batch.from_series([one.history], dtype=torch.float64)
        fitted = forecaster.model_.fitted(history)
        smooth = forecaster.model_(history, [_between(one)])
        for column, target in enumerate(series.targets):
            title = f"{target}{name}"
            mean = fitted.mean[0].numpy()
            panels.append(_panel(series, one, mean, smooth, column=column, title=title, others=others))
    return plots.forecast_picture(panels, time_label=series.time, columns=1 if len(panels) <= 3 else 2)


def _between(one: Forecast) -> torch.Tensor:
    """Return times from just after the history to the end of the forecast, close enough for a smooth line."""
    first, last = one.history.times[-1], one.later.times[-1]
    return torch.tensor(np.union1d(np.linspace(first, last, _SMOOTH)[1:], one.later.times))


def _panel(
    series: SeriesSet,
    one: Forecast,
    fitted: np.ndarray,
    smooth: Prediction,
    *,
    column: int,
    title: str,
    others: Mapping[str, tuple[np.ndarray, np.ndarray]],
) -> plots.ForecastPanel:
    def points(times: np.ndarray, values: np.ndarray) -> plots.Points:
        return plots.Points(series.scale.stamps(times), values)

    times = smooth.times[0].numpy()
    stamps = series.scale.stamps(times)
    bands = tuple(
        plots.Band(stamps, smooth.quantiles[low][0][:, column], smooth.quantiles[high][0][:, column], nominal)
        for low, high, nominal in ((0.1, 0.9, 0.8), (0.3, 0.7, 0.4))
    )
    known = np.isfinite(fitted[:, column])
    middle = np.array([(one.history.times[-1] + one.later.times[0]) / 2])
    return plots.ForecastPanel(
        title=title,
        trained=points(one.history.times, one.history.values[:, column]),
        held_out=points(one.later.times, one.later.values[:, column]) if len(one.later.rows) else None,
        fit=points(one.history.times[known], fitted[known, column]),
        forecast=plots.Points(stamps, smooth.mean[0][:, column]),
        bands=bands,
        split=series.scale.stamps(middle)[0],
        others={name: points(at, values[:, column]) for name, (at, values) in others.items()},
    )


def _ahead(forecaster: Forecaster, one: Series) -> Forecast:
    """Return a forecast of the future of one series, where nothing was held out."""
    fitted = forecaster.series_
    times = forecast_grids(replace(fitted, series=(one,)), fitted, steps=_count_ahead(one))[0]
    prediction = forecaster.model_(Batch.from_series([one], dtype=torch.float64), [torch.tensor(times)])
    empty = Series(
        id=one.id,
        times=times,
        values=np.full((len(times), one.values.shape[1]), np.nan),
        mask=np.zeros((len(times), one.values.shape[1]), dtype=bool),
        static=one.static,
        rows=np.zeros(0, dtype=np.int64),
    )
    quantiles = {level: parts[0].numpy() for level, parts in prediction.quantiles.items()}
    return Forecast(history=one, later=empty, mean=prediction.mean[0].numpy(), quantiles=quantiles)


def _count_ahead(one: Series) -> int:
    return max(2, len(one) // 5)


def _representatives(forecasts: Sequence[Forecast]) -> list[tuple[str, Forecast]]:
    """Return the forecast of a single series, or the best, the median and the worst of several, whatever the units."""
    if len(forecasts) == 1:
        return [("", forecasts[0])]
    scales = training_deviations(one.history for one in forecasts)
    scales = np.where(scales > 0, scales, 1.0)
    errors = [rmse(one.later.values / scales, one.mean / scales) for one in forecasts]
    if not np.isfinite(errors).any():
        return [(f", {one.history.id}", one) for one in forecasts[:_MOST_PANELS]]
    chosen = plots.representatives(np.nan_to_num(errors, nan=np.inf))
    return [(f", {word} series ({forecasts[place].history.id})", forecasts[place]) for word, place in chosen.items()]


def _phase_figure(forecaster: Forecaster, model: ObservedODE) -> Any:
    series = forecaster.series_
    one = getattr(forecaster, "heldout_", None)
    history = one[0].history if one else series[0]
    complete = history.values[history.mask.all(axis=1)]
    framed = np.concatenate([complete, one[0].later.values]) if one else complete
    x, y = plots.phase_grid(framed[:, 0], framed[:, 1], log=model.logarithm)
    mesh_x, mesh_y = np.meshgrid(x, y)
    points = torch.tensor(np.stack([mesh_x.ravel(), mesh_y.ravel()], axis=1))
    slopes = model.slopes(points).numpy()
    if model.logarithm:
        slopes = slopes * points.numpy()
    grid = plots.FieldGrid(x, y, slopes[:, 0].reshape(mesh_x.shape), slopes[:, 1].reshape(mesh_x.shape))
    labels = series.scale.format(history.times[history.mask.all(axis=1)])
    forecast = None
    if one:
        mean = model(Batch.from_series([history], dtype=torch.float64), [_between(one[0])]).mean[0].numpy()
        path = np.concatenate([complete[-1:], mean])
        forecast = plots.Orbit(path[:, 0], path[:, 1])
    held_out = plots.Orbit(one[0].later.values[:, 0], one[0].later.values[:, 1]) if one else None
    return plots.phase_portrait(
        grid,
        names=(series.targets[0], series.targets[1]),
        trained=plots.Orbit(complete[:, 0], complete[:, 1], labels),
        held_out=held_out,
        forecast=forecast,
        log=model.logarithm,
    )


def _table(evaluation: Evaluation, target: str, spell: Callable[[str], str]) -> plots.ScoreTable:
    measures = ("RMSE", "MAE", "MASE", "CRPS", "in the 80 % band")
    rows = [
        plots.ScoreRow(
            name=score.name,
            values=(score.rmse, score.mae, score.mase, score.crps, _counts(score)),
            ours=score.name == "model",
        )
        for score in evaluation.scores[target]
    ]
    present = {score.name for score in evaluation.scores[target]}
    rows.extend(
        plots.ScoreRow(name=name, reason=spell(reason))
        for name, reason in evaluation.left_out.items()
        if name not in present
    )
    said, won = evaluation.verdicts[target], evaluation.won(target)
    # The page says "Win" or "Loss" itself.
    verdict = plots.Verdict(said if won is None else said.partition(": ")[2], won)
    return plots.ScoreTable(target=target, measures=measures, rows=tuple(rows), verdicts=(verdict,))


def _coverage(evaluation: Evaluation) -> list[plots.Coverage]:
    found = []
    for target, scores in evaluation.scores.items():
        model = scores[0]
        if model.inside is not None and model.total:
            found.append(plots.Coverage(target, 0.8, model.inside, model.total))
    return found


def _counts(score: Score) -> str:
    return "" if score.inside is None else f"{score.inside} of {score.total}"


def _summary(evaluation: Evaluation | None) -> str:
    if evaluation is None:
        return "Nothing was held out, so there is no score."
    verdict = evaluation.verdicts[evaluation.overall]
    if verdict.startswith("no baseline"):
        return "No baseline applies, so nobody won."
    return f"{verdict.capitalize()}." if verdict.startswith("nothing") else f"The model {verdict}."


def _read(series: SeriesSet) -> dict[str, Any]:
    rows = sum(len(one) for one in series)
    first = min(one.times[0] for one in series)
    last = max(one.times[-1] for one in series)
    span = series.scale.format(np.array([first, last]))
    missing = 1 - np.concatenate([one.mask for one in series]).mean()
    return {
        "source": series.source,
        "series": len(series),
        "rows": rows,
        "targets": ", ".join(series.targets),
        "time": f"{series.time}, {span[0]} to {span[1]}",
        "median spacing": _spacing(series),
        "missing values": f"{100 * missing:.1f} %",
    }


def _spacing(series: SeriesSet) -> str:
    """Return the median spacing with its unit, in the singular for one."""
    length, unit = float(np.median(series.gaps)), series.scale.unit or ""
    return f"{length:g} {unit.removesuffix('s') if length == 1 else unit}".strip()


def _settings(forecaster: Forecaster) -> dict[str, str | None]:
    """Return the settings as text, None where nothing was chosen; the size of the ensemble is the model's."""
    chosen = {**forecaster.get_params(), "members": forecaster.model_.config()["members"]}
    return {name: None if value is None else str(value) for name, value in chosen.items()}


def _model(forecaster: Forecaster) -> dict[str, str]:
    """Return what was fitted, which inputs it has beside the history, and what the report's forecast is."""
    heldout: list[Forecast] = getattr(forecaster, "heldout_", [])
    counts = [len(one.later) for one in heldout] or [_count_ahead(one) for one in forecaster.series_]
    least, most = min(counts), max(counts)
    steps = counted(most, "step") if least == most else f"{least} to {most} steps"
    model = forecaster.model_
    members = model.config()["members"]
    return {
        "model": f"{model.name}, {counted(members, 'member')}",
        "calendar": _calendar(forecaster),
        "forecast": f"{step_in_words(forecaster.series_)}, {steps}",
    }


def _calendar(forecaster: Forecaster) -> str:
    """Return which phases of the calendar are inputs of the model."""
    model, scale = forecaster.model_, forecaster.series_.scale
    if not isinstance(model, LatentODE):
        return "no input: the observed model has none but its variables"
    if scale.unit is None or not scale.calendar:
        return "no input: the times are no dates"
    lengths = {name: SECONDS[f"{name}s"] / SECONDS[scale.unit] for name in ("year", "week", "day")}
    used = [f"the {name}" for cycle, _ in model.calendar for name in lengths if np.isclose(cycle, lengths[name])]
    if not used:
        return "no input: neither year, week nor day spans four observations and fits into the record"
    return f"inputs: sine and cosine of the phase of {' and of '.join(used)}"
