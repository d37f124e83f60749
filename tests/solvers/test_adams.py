"""The Adams methods: exact coefficients, every order, and steps that do not fit the slopes before them."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import Tensor

import legato
from legato.controllers import Constant, Grid
from legato.core.errors import InputError
from legato.solvers import Adams
from legato.solvers.adams_weights import extrapolated, polynomials, value

DOUBLE = torch.float64
EVERY = [(0, order) for order in range(1, 13)] + [(1, order) for order in range(2, 13)]
# Hairer, Norsett, Wanner, Solving Ordinary Differential Equations I, section III.1.
BASHFORTH = {1: [1], 2: ["3/2", "-1/2"], 3: ["23/12", "-4/3", "5/12"], 4: ["55/24", "-59/24", "37/24", "-3/8"]}
MOULTON = {2: "1/2", 3: "5/12", 4: "3/8", 5: "251/720", 6: "95/288", 7: "19087/60480"}


def whole(sizes: float, count: int) -> Any:
    return Constant(sizes / count)


def test_the_weights_of_equal_steps_are_those_of_the_literature() -> None:
    for count, weights in BASHFORTH.items():
        found = [value(powers, 1.0) for powers in polynomials(count).integrals]
        assert found == pytest.approx([float(Fraction(weight)) for weight in weights], rel=1e-14)
    for order, weight in MOULTON.items():
        known = polynomials(order - 1)
        gain = value(known.area, 1.0) / value(known.vanishing, 1.0)
        assert gain == pytest.approx(float(Fraction(weight)), rel=1e-14)


@pytest.mark.parametrize("span", [(0.0, 1.0), (1.0, 0.1)])
@pytest.mark.parametrize("steps", ["shared", "independent"])
@pytest.mark.parametrize(("corrections", "order"), EVERY)
def test_polynomials_of_the_degree_of_the_order_are_integrated_exactly(
    corrections: int, order: int, steps: str, span: tuple[float, float]
) -> None:
    """With a stop and an end that cut steps short, after which new slopes are gathered."""
    y0 = torch.tensor([[span[0] ** order]], dtype=DOUBLE)
    run: dict[str, Any] = {"controller": Constant(0.04), "stops": [0.61], "steps": steps}
    solver = Adams(order=order, corrections=corrections)
    end = legato.solve(lambda t, y: order * t ** (order - 1) + 0 * y, y0, span, solver=solver, **run).ys[-1]
    assert float(end) == pytest.approx(span[1] ** order, abs=2e-14)


@pytest.mark.parametrize(("corrections", "order"), [(c, p) for c, p in EVERY if p < 9])
def test_the_error_falls_with_the_order(corrections: int, order: int) -> None:
    """y' = cos(t) y is exp(sin t). The slope is bounded from below: high orders reach it late, from above."""
    steps = {1: (200, 400), 2: (200, 400), 3: (160, 320), 4: (80, 160), 5: (80, 160)}.get(order, (60, 120))
    errors = []
    for count in steps:
        y0, solver = torch.ones(1, dtype=DOUBLE), Adams(order=order, corrections=corrections)
        run: dict[str, Any] = {"controller": whole(4.0, count), "save": "steps"}
        solution = legato.solve(lambda t, y: torch.cos(t) * y, y0, (0.0, 4.0), solver=solver, **run)
        exact = torch.exp(torch.sin(solution.ts))[:, None]
        errors.append(float((solution.ys - exact).square().mean().sqrt()))
    assert math.log2(errors[0] / errors[1]) > order - 0.35, errors


@pytest.mark.parametrize("order", [10, 12])
def test_the_extrapolated_midpoint_rule_is_of_its_order(order: int) -> None:
    """It begins the methods above order eight; y' = cos(t) y."""
    tableau, errors = extrapolated(order), []
    for count in (2, 3):
        y0 = torch.ones(1, dtype=DOUBLE)
        solution = legato.solve(
            lambda t, y: torch.cos(t) * y, y0, (0.0, 3.0), solver=tableau, controller=whole(3.0, count)
        )
        errors.append(abs(float(solution.ys[-1]) - math.exp(math.sin(3.0))))
    assert math.log(errors[0] / errors[1]) / math.log(1.5) > order - 1


@pytest.mark.parametrize(("corrections", "order"), [(0, 4), (1, 4), (0, 5)])
def test_steps_of_unlike_size_keep_the_order(corrections: int, order: int) -> None:
    """Sizes in the ratio 1 : 2 : 1/2, over and over: no formula of equal distances fits them."""
    errors = []
    for count in (8, 16):
        sizes = torch.tensor([1.0, 2.0, 0.5] * count, dtype=DOUBLE) / (3.5 * count) * 3
        times = torch.cat([torch.zeros(1, dtype=DOUBLE), sizes.cumsum(0)])[:-1].tolist()
        y0, solver = torch.ones(1, dtype=DOUBLE), Adams(order=order, corrections=corrections)
        run: dict[str, Any] = {"controller": Grid(times), "save": "steps"}
        solution = legato.solve(lambda t, y: torch.cos(t) * y, y0, (0.0, 3.0), solver=solver, **run)
        exact = torch.exp(torch.sin(solution.ts))[:, None]
        errors.append(float((solution.ys - exact).square().mean().sqrt()))
    assert math.log2(errors[0] / errors[1]) > order - 0.3, errors


@pytest.mark.parametrize(("corrections", "each"), [(0, 1), (1, 2), (3, 4)])
def test_a_step_costs_one_evaluation_and_one_for_each_correction(corrections: int, each: int) -> None:
    solver = Adams(order=4, corrections=corrections)
    few, more = (
        legato.solve(
            lambda t, y: -y, torch.ones(1, dtype=DOUBLE), (0.0, 0.1 * count), solver=solver, controller=Constant(0.1)
        ).stats.evaluations
        for count in (10, 30)
    )
    assert int(more - few) == 20 * each


@pytest.mark.parametrize("corrections", [0, 1])
def test_float32_steps_are_recognised_as_equal(corrections: int) -> None:
    """Times of a float32 grid differ by roundings of the times; the cost says which steps were taken."""
    t = torch.linspace(0, 10, 101)
    solver = Adams(order=4, corrections=corrections)
    solution = legato.solve(
        lambda t, y: -y, torch.ones(1), (0.0, 10.0), solver=solver, controller=Grid(t.double().tolist())
    )
    assert int(solution.stats.evaluations) < 101 * (1 + corrections) + 20


def test_a_second_derivative_by_the_end_is_the_equations() -> None:
    """Of y' = y, y(0) = 1: every derivative by t1 is exp(t1), also where the last step is cut short."""
    for t1 in (1.0, 1.03):
        end = torch.tensor(t1, dtype=DOUBLE, requires_grad=True)
        y0 = torch.ones(1, dtype=DOUBLE)
        for gradient in ("discrete", "direct"):
            ys = legato.solve(
                lambda t, y: y, y0, (0.0, end), solver="adams_moulton", controller=Constant(0.05), gradient=gradient
            ).ys
            (first,) = torch.autograd.grad(ys.sum(), end, create_graph=True)
            (second,) = torch.autograd.grad(first, end)
            assert float(first.detach()) == pytest.approx(math.exp(t1), rel=1e-5)
            assert float(second) == pytest.approx(math.exp(t1), rel=1e-2)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Adams(order=0),
        lambda: Adams(order=13),
        lambda: Adams(order=1, corrections=1),
        lambda: Adams(corrections=-1),
    ],
)
def test_what_cannot_be_meant_is_refused(make: Any) -> None:
    with pytest.raises(InputError, match="whole number"):
        make()


@pytest.mark.parametrize("order", [1, 2, 3, 5, 7, 10])
@pytest.mark.parametrize("corrections", [0, 1])
def test_dense_output_of_every_order_is_smooth_and_right(corrections: int, order: int) -> None:
    if corrections and order == 1:
        return
    solver = Adams(order=order, corrections=corrections)

    def field(t: Tensor, y: Tensor) -> Tensor:
        return torch.cos(t) * y

    solution = legato.solve(
        field,
        torch.ones(1, dtype=DOUBLE),
        (0.0, 2.0),
        solver=solver,
        controller=Constant(0.03),
        dense=True,
        save="steps",
    )
    times = torch.linspace(0.01, 1.99, 97, dtype=DOUBLE)
    at_ends = float((solution.ys - torch.exp(torch.sin(solution.ts))[:, None]).abs().max())
    inside = float((solution(times) - torch.exp(torch.sin(times))[:, None]).abs().max())
    assert inside < 1.5 * at_ends + 3e-8  # the cubic of the first steps above order eight
    fields = torch.cos(solution.ts[1:])[:, None] * solution.ys[1:]
    before = torch.nextafter(solution.ts[1:], solution.ts[:-1])
    torch.testing.assert_close(solution.derivative(before), fields, rtol=1e-9, atol=1e-9)
