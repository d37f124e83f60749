"""The self-test of `legato doctor`: this installation, on this machine, against reference values.

Errors are measured in tolerances: e = max_i |y_i - r_i| / (atol + rtol |r_i|) for a reference r correct to the last
digit. A good pair keeps e near 1 times the growth of errors over the interval, below 30 here; one wrong coefficient
misses by orders of magnitude, so that a hundred tolerances tell the two apart on any machine.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..core.errors import SolveError
from ..problems import PROBLEMS, Problem
from ..solve import solve

__all__ = ["Verdict", "self_test"]

_TOLERANCES = 100.0  # allowed, in tolerances
_GRADIENT = 1e-5  # allowed, relative to the row of the Jacobian, at a tolerance of 1e-9
_PROBLEMS = ("lotka-volterra", "pendulum-forced", "arenstorf", "rigid-body")
_SOLVERS = {"tsit5": 1e-8, "dopri5": 1e-8, "dop853": 1e-10, "dopri8": 1e-10, "bosh3": 1e-6}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Say how one check ended.

    Arguments:
        name: what was checked, as a sentence that holds if it passed.
        measured: the number found; NaN where there is none.
        allowed: what it may be at most.
        unit: what both count.
        seconds: how long it took.
        failure: why there is no number; empty otherwise.
    """

    name: str
    measured: float
    allowed: float
    unit: str
    seconds: float
    failure: str = ""

    @property
    def passed(self) -> bool:
        """Whether the number is there and allowed."""
        return not self.failure and self.measured <= self.allowed


def self_test() -> Iterator[Verdict]:
    """Run the checks one by one, each with its verdict; none raises."""
    for name, measure, allowed, unit in _checks():
        began, measured, failure = time.perf_counter(), math.nan, ""
        try:
            measured = measure()
        except Exception as error:  # noqa: BLE001  whatever a check raises is its verdict
            failure = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        seconds = time.perf_counter() - began
        yield Verdict(name=name, measured=measured, allowed=allowed, unit=unit, seconds=seconds, failure=failure)


def _checks() -> Iterator[tuple[str, Callable[[], float], float, str]]:
    unit = "tolerances"
    for solver, tolerance in _SOLVERS.items():
        yield (
            f"{solver} reaches the reference states of {len(_PROBLEMS)} problems",
            partial(_states, solver, tolerance),
            _TOLERANCES,
            unit,
        )
    yield "rk4 with fixed steps has order four", _order, 0.2, "of an order"
    yield "one row of a batch with shared steps reaches its reference", _shared, _TOLERANCES, unit
    yield "rows with their own steps and ends reach their references", _independent, _TOLERANCES, unit
    yield "dense output follows the exact solution", _dense, _TOLERANCES, unit
    yield "a solve backward in time returns to its start", _backward, _TOLERANCES, unit
    yield "single precision reaches the reference state", _single, _TOLERANCES, unit
    for gradient in ("discrete", "direct"):
        for steps in ("shared", "independent"):
            yield (
                f"{gradient} gradients with {steps} steps agree with the sensitivities",
                partial(_gradient, gradient, steps),
                _GRADIENT,
                "relative",
            )
    yield "a solution that blows up is refused near its end", _blow_up, 1e-3, "of time"
    if torch.cuda.is_available():
        yield "the CUDA device reaches the reference state", partial(_states, "tsit5", 1e-8, "cuda"), _TOLERANCES, unit


def _tolerances(y: Tensor, reference: Tensor, tolerance: float) -> float:
    """Return the largest error in tolerances."""
    return float(((y - reference).abs() / (tolerance + tolerance * reference.abs())).max())


def _reference(problem: Problem, index: int = 0) -> tuple[float, Tensor]:
    answer = problem.references[index]
    return answer.t, torch.tensor(answer.y, dtype=torch.float64)


def _states(solver: str, tolerance: float, device: str = "cpu") -> float:
    worst = 0.0
    for name in _PROBLEMS:
        problem = PROBLEMS[name]
        t, y = _reference(problem)
        options: dict[str, Any] = {"solver": solver, "rtol": tolerance, "atol": tolerance}
        solution = solve(problem.field, problem.initial(device=device), (problem.t0, t), **options)
        worst = max(worst, _tolerances(solution.ys[-1].cpu(), y, tolerance))
    return worst


def _order() -> float:
    problem = PROBLEMS["pendulum-forced"]
    t, y = _reference(problem)
    errors = [
        float((solve(problem.field, problem.initial(), (problem.t0, t), solver="rk4", dt0=dt).ys[-1] - y).abs().max())
        for dt in (1 / 32, 1 / 64)
    ]
    return abs(math.log2(errors[0] / errors[1]) - 4.0)


def _rows(problem: Problem, count: int) -> Tensor:
    """Return initial states, the first the problem's own and the others beside it."""
    return problem.initial() * (1.0 + 0.05 * torch.arange(count, dtype=torch.float64).unsqueeze(1))


def _shared() -> float:
    problem = PROBLEMS["lotka-volterra"]
    t, y = _reference(problem, 1)
    solution = solve(problem.field, _rows(problem, 4), (problem.t0, t), rtol=1e-8, atol=1e-8)
    return _tolerances(solution.ys[-1, 0], y, 1e-8)


def _independent() -> float:
    problem = PROBLEMS["pendulum-forced"]
    answers = [_reference(problem, index) for index in range(len(problem.references))]
    ends = torch.tensor([t for t, _ in answers], dtype=torch.float64)
    y0 = problem.initial().expand(len(answers), -1)
    solution = solve(problem.field, y0, (torch.full_like(ends, problem.t0), ends), rtol=1e-8, atol=1e-8)
    return max(_tolerances(solution.ys[-1, row], y, 1e-8) for row, (_, y) in enumerate(answers))


def _dense() -> float:
    problem = PROBLEMS["harmonic-oscillator"]
    assert problem.exact is not None
    times = torch.linspace(problem.t0, problem.t1, 101, dtype=torch.float64)
    span = (problem.t0, problem.t1)
    solution = solve(problem.field, problem.initial(), span, rtol=1e-8, atol=1e-8, dense=True)
    return _tolerances(solution(times), problem.exact(times), 1e-8)


def _backward() -> float:
    problem = PROBLEMS["lotka-volterra"]
    t, y = _reference(problem)
    solution = solve(problem.field, y, (t, problem.t0), rtol=1e-8, atol=1e-8)
    return _tolerances(solution.ys[-1], problem.initial(), 1e-8)


def _single() -> float:
    problem = PROBLEMS["lotka-volterra"]
    t, y = _reference(problem)
    solution = solve(problem.field, problem.initial(torch.float32), (problem.t0, t), rtol=1e-4, atol=1e-4)
    return _tolerances(solution.ys[-1].double(), y, 1e-4)


def _gradient(gradient: str, steps: str) -> float:
    """Return the largest error of a row of dy/d(y0, p), relative to the row."""
    worst = 0.0
    for name in ("lotka-volterra", "pendulum-forced"):
        problem = PROBLEMS[name]
        answer = problem.sensitivities[0]
        y0 = problem.initial().unsqueeze(0).requires_grad_()
        args = problem.args().requires_grad_()
        options: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-9, "gradient": gradient, "steps": steps}
        end = solve(problem.field, y0, (problem.t0, answer.t), args, **options).ys[-1, 0]
        for row, value in enumerate(end):
            found = torch.cat([part.flatten() for part in torch.autograd.grad(value, (y0, args), retain_graph=True)])
            known = torch.tensor((*answer.by_initial[row], *answer.by_parameters[row]), dtype=torch.float64)
            worst = max(worst, float((found - known).norm() / known.norm()))
    return worst


def _blow_up() -> float:
    """Return how far from the true end of the solution the solve was refused."""
    problem = PROBLEMS["blow-up-square"]
    assert problem.breakdown is not None
    try:
        solve(problem.field, problem.initial(), (problem.t0, problem.t1), rtol=1e-8, atol=1e-8)
    except SolveError as error:
        return abs(float(error.solution.t_reached) - problem.breakdown)
    return math.inf
