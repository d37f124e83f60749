"""Implicit methods: what they ask of a field, that every row is solved for itself, and what they keep exactly.

Quadratic invariants are kept by the Gauss methods, the implicit midpoint rule among them; what is left is the rounding
of one step, growing with the square root of their number. Linear invariants are kept by all.
"""

from __future__ import annotations

import math

import pytest
import torch
from methods import IMPLICIT
from torch import Tensor

import legato
from legato.core.errors import FieldError, SolveError
from legato.core.status import Status
from legato.problems import PROBLEMS
from legato.solvers import SOLVERS, ImplicitTableau

ADAPTIVE = [name for name in IMPLICIT if SOLVERS[name].adaptive]
STIFF = [name for name in ADAPTIVE if SOLVERS[name].tableau.stability == "L-stable"]
MODES = ["shared", "independent"]


def spring(t: Tensor, y: Tensor) -> Tensor:
    """A stiff linear field of two components that are coupled, with a forcing that time drives."""
    fast, slow = y.unbind(-1)
    return torch.stack([-1e4 * (fast - torch.cos(t).squeeze(-1) * torch.ones_like(fast)), fast - slow], dim=-1)


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("solver", STIFF)
def test_a_stiff_field_takes_steps_that_its_solution_asks_for(solver: str, steps: str) -> None:
    """Explicit methods need 1e4 T / 3.3 steps; here the slow component alone decides, once the fast has settled."""
    y0 = torch.tensor([[1.0, 0.0], [3.0, 0.5]], dtype=torch.float64)
    found = legato.solve(spring, y0, (0.0, 10.0), solver=solver, steps=steps, rtol=1e-4, atol=1e-6)
    assert (found.stats.steps < 2000).all()
    # The fast component follows cos t up to 1e-4, the slow one solves s' = cos t - s up to as much.
    t = torch.tensor(10.0, dtype=torch.float64)
    settled = (t.cos() + t.sin()) / 2 + (y0[:, 1] - 0.5) * math.exp(-10.0)
    assert (found.ys[-1, :, 0] - t.cos()).abs().max() < 3e-4
    assert (found.ys[-1, :, 1] - settled).abs().max() < 4e-3


@pytest.mark.parametrize("solver", ["implicit_midpoint", "gauss4", "gauss6"])
def test_gauss_methods_keep_quadratic_invariants(solver: str) -> None:
    """The rigid body: y_1^2 + y_2^2 + y_3^2 and the energy, over two hundred steps."""
    problem = PROBLEMS["detest-b5"]
    found = legato.solve(problem.field, problem.initial(), (0.0, 20.0), solver=solver, controller=fixed(0.1))
    assert len(problem.invariants) >= 1
    for invariant in problem.invariants:
        kept = invariant.function(found.ys[-1]) - invariant.function(problem.initial())
        assert kept.abs() < 1e-12, invariant.name


def fixed(size: float) -> legato.controllers.Constant:
    return legato.controllers.Constant(size)


@pytest.mark.parametrize("solver", ADAPTIVE)
def test_linear_invariants_are_kept_to_rounding(solver: str) -> None:
    """The substances of Robertson's reaction add up to one, whatever the tolerance."""
    problem = PROBLEMS["robertson"]
    found = legato.solve(problem.field, problem.initial(), (0.0, 40.0), solver=solver, rtol=1e-3, atol=1e-7)
    assert (found.ys[-1].sum() - 1).abs() < 1e-13


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("solver", ["rodas5p", "kvaerno5", "radau_iia5"])
def test_a_row_that_blows_up_leaves_the_others_alone(solver: str, steps: str) -> None:
    def field(t: Tensor, y: Tensor) -> Tensor:
        return y**2

    y0 = torch.tensor([[0.1], [2.0], [-1.0]], dtype=torch.float64, requires_grad=True)
    found = legato.solve(field, y0, (0.0, 1.0), solver=solver, steps=steps, on_failure="nan", max_steps=3000)
    assert found.status[0] == found.status[2] == Status.SUCCESS
    assert found.status[1] not in (Status.SUCCESS, Status.EVENT)
    assert abs(float(found.t_reached[1]) - 0.5) < 0.05
    alive = torch.tensor([0, 2])
    exact = y0.detach()[alive] / (1 - y0.detach()[alive])
    assert (found.ys[-1, alive].detach() - exact).abs().max() < 1e-5
    loss = torch.where(found.ys[-1].isnan(), 0.0, found.ys[-1]).sum()
    (gradient,) = torch.autograd.grad(loss, y0)
    assert ((gradient[alive] - 1 / (1 - y0.detach()[alive]) ** 2).abs() < 1e-4).all()
    assert gradient[1] == 0


def test_equations_without_a_solution_end_with_newton_diverged_and_its_advice() -> None:
    """With steps of 1 the implicit Euler rule for y' = 1 + y^2 asks for k = 1 + (y + k)^2, which no real k solves."""
    y0 = torch.tensor([1.0], dtype=torch.float64)
    with pytest.raises(SolveError, match=r"NEWTON_DIVERGED .*stage equations did not converge"):
        legato.solve(lambda t, y: 1 + y**2, y0, (0.0, 1.0), solver="implicit_euler", controller=fixed(1.0))


@pytest.mark.parametrize("solver", ["rodas4", "kencarp4", "radau_iia5"])
def test_fields_that_an_implicit_method_would_linearise_wrongly_are_refused(solver: str) -> None:
    y0 = torch.ones(2, 2, dtype=torch.float64)
    with pytest.raises(FieldError, match="depends on other samples; pass batch_dims=0"):
        legato.solve(lambda t, y: -y * y.mean(), y0, (0.0, 1.0), solver=solver)
    with pytest.raises(FieldError, match="sees no dependence on its state"):
        legato.solve(lambda t, y: -y.detach(), y0, (0.0, 1.0), solver=solver)
    with pytest.raises(FieldError, match="sees no dependence on time"):
        legato.solve(lambda t, y: -y * t.item(), y0, (0.0, 1.0), solver=solver)


def test_the_whole_batch_is_one_system_where_it_is_asked_for() -> None:
    y0 = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64)
    found = legato.solve(lambda t, y: -y * y.mean(), y0, (0.0, 1.0), solver="rodas5p", batch_dims=0)
    # The mean m solves m' = -m^2, and all components shrink by the same factor.
    assert (found.ys[-1] - y0 / (1 + y0.mean())).abs().max() < 1e-6


@pytest.mark.parametrize("solver", ["rodas5p", "kvaerno5", "radau_iia5"])
def test_complex_states_and_tuples_are_states_like_others(solver: str) -> None:
    z0 = torch.tensor([1.0 + 0.5j, 2.0 - 1.0j], dtype=torch.complex128)
    found = legato.solve(lambda t, z: (-0.5 + 3j) * z, z0, (0.0, 1.0), solver=solver, rtol=1e-8, atol=1e-10)
    assert (found.ys[-1] - z0 * torch.exp(torch.tensor(-0.5 + 3j))).abs().max() < 1e-6
    state = {"a": torch.ones(3, 1, dtype=torch.float64), "b": torch.ones(3, 2, dtype=torch.float64)}
    mixed = legato.solve(lambda t, s: {"a": -s["a"], "b": -2 * s["b"]}, state, (0.0, 1.0), solver=solver)
    assert (mixed.ys["a"][-1] - math.exp(-1)).abs().max() < 1e-6
    assert (mixed.ys["b"][-1] - math.exp(-2)).abs().max() < 1e-6


def test_a_tableau_of_ones_own_is_a_solver() -> None:
    gamma = 1 - 2**-0.5
    own = ImplicitTableau.from_lists([[gamma], [1 - gamma, gamma]], [1 - gamma, gamma], order=2, name="mine")
    found = legato.solve(lambda t, y: -y, torch.ones(1, dtype=torch.float64), (0.0, 1.0), solver=own, dt0=0.001)
    assert (found.ys[-1] - math.exp(-1)).abs() < 1e-6


@pytest.mark.parametrize("solver", ["rodas5p", "kencarp3", "gauss4"])
def test_second_derivatives_pass_through_the_equations(solver: str) -> None:
    def field(t: Tensor, y: Tensor, rate: Tensor) -> Tensor:
        return -rate * y**3 + torch.sin(t)

    def solved(y0: Tensor, rate: Tensor) -> Tensor:
        found = legato.solve(field, y0, (0.0, 0.6), rate, solver=solver, controller=fixed(0.2))
        return torch.as_tensor(found.ys)

    y0 = torch.tensor([[0.7], [1.2]], dtype=torch.float64, requires_grad=True)
    rate = torch.tensor(0.8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(solved, (y0, rate))
    assert torch.autograd.gradgradcheck(solved, (y0, rate))


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("solver", [*IMPLICIT, "auto"])
def test_no_gradient_is_attached_where_nothing_asks_for_one(solver: str, steps: str) -> None:
    """What a linearisation makes for itself requires a gradient, but is nobody's."""
    y0 = torch.tensor([[1.0, 0.0], [2.0, 0.5]], dtype=torch.float64)
    found = legato.solve(spring, y0, (0.0, 0.01), solver=solver, steps=steps, rtol=1e-3)
    assert found.stats.gradient == "none"
    assert not found.ys.requires_grad
