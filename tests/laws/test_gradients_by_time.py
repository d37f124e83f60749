"""Gradients by times: the start, the end, save times, forced stops and jumps, and the dense solution's own.

A step begins at the last start, stop or jump that the march has passed, plus step sizes that no time changes; only a
step that lands on a stop or on the end has a size that does. `gradcheck` holds the map with those sizes frozen.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import legato
from legato.controllers import Constant, Grid

MODES = ["shared", "independent"]
GRADIENTS = ["discrete", "direct"]


def field(t: Tensor, y: Tensor, p: Tensor) -> Tensor:
    """A field that is nonlinear, non-autonomous and couples the components."""
    a, b, c = p.unbind(-1)
    return a * torch.cos(t) * y.roll(1, -1) - b * y + torch.sin(c * t * y)


def start(rows: int = 2) -> Tensor:
    return torch.linspace(0.5, 1.5, 3 * rows, dtype=torch.float64).reshape(rows, 3)


def rates() -> Tensor:
    return torch.tensor((0.7, 0.4, 1.3), dtype=torch.float64)


def leaf(tensor: Tensor) -> Tensor:
    return tensor.detach().double().clone().requires_grad_()


def number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("solver", ["tsit5", "dop853", "bosh3", "rk4", "heun2"])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_gradcheck_by_the_start_the_end_and_every_save_time(solver: str, gradient: str, sign: float) -> None:
    """The constant step does not divide the interval, so that no perturbation adds a step."""
    grid = sign * torch.tensor([0.0, 0.31, 0.4, 0.77, 1.0], dtype=torch.float64)

    def run(t: Tensor, y0: Tensor) -> Tensor:
        return legato.solve(field, y0, t, rates(), solver=solver, controller=Constant(0.23), gradient=gradient).ys

    assert torch.autograd.gradcheck(run, (leaf(grid), leaf(start())), fast_mode=True)


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("steps", MODES)
def test_gradcheck_by_the_ends_of_a_span(steps: str, gradient: str) -> None:
    def run(t0: Tensor, t1: Tensor) -> Tensor:
        options = {"solver": "tsit5", "controller": Constant(0.23), "steps": steps, "gradient": gradient}
        return legato.solve(field, start(), (t0, t1), rates(), **options).ys

    ends = leaf(torch.tensor(0.1).double()), leaf(torch.tensor(0.9).double())
    assert torch.autograd.gradcheck(run, ends)


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("solver", ["tsit5", "dop853", "rk4"])
def test_gradcheck_by_times_of_every_sample(solver: str, gradient: str) -> None:
    grid = torch.tensor([[0.0, 0.31, 1.0], [1.5, 0.4, -0.1]], dtype=torch.float64)

    def run(t: Tensor, y0: Tensor, p: Tensor) -> Tensor:
        return legato.solve(field, y0, t, p, solver=solver, controller=Constant(0.23), gradient=gradient).ys

    assert torch.autograd.gradcheck(run, (leaf(grid), leaf(start()), leaf(rates())), fast_mode=True)


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_gradcheck_by_ragged_times(gradient: str) -> None:
    def run(first: Tensor, second: Tensor) -> Tensor:
        grids = [first, second]
        options = {"solver": "tsit5", "controller": Constant(0.23), "gradient": gradient}
        return legato.solve(field, start(), grids, rates(), **options).ys.nan_to_num()

    grids = torch.tensor([0.0, 0.5]).double(), torch.tensor([0.2, 0.3, 0.9]).double()
    assert torch.autograd.gradcheck(run, tuple(leaf(grid) for grid in grids), fast_mode=True)


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("steps", MODES)
def test_gradgradcheck_by_times(steps: str, gradient: str) -> None:
    def run(t: Tensor, y0: Tensor) -> Tensor:
        options = {"solver": "bosh3", "controller": Constant(0.4), "steps": steps, "gradient": gradient}
        return legato.solve(field, y0, t, rates(), **options).ys

    grid = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    assert torch.autograd.gradgradcheck(run, (leaf(grid), leaf(start(1))), fast_mode=True)


def test_the_gradient_by_the_end_is_the_field_there_and_by_the_start_minus_the_flow_of_the_field() -> None:
    """dy(t1)/dt1 = f(t1, y(t1)); for y' = p y, dy(t1)/dt0 = -p y(t1)."""
    t0, t1 = leaf(torch.tensor(0.0).double()), leaf(torch.tensor(2.0).double())
    y0 = torch.tensor([[1.0], [3.0]], dtype=torch.float64)
    for steps in MODES:
        end = legato.solve(lambda t, y: 0.5 * y, y0, (t0, t1), rtol=1e-10, atol=1e-10, steps=steps).ys.sum()
        by_start, by_end = torch.autograd.grad(end, (t0, t1))
        assert float(by_end) == pytest.approx(0.5 * end.item(), rel=1e-8)
        assert float(by_start) == pytest.approx(-0.5 * end.item(), rel=1e-8)


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("steps", MODES)
def test_a_jump_stays_where_it_is_when_the_start_moves(steps: str, gradient: str) -> None:
    """y' = 1 before 0.5 and 3 after: y(1) = y0 + (0.5 - t0) + 3 (t1 - 0.5)."""
    t0, t1 = leaf(torch.tensor(0.0).double()), leaf(torch.tensor(1.0).double())

    def field(t: Tensor, y: Tensor) -> Tensor:
        return torch.where(t < 0.5, 1.0, 3.0) + torch.zeros_like(y)

    options = {"steps": steps, "gradient": gradient, "jumps": [0.5]}
    end = legato.solve(field, torch.zeros(1, 1, dtype=torch.float64), (t0, t1), **options).ys
    by_start, by_end = torch.autograd.grad(end.sum(), (t0, t1))
    assert float(end.detach()) == pytest.approx(2.0, rel=1e-9)
    assert float(by_start) == pytest.approx(-1.0, rel=1e-9)
    assert float(by_end) == pytest.approx(3.0, rel=1e-9)


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("steps", MODES)
def test_gradcheck_by_the_times_of_a_grid_of_steps(steps: str, gradient: str) -> None:
    def run(times: Tensor) -> Tensor:
        options = {"solver": "rk4", "controller": Grid(times), "steps": steps, "gradient": gradient}
        return legato.solve(field, start(), times, rates(), **options).ys

    assert torch.autograd.gradcheck(run, leaf(torch.tensor([0.0, 0.3, 0.35, 1.0])))


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("backward", [False, True])
def test_the_gradient_by_the_time_of_a_jump_is_exact(backward: bool, steps: str, gradient: str) -> None:
    """y' = 1 before the jump and -2 y from it on."""
    tau = number(0.4)
    span = (1.0, 0.0) if backward else (0.0, 1.0)

    def field(t: Tensor, y: Tensor) -> Tensor:
        return torch.where(t >= tau.detach(), -2 * y, torch.ones_like(y))

    options = {"jumps": [tau], "steps": steps, "gradient": gradient, "rtol": 1e-10, "atol": 1e-12}
    end = legato.solve(field, torch.ones(1, 1, dtype=torch.float64), span, **options).ys
    (found,) = torch.autograd.grad(end.sum(), tau)
    # Forward y(1) = (1 + tau) exp(-2 (1 - tau)); backward y(0) = exp(2 (1 - tau)) - tau.
    exact = -2 * math.exp(1.2) - 1 if backward else math.exp(-1.2) * (1 + 2 * 1.4)
    assert float(found) == pytest.approx(exact, rel=1e-8)


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("steps", MODES)
def test_the_dense_solution_moves_with_the_start_and_with_its_own_argument(steps: str, gradient: str) -> None:
    """y = exp(t - t0)."""
    t0, t = number(0.0), number(0.5)
    options = {"dense": True, "steps": steps, "gradient": gradient, "rtol": 1e-10, "atol": 1e-12}
    solution = legato.solve(lambda t, y: y, torch.ones(1, 1, dtype=torch.float64), (t0, 1.0), **options)
    by_start, by_time = torch.autograd.grad(solution(t).sum(), (t0, t))
    assert float(by_start) == pytest.approx(-math.exp(0.5), rel=1e-8)
    assert float(by_time) == pytest.approx(math.exp(0.5), rel=1e-8)


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("steps", MODES)
def test_times_that_coincide_keep_their_own_gradients(steps: str, gradient: str) -> None:
    """y' = 3: every value is y0 + 3 (t_m - t_0)."""
    times = leaf(torch.tensor([0.0, 0.0, 1.0, 1.0]))
    options = {"steps": steps, "gradient": gradient}
    ys = legato.solve(lambda t, y: torch.full_like(y, 3.0), torch.ones(1, 1, dtype=torch.float64), times, **options).ys
    found = torch.stack([torch.autograd.grad(value.sum(), times, retain_graph=True)[0] for value in ys])
    wanted = 3 * torch.eye(4, dtype=torch.float64)
    wanted[:, 0] -= 3
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-10)


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("steps", MODES)
def test_an_interval_of_no_length_has_the_field_as_its_gradient(steps: str, gradient: str) -> None:
    t1 = number(0.0)
    y0 = torch.tensor([[1.0], [2.0]], dtype=torch.float64)
    end = legato.solve(lambda t, y: 3 * y, y0, (0.0, t1), steps=steps, gradient=gradient).ys
    assert torch.equal(end[0], y0)
    assert float(torch.autograd.grad(end.sum(), t1)[0]) == pytest.approx(9.0)


def test_a_second_direct_solve_leaves_the_initial_state_its_gradient() -> None:
    """The first step size is then chosen without a graph, by a field that is no longer checked."""

    def decay(t: Tensor, y: Tensor) -> Tensor:
        return -y

    y0 = torch.ones(1, dtype=torch.float64, requires_grad=True)
    span = torch.tensor([0.0, 1.0], dtype=torch.float64, requires_grad=True)
    for _ in range(2):
        solution = legato.solve(decay, y0, span, gradient="direct")
        assert y0.requires_grad
        (slope,) = torch.autograd.grad(solution.ys[-1].sum(), y0)
        assert float(slope) == pytest.approx(math.exp(-1), rel=1e-6)
