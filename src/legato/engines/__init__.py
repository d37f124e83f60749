"""Engines: where terms, solvers, controllers and outputs meet; the only loops."""

from __future__ import annotations

from typing import Any

from ..core.catalogue import Catalogue
from .aside import steps_aside
from .eager import Eager, beside, beside_rows
from .external import CVODE, SCIPY_METHODS, BlackBox, SciPy, is_black_box
from .task import Clock, Limits, March, StepRecord, Task, Ties

__all__ = [
    "CVODE",
    "ENGINES",
    "SCIPY_METHODS",
    "BlackBox",
    "Clock",
    "Eager",
    "Limits",
    "March",
    "SciPy",
    "StepRecord",
    "Task",
    "Ties",
    "beside",
    "beside_rows",
    "is_black_box",
    "steps_aside",
]

ENGINES: Catalogue[Any] = Catalogue(
    "engine",
    {
        "eager": (Eager(), "any field: PyTorch's eager operators in a lean loop"),
        "scipy-rk23": (SciPy("RK23"), "SciPy's Bogacki-Shampine 3(2), sample by sample"),
        "scipy-rk45": (SciPy("RK45"), "SciPy's Dormand-Prince 5(4), sample by sample"),
        "scipy-dop853": (SciPy("DOP853"), "SciPy's Dormand-Prince 8(5, 3), for tight tolerances, sample by sample"),
        "scipy-radau": (SciPy("Radau"), "SciPy's Radau IIA of order five, for stiff problems, sample by sample"),
        "scipy-bdf": (SciPy("BDF"), "SciPy's BDF of order one to five, for stiff problems, sample by sample"),
        "scipy-lsoda": (SciPy("LSODA"), "LSODA: changes between Adams and BDF where it gets stiff, sample by sample"),
        "cvode-bdf": (CVODE("BDF"), "SUNDIALS' CVODE, BDF of order one to five, for stiff problems, sample by sample"),
        "cvode-adams": (CVODE("Adams"), "SUNDIALS' CVODE, Adams-Moulton of order one to twelve, sample by sample"),
    },
)
