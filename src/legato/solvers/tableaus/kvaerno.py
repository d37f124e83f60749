"""Kvaerno's stiffly accurate methods of order three, four and five, with an explicit first stage.

The last stage is the end of the step; the embedded solution is the stage before it. Coefficients of the first two are
written as the functions of gamma that the article gives.

Source: A. Kvaerno, Singly diagonally implicit Runge-Kutta methods with an explicit first stage, 2004.
"""

from __future__ import annotations

from fractions import Fraction

from ..implicit_tableau import ImplicitTableau
from .continuous import continuous_extension

__all__ = ["KVAERNO3", "KVAERNO4", "KVAERNO5"]

_SOURCE = "A. Kvaerno, Singly diagonally implicit Runge-Kutta methods with an explicit first stage, 2004"
_Row = list[Fraction]


def _third(g: Fraction) -> list[_Row]:
    """Return the stage matrix of the method of order three."""
    return [
        [Fraction(0)],
        [g, g],
        [(-4 * g**2 + 6 * g - 1) / (4 * g), (-2 * g + 1) / (4 * g), g],
        [(6 * g - 1) / (12 * g), -1 / ((24 * g - 12) * g), (-6 * g**2 + 6 * g - 1) / (6 * g - 3), g],
    ]


def _fourth(g: Fraction) -> list[_Row]:
    """Return the stage matrix of the method of order four."""
    p, q, r = 12 * g**2 - 6 * g + 1, 12 * g**2 - 9 * g + 2, 3 * g - 1
    return [
        [Fraction(0)],
        [g, g],
        [
            (144 * g**4 - 180 * g**3 + 81 * g**2 - 15 * g + 1) * g / p**2,
            (-36 * g**3 + 39 * g**2 - 15 * g + 2) * g / p**2,
            g,
        ],
        [
            (-144 * g**5 + 396 * g**4 - 330 * g**3 + 117 * g**2 - 18 * g + 1) / (12 * g**2 * q),
            (72 * g**4 - 126 * g**3 + 69 * g**2 - 15 * g + 1) / (12 * g**2 * r),
            (-6 * g**2 + 6 * g - 1) * p**2 / (12 * g**2 * q * r),
            g,
        ],
        [
            (288 * g**4 - 312 * g**3 + 120 * g**2 - 18 * g + 1) / (48 * g**2 * q),
            (24 * g**2 - 12 * g + 1) / (48 * g**2 * r),
            -(p**3) / (48 * g**2 * r * q * (6 * g**2 - 6 * g + 1)),
            (-24 * g**3 + 36 * g**2 - 12 * g + 1) / (24 * g**2 - 24 * g + 4),
            g,
        ],
    ]


def _difference(rows: list[_Row]) -> _Row:
    """Return the last row less the one before."""
    last, before = rows[-1], [*rows[-2], Fraction(0)]
    return [left - right for left, right in zip(last, before, strict=True)]


def _pair(rows: list[_Row], order: int, name: str) -> ImplicitTableau:
    return ImplicitTableau.from_lists(
        rows,
        rows[-1],
        order=order,
        error=_difference(rows),
        dense=continuous_extension(rows, order=order - 1),
        dense_order=order - 1,
        name=name,
        source=_SOURCE,
    )


# Roots of 6 g^3 - 18 g^2 + 9 g - 1 and of 24 g^4 - 96 g^3 + 72 g^2 - 16 g + 1: L-stability.
KVAERNO3 = _pair(_third(Fraction("0.43586652150845899941601945119355")), 3, "Kvaerno3")
KVAERNO4 = _pair(_fourth(Fraction("0.57281606248213485540800138497676")), 4, "Kvaerno4")

_DIAGONAL = Fraction("0.26")
_FIFTH: list[_Row] = [
    [Fraction(entry) for entry in row]
    for row in (
        ["0"],
        ["0.26", "0.26"],
        ["0.13", "0.84033320996790809", "0.26"],
        ["0.22371961478320505", "0.47675532319799699", "-0.06470895363112615", "0.26"],
        ["0.16648564323248321", "0.10450018841591720", "0.03631482272098715", "-0.13090704451073998", "0.26"],
        ["0.13855640231268224", "0", "-0.04245337201752043", "0.02446657898003141", "0.61943039072480676", "0.26"],
        [
            "0.13659751177640291",
            "0",
            "-0.05496908796538376",
            "-0.04118626728321046",
            "0.62993304899016403",
            "0.06962479448202728",
            "0.26",
        ],
    )
]
KVAERNO5 = _pair(_FIFTH, 5, "Kvaerno5")
