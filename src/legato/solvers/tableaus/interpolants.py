"""Published interpolants, rewritten as rows of b_i(theta).

Sources print them in nested forms; a tableau wants the coefficients of theta, theta^2, ... for each stage. All
arithmetic is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from ..tableau import Number

__all__ = ["hairer_form"]

Polynomial = list[Fraction]


def hairer_form(b: Sequence[Number], rows: Sequence[Sequence[Number]]) -> list[Polynomial]:
    """Expand the nested form of Hairer's codes for a method that is first-same-as-last.

    With x = theta, z = 1 - theta and d the increment h b.k, the interpolant is

        y0 + x (d + z (r1 + x (r2 + z (r3 + x (r4 + ...))))),

    r1 = h f0 - d, r2 = d - h f1 - r1, and r_m = h sum_i D_mi k_i from m = 3 on.

    Arguments:
        b: weights, one per stage; the last stage is f(t1, y1).
        rows: the D_m for m = 3, 4, ..., each with one entry per stage and extra stage.

    Returns:
        A row per stage and extra stage: the coefficients of theta, theta^2, ...

    Source: E. Hairer, S. P. Norsett, G. Wanner, Solving Ordinary Differential Equations I, 1993, section II.6.
    """
    exact = [[Fraction(entry) for entry in row] for row in rows]
    stages, total = len(b), len(exact[0])
    basis: list[Polynomial] = [[Fraction(0), Fraction(1)]]
    for level in range(1, len(exact) + 3):
        basis.append(_times(basis[-1], [1, -1] if level % 2 else [0, 1]))
    dense: list[Polynomial] = []
    for index in range(total):
        weight = Fraction(b[index]) if index < stages else Fraction(0)
        first = Fraction(index == 0)
        last = Fraction(index == stages - 1)
        levels: Polynomial = [weight, first - weight, 2 * weight - first - last, *(row[index] for row in exact)]
        column = [Fraction(0)] * len(basis[-1])
        for rung, polynomial in zip(levels, basis, strict=True):
            for power, factor in enumerate(polynomial):
                column[power] += rung * factor
        dense.append(column[1:])
    return dense


def _times(left: Polynomial, right: Sequence[int]) -> Polynomial:
    product = [Fraction(0)] * (len(left) + len(right) - 1)
    for i, coefficient in enumerate(left):
        for j, factor in enumerate(right):
            product[i + j] += coefficient * factor
    return product
