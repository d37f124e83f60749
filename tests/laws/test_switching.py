"""Automatic switching: rows go over to the implicit method while they are stiff, and back, each for itself."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import legato
from legato.core.errors import FieldError, InputError
from legato.problems import PROBLEMS
from legato.solvers import SOLVERS, ExplicitRungeKutta, Rosenbrock, Switching
from legato.solvers.tableaus import BOSH3, DOPRI5, RODAS4, RODAS5P, TSIT5

MODES = ["shared", "independent"]


def relaxation(t: Tensor, y: Tensor, rate: Tensor) -> Tensor:
    """y' = -rate (y - cos t): the solution is within 1/rate of cos t, whatever the rate."""
    return -rate * (y - torch.cos(t))


def relaxed(t: float, rate: Tensor, y0: float) -> Tensor:
    """The exact solution of `relaxation`."""
    forced = (rate**2 * math.cos(t) + rate * math.sin(t)) / (rate**2 + 1)
    return forced + (y0 - rate**2 / (rate**2 + 1)) * torch.exp(-rate * t)


@pytest.mark.parametrize("steps", MODES)
def test_where_nothing_is_stiff_the_solve_is_the_explicit_methods(steps: str) -> None:
    problem = PROBLEMS["lotka-volterra"]
    y0 = problem.initial().expand(3, -1)
    found = legato.solve(problem.field, y0, [0.0, 2.0, 10.0], solver="auto", steps=steps)
    plain = legato.solve(problem.field, y0, [0.0, 2.0, 10.0], solver="tsit5", steps=steps)
    assert torch.equal(found.ys, plain.ys)
    assert torch.equal(found.stats.steps, plain.stats.steps)


@pytest.mark.parametrize("steps", MODES)
def test_where_all_is_stiff_it_costs_little_more_than_the_implicit_method(steps: str) -> None:
    problem = PROBLEMS["van-der-pol-1000"]
    y0 = problem.initial().expand(2, -1)
    options = {"steps": steps, "rtol": 1e-5, "atol": 1e-7}
    found = legato.solve(problem.field, y0, (0.0, 300.0), solver="auto", **options)
    stiff = legato.solve(problem.field, y0, (0.0, 300.0), solver="rodas5p", **options)
    # The explicit method would need 300 * 1000 * 3 / 3.5 steps.
    assert (found.stats.steps < stiff.stats.steps + 100).all()
    assert (found.ys - stiff.ys).abs().max() < 1e-4


def test_only_the_stiff_rows_go_over() -> None:
    rate = torch.tensor([[1.0], [1e5], [3.0]], dtype=torch.float64)
    y0 = torch.full((3, 1), 2.0, dtype=torch.float64)
    options = {"args_batched": True, "steps": "independent", "rtol": 1e-6, "atol": 1e-8}
    found = legato.solve(relaxation, y0, (0.0, 10.0), rate, solver="auto", **options)
    plain = legato.solve(relaxation, y0, (0.0, 10.0), rate, solver="tsit5", on_failure="nan", max_steps=500, **options)
    assert torch.equal(found.ys[:, [0, 2]], plain.ys[:, [0, 2]])
    assert torch.equal(found.stats.steps[[0, 2]], plain.stats.steps[[0, 2]])
    assert int(found.stats.steps[1]) < 500
    assert (found.ys[-1] - relaxed(10.0, rate, 2.0)).abs().max() < 1e-5


@pytest.mark.parametrize("steps", MODES)
def test_a_row_goes_back_where_stiffness_ends(steps: str) -> None:
    """The rate falls from 1e4 to 1 at t = 5: the steps after that are the explicit method's, one Jacobian less each."""

    def field(t: Tensor, y: Tensor) -> Tensor:
        rate = 1 + 1e4 * torch.sigmoid(-20 * (t - 5))
        return -rate * (y - torch.cos(t))

    y0 = torch.ones(2, 1, dtype=torch.float64)
    options = {"solver": "auto", "steps": steps, "rtol": 1e-6, "atol": 1e-8, "save": "steps"}
    whole, half = (legato.solve(field, y0, (0.0, end), **options) for end in (40.0, 6.0))
    later = whole.stats.evaluations[0] - half.stats.evaluations[0]
    taken = whole.stats.steps[0] - half.stats.steps[0]
    assert later < 7 * taken + 40
    assert taken > 10


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("gradient", ["discrete", "direct"])
def test_gradients_pass_through_changes_of_method(steps: str, gradient: str) -> None:
    rate = torch.tensor([[2.0], [3e3]], dtype=torch.float64, requires_grad=True)
    y0 = torch.full((2, 1), 2.0, dtype=torch.float64, requires_grad=True)
    options = {"args_batched": True, "steps": steps, "gradient": gradient, "rtol": 1e-8, "atol": 1e-10}
    found = legato.solve(relaxation, y0, [0.0, 0.5, 1.0], rate, solver="auto", **options)
    by_y0, by_rate = torch.autograd.grad(found.ys[-1].sum(), (y0, rate))
    again = rate.detach().requires_grad_()
    (exact,) = torch.autograd.grad(relaxed(1.0, again, 2.0).sum(), again)
    assert (by_rate - exact).abs().max() < 1e-6
    assert (by_y0 - torch.exp(-rate.detach())).abs().max() < 1e-6


def test_dense_output_and_save_times_read_steps_of_both_methods() -> None:
    rate = torch.tensor([[1.0], [1e4]], dtype=torch.float64)
    y0 = torch.full((2, 1), 2.0, dtype=torch.float64)
    times = [0.0, 1.0, 2.5, 5.0]
    found = legato.solve(
        relaxation, y0, times, rate, solver="auto", args_batched=True, steps="independent", dense=True, rtol=1e-7
    )
    for place, t in enumerate(times):
        assert (found.ys[place] - relaxed(t, rate, 2.0)).abs().max() < 1e-5
    inside = torch.tensor([0.7, 3.3], dtype=torch.float64)
    for value, t in zip(found(inside), inside.tolist(), strict=True):
        assert (value - relaxed(t, rate, 2.0)).abs().max() < 1e-4


def test_pairs_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(InputError, match="no two stages at the step's end"):
        Switching(ExplicitRungeKutta(BOSH3), Rosenbrock(RODAS5P))
    with pytest.raises(InputError, match="unlike orders"):
        Switching(ExplicitRungeKutta(TSIT5), Rosenbrock(RODAS4))
    assert Switching(ExplicitRungeKutta(DOPRI5), Rosenbrock(RODAS5P)).order == 5


def test_a_field_that_cannot_be_linearised_is_refused_at_the_door() -> None:
    with pytest.raises(FieldError, match="take an explicit method"):
        legato.solve(lambda t, y: -y.detach(), torch.ones(1, dtype=torch.float64), (0.0, 1.0), solver="auto")
    assert SOLVERS["auto"].order == 5
