"""Budgets end a solve with a status, keep what was reached, and cost nothing where none is set.

y' = -y on a constant step of 1/8 by a method of two evaluations a step, so that what every budget buys is known.
"""

from __future__ import annotations

import math
import time
from typing import Any

import pytest
import torch
from torch import Tensor

import legato
from legato import SolveError, Status
from legato.controllers import Constant
from legato.core.errors import InputError
from legato.engines.eager import budget

MODES = ["shared", "independent"]
GRID = [place / 8 for place in range(9)]
FACTOR = 1 - 1 / 8 + 1 / 128  # the midpoint rule on a step


def decay(t: Tensor, y: Tensor) -> Tensor:
    return -y


def run(steps: str, **options: Any) -> legato.Solution:
    y0 = torch.ones(3, 1, dtype=torch.float64)
    chosen = {"controller": Constant(0.125), "solver": "midpoint", "on_failure": "partial", **options}
    return legato.solve(decay, y0, GRID, steps=steps, **chosen)


@pytest.mark.parametrize("steps", MODES)
def test_the_evaluations_end_after_the_attempt_that_uses_up_the_budget(steps: str) -> None:
    solution = run(steps, max_evaluations=9)
    # The evaluation at the start is the first step's; then there are 2, 4, 6, 8 and, begun below 9, 10.
    assert solution.status.tolist() == [Status.MAX_EVALUATIONS] * 3
    assert solution.stats.accepted.tolist() == [5] * 3
    assert solution.stats.evaluations.tolist() == [10] * 3
    assert solution.t_reached.tolist() == pytest.approx([0.625] * 3)
    exact = [FACTOR**count for count in range(6)]
    assert solution.ys[:6, 0, 0].tolist() == pytest.approx(exact, rel=1e-14)
    assert solution.ys[6:].isnan().all()


@pytest.mark.parametrize("steps", MODES)
def test_a_budget_that_suffices_changes_nothing(steps: str) -> None:
    free, bound = run(steps), run(steps, max_evaluations=20, max_time=3600.0)
    assert bound.success
    assert torch.equal(free.ys, bound.ys)


def test_independent_rows_spend_their_own_evaluations() -> None:
    """A row that oscillates 50 times faster needs more steps, and runs out alone."""
    rate = torch.tensor([[1.0], [50.0]], dtype=torch.float64)

    def turning(t: Tensor, y: Tensor, rate: Tensor) -> Tensor:
        return rate * torch.stack([-y[..., 1], y[..., 0]], dim=-1)

    y0 = torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    solution = legato.solve(
        turning, y0, (0.0, 4.0), rate, args_batched=True, steps="independent", max_evaluations=600, on_failure="partial"
    )
    assert solution.status.tolist() == [Status.SUCCESS, Status.MAX_EVALUATIONS]
    assert solution.ys[-1, 0].tolist() == pytest.approx([math.cos(4), math.sin(4)], abs=1e-6)
    assert solution.ys[-1, 1].isnan().all()
    assert 600 <= solution.stats.evaluations[1] <= 606
    assert 0 < solution.t_reached[1] < 4


@pytest.mark.parametrize("steps", MODES)
def test_a_solve_that_would_take_for_ever_ends_with_its_time(steps: str) -> None:
    began = time.monotonic()
    solution = run(steps, controller=Constant(1e-7), max_steps=10**9, max_time=0.2)
    assert solution.status.tolist() == [Status.TIMEOUT] * 3
    assert 0 < solution.t_reached[0] < 1
    # Far above what one attempt takes on a busy machine, far below the hour that the solve would take.
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("steps", MODES)
def test_the_clock_is_read_once_an_attempt_and_only_where_it_counts(
    steps: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []

    class Watched:
        @staticmethod
        def monotonic() -> float:
            reads.append(1)
            return 0.0

    monkeypatch.setattr(budget, "time", Watched)
    assert run(steps).success
    assert not reads
    solution = run(steps, max_time=1.0)
    assert solution.success
    assert len(reads) == int(solution.stats.steps[0])


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize(
    ("option", "word"), [({"max_evaluations": 4}, "max_evaluations"), ({"max_time": 1e-9}, "max_time")]
)
def test_the_error_says_which_budget_ran_out(steps: str, option: dict[str, Any], word: str) -> None:
    with pytest.raises(SolveError, match=word) as raised:
        run(steps, on_failure="raise", **option)
    assert raised.value.solution.status[0] == (Status.TIMEOUT if word == "max_time" else Status.MAX_EVALUATIONS)


@pytest.mark.parametrize("gradient", ["discrete", "direct"])
@pytest.mark.parametrize("steps", MODES)
def test_the_part_that_was_reached_has_its_gradient(steps: str, gradient: str) -> None:
    """Five midpoint steps multiply the state by the same factor each."""
    y0 = torch.ones(2, 1, dtype=torch.float64, requires_grad=True)
    solution = legato.solve(
        decay,
        y0,
        GRID,
        controller=Constant(0.125),
        solver="midpoint",
        steps=steps,
        max_evaluations=9,
        on_failure="partial",
        gradient=gradient,
    )
    (slope,) = torch.autograd.grad(solution.ys[5].sum(), y0)
    assert slope.flatten().tolist() == pytest.approx([FACTOR**5] * 2, rel=1e-13)


@pytest.mark.parametrize("value", [0, -1, 1.5])
def test_a_number_of_evaluations_is_whole_and_positive(value: Any) -> None:
    with pytest.raises(InputError, match="max_evaluations"):
        run("shared", max_evaluations=value)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, "soon"])
def test_seconds_are_above_zero(value: Any) -> None:
    with pytest.raises(InputError, match="max_time"):
        run("shared", max_time=value)


def test_the_layer_takes_budgets() -> None:
    layer = legato.NeuralODE(decay, max_evaluations=8, on_failure="nan")
    assert layer(torch.ones(2, 1)).isnan().all()
