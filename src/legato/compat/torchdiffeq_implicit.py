r"""The implicit methods of torchdiffeq's later sources: fixed steps on a grid.

They are methods of the catalogue without what only an error estimate needs. Stage equations are solved by Newton's
method to rounding, whatever the size of the step. Between the times of the grid lies the method's own interpolant,
which stiff components leave bounded; on request the cubic Hermite polynomial,

.. math::
    y(t_0 + \theta\,\Delta t) = y_0 + \Delta t \Bigl((\theta - 2\theta^2 + \theta^3)\, f_0
    + (3\theta^2 - 2\theta^3) \sum_i b_i k_i + (\theta^3 - \theta^2)\, f_1\Bigr),

or a straight line.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from fractions import Fraction
from typing import Any

from ..core.errors import InputError
from ..solvers import ImplicitTableau, implicit_runge_kutta, tableaus
from ..solvers.tableau import hermite

__all__ = ["IMPLICIT", "implicit_interpolant", "implicit_options"]


def _on_grid(tableau: ImplicitTableau) -> Any:
    """Return the method without its error estimate, and without the stages that nothing else needs."""
    late = tableau.late
    dense, dense_order = tableau.dense, tableau.dense_order
    if late < tableau.stages:
        dense, dense_order = _cubic(tableau.b[:late]), min(tableau.order, 3)
    return implicit_runge_kutta(
        replace(
            tableau,
            a=tuple(row[:late] for row in tableau.a[:late]),
            b=tableau.b[:late],
            c=tableau.c[:late],
            error=None,
            error_order=None,
            damping=None,
            dense=dense,
            dense_order=dense_order,
        )
    )


def _cubic(b: tuple[float, ...]) -> tuple[tuple[float, ...], ...]:
    rows = hermite((*(Fraction(weight) for weight in b), Fraction(0)), True)
    return tuple(tuple(float(entry) for entry in row) for row in rows)


IMPLICIT: dict[str, tuple[Any, str]] = {
    "implicit_euler": (_on_grid(tableaus.IMPLICIT_EULER), "first order, L-stable, on a grid"),
    "implicit_midpoint": (_on_grid(tableaus.IMPLICIT_MIDPOINT), "second order, symplectic, on a grid"),
    "trapezoid": (_on_grid(tableaus.TRAPEZOID), "Crank and Nicolson's rule, second order, on a grid"),
    "radauiia3": (_on_grid(tableaus.RADAU_IIA3), "third order, L-stable, on a grid"),
    "radauiia5": (_on_grid(tableaus.RADAU_IIA5), "fifth order, L-stable, on a grid"),
    "gl4": (_on_grid(tableaus.GAUSS4), "Gauss-Legendre, fourth order, symplectic, on a grid"),
    "gl6": (_on_grid(tableaus.GAUSS6), "Gauss-Legendre, sixth order, symplectic, on a grid"),
    "sdirk2": (_on_grid(tableaus.SDIRK2), "Alexander's method of second order, L-stable, on a grid"),
    "trbdf2": (_on_grid(tableaus.TR_BDF2), "trapezoid and BDF2, second order, L-stable, on a grid"),
}
"""torchdiffeq's names, which its users write `radauIIA3` and `radauIIA5`, each with its method and a summary."""


def implicit_options(method: Any) -> tuple[str, ...]:
    """Return the options that only an implicit method has: none of another."""
    return ("max_iters",) if getattr(method, "implicit", False) else ()


@functools.cache
def _joined(method: Any, interp: str) -> Any:
    tableau: ImplicitTableau = method.tableau
    dense: tuple[tuple[float, ...], ...]
    if interp == "linear":
        dense, order = tuple((weight,) for weight in tableau.b), 1
    else:
        dense, order = _cubic(tableau.b), min(tableau.order, 3)
    return implicit_runge_kutta(replace(tableau, dense=dense, dense_order=order))


def implicit_interpolant(method: Any, options: dict[str, Any]) -> Any:
    """Return the method with the interpolant that `interp` asks for, its own where that is not given.

    Raises:
        InputError: `max_iters`, which has no effect, is not what it is for torchdiffeq.
    """
    most = options.get("max_iters", 1)
    if not (isinstance(most, int) and most >= 1):
        raise InputError(f"options['max_iters'] is a whole number of at least 1; got {most!r}")
    return _joined(method, options["interp"]) if "interp" in options else method
