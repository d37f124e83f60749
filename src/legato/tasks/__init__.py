"""What people come for: fit and predict, over models, data and training."""

from __future__ import annotations

from .evaluation import Evaluation, Forecast, Score
from .forecaster import Forecaster
from .run_folder import RunFolder

__all__ = ["Evaluation", "Forecast", "Forecaster", "RunFolder", "Score"]
