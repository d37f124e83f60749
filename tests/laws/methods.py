"""Which methods of the catalogue a law is about."""

from __future__ import annotations

from legato.solvers import SOLVERS
from legato.solvers.tableaus import HEUN2

__all__ = [
    "EXPLICIT",
    "GENERAL",
    "HISTORY",
    "IMPLICIT",
    "MULTISTEP",
    "NEUTRAL",
    "OWN_SLOPES",
    "SEPARABLE",
    "SWITCHING",
    "interpolant",
    "interpolation_cost",
]

SWITCHING = [name for name in SOLVERS if hasattr(SOLVERS[name], "nonstiff")]
"""Pairs of methods that rows change between."""
GENERAL = [name for name in SOLVERS if SOLVERS[name].accepts == "ode" and name not in SWITCHING]
"""Methods for any state."""
IMPLICIT = [name for name in GENERAL if SOLVERS[name].implicit]
"""Methods that solve equations in every step."""
EXPLICIT = [name for name in GENERAL if not SOLVERS[name].implicit]
"""Methods that solve none."""
SEPARABLE = [name for name in SOLVERS if SOLVERS[name].accepts == "separable"]
"""Methods for states (q, p) of two halves."""

NEUTRAL = ["reversible_heun", "alf", "reversible_dopri5"]
"""Methods that are stable on oscillations alone: what they carry leaves the solution where others contract."""
OWN_SLOPES = ["reversible_heun", "alf"]
"""Methods whose interpolant takes slopes that they carry, near those of the field."""
HISTORY = [name for name in GENERAL if SOLVERS[name].history]
"""Methods that carry what cannot be derived from time and state."""

MULTISTEP = ["adams_bashforth", "adams_moulton"]
"""Methods that make a step from the slopes of steps before, so that it spans several of them."""


def interpolant(solver: str) -> tuple[tuple[float, ...], ...]:
    """Return the weights B_ip of an interpolant; those of a method without a tableau are the cubic's.

    A method with a companion has those of both.
    """
    method = SOLVERS[solver]
    dense: tuple[tuple[float, ...], ...] = getattr(getattr(method, "method", method), "tableau", HEUN2).dense
    if hasattr(method, "companion"):
        most = max(len(row) for row in (*dense, *method.companion.tableau.dense))
        return tuple((*row, *(0.0,) * (most - len(row))) for row in (*dense, *method.companion.tableau.dense))
    return dense


def interpolation_cost(solver: str, looked_into: int) -> int:
    """Return the evaluations that the interpolants of so many steps need, the last step among them.

    Of a method without f(t1, y1) among its stages the next step evaluates it anyway, but there is none after the last.
    """
    tableau = getattr(SOLVERS[solver], "tableau", None)
    if tableau is None:
        return 0
    if SOLVERS[solver].implicit:  # which evaluate the field afresh where a step begins
        return (tableau.total_stages - tableau.stages) * looked_into
    return len(tableau.extra_a) * looked_into + (not tableau.first_same_as_last)
