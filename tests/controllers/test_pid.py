"""The PID controller against its formula, and the march's obedience to it.

The marches here are scripted: a Dopri5 whose error estimate is replaced by a list, so that every verdict is known
beforehand. With rtol = 0, atol = 1 the scripted number is the error norm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import legato
from legato.controllers import CONTROLLERS, PID, Constant, Grid
from legato.core.errors import InputError
from legato.solvers import ExplicitRungeKutta
from legato.solvers.tableaus import DOPRI5

ORDERS = st.integers(1, 8)
CONTROLS = st.builds(
    PID,
    st.floats(0, 0.7),
    st.floats(0.05, 1),
    st.floats(0, 0.2),
    safety=st.floats(0.5, 1),
    shrink=st.floats(0.05, 0.5),
    grow=st.floats(1.5, 10),
)
GOOD = st.floats(0, 1)
BAD = st.one_of(st.floats(1, 1e300, exclude_min=True), st.just(math.nan), st.just(math.inf))
ERRORS = st.lists(st.one_of(GOOD, st.sampled_from([1.001, 3.0, 1e3, math.nan, math.inf])), min_size=1, max_size=12)

laws = settings(max_examples=100, deadline=None, derandomize=True)


class Attempt:
    """An attempted step with another error."""

    def __init__(self, step: Any, error: float) -> None:
        self._step, self._error = step, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._step, name)

    def errors(self) -> tuple[Tensor, ...]:
        return (torch.full_like(self._step.y1, self._error),)


class Scripted(ExplicitRungeKutta):
    """Dopri5 with scripted errors; keeps where each attempt began and how long it was."""

    def __init__(self, errors: Sequence[float]) -> None:
        super().__init__(DOPRI5)
        self.errors = list(errors)
        self.attempts: list[tuple[float, float]] = []

    def step(self, term: Any, t0: Any, t1: Any, y0: Tensor, carry: Any, *, dt: Any, **given: Any) -> Any:
        step = super().step(term, t0, t1, y0, carry, dt=dt, **given)
        self.attempts.append((float(t0), float(dt)))
        return Attempt(step, self.errors[len(self.attempts) - 1])


def march(errors: Sequence[float], *, steps: str, sign: float = 1.0, **options: Any) -> list[tuple[float, float]]:
    """Return (t0, dt) of every attempt of a march without end, its first step of size 1."""
    solver = Scripted(errors)
    legato.solve(
        lambda t, y: torch.zeros_like(y),
        torch.ones(1, 1, dtype=torch.float64),
        (0.0, sign * 1e30),
        solver=solver,
        steps=steps,
        dt0=1.0,
        rtol=0.0,
        atol=1.0,
        max_steps=len(errors),
        on_failure="partial",
        **options,
    )
    return solver.attempts


@laws
@given(CONTROLS, GOOD, GOOD, GOOD, ORDERS)
def test_an_accepted_step_changes_the_size_by_the_clipped_product_of_powers(
    control: PID, error: float, last: float, before: float, order: int
) -> None:
    last, before = max(last, 1e-10), max(before, 1e-10)
    verdict = control.judge(error, (last, before, False), order=order)
    k = order + 1
    kp, ki, kd = control.proportional, control.integral, control.derivative
    powers = max(error, 1e-10) ** (-(kp + ki + kd) / k) * last ** ((kp + 2 * kd) / k) * before ** (-kd / k)
    assert verdict.accept is True
    assert verdict.factor == pytest.approx(min(max(control.safety * powers, control.shrink), control.grow), rel=1e-12)
    assert verdict.memory == (max(error, 1e-10), last, False)


@laws
@given(CONTROLS, BAD, GOOD, ORDERS)
def test_a_rejection_shrinks_the_step_and_forgets_nothing(control: PID, error: float, last: float, order: int) -> None:
    verdict = control.judge(error, (last, 1.0, False), order=order)
    assert verdict.accept is False
    assert 0 < verdict.factor < 1
    assert verdict.factor >= control.shrink
    assert verdict.memory == (last, 1.0, True)


@laws
@given(CONTROLS, GOOD, GOOD, ORDERS)
def test_the_step_after_a_rejection_does_not_grow(control: PID, error: float, last: float, order: int) -> None:
    assert control.judge(error, (max(last, 1e-10), 1.0, True), order=order).factor <= 1


@pytest.mark.parametrize("error", [math.nan, math.inf])
def test_an_error_that_is_not_finite_is_rejected_with_the_least_factor(error: float) -> None:
    control = PID(shrink=0.3)
    assert control.judge(error, control.start(), order=4)[:2] == (False, 0.3)
    rows = control.judge_rows(torch.tensor([error]).double(), control.start_rows(torch.zeros(1)), order=4)
    assert not rows.accept.any()
    assert rows.factor.tolist() == pytest.approx([0.3], rel=1e-15)


def test_the_factor_stays_within_its_clamp_for_the_smallest_and_largest_errors() -> None:
    control = PID(shrink=0.25, grow=4.0)
    assert control.judge(0.0, control.start(), order=4).factor == 4.0
    assert control.judge(1e300, control.start(), order=4).factor == 0.25


@laws
@given(CONTROLS, st.lists(st.tuples(st.one_of(GOOD, BAD), GOOD, GOOD, st.booleans()), min_size=1, max_size=9), ORDERS)
def test_judge_and_judge_rows_agree(control: PID, rows: list[tuple[float, float, float, bool]], order: int) -> None:
    rows = [(error, max(last, 1e-10), max(before, 1e-10), rejected) for error, last, before, rejected in rows]
    *numbers, rejected = zip(*rows, strict=True)
    errors, last, before = (torch.tensor(column, dtype=torch.float64) for column in numbers)
    together = control.judge_rows(errors, (last, before, torch.tensor(rejected)), order=order)
    for place, (error, *memory) in enumerate(rows):
        alone = control.judge(error, tuple(memory), order=order)
        assert bool(together.accept[place]) is alone.accept
        assert float(together.factor[place]) == pytest.approx(alone.factor, rel=1e-14)
        assert [float(part[place]) for part in together.memory] == pytest.approx([float(part) for part in alone.memory])


@settings(max_examples=40, deadline=None, derandomize=True)
@given(ERRORS, CONTROLS, st.sampled_from(["shared", "independent"]), st.sampled_from([1.0, -1.0]))
def test_a_march_takes_the_steps_that_the_controller_says(
    errors: list[float], control: PID, steps: str, sign: float
) -> None:
    attempts = march(errors, steps=steps, sign=sign, controller=control)
    t, size, memory = 0.0, 1.0, control.start()
    for (begin, dt), error in zip(attempts, errors, strict=True):
        assert begin == pytest.approx(t, rel=1e-12)
        assert dt == pytest.approx(sign * size, rel=1e-9)
        verdict = control.judge(error, memory, order=4)
        memory, size = verdict.memory, size * verdict.factor
        t = begin + dt if verdict.accept else begin


@pytest.mark.parametrize("steps", ["shared", "independent"])
def test_a_rejected_step_is_followed_by_a_strictly_smaller_one_from_the_same_time(steps: str) -> None:
    errors = [0.1, math.nextafter(1, 2), 2.0, 1e9, math.nan, math.inf, 0.5, 1.5, 1.01, 0.9]
    attempts = march(errors, steps=steps, controller=PID(safety=1.0))
    for place, error in enumerate(errors[:-1]):
        (t, dt), (t_next, dt_next) = attempts[place], attempts[place + 1]
        if error <= 1:
            assert t_next == t + dt
        else:
            assert t_next == t
            assert dt_next < dt


@pytest.mark.parametrize("steps", ["shared", "independent"])
def test_the_step_never_grows_past_dt_max(steps: str) -> None:
    attempts = march([1e-9] * 6, steps=steps, dt_max=2.5)
    assert [dt for _, dt in attempts] == [1.0, 2.5, 2.5, 2.5, 2.5, 2.5]


@pytest.mark.parametrize("steps", ["shared", "independent"])
def test_the_step_never_shrinks_below_dt_min_and_a_forced_one_is_accepted_there(steps: str) -> None:
    attempts = march([1e9, 1e9, 1e9, 1e9], steps=steps, dt_min=0.1, force_dt_min=True)
    assert [dt for _, dt in attempts] == pytest.approx([1.0, 0.2, 0.1, 0.1], rel=1e-12)
    assert attempts[-1][0] == attempts[-2][0] + attempts[-2][1]


@pytest.mark.parametrize("steps", ["shared", "independent"])
def test_a_row_below_the_floor_fails_with_dt_min(steps: str) -> None:
    solution = legato.solve(
        lambda t, y: torch.zeros_like(y),
        torch.ones(1, 1, dtype=torch.float64),
        (0.0, 10.0),
        solver=Scripted([2.0] * 50),
        steps=steps,
        dt0=1.0,
        rtol=0.0,
        atol=1.0,
        dt_min=0.05,
        on_failure="partial",
    )
    assert solution.status.tolist() == [legato.Status.DT_MIN]
    assert solution.t_reached.tolist() == [0.0]


@pytest.mark.parametrize(
    "settings_",
    [
        {"shrink": 0.0},
        {"shrink": 1.0},
        {"grow": 1.0},
        {"safety": 0.0},
        {"safety": 1.1},
        {"safety": math.nan},
        {"integral": 0.0},
        {"integral": math.nan},
    ],
)
def test_settings_out_of_range_are_refused(settings_: dict[str, float]) -> None:
    with pytest.raises(InputError):
        PID(**settings_)


@pytest.mark.parametrize("dt", [0.0, -1.0, math.nan, math.inf])
def test_a_constant_step_must_be_finite_and_positive(dt: float) -> None:
    with pytest.raises(InputError, match="above zero"):
        Constant(dt)


def test_the_times_of_a_grid_must_be_finite() -> None:
    with pytest.raises(InputError, match="finite"):
        Grid([0.0, math.nan])


@pytest.mark.parametrize("steps", ["shared", "independent"])
def test_constant_steps_have_one_size_and_the_last_ends_on_t1(steps: str) -> None:
    y0 = torch.ones(2, 1, dtype=torch.float64)
    solution = legato.solve(lambda t, y: -y, y0, (0.0, 1.0), controller=Constant(0.3), steps=steps, save="steps")
    times = solution.ts if steps == "shared" else solution.ts[0]
    assert times.tolist() == pytest.approx([0.0, 0.3, 0.6, 0.9, 1.0], abs=1e-15)
    assert float(times[-1]) == 1.0


@pytest.mark.parametrize("steps", ["shared", "independent"])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_grid_steps_from_time_to_time(steps: str, sign: float) -> None:
    y0, places = torch.ones(2, 1, dtype=torch.float64), [0.1, 0.25, 0.7]
    grid = Grid([sign * place for place in places])
    solution = legato.solve(lambda t, y: -y, y0, (0.0, sign), controller=grid, steps=steps, save="steps")
    times = solution.ts if steps == "shared" else solution.ts[1]
    assert times.tolist() == [sign * place for place in [0.0, *places, 1.0]]


@pytest.mark.parametrize("name", list(CONTROLLERS))
def test_every_controller_meets_the_tolerance_on_the_harmonic_oscillator(name: str) -> None:
    y0 = torch.tensor([1.0, 0.0], dtype=torch.float64)
    solution = legato.solve(
        lambda t, y: torch.stack([y[1], -y[0]]), y0, (0.0, 10.0), controller=name, rtol=1e-8, atol=1e-8
    )
    exact = torch.tensor([math.cos(10), -math.sin(10)], dtype=torch.float64)
    # The flow neither damps nor amplifies: the error is at most that of all steps together, some tens of tolerances.
    assert (solution.ys[-1] - exact).abs().max() < 1e-6
