"""Gradients: right against exact sensitivities, exact for the steps taken, and the same by every way.

Three kinds of law. *Truth*: the Jacobian dy(T)/d(y0, p) against the reference of `legato.problems`, computed from the
variational equations in binary128. *Exactness*: `gradcheck` of the map that the solve computes; finite differences of
an adaptive solve are noise, so its step sequence is frozen, by constant steps or by a grid of the accepted times. Its
fast mode compares along random directions. *Agreement*: discrete and direct differentiate the same steps, so they agree
to rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from methods import GENERAL
from torch import Tensor

import legato
from legato.controllers import Constant, Grid
from legato.problems import PROBLEMS
from legato.solvers import SOLVERS

MODES = ["shared", "independent"]
GRADIENTS = ["discrete", "direct"]
SENSITIVE = [name for name in PROBLEMS if PROBLEMS[name].sensitivities and not PROBLEMS[name].stiff]
# Direct in both modes is compared with discrete below, and held to the truth on one problem.
TRUTHS = [(solver, "shared") for solver in ("tsit5", "dopri5", "dopri8", "dop853")] + [("dop853", "independent")]

RATES = (0.7, 0.4, 1.3)


def field(t: Tensor, y: Tensor, p: Tensor) -> Tensor:
    """A field that is nonlinear, non-autonomous and couples the components."""
    a, b, c = p.unbind(-1) if p.dim() == 1 else p[..., None, :].unbind(-1)
    return a * torch.cos(t) * y.roll(1, -1) - b * y + torch.sin(c * t * y)


def start(rows: int = 2) -> Tensor:
    return torch.linspace(0.5, 1.5, 3 * rows, dtype=torch.float64).reshape(rows, 3)


def rates() -> Tensor:
    return torch.tensor(RATES, dtype=torch.float64)


def leaf(tensor: Tensor) -> Tensor:
    return tensor.detach().clone().requires_grad_()


def weights_like(tensor: Tensor) -> Tensor:
    """Return fixed weights that make a scalar of a result, no two alike."""
    return torch.cos(torch.arange(tensor.numel(), dtype=torch.float64)).reshape(tensor.shape).to(tensor.dtype)


def relative(found: tuple[Tensor, ...], wanted: tuple[Tensor, ...]) -> float:
    """Return the largest error of several gradients, each relative to its own norm."""
    return max(float((a - b).norm() / b.norm()) for a, b in zip(found, wanted, strict=True))


def jacobian(row: Any) -> Tensor:
    """Return the reference Jacobian by the initial state and the parameters, side by side."""
    return torch.cat([torch.tensor(part, dtype=torch.float64) for part in (row.by_initial, row.by_parameters)], dim=1)


# Truth


@pytest.mark.parametrize("name", SENSITIVE)
@pytest.mark.parametrize(("solver", "steps"), TRUTHS)
def test_the_jacobian_by_initial_state_and_parameters_is_right_to_five_digits(
    name: str, solver: str, steps: str
) -> None:
    """One sample per component of the result: a backward pass gives every row of the Jacobian at a time."""
    problem = PROBLEMS[name]
    count, rows = len(problem.y0), problem.sensitivities
    y0, args = leaf(problem.initial().expand(count, -1)), leaf(problem.args().expand(count, -1))
    solution = legato.solve(
        problem.field,
        y0,
        [problem.t0, *(row.t for row in rows)],
        args,
        args_batched=True,
        solver=solver,
        steps=steps,
        rtol=1e-9,
        atol=1e-9,
    )
    for values, row in zip(solution.ys[1:], rows, strict=True):
        found = torch.autograd.grad(values.diagonal().sum(), (y0, args), retain_graph=True)
        exact = jacobian(row)
        assert ((torch.cat(found, dim=1) - exact).norm(dim=1) <= 1e-5 * exact.norm(dim=1)).all()


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("steps", MODES)
def test_every_time_of_one_solve_has_the_right_jacobian(steps: str, gradient: str) -> None:
    problem = PROBLEMS["lotka-volterra"]
    rows = problem.sensitivities[:2]
    y0, args = leaf(problem.initial().expand(2, -1)), leaf(problem.args().expand(2, -1))
    solution = legato.solve(
        problem.field,
        y0,
        [problem.t0, *(row.t for row in rows)],
        args,
        args_batched=True,
        solver="dop853",
        steps=steps,
        gradient=gradient,
        rtol=1e-9,
        atol=1e-9,
    )
    for values, row in zip(solution.ys[1:], rows, strict=True):
        found = torch.autograd.grad(values.diagonal().sum(), (y0, args), retain_graph=True)
        exact = jacobian(row)
        assert ((torch.cat(found, dim=1) - exact).norm(dim=1) <= 1e-5 * exact.norm(dim=1)).all()


# Exactness


class Net(torch.nn.Module):
    """The field with its rates as parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.rates = torch.nn.Parameter(rates())

    def forward(self, t: Tensor, y: Tensor) -> Tensor:
        return field(t, y, self.rates)


def accepted_times(solver: str, *, rtol: float) -> list[float]:
    solution = legato.solve(field, start(), (0.0, 1.0), rates(), solver=solver, rtol=rtol, save="steps")
    return solution.ts.tolist()


def frozen(solver: str) -> Any:
    """Return a controller that takes an adaptive solve's steps, or constant ones that do not fit the interval."""
    return Grid(accepted_times(solver, rtol=1e-4)) if SOLVERS[solver].adaptive else Constant(0.23)


@pytest.mark.parametrize("solver", ["tsit5", "dopri5", "bosh3", "dop853", "dopri8"])
def test_a_grid_of_the_accepted_times_takes_the_same_steps_to_the_bit(solver: str) -> None:
    """What makes a check on the frozen sequence a check of the adaptive solve."""
    times = torch.linspace(0, 1, 7)
    adaptive = legato.solve(field, start(), times, rates(), solver=solver, rtol=1e-4)
    again = legato.solve(field, start(), times, rates(), solver=solver, controller=frozen(solver))
    assert torch.equal(adaptive.ys, again.ys)


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("solver", ["tsit5", "dop853", "rk4", "euler"])
def test_gradcheck_by_initial_state_args_and_captured_tensors(solver: str, steps: str, gradient: str) -> None:
    controller = frozen(solver)

    def run(y0: Tensor, p: Tensor, gain: Tensor) -> Tensor:
        def captured(t: Tensor, y: Tensor, args: Tensor) -> Tensor:
            return field(t, y, args) * gain

        options = {"controller": controller, "solver": solver, "steps": steps, "gradient": gradient}
        return legato.solve(captured, y0, [0.0, 0.31, 0.77, 1.0], p, **options).ys

    gain = torch.tensor([1.1, 0.9, 1.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(run, (leaf(start()), leaf(rates()), leaf(gain)), fast_mode=True)


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("steps", MODES)
def test_gradcheck_by_the_parameters_of_a_module(steps: str, gradient: str) -> None:
    net = Net()

    def run(p: Tensor) -> Tensor:
        with torch.no_grad():
            net.rates.copy_(p)
        solution = legato.solve(net, start(), (0.0, 1.0), controller=frozen("tsit5"), steps=steps, gradient=gradient)
        return solution.ys

    (found,) = torch.autograd.grad((weights_like(start()) * run(rates())).sum(), net.rates)
    for place in range(3):
        ends = [run(rates() + sign * 1e-6 * torch.eye(3).double()[place]).detach() for sign in (1, -1)]
        difference = (weights_like(start()) * (ends[0] - ends[1])).sum() / 2e-6
        assert float(found[place]) == pytest.approx(float(difference), rel=1e-7)


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("steps", MODES)
def test_gradgradcheck_by_state_args_and_captured_tensors(steps: str, gradient: str) -> None:
    def run(y0: Tensor, p: Tensor, gain: Tensor) -> Tensor:
        def captured(t: Tensor, y: Tensor, args: Tensor) -> Tensor:
            return field(t, y, args) * gain

        options = {"solver": "bosh3", "controller": Constant(0.4), "steps": steps, "gradient": gradient}
        return legato.solve(captured, y0, [0.0, 0.5, 1.0], p, **options).ys

    gain = torch.tensor(1.1, dtype=torch.float64)
    assert torch.autograd.gradgradcheck(run, (leaf(start(1)), leaf(rates()), leaf(gain)), fast_mode=True)


# Agreement


def both(run: Callable[[str, list[Tensor]], Any], inputs: list[Tensor]) -> float:
    """Return how far discrete is from direct, relative, for one weighted sum of a result."""
    found = []
    for gradient in GRADIENTS:
        given = [leaf(part) for part in inputs]
        result = run(gradient, given)
        loss = sum((weights_like(part) * part).sum() for part in result)
        found.append(torch.autograd.grad(loss.real if loss.is_complex() else loss, given))
    return relative(*found)


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("solver", GENERAL)
def test_discrete_equals_direct_for_every_solver(solver: str, steps: str) -> None:
    """With save times inside the steps, so that the interpolant and its own stages take part."""

    def run(gradient: str, given: list[Tensor]) -> list[Tensor]:
        y0, p, t = given
        options = {"solver": solver, "steps": steps, "gradient": gradient, "controller": Constant(0.17)}
        return [legato.solve(field, y0, t, p, **options).ys]

    times = torch.tensor([0.0, 0.05, 0.3, 0.66, 1.0], dtype=torch.float64)
    assert both(run, [start(), rates(), times]) < 1e-12


CASES: dict[str, dict[str, Any]] = {
    "dense": {"dense": True},
    "steps": {"save": "steps"},
    "decreasing": {"t": [1.0, 0.6, -0.2]},
    "stops": {"stops": [0.21, 0.5]},
    "jumps": {"jumps": [0.21, 0.5]},
    "dopri8 inside": {"solver": "dopri8", "t": [0.0, 0.1, 0.2, 1.0]},
    "dop853 inside": {"solver": "dop853", "t": [0.0, 0.1, 0.2, 1.0]},
    "dop853 dense": {"solver": "dop853", "dense": True},
    "ends twice": {"t": [0.0, 0.0, 0.5, 1.0, 1.0]},
    "one time": {"t": [0.3]},
}


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("case", list(CASES))
def test_discrete_equals_direct_whatever_is_kept(case: str, steps: str) -> None:
    chosen = {"t": [0.0, 0.4, 1.0], "solver": "tsit5", **CASES[case]}
    times = chosen.pop("t")
    place = torch.linspace(min(times), max(times), 5, dtype=torch.float64)

    def run(gradient: str, given: list[Tensor]) -> list[Tensor]:
        y0, p = given
        options = {"steps": steps, "gradient": gradient, "controller": Constant(0.17), **chosen}
        solution = legato.solve(field, y0, times, p, **options)
        inside = [solution(place), solution.derivative(place)] if "dense" in chosen else []
        # A single time leaves the parameters unused; they still get a gradient, of zero.
        return [solution.ys, *inside, 0 * p + p]

    assert both(run, [start(), rates()]) < 1e-12


@pytest.mark.parametrize("steps", MODES)
def test_discrete_equals_direct_for_adaptive_steps(steps: str) -> None:
    """Sums are added in another order: step sizes agree to rounding over tolerance, gradients better than that."""

    def run(gradient: str, given: list[Tensor]) -> list[Tensor]:
        y0, p = given
        return [legato.solve(field, y0, [0.0, 0.4, 1.0], p, steps=steps, gradient=gradient, rtol=1e-6).ys]

    assert both(run, [start(3), rates()]) < 1e-11


STATES: dict[str, tuple[list[Tensor], Callable[[list[Tensor]], Any]]] = {
    "tuple": ([start(), start()[:, :1]], tuple),
    "dict": ([start(), start()[:, :1]], lambda leaves: {"z": leaves[0], "w": leaves[1]}),
    "vector": ([start()[0]], lambda leaves: leaves[0]),
    "number": ([start()[0, 0]], lambda leaves: leaves[0]),
    "complex": ([torch.complex(start(), -start())], lambda leaves: leaves[0]),
    "two batch axes": ([start(6).reshape(2, 3, 3)], lambda leaves: leaves[0]),
    "transposed": ([start(3).T], lambda leaves: leaves[0]),
}


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("name", list(STATES))
def test_discrete_equals_direct_for_every_kind_of_state(name: str, steps: str) -> None:
    leaves, make = STATES[name]
    dims = 2 if name == "two batch axes" else None

    def rate(t: Tensor, y: Tensor, p: Tensor) -> Tensor:
        return -p * y * y.abs() + torch.sin(t) * y

    def structured(t: Tensor, y: Any, p: Tensor) -> Any:
        if isinstance(y, dict):
            return {"z": rate(t, y["z"], p) * y["w"], "w": rate(t, y["w"], p)}
        if isinstance(y, tuple):
            return (rate(t, y[0], p) * y[1], rate(t, y[1], p))
        return rate(t, y, p)

    def run(gradient: str, given: list[Tensor]) -> list[Tensor]:
        *parts, p = given
        options = {"steps": steps, "gradient": gradient, "controller": Constant(0.3), "batch_dims": dims}
        ys = legato.solve(structured, make(parts), [0.0, 0.5, 1.0], p, **options).ys
        return list(ys.values()) if isinstance(ys, dict) else list(ys) if isinstance(ys, tuple) else [ys]

    assert both(run, [*leaves, torch.tensor(0.7, dtype=torch.float64)]) < 1e-12


@pytest.mark.parametrize("steps", MODES)
def test_discrete_equals_direct_for_args_with_a_row_per_sample(steps: str) -> None:
    t1 = torch.tensor([1.0, 0.4], dtype=torch.float64) if steps == "independent" else 1.0

    def run(gradient: str, given: list[Tensor]) -> list[Tensor]:
        y0, own, shared = given
        options = {"steps": steps, "gradient": gradient, "controller": Constant(0.17)}
        ys = legato.solve(
            lambda t, y, args: field(t, y, args[0]) * args[1],
            y0,
            (0.0, t1),
            (own, shared),
            args_batched=(True, False),
            **options,
        ).ys
        return [ys]

    own = rates() * torch.tensor([[1.0], [1.2]], dtype=torch.float64)
    assert both(run, [start(), own, torch.tensor(0.9, dtype=torch.float64)]) < 1e-12


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("steps", MODES)
def test_parameters_have_one_gradient_as_args_in_a_module_and_captured(steps: str, gradient: str) -> None:
    options = {"steps": steps, "gradient": gradient, "rtol": 1e-6}
    net, p, q = Net(), leaf(rates()), leaf(rates())
    found = []
    for parameters, run in (
        (net.rates, lambda: legato.solve(net, start(), (0.0, 1.0), **options)),
        (p, lambda: legato.solve(field, start(), (0.0, 1.0), p, **options)),
        (q, lambda: legato.solve(lambda t, y: field(t, y, q), start(), (0.0, 1.0), **options)),
    ):
        ys = run().ys
        found.append(torch.autograd.grad((weights_like(ys) * ys).sum(), parameters)[0])
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


@pytest.mark.parametrize("solver", ["bosh3", "dopri5", "rk4", "heun2"])
def test_the_gradient_converges_with_the_order_of_the_method(solver: str) -> None:
    problem = PROBLEMS["pendulum-forced"]
    row, errors = problem.sensitivities[0], []
    for count in (40, 80):
        y0, args = leaf(problem.initial().expand(2, -1)), leaf(problem.args().expand(2, -1))
        control = Constant((row.t - problem.t0) / count)
        solution = legato.solve(
            problem.field, y0, (problem.t0, row.t), args, args_batched=True, solver=solver, controller=control
        )
        found = torch.cat(torch.autograd.grad(solution.ys[0].diagonal().sum(), (y0, args)), dim=1)
        errors.append(float((found - jacobian(row)).norm()))
    slope = torch.tensor(errors[0] / errors[1]).log2()
    assert float(slope) == pytest.approx(SOLVERS[solver].order, abs=0.2)
