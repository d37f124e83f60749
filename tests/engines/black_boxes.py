"""The names of the engines that are black boxes, and those of them that can be run here."""

from __future__ import annotations

import importlib.util

import pytest

from legato.engines import ENGINES, is_black_box

needs_sundials = pytest.mark.skipif(
    importlib.util.find_spec("sksundae") is None, reason="scikit-sundae, which carries SUNDIALS, is not installed"
)
NAMES = [name for name in ENGINES if is_black_box(ENGINES[name])]
ENGINES_HERE = [pytest.param(name, marks=[needs_sundials] if name.startswith("cvode") else []) for name in NAMES]
STIFF_ONES = [
    each for each in ENGINES_HERE if each.values[0] in ("scipy-radau", "scipy-bdf", "scipy-lsoda", "cvode-bdf")
]
SCIPY_METHODS = {
    "scipy-rk23": "RK23",
    "scipy-rk45": "RK45",
    "scipy-dop853": "DOP853",
    "scipy-radau": "Radau",
    "scipy-bdf": "BDF",
    "scipy-lsoda": "LSODA",
}
