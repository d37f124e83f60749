"""Tableaus of implicit methods: they refuse wrong digits and claims, and agree with what is known elsewhere."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate._ivp import radau

from legato.core.errors import InputError
from legato.solvers import ImplicitTableau, RosenbrockTableau, tableaus
from legato.solvers.rooted_trees import density, node_count, rosenbrock_weights, stage_weights
from legato.solvers.tableaus.continuous import continuous_extension

NAMES = [name for name in tableaus.__all__ if isinstance(getattr(tableaus, name), ImplicitTableau)]
LINEAR = [name for name in tableaus.__all__ if isinstance(getattr(tableaus, name), RosenbrockTableau)]
L_STABLE = ["RADAU_IIA3", "RADAU_IIA5", "IMPLICIT_EULER", "SDIRK2", "TR_BDF2", *LINEAR] + [
    f"{family}{order}" for family in ("KVAERNO", "KENCARP") for order in (3, 4, 5)
]


def changed(
    rows: tuple[tuple[float, ...], ...], row: int, column: int, by: float = 1e-9
) -> tuple[tuple[float, ...], ...]:
    """Return rows with one entry off."""
    return tuple(
        tuple(entry + by * (i == row and j == column) for j, entry in enumerate(line)) for i, line in enumerate(rows)
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_digit_is_refused(name: str) -> None:
    tableau = getattr(tableaus, name)
    with pytest.raises(InputError, match=f"tableau {tableau.name!r}"):
        replace(tableau, b=(*tableau.b[:-2], tableau.b[-2] + 1e-9, tableau.b[-1]))
    with pytest.raises(InputError, match=f"tableau {tableau.name!r}"):
        replace(tableau, dense=changed(tableau.dense, 1, 0))


@pytest.mark.parametrize("name", [*NAMES, *LINEAR])
@pytest.mark.parametrize("claim", ["order", "error_order", "dense_order"])
def test_a_claim_of_one_order_more_is_refused_or_not_needed(name: str, claim: str) -> None:
    tableau = getattr(tableaus, name)
    if claim == "error_order":  # an embedded solution may be better than the estimate, whose order is the lesser
        assert tableau.error_order <= tableau.order
        return
    with pytest.raises(InputError, match="not of order"):
        replace(tableau, **{claim: getattr(tableau, claim) + 1})


@pytest.mark.parametrize("name", LINEAR)
def test_a_wrong_digit_of_a_rosenbrock_method_is_refused(name: str) -> None:
    tableau = getattr(tableaus, name)
    for field in ("m", "alpha", "gammas"):
        values = getattr(tableau, field)
        with pytest.raises(InputError, match=f"tableau {tableau.name!r}"):
            replace(tableau, **{field: (values[0] + 1e-7, *values[1:])})
    with pytest.raises(InputError, match=f"tableau {tableau.name!r}"):
        replace(tableau, c=changed(tableau.c, len(tableau.c) - 1, 0, by=1e-6))


@pytest.mark.parametrize("name", [*NAMES, *LINEAR])
def test_stability_is_what_the_literature_says(name: str) -> None:
    assert getattr(tableaus, name).stability == ("L-stable" if name in L_STABLE else "A-stable")


def test_radau_iia5_is_that_of_scipy() -> None:
    """SciPy's estimate is (mu/h I - J)^-1 (f0 + E Z / h) with Z = h A K, mu the inverse of the real eigenvalue of A."""
    tableau = tableaus.RADAU_IIA5
    inner = np.array([row[1:] for row in tableau.a[1:]])
    assert np.allclose(tableau.c[1:], radau.C, rtol=0, atol=1e-15)
    assert tableau.damping is not None
    assert tableau.damping * radau.MU_REAL == pytest.approx(1, abs=1e-14)
    assert tableau.error is not None
    assert np.allclose(np.array(tableau.error[1:]) / tableau.error[0], radau.E @ inner, rtol=0, atol=1e-13)
    # Its interpolant is y1 + Q x^(1, 2, 3), Q = Z^T P, at x = theta - 1 in units of the step.
    slopes = np.random.default_rng(0).normal(size=3)
    for theta in (0.2, 0.7):
        weights = [sum(c * theta ** (n + 1) for n, c in enumerate(row)) for row in tableau.dense[1:]]
        ours = float(np.dot(weights, slopes))
        theirs = (inner @ slopes) @ radau.P @ np.array([theta, theta**2, theta**3])
        assert ours == pytest.approx(theirs, abs=1e-14)


@pytest.mark.parametrize("name", [name for name in NAMES if getattr(tableaus, name).end is not None])
def test_a_stiff_component_that_is_off_stays_bounded_inside_the_step(name: str) -> None:
    """On y' = lambda y, y0 = 1, the interpolants of L-stable methods do not grow with lambda."""
    tableau = getattr(tableaus, name)
    if tableau.stability != "L-stable":
        return
    a = torch.tensor(tableau.a, dtype=torch.float64)
    ones = torch.ones(len(a), dtype=torch.float64)
    dense = torch.tensor(tableau.dense, dtype=torch.float64)
    powers = torch.linspace(0, 1, 11, dtype=torch.float64)[:, None] ** torch.arange(1, dense.shape[1] + 1)
    for z in (-1e2, -1e4, -1e6):
        slopes = z * torch.linalg.solve(torch.eye(len(a), dtype=torch.float64) - z * a, ones)
        assert (1 + powers @ dense.t() @ slopes).abs().max() < 10


@pytest.mark.parametrize("name", [*NAMES])
def test_the_error_estimate_sees_the_error_on_linear_problems(name: str) -> None:
    """The estimate on y' = lambda y is a function of z that falls with its order, and is nowhere zero near zero."""
    tableau = getattr(tableaus, name)
    a, e = torch.tensor(tableau.a, dtype=torch.float64), torch.tensor(tableau.error, dtype=torch.float64)
    sizes = []
    for z in (-0.2, -0.1):
        slopes = z * torch.linalg.solve(torch.eye(len(a), dtype=torch.float64) - z * a, torch.ones_like(e))
        sizes.append(float((e * slopes).sum().abs()))
    assert sizes[1] > 1e-12
    assert np.log2(sizes[0] / sizes[1]) > tableau.error_order + 0.5


def test_rosenbrock_weights_without_gamma_are_those_of_runge_kutta() -> None:
    a = [[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [-1.0, 2.0, 0.0]]
    ours, theirs = rosenbrock_weights(a, a, 4), stage_weights(a, 4, one=1.0)
    assert ours == theirs
    assert all(node_count(tree) <= 4 and density(tree) >= 1 for tree in ours)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"a": [[0], ["1/2", "one"]], "b": ["1/2", "1/2"], "order": 2}, "finite numbers, fractions or strings"),
        ({"a": [[0, 1, 2], [1]], "b": [1], "order": 1}, "one of them more entries"),
        ({"a": [[0], ["1/2", "1/2"]], "b": ["1/2", "1/2"], "order": 3}, "b is not of order 3"),
        ({"a": [[0], ["1/2", "1/2"]], "b": ["1/2", "1/2"], "order": 2, "error": [1, 0]}, "error weights sum"),
    ],
)
def test_what_is_no_method_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ImplicitTableau.from_lists(**arguments)


def test_an_interpolant_of_an_order_that_the_stages_do_not_bear_is_refused() -> None:
    rows = [[Fraction(0)], [Fraction(0), Fraction(1)]]
    with pytest.raises(InputError, match="no interpolant of order 2"):
        continuous_extension(rows, order=2)
