"""Neural networks whose depth is time, and the baselines that stand beside them."""

from __future__ import annotations

from ..core.catalogue import Catalogue
from .latent import LatentODE
from .neural_ode import NeuralODE
from .observed import ObservedODE
from .series_model import LEVELS, Plan, SeriesModel, TimeFacts

__all__ = ["LEVELS", "MODELS", "LatentODE", "NeuralODE", "ObservedODE", "Plan", "SeriesModel", "TimeFacts"]

MODELS: Catalogue[type[SeriesModel]] = Catalogue(
    "model",
    {
        "latent": (LatentODE, "an ensemble of latent neural ODEs that read a window of irregular, masked history"),
        "observed": (ObservedODE, "a neural ODE ensemble on the observed variables themselves; every row complete"),
    },
)
