r"""The polynomials of the Adams methods, exact, from slopes at the nodes :math:`0, -1, \dots, -(n-1)`.

With :math:`L_i` the Lagrange polynomials of the nodes, :math:`B_i(s) = \int_0^s L_i`, and :math:`w(s) = \prod (s + j)`
the polynomial that vanishes at all of them, everything that the methods need is a value of one of

.. math::
    B_i,\; L_i = B_i', \qquad w, \qquad u = \int_0^s w, \qquad v = \int_0^s \sigma w(\sigma)\, d\sigma .

Reference: E. Hairer, S. P. Norsett, G. Wanner, Solving Ordinary Differential Equations I, 1993, section III.1.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from .tableau import Tableau

__all__ = ["Polynomials", "extrapolated", "polynomials", "value"]

Powers = tuple[float, ...]


class Polynomials(NamedTuple):
    """Coefficients of s^0, s^1, ... of the polynomials of some nodes.

    Attributes:
        integrals: the B_i, by node.
        slopes: the L_i.
        vanishing: w.
        area, moment: u and v.
    """

    integrals: tuple[Powers, ...]
    slopes: tuple[Powers, ...]
    vanishing: Powers
    area: Powers
    moment: Powers


@functools.cache
def polynomials(count: int) -> Polynomials:
    """Return the polynomials of `count` nodes."""
    nodes = range(count)
    vanishing = _product(nodes)
    slopes = []
    for node in nodes:
        others = [other for other in nodes if other != node]
        scale = Fraction(1)
        for other in others:
            scale *= Fraction(1, other - node)
        slopes.append([scale * part for part in _product(others)])
    return Polynomials(
        tuple(_floats(_integral(slope)) for slope in slopes),
        tuple(_floats(slope) for slope in slopes),
        _floats(vanishing),
        _floats(_integral(vanishing)),
        _floats(_integral([Fraction(0), *vanishing])),
    )


def value(powers: Sequence[float], s: Any) -> Any:
    """Return a polynomial's value at a number or a tensor."""
    total: Any = powers[-1]
    for part in reversed(powers[:-1]):
        total = total * s + part
    return total


@functools.cache
def extrapolated(order: int) -> Tableau:
    """Return the explicit midpoint rule in 2, 4, ..., `order` parts, extrapolated to its even order, as a tableau.

    Its order conditions are checked up to the eighth order, beyond which there are too many.

    Reference: W. B. Gragg, On extrapolation algorithms for ordinary initial value problems, 1965.
    """
    parts = range(2, order + 1, 2)
    count = 1 + sum(part - 1 for part in parts)
    rows: list[list[Fraction]] = [[]]
    weights = [Fraction(0)] * count
    for part in parts:
        share = Fraction(1)
        for other in parts:
            if other != part:
                share *= Fraction(part**2, part**2 - other**2)
        first = len(rows)
        for place in range(1, part):
            row = [Fraction(0)] * len(rows)
            if place == 1:
                row[0] = Fraction(1, part)
            else:
                # y at an odd place hangs on the start by an Euler step, at an even one by none.
                row[0] = Fraction(1, part) if place % 2 else Fraction(0)
                for before in range(place - 1, 0, -2):
                    row[first + before - 1] = Fraction(2, part)
            rows.append(row)
        for place in range(1, part, 2):
            weights[first + place - 1] += share * Fraction(2, part)
    return Tableau.from_lists(
        rows,
        weights,
        order=min(order, 8),
        name=f"Extrapolated{order}",
        source="W. B. Gragg, On extrapolation algorithms for ordinary initial value problems, 1965",
    )


def _product(nodes: Sequence[int]) -> list[Fraction]:
    """Return the coefficients of the product of all `s + node`."""
    powers = [Fraction(1)]
    for node in nodes:
        raised, same = [Fraction(0), *powers], [*powers, Fraction(0)]
        powers = [one + node * other for one, other in zip(raised, same, strict=True)]
    return powers


def _integral(powers: Sequence[Fraction]) -> list[Fraction]:
    return [Fraction(0), *(part / (power + 1) for power, part in enumerate(powers))]


def _floats(powers: Sequence[Fraction]) -> Powers:
    return tuple(float(part) for part in powers)
