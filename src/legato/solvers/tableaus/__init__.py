"""The tableaus of the explicit Runge-Kutta methods."""

from __future__ import annotations

from .dop853 import DOP853
from .dopri5 import DOPRI5
from .dopri8 import DOPRI8
from .fourth_order import RK4, RK38
from .low_order import ADAPTIVE_HEUN, BOSH3, EULER, FEHLBERG2, HEUN2, HEUN3, MIDPOINT, RALSTON
from .torchdiffeq import TORCHDIFFEQ_DOPRI5
from .tsit5 import TSIT5

__all__ = [
    "ADAPTIVE_HEUN",
    "BOSH3",
    "DOP853",
    "DOPRI5",
    "DOPRI8",
    "EULER",
    "FEHLBERG2",
    "HEUN2",
    "HEUN3",
    "MIDPOINT",
    "RALSTON",
    "RK4",
    "RK38",
    "TORCHDIFFEQ_DOPRI5",
    "TSIT5",
]
