"""Solvers: one step each, no loop and no tolerance."""

from __future__ import annotations

from typing import Any

from ..core.catalogue import Catalogue
from . import tableaus
from .asynchronous_leapfrog import AsynchronousLeapfrog, AsynchronousLeapfrogStep
from .demand import Demand
from .explicit import ExplicitRungeKutta, ExplicitStep
from .polynomial_step import PolynomialStep
from .reversible import Reversible, ReversibleStep
from .reversible_heun import ReversibleHeun, ReversibleHeunStep
from .separable import VELOCITY_VERLET, YOSHIDA4, Leapfrog, SemiImplicitEuler, SeparableStep
from .sums import BufferSums, ChainSums, Sums, TensorSums
from .tableau import Tableau

__all__ = [
    "SOLVERS",
    "VELOCITY_VERLET",
    "YOSHIDA4",
    "AsynchronousLeapfrog",
    "AsynchronousLeapfrogStep",
    "BufferSums",
    "ChainSums",
    "Demand",
    "ExplicitRungeKutta",
    "ExplicitStep",
    "Leapfrog",
    "PolynomialStep",
    "Reversible",
    "ReversibleHeun",
    "ReversibleHeunStep",
    "ReversibleStep",
    "SemiImplicitEuler",
    "SeparableStep",
    "Sums",
    "Tableau",
    "TensorSums",
]

SOLVERS: Catalogue[Any] = Catalogue(
    "solver",
    {
        name: (ExplicitRungeKutta(tableau), summary)
        for name, tableau, summary in (
            ("tsit5", tableaus.TSIT5, "the default: fifth order, small errors, free interpolant"),
            ("dopri5", tableaus.DOPRI5, "the classic fifth-order pair, as in MATLAB's ode45 and SciPy's RK45"),
            ("dop853", tableaus.DOP853, "eighth order with dense output of order seven, for tight tolerances"),
            ("dopri8", tableaus.DOPRI8, "the older eighth-order pair 8(7)13M, as in torchdiffeq"),
            ("bosh3", tableaus.BOSH3, "third order, for loose tolerances and rough fields"),
            ("adaptive_heun", tableaus.ADAPTIVE_HEUN, "second order with an Euler error estimate"),
            ("fehlberg2", tableaus.FEHLBERG2, "Fehlberg's pair of orders two and one"),
            ("rk4", tableaus.RK4, "the classic fourth-order method, fixed step"),
            ("rk38", tableaus.RK38, "Kutta's 3/8 rule, fixed step; torchdiffeq calls it rk4"),
            ("heun3", tableaus.HEUN3, "Heun's third-order method, fixed step"),
            ("heun2", tableaus.HEUN2, "the explicit trapezoid rule, fixed step"),
            ("ralston", tableaus.RALSTON, "Ralston's second-order method of least error, fixed step"),
            ("midpoint", tableaus.MIDPOINT, "the explicit midpoint rule, fixed step"),
            ("euler", tableaus.EULER, "first order, fixed step"),
        )
    }
    | {
        "semi_implicit_euler": (SemiImplicitEuler(), "first order and symplectic, for states (q, p), fixed step"),
        "velocity_verlet": (VELOCITY_VERLET, "second order, symplectic, time-reversible, for separable (q, p)"),
        "yoshida4": (YOSHIDA4, "fourth order, symplectic, time-reversible, for separable (q, p), fixed step"),
        "reversible_heun": (ReversibleHeun(), "second order, steps back in closed form, for oscillations"),
        "reversible_dopri5": (
            Reversible(ExplicitRungeKutta(tableaus.DOPRI5)),
            "dopri5 with a second copy of the state: steps back in closed form",
        ),
        "alf": (AsynchronousLeapfrog(), "second order, steps back in closed form, carries a velocity"),
    },
)
