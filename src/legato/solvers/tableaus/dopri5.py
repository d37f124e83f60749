"""Dormand and Prince's method of order 5(4), with the error weights of 1980 and an interpolant of order four.

The interpolant needs no further stage: it is the nested quartic of Hairer's DOPRI5, which is Shampine's of 1986.
"""

from __future__ import annotations

from ..tableau import Number, Tableau
from .interpolants import hairer_form

__all__ = ["DOPRI5", "STAGES", "WEIGHTS"]

STAGES: list[list[Number]] = [
    [],
    ["1/5"],
    ["3/40", "9/40"],
    ["44/45", "-56/15", "32/9"],
    ["19372/6561", "-25360/2187", "64448/6561", "-212/729"],
    ["9017/3168", "-355/33", "46732/5247", "49/176", "-5103/18656"],
    ["35/384", 0, "500/1113", "125/192", "-2187/6784", "11/84"],
]
WEIGHTS: list[Number] = ["35/384", 0, "500/1113", "125/192", "-2187/6784", "11/84", 0]

# The single row of D in E. Hairer, S. P. Norsett, G. Wanner, Solving Ordinary Differential Equations I, 1993, II.6.
_QUARTIC: list[Number] = [
    "-12715105075/11282082432",
    0,
    "87487479700/32700410799",
    "-10690763975/1880347072",
    "701980252875/199316789632",
    "-1453857185/822651844",
    "69997945/29380423",
]

DOPRI5 = Tableau.from_lists(
    STAGES,
    WEIGHTS,
    order=5,
    b_hat=["5179/57600", 0, "7571/16695", "393/640", "-92097/339200", "187/2100", "1/40"],
    dense=hairer_form(WEIGHTS, [_QUARTIC]),
    dense_order=4,
    name="Dopri5",
    source="J. R. Dormand, P. J. Prince, A family of embedded Runge-Kutta formulae, 1980; "
    "interpolant: L. F. Shampine, Some practical Runge-Kutta formulas, 1986",
)
