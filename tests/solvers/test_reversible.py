"""A Runge-Kutta method with a second copy: what its error is made of, and what it refuses."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

import legato
from legato.controllers import Constant
from legato.core.errors import InputError
from legato.solvers import SOLVERS, AsynchronousLeapfrog, ExplicitStep, Reversible, ReversibleStep

DOUBLE = torch.float64
RATE = 5.0


class Blind(Reversible):
    """The method without the gap between its copies in its error."""

    def step(self, *arguments: Any, **named: Any) -> ReversibleStep:
        step = super().step(*arguments, **named)
        step.errors = step.forth.errors  # type: ignore[method-assign]
        return step


def contracting(t: Tensor, y: Tensor) -> Tensor:
    return -RATE * (y - torch.cos(t))


def solved(solver: Any, t1: float, **options: Any) -> tuple[legato.Solution, float]:
    """Return a solution from y = 1 and its error at the end, where the transient is over."""
    exact = RATE * (RATE * math.cos(t1) + math.sin(t1)) / (1 + RATE**2)
    y0 = torch.ones(1, dtype=DOUBLE)
    solution = legato.solve(contracting, y0, (0.0, t1), solver=solver, rtol=1e-4, atol=1e-4, **options)
    return solution, abs(float(solution.ys[-1]) - exact)


@pytest.mark.parametrize("name", ["dopri5", "tsit5", "bosh3", "dop853"])
def test_without_the_gap_in_its_error_it_succeeds_with_a_wrong_answer(name: str) -> None:
    solution, error = solved(Blind(SOLVERS[name]), 10.0)
    assert solution.success
    assert error > 1e4


@pytest.mark.parametrize("name", ["dopri5", "tsit5", "bosh3", "dop853"])
def test_with_the_gap_in_its_error_it_is_right_or_ends_with_a_status(name: str) -> None:
    solution, error = solved(Reversible(SOLVERS[name], coupling=0.9), 10.0)
    assert solution.success
    assert error < 1e-4
    solution, _ = solved(Reversible(SOLVERS[name]), 10.0, max_steps=2000, on_failure="nan")
    assert solution.status.item() == legato.Status.MAX_STEPS
    assert bool(solution.ys.isnan().all())


def oscillation(t: Tensor, y: Tensor) -> Tensor:
    return torch.stack([y[..., 1], -torch.sin(y[..., 0])], dim=-1) + torch.cos(2 * t)


@pytest.mark.parametrize(
    "name", [name for name in SOLVERS if isinstance(SOLVERS[name], legato.solvers.ExplicitRungeKutta)]
)
def test_every_explicit_method_can_be_wrapped_and_keeps_its_order(name: str) -> None:
    """Errors at three step sizes against a solve at 1e-12 by the method of highest order."""
    y0 = torch.tensor([[0.8, 0.1]], dtype=DOUBLE)
    exact = legato.solve(oscillation, y0, (0.0, 2.0), solver="dop853", rtol=1e-12, atol=1e-13).ys
    method = Reversible(SOLVERS[name])
    few, many = {1: (40, 80), 2: (40, 80), 3: (40, 80), 4: (30, 60), 5: (20, 40), 8: (7, 14)}[method.order]
    errors = [
        float(
            (legato.solve(oscillation, y0, (0.0, 2.0), solver=method, controller=Constant(2 / count)).ys - exact).norm()
        )
        for count in (few, many)
    ]
    slope = math.log(errors[0] / errors[1]) / math.log(many / few)
    assert slope > method.order - 0.35


def test_a_method_with_two_error_estimates_weighs_the_gap_in_both() -> None:
    method = Reversible(SOLVERS["dop853"])
    step = method.step(
        _Term(), 0.0, 0.5, torch.ones(1, 2, dtype=DOUBLE), (torch.zeros(1, 2, dtype=DOUBLE),), dt=0.5,
        sums=legato.solvers.ChainSums(DOUBLE, torch.device("cpu")), demand=legato.solvers.Demand(1),
    )  # fmt: skip
    assert isinstance(step.forth, ExplicitStep)
    assert len(step.errors()) == 2
    for error in step.errors():
        assert bool((error >= 0.5 * (step.y1 - step.carry[0]).abs()).all())


class _Term:
    time_dtype, device = DOUBLE, torch.device("cpu")

    @staticmethod
    def field(t: Tensor, y: Tensor) -> Tensor:
        return oscillation(t, y)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Reversible(SOLVERS["reversible_heun"]), "explicit Runge-Kutta"),
        (lambda: Reversible(SOLVERS["tsit5"], coupling=0.0), "coupling"),
        (lambda: Reversible(SOLVERS["tsit5"], coupling=1.5), "coupling"),
        (lambda: AsynchronousLeapfrog(damping=0.5), "damping"),
    ],
)
def test_what_cannot_be_meant_is_refused(make: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        make()


def test_a_damped_leapfrog_is_stable_on_decays_at_the_price_of_an_order() -> None:
    solver = AsynchronousLeapfrog(damping=0.2)
    errors = [solved(solver, 20.0, controller=Constant(size))[1] for size in (0.04, 0.02)]
    assert errors[0] < 0.1
    assert math.log2(errors[0] / errors[1]) == pytest.approx(1.0, abs=0.3)
    assert solved(AsynchronousLeapfrog(), 20.0, controller=Constant(0.02), on_failure="nan")[1] > 1e3
