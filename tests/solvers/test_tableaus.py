"""Exact algebra over every explicit tableau: sums, order conditions of step, embedded solution and interpolant.

Coefficients are exact fractions of what is written in the source, so for a rational method every residual is exactly
zero. The others are published as decimals, or as fractions near an irrational number; their bounds below follow from
the digits.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from math import log2

import numpy as np
import pytest
from scipy.integrate import DOP853, RK23, RK45
from scipy.integrate._ivp import dop853_coefficients

from legato.solvers import tableaus
from legato.solvers.rooted_trees import density, node_count, rooted_trees, stage_weights
from legato.solvers.tableau import Tableau

ALL = {name: getattr(tableaus, name) for name in tableaus.__all__ if isinstance(getattr(tableaus, name), Tableau)}
EMBEDDED = {name: tableau for name, tableau in ALL.items() if tableau.error is not None}
THETAS = [Fraction(0), Fraction(1, 4), Fraction(1, 2), Fraction(3, 4), Fraction(1)]

# How far a condition of the step may be off. Tsit5: 40 decimals, at most 50 in the sum of a condition's terms. DOP853:
# 30 digits, terms up to 1e2. Dopri8: fractions with denominators near 1e9, so within 1e-18 of what they stand for.
STEP = {"TSIT5": 1e-36, "DOP853": 1e-26, "DOPRI8": 1e-16}
# The same for the interpolant. Tsit5's has entries up to 88 with 16 to 18 digits; Dopri8's solves conditions that hold
# to 1e-18 only, amplified by entries up to 733.
DENSE = {"TSIT5": 1e-14, "DOP853": 1e-24, "DOPRI8": 1e-14}
# A condition one order higher must fail by more than any of these could explain.
FAILS = 1e-7


def every(names: dict[str, Tableau]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("name", "tableau"), names.items(), ids=list(names))


def matrix(tableau: Tableau) -> tuple[tuple[Fraction, ...], ...]:
    """The rows of all slopes that the interpolant uses."""
    exact = tableau.exact
    return (*exact.a, *exact.extra_a) if tableau.first_same_as_last else (*exact.a, exact.b)


def off(tableau: Tableau, weights: tuple[Fraction, ...], order: int, theta: Fraction = Fraction(1)) -> Fraction:
    """The largest residual of the conditions of exactly this order, at one theta."""
    rows = matrix(tableau)[: len(weights)]
    slopes = stage_weights(rows, order, one=Fraction(1))
    targets = {tree: theta**order / density(tree) for tree in rooted_trees(order)}
    sums = {tree: sum(x * y for x, y in zip(weights, slopes[tree], strict=True)) for tree in targets}
    return max(abs(sums[tree] - target) for tree, target in targets.items())


def at(tableau: Tableau, theta: Fraction) -> tuple[Fraction, ...]:
    """b(theta), exactly."""
    return tuple(sum(x * theta**n for n, x in enumerate(row, start=1)) for row in tableau.exact.dense)


def slope(tableau: Tableau, theta: Fraction) -> tuple[Fraction, ...]:
    """The derivative of b(theta), exactly."""
    return tuple(sum(n * x * theta ** (n - 1) for n, x in enumerate(row, start=1)) for row in tableau.exact.dense)


def unit(tableau: Tableau, index: int) -> tuple[int, ...]:
    return tuple(int(index == i) for i in range(tableau.total_stages))


def apart(left: tuple[Fraction, ...], right: tuple[Fraction | int, ...]) -> Fraction:
    return max(abs(x - y) for x, y in zip(left, right, strict=True))


@every(ALL)
def test_the_nodes_are_the_row_sums_and_the_weights_sum_to_one(name: str, tableau: Tableau) -> None:
    exact = tableau.exact
    bound = STEP.get(name, 0)
    for row, node in zip((*exact.a, *exact.extra_a), (*exact.c, *exact.extra_c), strict=True):
        assert abs(sum(row) - node) <= bound
    assert abs(sum(exact.b) - 1) <= bound
    for weights in (exact.error, exact.error_low):
        assert weights is None or abs(sum(weights)) <= bound


@every(ALL)
def test_the_floats_are_the_fractions_rounded_once(name: str, tableau: Tableau) -> None:
    for field, exact in tableau.exact._asdict().items():
        got = getattr(tableau, field)
        if exact is not None:
            assert repr(got) == repr(tuple(tuple(map(float, x)) if isinstance(x, tuple) else float(x) for x in exact))


@every(ALL)
def test_the_step_meets_every_condition_of_its_order_and_none_of_the_next(name: str, tableau: Tableau) -> None:
    for order in range(1, tableau.order + 1):
        assert off(tableau, tableau.exact.b, order) <= STEP.get(name, 0)
    assert off(tableau, tableau.exact.b, tableau.order + 1) > FAILS


@every(EMBEDDED)
def test_the_embedded_solutions_meet_every_condition_of_their_order_and_not_all_of_the_next(
    name: str, tableau: Tableau
) -> None:
    pairs = [(tableau.exact.error, tableau.embedded_order), (tableau.exact.error_low, tableau.embedded_low_order)]
    for error, embedded in pairs:
        if error is None or embedded is None:
            continue
        hat = tuple(x - y for x, y in zip(tableau.exact.b, error, strict=True))
        for order in range(1, embedded + 1):
            assert off(tableau, hat, order) <= STEP.get(name, 0)
        assert off(tableau, hat, embedded + 1) > FAILS


@every(ALL)
def test_the_interpolant_meets_every_condition_of_its_order_at_every_theta_and_misses_the_next(
    name: str, tableau: Tableau
) -> None:
    for theta in THETAS:
        for order in range(1, tableau.dense_order + 1):
            assert off(tableau, at(tableau, theta), order, theta) <= DENSE.get(name, 0)
    assert off(tableau, at(tableau, Fraction(1, 3)), tableau.dense_order + 1, Fraction(1, 3)) > FAILS


@every(ALL)
def test_the_interpolant_joins_both_ends_with_their_values_and_slopes(name: str, tableau: Tableau) -> None:
    bound = DENSE.get(name, 0)
    padding = (Fraction(0),) * (tableau.total_stages - tableau.stages)
    end = tableau.stages - 1 if tableau.first_same_as_last else tableau.stages
    assert apart(at(tableau, Fraction(1)), (*tableau.exact.b, *padding)) <= bound
    assert apart(slope(tableau, Fraction(0)), unit(tableau, 0)) == 0
    assert apart(slope(tableau, Fraction(1)), unit(tableau, end)) <= 10 * bound


@every(ALL)
def test_the_error_inside_one_step_shrinks_with_one_power_more_than_the_dense_order(
    name: str, tableau: Tableau
) -> None:
    """`y' = -2 t y^2`, y = 1 / (1 + t^2) from t = 1/3: non-autonomous, nonlinear, and exact in decimals.

    The steps are small enough for the leading term to rule, except for Dopri8, whose fractions are good to 1e-18 only.
    """
    halvings = (4, 5) if name == "DOPRI8" else (8, 10)
    with localcontext() as context:
        context.prec = 60
        steps = [Decimal(1) / 2**n for n in halvings]
        errors = [max(local_error(tableau, h, Decimal(n) / 5) for n in (1, 2, 3, 4)) for h in steps]
    measured = log2(errors[0] / errors[1]) / (halvings[1] - halvings[0])
    assert measured == pytest.approx(tableau.dense_order + 1, abs=0.2)


def local_error(tableau: Tableau, h: Decimal, theta: Decimal) -> Decimal:
    t0 = Decimal(1) / 3
    y0 = 1 / (1 + t0**2)
    rows = matrix(tableau)
    slopes: list[Decimal] = []
    for row in rows:
        node = decimal(sum(row, start=Fraction(0)))
        y = y0 + h * sum((decimal(x) * k for x, k in zip(row, slopes, strict=True)), start=Decimal(0))
        slopes.append(-2 * (t0 + node * h) * y**2)
    weights = [sum(decimal(x) * theta**n for n, x in enumerate(row, start=1)) for row in tableau.exact.dense]
    value = y0 + h * sum((w * k for w, k in zip(weights, slopes, strict=True)), start=Decimal(0))
    return abs(value - 1 / (1 + (t0 + theta * h) ** 2))


def decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


@pytest.mark.parametrize(("peer", "ours"), [(RK23, tableaus.BOSH3), (RK45, tableaus.DOPRI5)])
def test_scipy_has_the_same_table(peer: type, ours: Tableau) -> None:
    count = ours.stages - 1
    for index in range(count):
        np.testing.assert_allclose(peer.A[index, :index], ours.a[index], rtol=1e-15)
    np.testing.assert_allclose(peer.B, ours.b[:-1], rtol=1e-15)
    np.testing.assert_allclose(peer.C, ours.c[:-1], rtol=1e-15)
    # SciPy's sign is the other one; its weights are written out, ours are differences.
    np.testing.assert_allclose(-peer.E, ours.error, atol=1e-16)
    np.testing.assert_allclose(peer.P, ours.dense, atol=1e-15)


def test_scipy_has_the_same_table_for_dop853() -> None:
    ours = tableaus.DOP853
    peer = dop853_coefficients
    for index, row in enumerate((*ours.a, *ours.extra_a)):
        np.testing.assert_array_equal(peer.A[index, :index], row)
    np.testing.assert_array_equal(peer.C, (*ours.c, *ours.extra_c))
    np.testing.assert_array_equal(peer.E5, ours.error)
    np.testing.assert_allclose(peer.E3, ours.error_low, atol=1e-16)


@pytest.mark.parametrize(("peer", "ours"), [(RK23, tableaus.BOSH3), (RK45, tableaus.DOPRI5), (DOP853, tableaus.DOP853)])
def test_one_step_of_scipy_and_its_dense_output_are_ours(peer: type, ours: Tableau) -> None:
    def field(t: float, y: np.ndarray) -> np.ndarray:
        return np.array([np.cos(t) * y[1] + t, -np.sin(y[0]) * y[1]])

    y0 = np.array([0.7, -1.3])
    solver = peer(field, 0.2, y0, t_bound=3.0, first_step=0.4, rtol=10.0, atol=10.0)
    solver.step()
    h = solver.t - 0.2
    slopes = np.zeros((ours.total_stages, 2))
    for index, row in enumerate((*ours.a, *ours.extra_a)):
        node = (*ours.c, *ours.extra_c)[index]
        slopes[index] = field(0.2 + node * h, y0 + h * np.array(row) @ slopes[:index])
    interpolant = solver.dense_output()
    for theta in (0.0, 0.1, 0.35, 0.5, 0.9, 1.0):
        weights = np.array(ours.dense) @ theta ** np.arange(1, len(ours.dense[0]) + 1)
        # The interpolant of DOP853 has coefficients up to 550, whose rounding is what the bound allows.
        np.testing.assert_allclose(y0 + h * weights @ slopes, interpolant(0.2 + theta * h), atol=1e-13)


def test_the_methods_have_the_orders_stages_and_dense_orders_of_the_literature() -> None:
    # order, order of the error estimate, stages, first same as last, dense order, extra stages
    expected = {
        "EULER": (1, None, 1, False, 1, 0),
        "MIDPOINT": (2, None, 2, False, 2, 0),
        "HEUN2": (2, None, 2, False, 2, 0),
        "RALSTON": (2, None, 2, False, 2, 0),
        "ADAPTIVE_HEUN": (2, 1, 2, False, 2, 0),
        "FEHLBERG2": (2, 1, 3, False, 2, 0),
        "HEUN3": (3, None, 3, False, 3, 0),
        "BOSH3": (3, 2, 4, True, 3, 0),
        "RK4": (4, None, 4, False, 3, 0),
        "RK38": (4, None, 4, False, 3, 0),
        "DOPRI5": (5, 4, 7, True, 4, 0),
        "TORCHDIFFEQ_DOPRI5": (5, 4, 7, True, 4, 0),
        "TSIT5": (5, 4, 7, True, 4, 0),
        "DOPRI8": (8, 7, 14, True, 7, 3),
        "DOP853": (8, 7, 13, True, 7, 3),
    }
    got = {
        name: (t.order, t.error_order, t.stages, t.first_same_as_last, t.dense_order, len(t.extra_a))
        for name, t in ALL.items()
    }
    assert got == expected


@every(ALL)
def test_no_stage_leaves_the_step(name: str, tableau: Tableau) -> None:
    assert tableau.reach == (0.0, 1.0)


def test_torchdiffeqs_dopri5_has_two_thirds_of_the_error_weights_of_1980() -> None:
    pair = zip(tableaus.TORCHDIFFEQ_DOPRI5.exact.error or (), tableaus.DOPRI5.exact.error or (), strict=True)
    assert all(3 * theirs == 2 * ours for theirs, ours in pair)


def test_the_interpolant_of_dopri5_is_the_quartic_through_shampines_middle_value() -> None:
    # L. F. Shampine, Some practical Runge-Kutta formulas, 1986: twice the weights of y at theta = 1/2. With both ends
    # and their slopes, which another test holds, that value determines a quartic.
    twice = [
        "6025192743/30085553152",
        "0",
        "51252292925/65400821598",
        "-2691868925/45128329728",
        "187940372067/1594534317056",
        "-1776094331/19743644256",
        "11237099/235043384",
    ]
    assert at(tableaus.DOPRI5, Fraction(1, 2)) == tuple(Fraction(x) / 2 for x in twice)
    assert {len(row) for row in tableaus.DOPRI5.dense} == {4}


def test_fourteen_slopes_of_dopri8_allow_no_interpolant_of_order_six_and_seventeen_one_of_order_seven() -> None:
    """The conditions are linear in the coefficients of every power of theta: solvable, or not."""

    def unsolved(rows: tuple[tuple[float, ...], ...], order: int) -> float:
        slopes = stage_weights(rows, order, one=1.0)
        table = np.array(list(slopes.values()))
        targets = [[(node_count(tree) == n) / density(tree) for n in range(1, order + 1)] for tree in slopes]
        solution = np.linalg.lstsq(table, np.array(targets), rcond=1e-12)[0]
        return float(np.abs(table @ solution - targets).max())

    tableau = tableaus.DOPRI8
    assert unsolved(tableau.a, 5) < 1e-12
    assert unsolved(tableau.a, 6) > 1e-4
    assert unsolved((*tableau.a, *tableau.extra_a), 7) < 1e-11
