"""Tableaus that differ in torchdiffeq, for like-for-like runs; not in the catalogue.

Its `dopri5` takes the error weights of Shampine (1986), which are two thirds of those of 1980 in every entry, so its
steps are longer by the factor 1.5^(1/5), 8 %, at the same tolerance. Stages, weights and the interpolant are those of
`DOPRI5`: the quartic through its middle value is the same polynomial. The error weights of its `bosh3`, `dopri8` and
`fehlberg2` are ours, and those of its `adaptive_heun` ours with the other sign, which no norm sees.
"""

from __future__ import annotations

from fractions import Fraction

from ..tableau import Number, Tableau
from .dopri5 import DOPRI5, STAGES, WEIGHTS

__all__ = ["TORCHDIFFEQ_DOPRI5"]

_EMBEDDED: list[Number] = [
    "1951/21600",
    0,
    "22642/50085",
    "451/720",
    "-12231/42400",
    "649/6300",
    Fraction(1, 60),
]

TORCHDIFFEQ_DOPRI5 = Tableau.from_lists(
    STAGES,
    WEIGHTS,
    order=5,
    b_hat=_EMBEDDED,
    dense=DOPRI5.exact.dense,
    dense_order=4,
    name="Dopri5 (torchdiffeq)",
    source="J. R. Dormand, P. J. Prince, A family of embedded Runge-Kutta formulae, 1980; "
    "error weights: L. F. Shampine, Some practical Runge-Kutta formulas, 1986",
)
