"""Runge-Kutta methods of order one to three.

Their interpolant is the cubic Hermite polynomial of both ends, whose order is the method's own.
"""

from __future__ import annotations

from ..tableau import Tableau

__all__ = ["ADAPTIVE_HEUN", "BOSH3", "EULER", "FEHLBERG2", "HEUN2", "HEUN3", "MIDPOINT", "RALSTON"]

EULER = Tableau.from_lists(
    [[]],
    [1],
    order=1,
    name="Euler",
    source="L. Euler, Institutionum calculi integralis I, 1768",
)

MIDPOINT = Tableau.from_lists(
    [[], ["1/2"]],
    [0, 1],
    order=2,
    name="Midpoint",
    source="C. Runge, Ueber die numerische Aufloesung von Differentialgleichungen, 1895",
)

HEUN2 = Tableau.from_lists(
    [[], [1]],
    ["1/2", "1/2"],
    order=2,
    name="Heun2",
    source="K. Heun, Neue Methoden zur approximativen Integration, 1900",
)

RALSTON = Tableau.from_lists(
    [[], ["2/3"]],
    ["1/4", "3/4"],
    order=2,
    name="Ralston",
    source="A. Ralston, Runge-Kutta methods with minimum error bounds, 1962",
)

HEUN3 = Tableau.from_lists(
    [[], ["1/3"], [0, "2/3"]],
    ["1/4", 0, "3/4"],
    order=3,
    name="Heun3",
    source="K. Heun, Neue Methoden zur approximativen Integration, 1900",
)

FEHLBERG2 = Tableau.from_lists(
    [[], ["1/2"], ["1/256", "255/256"]],
    ["1/512", "255/256", "1/512"],
    order=2,
    b_hat=["1/256", "255/256", 0],
    name="Fehlberg2",
    source="E. Fehlberg, Low-order classical Runge-Kutta formulas with step size control (NASA TR R-315), 1969",
)

ADAPTIVE_HEUN = Tableau.from_lists(
    [[], [1]],
    ["1/2", "1/2"],
    order=2,
    b_hat=[1, 0],
    name="AdaptiveHeun",
    source="K. Heun, Neue Methoden zur approximativen Integration, 1900, with Euler embedded",
)

BOSH3 = Tableau.from_lists(
    [[], ["1/2"], [0, "3/4"], ["2/9", "1/3", "4/9"]],
    ["2/9", "1/3", "4/9", 0],
    order=3,
    b_hat=["7/24", "1/4", "1/3", "1/8"],
    name="Bosh3",
    source="P. Bogacki, L. F. Shampine, A 3(2) pair of Runge-Kutta formulas, 1989",
)
