"""Kutta's two methods of order four.

Four stages and f(t1, y1) allow no interpolant of order four, so theirs is the cubic Hermite polynomial, of order three.
"""

from __future__ import annotations

from ..tableau import Tableau

__all__ = ["RK4", "RK38"]

_SOURCE = "W. Kutta, Beitrag zur naeherungsweisen Integration totaler Differentialgleichungen, 1901"

RK4 = Tableau.from_lists(
    [[], ["1/2"], [0, "1/2"], [0, 0, 1]],
    ["1/6", "1/3", "1/3", "1/6"],
    order=4,
    name="RK4",
    source=_SOURCE,
)

RK38 = Tableau.from_lists(
    [[], ["1/3"], ["-1/3", 1], [1, -1, 1]],
    ["1/8", "3/8", "3/8", "1/8"],
    order=4,
    name="RK38",
    source=_SOURCE + " (3/8 rule)",
)
