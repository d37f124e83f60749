"""The tableaus of the explicit Runge-Kutta methods."""

from __future__ import annotations

from .dop853 import DOP853
from .dopri5 import DOPRI5
from .fourth_order import RK4, RK38
from .low_order import ADAPTIVE_HEUN, BOSH3, EULER, FEHLBERG2, HEUN2, HEUN3, MIDPOINT, RALSTON
from .tsit5 import TSIT5

__all__ = [
    "ADAPTIVE_HEUN",
    "BOSH3",
    "DOP853",
    "DOPRI5",
    "EULER",
    "FEHLBERG2",
    "HEUN2",
    "HEUN3",
    "MIDPOINT",
    "RALSTON",
    "RK4",
    "RK38",
    "TSIT5",
]
