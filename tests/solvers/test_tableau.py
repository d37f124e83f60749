"""A user's own tableau: made in one call, normalised, and refused where it is wrong."""

from __future__ import annotations

import copy
import pickle
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legato.core.errors import InputError
from legato.solvers.tableau import Tableau
from legato.solvers.tableaus import ADAPTIVE_HEUN, DOP853, DOPRI5, RK4

RK4_ROWS = [[], ["1/2"], [0, "1/2"], [0, 0, 1]]
RK4_WEIGHTS = ["1/6", "1/3", "1/3", "1/6"]


def test_a_square_matrix_of_floats_makes_the_same_method_as_rows_of_fractions() -> None:
    square = [[0, 0, 0, 0], [0.5, 0, 0, 0], [0, 0.5, 0, 0], [0, 0, 1, 0]]
    mine = Tableau.from_lists(square, [1 / 6, 1 / 3, 1 / 3, 1 / 6], order=4, c=[0, 0.5, 0.5, 1])
    assert (mine.a, mine.b, mine.c, mine.dense_order) == (RK4.a, RK4.b, RK4.c, 3)
    assert mine.error is None
    assert mine.error_order is None


def test_an_error_weight_for_the_end_slope_adds_its_stage() -> None:
    rows = [list(row) for row in DOPRI5.exact.a[:-1]]
    weights = list(DOPRI5.exact.b[:-1])
    mine = Tableau.from_lists(rows, weights, order=5, error=list(DOPRI5.exact.error or ()))
    assert mine.first_same_as_last
    assert mine.stages == 7
    assert (mine.exact.a, mine.exact.b, mine.exact.c) == (DOPRI5.exact.a, DOPRI5.exact.b, DOPRI5.exact.c)
    assert mine.embedded_order == 4
    assert mine.dense_order == 3


def test_b_hat_may_hold_a_weight_for_the_end_slope() -> None:
    hat = ["7/24", "1/4", "1/3", "1/8"]
    mine = Tableau.from_lists([[], ["1/2"], [0, "3/4"]], ["2/9", "1/3", "4/9"], order=3, b_hat=hat)
    assert mine.first_same_as_last
    assert mine.exact.error == (Fraction(-5, 72), Fraction(1, 12), Fraction(1, 9), Fraction(-1, 8))


def test_an_interpolant_without_the_end_slope_gets_a_row_of_zeros_for_it() -> None:
    mine = Tableau.from_lists([[], ["1/2"]], [0, 1], order=2, dense=[[1, -1], [0, 1]], dense_order=2)
    assert mine.dense == ((1.0, -1.0), (0.0, 1.0), (0.0, 0.0))


def test_without_an_interpolant_of_its_own_a_method_gets_the_hermite_cubic() -> None:
    # (3 u^2 - 2 u^3) b_i, with u - 2 u^2 + u^3 in the first row and u^3 - u^2 in that of f(t1, y1).
    euler = Tableau.from_lists([[]], [1], order=1)
    assert euler.dense == ((1.0, 1.0, -1.0), (0.0, -1.0, 1.0))


def test_two_estimates_combine_to_the_order_of_their_quotient() -> None:
    # e5^2 / e3 is O(h^12 / h^4) = O(h^8).
    assert (DOP853.embedded_order, DOP853.embedded_low_order, DOP853.error_order) == (5, 3, 7)
    assert len(DOP853.error_weights) == 2
    assert len(ADAPTIVE_HEUN.error_weights) == 1
    assert RK4.error_weights == ()


def test_nodes_outside_the_step_show_in_its_reach() -> None:
    mine = Tableau.from_lists([[], [-1]], ["3/2", "-1/2"], order=2)
    assert mine.reach == (-1.0, 1.0)


@pytest.mark.parametrize("tableau", [RK4, DOPRI5, DOP853], ids=lambda tableau: tableau.name)
def test_a_tableau_survives_copy_and_pickle_and_hashes(tableau: Tableau) -> None:
    assert copy.deepcopy(tableau) == tableau
    assert pickle.loads(pickle.dumps(tableau)) == tableau
    assert hash(copy.deepcopy(tableau)) == hash(tableau)


@given(row=st.integers(1, 6), column=st.integers(0, 5), size=st.sampled_from([1e-8, -1e-6, 1e-3, -1.0]))
def test_a_wrong_digit_in_any_stage_is_refused(row: int, column: int, size: float) -> None:
    rows = [list(line) for line in DOPRI5.exact.a]
    rows[row][column % row] += Fraction(size)
    with pytest.raises(InputError, match="check the coefficients"):
        Tableau.from_lists(rows, list(DOPRI5.exact.b), order=5, c=list(DOPRI5.exact.c))


@given(index=st.integers(0, 6), size=st.sampled_from([1e-8, -1e-6, 1e-3]))
def test_a_wrong_digit_in_the_weights_or_the_embedded_ones_is_refused(index: int, size: float) -> None:
    rows, weights = DOPRI5.exact.a, list(DOPRI5.exact.b)
    error = list(DOPRI5.exact.error or ())
    Tableau.from_lists(rows, weights, order=5, error=error)
    error[index] += Fraction(size)
    with pytest.raises(InputError, match="b - error is not of order 4"):
        Tableau.from_lists(rows, weights, order=5, error=error)
    weights[index] += Fraction(size)
    with pytest.raises(InputError, match="b is not of order 5"):
        Tableau.from_lists(rows, weights, order=5)


@given(row=st.integers(0, 6), power=st.integers(0, 3), size=st.sampled_from([1e-8, -1e-3]))
def test_a_wrong_digit_in_the_interpolant_is_refused(row: int, power: int, size: float) -> None:
    dense = [list(line) for line in DOPRI5.exact.dense]
    dense[row][power] += Fraction(size)
    with pytest.raises(InputError, match="dense"):
        Tableau.from_lists(DOPRI5.exact.a, DOPRI5.exact.b, order=5, dense=dense, dense_order=4)


def test_a_wrong_node_is_refused_with_the_row() -> None:
    with pytest.raises(InputError, match=r"row 2 of a sums to 0\.5, but c\[2\] is 0\.25"):
        Tableau.from_lists(RK4_ROWS, RK4_WEIGHTS, order=4, c=[0, "1/2", "1/4", 1])


def test_an_order_that_is_claimed_too_high_is_refused() -> None:
    with pytest.raises(InputError, match="b is not of order 5"):
        Tableau.from_lists(RK4_ROWS, RK4_WEIGHTS, order=5)
    with pytest.raises(InputError, match="dense is not of order 4"):
        Tableau.from_lists(RK4_ROWS, RK4_WEIGHTS, order=4, dense_order=4)


def test_an_implicit_tableau_is_refused() -> None:
    with pytest.raises(InputError, match="explicit"):
        Tableau.from_lists([["1/2"]], [1], order=2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"b": ["1/6", "1/3", "1/3"]}, "a has 4 rows and b 3 entries"),
        ({"c": [0, 1]}, "c has 2 entries for 4 stages"),
        ({"b": ["1/6", "1/3", "1/3", "one sixth"]}, "got .*one sixth"),
        ({"b": ["1/6", "1/3", "1/3", float("nan")]}, "finite numbers"),
        ({"b_hat": [1, 0, 0, 0], "error": [0, 0, 0, 0]}, "both b_hat and error"),
        ({"b_hat": [1, 0], "embedded_order": 1}, "b_hat has 2 entries"),
        ({"error": [1, -1], "embedded_order": 1}, "error needs 4 entries"),
        ({"embedded_order": 3}, "go together"),
        ({"error_low": [0, 0, 0, 0], "embedded_low_order": 3}, "error_low without error"),
        ({"dense": [[1]]}, "dense has 1 rows, expected 5"),
        ({"dense": [[1], [0], [0], [0], [0, 0]]}, "differ in length"),
        ({"extra_a": [["1/4", 0, 0, "1/4"]]}, "first-same-as-last"),
        ({"order": 0}, "at least 1"),
    ],
    ids=lambda value: ", ".join(value) if isinstance(value, dict) else "",
)
def test_a_tableau_whose_parts_do_not_fit_is_refused_in_words(change: dict, message: str) -> None:
    arguments = {"a": RK4_ROWS, "b": RK4_WEIGHTS, "order": 4, **change}
    with pytest.raises(InputError, match=message):
        Tableau.from_lists(arguments.pop("a"), arguments.pop("b"), **arguments)


def test_the_description_names_orders_stages_and_source() -> None:
    text = DOPRI5.description
    for part in ("order 5", "embedded 4", "7 stages, first same as last", "dense order 4", "-3.31", "Dormand", "1980"):
        assert part in text
