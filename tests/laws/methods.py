"""Which methods of the catalogue a law is about."""

from __future__ import annotations

from legato.solvers import SOLVERS
from legato.solvers.tableaus import HEUN2

__all__ = ["GENERAL", "SEPARABLE", "interpolant"]

GENERAL = [name for name in SOLVERS if SOLVERS[name].accepts == "ode"]
"""Methods for any state."""
SEPARABLE = [name for name in SOLVERS if SOLVERS[name].accepts == "separable"]
"""Methods for states (q, p) of two halves."""


def interpolant(solver: str) -> tuple[tuple[float, ...], ...]:
    """Return the weights B_ip of an interpolant; those of a method without a tableau are the cubic's."""
    return getattr(SOLVERS[solver], "tableau", HEUN2).dense
