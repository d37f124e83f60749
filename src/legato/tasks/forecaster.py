"""Forecasting irregular series: fit on a table, predict at any time, with bands and baselines.

    forecaster = Forecaster(time="hours", series="patient").fit(table)
    forecaster.predict(horizon="24h")

A table is a path or any data frame. The last part of every series is held out, forecast and scored beside the
baselines; forecasts of the future start from all of the history.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..core.catalogue import nearest
from ..core.errors import InputError, ModelFileError, NotFittedError, OptionError
from ..data import SECONDS, Batch, Dialect, Prediction, Series, SeriesSet, TimeScale, parse_times, read_series
from ..data import split_series as split_in_time
from ..data.frames import FrameKind, frame_kind, make_frame, read_history, write_history
from ..data.holdout import SeriesSplit
from ..models import MODELS, TimeFacts
from ..training.loop import Progress, Trained, TrainingState, train
from ..version import __version__
from .evaluation import Evaluation, Forecast, evaluate_forecasts, training_deviations
from .held_out import heldout_pairs, model_forecasts
from .origins import rolling_origins
from .run_folder import FORMAT, RunFolder

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
        holdout: what is held out to be scored: a share of the rows of each series, a number of rows, or a time written
            as the table's are; None trains on everything and scores nothing.
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
        holdout: float | int | str | None = 0.2,
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
        progress: Progress | None = None,
    ) -> Forecaster:
        """Train on a table, and score what was held out.

        Arguments:
            table: a path or a data frame.
            run: a folder for checkpoints and the result; see `save`.
            resume: go on with an interrupted fit in `run`.
            force: replace what is in `run`.
            progress: told iterations done, iterations in all, and a word.

        Returns:
            Itself.

        Raises:
            DataError: the table cannot be read as it stands.
            InputError: `run` holds a run already, or with `resume` a finished one.
            ModelFileError: with `resume`, the checkpoint is damaged or belongs to another fit.
        """
        if self.time is None:
            raise OptionError("name the column of times: Forecaster(time=...)")
        catalogued = MODELS[self.model]
        series = read_series(
            table,
            time=self.time,
            series=self.series,
            target=self.target,
            time_unit=self.time_unit,
            dialect=self.dialect,
        )
        folder = None if run is None else RunFolder(run).create(force=force, resume=resume)
        split = None if self.holdout is None else _split(series, self.holdout)
        train_part = series if split is None else split.train
        pairs, notes = ([], []) if split is None else heldout_pairs(split)
        model = catalogued.from_data(_batch(train_part), time=_facts(series.scale), seed=self.seed, **self._settings())
        state = TrainingState(model, seed=self.seed)
        settings = {name: value for name, value in _jsonable(self.get_params()).items() if name not in _AFTERWARDS}
        identity = {"digest": series.digest, "settings": settings, "version": __version__}
        if folder is not None and resume:
            _restore(state, folder, identity)

        def checkpoint(tensors: dict[str, torch.Tensor]) -> None:
            if folder is not None:
                folder.write_tensors("checkpoint.safetensors", tensors, identity)

        self.trained_: Trained = train(state, progress=progress, checkpoint=checkpoint, max_time=self.max_time)
        if progress is not None:
            progress(state.plan.iterations, state.plan.iterations, "setting the band and scoring")
        model.calibrate()
        model.eval()
        self.model_, self.series_, self.split_ = model, series, split
        self.trained_until_: dict[str, float] | None = {one.id: float(one.times[-1]) for one in train_part}
        self._kind = frame_kind(table, time=self.time)
        self._told = {
            "notes": [str(note) for note in series.notes],
            "split": None if split is None else split.description,
        }
        self.heldout_: list[Forecast] = []
        self.evaluation_: Evaluation | None = None
        if split is not None:
            self._score(split, pairs, notes)
        if folder is not None:
            self.save(folder.path)
        return self

    def predict(
        self,
        horizon: str | float | None = None,
        *,
        steps: int | None = None,
        at: Any = None,
        table: Any = None,
    ) -> Any:
        """Return the forecast of every series as a data frame.

        Arguments:
            horizon: how far from each series' last time, in words ("24h", "3 steps") or in the unit of the times.
            steps: the number of steps of the median spacing, instead.
            at: times, written as the table's are, instead; the same for every series.
            table: the history to forecast from; None is the one that was fitted.

        Returns:
            Columns series (where the table has one), time, variable, mean, and the quantiles "0.1" ... "0.9"; a frame
            of the type that was given, times as it holds them; for a path a PyArrow table, times written as in the
            file.

        Raises:
            NotFittedError: before `fit`.
            OptionError: not exactly one of `horizon`, `steps` and `at`.
        """
        series = self._history(table)
        kind = self._kind if table is None else frame_kind(table, time=series.time)
        columns = self._long(series, self._grids(series, horizon, steps, at), text=kind.time is None)
        return make_frame(columns, kind=kind)

    def evaluate(self, table: Any = None, *, horizon: str | float | None = None, origins: int = 1) -> Evaluation:
        """Score forecasts from rolling origins: the last `origins` of every series, one horizon apart.

        The model is not trained again, so an origin counts only where it was not trained on what follows. A series
        that was in the training data has such origins from the end of its training part on, any other series anywhere;
        series are told apart by their ids, and a table without a column of series is the series that was fitted.

        Arguments:
            table: what to score on; None is the table that was fitted.
            horizon: the length of a forecast; None is that of what was held out.
            origins: the number of origins per series.

        Raises:
            NotFittedError: before `fit`.
            DataError: no series is long enough, or the model was trained on all that follows the origins.
        """
        series = self._history(table)
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

    def save(self, run: str | Path) -> Path:
        """Write the run folder; its files are described in `legato.tasks.run_folder`.

        Raises:
            NotFittedError: before `fit`.
        """
        self._require_fitted()
        folder = RunFolder(run)
        folder.path.mkdir(parents=True, exist_ok=True)
        series = self.series_
        facts = {"model": self.model_.name, "shape": self.model_.config()}
        folder.write_tensors("model.safetensors", dict(self.model_.state_dict()), facts)
        folder.write_json(
            "config.json",
            {
                "format": FORMAT,
                "version": __version__,
                "torch": torch.__version__,
                "settings": _jsonable(self.get_params()),
                "model": facts,
                "targets": list(series.targets),
                "scale": series.scale.to_dict(),
                "time": series.time,
                "series_column": series.series_column,
                "source": series.source,
                "digest": series.digest,
                "trained_until": self.trained_until_,
                **self._told,
                "warnings": list(self.model_.warnings),
            },
        )
        folder.write_json("metrics.json", None if self.evaluation_ is None else self.evaluation_.to_dict())
        trained = getattr(self, "trained_", None)
        if trained is not None:
            records = enumerate(zip(trained.losses, trained.evaluations, strict=True), start=1)
            lines = ({"iteration": place, "loss": loss, "evaluations": count} for place, (loss, count) in records)
            folder.write_lines("log.jsonl", lines)
        write_history(folder.file("history.parquet"), series)
        folder.file("checkpoint.safetensors").unlink(missing_ok=True)
        return folder.path

    @classmethod
    def load(cls, run: str | Path) -> Forecaster:
        """Return the forecaster of a run folder.

        Raises:
            ModelFileError: the folder is no run, damaged, or newer than this version.
        """
        folder = RunFolder(run)
        config = folder.check_format(folder.read_json("config.json"))
        tensors, facts = folder.read_tensors("model.safetensors")
        try:
            settings = dict(config["settings"])
            settings["dialect"] = None if settings["dialect"] is None else _dialect(settings["dialect"])
            forecaster = cls(**settings)
            model = MODELS[facts["model"]].from_config(facts["shape"])
            model.load_state_dict(tensors)
            scale = TimeScale.from_dict(config["scale"])
            history = read_history(
                folder.file("history.parquet"),
                targets=config["targets"],
                scale=scale,
                time=config["time"],
                column=config["series_column"],
            )
            forecaster.series_ = replace(history, source=config["source"])
            until = config.get("trained_until")
            forecaster.trained_until_ = None if until is None else {name: float(time) for name, time in until.items()}
            scores = folder.read_json("metrics.json")
            forecaster.evaluation_ = None if scores is None else Evaluation.from_dict(scores)
        except ModelFileError:
            raise
        except (KeyError, TypeError, AttributeError, RuntimeError, ValueError) as error:
            raise ModelFileError(f"{folder.path} does not describe a model of this version: {error}") from None
        model.eval()
        forecaster.model_, forecaster.split_, forecaster.heldout_ = model, None, []
        forecaster._kind = FrameKind()
        forecaster._told = {name: config[name] for name in ("notes", "split")}
        return forecaster

    def _settings(self) -> dict[str, Any]:
        return {} if self.members is None else {"members": self.members}

    def _require_fitted(self) -> None:
        if not hasattr(self, "model_"):
            raise NotFittedError("this Forecaster is not fitted; call fit(table) or Forecaster.load(run) first")

    def _history(self, table: Any) -> SeriesSet:
        """Return the series to forecast from, on the model's time axis."""
        self._require_fitted()
        if table is None:
            return self.series_
        fitted = self.series_
        return read_series(
            table,
            time=fitted.time,
            series=fitted.series_column,
            target=list(fitted.targets),
            scale=fitted.scale,
            dialect=self.dialect,
        )

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

    def _grids(self, series: SeriesSet, horizon: str | float | None, steps: int | None, at: Any) -> list[np.ndarray]:
        """Return the times to forecast, one grid per series."""
        if sum(value is not None for value in (horizon, steps, at)) != 1:
            raise OptionError("give exactly one of horizon, steps and at")
        if at is not None:
            if not np.size(at):
                raise InputError("at holds no time; give at least one")
            times = np.unique(parse_times(at if isinstance(at, str) or np.ndim(at) else [at], series.scale))
            early = [one.id for one in series if times[0] <= one.times[-1]]
            if early:
                raise InputError(
                    f"a forecast is of later times, and {series.scale.format(times[:1])[0]} is not after the last time "
                    f"of the series {early[0]!r}; give later times"
                )
            return [times for _ in series]
        wanted = f"{steps} steps" if steps is not None else horizon
        assert wanted is not None
        step = self._step(series)
        return [series.scale.grid(wanted, start=float(one.times[-1]), step=step) for one in series]

    def _step(self, series: SeriesSet) -> float:
        """Return the median spacing; that of the fit where no series has two times."""
        return float(np.median(series.gaps if len(series.gaps) else self.series_.gaps))

    def _steps(self, series: SeriesSet, horizon: str | float | None) -> int:
        if horizon is not None:
            return len(series.scale.grid(horizon, start=0.0, step=self._step(series)))
        known = self.trained_until_
        if known is not None:
            heldout = [int((one.times > known.get(one.id, -np.inf)).sum()) for one in self.series_]
            if any(heldout):
                return int(np.median([count for count in heldout if count]))
        return max(1, int(np.median([len(one) for one in series]) * 0.2))

    def _long(self, series: SeriesSet, grids: Sequence[np.ndarray], *, text: bool = True) -> dict[str, Any]:
        """Return forecasts as columns, a row per series, variable and time; times as text or as stamps."""
        batch = Batch.from_series(series, dtype=torch.float64)
        prediction: Prediction = self.model_(batch, [torch.tensor(grid) for grid in grids])
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


def _split(series: SeriesSet, holdout: float | int | str) -> SeriesSplit:
    if isinstance(holdout, str):
        return split_in_time(series, at=holdout)
    if isinstance(holdout, int) and not isinstance(holdout, bool):
        return split_in_time(series, last=holdout)
    return split_in_time(series, fraction=holdout)


def _batch(series: SeriesSet) -> Batch:
    return Batch.from_series(series, dtype=torch.float64)


def _facts(scale: TimeScale) -> TimeFacts:
    """Return the calendar periods of an axis, in its unit, and their phases at time zero."""
    phases = scale.phases(np.zeros(1))
    unit = SECONDS[scale.unit] if scale.unit is not None else 1.0
    return TimeFacts(
        periods=tuple(SECONDS[f"{name}s"] / unit for name in phases),
        phases=tuple(float(phase[0]) for phase in phases.values()),
    )


def _jsonable(params: dict[str, Any]) -> dict[str, Any]:
    """Return settings as plain JSON values."""
    dialect = params["dialect"]
    target = params["target"]
    return {
        **params,
        "dialect": None if dialect is None else _fields(dialect),
        "target": target if target is None or isinstance(target, str) else list(target),
    }


def _fields(dialect: Dialect) -> dict[str, Any]:
    return {name: getattr(dialect, name) for name in inspect.signature(Dialect).parameters}


def _dialect(values: dict[str, Any]) -> Dialect:
    """Return the dialect that JSON holds, its lists tuples again."""
    fields: dict[str, Any] = {name: tuple(part) if isinstance(part, list) else part for name, part in values.items()}
    return Dialect(**fields)


def _restore(state: TrainingState, folder: RunFolder, identity: dict[str, Any]) -> None:
    """Go on where an interrupted fit of the same data and settings was."""
    if not folder.file("checkpoint.safetensors").exists():
        return
    tensors, facts = folder.read_tensors("checkpoint.safetensors")
    if json.dumps(facts, sort_keys=True) != json.dumps(identity, sort_keys=True):
        raise ModelFileError(
            f"the checkpoint in {folder.path} belongs to other data, settings or another version; fit anew with --force"
        )
    state.restore(tensors)
