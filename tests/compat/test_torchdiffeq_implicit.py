"""The implicit methods of torchdiffeq's later sources, against their stage equations solved as one linear system.

For y' = A(t) y the stages of a method (a, b, c) are the solution of k_i = A(t0 + c_i h) (y0 + h sum_j a_ij k_j), which
is linear; the coefficients are written down here once more, from the literature. The installed torchdiffeq may lack
these methods, and solves their equations to 1e-8 only.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import legato
from legato.compat.torchdiffeq import METHODS
from legato.core.errors import FieldError, InputError, OptionError, SolveError

DOUBLE = torch.float64
_2, _3, _6, _15 = (math.sqrt(number) for number in (2, 3, 6, 15))
_G = 1 - _2 / 2
COEFFICIENTS: dict[str, tuple[list[list[float]], list[float], list[float]]] = {
    "implicit_euler": ([[1]], [1], [1]),
    "implicit_midpoint": ([[1 / 2]], [1], [1 / 2]),
    "trapezoid": ([[0, 0], [1 / 2, 1 / 2]], [1 / 2, 1 / 2], [0, 1]),
    "gl4": ([[1 / 4, 1 / 4 - _3 / 6], [1 / 4 + _3 / 6, 1 / 4]], [1 / 2, 1 / 2], [1 / 2 - _3 / 6, 1 / 2 + _3 / 6]),
    "gl6": (
        [
            [5 / 36, 2 / 9 - _15 / 15, 5 / 36 - _15 / 30],
            [5 / 36 + _15 / 24, 2 / 9, 5 / 36 - _15 / 24],
            [5 / 36 + _15 / 30, 2 / 9 + _15 / 15, 5 / 36],
        ],
        [5 / 18, 4 / 9, 5 / 18],
        [1 / 2 - _15 / 10, 1 / 2, 1 / 2 + _15 / 10],
    ),
    "radauIIA3": ([[5 / 12, -1 / 12], [3 / 4, 1 / 4]], [3 / 4, 1 / 4], [1 / 3, 1]),
    "radauIIA5": (
        [
            [11 / 45 - 7 * _6 / 360, 37 / 225 - 169 * _6 / 1800, -2 / 225 + _6 / 75],
            [37 / 225 + 169 * _6 / 1800, 11 / 45 + 7 * _6 / 360, -2 / 225 - _6 / 75],
            [4 / 9 - _6 / 36, 4 / 9 + _6 / 36, 1 / 9],
        ],
        [4 / 9 - _6 / 36, 4 / 9 + _6 / 36, 1 / 9],
        [2 / 5 - _6 / 10, 2 / 5 + _6 / 10, 1],
    ),
    "sdirk2": ([[_G, 0], [1 - _G, _G]], [1 - _G, _G], [_G, 1]),
    "trbdf2": ([[0, 0, 0], [_G, _G, 0], [_2 / 4, _2 / 4, _G]], [_2 / 4, _2 / 4, _G], [0, 2 * _G, 1]),
}
STIFF = torch.tensor([[-40.0, 7.0], [3.0, -1.0]], dtype=DOUBLE)
TURN = torch.tensor([[0.0, 1.0], [-1.0, 0.2]], dtype=DOUBLE)


def matrix(t: Tensor, rate: Tensor | float) -> Tensor:
    return rate * STIFF + torch.cos(3 * t) * TURN


def linear_step(name: str, y: Tensor, t0: Tensor, t1: Tensor, rate: Tensor | float) -> Tensor:
    """Return the end of a step, its stages solved for as one linear system."""
    a, b, c = (torch.tensor(part, dtype=DOUBLE) for part in COEFFICIENTS[name])
    h = t1 - t0
    matrices = torch.stack([matrix(t0 + node * h, rate) for node in c])
    coupled = torch.einsum("ij,inm->injm", a, matrices).reshape(2 * len(b), 2 * len(b))
    right = (matrices @ y).reshape(-1)
    k = torch.linalg.solve(torch.eye(len(right), dtype=DOUBLE) - h * coupled, right).reshape(len(b), 2)
    return y + h * (b @ k)


def reference(name: str, y0: Tensor, t: Tensor, rate: Tensor | float) -> Tensor:
    values = [y0]
    for begin, end in itertools.pairwise(t):
        values.append(linear_step(name, values[-1], begin, end, rate))
    return torch.stack(values)


@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["forwards", "backwards"])
@pytest.mark.parametrize("name", COEFFICIENTS)
def test_the_steps_are_those_of_the_method(name: str, sign: float) -> None:
    y0, t = torch.tensor([1.0, -0.5], dtype=DOUBLE), sign * torch.tensor([0.0, 0.2, 0.25, 0.6, 1.0], dtype=DOUBLE)
    mine = legato.odeint(lambda t, y: y @ matrix(t, sign).T, y0, t, method=name)
    torch.testing.assert_close(mine, reference(name, y0, t, sign), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("solver", [legato.odeint, legato.odeint_adjoint], ids=["direct", "adjoint"])
@pytest.mark.parametrize("name", COEFFICIENTS)
def test_the_gradients_are_those_of_the_steps_taken(name: str, solver: Callable[..., Any]) -> None:
    def gradients(solve: Callable[..., Tensor]) -> tuple[Tensor, ...]:
        y0 = torch.tensor([1.0, -0.5], dtype=DOUBLE, requires_grad=True)
        rate = torch.tensor(0.7, dtype=DOUBLE, requires_grad=True)
        t = torch.tensor([0.0, 0.2, 0.5], dtype=DOUBLE, requires_grad=True)
        weights = torch.tensor([[0.3, 1.0], [-1.0, 2.0], [0.7, 0.1]], dtype=DOUBLE)
        return torch.autograd.grad((solve(y0, t, rate) * weights).sum(), (y0, t, rate))

    mine = gradients(lambda y0, t, rate: solver(lambda t, y: y @ matrix(t, rate).T, y0, t, method=name))
    theirs = gradients(lambda y0, t, rate: reference(name, y0, t, rate))
    torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", COEFFICIENTS)
def test_values_between_steps_follow_interp(name: str) -> None:
    y0 = torch.tensor([1.0, -0.5], dtype=DOUBLE)
    t, step = torch.tensor([0.0, 0.13, 0.2], dtype=DOUBLE), torch.tensor([0.0, 0.2], dtype=DOUBLE)

    def between(**options: Any) -> Tensor:
        found = legato.odeint(
            lambda t, y: y @ matrix(t, 0.1).T, y0, t, method=name, options={"step_size": 0.2, **options}
        )
        return torch.as_tensor(found[1])

    end = reference(name, y0, step, 0.1)[-1]
    theta, h = 0.13 / 0.2, 0.2
    f0, f1 = matrix(step[0], 0.1) @ y0, matrix(step[1], 0.1) @ end
    cubic = (
        (1 - 3 * theta**2 + 2 * theta**3) * y0
        + (3 * theta**2 - 2 * theta**3) * end
        + h * ((theta - 2 * theta**2 + theta**3) * f0 + (theta**3 - theta**2) * f1)
    )
    torch.testing.assert_close(between(interp="linear"), y0 + theta * (end - y0), rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(between(interp="cubic"), cubic, rtol=1e-11, atol=1e-12)
    # The method's own polynomial: within a step this short no more than a percent from the solution.
    exact = legato.odeint(lambda t, y: y @ matrix(t, 0.1).T, y0, t, method="dopri8")[1]
    tolerance = 0.2 if METHODS[name].order == 1 else 0.05
    assert (between() - exact).abs().max() < tolerance


@pytest.mark.parametrize("name", ["radauIIA5", "sdirk2", "trbdf2"])
def test_a_stiff_component_stays_bounded_between_steps(name: str) -> None:
    """The fast component is not settled at the start; the cubic polynomial through its slope is far away."""
    y0, t = torch.tensor([2.0], dtype=DOUBLE), torch.tensor([0.0, 0.3, 1.0], dtype=DOUBLE)
    options = {"step_size": 1.0}

    def field(t: Tensor, y: Tensor) -> Tensor:
        return -1e6 * (y - torch.cos(t))

    own = legato.odeint(field, y0, t, method=name, options=options)
    cubic = legato.odeint(field, y0, t, method=name, options={**options, "interp": "cubic"})
    assert own[1].abs() < 5
    assert cubic[1].abs() > 1e4


def test_a_batch_and_a_tuple_are_states_as_with_the_peer() -> None:
    y0 = (torch.ones(2, 3, dtype=DOUBLE), torch.full((4,), 2.0, dtype=DOUBLE))
    t = torch.linspace(0, 1, 5, dtype=DOUBLE)
    first, second = legato.odeint(lambda t, y: (-y[0], -2 * y[1]), y0, t, method="implicit_euler")
    # One step of the implicit Euler rule divides by 1 + h times the rate.
    assert (first[-1] - 1.25**-4).abs().max() < 1e-12
    assert (second[-1] - 2 * 1.5**-4).abs().max() < 1e-12


def test_options_that_cannot_be_meant_are_refused_and_max_iters_is_taken() -> None:
    y0, t = torch.ones(1, dtype=DOUBLE), torch.tensor([0.0, 0.5], dtype=DOUBLE)

    def solved(method: str, **options: Any) -> Tensor:
        return torch.as_tensor(legato.odeint(lambda t, y: -y, y0, t, method=method, options=options))

    assert (solved("gl4", max_iters=3) == solved("gl4")).all()
    with pytest.raises(InputError, match="max_iters"):
        solved("gl4", max_iters=0)
    with pytest.raises(OptionError, match="max_iters"):
        solved("rk4", max_iters=3)
    with pytest.raises(OptionError, match="linear"):
        solved("gl4", interp="linaer")
    with pytest.raises(OptionError, match="adaptive steps"):
        solved("radauIIA5", safety=0.8)


def test_equations_without_a_solution_raise_where_the_peer_warns() -> None:
    y0, t = torch.ones(1, dtype=DOUBLE), torch.tensor([0.0, 1.0], dtype=DOUBLE)
    with pytest.raises(SolveError, match="did not converge"):
        legato.odeint(lambda t, y: 1 + y**2, y0, t, method="implicit_euler")
    with pytest.raises(FieldError, match="autograd sees no dependence"):
        legato.odeint(lambda t, y: -y.detach(), y0, t, method="implicit_euler")
