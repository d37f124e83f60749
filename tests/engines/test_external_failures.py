"""No black box hangs, and none hands on NaN: the failures that SciPy's and SUNDIALS' solvers keep silent about.

Left to themselves RK45 and CVODE shrink their step for ever where a field returns NaN, LSODA returns NaN as a success,
or does not come back from infinity or a blow-up.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from black_boxes import ENGINES_HERE, needs_sundials
from scipy.integrate import OdeSolver
from torch import Tensor

import legato
from legato import SolveError, Status
from legato.core.errors import FieldError
from legato.engines import SciPy

DOUBLE = torch.float64
KEEP = {"on_failure": "partial"}
TIMES = [0.0, 0.25, 0.75, 1.0]


def nan_after(t: Tensor, y: Tensor) -> Tensor:
    return torch.where(t > 0.5, torch.nan, -y)


def inf_after(t: Tensor, y: Tensor) -> Tensor:
    return torch.where(t > 0.5, torch.inf, -y)


def minus_inf_in_one_component(t: Tensor, y: Tensor) -> Tensor:
    return torch.where((torch.arange(2) == 1) & (t > 0.5), -torch.inf, -y)


def blow_up(t: Tensor, y: Tensor) -> Tensor:
    """y' = y^2 from 2 at t = 0: infinite at t = 1/2."""
    return y**2


def out_of_domain(t: Tensor, y: Tensor) -> Tensor:
    """y' = -4 sqrt(2 y) from 2: y = 2 (1 - 2 t)^2 reaches 0 at t = 1/2, and the next step leaves the domain."""
    return -4 * torch.sqrt(2 * y) - 1e-3


FAILURES: dict[str, Callable[..., Tensor]] = {
    function.__name__: function
    for function in (nan_after, inf_after, minus_inf_in_one_component, blow_up, out_of_domain)
}


def run(failing: Callable[..., Tensor], engine: Any, **options: Any) -> legato.Solution:
    """Three samples of two components; the second one fails."""
    y0 = torch.tensor([[1.0, 0.5], [2.0, 2.0], [0.3, 1.5]], dtype=DOUBLE)
    flag = torch.tensor([[0.0], [1.0], [0.0]], dtype=DOUBLE)
    chosen = {"rtol": 1e-6, "atol": 1e-8, **KEEP, **options}
    return legato.solve(
        lambda t, y, flag: torch.where(flag > 0, failing(t, y), -y), y0, TIMES, flag,
        args_batched=True, engine=engine, **chosen,
    )  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES_HERE)
@pytest.mark.parametrize("name", list(FAILURES))
def test_a_failing_sample_ends_where_it_fails_and_the_others_are_right(name: str, engine: str) -> None:
    solution = run(FAILURES[name], engine)
    assert solution.status.tolist()[::2] == [Status.SUCCESS, Status.SUCCESS]
    assert solution.status[1] == (Status.DT_MIN if name == "blow_up" else Status.NONFINITE)
    assert float(solution.t_reached[1]) == pytest.approx(0.5, abs=1e-3)
    exact = torch.exp(-torch.tensor(TIMES, dtype=DOUBLE))[:, None]
    for row, start in ((0, [1.0, 0.5]), (2, [0.3, 1.5])):
        assert float((solution.ys[:, row] - exact * torch.tensor(start, dtype=DOUBLE)).abs().max()) < 5e-5
    assert bool(solution.ys[2:, 1].isnan().all())
    assert bool(solution.ys[:2, 1].isfinite().all())
    assert int(solution.stats.steps[1]) < 2500
    assert int(solution.stats.evaluations[1]) < 10_000


@pytest.mark.parametrize("engine", ENGINES_HERE)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["everywhere", "at the start"])
def test_a_field_that_is_not_finite_at_the_start_fails_there(where: str, bad: float, engine: str) -> None:
    solution = run(lambda t, y: torch.where((t == 0) | (where == "everywhere"), bad, -y), engine)
    assert solution.status.tolist() == [Status.SUCCESS, Status.NONFINITE, Status.SUCCESS]
    assert solution.t_reached.tolist() == [1.0, 0.0, 1.0]
    assert solution.ys[0, 1].tolist() == [2.0, 2.0]
    assert bool(solution.ys[1:, 1].isnan().all())
    assert int(solution.stats.evaluations[1]) == 1


@pytest.mark.parametrize("engine", ENGINES_HERE)
def test_the_diagnosis_names_sample_time_component_and_what_to_do(engine: str) -> None:
    with pytest.raises(SolveError, match=r"1 of 3 samples.*\n.*sample 1 at t = 0\.(5|49).*, component 1") as caught:
        run(minus_inf_in_one_component, engine, on_failure="raise")
    assert Status.NONFINITE.advice in str(caught.value)


@pytest.mark.parametrize("engine", ENGINES_HERE)
def test_a_complex_component_is_named_by_its_number(engine: str) -> None:
    def field(t: Tensor, y: Tensor) -> Tensor:
        return torch.where((torch.arange(3) == 2) & (t > 0.5), torch.nan, -y)

    with pytest.raises(SolveError, match="component 2"):
        legato.solve(field, torch.ones(3, dtype=torch.complex128), (0.0, 1.0), engine=engine)


@pytest.mark.parametrize("engine", ENGINES_HERE)
def test_a_trial_that_leaves_the_domain_is_taken_again_with_a_shorter_step(engine: str) -> None:
    """y' = -y sqrt(y) / sqrt(y) from 1 is defined for y > 0 only; a first step of 4 goes below."""
    y0 = torch.ones(1, dtype=DOUBLE)
    solution = legato.solve(lambda t, y: -y * torch.sqrt(y - 0.05), y0, (0.0, 4.0), engine=engine, dt0=4.0)
    # With u^2 = y - c: u' = -(u^2 + c) / 2, so u = sqrt(c) tan(atan(u0 / sqrt(c)) - sqrt(c) t / 2).
    root = math.sqrt(0.05)
    u = root * math.tan(math.atan(math.sqrt(0.95) / root) - root * 2)
    assert abs(float(solution.ys) - (u * u + 0.05)) < 1e-5


@pytest.mark.parametrize("engine", ENGINES_HERE)
def test_a_state_that_overflows_is_no_success(engine: str) -> None:
    y0 = torch.full((1,), 1e308, dtype=DOUBLE)
    solution = legato.solve(lambda t, y: 10 * y, y0, (0.0, 1.0), engine=engine, **KEEP)
    assert solution.status in (Status.NONFINITE, Status.DT_MIN)
    assert bool(solution.ys.isnan().all())
    half = torch.zeros(1, dtype=torch.float16)
    solution = legato.solve(lambda t, y: torch.full_like(y, 5e4), half, [0.0, 0.5, 2.0], engine=engine, **KEEP)
    assert solution.status == Status.NONFINITE


@pytest.mark.parametrize("engine", ["scipy-rk23", "scipy-rk45", pytest.param("cvode-adams", marks=needs_sundials)])
def test_a_stiff_problem_ends_at_max_steps_with_the_advice_to_change_the_solver(engine: str) -> None:
    y0 = torch.ones(1, dtype=DOUBLE)
    with pytest.raises(SolveError, match="stiff and needs an implicit solver") as caught:
        legato.solve(lambda t, y: -1e6 * (y - torch.cos(t)), y0, [0.0, 1e-4, 10.0], engine=engine, max_steps=200)
    solution = caught.value.solution
    assert solution.status == Status.MAX_STEPS
    assert solution.stats.steps == 200
    assert bool(solution.ys[2].isnan())


def test_a_step_that_never_ends_is_ended_by_the_number_of_evaluations() -> None:
    class Endless(OdeSolver):
        def __init__(self, fun: Any, t0: float, y0: Any, t_bound: float, **options: Any) -> None:
            super().__init__(fun, t0, y0, t_bound, vectorized=False)

        def _step_impl(self) -> tuple[bool, None]:
            while True:
                self.fun(self.t, self.y)

    solution = legato.solve(lambda t, y: -y, torch.ones(2), (0.0, 1.0), engine=SciPy(Endless), max_steps=3, **KEEP)
    assert solution.status == Status.MAX_STEPS
    assert int(solution.stats.evaluations) == 3 * (50 + 2) + 1


def test_a_step_that_does_not_move_is_ended() -> None:
    class Stuck(OdeSolver):
        def __init__(self, fun: Any, t0: float, y0: Any, t_bound: float, **options: Any) -> None:
            super().__init__(fun, t0, y0, t_bound, vectorized=False)
            self.shift = 0.0

        def _step_impl(self) -> tuple[bool, None]:
            self.t += self.shift
            return True, None

    solution = legato.solve(lambda t, y: -y, torch.ones(2), (1.0, 2.0), engine=SciPy(Stuck), **KEEP)
    assert solution.status == Status.TIME_RESOLUTION
    assert int(solution.stats.steps) == 1
    double = torch.ones(2, dtype=DOUBLE)
    assert legato.solve(lambda t, y: -y, double, (1.0, 2.0), engine=SciPy(Stuck), **KEEP).status == Status.DT_MIN


@pytest.mark.parametrize("engine", ENGINES_HERE)
def test_a_time_too_coarse_for_the_field_says_so_instead_of_erring(engine: str) -> None:
    y0, span = torch.ones(1), (1.7e9, 1.7e9 + 100)
    with pytest.raises(SolveError, match=r"time_dtype=torch\.float64") as caught:
        legato.solve(lambda t, y: -y / 100, y0, span, engine=engine)
    assert caught.value.solution.status == Status.TIME_RESOLUTION
    fine = legato.solve(
        lambda t, y: torch.cos(t - 1.7e9).to(y.dtype) + 0 * y, y0, span, engine=engine, time_dtype=DOUBLE
    )
    assert abs(float(fine.ys) - 1 - math.sin(100.0)) < 1e-2  # float32's times are 128 apart there


@pytest.mark.parametrize("engine", ENGINES_HERE)
def test_a_least_step_ends_the_row_that_needs_a_shorter_one(engine: str) -> None:
    y0 = torch.tensor([[2.0], [0.1]], dtype=DOUBLE)
    solution = legato.solve(lambda t, y: y**2, y0, (0.0, 1.0), engine=engine, dt_min=1e-4, rtol=1e-5, atol=1e-7, **KEEP)
    assert solution.status.tolist() == [Status.DT_MIN, Status.SUCCESS]
    assert float(solution.t_reached[0]) == pytest.approx(0.5, abs=0.1)
    assert abs(float(solution.ys[0, 1]) - 1 / 9) < 1e-4


@pytest.mark.parametrize("engine", ENGINES_HERE)
def test_an_error_of_the_field_comes_out_as_it_was_raised(engine: str) -> None:
    def raising(t: Tensor, y: Tensor) -> Tensor:
        if t > 0.5:
            raise KeyError("the user's")
        return -y

    def widening(t: Tensor, y: Tensor) -> Tensor:
        return torch.cat([y, y]) if t > 0.5 else -y

    with pytest.raises(KeyError, match="the user's"):
        legato.solve(raising, torch.ones(2, dtype=DOUBLE), (0.0, 1.0), engine=engine)
    with pytest.raises(FieldError, match=r"shape \(1, 4\)"):
        legato.solve(widening, torch.ones(2, dtype=DOUBLE), (0.0, 1.0), engine=engine)
    assert legato.solve(lambda t, y: -y, torch.ones(2), (0.0, 1.0), engine=engine).success


@pytest.mark.parametrize("engine", ENGINES_HERE)
def test_a_tolerance_that_is_not_met_by_zero_alone_is_no_trap(engine: str) -> None:
    """With atol = 0 a component that is zero has an error bound of zero; its derivative is zero too."""
    y0 = torch.tensor([1.0, 0.0], dtype=DOUBLE)
    solution = legato.solve(lambda t, y: -y, y0, (0.0, 1.0), engine=engine, rtol=1e-6, atol=0.0)
    assert abs(float(solution.ys[0, 0]) - math.exp(-1)) < 1e-4
    assert solution.ys[0, 1] == 0


@pytest.mark.parametrize("engine", ENGINES_HERE)
def test_the_budgets_of_evaluations_and_seconds_end_each_row_for_itself(engine: str) -> None:
    y0, rates = torch.ones(2, 1, dtype=DOUBLE), torch.tensor([[0.0], [50.0]], dtype=DOUBLE)
    run = {"args_batched": True, "engine": engine, "rtol": 1e-9, **KEEP}
    solution = legato.solve(lambda t, y, k: k * torch.cos(k * t) * y, y0, (0.0, 1.0), rates, max_evaluations=120, **run)
    assert solution.status.tolist() == [Status.SUCCESS, Status.MAX_EVALUATIONS]
    assert int(solution.stats.evaluations[1]) == 121

    def slow(t: Tensor, y: Tensor, k: Tensor) -> Tensor:
        time.sleep(0.002)
        return k * torch.cos(k * t) * y

    late = legato.solve(slow, y0, (0.0, 1.0), rates, max_time=0.1, **run)
    assert late.status[1] == Status.TIMEOUT
    assert 1 <= int(late.stats.evaluations.sum()) <= 52  # of two milliseconds or more, and one for each row
