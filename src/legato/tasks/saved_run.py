"""A fitted model as the files of its run folder, and back: whole, and checked against each other."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any, NamedTuple

import torch

from ..core.errors import InputError, ModelFileError
from ..data import SeriesSet, TimeScale
from ..data.frames import read_history, write_history
from ..models import MODELS, SeriesModel
from ..training.loop import Trained
from ..version import __version__
from .evaluation import Evaluation
from .run_config import check_config, check_model
from .run_folder import FORMAT, RunFolder
from .settings import check_settings, settings_from_json, settings_to_json

__all__ = ["TOLD", "SavedRun", "read_run", "write_run"]

TOLD = ("notes", "split", "heldout_steps")
"""What is told of a fit beside its model: notes on the table, the split in words, the rows held out."""


class SavedRun(NamedTuple):
    """What a run folder holds.

    Attributes:
        settings: those of the forecaster.
        model: fitted, ready to forecast.
        series: what forecasts start from.
        trained_until: series -> the last time that the model was trained on; None where that is unknown.
        told: see `TOLD`.
        evaluation: the scores on what was held out, or None.
        trained: how training went; None for a run that was loaded.
    """

    settings: dict[str, Any]
    model: SeriesModel
    series: SeriesSet
    trained_until: dict[str, float] | None
    told: dict[str, Any]
    evaluation: Evaluation | None
    trained: Trained | None = None


def write_run(folder: RunFolder, run: SavedRun) -> None:
    """Write the files of a run; remove its checkpoint, and what other weights made that were there before."""
    weights = folder.file("model.safetensors")
    before = folder.digest("model.safetensors") if weights.is_file() else None
    facts = {"model": run.model.name, "shape": run.model.config()}
    folder.write_tensors("model.safetensors", dict(run.model.state_dict()), facts)
    folder.write_json("config.json", {**_config(run, facts), "weights": folder.digest("model.safetensors")})
    folder.write_json("metrics.json", None if run.evaluation is None else run.evaluation.to_dict())
    if run.trained is not None:
        records = enumerate(zip(run.trained.losses, run.trained.evaluations, strict=True), start=1)
        lines = ({"iteration": place, "loss": loss, "evaluations": count} for place, (loss, count) in records)
        folder.write_lines("log.jsonl", lines)
    write_history(folder.file("history.parquet"), run.series)
    if before not in (None, folder.digest("model.safetensors")):
        folder.remove_drawn()
        if run.trained is None:
            folder.file("log.jsonl").unlink(missing_ok=True)
    folder.file("checkpoint.safetensors").unlink(missing_ok=True)


def read_run(folder: RunFolder, *, known: Collection[str]) -> SavedRun:
    """Return what a run folder holds.

    Arguments:
        folder: the folder.
        known: the names of a forecaster's settings.

    Raises:
        ModelFileError: the folder is no run, damaged, or newer than this version.
    """
    config = folder.check_format(folder.read_json("config.json"))
    tensors, facts = folder.read_tensors("model.safetensors")
    folder.check_digest("model.safetensors", config.get("weights"))
    try:
        return _read(folder, config, tensors, facts, known)
    except ModelFileError:
        raise
    except (KeyError, TypeError, AttributeError, RuntimeError, ValueError) as error:
        raise ModelFileError(f"{folder.path} does not describe a model of this version: {error}") from None


def _config(run: SavedRun, facts: dict[str, Any]) -> dict[str, Any]:
    series = run.series
    return {
        "format": FORMAT,
        "version": __version__,
        "torch": torch.__version__,
        "settings": settings_to_json(run.settings),
        "model": facts,
        "targets": list(series.targets),
        "scale": series.scale.to_dict(),
        "time": series.time,
        "series_column": series.series_column,
        "series_type": series.id_type,
        "source": series.source,
        "digest": series.digest,
        "trained_until": run.trained_until,
        **run.told,
        "warnings": list(run.model.warnings),
    }


def _read(
    folder: RunFolder,
    config: dict[str, Any],
    tensors: dict[str, torch.Tensor],
    facts: dict[str, Any],
    known: Collection[str],
) -> SavedRun:
    settings = settings_from_json(config["settings"])
    if set(settings) != set(known):
        raise InputError(f"these are not the settings of a forecaster: {', '.join(settings)}")
    check_settings(settings)
    check_config(config)
    model = MODELS[facts["model"]].from_config(facts["shape"])
    model.load_state_dict(tensors)
    history = read_history(
        folder.file("history.parquet"),
        targets=config["targets"],
        scale=TimeScale.from_dict(config["scale"]),
        time=config["time"],
        column=config["series_column"],
        id_type=config["series_type"],
    )
    check_model(config, model, history)
    until = config.get("trained_until")
    scores = folder.read_json("metrics.json")
    model.eval()
    return SavedRun(
        settings=settings,
        model=model,
        series=replace(history, source=config["source"]),
        trained_until=None if until is None else {name: float(time) for name, time in until.items()},
        told={name: config[name] for name in TOLD},
        evaluation=None if scores is None else Evaluation.from_dict(scores),
    )
