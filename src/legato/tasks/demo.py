"""The demonstration: a neural ODE learns the Hudson Bay lynx and hare record, and forecasts it beside its rivals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import plots
from ..data import Batch, Series, load_lynx_hare
from ..data.frames import write_csv
from ..models import ObservedODE
from ..models.baselines import fit_baselines
from ..models.baselines.law import fit_lotka_volterra
from ..training.metrics import coverage, rmse
from .evaluation import Evaluation, evaluate_forecasts
from .forecaster import Forecaster
from .reporting import report_run

__all__ = ["run_demo"]

_FIRST_TEST_YEAR = "1915"
_CYCLE = 10.0
"""Years: the length of the cycle that trappers knew, for the baselines that need one (C. Elton and M. Nicholson, The
ten-year cycle in numbers of the lynx in Canada, 1942)."""


def run_demo(
    run: Path,
    *,
    seed: int = 0,
    force: bool = False,
    resume: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
    command: str = "legato demo",
    spell: Callable[[str], str] = str,
) -> dict[str, Any]:
    """Fit the observed model to 1900-1914, forecast 1915-1920, and write the run folder with its report.

    Arguments:
        run: the run folder.
        seed: for everything random.
        force: replace what is in the folder.
        resume: go on with an interrupted fit.
        progress: told iterations done, iterations in all, and a word.
        command: the exact command, for the report.
        spell: how its advice is written; see `report_run`.

    Returns:
        The evaluation as JSON values, scores from other origins, and the path of the report.
    """
    forecaster = Forecaster(time="year", model="observed", holdout=_FIRST_TEST_YEAR, period=_CYCLE, seed=seed)
    forecaster.fit(load_lynx_hare(), run=run, force=force, resume=resume, progress=progress)
    laws: dict[int, Any] = {}

    def law(history: Series, at: np.ndarray) -> np.ndarray:
        if len(history) not in laws:
            laws[len(history)] = fit_lotka_volterra(history.times, history.values)
        predicted: np.ndarray = laws[len(history)].predict(at)
        return predicted

    series = forecaster.series_
    evaluation = evaluate_forecasts(
        forecaster.heldout_,
        series.targets,
        description=forecaster.split_.description if forecaster.split_ is not None else "",
        period=_CYCLE,
        extra={"lotka-volterra law": law},
        shared_unit=True,  # thousands of pelts, both
    )
    forecaster.evaluation_ = evaluation
    forecaster.save(run, force=True)
    rows = _other_origins(forecaster, evaluation, law)
    heldout = forecaster.heldout_[0]
    write_csv(run / "forecast.csv", forecaster.long_forecast(heldout.later.times))
    table = plots.Table(columns=_COLUMNS, rows=tuple(tuple(row.values()) for row in rows), ours=2, note=_NOTE)
    if progress is not None:
        progress(1, 1, "drawing the report")
    report_run(
        forecaster,
        run / "report.html",
        title="Lynx and hare",
        command=command,
        origins=table,
        spell=spell,
        others={"Lotka-Volterra law": (heldout.later.times, law(heldout.history, heldout.later.times))},
    )
    return {"evaluation": evaluation.to_dict(), "origins": rows, "report": str(run / "report.html")}


_COLUMNS = (
    "first year forecast",
    "values",
    "model",
    "in the 80 % band",
    "Lotka-Volterra law",
    "seasonal-naive",
    "VAR(1)",
)
_NOTE = (
    "RMSE from other origins, each forecast to 1920. The model's rows before 1915 are by members of the ensemble that "
    "were trained on nothing later than the origin."
)


def _other_origins(
    forecaster: Forecaster, evaluation: Evaluation, law: Callable[[Series, np.ndarray], np.ndarray]
) -> list[dict[str, Any]]:
    """Return RMSE and coverage from the origins 1911 to 1915."""
    model, whole = forecaster.model_, forecaster.series_[0]
    assert isinstance(model, ObservedODE)
    trained = len(forecaster.heldout_[0].history)
    origins = []
    for place, share in enumerate(model.cuts):
        count = round(share * trained)
        if count < trained - 4:
            continue
        rows = np.arange(len(whole))
        history, later = whole.where(rows < count), whole.where(rows >= count)
        batch = Batch.from_series([history], dtype=torch.float64)
        prediction = model.inner_forecast(batch, [torch.tensor(later.times)], cut=place)
        low, high = (part[0].numpy() for part in prediction.band(0.8))
        origins.append(_origin(history, later, prediction.mean[0].numpy(), str(coverage(later.values, low, high)), law))
    last = forecaster.heldout_[0]
    counts = str(coverage(last.later.values, last.quantiles[0.1], last.quantiles[0.9]))
    origins.append(_origin(last.history, last.later, last.mean, counts, law))
    return origins


def _origin(
    history: Series, later: Series, mean: np.ndarray, counts: str, law: Callable[[Series, np.ndarray], np.ndarray]
) -> dict[str, Any]:
    """Return one row of the table of origins."""
    fitted = fit_baselines(history.times, history.values, history.mask, period=_CYCLE)
    scores = {}
    for name in ("seasonal-naive", "var-log"):
        predictor = fitted[name]
        scores[name] = None if isinstance(predictor, Exception) else rmse(later.values, predictor.predict(later.times))
    return {
        "origin": str(int(later.times[0])),
        "values": int(later.mask.sum()),
        "model": rmse(later.values, mean),
        "inside": counts,
        "lotka-volterra law": rmse(later.values, law(history, later.times)),
        **scores,
    }
