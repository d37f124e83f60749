"""Solvers: one step each, no loop and no tolerance."""

from __future__ import annotations

from typing import Any

from ..core.catalogue import Catalogue
from . import tableaus
from .adams import Adams, AdamsStep
from .asynchronous_leapfrog import AsynchronousLeapfrog, AsynchronousLeapfrogStep
from .confined import Confined
from .demand import Carry, Demand
from .explicit import ExplicitRungeKutta, ExplicitStep
from .implicit_runge_kutta import DiagonallyImplicitRungeKutta, FullyImplicitRungeKutta, implicit_runge_kutta
from .implicit_tableau import ImplicitTableau
from .polynomial_step import PolynomialStep
from .reversible import Reversible, ReversibleStep
from .reversible_heun import ReversibleHeun, ReversibleHeunStep
from .rosenbrock import Rosenbrock
from .rosenbrock_tableau import RosenbrockTableau
from .separable import VELOCITY_VERLET, YOSHIDA4, Leapfrog, SemiImplicitEuler, SeparableStep
from .step import StageStep
from .sums import BufferSums, ChainSums, Sums, TensorSums
from .switching import Switching, SwitchingStep
from .tableau import Tableau

__all__ = [
    "SOLVERS",
    "VELOCITY_VERLET",
    "YOSHIDA4",
    "Adams",
    "AdamsStep",
    "AsynchronousLeapfrog",
    "AsynchronousLeapfrogStep",
    "BufferSums",
    "Carry",
    "ChainSums",
    "Confined",
    "Demand",
    "DiagonallyImplicitRungeKutta",
    "ExplicitRungeKutta",
    "ExplicitStep",
    "FullyImplicitRungeKutta",
    "ImplicitTableau",
    "Leapfrog",
    "PolynomialStep",
    "Reversible",
    "ReversibleHeun",
    "ReversibleHeunStep",
    "ReversibleStep",
    "Rosenbrock",
    "RosenbrockTableau",
    "SemiImplicitEuler",
    "SeparableStep",
    "StageStep",
    "Sums",
    "Switching",
    "SwitchingStep",
    "Tableau",
    "TensorSums",
    "implicit_runge_kutta",
]

_EXPLICIT = (
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
_ROSENBROCK = (
    ("rodas5p", tableaus.RODAS5P, "the first choice for stiff problems: fifth order, no iteration"),
    ("rodas4", tableaus.RODAS4, "fourth order, Hairer and Wanner's RODAS"),
    ("rosenbrock23", tableaus.ROSENBROCK23, "second order, MATLAB's ode23s, for stiff problems at loose tolerances"),
)
_IMPLICIT = (
    ("radau_iia5", tableaus.RADAU_IIA5, "Hairer's RADAU5: stiff problems at tight tolerances, fully implicit"),
    ("radau_iia3", tableaus.RADAU_IIA3, "third order, fully implicit, L-stable"),
    ("kvaerno3", tableaus.KVAERNO3, "third order, diagonally implicit, L-stable"),
    ("kencarp5", tableaus.KENCARP5, "fifth order, diagonally implicit; additive for split fields"),
    ("kencarp4", tableaus.KENCARP4, "fourth order, diagonally implicit; additive for split fields"),
    ("kencarp3", tableaus.KENCARP3, "third order, diagonally implicit; additive for split fields"),
    ("tr_bdf2", tableaus.TR_BDF2, "second order, L-stable, for rough stiff problems at loose tolerances"),
    ("sdirk2", tableaus.SDIRK2, "Alexander's second-order method, L-stable"),
    ("trapezoid", tableaus.TRAPEZOID, "Crank and Nicolson's rule, second order, no damping"),
    ("implicit_midpoint", tableaus.IMPLICIT_MIDPOINT, "second order, symplectic, keeps quadratic invariants"),
    ("gauss4", tableaus.GAUSS4, "Gauss-Legendre, fourth order, symplectic, keeps quadratic invariants"),
    ("gauss6", tableaus.GAUSS6, "Gauss-Legendre, sixth order, symplectic, keeps quadratic invariants"),
    ("implicit_euler", tableaus.IMPLICIT_EULER, "first order, the strongest damping"),
)
# Methods that look beyond their step, each with one of the same order that does not.
_CONFINED = (
    ("kvaerno5", tableaus.KVAERNO5, tableaus.KENCARP5, "fifth order, diagonally implicit, L-stable"),
    ("kvaerno4", tableaus.KVAERNO4, tableaus.KENCARP4, "fourth order, diagonally implicit, L-stable"),
)

# Methods for partitioned states, and methods that carry a history.
_OTHERS = (
    ("semi_implicit_euler", SemiImplicitEuler(), "first order and symplectic, for states (q, p), fixed step"),
    ("velocity_verlet", VELOCITY_VERLET, "second order, symplectic, time-reversible, for separable (q, p)"),
    ("yoshida4", YOSHIDA4, "fourth order, symplectic, time-reversible, for separable (q, p), fixed step"),
    ("reversible_heun", ReversibleHeun(), "second order, steps back in closed form, for oscillations"),
    (
        "reversible_dopri5",
        Reversible(ExplicitRungeKutta(tableaus.DOPRI5)),
        "dopri5 with a second copy of the state: steps back in closed form",
    ),
    ("adams_bashforth", Adams(order=4), "fourth order from past slopes, one evaluation a step, fixed step"),
    (
        "adams_moulton",
        Adams(order=4, corrections=1),
        "fourth order, predicted and corrected from past slopes, two evaluations a step, fixed step",
    ),
    ("alf", AsynchronousLeapfrog(), "second order, steps back in closed form, carries a velocity"),
)

SOLVERS: Catalogue[Any] = Catalogue(
    "solver",
    {
        **{name: (ExplicitRungeKutta(tableau), summary) for name, tableau, summary in _EXPLICIT},
        "auto": (
            Switching(ExplicitRungeKutta(tableaus.TSIT5), Rosenbrock(tableaus.RODAS5P)),
            "tsit5 while a sample is not stiff, rodas5p while it is: where you do not know",
        ),
        **{name: (Rosenbrock(tableau), summary) for name, tableau, summary in _ROSENBROCK},
        **{name: (implicit_runge_kutta(tableau), summary) for name, tableau, summary in _IMPLICIT},
        **{
            name: (Confined(implicit_runge_kutta(tableau), implicit_runge_kutta(companion)), summary)
            for name, tableau, companion, summary in _CONFINED
        },
        **{name: (solver, summary) for name, solver, summary in _OTHERS},
    },
)
