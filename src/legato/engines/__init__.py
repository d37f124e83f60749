"""Engines: where terms, solvers, controllers and outputs meet; the only loops."""

from __future__ import annotations

from ..core.catalogue import Catalogue
from .aside import steps_aside
from .eager import Eager, beside, beside_rows
from .task import Clock, Limits, March, StepRecord, Task, Ties

__all__ = [
    "ENGINES",
    "Clock",
    "Eager",
    "Limits",
    "March",
    "StepRecord",
    "Task",
    "Ties",
    "beside",
    "beside_rows",
    "steps_aside",
]

ENGINES: Catalogue[Eager] = Catalogue(
    "engine", {"eager": (Eager(), "any field: PyTorch's eager operators in a lean loop")}
)
