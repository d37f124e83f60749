"""What a run's configuration may say: checked before a model is made of it, and against the model afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ..core.errors import InputError
from ..data import SeriesSet
from ..data.series import INTEGERS
from ..models import SeriesModel

__all__ = ["check_config", "check_model"]


def check_config(config: Mapping[str, Any]) -> None:
    """Refuse a configuration whose parts are of another type than a forecaster's.

    Raises:
        KeyError: a part is missing.
        InputError: a part is something else.
    """
    targets, asked = config["targets"], config["settings"]["target"]
    if not _texts(targets) or not targets or len(set(targets)) != len(targets):
        raise InputError(f"targets is a list of different names; got {targets!r}")
    if asked is not None and ([asked] if isinstance(asked, str) else asked) != targets:
        raise InputError(f"the settings name other targets: {asked!r}")
    for name in ("time", "source", "digest"):
        if not isinstance(config[name], str):
            raise InputError(f"{name} is a text; got {config[name]!r}")
    for name in ("series_column", "split"):
        if not isinstance(config[name], str | None):
            raise InputError(f"{name} is a text or null; got {config[name]!r}")
    if not _texts(config["notes"]):
        raise InputError(f"notes is a list of texts; got {config['notes']!r}")
    if config["series_type"] not in ("string", *INTEGERS):
        raise InputError(f"series_type is string or a type of whole numbers; got {config['series_type']!r}")
    steps = config["heldout_steps"]
    if steps is not None and (type(steps) is not int or steps < 1):
        raise InputError(f"heldout_steps is a whole number of at least 1, or null; got {steps!r}")


def check_model(config: Mapping[str, Any], model: SeriesModel, series: SeriesSet) -> None:
    """Refuse a model that is not the configuration's, or holds numbers that are none.

    Raises:
        InputError: the model has other variables, weights that are not finite, or another history.
    """
    if config["model"] != {"model": model.name, "shape": model.config()}:
        raise InputError(f"config.json describes another model: {config['model']!r}")
    channels = model.config()["channels"]
    if len(config["targets"]) != channels:
        raise InputError(f"the model has {channels} variables, and the targets are {config['targets']}")
    for name, value in model.state_dict().items():
        if name not in model.unknown and not bool(torch.isfinite(value).all()):
            raise InputError(f"the weights {name!r} are not finite")
    if series.digest != config["digest"]:
        raise InputError("the history is not the one that was fitted")


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(part, str) for part in value)
