"""Methods that carry a history: what is carried is a part of the state, in every engine path and in both gradients.

A step of such a method is a map of (y, history), so the derivative of a solve is the product of theirs. Direct is
autograd through the steps that were taken, so it is the reference for discrete, whatever the steps; finite differences
on a frozen sequence of steps are the reference for both.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from methods import HISTORY
from torch import Tensor

import legato
from legato.controllers import Constant, Grid
from legato.solvers import SOLVERS, ChainSums

DOUBLE = torch.float64
MODES = ("shared", "independent")
GRADIENTS = ("discrete", "direct")
ADAPTIVE = [name for name in HISTORY if SOLVERS[name].adaptive]
BACK = [name for name in HISTORY if hasattr(SOLVERS[name], "back")]


def field(t: Tensor, y: Tensor, rate: Tensor) -> Tensor:
    """A nonlinear oscillator, driven, whose rows turn at rates of their own."""
    turned = torch.stack([y[..., 1], -torch.sin(y[..., 0])], dim=-1)
    return rate * turned + 0.3 * torch.cos(3 * t) * y.flip(-1)


def start(rows: int = 3) -> Tensor:
    noise = torch.Generator().manual_seed(1)
    return torch.randn(rows, 2, generator=noise, dtype=DOUBLE)


def rates(rows: int = 3) -> Tensor:
    return torch.linspace(0.5, 4.0, rows, dtype=DOUBLE)[:, None]


def leaf(tensor: Tensor) -> Tensor:
    return tensor.clone().requires_grad_()


def steps_of(solver: str, size: float = 0.11) -> dict[str, Any]:
    """Return options for constant steps that do not fit the interval."""
    return {"solver": solver, "controller": Constant(size), "args_batched": True}


def weigh(value: Tensor) -> Tensor:
    """Return a sum of what is there, each entry with a weight of its own."""
    flat = torch.nan_to_num(value).reshape(-1)
    return (flat * torch.linspace(1, 2, flat.numel(), dtype=DOUBLE)).sum()


SITUATIONS: dict[str, dict[str, Any]] = {
    "save times": {"t": [0.0, 0.05, 0.3, 0.66, 1.0]},
    "decreasing": {"t": [1.0, 0.66, 0.3, -0.1]},
    "dense": {"dense": True},
    "every step": {"save": "steps"},
    "stops": {"stops": [0.21, 0.55]},
    "jumps": {"jumps": [0.21, 0.55]},
}
SPANS = (torch.tensor([0.0, 0.3, 1.0], dtype=DOUBLE), torch.tensor([1.0, 0.7, -0.4], dtype=DOUBLE))
OF_ROWS: dict[str, dict[str, Any]] = {
    "own spans": {},
    "own spans and stops": {"stops": [0.21, 0.55]},
    "own spans and jumps": {"jumps": [0.21, 0.55]},
}


def both(run: Callable[[str, list[Tensor]], Tensor], inputs: list[Tensor]) -> None:
    """Assert that discrete is direct, first and second derivatives."""
    found = []
    for gradient in GRADIENTS:
        given = [leaf(part) for part in inputs]
        first = torch.autograd.grad(weigh(run(gradient, given)), given, create_graph=True)
        second = torch.autograd.grad(sum(weigh(part) for part in first), given)
        found.append((first, second))
    for one, other in zip(found[0], found[1], strict=True):
        size = max(float(part.detach().abs().max()) for part in other)
        for mine, theirs in zip(one, other, strict=True):
            assert float((mine - theirs).detach().abs().max()) <= 1e-11 * size


def values(solution: legato.Solution) -> Tensor:
    if solution._path is None:
        return solution.ys
    return torch.cat([solution.ys.reshape(-1), solution(0.34).reshape(-1), solution.derivative(0.71).reshape(-1)])


@pytest.mark.parametrize("name", SITUATIONS)
@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("solver", HISTORY)
def test_discrete_is_direct_and_so_is_its_derivative(solver: str, steps: str, name: str) -> None:
    options: dict[str, Any] = {"t": (0.0, 1.0), **SITUATIONS[name]}
    t = options.pop("t")

    def run(gradient: str, given: list[Tensor]) -> Tensor:
        chosen = {**steps_of(solver), **options, "steps": steps, "gradient": gradient}
        return values(legato.solve(field, given[0], t, given[1], **chosen))

    both(run, [start(), rates()])


@pytest.mark.parametrize("name", OF_ROWS)
@pytest.mark.parametrize("solver", HISTORY)
def test_discrete_is_direct_where_rows_begin_jump_and_end_at_times_of_their_own(solver: str, name: str) -> None:
    def run(gradient: str, given: list[Tensor]) -> Tensor:
        chosen = {**steps_of(solver, 0.07), **OF_ROWS[name], "gradient": gradient}
        return legato.solve(field, given[0], (given[2], given[3]), given[1], **chosen).ys

    both(run, [start(), rates(), *SPANS])


@pytest.mark.parametrize("options", [{}, {"jumps": [0.4]}], ids=["plain", "jumps"])
@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("solver", ADAPTIVE)
def test_discrete_is_direct_where_steps_are_refused(solver: str, steps: str, options: dict[str, Any]) -> None:
    """A first step that is far too large, at first for all rows and then for some of them."""
    refused = []

    def run(gradient: str, given: list[Tensor]) -> Tensor:
        chosen = {"solver": solver, "steps": steps, "gradient": gradient, "args_batched": True, **options}
        solution = legato.solve(field, given[0], [0.0, 0.34, 1.0], given[1], rtol=1e-3, atol=1e-3, dt0=0.7, **chosen)
        refused.append(solution.stats.steps - solution.stats.accepted)
        return solution.ys

    both(run, [start(), rates()])
    assert bool((refused[0] > 0).any())
    assert steps == "shared" or len(refused[0].unique()) > 1


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("solver", HISTORY)
def test_gradcheck_and_gradgradcheck(solver: str, gradient: str, steps: str) -> None:
    """By the state, the rates, a captured tensor and the times of start, stop, jump and end."""
    gain = torch.tensor(1.1, dtype=DOUBLE)
    times = torch.tensor([0.0, 0.23, 0.48, 0.9], dtype=DOUBLE)

    def run(y0: Tensor, rate: Tensor, gain: Tensor, times: Tensor) -> Tensor:
        def captured(t: Tensor, y: Tensor, args: Tensor) -> Tensor:
            return gain * field(t, y, args)

        chosen = {**steps_of(solver, 0.16), "stops": [times[1]], "jumps": [times[2]], "steps": steps}
        return legato.solve(captured, y0, (times[0], times[3]), rate, gradient=gradient, **chosen).ys

    given = [leaf(part) for part in (start(2), rates(2), gain, times)]
    assert torch.autograd.gradcheck(run, given, fast_mode=True)
    assert torch.autograd.gradgradcheck(run, given, fast_mode=True)


@pytest.mark.parametrize("solver", HISTORY)
def test_a_complex_state_has_the_gradient_of_its_parts(solver: str) -> None:
    def run(gradient: str) -> tuple[Tensor, ...]:
        z0 = torch.tensor([[1.0 + 0.5j], [0.2 - 1j]], dtype=torch.complex128, requires_grad=True)
        ys = legato.solve(lambda t, z: 1j * z - 0.1 * z * z.abs() ** 2, z0, (0.0, 1.0), gradient=gradient, **chosen).ys
        return torch.autograd.grad(ys.abs().sum(), z0)

    chosen = {"solver": solver, "controller": Constant(0.11)}
    torch.testing.assert_close(*(run(gradient) for gradient in GRADIENTS), rtol=1e-11, atol=1e-12)


# The march


@pytest.mark.parametrize("solver", HISTORY)
def test_a_jump_forgets_and_a_stop_between_equal_steps_does_not(solver: str) -> None:
    rate, y0 = rates(), start()
    plain, stopped, jumped = (
        legato.solve(field, y0, (0.0, 1.0), rate, **steps_of(solver, 0.125), **options).ys[0]
        for options in ({}, {"stops": [0.5]}, {"jumps": [0.5]})
    )
    middle = legato.solve(field, y0, (0.0, 0.5), rate, **steps_of(solver, 0.125)).ys[0]
    again = legato.solve(field, middle, (0.5, 1.0), rate, **steps_of(solver, 0.125)).ys[0]
    assert torch.equal(stopped, plain)
    torch.testing.assert_close(jumped, again, rtol=1e-14, atol=1e-14)
    assert not torch.allclose(jumped, plain, rtol=1e-10, atol=0)


@pytest.mark.parametrize("options", [{}, {"stops": [0.5]}, {"jumps": [0.21, 0.5]}], ids=["plain", "stops", "jumps"])
@pytest.mark.parametrize("solver", HISTORY)
def test_a_row_with_times_of_its_own_has_the_bits_it_has_alone(solver: str, options: dict[str, Any]) -> None:
    y0, rate = start(), rates()
    chosen = {**steps_of(solver, 0.07), **options, "steps": "independent"}
    whole = legato.solve(field, y0, SPANS, rate, **chosen).ys[0]
    for row in range(3):
        one = slice(row, row + 1)
        assert torch.equal(
            legato.solve(field, y0[one], tuple(end[one] for end in SPANS), rate[one], **chosen).ys[0], whole[one]
        )


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("solver", ADAPTIVE)
def test_the_same_steps_given_as_a_grid_end_in_the_same_place(solver: str, steps: str) -> None:
    """So a refused step leaves no trace in what is carried."""
    y0, rate = start()[2:], rates()[2:]
    tolerance = 1e-4 if SOLVERS[solver].order < 5 else 1e-7
    chosen: dict[str, Any] = {"rtol": tolerance, "atol": tolerance, "dt0": 0.9, "save": "steps"}
    adaptive = legato.solve(field, y0, (0.0, 1.0), rate, solver=solver, steps=steps, **chosen)
    times = adaptive.ts.reshape(-1).tolist()
    again = legato.solve(field, y0, (0.0, 1.0), rate, solver=solver, steps=steps, controller=Grid(times))
    assert int(adaptive.stats.steps[0]) > int(adaptive.stats.accepted[0])
    assert torch.equal(adaptive.ys[-1], again.ys[-1])


def breaking(t: Tensor, y: Tensor, args: Tensor) -> Tensor:
    rate, flag = args[..., :1], args[..., 1:]
    return torch.where((flag > 0) & (t > 0.5), torch.nan, field(t, y, rate))


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("mixing", [False, True], ids=["by rows", "whole batch only"])
@pytest.mark.parametrize("solver", HISTORY)
def test_under_shared_steps_a_failing_row_takes_no_history_from_the_others(
    solver: str, mixing: bool, gradient: str
) -> None:
    """Values and gradients of the others are those of a solve without it, to rounding."""

    def whole(t: Tensor, y: Tensor, args: Tensor) -> Tensor:
        return breaking(t, y, args) + 0 * y.detach().nan_to_num().sum() * (len(y) - 3)

    kept = [0, 2]
    flag = torch.tensor([[0.0], [1.0], [0.0]], dtype=DOUBLE)
    run: dict[str, Any] = {**steps_of(solver, 0.0625), "on_failure": "partial", "gradient": gradient}
    found = []
    for rows in ([0, 1, 2], kept):
        y0, rate = leaf(start()[rows]), leaf(rates()[rows])
        args = torch.cat([rate, flag[rows]], dim=1)
        ys = legato.solve(whole if mixing and len(rows) == 3 else breaking, y0, (0.0, 1.0), args, **run).ys
        ys = ys[:, [0, -1]]
        found.append((ys, *(part[[0, -1]] for part in torch.autograd.grad(weigh(ys), (y0, rate)))))
    for with_it, without in zip(*found, strict=True):
        torch.testing.assert_close(with_it, without, rtol=1e-12, atol=1e-12)


# Backwards in closed form


@pytest.mark.parametrize("solver", BACK)
def test_steps_go_back_to_rounding(solver: str) -> None:
    """Forty steps forward and forty back, by what the steps carry and by formulas alone."""
    method = SOLVERS[solver]
    rate, size, sums = rates(), 0.05, ChainSums(DOUBLE, torch.device("cpu"))

    class Term:
        time_dtype, device = DOUBLE, torch.device("cpu")

        @staticmethod
        def field(t: Tensor, y: Tensor) -> Tensor:
            return field(t, y, rate)

    y, carry = start(), method.start(Term, torch.tensor(0.0, dtype=DOUBLE), start())
    for index in range(40):
        ends = {"t0": index * size, "t1": (index + 1) * size}
        step = method.step(Term, *ends.values(), y, carry, dt=size, sums=sums, demand=legato.solvers.Demand(1))
        y, carry = step.y1, step.carry
    assert float((y - start()).abs().max()) > 0.5
    for index in reversed(range(40)):
        y, carry = method.back(Term, index * size, (index + 1) * size, y, carry, dt=size, sums=sums)
    torch.testing.assert_close(y, start(), rtol=0, atol=1e-12)
    begun = method.start(Term, torch.tensor(0.0, dtype=DOUBLE), start())
    for found, first in zip(carry[: method.history], begun, strict=False):
        torch.testing.assert_close(found, first, rtol=0, atol=1e-11)


@pytest.mark.parametrize("t1", [4.0, 40.0])
@pytest.mark.parametrize("solver", ADAPTIVE)
def test_where_solutions_contract_a_solve_is_right_or_ends_with_a_status(solver: str, t1: float) -> None:
    """y' = -5 (y - cos t): what is carried beside y expands at the rate at which y contracts."""
    rate, y0 = 5.0, torch.tensor([1.0], dtype=DOUBLE)
    chosen: dict[str, Any] = {"solver": solver, "rtol": 1e-4, "atol": 1e-4, "max_steps": 2000, "on_failure": "nan"}
    solution = legato.solve(lambda t, y: -rate * (y - torch.cos(t)), y0, (0.0, t1), **chosen)
    exact = rate * (rate * math.cos(t1) + math.sin(t1)) / (1 + rate**2)
    if solution.success:
        assert abs(float(solution.ys[-1]) - exact) < 1e-3
    else:
        assert solution.status.item() in (legato.Status.MAX_STEPS, legato.Status.DT_MIN)
        assert bool(solution.ys[-1].isnan())
