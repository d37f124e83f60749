"""Never silently wrong, never hanging: every way to fail ends with a status per sample, or is refused before the march.

NaN, infinity, blow-up, the end of a field's domain, stiffness, too few steps, too coarse a time and fields that break
their contract, under both batch modes and with adaptive and constant steps. Arguments that are refused at the door are
tested with the front door.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import legato
from legato import SolveError, Status
from legato.solvers import SOLVERS

MODES = ["shared", "independent"]
KEEP = {"on_failure": "partial"}
# One explicit method of every kind of error estimate: none, one, DOP853's two.
METHODS = ["tsit5", "dop853", "dopri8", "rk4"]


def nan_after(t: Tensor, y: Tensor, flag: Tensor) -> Tensor:
    return torch.where((flag > 0) & (t > 0.5), torch.nan, -y)


def inf_after(t: Tensor, y: Tensor, flag: Tensor) -> Tensor:
    return torch.where((flag > 0) & (t > 0.5), torch.inf, -y)


def minus_inf_in_one_component(t: Tensor, y: Tensor, flag: Tensor) -> Tensor:
    second = torch.arange(y.shape[-1]) == 1
    return torch.where(second & (flag > 0) & (t > 0.5), -torch.inf, -y)


def blow_up(t: Tensor, y: Tensor, flag: Tensor) -> Tensor:
    """y' = y^2 from 2 at t = 0: infinite at t = 1/2."""
    return torch.where(flag > 0, y**2, -y)


def out_of_domain(t: Tensor, y: Tensor, flag: Tensor) -> Tensor:
    """y' = -4 sqrt(2 y) from 2: y = 2 (1 - 2 t)^2 reaches 0 at t = 1/2, and the next step leaves the domain."""
    return torch.where(flag > 0, -4 * torch.sqrt(2 * y) - 1e-3, -y)


FAILURES: dict[str, Callable[..., Tensor]] = {
    function.__name__: function
    for function in (nan_after, inf_after, minus_inf_in_one_component, blow_up, out_of_domain)
}


def start() -> tuple[Tensor, Tensor]:
    """Three samples of two components; the second one fails."""
    y0 = torch.tensor([[1.0, 0.5], [2.0, 2.0], [0.3, 1.5]], dtype=torch.float64)
    return y0, torch.tensor([[0.0], [1.0], [0.0]], dtype=torch.float64)


def run(name: str, solver: str, steps: str, **options: Any) -> legato.Solution:
    y0, flag = start()
    chosen = {"solver": solver, "steps": steps, "dt0": 0.0625, "rtol": 1e-6, "atol": 1e-8, **KEEP, **options}
    return legato.solve(FAILURES[name], y0, [0.0, 0.25, 0.75, 1.0], flag, args_batched=True, **chosen)


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize(
    ("name", "solver"),
    # Constant steps walk past a pole until the numbers overflow; that is the next test.
    [(name, solver) for name in FAILURES for solver in METHODS if (name, solver) != ("blow_up", "rk4")],
)
def test_a_failing_sample_is_isolated_and_the_others_are_right(name: str, solver: str, steps: str) -> None:
    solution = run(name, solver, steps)
    assert solution.status.tolist()[::2] == [Status.SUCCESS, Status.SUCCESS]
    assert solution.status[1] in (Status.NONFINITE, Status.DT_MIN)
    assert float(solution.t_reached[1]) == pytest.approx(0.5, abs=1e-3 if SOLVERS[solver].adaptive else 0.0625)
    assert solution.t_reached.tolist()[::2] == [1.0, 1.0]
    exact = torch.exp(-torch.tensor([0.0, 0.25, 0.75, 1.0], dtype=torch.float64))[:, None] * start()[0][:, None]
    for row in (0, 2):
        # Ten tolerances; RK4 with steps of 1/16 errs by less than that.
        assert ((solution.ys[:, row] - exact[row]).abs() <= 1e-5 * exact[row]).all()
    assert bool(solution.ys[2:, 1].isnan().all())
    assert bool(solution.ys[:2, 1].isfinite().all())
    assert not solution.success


@pytest.mark.parametrize("steps", MODES)
def test_constant_steps_that_overflow_end_nonfinite(steps: str) -> None:
    solution = run("blow_up", "rk4", steps)
    assert solution.status.tolist() == [Status.SUCCESS, Status.NONFINITE, Status.SUCCESS]
    assert 0.5 <= float(solution.t_reached[1]) < 1.0
    assert bool(solution.ys[3, 1].isnan().all())


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("name", list(FAILURES))
@pytest.mark.parametrize("solver", ["tsit5", "rk4"])
def test_the_others_agree_with_a_solve_without_the_failed_row(name: str, solver: str, steps: str) -> None:
    together = run(name, solver, steps)
    y0, flag = start()
    options = {"solver": solver, "steps": steps, "dt0": 0.0625, "rtol": 1e-6, "atol": 1e-8}
    alone = legato.solve(FAILURES[name], y0[::2], [0.0, 0.25, 0.75, 1.0], flag[::2], args_batched=True, **options)
    if steps == "independent":
        assert torch.equal(together.ys[:, ::2], alone.ys)
    assert ((together.ys[:, ::2] - alone.ys).abs() <= 1e-5 * alone.ys.abs()).all()


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("where", ["everywhere", "at the start"])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("solver", ["tsit5", "dop853", "rk4"])
def test_a_field_that_is_not_finite_at_the_start_fails_there(solver: str, bad: float, where: str, steps: str) -> None:
    y0, flag = start()

    def field(t: Tensor, y: Tensor, flag: Tensor) -> Tensor:
        return torch.where((flag > 0) & ((t == 0) | (where == "everywhere")), bad, -y)

    solution = legato.solve(field, y0, (0.0, 1.0), flag, args_batched=True, solver=solver, dt0=0.1, steps=steps, **KEEP)
    assert solution.status.tolist() == [Status.SUCCESS, Status.NONFINITE, Status.SUCCESS]
    assert solution.t_reached.tolist() == [1.0, 0.0, 1.0]
    assert solution.ys.isnan().any(-1).tolist() == [[False, True, False]]


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("solver", METHODS)
def test_a_batch_that_fails_as_a_whole_ends_soon(solver: str, steps: str) -> None:
    y0, _ = start()
    everyone = torch.ones(3, 1, dtype=torch.float64)
    solution = legato.solve(
        nan_after, y0, (0.0, 1.0), everyone, args_batched=True, solver=solver, dt0=0.1, steps=steps, **KEEP
    )
    assert solution.status.tolist() == [Status.NONFINITE] * 3
    assert int(solution.stats.steps.max()) < 300
    assert bool(solution.ys.isnan().all())


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_row_of_a_blow_up_ends_at_its_own_time(steps: str, dtype: torch.dtype) -> None:
    """y' = y^2 from 1/c is infinite at t = c."""
    poles = torch.tensor([1.0, 10.0, 0.5], dtype=torch.float64)
    y0 = (1 / poles)[:, None].to(dtype)
    solution = legato.solve(lambda t, y: y**2, y0, (0.0, 3.0), steps=steps, **KEEP)
    failed = poles < 3
    assert torch.equal(solution.status == Status.SUCCESS, ~failed)
    torch.testing.assert_close(solution.t_reached[failed], poles[failed], rtol=0, atol=1e-3)
    assert float(solution.ys[0, 1]) == pytest.approx(1 / 7, rel=1e-4)


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_failures_are_isolated_whichever_way_time_runs(steps: str, sign: float) -> None:
    y0, flag = start()

    def field(t: Tensor, y: Tensor, flag: Tensor) -> Tensor:
        return sign * nan_after(sign * t, y, flag)

    solution = legato.solve(field, y0, (0.0, sign), flag, args_batched=True, steps=steps, **KEEP)
    assert solution.status.tolist() == [Status.SUCCESS, Status.NONFINITE, Status.SUCCESS]
    assert float(solution.t_reached[1]) == pytest.approx(0.5 * sign, abs=1e-3)


@pytest.mark.parametrize("steps", MODES)
def test_failures_are_isolated_in_states_of_several_leaves(steps: str) -> None:
    y0, flag = start()

    def field(t: Tensor, y: dict[str, Tensor], flag: Tensor) -> dict[str, Tensor]:
        return {"w": -y["w"], "z": nan_after(t, y["z"], flag)}

    solution = legato.solve(
        field, {"w": y0[:, :1], "z": y0}, [0.0, 0.25, 1.0], flag, args_batched=True, steps=steps, **KEEP
    )
    assert solution.status.tolist() == [Status.SUCCESS, Status.NONFINITE, Status.SUCCESS]
    for leaf in solution.ys.values():
        assert leaf.isnan().any(-1).tolist() == [[False] * 3, [False] * 3, [False, True, False]]


def test_a_field_that_needs_the_whole_batch_is_masked_where_a_row_has_failed() -> None:
    """The field's own tensor has a row per sample, so that it cannot be called on the others alone."""
    _, flag = start()
    solution = legato.solve(lambda t, y: nan_after(t, y, flag), start()[0], [0.0, 0.25, 1.0], **KEEP)
    assert solution.status.tolist() == [Status.SUCCESS, Status.NONFINITE, Status.SUCCESS]
    assert ((solution.ys[-1, ::2] - start()[0][::2] * math.exp(-1)).abs() < 1e-6).all()


@pytest.mark.parametrize("norm", ["batch", lambda scaled: scaled.abs().max()])
def test_failures_are_isolated_under_other_norms(norm: Any) -> None:
    solution = run("nan_after", "tsit5", "shared", norm=norm)
    assert solution.status.tolist() == [Status.SUCCESS, Status.NONFINITE, Status.SUCCESS]
    assert ((solution.ys[-1, ::2] - start()[0][::2] * math.exp(-1)).abs() < 1e-5).all()


def test_a_norm_of_the_users_that_cannot_be_met_ends_dt_min() -> None:
    """The norm is above 1 whatever the step, and no row is to blame more than another."""
    solution = legato.solve(
        lambda t, y: -y, start()[0], (0.0, 1.0), norm=lambda scaled: torch.tensor(2.0), dt_min=1e-6, **KEEP
    )
    assert solution.status.tolist() == [Status.DT_MIN] * 3


# What is returned, and what is said


@pytest.mark.parametrize("steps", MODES)
def test_on_failure_raises_a_diagnosis_with_the_partial_solution(steps: str) -> None:
    with pytest.raises(SolveError) as caught:
        run("minus_inf_in_one_component", "tsit5", steps, on_failure="raise")
    text = str(caught.value)
    assert "1 of 3 samples did not reach the end" in text
    assert "sample 1 at t = 0.5" in text
    assert "component 1" in text
    assert Status.NONFINITE.advice in text
    solution = caught.value.solution
    assert solution.status.tolist() == [Status.SUCCESS, Status.NONFINITE, Status.SUCCESS]
    assert bool(solution.ys[:, ::2].isfinite().all())


@pytest.mark.parametrize("steps", MODES)
def test_on_failure_nan_leaves_nothing_of_a_failed_sample_and_partial_what_it_reached(steps: str) -> None:
    nothing, part = (run("nan_after", "tsit5", steps, on_failure=way) for way in ("nan", "partial"))
    assert bool(nothing.ys[:, 1].isnan().all())
    assert part.ys[:, 1].isnan().all(-1).tolist() == [False, False, True, True]
    assert torch.equal(nothing.ys[:, ::2], part.ys[:, ::2])
    for solution in (nothing, part):
        assert solution.status.tolist() == [Status.SUCCESS, Status.NONFINITE, Status.SUCCESS]


@pytest.mark.parametrize("way", ["raise", "nan", "partial"])
def test_a_solve_that_succeeds_is_the_same_whatever_was_asked_for_failures(way: str) -> None:
    y0 = start()[0]
    solution = legato.solve(lambda t, y: -y, y0, (0.0, 1.0), on_failure=way)
    assert torch.equal(solution.ys, legato.solve(lambda t, y: -y, y0, (0.0, 1.0)).ys)


def test_the_diagnosis_names_the_sample_and_the_component_of_batches_and_structures() -> None:
    def field(t: Tensor, y: tuple[Tensor, Tensor], bad: Tensor) -> tuple[Tensor, Tensor]:
        return -y[0], torch.where((bad > 0) & (t > 0.25), torch.nan, -y[1])

    y0 = torch.ones(4, 3).double(), torch.ones(4, 2, 2).double()
    bad = torch.zeros(4, 2, 2)
    bad[2, 1, 0] = 1.0
    with pytest.raises(SolveError, match=r"NONFINITE \(sample 2 at t = 0.25, leaf 1, component \(1, 0\)\)"):
        legato.solve(field, y0, (0.0, 1.0), bad, args_batched=True)


def test_the_diagnosis_counts_the_samples_of_each_kind_and_names_the_earliest() -> None:
    y0 = torch.tensor([[0.5], [1.0], [0.1], [5.0]], dtype=torch.float64)

    def field(t: Tensor, y: Tensor) -> Tensor:
        return torch.where((t > 0.05) & (y < 0.11), torch.nan, y**2)

    with pytest.raises(SolveError) as caught:
        legato.solve(field, y0, (0.0, 3.0), steps="independent", dt_min=1e-4)
    text = str(caught.value)
    assert "4 of 4 samples" in text
    assert re.search(r"^3 x DT_MIN \(sample 3 at t = 0\.(199|2)\d*, component 0, the earliest\)", text, re.MULTILINE)
    assert re.search(r"^NONFINITE \(sample 2 at t = 0\.0(499|5)", text, re.MULTILINE)


@pytest.mark.parametrize("steps", MODES)
def test_unreached_times_are_nan_and_not_memory(steps: str) -> None:
    """Memory is filled beforehand, so that a forgotten part of the result would show."""
    filled = [torch.full((4, 3, 2), 7.0, dtype=torch.float64) for _ in range(50)]
    del filled
    solution = legato.solve(
        lambda t, y: -y, start()[0], [0.0, 0.1, 5.0, 9.0], max_steps=3, dt_max=0.1, steps=steps, **KEEP
    )
    assert solution.status.tolist() == [Status.MAX_STEPS] * 3
    assert bool(solution.ys[:2].isfinite().all())
    assert bool(solution.ys[2:].isnan().all())


# Too many steps, too coarse a time


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("way", ["raise", "nan", "partial"])
def test_max_steps_ends_the_march_with_what_it_reached(way: str, steps: str) -> None:
    y0, grid = start()[0], [0.0, 0.1, 50.0]
    options = {"max_steps": 40, "steps": steps, "dt_max": 0.05, "on_failure": way}
    if way == "raise":
        with pytest.raises(SolveError, match="raise max_steps") as caught:
            legato.solve(lambda t, y: -y, y0, grid, **options)
        solution = caught.value.solution
    else:
        solution = legato.solve(lambda t, y: -y, y0, grid, **options)
    assert solution.status.tolist() == [Status.MAX_STEPS] * 3
    assert solution.stats.steps.tolist() == [40] * 3
    assert bool((solution.t_reached > 1).all())
    assert solution.ys.isnan().any(-1).any(-1).tolist() == ([True] * 3 if way == "nan" else [False, False, True])


@pytest.mark.parametrize("steps", MODES)
def test_a_stiff_problem_ends_at_max_steps_with_the_advice_to_change_the_solver(steps: str) -> None:
    y0 = torch.tensor([[1.0], [2.0]], dtype=torch.float64)
    with pytest.raises(SolveError, match="stiff and needs an implicit solver"):
        legato.solve(lambda t, y: -1e6 * (y - torch.cos(t)), y0, (0.0, 10.0), max_steps=100, steps=steps)


def test_the_number_of_steps_is_finite_by_default() -> None:
    assert inspect.signature(legato.solve).parameters["max_steps"].default <= 100_000


@pytest.mark.parametrize("steps", MODES)
def test_epoch_seconds_in_float32_are_refused_and_right_with_a_time_in_float64(steps: str) -> None:
    y0, span = torch.ones(2, 1), (1.7e9, 1.7e9 + 100)
    with pytest.raises(SolveError, match=r"time_dtype=torch\.float64") as caught:
        legato.solve(lambda t, y: -y / 100, y0, span, steps=steps)
    assert caught.value.solution.status.tolist() == [Status.TIME_RESOLUTION] * 2
    solution = legato.solve(
        lambda t, y: torch.cos(t - 1.7e9).to(y.dtype) + 0 * y, y0, span, time_dtype=torch.float64, steps=steps
    )
    torch.testing.assert_close(solution.ys[0], torch.full((2, 1), 1 + math.sin(100.0)), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("steps", MODES)
def test_a_time_too_coarse_for_the_field_says_so_instead_of_erring(steps: str) -> None:
    """At t = 1e5 float32 moves in steps of 0.008, which cos(t) shows far above the tolerance."""
    y0 = torch.ones(2, 1)
    with pytest.raises(SolveError, match=r"time_dtype=torch\.float64"):
        legato.solve(lambda t, y: torch.cos(t) + 0 * y, y0, (1e5, 1e5 + 10), steps=steps)
    fine = legato.solve(
        lambda t, y: torch.cos(t).to(y.dtype) + 0 * y, y0, (1e5, 1e5 + 10), time_dtype=torch.float64, steps=steps
    )
    exact = 1 + math.sin(1e5 + 10) - math.sin(1e5)
    torch.testing.assert_close(fine.ys[0], torch.full((2, 1), exact), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("steps", MODES)
def test_a_discontinuity_ends_in_an_answer_or_a_status_but_never_in_a_hang(steps: str) -> None:
    def field(t: Tensor, y: Tensor) -> Tensor:
        return torch.where(torch.sin(1 / (t - 0.5 + 1e-300)) > 0, 1e3, -1e3) + 0 * y

    solution = legato.solve(field, start()[0], (0.0, 1.0), steps=steps, max_steps=120, **KEEP)
    assert all(code in {int(status) for status in Status} - {0} for code in solution.status.tolist())
    assert torch.equal(solution.ys[0].isnan().any(-1), solution.status != Status.SUCCESS)


# More than one failure, and failures that the error estimate does not see


def test_rows_that_fail_one_after_the_other_leave_the_others_their_steps() -> None:
    """Each of thirty blow-ups takes some 470 attempts; none of them is counted against the last row."""
    y0 = torch.cat([torch.linspace(0.5, 5, 30, dtype=torch.float64), torch.tensor([0.1], dtype=torch.float64)])[:, None]
    solution = legato.solve(lambda t, y: y**2, y0, (0.0, 3.0), **KEEP)
    assert solution.status[-1] == Status.SUCCESS
    assert abs(float(solution.ys[-1, -1]) - 1 / 7) < 1e-6
    assert not (solution.status[:-1] == Status.SUCCESS).any()


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("shape", [(1, 2), (2, 2)])
def test_failures_are_isolated_in_batches_of_two_axes(shape: tuple[int, int], steps: str) -> None:
    ends = torch.tensor([10.0, 0.5], dtype=torch.float64).expand(shape)[..., None]
    y0 = torch.ones(*shape, 1, dtype=torch.float64)
    solution = legato.solve(
        lambda t, y, ends: -torch.sqrt(ends - t) * y,
        y0,
        (0.0, 1.0),
        ends,
        args_batched=True,
        batch_dims=2,
        steps=steps,
        **KEEP,
    )
    assert (solution.status == torch.tensor([Status.SUCCESS, Status.NONFINITE])).all()
    exact = math.exp(-2 / 3 * (10**1.5 - 9**1.5))
    assert ((solution.ys[-1, :, 0, 0] - exact).abs() < 1e-6).all()


def test_large_numbers_are_not_taken_for_failures() -> None:
    """The square of 1e25 overflows in float32, the number does not."""
    y0 = torch.tensor([[1e25, 1e25], [1.0, 1.0]])
    solution = legato.solve(nan_after, y0, (0.0, 1.0), torch.tensor([[0.0], [1.0]]), args_batched=True, **KEEP)
    assert solution.status.tolist() == [Status.SUCCESS, Status.NONFINITE]


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("solver", ["tsit5", "bosh3"])
def test_an_end_that_overflows_is_no_success(solver: str, steps: str) -> None:
    y0 = torch.full((1, 1), 3e38)
    solution = legato.solve(lambda t, y: torch.full_like(y, 1e38), y0, (0.0, 1.0), solver=solver, steps=steps, **KEEP)
    assert solution.status.tolist() == [Status.NONFINITE]


def test_an_end_that_overflows_in_half_precision_is_no_success() -> None:
    def field(t: Tensor, y: Tensor) -> Tensor:
        return torch.full_like(y, 5e4)

    solution = legato.solve(field, torch.zeros(1, 1, dtype=torch.float16), [0.0, 0.5, 2.0], **KEEP)
    assert solution.status.tolist() == [Status.NONFINITE]
    assert solution.t_reached.tolist() == [0.5]


@pytest.mark.parametrize("steps", MODES)
def test_an_interpolated_value_that_is_not_finite_is_no_success(steps: str) -> None:
    def field(t: Tensor, y: Tensor) -> Tensor:
        return torch.where(t >= 1, torch.nan, -y)

    times = [0.0, 0.9, 1.0]
    y0 = torch.ones(1, 1, dtype=torch.float64)
    solution = legato.solve(field, y0, times, solver="midpoint", dt0=0.25, steps=steps, **KEEP)
    assert solution.status.tolist() == [Status.NONFINITE]


@pytest.mark.parametrize("steps", MODES)
def test_constant_steps_below_the_times_resolution_are_not_enlarged(steps: str) -> None:
    span, options = (1e5, 1e5 + 2), {"solver": "euler", "dt0": 1e-3, "steps": steps}
    y0 = torch.ones(1, 1)
    assert legato.solve(lambda t, y: -y, y0, span, **options, **KEEP).status.tolist() == [Status.TIME_RESOLUTION]
    finer = legato.solve(lambda t, y: -y, y0, span, **options, time_dtype=torch.float64)
    assert finer.stats.accepted.tolist() == [2000]
    assert abs(float(finer.ys) - 0.999**2000) < 1e-4
