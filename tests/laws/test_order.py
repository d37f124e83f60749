"""Order: the error of a method of order p falls as h^p, at step ends, between them and in the gradient.

With constant steps h the slope of log(error) over log(h), fitted to several step sizes, is the order. It must be
measured where the leading term rules: small steps, yet errors above a thousand roundings. Where a method's leading
coefficient is small on a problem, as Tsit5 is built to make it, a slope above p only says that such steps are too
large; so every problem bounds the slope from below, and those on which the leading term is seen bound it from both
sides. For each order one of the latter is non-autonomous and nonlinear, since autonomous or linear problems hide
wrong nodes.

Errors are |y - exact| / (1 + |exact|), root mean square over components and times: over times, because the error of
an oscillating solution changes sign, and at one time its zeros would be taken for convergence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import pytest
import torch
from methods import GENERAL, MULTISTEP, NEUTRAL
from torch import Tensor

import legato
from legato.controllers import Constant
from legato.problems import PROBLEMS
from legato.solvers import SOLVERS

LEAST_ERROR = 1e3 * torch.finfo(torch.float64).eps
GREATEST_ERROR = 0.1


class Window(NamedTuple):
    """A problem with an exact solution, an interval, and the numbers of steps between which the leading term rules.

    `seen` is false where the slope exceeds the order in every window above rounding.
    """

    problem: str
    t0: float
    t1: float
    fewest: int
    most: int
    seen: bool = True


def windows(order: int) -> tuple[Window, ...]:
    """Return the problems on which a method of this order is measured."""
    if order <= 4:
        most = {1: 320, 2: 256, 3: 160, 4: 160}[order]
        return (
            Window("detest-e5", 0.0, 24.0, most // 4, most),
            Window("kpr", 1.0, 3.0, most, 3 * most),
            Window("detest-d2", 0.0, 2.0, most // 4, most),
            Window("nonautonomous-linear", 0.0, 1.0, most // 4, most),
        )
    if order == 5:
        return (
            Window("detest-e5", 0.0, 24.0, 200, 600),
            Window("detest-e1", 0.0, 20.0, 150, 450),
            Window("detest-d2", 0.0, 10.0, 200, 600),
            Window("detest-b4", 0.0, 20.0, 150, 450, seen=False),
        )
    return (
        Window("detest-e5", 0.0, 24.0, 45, 115),
        Window("detest-b4", 0.0, 20.0, 80, 220),
        Window("cosine", 0.0, 20.0, 40, 110, seen=False),
        Window("sundials-interpolation", 0.0, 10.0, 80, 220, seen=False),
    )


def windows_of(solver: str) -> tuple[Window, ...]:
    """Return the windows for a method of the catalogue.

    Where a step spans several they are finer, and end well before the singularity of the first problem at t = 25.
    """
    found = windows(SOLVERS[solver].order)
    if solver not in MULTISTEP:
        return found
    finer = [window._replace(fewest=4 * window.fewest, most=4 * window.most) for window in found]
    return (finer[0]._replace(t1=14.0), *finer[1:])


def counts(fewest: int, most: int, sizes: int = 5) -> list[int]:
    """Return numbers of steps in equal ratios."""
    return [round(fewest * (most / fewest) ** (index / (sizes - 1))) for index in range(sizes)]


def slope(steps: Sequence[float], errors: Sequence[float]) -> float:
    """Return the slope of log(error) over log(h), h = interval / steps, by least squares; checks the window."""
    assert min(errors) > LEAST_ERROR, errors
    assert max(errors) < GREATEST_ERROR, errors
    x, y = -torch.tensor(steps).double().log(), torch.tensor(errors).double().log()
    x, y = x - x.mean(), y - y.mean()
    return float((x * y).sum() / (x * x).sum())


def mean_error(found: Tensor, exact: Tensor) -> float:
    return float(((found - exact) / (1 + exact.abs())).square().mean().sqrt())


MARGIN = 0.2
"""How far a slope may lie from the order of a method."""


def margin(order: int) -> float:
    """Return the same for interpolants and gradients: above order 7 five step sizes above rounding span little."""
    return MARGIN if order < 7 else 0.3


def uniform_error(solver: str, window: Window, steps: int, *, between: bool = False) -> float:
    """Return the error at the step ends, or at four places inside every step, of a solve with constant steps."""
    problem = PROBLEMS[window.problem]
    assert problem.exact is not None
    with torch.no_grad():
        solution = legato.solve(
            problem.field,
            problem.exact(torch.tensor(window.t0, dtype=torch.float64)),
            (window.t0, window.t1),
            solver=solver,
            controller=Constant((window.t1 - window.t0) / steps),
            save="steps",
            dense=between,
        )
    assert len(solution.ts) == steps + 1
    if not between:
        return mean_error(solution.ys, problem.exact(solution.ts))
    thetas = torch.tensor([0.15, 0.4, 0.65, 0.9], dtype=torch.float64)
    times = solution.ts[:-1, None] + thetas * solution.ts.diff()[:, None]
    return mean_error(solution(times), problem.exact(times))


@pytest.mark.parametrize("solver", GENERAL)
def test_the_error_at_step_ends_falls_with_the_order_of_the_method(solver: str) -> None:
    method = SOLVERS[solver]
    order, found = method.order, []
    for window in windows_of(solver):
        if solver in NEUTRAL and window.problem == "kpr":  # it contracts at rates up to two
            continue
        steps = counts(window.fewest, window.most)
        found.append(slope(steps, [uniform_error(solver, window, count) for count in steps]))
        assert found[-1] > order - MARGIN, window
        # The leading coefficients of implicit methods are small on other problems: on one of them it must be seen.
        assert found[-1] < order + MARGIN or not window.seen or method.implicit, (window, found)
    assert min(found) < order + MARGIN


@pytest.mark.parametrize("solver", GENERAL)
def test_the_error_between_step_ends_falls_with_the_order_of_method_or_interpolant(solver: str) -> None:
    """An interpolant of order q is wrong by O(h^(q+1)) on its own step, the solution that it joins by O(h^p)."""
    method = SOLVERS[solver]
    order = min(method.order, method.dense_order + 1)
    # The interpolants of order seven reach their order late on the first problem, where errors meet rounding.
    window = windows_of(solver)[0 if method.order < 6 else 2]
    if method.implicit and method.order < 6:
        window = windows_of(solver)[1]
    steps = counts(window.fewest, window.most)
    found = slope(steps, [uniform_error(solver, window, count, between=True) for count in steps])
    assert abs(found - order) < margin(order)


class Places(NamedTuple):
    """A problem with an exact solution, where steps begin, the largest step and how the others shrink."""

    problem: str
    first: float
    last: float
    largest: float
    ratio: float


def single_step_error(solver: str, places: Places, size: float) -> float:
    """Return the error at four places inside one step from an exact state, over eight such steps."""
    problem = PROBLEMS[places.problem]
    assert problem.exact is not None
    thetas = torch.tensor([0.2, 0.45, 0.7, 0.9], dtype=torch.float64)
    errors = []
    for start in torch.linspace(places.first, places.last, 8, dtype=torch.float64).tolist():
        times = start + size * thetas
        with torch.no_grad():
            solution = legato.solve(
                problem.field,
                problem.exact(torch.tensor(start, dtype=torch.float64)),
                (start, start + size),
                solver=solver,
                controller=Constant(2 * size),
                dense=True,
            )
        errors.append(mean_error(solution(times), problem.exact(times)))
    return float(torch.tensor(errors).square().mean().sqrt())


@pytest.mark.parametrize("solver", GENERAL)
def test_the_interpolant_of_a_single_step_is_of_its_own_order(solver: str) -> None:
    order = SOLVERS[solver].dense_order
    cases = [Places("kpr", 0.5, 4.0, 0.018, 2**-0.5)]
    if SOLVERS[solver].implicit and order == 4:
        cases = [Places("detest-d2", 0.0, 10.0, 0.1, 2**-0.5)]
    if order >= 7:
        cases = [Places("cosine", 0.0, 6.0, 0.5, 2 ** (-1 / 3)), Places("detest-d2", 0.0, 10.0, 0.25, 2 ** (-1 / 3))]
    for places in cases:
        sizes = [places.largest * places.ratio**index for index in range(5)]
        found = slope([1 / size for size in sizes], [single_step_error(solver, places, size) for size in sizes])
        assert abs(found - (order + 1)) < margin(order), places


def logistic(t: Tensor, y: Tensor, rate: Tensor) -> Tensor:
    """A nonlinear, non-autonomous field whose sensitivities are known: logit y(t) = logit y0 + rate log(1 + t)."""
    return rate * y * (1 - y) / (1 + t)


def gradient_error(solver: str, t1: float, fastest: float, steps: int) -> float:
    """Return the error of dy/dy0 and dy/drate at `t1`, over eight samples with their own y0 and rate."""
    y0 = torch.linspace(0.1, 0.9, 8, dtype=torch.float64)[:, None].requires_grad_()
    rate = torch.linspace(0.5, fastest, 8, dtype=torch.float64)[:, None].requires_grad_()
    solution = legato.solve(
        logistic, y0, (0.0, t1), rate, args_batched=True, solver=solver, controller=Constant(t1 / steps)
    )
    found = torch.autograd.grad(solution.ys.sum(), (y0, rate))
    with torch.no_grad():
        y = torch.sigmoid(torch.logit(y0) + rate * math.log1p(t1))
        by_logit = y * (1 - y)
        exact = (by_logit / (y0 * (1 - y0)), by_logit * math.log1p(t1))
    return mean_error(torch.cat(found), torch.cat(exact))


@pytest.mark.parametrize("solver", GENERAL)
def test_the_error_of_the_gradient_falls_with_the_order_of_the_method(solver: str) -> None:
    order = SOLVERS[solver].order
    t1, fastest, fewest, most = {1: (10.0, 5.0, 128, 512), 5: (30.0, 5.0, 120, 300), 8: (6.0, 4.0, 17, 42)}.get(
        order, (10.0, 5.0, 64, 200)
    )
    if solver in MULTISTEP:
        fewest, most = 4 * fewest, 4 * most
    if solver in NEUTRAL:  # the logistic curve contracts where it ends
        t1, fastest = 2.0, 2.0
        fewest, most = (20, 60) if order == 5 else (fewest, most)
    if SOLVERS[solver].implicit:  # whose leading terms, of several signs, are seen where nothing is stiff
        t1, fastest, fewest, most = {5: (2.0, 2.0, 24, 96), 6: (6.0, 4.0, 17, 42)}.get(order, (2.0, 2.0, 64, 200))
    steps = counts(fewest, most, 4)
    found = slope(steps, [gradient_error(solver, t1, fastest, count) for count in steps])
    assert abs(found - order) < margin(order)
