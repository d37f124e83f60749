"""Forecasting irregular series: fit on a table, predict at any time, with bands and baselines.

    forecaster = Forecaster(time="hours", series="patient").fit(table)
    forecaster.predict(horizon="24h")

A table is a path or any data frame. The last part of every series is held out, forecast and scored beside the
baselines; forecasts of the future start from all of the history.
"""

from __future__ import annotations

import datetime
import inspect
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..core.catalogue import nearest
from ..core.errors import DataError, ModelFileError, NotFittedError, OptionError
from ..data import (
    Batch,
    Dialect,
    Series,
    SeriesSet,
    SeriesSplit,
    read_series,
)
from ..data.durations import Length
from ..data.frames import FrameKind, frame_kind, make_frame
from ..models import MODELS
from ..training.loop import Progress, Trained, TrainingState, train
from ..version import __version__
from .evaluation import Evaluation, Forecast, evaluate_forecasts, training_deviations
from .fitness import time_facts
from .held_out import heldout_pairs, model_forecasts, predicted
from .horizons import count_steps, forecast_grids
from .origins import rolling_origins
from .run_folder import RunFolder
from .saved_run import SavedRun, read_run, write_run
from .settings import check_settings, settings_to_json, split_off

__all__ = ["Forecaster"]

_AFTERWARDS = ("max_time", "period")
"""Settings that do not change a model, so that an interrupted fit may go on with others."""


class Forecaster:
    """Forecast irregular, incomplete series with calibrated bands.

    Arguments:
        time: the column of times.
        series: the column that says which series a row belongs to; None where the table is one series.
        target: the columns to forecast; None takes every column of numbers, and says so.
        model: a name of the catalogue of models.
        seed: for everything random.
        members: the size of the ensemble; None is the model's own.
        holdout: what is held out to be scored: a share of the rows of each series, a number of rows, or a time, as a
            date, a timestamp or written as the table's are; None trains on everything and scores nothing.
        period: a known season in the unit of the times, for the baselines that have one.
        time_unit: the unit of times that are plain numbers.
        dialect: how a text file is written, where that is not plain.
        max_time: seconds after which training stops where it is.

    Attributes:
        model_: the fitted model.
        series_: what was read, a `SeriesSet`.
        split_: the split that was drawn, or None.
        evaluation_: the scores on what was held out, or None.
        trained_: how training went.
        trained_until_: series -> the last time that the model was trained on, on the axis of `series_`; None for a run
            that was written before runs said so.

    Example:
        >>> from legato.data import load_lynx_hare
        >>> Forecaster(time="year", model="observed", members=1).get_params()["seed"]
        0
    """

    def __init__(
        self,
        time: str | None = None,
        series: str | None = None,
        target: str | Sequence[str] | None = None,
        *,
        model: str = "latent",
        seed: int = 0,
        members: int | None = None,
        holdout: float | int | str | datetime.date | np.datetime64 | None = 0.2,
        period: float | None = None,
        time_unit: str | None = None,
        dialect: Dialect | None = None,
        max_time: float | None = None,
    ) -> None:
        self.time, self.series, self.target = time, series, target
        self.model, self.seed, self.members = model, seed, members
        self.holdout, self.period = holdout, period
        self.time_unit, self.dialect, self.max_time = time_unit, dialect, max_time

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the settings, as scikit-learn's estimators do."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Forecaster:
        """Change settings.

        Raises:
            OptionError: a name that is no setting.
        """
        known = self.get_params()
        for name, value in params.items():
            if name not in known:
                raise OptionError(f"Forecaster has no setting {name!r}; {nearest(name, known)}")
            setattr(self, name, value)
        return self

    def fit(
        self,
        table: Any,
        *,
        run: str | Path | None = None,
        resume: bool = False,
        force: bool = False,
        horizon: Length | None = None,
        progress: Progress | None = None,
    ) -> Forecaster:
        """Train on a table, and score what was held out.

        Arguments:
            table: a path or a data frame.
            run: a folder for checkpoints and the result; see `save`.
            resume: go on with an interrupted fit in `run`.
            force: replace what is in `run`, once the table is read and there is a model to train.
            horizon: what `predict` will be asked for, so that what cannot be is refused before the training.
            progress: told iterations done, iterations in all, and a word.

        Returns:
            Itself.

        Raises:
            OptionError: a setting that cannot be meant.
            DataError: the table cannot be read as it stands.
            InputError: `run` holds a run already, with `resume` a finished one, or the table as one of its files.
            ModelFileError: with `resume`, the checkpoint is damaged or belongs to another fit.
        """
        check_settings(self.get_params())
        assert self.time is not None, "it was checked"
        catalogued = MODELS[self.model]
        folder = None if run is None else RunFolder(run)
        if folder is not None:
            folder.check_free(force=force, resume=resume)
            folder.check_source(table)
        series = read_series(
            table,
            time=self.time,
            series=self.series,
            target=self.target,
            time_unit=self.time_unit,
            dialect=self.dialect,
        )
        if horizon is not None:
            forecast_grids(series, series, horizon=horizon)
        split = split_off(series, self.holdout)
        train_part = series if split is None else split.train
        pairs, notes = ([], []) if split is None else heldout_pairs(split)
        # A fit needs gradients, wherever it is called.
        with torch.inference_mode(False), torch.enable_grad():
            batch = Batch.from_series(train_part, dtype=torch.float64)
            model = catalogued.from_data(batch, time=time_facts(series.scale), seed=int(self.seed), **self._settings())
            state = TrainingState(model, seed=int(self.seed))
            if folder is not None:  # only now is it known that there will be something to replace a run with
                folder.create(force=force, resume=resume)
            self.trained_ = self._train(state, folder, series.digest, resume=resume, progress=progress)
            if progress is not None:
                progress(state.plan.iterations, state.plan.iterations, "setting the band and scoring")
            model.calibrate()
        model.eval()
        self.model_, self.series_, self.split_ = model, series, split
        self.trained_until_: dict[str, float] | None = {one.id: float(one.times[-1]) for one in train_part}
        self._kind = frame_kind(table, time=self.time)
        self._told: dict[str, Any] = {
            "notes": [str(note) for note in series.notes],
            "split": None if split is None else split.description,
            "heldout_steps": None if split is None else int(np.median([len(one) for one in split.test])),
        }
        self.heldout_: list[Forecast] = []
        self.evaluation_: Evaluation | None = None
        if split is not None:
            self._score(split, pairs, notes)
        if folder is not None:
            self._save(folder)
        return self

    def history(self, table: Any) -> SeriesSet:
        """Return a table as a history to forecast from, on the model's time axis.

        Arguments:
            table: a path or a data frame with the columns that were fitted. The column of a target that was not
                measured may be empty: it is masked, and noted.

        Raises:
            NotFittedError: before `fit`.
            DataError: the table cannot be read as it stands, or a column is not there.
        """
        self._require_fitted()
        if isinstance(table, SeriesSet):
            return table
        fitted = self.series_
        return read_series(
            table,
            time=fitted.time,
            series=fitted.series_column,
            target=list(fitted.targets),
            scale=fitted.scale,
            dialect=self.dialect if isinstance(table, str | os.PathLike) else None,
            unmeasured=True,
        )

    def predict(
        self,
        horizon: Length | None = None,
        *,
        steps: int | None = None,
        at: Any = None,
        table: Any = None,
    ) -> Any:
        """Return the forecast of every series as a data frame.

        Arguments:
            horizon: how far from each series' last time, in words ("24h", "3 steps"), in the unit of the times, or as a
                `datetime.timedelta` or `numpy.timedelta64`. Whole months and years end on the date of the calendar.
            steps: the number of steps, instead: of the median spacing, or of calendar months where all dates of the
                series lie whole months apart.
            at: times, written as the table's are, instead; the same for every series, or a mapping from the name of a
                series to its own, and then only the series that are named are forecast.
            table: the history to forecast from, a table or what `history` made of it; None is the one that was fitted.

        Returns:
            Columns series (where the table has one; whole numbers keep their type), time, variable, mean, and the
            quantiles "0.1" ... "0.9"; a frame of the type that was given, times as it holds them; for a path a PyArrow
            table, times written as in the file. The point forecast, mean, is the median over the ensemble's members,
            which is also the quantile "0.5".

        Raises:
            NotFittedError: before `fit`.
            OptionError: not exactly one of `horizon`, `steps` and `at`, or one that cannot be meant; a forecast that
                goes beyond 100 times the span of what was fitted, or has more than 1,000,000 rows.
            InputError: `at` holds no time, an early one, one that lies too far ahead, or names another series.
            SolveError: the model's equation was not solved that far in 100,000 steps.
        """
        series = self._history(table)
        kind = self._kind if table is None else frame_kind(table, time=series.time)
        grids = forecast_grids(series, self.series_, horizon=horizon, steps=steps, at=at)
        asked = [place for place, grid in enumerate(grids) if len(grid)]
        series = replace(series, series=tuple(series[place] for place in asked))
        columns = self._long(series, [grids[place] for place in asked], text=kind.time is None)
        return make_frame(columns, kind=kind, id_type=series.id_type)

    def evaluate(self, table: Any = None, *, horizon: Length | None = None, origins: int = 1) -> Evaluation:
        """Score forecasts from rolling origins: the last `origins` of every series, one horizon apart.

        The model is not trained again, so an origin counts only where it was not trained on what follows. A series
        that was in the training data has such origins from the end of its training part on, any other series anywhere;
        series are told apart by their ids, and a table without a column of series is the series that was fitted.

        Arguments:
            table: what to score on; None is the table that was fitted.
            horizon: the length of a forecast; None is that of what was held out, also after loading.
            origins: the number of origins per series.

        Raises:
            NotFittedError: before `fit`.
            OptionError: `origins` is no whole number of at least 1.
            DataError: a target was not measured at all, no series is long enough, or the model was trained on all that
                follows the origins.
        """
        if not isinstance(origins, Integral) or isinstance(origins, bool) or origins < 1:
            raise OptionError(f"origins is a whole number of at least 1; got {origins!r}")
        series = self._history(table)
        unmeasured = [
            name for place, name in enumerate(series.targets) if not any(o.mask[:, place].any() for o in series)
        ]
        if unmeasured:
            raise DataError(f"nothing can be scored of {', '.join(unmeasured)}, which was not measured at all")
        steps = self._steps(series, horizon)
        rolled = rolling_origins(series, steps=steps, origins=origins, trained_until=self.trained_until_)
        forecasts, notes = model_forecasts(self.model_, rolled.pairs)
        return evaluate_forecasts(
            forecasts,
            series.targets,
            description=rolled.describe(series.scale),
            period=self.period,
            deviations=training_deviations(self.series_, self.trained_until_),
            notes=(*rolled.notes, *notes),
            origins=rolled.facts(series.scale),
        )

    def long_forecast(self, times: np.ndarray) -> dict[str, Any]:
        """Return the forecast of what was held out, as columns; see `predict`.

        Arguments:
            times: on the model's axis, the same for every series.

        Raises:
            NotFittedError: before `fit`.
        """
        self._require_fitted()
        known = self.series_ if self.split_ is None else self.split_.train
        return self._long(known, [times for _ in known])

    def save(self, run: str | Path, *, force: bool = False) -> Path:
        """Write the run folder; its files are described in `legato.tasks.run_folder`.

        Arguments:
            run: the folder.
            force: replace the run that is there; what was drawn and forecast by other weights is removed.

        Raises:
            NotFittedError: before `fit`.
            InputError: the folder is not empty, and `force` is false.
        """
        self._require_fitted()
        folder = RunFolder(run)
        folder.check_free(force=force)
        self._save(folder)
        return folder.path

    def _save(self, folder: RunFolder) -> None:
        folder.path.mkdir(parents=True, exist_ok=True)
        saved = SavedRun(
            settings=self.get_params(),
            model=self.model_,
            series=self.series_,
            trained_until=self.trained_until_,
            told=self._told,
            evaluation=self.evaluation_,
            trained=getattr(self, "trained_", None),
        )
        write_run(folder, saved)

    @classmethod
    def load(cls, run: str | Path) -> Forecaster:
        """Return the forecaster of a run folder.

        Raises:
            ModelFileError: the folder is no run, damaged, or newer than this version.
        """
        saved = read_run(RunFolder(run), known=inspect.signature(cls).parameters)
        forecaster = cls(**saved.settings)
        forecaster.model_, forecaster.series_, forecaster.evaluation_ = saved.model, saved.series, saved.evaluation
        forecaster.trained_until_, forecaster.split_, forecaster.heldout_ = saved.trained_until, None, []
        forecaster._kind, forecaster._told = FrameKind(), saved.told
        return forecaster

    def _train(
        self,
        state: TrainingState,
        folder: RunFolder | None,
        digest: str,
        *,
        resume: bool,
        progress: Progress | None,
    ) -> Trained:
        """Train from the start or from the folder's checkpoint, and keep checkpoints there."""
        settings = {
            name: value for name, value in settings_to_json(self.get_params()).items() if name not in _AFTERWARDS
        }
        identity = {"digest": digest, "settings": settings, "version": __version__}
        if folder is not None and resume:
            _restore(state, folder, identity)

        def checkpoint(tensors: dict[str, torch.Tensor]) -> None:
            if folder is not None:
                folder.write_tensors("checkpoint.safetensors", tensors, identity)

        return train(state, progress=progress, checkpoint=checkpoint, max_time=self.max_time)

    def _settings(self) -> dict[str, Any]:
        return {} if self.members is None else {"members": int(self.members)}

    def _require_fitted(self) -> None:
        if not hasattr(self, "model_"):
            raise NotFittedError("this Forecaster is not fitted; call fit(table) or Forecaster.load(run) first")

    def _history(self, table: Any) -> SeriesSet:
        self._require_fitted()
        return self.series_ if table is None else self.history(table)

    def _steps(self, series: SeriesSet, horizon: Length | None) -> int:
        if horizon is not None:
            return count_steps(series, self.series_, horizon)
        if self._told["heldout_steps"] is not None:
            return int(self._told["heldout_steps"])
        return max(1, int(np.median([len(one) for one in series]) * 0.2))

    def _score(self, split: SeriesSplit, pairs: Sequence[tuple[Series, Series]], notes: Sequence[str]) -> None:
        """Forecast what was held out, and score it."""
        self.heldout_, more = model_forecasts(self.model_, pairs)
        self.evaluation_ = evaluate_forecasts(
            self.heldout_,
            split.train.targets,
            description=split.description,
            period=self.period,
            deviations=training_deviations(split.train),
            notes=(*notes, *more),
        )

    def _long(self, series: SeriesSet, grids: Sequence[np.ndarray], *, text: bool = True) -> dict[str, Any]:
        """Return forecasts as columns, a row per series, variable and time; times as text or as stamps."""
        prediction = predicted(self.model_, list(series), grids)
        columns: dict[str, Any] = {} if series.series_column is None else {"series": []}
        columns.update({"time": [], "variable": [], "mean": [], **{f"{level:g}": [] for level in prediction.quantiles}})
        for place, (one, grid) in enumerate(zip(series, grids, strict=True)):
            for column, target in enumerate(series.targets):
                if series.series_column is not None:
                    columns["series"].extend([one.id] * len(grid))
                columns["time"].append(grid)
                columns["variable"].extend([target] * len(grid))
                columns["mean"].extend(prediction.mean[place][:, column].tolist())
                for level, parts in prediction.quantiles.items():
                    columns[f"{level:g}"].extend(parts[place][:, column].tolist())
        times = np.concatenate(columns["time"])
        columns["time"] = series.scale.format(times) if text else series.scale.stamps(times)
        return columns


def _restore(state: TrainingState, folder: RunFolder, identity: dict[str, Any]) -> None:
    """Go on where an interrupted fit of the same data and settings was."""
    if not folder.file("checkpoint.safetensors").exists():
        return
    tensors, facts = folder.read_tensors("checkpoint.safetensors")
    if others := _differences(facts, identity):
        raise ModelFileError(
            f"the checkpoint in {folder.path} belongs to another fit, with {', '.join(others)}; fit as then, or anew "
            "with force=True"
        )
    state.restore(tensors)


def _differences(facts: Any, identity: dict[str, Any]) -> list[str]:
    """Say in what a checkpoint's fit differs from one."""
    identity = json.loads(json.dumps(identity))  # as a file gives it back
    if facts == identity:
        return []
    if not isinstance(facts, dict) or not isinstance(facts.get("settings"), dict):
        return ["settings that are not known"]
    others = ["other data"] if facts.get("digest") != identity["digest"] else []
    if facts.get("version") != identity["version"]:
        others.append(f"version {facts.get('version')} of legato")
    before, now = facts["settings"], identity["settings"]
    others += [f"{name} {before.get(name)!r}" for name in now if before.get(name) != now[name]]
    return others or ["other settings"]
