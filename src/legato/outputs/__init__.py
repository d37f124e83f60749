"""What is kept while marching: values at times, every step, dense output."""

from __future__ import annotations

from .rows import RowDense, RowSteps, RowTimes
from .shared import DenseSteps, EveryStep, SaveTimes, swapped_reading

__all__ = ["DenseSteps", "EveryStep", "RowDense", "RowSteps", "RowTimes", "SaveTimes", "swapped_reading"]
