"""Implicit methods of order one and two.

Their error estimates are differences of two quadratures over the slopes of the step, one of which may need a stage
that y1 does not; where the method damps stiff components the estimate is filtered, so that it does too.
"""

from __future__ import annotations

from fractions import Fraction

from ..implicit_tableau import ImplicitTableau
from .continuous import continuous_extension
from .roots import root

__all__ = ["IMPLICIT_EULER", "IMPLICIT_MIDPOINT", "SDIRK2", "TRAPEZOID", "TR_BDF2"]

IMPLICIT_EULER = ImplicitTableau.from_lists(
    [[0, 0], [0, 1]],
    [0, 1],
    order=1,
    dense=[[0], [1]],
    b_hat=["1/2", "1/2"],
    error_order=1,
    damping=1,
    name="ImplicitEuler",
    source="L. Euler, Institutionum calculi integralis I, 1768, with the trapezoidal rule embedded",
)

# The third stage lies on the cubic through both ends; with it the embedded solution is Simpson's rule.
TRAPEZOID = ImplicitTableau.from_lists(
    [[0], ["1/2", "1/2"], ["3/8", "1/8", 0]],
    ["1/2", "1/2", 0],
    order=2,
    b_hat=["1/6", "1/6", "2/3"],
    error_order=2,
    damping="1/2",
    name="Trapezoid",
    source="J. Crank, P. Nicolson, A practical method for numerical evaluation of solutions of partial differential "
    "equations of the heat-conduction type, 1947, with Simpson's rule embedded",
)

# The third stage is the slope at the end, the fourth lies on the cubic through both ends; with them the embedded
# solution is Simpson's rule. (With the stage in the middle itself it would be the method's own on linear problems.)
IMPLICIT_MIDPOINT = ImplicitTableau.from_lists(
    [[0], [0, "1/2"], [0, 1, 0], ["1/8", "1/2", "-1/8", 0]],
    [0, 1, 0, 0],
    order=2,
    b_hat=["1/6", 0, "1/6", "2/3"],
    error_order=2,
    damping="1/2",
    name="ImplicitMidpoint",
    source="J. C. Butcher, Implicit Runge-Kutta processes, 1964, with Simpson's rule embedded",
)

_ALEXANDER = 1 - root(2) / 2
_SDIRK2 = [[Fraction(0)], [Fraction(0), _ALEXANDER], [Fraction(0), 1 - _ALEXANDER, _ALEXANDER]]
SDIRK2 = ImplicitTableau.from_lists(
    _SDIRK2,
    _SDIRK2[-1],
    order=2,
    dense=continuous_extension(_SDIRK2, order=2),
    # the quadrature of order three over the nodes 0, gamma and 1
    b_hat=[
        Fraction(1, 2) - 1 / (6 * _ALEXANDER),
        1 / (6 * _ALEXANDER * (1 - _ALEXANDER)),
        (2 - 3 * _ALEXANDER) / (6 * (1 - _ALEXANDER)),
    ],
    error_order=2,
    damping=_ALEXANDER,
    name="SDIRK2",
    source="R. Alexander, Diagonally implicit Runge-Kutta methods for stiff ODEs, 1977",
)

_WEIGHT, _DIAGONAL = root(2) / 4, 1 - root(2) / 2
_TR_BDF2 = [[Fraction(0)], [_DIAGONAL, _DIAGONAL], [_WEIGHT, _WEIGHT, _DIAGONAL]]
TR_BDF2 = ImplicitTableau.from_lists(
    _TR_BDF2,
    _TR_BDF2[-1],
    order=2,
    dense=continuous_extension(_TR_BDF2, order=2),
    b_hat=[(1 - _WEIGHT) / 3, (3 * _WEIGHT + 1) / 3, _DIAGONAL / 3],
    error_order=2,
    damping=_DIAGONAL,
    name="TR-BDF2",
    source="R. E. Bank et al., Transient simulation of silicon devices and circuits, 1985; M. E. Hosea, "
    "L. F. Shampine, Analysis and implementation of TR-BDF2, 1996",
)
