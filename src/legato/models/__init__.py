"""Neural networks whose depth is time, and the baselines that stand beside them."""

from __future__ import annotations

from ..core.catalogue import Catalogue
from .neural_ode import NeuralODE
from .observed import ObservedODE
from .series_model import LEVELS, Plan, SeriesModel, TimeFacts

__all__ = ["LEVELS", "MODELS", "NeuralODE", "ObservedODE", "Plan", "SeriesModel", "TimeFacts"]

MODELS: Catalogue[type[SeriesModel]] = Catalogue(
    "model",
    {"observed": (ObservedODE, "a neural ODE ensemble on the observed variables themselves; every row complete")},
)
