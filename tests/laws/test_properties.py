"""What every solve must keep, whatever the problem: the symmetries of differential equations, and honest counts.

Hypothesis chooses the problems. Bounds of laws that hold exactly in real arithmetic are in units of rounding: a march
of some tens of steps of up to thirteen stages may add up some 1e3 of them.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from methods import GENERAL, HISTORY, NEUTRAL
from spies import Spy
from torch import Tensor

import legato
from legato.controllers import Constant
from legato.problems import PROBLEMS
from legato.solvers import SOLVERS

MODES = ["shared", "independent"]
ROUNDING = 1e-12
EPOCH = 1.7e9

# No shrinking: a failing example is printed as it is, in seconds rather than minutes.
laws = settings(max_examples=12, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
modes = st.sampled_from(MODES)
solvers = st.sampled_from(GENERAL)
# The pairs of order two hold their tolerance per step but add up hundreds of steps.
adaptive = st.sampled_from([name for name in GENERAL if SOLVERS[name].adaptive and SOLVERS[name].order > 2])
seeds = st.integers(0, 10_000)
moderate = st.floats(-3, 3, allow_subnormal=False)


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def fixed(solver: str, steps: str) -> dict[str, Any]:
    return {"solver": solver, "steps": steps, "controller": Constant(0.13)}


def wave(t: Tensor, y: Tensor) -> Tensor:
    """Nonlinear, non-autonomous, bounded."""
    return torch.sin(2 * y.roll(1, -1) + t) - 0.3 * y


def autonomous(t: Tensor, y: Tensor) -> Tensor:
    return torch.sin(2 * y.roll(1, -1)) - 0.3 * y


def close(found: Tensor, wanted: Tensor, bound: float = ROUNDING) -> None:
    torch.testing.assert_close(found, wanted, rtol=bound, atol=bound)


# Symmetries


@laws
@given(solvers, modes, seeds, moderate, moderate)
def test_a_linear_field_has_a_linear_flow(solver: str, steps: str, seed: int, a: float, b: float) -> None:
    matrix, y, z = draw(seed, 3, 3), draw(seed + 1, 2, 3), draw(seed + 2, 2, 3)

    def flow(y0: Tensor) -> Tensor:
        return legato.solve(lambda t, y: torch.cos(t) * y @ matrix, y0, (0.0, 1.0), **fixed(solver, steps)).ys

    close(flow(a * y + b * z), a * flow(y) + b * flow(z))


@laws
@given(solvers, modes, seeds)
def test_a_change_of_coordinates_commutes_with_the_solve(solver: str, steps: str, seed: int) -> None:
    """With y = M x + b and g(t, x) = M^-1 f(t, M x + b), the solution for f is M times that for g plus b."""
    matrix, b, x0 = torch.eye(3).double() + 0.2 * draw(seed, 3, 3), draw(seed + 1, 3), draw(seed + 2, 2, 3)
    inverse = torch.linalg.inv(matrix)

    def g(t: Tensor, x: Tensor) -> Tensor:
        return wave(t, x @ matrix + b) @ inverse

    ys = legato.solve(wave, x0 @ matrix + b, (0.0, 1.0), **fixed(solver, steps)).ys
    close(ys, legato.solve(g, x0, (0.0, 1.0), **fixed(solver, steps)).ys @ matrix + b, 1e-11)


@laws
@given(st.sampled_from([name for name in GENERAL if name not in HISTORY]), modes, seeds)
def test_constant_steps_through_a_middle_time_are_the_same_as_two_solves(solver: str, steps: str, seed: int) -> None:
    y0 = draw(seed, 2, 3)
    options = {"solver": solver, "steps": steps, "controller": Constant(0.125)}
    middle = legato.solve(wave, y0, (0.0, 0.5), **options).ys[0]
    twice = legato.solve(wave, middle, (0.5, 1.25), **options).ys
    close(twice, legato.solve(wave, y0, (0.0, 1.25), **options).ys, 1e-11)


@laws
@given(adaptive, modes, seeds)
def test_adaptive_steps_through_a_middle_time_agree_within_twenty_tolerances(
    solver: str, steps: str, seed: int
) -> None:
    y0, options = draw(seed, 2, 3), {"solver": solver, "steps": steps, "rtol": 1e-5, "atol": 1e-5}
    middle = legato.solve(wave, y0, (0.0, 0.6), **options).ys[0]
    twice = legato.solve(wave, middle, (0.6, 1.0), **options).ys
    close(twice, legato.solve(wave, y0, (0.0, 1.0), **options).ys, 20e-5)


@laws
@given(adaptive, modes, seeds)
def test_forward_and_backward_comes_home_within_fifty_tolerances(solver: str, steps: str, seed: int) -> None:
    y0, options = draw(seed, 2, 3), {"solver": solver, "steps": steps, "rtol": 1e-5, "atol": 1e-5}
    end = legato.solve(wave, y0, (0.0, 1.0), **options).ys[0]
    close(legato.solve(wave, end, (1.0, 0.0), **options).ys[0], y0, 50e-5)


@laws
@given(solvers, modes, seeds)
def test_decreasing_time_is_increasing_time_of_the_reflected_field(solver: str, steps: str, seed: int) -> None:
    """t -> -t is exact in floating point: the same steps, the same values, to the bit."""
    y0, options = draw(seed, 2, 3), {"solver": solver, "steps": steps, "dt0": 0.1, "rtol": 1e-4}
    back = legato.solve(wave, y0, [0.5, 0.2, -0.5], **options)
    front = legato.solve(lambda t, y: -wave(-t, y), y0, [-0.5, -0.2, 0.5], **options)
    assert torch.equal(back.stats.steps, front.stats.steps)
    assert torch.equal(back.ys, front.ys)


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("solver", ["tsit5", "dop853", "rk4"])
@pytest.mark.parametrize("shift", [1.0, -37.5, 1e6, EPOCH])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_an_autonomous_solve_is_the_same_at_any_time(solver: str, steps: str, shift: float, dtype: torch.dtype) -> None:
    """Time is float64 inside, and a step is what the clock took: rounding of the clock does not add up."""
    y0 = draw(3, 2, 3).to(dtype)
    options: dict[str, Any] = {"solver": solver, "steps": steps, "dt0": 0.1, "rtol": 1e-5, "time_dtype": torch.float64}
    here = legato.solve(autonomous, y0, (0.0, 3.0), **options)
    there = legato.solve(autonomous, y0, (shift, shift + 3.0), **options)
    # Half a spacing of the clock moves dt by as much, and the end by that share of the tolerance.
    close(there.ys, here.ys, 1e-9 if dtype == torch.float64 else 1e-5)


@laws
@given(solvers, modes, seeds, st.sampled_from([0.25, 2.0, 1024.0]))
def test_time_may_be_measured_in_other_units(solver: str, steps: str, seed: int, unit: float) -> None:
    """s = t / unit, g = unit f: the same steps, the same values. Units are powers of two, hence exact."""
    y0, options = draw(seed, 2, 3), {"solver": solver, "steps": steps, "rtol": 1e-4}
    here = legato.solve(wave, y0, [0.0, 0.3, 1.0], dt0=0.1, **options)
    there = legato.solve(
        lambda s, y: unit * wave(unit * s, y), y0, [0.0, 0.3 / unit, 1.0 / unit], dt0=0.1 / unit, **options
    )
    assert torch.equal(here.stats.steps, there.stats.steps)
    close(there.ys, here.ys)


@laws
@given(solvers, modes, seeds, st.lists(st.floats(0, 1), max_size=6))
def test_more_save_times_change_no_step_and_no_value(solver: str, steps: str, seed: int, extra: list[float]) -> None:
    y0, options = draw(seed, 2, 3), {"solver": solver, "steps": steps, "dt0": 0.15, "rtol": 1e-4, "atol": 1e-4}
    few, many = [0.0, 0.4, 1.0], sorted([0.0, 0.4, 1.0, *extra])
    plain = legato.solve(wave, y0, few, **options)
    fuller = legato.solve(wave, y0, many, **options)
    assert torch.equal(plain.stats.steps, fuller.stats.steps)
    for place, time in enumerate(few):
        # An interpolated value is one row of a product over all save times of its step: rounded in another order.
        bound = 0.0 if time != 0.4 else 1e-15 * 8
        torch.testing.assert_close(fuller.ys[many.index(time)], plain.ys[place], rtol=bound, atol=bound)


@laws
@given(solvers, modes, seeds)
def test_dense_output_and_saved_steps_change_no_value(solver: str, steps: str, seed: int) -> None:
    y0, options = draw(seed, 2, 3), {"solver": solver, "steps": steps, "dt0": 0.15, "rtol": 1e-4, "atol": 1e-4}
    plain = legato.solve(wave, y0, (0.0, 1.0), **options)
    dense = legato.solve(wave, y0, (0.0, 1.0), dense=True, **options)
    every = legato.solve(wave, y0, (0.0, 1.0), save="steps", **options)
    assert torch.equal(plain.ys, dense.ys)
    last = every.stats.accepted
    assert torch.equal(plain.ys[0], torch.stack([every.ys[int(count), row] for row, count in enumerate(last)]))


# Fixed points and invariants


@laws
@given(solvers, modes, seeds)
def test_a_field_of_zero_leaves_the_state_as_it_is_to_the_bit(solver: str, steps: str, seed: int) -> None:
    y0 = draw(seed, 2, 3)
    solution = legato.solve(
        lambda t, y: torch.zeros_like(y), y0, [0.0, 0.1, 5.0], solver=solver, steps=steps, dt0=0.7, dense=True
    )
    assert torch.equal(solution.ys, y0.expand(3, 2, 3))
    assert torch.equal(solution(torch.tensor([2.3])), y0[None])


@laws
@given(solvers, modes, st.sampled_from([0.0, 1.0, -1.0]))
def test_an_equilibrium_stays_to_the_bit(solver: str, steps: str, place: float) -> None:
    """y - y^3 is exactly zero at -1, 0 and 1."""
    y0 = torch.full((2, 1), place, dtype=torch.float64)
    solution = legato.solve(lambda t, y: y - y**3, y0, [0.0, 0.1, 5.0], solver=solver, steps=steps, dt0=0.3)
    assert torch.equal(solution.ys, y0.expand(3, 2, 1))


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("solver", ["tsit5", "dop853", "dopri8", "bosh3", "rk4"])
@pytest.mark.parametrize("name", ["detest-b2", "detest-b3", "detest-c1", "detest-c2"])
def test_a_sum_that_the_flow_conserves_is_kept_to_rounding(name: str, solver: str, steps: str) -> None:
    """Every Runge-Kutta method keeps linear invariants exactly."""
    problem = PROBLEMS[name]
    y0 = problem.initial()[None]
    solution = legato.solve(problem.field, y0, [0.0, 0.3, 5.0], solver=solver, steps=steps, rtol=1e-4, dt0=0.05)
    (invariant,) = problem.invariants
    drift = invariant.function(solution.ys) - invariant.function(y0)
    assert (drift.abs() <= 1e-13 * y0.abs().sum()).all()


# The field is asked for what it can give, and no more often than is said


@laws
@given(
    solvers,
    modes,
    st.sampled_from([(0.0, 1.0), (1.0, 0.0), (-0.3, 0.7), (2.0, -1.0)]),
    st.lists(st.floats(-1, 2), max_size=3),
    st.sampled_from([torch.float32, torch.float64]),
)
def test_the_field_is_never_called_outside_the_interval(
    solver: str, steps: str, ends: tuple[float, float], jumps: list[float], dtype: torch.dtype
) -> None:
    """Not by the choice of the first step, nor beside a jump, nor by the check of a field, nor by rounding."""
    spy = Spy(lambda t, y: 3 * torch.cos(9 * t + y))
    y0 = torch.ones(2, 1, dtype=dtype)
    legato.solve(spy, y0, ends, solver=solver, steps=steps, dt0=0.043, rtol=1e-2, atol=1e-2, jumps=jumps, dense=True)
    low, high = (torch.tensor(end, dtype=dtype) for end in (min(ends), max(ends)))
    assert bool((spy.all_times >= low).all())
    assert bool((spy.all_times <= high).all())


@laws
@given(adaptive, modes, st.floats(1e-6, 1e3), st.floats(1e-4, 1e4))
def test_the_choice_of_the_first_step_stays_inside_however_short_the_interval(
    solver: str, steps: str, length: float, rate: float
) -> None:
    spy = Spy(lambda t, y: rate * torch.cos(y))
    y0 = torch.ones(2, 1, dtype=torch.float64)
    legato.solve(spy, y0, (0.0, length), solver=solver, steps=steps, max_steps=5, on_failure="partial")
    assert bool(((spy.all_times >= 0) & (spy.all_times <= length)).all())


def test_each_sample_is_called_inside_its_own_interval() -> None:
    t0 = torch.tensor([0.0, 2.0, 1.0], dtype=torch.float64)
    t1 = torch.tensor([1.0, 1.5, 4.0], dtype=torch.float64)
    seen = []

    def field(t: Tensor, y: Tensor, row: Tensor) -> Tensor:
        seen.append((t.expand(len(y), 1).reshape(-1).clone(), row.reshape(-1).long()))
        return -y * torch.cos(5 * t)

    index = torch.arange(3.0, dtype=torch.float64)[:, None]
    legato.solve(field, torch.ones(3, 1, dtype=torch.float64), (t0, t1), index, args_batched=True)
    for times, rows in seen:
        assert bool((times >= torch.minimum(t0, t1)[rows]).all())
        assert bool((times <= torch.maximum(t0, t1)[rows]).all())


@laws
@given(solvers, modes, st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.9, 1.0]), min_size=1, max_size=3, unique=True))
def test_the_field_is_never_called_on_a_jump(solver: str, steps: str, jumps: list[float]) -> None:
    """Steep after a jump, so that steps beside it are rejected and tried again."""
    spy = Spy(lambda t, y: torch.where(t > 0.5, 90 * torch.cos(90 * t), -y))
    y0 = torch.ones(2, 1, dtype=torch.float64)
    legato.solve(spy, y0, (0.0, 1.0), solver=solver, steps=steps, dt0=0.05, jumps=jumps, rtol=1e-2, atol=1e-2)
    assert not bool(torch.isin(spy.all_times, torch.tensor(jumps, dtype=torch.float64)).any())


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("solver", ["tsit5", "dopri5", "bosh3"])
def test_a_named_jump_is_crossed_to_rounding(solver: str, steps: str) -> None:
    """y' = 1, then y' = t from 0.5 on: both polynomials that the methods integrate exactly."""
    solution = legato.solve(
        lambda t, y: torch.where(t < 0.5, torch.ones_like(y), t * torch.ones_like(y)),
        torch.zeros(2, 1, dtype=torch.float64),
        [0.0, 0.5, 1.0],
        solver=solver,
        steps=steps,
        jumps=[0.5],
    )
    close(solution.ys[:, 0, 0], torch.tensor([0.0, 0.5, 0.5 + 0.375], dtype=torch.float64), 1e-13)


@pytest.mark.parametrize("gradient", ["discrete", "direct", "none"])
@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("solver", GENERAL)
def test_the_number_of_calls_is_what_the_statistics_say(solver: str, steps: str, gradient: str) -> None:
    """Rejections, interpolants, jumps and checks included; the backward pass is counted apart."""
    rate = 1 if solver in NEUTRAL else 40
    spy = Spy(lambda t, y: -rate * (y - torch.cos(t)))
    y0 = torch.ones(2, 1, dtype=torch.float64, requires_grad=gradient != "none")
    solution = legato.solve(
        spy,
        y0,
        [0.0, 0.1, 0.33, 1.0],
        solver=solver,
        steps=steps,
        dt0=0.05,
        rtol=1e-3,
        atol=1e-4,
        jumps=[0.2],
        gradient="discrete" if gradient == "none" else gradient,
    )
    assert spy.calls == int(solution.stats.evaluations.max()) + solution.stats.checks


@pytest.mark.parametrize("steps", MODES)
def test_the_number_of_calls_is_right_where_samples_fail(steps: str) -> None:
    spy = Spy(lambda t, y, flag: torch.where((flag > 0) & (t > 0.5), torch.nan, -y))
    flag = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    y0 = torch.ones(2, 1, dtype=torch.float64)
    stats = legato.solve(spy, y0, (0.0, 1.0), flag, args_batched=True, steps=steps, on_failure="partial").stats
    assert spy.calls == int(stats.evaluations.max()) + stats.checks


@pytest.mark.parametrize("solver", ["tsit5", "dopri5", "bosh3", "rk4", "euler"])
def test_save_times_cost_no_evaluation_beyond_the_interpolants_own(solver: str) -> None:
    """First same as last: the interpolant is free. Others evaluate the end of a step that is looked into; all but once
    that is the next step's first stage."""
    options = {"solver": solver, "dt0": 0.125, "rtol": 1e-5}
    plain = legato.solve(wave, draw(0, 2, 3), (0.0, 1.0), **options)
    fuller = legato.solve(wave, draw(0, 2, 3), torch.linspace(0, 1, 50), **options)
    spent = int(fuller.stats.evaluations[0] - plain.stats.evaluations[0])
    assert spent == (0 if SOLVERS[solver].tableau.first_same_as_last else 1)


def test_dop853_pays_three_evaluations_for_every_step_that_holds_a_save_time() -> None:
    options = {"solver": "dop853", "controller": Constant(0.25)}
    plain = legato.solve(wave, draw(0, 2, 3), (0.0, 1.0), **options)
    inside = legato.solve(wave, draw(0, 2, 3), [0.0, 0.1, 0.2, 0.6, 1.0], **options)
    spent = int(inside.stats.evaluations[0] - plain.stats.evaluations[0])
    assert spent == 2 * 3


# Purity


@laws
@given(solvers, modes, st.sampled_from(["discrete", "direct"]))
def test_a_solve_changes_nothing_it_was_given(solver: str, steps: str, gradient: str) -> None:
    y0, rate = draw(0, 2, 3).requires_grad_(), torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    grid, args = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64, requires_grad=True), {"rate": rate}
    before, random = [part.detach().clone() for part in (y0, rate, grid)], torch.random.get_rng_state()
    solution = legato.solve(
        lambda t, y, args: args["rate"] * wave(t, y),
        y0,
        grid,
        args,
        solver=solver,
        steps=steps,
        gradient=gradient,
        dt0=0.2,
    )
    solution.ys.sum().backward()
    for part, copy in zip((y0, rate, grid), before, strict=True):
        assert torch.equal(part, copy)
        assert part._version == 0
    assert args == {"rate": rate}
    assert torch.equal(random, torch.random.get_rng_state())
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()


@laws
@given(solvers, modes)
def test_the_same_solve_twice_gives_the_same_bits(solver: str, steps: str) -> None:
    first, second = (
        legato.solve(wave, draw(0, 2, 3), [0.0, 0.4, 1.0], solver=solver, steps=steps, dt0=0.1, rtol=1e-3, atol=1e-3)
        for _ in range(2)
    )
    assert torch.equal(first.ys, second.ys)


def test_a_result_is_not_changed_by_the_solve_after_it() -> None:
    first = legato.solve(wave, draw(0, 2, 3), [0.0, 0.4, 1.0], dense=True)
    copy, inside = first.ys.clone(), first(torch.tensor([0.3]))
    legato.solve(wave, draw(1, 2, 3), [0.0, 0.4, 1.0], dense=True)
    assert torch.equal(first.ys, copy)
    assert torch.equal(first(torch.tensor([0.3])), inside)


def test_a_looser_tolerance_never_costs_more() -> None:
    costs = [
        int(legato.solve(wave, draw(0, 2, 3), (0.0, 10.0), rtol=rtol, atol=rtol).stats.evaluations[0])
        for rtol in (1e-3, 1e-5, 1e-7, 1e-9)
    ]
    assert all(loose <= 1.1 * tight for loose, tight in pairwise(costs))
    assert costs[-1] > 4 * costs[0]


@pytest.mark.parametrize("steps", MODES)
def test_float32_agrees_with_float64_within_its_tolerance(steps: str) -> None:
    y0 = draw(0, 2, 3)
    fine = legato.solve(wave, y0, (0.0, 3.0), steps=steps, rtol=1e-9, atol=1e-9).ys
    coarse = legato.solve(wave, y0.float(), (0.0, 3.0), steps=steps, rtol=1e-5, atol=1e-5).ys
    assert coarse.dtype == torch.float32
    assert ((coarse.double() - fine).abs() <= 10 * 1e-5 * (1 + fine.abs())).all()
    assert not math.isnan(float(coarse.sum()))
