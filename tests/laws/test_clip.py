"""Steps that end on the save times: nothing is interpolated, whatever the grids, the direction and the batch mode.

On y' = 3 t^2 a method of order 3 or more with constant steps is exact but for rounding; on y' = -y the saved values are
those of the solve over the same steps. A span ends where it ends, so a clipped grid equals a chain of spans.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import legato
from legato.controllers import Constant

MODES = ["shared", "independent"]


def swing(t: Tensor, y: Tensor) -> Tensor:
    return torch.cos(3 * t) * y


def never_interpolated(monkeypatch: pytest.MonkeyPatch) -> None:
    from legato.solvers.step import StageStep

    def refuse(*_: Any) -> Tensor:
        raise AssertionError("a value was interpolated")

    monkeypatch.setattr(StageStep, "values", refuse)
    monkeypatch.setattr(StageStep, "scattered", refuse)


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("moving", [False, True])
def test_every_save_time_is_the_end_of_a_step(
    steps: str, sign: float, moving: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    never_interpolated(monkeypatch)
    y0 = torch.ones(2, 3, dtype=torch.float64)
    grid = sign * torch.tensor([0.0, 0.03, 0.5, 0.51, 2.0], dtype=torch.float64)
    solution = legato.solve(swing, y0, grid.requires_grad_(moving), steps=steps, clip=True)
    exact = torch.exp(torch.sin(3 * grid.detach()) / 3)
    assert torch.allclose(solution.ys[:, 1, 2].detach(), exact, rtol=1e-6)
    if moving:
        solution.ys.sum().backward()


@pytest.mark.parametrize("steps", MODES)
def test_a_clipped_solve_has_the_times_among_its_steps(steps: str) -> None:
    y0 = torch.ones(2, 1, dtype=torch.float64)
    grid = [0.0, 0.1, 0.35, 1.0, 3.0]
    solution = legato.solve(swing, y0, grid, steps=steps, clip=True, save="steps")
    times = solution.ts if steps == "shared" else solution.ts[1]
    assert set(grid) <= set(times.tolist())


def test_ragged_grids_are_met_by_each_sample_on_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    never_interpolated(monkeypatch)
    grids = [
        torch.tensor([0.0, 0.2, 0.7], dtype=torch.float64),
        torch.tensor([1.0, 0.9, -0.5, -2.0], dtype=torch.float64),
        torch.tensor([0.5], dtype=torch.float64),
        torch.tensor([0.1, 0.1, 0.6, 0.6, 3.0], dtype=torch.float64),
    ]
    y0 = torch.ones(4, 1, dtype=torch.float64)
    solution = legato.solve(swing, y0, grids, clip=True, stops=[0.65])
    for row, grid in enumerate(grids):
        exact = torch.exp((torch.sin(3 * grid) - torch.sin(3 * grid[0])) / 3)
        assert torch.allclose(solution.ys[: len(grid), row, 0], exact, rtol=1e-6)
        assert solution.ys[len(grid) :, row].isnan().all()


@pytest.mark.parametrize("steps", MODES)
def test_constant_steps_are_cut_at_the_times(steps: str) -> None:
    y0 = torch.zeros(2, 1, dtype=torch.float64)
    solution = legato.solve(
        lambda t, y: 3 * t**2 + 0 * y,
        y0,
        [0.0, 0.25, 1.0],
        controller=Constant(0.2),
        solver="rk4",
        steps=steps,
        clip=True,
    )
    assert solution.stats.accepted.tolist() == [2 + 4] * 2
    assert solution.ys[:, 0, 0].tolist() == pytest.approx([0.0, 0.25**3, 1.0], abs=1e-15)


@pytest.mark.parametrize("gradient", ["discrete", "direct"])
@pytest.mark.parametrize("steps", MODES)
def test_values_move_with_their_times_by_the_field(steps: str, gradient: str) -> None:
    """d y(t_i) / d t_i = f(t_i, y_i), and no other time moves it; equal times share nothing."""
    y0 = torch.ones(1, 1, dtype=torch.float64)
    grid = torch.tensor([0.0, 0.4, 0.4, 1.1, 1.3], dtype=torch.float64, requires_grad=True)
    solution = legato.solve(swing, y0, grid, steps=steps, clip=True, gradient=gradient, rtol=1e-10, atol=1e-12)
    values = solution.ys[:, 0, 0]
    jacobian = torch.stack([torch.autograd.grad(value, grid, retain_graph=True)[0] for value in values])
    slopes = torch.cos(3 * grid.detach()) * values.detach()
    expected = torch.diag(slopes)
    expected[:, 0] = -values.detach()  # cos(0) y(t) a unit of the start, the other way
    expected[0, 0] = 0.0
    assert torch.allclose(jacobian, expected, atol=1e-6)


def test_ragged_values_move_with_their_own_times() -> None:
    grids = [
        torch.tensor([0.0, 0.4, 1.1], dtype=torch.float64, requires_grad=True),
        torch.tensor([1.0, 0.2], dtype=torch.float64, requires_grad=True),
    ]
    y0 = torch.ones(2, 1, dtype=torch.float64)
    solution = legato.solve(swing, y0, grids, clip=True, rtol=1e-10, atol=1e-12)
    for row, place in ((0, 1), (0, 2), (1, 1)):
        slopes = torch.autograd.grad(solution.ys[place, row, 0], grids, retain_graph=True, materialize_grads=True)
        own = (torch.cos(3 * grids[row][place]) * solution.ys[place, row, 0]).detach()
        assert float(slopes[row][place]) == pytest.approx(float(own), rel=1e-6)
        assert float(slopes[1 - row].abs().max()) == 0
