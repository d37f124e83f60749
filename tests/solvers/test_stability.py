"""Linear stability against what is known in closed form."""

from __future__ import annotations

from fractions import Fraction
from math import factorial

import pytest

from legato.solvers.stability import polynomial, real_interval
from legato.solvers.tableau import Tableau
from legato.solvers.tableaus import BOSH3, DOPRI5, EULER, HEUN3, MIDPOINT, RK4, RK38


@pytest.mark.parametrize(("tableau", "order"), [(EULER, 1), (MIDPOINT, 2), (HEUN3, 3), (RK4, 4), (RK38, 4), (BOSH3, 3)])
def test_where_the_propagating_stages_equal_the_order_the_polynomial_is_the_exponential_series(
    tableau: Tableau, order: int
) -> None:
    expected = tuple(Fraction(1, factorial(n)) for n in range(order + 1))
    assert polynomial(tableau.exact.a, tableau.exact.b) == expected


def test_dopri5_adds_z_to_the_sixth_over_600() -> None:
    # E. Hairer, G. Wanner, Solving Ordinary Differential Equations II, 1996, section IV.2.
    expected = (*(Fraction(1, factorial(n)) for n in range(6)), Fraction(1, 600))
    assert polynomial(DOPRI5.exact.a, DOPRI5.exact.b) == expected


@pytest.mark.parametrize(
    ("tableau", "interval"),
    # Euler and midpoint in closed form; the others are the roots 2.5127, 2.7853 and 3.3066 of the same reference.
    [(EULER, 2.0), (MIDPOINT, 2.0), (HEUN3, 2.5127), (RK4, 2.7853), (DOPRI5, 3.3066)],
)
def test_the_real_stability_interval_is_the_published_one(tableau: Tableau, interval: float) -> None:
    assert tableau.stability_interval == pytest.approx(interval, abs=5e-5)


def test_an_unstable_polynomial_has_no_interval() -> None:
    assert real_interval([1.0, -1.0]) == pytest.approx(0, abs=1e-8)
