"""Dense output and save times: what is asked about a solution does not change it.

On a step of size h the interpolant is y0 + h sum_i b_i(theta) k_i with b_i(theta) = sum_p B_ip theta^p. In floating
point its coefficients carry the rounding of sums of terms as large as h |B_ip| |k_i|, so where it meets the step's end,
two ways to one value differ by

    4 eps (|y| + h max|k| sum_ip |B_ip|),

and its slope by the like with p |B_ip| in place of h |B_ip|. At a step's start theta is 0 and nothing is rounded.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from methods import GENERAL, OWN_SLOPES, interpolant, interpolation_cost
from torch import Tensor

import legato
from legato.controllers import Constant
from legato.core.errors import InputError
from legato.problems import PROBLEMS
from legato.solvers import SOLVERS

# A pursuit curve: non-autonomous, nonlinear, with an exact solution, and as benign backwards as forwards.
PURSUIT = PROBLEMS["detest-e5"]
SPANS = [(0.0, 20.0), (20.0, 0.0)]
EPS = torch.finfo(torch.float64).eps
ADAPTIVE = [name for name in GENERAL if SOLVERS[name].adaptive]


def exact(t: Tensor) -> Tensor:
    assert PURSUIT.exact is not None
    return PURSUIT.exact(t)


def tolerance(solver: str) -> float:
    """Return a tolerance at which a method takes tens of steps."""
    return 1e-6 if SOLVERS[solver].order > 2 else 1e-4


def pursue(solver: str, t: Any, y0: Tensor | None = None, **options: Any) -> legato.Solution:
    """Solve by steps that the tolerance chooses, or by constant ones where the method has no error estimate."""
    begin = torch.as_tensor(t[0], dtype=torch.float64)
    if SOLVERS[solver].adaptive:
        options |= {"rtol": tolerance(solver), "atol": tolerance(solver)}
    else:
        options |= {"controller": Constant(0.3)}
    with torch.no_grad():
        return legato.solve(PURSUIT.field, exact(begin) if y0 is None else y0, t, solver=solver, **options)


def grid(span: tuple[float, float]) -> list[float]:
    """Return a grid with times in the last step, and one so near the end that only an exact landing tells it apart."""
    times = torch.linspace(*span, 40, dtype=torch.float64).tolist()
    beside = times[-1] + (times[0] - times[-1]) * 1e-13
    return [*times[:-1], beside, times[-1]]


def between(ts: Tensor) -> Tensor:
    """Return four times inside every step."""
    return ts[:-1, None] + torch.tensor([0.1, 0.4, 0.7, 0.95], dtype=torch.float64) * ts.diff()[:, None]


def slopes(solution: legato.Solution) -> Tensor:
    return torch.stack([PURSUIT.field(t, y) for t, y in zip(solution.ts, solution.ys, strict=True)])


def sizes_of_weights(solver: str) -> tuple[float, float]:
    """Return sum |B_ip| and sum p |B_ip| of a method's interpolant."""
    weights = torch.tensor(interpolant(solver)).double().abs()
    powers = torch.arange(1, weights.shape[1] + 1)
    return float(weights.sum()), float((weights * powers).sum())


def before(ts: Tensor) -> Tensor:
    """Return the number just before each step's end: the last time that still belongs to the step."""
    return torch.nextafter(ts[1:], ts[:-1])


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("solver", GENERAL)
def test_the_dense_solution_passes_through_the_step_ends(solver: str, span: tuple[float, float]) -> None:
    solution = pursue(solver, span, save="steps", dense=True)
    assert torch.equal(solution(solution.ts[:-1]), solution.ys[:-1])
    reach = solution.ts.diff().abs().max() * slopes(solution).abs().amax(0) * sizes_of_weights(solver)[0]
    bound = 4 * EPS * (solution.ys.abs().amax(0) + reach)
    assert ((solution(solution.ts[-1]) - solution.ys[-1]).abs() <= bound).all()


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("solver", GENERAL)
def test_the_dense_solution_is_continuous_and_its_slope_is_the_field_at_both_sides_of_every_joint(
    solver: str, span: tuple[float, float]
) -> None:
    """Every interpolant of the catalogue is once differentiable: it takes the field's value at both ends of a step.

    That of a method which carries slopes of its own takes those, which are near the field's; those of implicit methods
    are continuous, but their slopes are not: errors of stiff components lie in the field's value, magnified.
    """
    solution = pursue(solver, span, save="steps", dense=True)
    ts, ys, fields = solution.ts, solution.ys, slopes(solution)
    if solver in OWN_SLOPES:
        near = 300 * tolerance(solver) * (1 + fields.abs())
        own = torch.cat([solution.derivative(ts[:-1]), solution.derivative(before(ts)[-1:])])
        assert ((own - fields).abs() <= near)[: len(ts) // 2].all()
        fields = own
    for_values, for_slopes = sizes_of_weights(solver)
    steepest = fields.abs().amax(0)
    sizes = ts.diff()[:, None].abs()
    just_before = before(ts)
    missed = (ts[1:] - just_before)[:, None].abs() * steepest
    bound = 4 * EPS * (ys[1:].abs() + sizes * steepest * for_values) + missed
    assert ((solution(just_before) - ys[1:]).abs() <= bound).all()
    if SOLVERS[solver].implicit:
        return
    assert ((solution.derivative(ts[:-1]) - fields[:-1]).abs() <= 4 * EPS * steepest).all()
    assert ((solution.derivative(just_before) - fields[1:]).abs() <= 4 * EPS * steepest * for_slopes).all()


@pytest.mark.parametrize("solver", ADAPTIVE)
def test_between_step_ends_the_error_grows_by_a_few_tolerances_at_most(solver: str) -> None:
    """An interpolant's own error is of the order of the error estimate or above, which a step holds below one.

    Implicit methods of order five cross the whole interval in eleven steps here, and miss by thirteen.
    """
    solution = pursue(solver, SPANS[0], save="steps", dense=True)
    inside = between(solution.ts)
    at_ends = ((solution.ys - exact(solution.ts)).abs() / (1 + solution.ys.abs())).max()
    found = ((solution(inside) - exact(inside)).abs() / (1 + exact(inside).abs())).max()
    assert found <= at_ends + (20 if SOLVERS[solver].implicit else 10) * tolerance(solver)


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("solver", GENERAL)
def test_save_times_and_dense_output_read_the_same_interpolant(solver: str, span: tuple[float, float]) -> None:
    times = grid(span)
    solution = pursue(solver, times, dense=True)
    size = 4 * EPS * (1 + solution.ys.abs().max()) * (1 + sizes_of_weights(solver)[0])
    assert ((solution(torch.tensor(times, dtype=torch.float64)) - solution.ys).abs() <= size).all()


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("solver", GENERAL)
def test_save_times_change_no_step_and_cost_what_the_interpolant_needs(solver: str, span: tuple[float, float]) -> None:
    """DOP853 and Dopri8: three evaluations, once per step that holds a save time; methods first-same-as-last: none.

    A method without f(t1, y1) among its stages gets it from the next step; only the last step has none, so one more.
    """
    plain, steps, saved = (pursue(solver, span), pursue(solver, span, save="steps"), pursue(solver, grid(span)))
    assert torch.equal(saved.ys[-1], plain.ys[-1])
    assert saved.stats.steps == plain.stats.steps
    assert saved.stats.accepted == plain.stats.accepted == len(steps.ts) - 1
    sign = 1.0 if span[1] > span[0] else -1.0
    knots, times = steps.ts * sign, torch.tensor(grid(span), dtype=torch.float64) * sign
    inside = times[~torch.isin(times, knots)]
    looked_into = len(torch.searchsorted(knots.contiguous(), inside).unique())
    assert looked_into > 3
    assert saved.stats.evaluations - plain.stats.evaluations == interpolation_cost(solver, looked_into)


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("solver", GENERAL)
def test_the_last_step_ends_on_t1_and_the_end_value_is_the_steps_own(solver: str, span: tuple[float, float]) -> None:
    steps, saved = pursue(solver, span, save="steps"), pursue(solver, grid(span), dense=True)
    assert steps.ts[-1] == span[1]
    assert steps.t_reached == span[1]
    assert torch.equal(saved.ys[-1], steps.ys[-1])


@pytest.mark.parametrize("solver", GENERAL)
def test_under_independent_steps_save_times_change_no_row(solver: str) -> None:
    """Rows of unlike length and direction, each with its own grid: steps and end values are those of the spans."""
    spans = [(0.0, 20.0), (18.0, 3.0), (5.0, 6.5)]
    ends = torch.tensor(spans, dtype=torch.float64)
    y0 = exact(ends[:, 0])
    grids = [torch.tensor(grid(span), dtype=torch.float64)[:: index + 1] for index, span in enumerate(spans)]
    grids = [torch.cat([times[:-1], end[None]]) for times, end in zip(grids, ends[:, 1], strict=True)]
    plain = pursue(solver, (ends[:, 0], ends[:, 1]), y0, steps="independent")
    saved = pursue(solver, grids, y0, steps="independent")
    assert torch.equal(saved.stats.steps, plain.stats.steps)
    assert saved.mask is not None
    last = saved.mask.sum(0) - 1
    assert torch.equal(saved.ys[last, torch.arange(3)], plain.ys[-1])


# Rows by themselves


def test_every_row_is_looked_up_in_its_own_steps_whatever_its_direction() -> None:
    t1 = torch.tensor([0.5, -1.0, 0.0, 2.0], dtype=torch.float64)
    y0 = torch.ones(4, 1, dtype=torch.float64)
    solution = legato.solve(lambda t, y: -y, y0, (0.0, t1), dense=True, rtol=1e-9, atol=1e-12)
    places = torch.linspace(0, 1, 7, dtype=torch.float64)[:, None] * t1
    assert ((solution(places)[..., 0] - torch.exp(-places)).abs() < 1e-8).all()
    with pytest.raises(InputError, match="sample 2"):
        solution(torch.tensor([[0.1, -0.1, 0.1, 0.1]], dtype=torch.float64))
    with pytest.raises(InputError, match="no length"):
        solution.derivative(places)
