"""Which methods of the catalogue a law is about."""

from __future__ import annotations

from legato.solvers import SOLVERS
from legato.solvers.tableaus import HEUN2

__all__ = ["GENERAL", "HISTORY", "NEUTRAL", "OWN_SLOPES", "SEPARABLE", "interpolant", "interpolation_cost"]

GENERAL = [name for name in SOLVERS if SOLVERS[name].accepts == "ode"]
"""Methods for any state."""
SEPARABLE = [name for name in SOLVERS if SOLVERS[name].accepts == "separable"]
"""Methods for states (q, p) of two halves."""

NEUTRAL = ["reversible_heun", "alf", "reversible_dopri5"]
"""Methods that are stable on oscillations alone: what they carry leaves the solution where others contract."""
OWN_SLOPES = ["reversible_heun", "alf"]
"""Methods whose interpolant takes slopes that they carry, near those of the field."""
HISTORY = [name for name in SOLVERS if SOLVERS[name].history]
"""Methods that carry what cannot be derived from time and state."""


def interpolant(solver: str) -> tuple[tuple[float, ...], ...]:
    """Return the weights B_ip of an interpolant; those of a method without a tableau are the cubic's."""
    method = SOLVERS[solver]
    return getattr(getattr(method, "method", method), "tableau", HEUN2).dense


def interpolation_cost(solver: str, looked_into: int) -> int:
    """Return the evaluations that the interpolants of so many steps need, the last step among them.

    Of a method without f(t1, y1) among its stages the next step evaluates it anyway, but there is none after the last.
    """
    tableau = getattr(SOLVERS[solver], "tableau", None)
    if tableau is None:
        return 0
    return len(tableau.extra_a) * looked_into + (not tableau.first_same_as_last)
