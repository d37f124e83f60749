"""The failure matrix: what other libraries get wrong without a word, a test a row, under both batch modes.

The first sample of a batch of three is well; the second meets the failure; the third is well again. Explicit, implicit
and switching methods alike. The same tests pass under `python -O`, and eight threads may use one module.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import legato
from legato import SolveError, Status
from legato.core.errors import FieldError, InputError, OptionError

MODES = ["shared", "independent"]
METHODS = ["tsit5", "rodas5p", "kvaerno5", "radau_iia5", "auto"]
matrix = pytest.mark.parametrize("steps", MODES)
methods = pytest.mark.parametrize("solver", METHODS)
ROOT = Path(__file__).resolve().parents[2]


def decay(t: Tensor, y: Tensor) -> Tensor:
    return -y


def states(*values: float) -> Tensor:
    return torch.tensor([[value] for value in values], dtype=torch.float64)


def struck(field: Callable[[Tensor, Tensor], Tensor], **options: Any) -> legato.Solution:
    """Solve three samples of which the second, marked by its size of ten, meets what the field does to it."""

    def marked(t: Tensor, y: Tensor, hit: Tensor) -> Tensor:
        return torch.where(hit > 0, field(t, y), -y)

    hit = states(0.0, 1.0, 0.0)
    options = {"rtol": 1e-5, "atol": 1e-8, "on_failure": "partial", **options}
    return legato.solve(marked, states(1.0, 1.0, 2.0), [0.0, 0.25, 1.0], hit, args_batched=True, **options)


def isolated(found: legato.Solution, *statuses: Status) -> None:
    """Check that the others are right, and that the second has its status, its time and NaN where it did not come."""
    assert found.status[0] == found.status[2] == Status.SUCCESS
    assert (found.ys[-1, [0, 2], 0] - math.exp(-1) * torch.tensor([1.0, 2.0])).abs().max() < 1e-4
    assert Status(int(found.status[1])) in statuses
    assert float(found.t_reached[1]) < 1
    assert found.ys[-1, 1].isnan().all()


@matrix
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_an_initial_state_that_is_not_finite_is_refused_with_its_index(bad: float, steps: str) -> None:
    with pytest.raises(InputError, match=r"index \(1, 0\)"):
        legato.solve(decay, states(1.0, bad, 2.0), (0.0, 1.0), steps=steps)


@matrix
@methods
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_field_that_turns_nan_or_infinite_ends_its_sample_there(bad: float, solver: str, steps: str) -> None:
    found = struck(lambda t, y: torch.where(t > 0.5, bad, -y), solver=solver, steps=steps)
    isolated(found, Status.NONFINITE, Status.DT_MIN)
    assert 0.4 < float(found.t_reached[1]) <= 0.5 + 1e-6
    assert found.ys[1, 1].isfinite().all()


@matrix
@methods
def test_a_field_that_is_nan_at_the_start_ends_its_sample_at_once(solver: str, steps: str) -> None:
    found = struck(lambda t, y: torch.full_like(y, math.nan), solver=solver, steps=steps)
    isolated(found, Status.NONFINITE)
    assert float(found.t_reached[1]) == 0


@matrix
@methods
def test_a_blow_up_ends_its_sample_before_the_pole(solver: str, steps: str) -> None:
    found = struck(lambda t, y: 2 * y**2, solver=solver, steps=steps, max_steps=2000)  # y = 1 / (1 - 2 t)
    isolated(found, Status.DT_MIN, Status.NONFINITE, Status.MAX_STEPS, Status.NEWTON_DIVERGED)
    assert abs(float(found.t_reached[1]) - 0.5) < 0.01


@matrix
@methods
def test_leaving_the_domain_of_the_field_ends_its_sample_there(solver: str, steps: str) -> None:
    found = struck(lambda t, y: -4 * torch.sqrt(y) - 1e-3, solver=solver, steps=steps)  # y reaches 0 near t = 1/2
    isolated(found, Status.NONFINITE, Status.DT_MIN, Status.NEWTON_DIVERGED)
    assert abs(float(found.t_reached[1]) - 0.5) < 0.02


@matrix
def test_stiffness_under_an_explicit_method_ends_with_the_advice_to_change_it(steps: str) -> None:
    found = struck(lambda t, y: -1e6 * (y - torch.cos(t)), steps=steps)
    assert found.status[1] == Status.MAX_STEPS
    assert "stiff" in Status.MAX_STEPS.advice
    solved = struck(lambda t, y: -1e6 * (y - torch.cos(t)), steps=steps, solver="auto")
    assert solved.success
    assert abs(float(solved.ys[-1, 1, 0]) - math.cos(1)) < 1e-4


@matrix
@methods
def test_too_few_steps_leave_what_was_reached_and_nan_for_the_rest(solver: str, steps: str) -> None:
    found = legato.solve(
        decay, states(1.0), [0.0, 1e-6, 5.0], steps=steps, solver=solver, max_steps=2, dt0=1e-3, on_failure="partial"
    )
    assert found.status.tolist() == [Status.MAX_STEPS]
    assert found.ys[:2].isfinite().all()
    assert found.ys[2].isnan().all()
    with pytest.raises(SolveError, match="MAX_STEPS") as caught:
        legato.solve(decay, states(1.0), (0.0, 5.0), steps=steps, solver=solver, max_steps=2, dt0=1e-3)
    assert caught.value.solution.t_reached[0] > 0


@matrix
@pytest.mark.parametrize(
    ("t", "message"),
    [
        ([0.0, 1.0, 0.5], "turn back"),
        ([], "empty"),
        ([0.0, math.nan], "NaN"),
        ((0.0, math.nan), "NaN"),
        ([0.0, math.inf], "finite"),
        ((0.0, math.inf), "finite"),
    ],
)
def test_times_that_cannot_be_meant_are_refused(t: Any, message: str, steps: str) -> None:
    with pytest.raises(InputError, match=message):
        legato.solve(decay, states(1.0, 2.0), t, steps=steps)


def test_a_time_of_one_sample_that_is_nan_is_refused_with_its_number() -> None:
    with pytest.raises(InputError, match="sample 1"):
        legato.solve(decay, states(1.0, 2.0), torch.tensor([[0.0, 1.0], [0.0, math.nan]]))


@matrix
@methods
def test_times_given_twice_one_time_and_an_interval_of_no_length_are_solved(solver: str, steps: str) -> None:
    y0 = states(1.0, 2.0).requires_grad_()
    twice = legato.solve(decay, y0, [0.0, 0.5, 0.5, 1.0], steps=steps, solver=solver)
    assert torch.equal(twice.ys[1], twice.ys[2])
    for t in ([0.3], (0.3, 0.3)):
        found = legato.solve(decay, y0, t, steps=steps, solver=solver).ys
        assert torch.equal(found[0], y0)
        (slope,) = torch.autograd.grad(found.sum(), y0)
        assert torch.equal(slope, torch.ones_like(y0))


@matrix
def test_integer_times_are_numbers_of_time(steps: str) -> None:
    found = legato.solve(decay, states(1.0), torch.tensor([0, 1]), steps=steps)
    assert abs(float(found.ys[-1, 0, 0]) - math.exp(-1)) < 1e-6


def test_a_time_outside_the_interval_is_refused_by_the_dense_solution() -> None:
    found = legato.solve(decay, states(1.0), (0.0, 1.0), dense=True)
    with pytest.raises(InputError, match="outside the interval"):
        found(1.5)


@matrix
def test_an_integer_state_is_refused_with_a_hint(steps: str) -> None:
    with pytest.raises(InputError, match=r"y0\.double\(\)"):
        legato.solve(decay, torch.tensor([[1], [2]]), (0.0, 1.0), steps=steps)


@matrix
@methods
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_integrated_in_single(dtype: torch.dtype, solver: str, steps: str) -> None:
    found = legato.solve(decay, torch.ones(2, 1, dtype=dtype), (0.0, 1.0), steps=steps, solver=solver)
    assert found.ys.dtype == dtype
    assert (found.ys[-1].double() - math.exp(-1)).abs().max() < 2e-3


@matrix
def test_late_times_in_single_precision_are_refused_or_right(steps: str) -> None:
    y0 = torch.ones(1, 1)
    coarse = legato.solve(decay, y0, (1.7e9, 1.7e9 + 1), steps=steps, on_failure="partial")
    assert coarse.status.tolist() == [Status.TIME_RESOLUTION]
    fine = legato.solve(decay, y0, (1.7e9, 1.7e9 + 1), steps=steps, time_dtype=torch.float64)
    assert abs(float(fine.ys[-1, 0, 0]) - math.exp(-1)) < 1e-4

    def waves(t: Tensor, y: Tensor) -> Tensor:
        return torch.cos(t - 1e5).to(y.dtype) * torch.ones_like(y)

    late = legato.solve(waves, 0 * y0, (1e5, 1e5 + 1), steps=steps, time_dtype=torch.float64)
    assert abs(float(late.ys[-1, 0, 0]) - math.sin(1)) < 1e-5


@matrix
@methods
def test_batches_of_nothing_scalars_strides_and_complex_numbers_are_solved(solver: str, steps: str) -> None:
    assert legato.solve(decay, torch.empty(0, 2), (0.0, 1.0), steps=steps, solver=solver).ys.shape == (1, 0, 2)
    scalar = legato.solve(decay, torch.tensor(1.0, dtype=torch.float64), (0.0, 1.0), steps=steps, solver=solver)
    assert abs(float(scalar.ys[-1]) - math.exp(-1)) < 1e-5
    strided = torch.arange(12, dtype=torch.float64).reshape(4, 3).t()[:, ::2]
    found = legato.solve(decay, strided, (0.0, 1.0), steps=steps, solver=solver)
    assert (found.ys[-1] - strided * math.exp(-1)).abs().max() < 1e-4
    turning = legato.solve(
        lambda t, z: 1j * z, torch.ones(2, 1, dtype=torch.complex128), (0.0, 1.0), steps=steps, solver=solver
    )
    assert (turning.ys[-1] - complex(math.cos(1), math.sin(1))).abs().max() < 1e-5


@matrix
@methods
@pytest.mark.parametrize(
    ("field", "message"),
    [
        (lambda t, y: -y.sum(0), "shape"),
        (lambda t, y: -y.float(), "float32"),
        (lambda t, y: y.mul_(-1), "in place"),
    ],
)
def test_a_field_of_the_wrong_shape_or_dtype_or_that_changes_its_state_is_refused(
    field: Any, message: str, solver: str, steps: str
) -> None:
    with pytest.raises(FieldError, match=message):
        legato.solve(field, states(1.0, 2.0), (0.0, 1.0), steps=steps, solver=solver)


@matrix
@pytest.mark.parametrize(("rtol", "atol"), [(-1e-3, 1e-6), (1e-3, -1e-6), (0.0, 0.0), (math.nan, 1e-6)])
def test_tolerances_that_cannot_be_meant_are_refused(rtol: float, atol: float, steps: str) -> None:
    with pytest.raises(InputError):
        legato.solve(decay, states(1.0), (0.0, 1.0), rtol=rtol, atol=atol, steps=steps)


@matrix
@methods
def test_a_tolerance_below_the_dtype_is_raised_with_a_warning(solver: str, steps: str) -> None:
    with pytest.warns(UserWarning, match="below what"):
        found = legato.solve(decay, torch.ones(1, 1), (0.0, 1.0), rtol=1e-9, atol=1e-6, steps=steps, solver=solver)
    assert abs(float(found.ys[-1, 0, 0]) - math.exp(-1)) < 1e-5


@pytest.mark.parametrize(("name", "nearest"), [("rtoll", "rtol"), ("methods", "known"), ("max_step", "max_steps")])
def test_an_unknown_option_is_an_error_that_names_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(OptionError, match=nearest):
        legato.solve(decay, states(1.0), (0.0, 1.0), **{name: 1})


@matrix
@pytest.mark.parametrize("solver", ["rk4", "implicit_midpoint", "gauss4"])
def test_values_between_constant_steps_have_the_methods_order_and_not_a_straight_lines(solver: str, steps: str) -> None:
    found = legato.solve(
        decay, states(1.0), [0.0, 0.25, 1.0], solver=solver, controller=legato.controllers.Constant(0.5), steps=steps
    )
    straight = (1 + math.exp(-0.5)) / 2
    assert abs(float(found.ys[1, 0, 0]) - math.exp(-0.25)) < abs(straight - math.exp(-0.25)) / 5


@matrix
@methods
def test_parameters_outside_of_any_module_get_their_gradient(solver: str, steps: str) -> None:
    rate = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    found = legato.solve(lambda t, y: -rate * y, states(1.0, 2.0), (0.0, 1.0), solver=solver, steps=steps)
    (slope,) = torch.autograd.grad(found.ys.sum(), rate)
    assert abs(float(slope) + 3 * math.exp(-1.5)) < 1e-5


@matrix
@methods
def test_a_samples_error_does_not_depend_on_how_many_there_are(solver: str, steps: str) -> None:
    """One oscillating sample beside a thousand that rest: the peers' norm over everything would let it err."""
    rest = torch.zeros(1000, 2, dtype=torch.float64)
    turning = torch.tensor([[1.0, 0.0]], dtype=torch.float64)

    def field(t: Tensor, y: Tensor) -> Tensor:
        return torch.stack([y[..., 1], -y[..., 0]], dim=-1)

    options = {"solver": solver, "steps": steps, "rtol": 1e-6, "atol": 1e-6}
    alone = legato.solve(field, turning, (0.0, 6.0), **options).ys[-1, 0]
    among = legato.solve(field, torch.cat([rest, turning]), (0.0, 6.0), **options).ys[-1, -1]
    exact = torch.tensor([math.cos(6), -math.sin(6)], dtype=torch.float64)
    assert (among - exact).abs().max() < 2 * (alone - exact).abs().max() + 1e-7


@matrix
def test_eight_threads_on_one_module_get_what_one_gets(steps: str) -> None:
    torch.manual_seed(0)
    field = torch.nn.Sequential(torch.nn.Linear(3, 16), torch.nn.Tanh(), torch.nn.Linear(16, 3)).double()
    starts = [torch.randn(4, 3, dtype=torch.float64) for _ in range(8)]
    parameters = list(field.parameters())

    def solved(y0: Tensor) -> list[Tensor]:
        options = {"steps": steps, "solver": "auto", "rtol": 1e-6}
        found = legato.solve(lambda t, y: field(y), y0, [0.0, 0.5, 1.0], **options)
        return [found.ys.detach(), *torch.autograd.grad(found.ys.square().sum(), parameters)]

    serial = [solved(y0) for y0 in starts]
    with ThreadPoolExecutor(8) as pool:
        parallel = list(pool.map(solved, starts))
    for one, other in zip(serial, parallel, strict=True):
        assert all(torch.equal(left, right) for left, right in zip(one, other, strict=True))


@pytest.mark.skipif(not __debug__, reason="this is the run without assertions")
def test_nothing_of_this_rests_on_assertions() -> None:
    """The tests of this file under `python -O`, which leaves assertions out of the library; pytest keeps its own."""
    command = [sys.executable, "-O", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(Path(__file__)), "-k", "tsit5"]
    command += ["-W", "ignore::pytest.PytestConfigWarning"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
