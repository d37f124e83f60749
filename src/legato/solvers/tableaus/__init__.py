"""The tableaus: explicit and implicit Runge-Kutta methods, and Rosenbrock methods."""

from __future__ import annotations

from .collocation import GAUSS4, GAUSS6, RADAU_IIA3, RADAU_IIA5
from .dop853 import DOP853
from .dopri5 import DOPRI5
from .dopri8 import DOPRI8
from .fourth_order import RK4, RK38
from .implicit_low_order import IMPLICIT_EULER, IMPLICIT_MIDPOINT, SDIRK2, TR_BDF2, TRAPEZOID
from .kencarp import KENCARP3, KENCARP3_EXPLICIT, KENCARP4, KENCARP4_EXPLICIT, KENCARP5, KENCARP5_EXPLICIT
from .kvaerno import KVAERNO3, KVAERNO4, KVAERNO5
from .low_order import ADAPTIVE_HEUN, BOSH3, EULER, FEHLBERG2, HEUN2, HEUN3, MIDPOINT, RALSTON
from .rosenbrock_methods import RODAS4, RODAS5P, ROSENBROCK23
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
    "GAUSS4",
    "GAUSS6",
    "HEUN2",
    "HEUN3",
    "IMPLICIT_EULER",
    "IMPLICIT_MIDPOINT",
    "KENCARP3",
    "KENCARP3_EXPLICIT",
    "KENCARP4",
    "KENCARP4_EXPLICIT",
    "KENCARP5",
    "KENCARP5_EXPLICIT",
    "KVAERNO3",
    "KVAERNO4",
    "KVAERNO5",
    "MIDPOINT",
    "RADAU_IIA3",
    "RADAU_IIA5",
    "RALSTON",
    "RK4",
    "RK38",
    "RODAS4",
    "RODAS5P",
    "ROSENBROCK23",
    "SDIRK2",
    "TORCHDIFFEQ_DOPRI5",
    "TRAPEZOID",
    "TR_BDF2",
    "TSIT5",
]
