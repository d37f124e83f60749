"""Whether a table that can be read can also be fitted: by the models' own rules, on what a fit would train on."""

from __future__ import annotations

import numpy as np
import torch

from ..core.errors import DataError
from ..data import SECONDS, Batch, Finding, SeriesSet, TimeScale
from ..data.finding import Severity, TableError
from ..models import MODELS, TimeFacts
from .settings import split_off

__all__ = ["fit_problems", "time_facts"]

_HOLDOUT = 0.2


def fit_problems(series: SeriesSet, *, holdout: float = _HOLDOUT) -> tuple[Finding, ...]:
    """Return what stands in the way of a fit with its usual settings.

    Arguments:
        series: what was read.
        holdout: the share that is held out.

    Returns:
        Nothing where the latent model can be fitted; a warning where only another model can; else an error.
    """
    try:
        split = split_off(series, holdout)
    except TableError as error:
        return (_finding("error", f"nothing is left to train on: {error.finding.message}", "add rows"),)
    assert split is not None, "a share is held out"
    batch = Batch.from_series(split.train, dtype=torch.float64)
    reasons: list[DataError] = []
    for name, model in MODELS.items():
        try:
            model.from_data(batch, time=time_facts(series.scale), seed=0, members=1, inner=1)
        except DataError as error:
            reasons.append(error)
        else:
            return (_finding("warning", str(reasons[0]), f"fit with --model {name}"),) if reasons else ()
    return (_finding("error", str(reasons[0]), f"add rows; {100 * holdout:g} % of them are held out to be scored"),)


def time_facts(scale: TimeScale) -> TimeFacts:
    """Return the calendar periods of an axis, in its unit, and their phases at time zero."""
    phases = scale.phases(np.zeros(1))
    unit = SECONDS[scale.unit] if scale.unit is not None else 1.0
    return TimeFacts(
        periods=tuple(SECONDS[f"{name}s"] / unit for name in phases),
        phases=tuple(float(phase[0]) for phase in phases.values()),
    )


def _finding(severity: Severity, message: str, fix: str) -> Finding:
    return Finding(code="too-short", severity=severity, message=message, fix=fix)
