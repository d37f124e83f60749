"""What is kept while marching: values at times, every step, dense output."""

from __future__ import annotations

from .events import EventStates, EventTimes, moved_root
from .rows import Fired, RowDense, RowStep, RowSteps, RowTimes
from .shared import DenseSteps, EveryStep, SaveTimes, swapped_reading

__all__ = [
    "DenseSteps",
    "EventStates",
    "EventTimes",
    "EveryStep",
    "Fired",
    "RowDense",
    "RowStep",
    "RowSteps",
    "RowTimes",
    "SaveTimes",
    "moved_root",
    "swapped_reading",
]
