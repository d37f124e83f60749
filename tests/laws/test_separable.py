"""Methods for states (q, p): their order, and the structure that they keep.

A symplectic method solves, but for exponentially small terms, a Hamiltonian near the given one, so its energy
oscillates with an amplitude of O(h^p) and does not drift; a method without that property drifts by an amount
proportional to time, as RK4 does here, which shows that the laws can fail.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from methods import SEPARABLE
from spies import Spy
from test_order import MARGIN, counts, slope
from torch import Tensor

import legato
from legato.controllers import Constant
from legato.core.errors import FieldError, InputError
from legato.problems import PROBLEMS
from legato.solvers import SOLVERS

DOUBLE = torch.float64
MODES = ("shared", "independent")
GRADIENTS = ("discrete", "direct")
SYMMETRIC = ("velocity_verlet", "yoshida4")
State = tuple[Tensor, Tensor]


class System(NamedTuple):
    """A separable field, and its exact solution `(q, p)` at times `(T,)`, or its energy."""

    field: Callable[[Tensor, State], State]
    exact: Callable[[Tensor], State] | None = None
    energy: Callable[[Tensor, Tensor], Tensor] | None = None


def harmonic(t: Tensor, state: State) -> State:
    q, p = state
    return p, -q


def pendulum(t: Tensor, state: State) -> State:
    q, p = state
    return p, -torch.sin(q)


def driven(t: Tensor, state: State) -> State:
    """A pendulum in a field that makes q = sin t its motion: nonlinear, and both halves depend on time."""
    q, p = state
    return p * (1 + t) / (1 + t), -torch.sin(q) - torch.sin(t) + torch.sin(torch.sin(t))


def kepler(t: Tensor, state: State) -> State:
    q, p = state
    return p, -q / q.square().sum(-1, keepdim=True) ** 1.5


def stretched(t: Tensor, state: State) -> State:
    """A mass that grows with time: dq/dt = p exp(-t), dp/dt = -q exp(t) - p0(t), with q = cos t, p = -sin t exp(t)."""
    q, p = state
    return p * torch.exp(-t), -(torch.sin(t) + torch.cos(t)) * torch.exp(t) + torch.exp(t) * (torch.cos(t) - q)


def orbit(t: Tensor) -> State:
    exact = PROBLEMS["detest-d2"].exact
    assert exact is not None
    half = exact(t)
    return half[..., :2], half[..., 2:]


SYSTEMS = {
    "harmonic": System(
        harmonic, lambda t: (t.cos()[..., None], -t.sin()[..., None]), lambda q, p: (q**2 + p**2).sum(-1) / 2
    ),
    "driven": System(driven, lambda t: (t.sin()[..., None], t.cos()[..., None])),
    "stretched": System(stretched, lambda t: (t.cos()[..., None], (-t.sin() * t.exp())[..., None])),
    "kepler": System(kepler, orbit, lambda q, p: (p**2).sum(-1) / 2 - (q**2).sum(-1) ** -0.5),
    "pendulum": System(pendulum, None, lambda q, p: (p**2 / 2 - q.cos()).sum(-1)),
}
WINDOWS = {"harmonic": (10.0, 1), "driven": (6.0, 1), "stretched": (2.0, 1), "kepler": (6.0, 3)}


def joined(state: State) -> Tensor:
    return torch.cat(state, dim=-1)


def start(system: System, t0: float = 0.0) -> State:
    assert system.exact is not None
    return system.exact(torch.tensor(t0, dtype=DOUBLE))


def many(count: int, columns: int = 1) -> State:
    """Return phases around the pendulum's well, up to two radians."""
    angle = torch.linspace(0, 2 * math.pi, count + 1, dtype=DOUBLE)[:-1, None]
    size = torch.linspace(0.2, 2.0, count, dtype=DOUBLE)[:, None]
    q, p = size * angle.cos(), size * angle.sin() / 2
    return q.repeat(1, columns), p.repeat(1, columns)


# Order


def error(solver: str, name: str, count: int, *, between: bool = False) -> float:
    system, (t1, _) = SYSTEMS[name], WINDOWS[name]
    with torch.no_grad():
        solution = legato.solve(
            system.field,
            start(system),
            (0.0, t1),
            solver=solver,
            controller=Constant(t1 / count),
            save="steps",
            dense=between,
        )
    ts, ys = solution.ts, solution.ys
    if between:
        ts = ts[:-1, None] + torch.tensor([0.15, 0.4, 0.65, 0.9], dtype=DOUBLE) * ts.diff()[:, None]
        ys = solution(ts)
    assert system.exact is not None
    return float((joined(ys) - joined(system.exact(ts))).square().mean().sqrt())


@pytest.mark.parametrize("between", [False, True], ids=["at step ends", "between"])
@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("solver", SEPARABLE)
def test_the_error_falls_with_the_order_of_the_method(solver: str, name: str, between: bool) -> None:
    order, finer = SOLVERS[solver].order, WINDOWS[name][1]
    fewest, most = {1: (200, 600), 2: (100, 400), 4: (60, 200)}[order]
    steps = counts(fewest * finer, most * finer)
    found = slope(steps, [error(solver, name, count, between=between) for count in steps])
    assert abs(found - order) < MARGIN


# Structure


def energies(solver: str, name: str, y0: State, *, periods: int, steps: int) -> Tensor:
    """Return the energy after every step, `(steps, samples)`; the period is that of small oscillations."""
    system = SYSTEMS[name]
    assert system.energy is not None
    with torch.no_grad():
        solution = legato.solve(
            system.field,
            y0,
            (0.0, 2 * math.pi * periods),
            solver=solver,
            controller=Constant(2 * math.pi / steps),
            save="steps",
            max_steps=periods * steps + 1,
        )
        return system.energy(*solution.ys)


def drift(energy: Tensor) -> float:
    """Return by how much the amplitude of the error grows, relative to that of the first tenth of the time."""
    off = (energy - energy[0]).abs()
    part = len(off) // 10
    return float((off[-part:].amax(0) / off[:part].amax(0)).max()) - 1


@pytest.mark.parametrize(("name", "steps"), [("harmonic", 12), ("pendulum", 16)])
@pytest.mark.parametrize("solver", SEPARABLE)
def test_over_a_thousand_periods_the_energy_of_a_hundred_phases_does_not_drift(
    solver: str, name: str, steps: int
) -> None:
    """In a hundred periods most phases of the steps have been met, so later amplitudes are the same within 5 %."""
    assert drift(energies(solver, name, many(100), periods=1000, steps=steps)) < 0.05


@pytest.mark.parametrize("solver", SYMMETRIC)
def test_over_a_thousand_periods_the_energy_of_a_hundred_planets_does_not_drift(solver: str) -> None:
    phases = torch.linspace(0, 2 * math.pi, 101, dtype=DOUBLE)[:-1]
    at = torch.stack([phases.cos(), phases.sin()], dim=-1)
    y0 = 0.9 * at, math.sqrt(1.1 / 0.9) * torch.stack([-phases.sin(), phases.cos()], dim=-1)
    assert drift(energies(solver, "kepler", y0, periods=1000, steps=16)) < 0.05


def test_the_energy_of_a_method_that_is_not_symplectic_drifts() -> None:
    assert drift(energies("rk4", "pendulum", many(5), periods=100, steps=20)) > 2


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("solver", SEPARABLE)
def test_a_solve_is_a_symplectic_map(solver: str, steps: str) -> None:
    """J^T S J = S for the derivative J of the end by the start, S the matrix of dq ^ dp."""

    def end(packed: Tensor) -> Tensor:
        state = packed[None, :2], packed[None, 2:]
        return joined(legato.solve(coupled, state, (0.0, 3.0), solver=solver, dt0=0.17, steps=steps).ys)[0, 0]

    jacobian = torch.autograd.functional.jacobian(end, torch.tensor([0.9, -0.3, 0.2, 0.5], dtype=DOUBLE))
    form = torch.kron(torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=DOUBLE), torch.eye(2, dtype=DOUBLE))
    torch.testing.assert_close(jacobian.T @ form @ jacobian, form, rtol=0, atol=1e-12)


def coupled(t: Tensor, state: State) -> State:
    """Two pendulums and a spring between them."""
    q, p = state
    return torch.sinh(p), -torch.sin(q) - 0.3 * (q - q.flip(-1))


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("solver", SYMMETRIC)
def test_symmetric_methods_come_back_to_rounding(solver: str, steps: str) -> None:
    """By turning the momenta, and by turning time."""
    y0 = many(7)
    options: dict[str, Any] = {"solver": solver, "dt0": 0.125, "steps": steps}
    q, p = (leaf[0] for leaf in legato.solve(pendulum, y0, (0.0, 10.0), **options).ys)
    turned = legato.solve(pendulum, (q, -p), (0.0, 10.0), **options).ys
    torch.testing.assert_close(joined((turned[0][0], -turned[1][0])), joined(y0), rtol=0, atol=1e-12)
    back = legato.solve(pendulum, (q, p), (10.0, 0.0), **options).ys
    torch.testing.assert_close(joined((back[0][0], back[1][0])), joined(y0), rtol=0, atol=1e-12)


# What is evaluated, and where


def driven_inside(t: Tensor, state: State) -> State:
    """The driven pendulum, where it may be looked at."""
    dq, dp = driven(t, state)
    inside = (t >= 0) & (t <= 1)
    return torch.where(inside, dq, torch.nan), torch.where(inside, dp, torch.nan)


@pytest.mark.parametrize("span", [(0.0, 1.0), (1.0, 0.0)])
@pytest.mark.parametrize("options", [{}, {"stops": [0.3, 0.55]}, {"jumps": [0.5]}], ids=["plain", "stops", "jumps"])
@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("solver", SEPARABLE)
def test_the_field_is_not_called_outside_the_interval(
    solver: str, steps: str, options: dict[str, Any], span: tuple[float, float]
) -> None:
    """Yoshida's times leave the step; the steps at the ends of an interval, and at stops, are others."""
    y0 = start(SYSTEMS["driven"], span[0])
    ys = legato.solve(driven_inside, y0, span, solver=solver, steps=steps, dt0=0.1, **options).ys
    assert bool((joined(ys) - joined(start(SYSTEMS["driven"], span[1]))).abs().max() < 0.1)


def test_the_field_is_not_called_across_a_jump() -> None:
    def field(t: Tensor, state: State) -> State:
        q, p = state
        return p, torch.where(t < 0.5, 1.0, -2.0) * torch.ones_like(q)

    zero = torch.zeros(2, 1, dtype=DOUBLE)
    for steps in MODES:
        q, p = legato.solve(field, (zero, zero), (0.0, 1.0), solver="yoshida4", dt0=0.1, steps=steps, jumps=[0.5]).ys
        torch.testing.assert_close(p[0], zero - 0.5, rtol=0, atol=1e-14)
        torch.testing.assert_close(q[0], zero + 0.125 + 0.25 - 0.25, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("solver", "each"), [("semi_implicit_euler", 2), ("velocity_verlet", 2), ("yoshida4", 6)])
def test_the_last_kick_of_a_step_is_the_first_of_the_next(solver: str, each: int) -> None:
    few, more = (
        legato.solve(pendulum, many(2), (0.0, 0.1 * count), solver=solver, controller=Constant(0.1)).stats.evaluations
        for count in (10, 30)
    )
    assert int((more - few)[0]) == 20 * each


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("solver", SEPARABLE)
def test_a_sample_alone_has_the_bits_it_has_in_a_batch_and_its_own_times(solver: str, steps: str) -> None:
    q, p = many(5, 2)
    spans = (torch.zeros(5, dtype=DOUBLE), torch.tensor([1.0, 0.4, 0.95, 2.0, 1.33], dtype=DOUBLE))
    run = {"solver": solver, "dt0": 0.1, "stops": [0.5]}
    t = spans if steps == "independent" else (0.0, 1.0)
    whole = legato.solve(driven, (q, p), t, **run).ys
    for row in range(5):
        one = slice(row, row + 1)
        own = (spans[0][one], spans[1][one]) if steps == "independent" else t
        alone = legato.solve(driven, (q[one], p[one]), own, **run).ys
        assert torch.equal(joined(alone), joined(whole)[:, one])


# Dense output and gradients


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("span", [(0.0, 2.0), (2.0, 0.0)])
@pytest.mark.parametrize("solver", SEPARABLE)
def test_the_dense_solution_takes_values_and_slopes_of_the_step_ends(
    solver: str, span: tuple[float, float], steps: str
) -> None:
    solution = legato.solve(driven, many(2), span, solver=solver, dt0=0.13, dense=True, save="steps", steps=steps)
    ts = solution.ts if solution.ts.dim() == 1 else solution.ts[0]
    torch.testing.assert_close(joined(solution(ts)), joined(solution.ys), rtol=0, atol=1e-14)
    for place, t in enumerate(ts):
        field = joined(driven(t, tuple(leaf[place] for leaf in solution.ys)))
        for beside in (t, torch.nextafter(t, ts[0])):
            torch.testing.assert_close(joined(solution.derivative(beside)), field, rtol=0, atol=1e-12)


def parameters() -> tuple[Tensor, ...]:
    q, p = many(3, 2)
    return tuple(leaf.clone().requires_grad_() for leaf in (q, p, torch.tensor([1.2, 0.7], dtype=DOUBLE)))


def scaled(t: Tensor, state: State, rate: Tensor) -> State:
    q, p = state
    return rate * torch.sinh(p) + 0 * t, -torch.sin(rate * q + t)


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("solver", SEPARABLE)
def test_both_gradients_are_right_with_save_times_inside_steps_and_by_times(solver: str, steps: str) -> None:
    times = torch.tensor([0.0, 0.05, 0.3, 0.66, 1.0], dtype=DOUBLE, requires_grad=True)

    def run(gradient: str) -> Callable[..., Tensor]:
        def solve(q: Tensor, p: Tensor, rate: Tensor, t: Tensor) -> Tensor:
            options = {"solver": solver, "steps": steps, "gradient": gradient, "controller": Constant(0.17)}
            return joined(legato.solve(scaled, (q, p), t, rate, stops=[0.4], **options).ys)

        return solve

    given = (*parameters(), times)
    found = [torch.autograd.grad(run(gradient)(*given).square().sum(), given) for gradient in GRADIENTS]
    torch.testing.assert_close(found[0], found[1], rtol=1e-12, atol=1e-12)
    assert torch.autograd.gradcheck(run("discrete"), given, fast_mode=True)
    assert torch.autograd.gradgradcheck(run("discrete"), given, fast_mode=True)


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("solver", SEPARABLE)
def test_a_sample_that_fails_leaves_the_others_right(solver: str, steps: str) -> None:
    def field(t: Tensor, state: State, flag: Tensor) -> State:
        q, p = state
        return p, torch.where((flag > 0) & (t > 0.5), torch.nan, -torch.sin(q))

    q, p = many(3)
    flag = torch.tensor([[0.0], [1.0], [0.0]], dtype=DOUBLE)
    run = {"solver": solver, "steps": steps, "dt0": 0.1, "on_failure": "partial", "args_batched": True}
    solution = legato.solve(field, (q, p), (0.0, 2.0), flag, **run)
    assert solution.status.tolist() == [1, legato.Status.NONFINITE, 1]
    kept = [0, 2]
    alone = legato.solve(pendulum, (q[kept], p[kept]), (0.0, 2.0), solver=solver, dt0=0.1)
    torch.testing.assert_close(joined(solution.ys)[:, kept], joined(alone.ys), rtol=0, atol=1e-13)


# What they are not made for


@pytest.mark.parametrize("solver", SEPARABLE)
@pytest.mark.parametrize(
    ("y0", "said"),
    [
        (torch.ones(4), "lone tensor"),
        ((torch.ones(3), torch.ones(2)), "two halves"),
        ((torch.ones(2), torch.ones(2), torch.ones(2)), "two halves"),
    ],
)
def test_a_state_without_two_halves_is_refused_with_advice(solver: str, y0: Any, said: str) -> None:
    spy = Spy(lambda t, y: y)
    with pytest.raises(InputError, match=said) as caught:
        legato.solve(spy, y0, (0.0, 1.0), solver=solver, dt0=0.1)
    assert "y0=(q, p)" in str(caught.value)
    assert spy.calls == 0


def damped(t: Tensor, state: State) -> State:
    q, p = state
    return p, -q - 0.1 * p


def drifting(t: Tensor, state: State) -> State:
    q, p = state
    return p + 0.2 * q, -q


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("solver", SYMMETRIC)
@pytest.mark.parametrize(("field", "said"), [(damped, "dp/dt depends on p"), (drifting, "dq/dt depends on q")])
def test_a_field_that_is_not_separable_is_refused_where_it_would_cost_the_order(
    field: Any, said: str, solver: str, gradient: str, steps: str
) -> None:
    with pytest.raises(FieldError, match=said) as caught:
        legato.solve(field, many(3), (0.0, 1.0), solver=solver, dt0=0.1, gradient=gradient, steps=steps)
    assert "implicit_midpoint" in str(caught.value)


def test_semi_implicit_euler_is_of_its_order_on_a_field_that_is_not_separable() -> None:
    """A damped oscillator: q = exp(-t/20) (cos wt + sin wt / (20 w)) from rest, w^2 = 1 - 1/400."""
    rate = math.sqrt(1 - 1 / 400)
    exact = math.exp(-0.25) * (math.cos(5 * rate) + math.sin(5 * rate) / (20 * rate))
    one, zero = torch.ones(1, dtype=DOUBLE), torch.zeros(1, dtype=DOUBLE)
    found = [
        float(legato.solve(damped, (one, zero), (0.0, 5.0), solver="semi_implicit_euler", dt0=5 / count).ys[0]) - exact
        for count in (400, 800)
    ]
    assert math.log2(found[0] / found[1]) == pytest.approx(1, abs=0.05)


def test_a_dictionary_of_several_leaves_a_half_is_two_halves() -> None:
    def field(t: Tensor, state: dict[str, State]) -> dict[str, State]:
        (a, b), (u, v) = state["q"], state["p"]
        return {"q": (u, v), "p": (-a, -4 * b)}

    one, zero = torch.ones(1, dtype=DOUBLE), torch.zeros(1, dtype=DOUBLE)
    y0 = {"q": (one, one.repeat(2)), "p": (zero, zero.repeat(2))}
    ys = legato.solve(field, y0, (0.0, 1.0), solver="yoshida4", dt0=0.02).ys
    assert float(ys["q"][0][0]) == pytest.approx(math.cos(1), abs=1e-6)
    assert ys["q"][1][0].tolist() == pytest.approx([math.cos(2)] * 2, abs=1e-5)
