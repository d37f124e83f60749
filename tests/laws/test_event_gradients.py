"""Gradients through events: by what moves the solution, the event function, the jump and the start.

At an event g(t, y) = 0 the time moves by dt = -(dg at the fixed time) / (dg/dt along the solution), the state there
with it, and what follows with both. `gradcheck` holds the map with the sizes of the whole steps frozen.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

import legato
from legato import Event
from legato.controllers import Constant
from legato.core.errors import GradientError

GRADIENTS = ["discrete", "direct"]
SOLVERS = ["tsit5", "dop853", "bosh3", "rk4"]


def number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64, requires_grad=True)


def vector(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def fall(t: Tensor, y: Tensor, g: Tensor) -> Tensor:
    return torch.stack([y[..., 1], -g * torch.ones_like(y[..., 1])], dim=-1)


def height(t: Tensor, y: Tensor, g: Tensor) -> Tensor:
    return y[..., 0]


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_the_time_of_a_fall_by_height_and_gravity(gradient: str) -> None:
    h, g = number(3.0), number(9.81)
    y0 = torch.stack([h, torch.zeros_like(h)])
    solution = legato.solve(fall, y0, (0.0, 5.0), g, events=height, gradient=gradient)
    by_h, by_g = torch.autograd.grad(solution.events.times[0], (h, g), retain_graph=True)
    assert by_h.item() == pytest.approx(1 / math.sqrt(2 * 3 * 9.81), rel=1e-12)
    assert by_g.item() == pytest.approx(-0.5 * math.sqrt(2 * 3 / 9.81**3), rel=1e-12)
    speed_by_h, speed_by_g = torch.autograd.grad(solution.ys[-1, 1], (h, g))  # v = -sqrt(2 g h)
    assert speed_by_h.item() == pytest.approx(-math.sqrt(9.81 / (2 * 3)), rel=1e-12)
    assert speed_by_g.item() == pytest.approx(-math.sqrt(3 / (2 * 9.81)), rel=1e-12)


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("terminal", [True, False])
def test_an_event_time_by_a_parameter_of_the_event_function_alone(terminal: bool, gradient: str) -> None:
    q = number(0.7)
    event = Event(lambda t, y: y[..., 0] - q, terminal=terminal)
    solution = legato.solve(
        lambda t, y: torch.ones_like(y),
        vector(0.0),
        (0.0, 2.0),
        solver="euler",
        dt0=0.5,
        events=event,
        gradient=gradient,
    )
    assert torch.autograd.grad(solution.events.times.sum(), q)[0].item() == 1.0


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_the_start_moves_the_event(gradient: str) -> None:
    """y' = y from t0: y reaches 2 at t0 + ln 2."""
    t0, y0 = number(0.3), number(1.0)
    options: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-12, "gradient": gradient}
    solution = legato.solve(lambda t, y: y, y0[None], (t0, 5.0), events=lambda t, y: y[..., 0] - 2, **options)
    by_t0, by_y0 = torch.autograd.grad(solution.events.times.sum(), (t0, y0), retain_graph=True)
    assert by_t0.item() == pytest.approx(1.0, abs=1e-9)
    assert by_y0.item() == pytest.approx(-1.0, abs=1e-8)
    end = torch.autograd.grad(solution.ys.sum(), (t0, y0))
    assert [part.item() for part in end] == pytest.approx([0.0, 0.0], abs=1e-9)


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_a_bouncing_ball_by_everything_against_its_formula(gradient: str) -> None:
    """After n bounces y(t) = v s - g s^2 / 2, s = t - t_n, v = e^n sqrt(2 g h), t_n = sqrt(2 h/g) (1 + 2 sum e^k)."""
    h, g, e = number(1.0), number(9.81), number(0.8)
    y0 = torch.stack([h, torch.zeros_like(h)])
    event = Event(height, direction=-1, jump=lambda t, y, g: torch.stack([y[..., 0], -e * y[..., 1]], dim=-1))
    solution = legato.solve(fall, y0, (0.0, 2.0), g, events=event, gradient=gradient)
    bounces = int(solution.events.count)
    assert bounces == 3
    impact = (2 * h / g).sqrt() * (1 + 2 * sum(e**k for k in range(1, bounces)))
    speed, since = e**bounces * (2 * g * h).sqrt(), 2.0 - impact
    exact = torch.stack([speed * since - g * since**2 / 2, speed - g * since, impact])
    found = torch.stack([solution.ys[-1, 0], solution.ys[-1, 1], solution.events.times[-1]])
    assert torch.allclose(found, exact, rtol=1e-11)
    for place in range(3):
        ours = torch.autograd.grad(found[place], (h, g, e), retain_graph=True)
        theirs = torch.autograd.grad(exact[place], (h, g, e), retain_graph=True)
        assert torch.allclose(torch.stack(ours), torch.stack(theirs), rtol=1e-9)


def field(t: Tensor, y: Tensor, p: Tensor) -> Tensor:
    """A field that is nonlinear, non-autonomous and couples the components; the first rises."""
    return torch.stack(
        [1.3 + 0.4 * torch.sin(p[0] * t * y[..., 1]), p[1] * y[..., 0] * torch.cos(t) - y[..., 1]], dim=-1
    )


def rise(t: Tensor, y: Tensor, p: Tensor) -> Tensor:
    return y[..., 0] - p[2] - 0.1 * torch.sin(t.reshape(-1)) * y[..., 1]


def kick(t: Tensor, y: Tensor, p: Tensor) -> Tensor:
    first = y[..., 0] - 0.9 + 0.2 * p[0] * y[..., 1]
    return torch.stack([first, y[..., 1] + p[2] * torch.sin(t.reshape(-1))], dim=-1)


def turn(t: Tensor, y: Tensor, p: Tensor) -> Tensor:
    return y[..., 1] * y[..., 0] - 0.3 * p[1]


def start() -> Tensor:
    return torch.tensor([[0.1, 0.4], [0.35, -0.2]], dtype=torch.float64)


def run(y0: Tensor, p: Tensor, t0: Tensor, t1: Tensor, **options: Any) -> tuple[Tensor, ...]:
    events = [Event(rise, jump=kick), Event(turn, terminal=False), Event(lambda t, y, p: t.reshape(-1) - 1.61)]
    solution = legato.solve(field, y0, (t0, t1), p, events=events, controller=Constant(0.23), **options)
    assert solution.events.count.tolist() == [6, 4]
    return solution.ys, solution.events.times.nan_to_num(), solution.events.states.nan_to_num()


def inputs(*, second: bool = False) -> tuple[Tensor, ...]:
    given = (start(), vector(0.7, 0.9, 0.8), vector(0.05), vector(2.0))
    return tuple(part.requires_grad_() for part in given)


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_gradcheck_through_jumps_recorded_and_terminal_events(solver: str, gradient: str) -> None:
    def function(y0: Tensor, p: Tensor, t0: Tensor, t1: Tensor) -> tuple[Tensor, ...]:
        return run(y0, p, t0[0], t1[0], solver=solver, gradient=gradient)

    assert torch.autograd.gradcheck(function, inputs(), fast_mode=True)


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_gradgradcheck_through_jumps_recorded_and_terminal_events(gradient: str) -> None:
    def function(y0: Tensor, p: Tensor, t0: Tensor, t1: Tensor) -> tuple[Tensor, ...]:
        return run(y0, p, t0[0], t1[0], solver="bosh3", gradient=gradient)

    assert torch.autograd.gradgradcheck(function, inputs(), fast_mode=True)


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_gradcheck_of_save_times_steps_and_the_dense_solution_after_a_jump(sign: float, gradient: str) -> None:
    """y' = p y forward and backward in time, with a stop after the jump."""

    def function(p: Tensor, q: Tensor, stop: Tensor) -> tuple[Tensor, ...]:
        event = Event(lambda t, y: y[..., 0] - q[0], jump=lambda t, y: 0.5 * y)
        options: dict[str, Any] = {"solver": "rk4", "controller": Constant(0.17), "stops": [stop[0]], "dense": True}
        grid = sign * vector(0.0, 0.3, 0.6, 1.0, 1.3)
        solution = legato.solve(
            lambda t, y: sign * p * y, vector(1.0, 0.5), grid, events=event, gradient=gradient, **options
        )
        assert solution.events.count.item() == 2
        return solution.ys, solution(sign * vector(0.2, 0.5, 0.7, 0.9, 1.25))

    given = (vector(1.1, 0.9), vector(1.55), sign * vector(0.8))
    assert torch.autograd.gradcheck(function, tuple(part.requires_grad_() for part in given), fast_mode=True)


def test_both_gradients_are_the_same() -> None:
    found = []
    for gradient in GRADIENTS:
        given = inputs()
        y0, p, t0, t1 = given
        values = run(y0, p, t0[0], t1[0], solver="tsit5", gradient=gradient)
        found.append(torch.autograd.grad(sum(part.square().sum() for part in values), given))
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, rtol=1e-10)


@pytest.mark.parametrize("steps", [0.23, None])
def test_parameters_of_modules_and_captured_tensors_of_event_and_jump_get_their_gradient(steps: float | None) -> None:
    """Against central differences, at tight tolerances or with frozen steps; adaptive steps move by rounding alone."""
    torch.manual_seed(0)
    level = torch.nn.Linear(2, 1, dtype=torch.float64)
    gain = number(0.6)
    options: dict[str, Any] = {"controller": Constant(steps)} if steps else {"rtol": 1e-12, "atol": 1e-12}

    def loss() -> Tensor:
        events = [Event(lambda t, y: y[:, 0] - 0.7 - 0.2 * level(y)[:, 0].tanh(), jump=lambda t, y: gain * y)]
        solution = legato.solve(
            lambda t, y: torch.stack([1 + y[:, 1], -y[:, 0]], 1), start(), (0.0, 1.5), events=events, **options
        )
        assert solution.events.count.tolist() == [3, 2]
        return solution.ys.square().sum() + solution.events.times.nan_to_num().sum()

    sources = [gain, *level.parameters()]
    found = torch.autograd.grad(loss(), sources)
    for source, part in zip(sources, found, strict=True):
        for place in range(source.numel()):
            values = []
            for shift in (1e-5, -1e-5):
                with torch.no_grad():
                    source.view(-1)[place] += shift
                    values.append(loss().item())
                    source.view(-1)[place] -= shift
            assert part.reshape(-1)[place].item() == pytest.approx((values[0] - values[1]) / 2e-5, abs=2e-7)


def test_a_sample_that_ended_gives_the_others_their_gradient() -> None:
    y0 = vector(0.5, 5.0)[:, None].requires_grad_()
    solution = legato.solve(lambda t, y: -y, y0, [0.0, 1.0, 2.0], events=lambda t, y: y[:, 0] - 0.3, rtol=1e-10)
    assert solution.ys[1:, 0].isnan().all()
    (found,) = torch.autograd.grad(solution.ys.nansum(), y0)
    assert found[:, 0].tolist() == pytest.approx([1.0, 1 + math.exp(-1) + math.exp(-2)], rel=1e-7)


def test_a_boolean_event_keeps_its_time_and_the_state_there_moves() -> None:
    y0 = vector(1.0)[:, None].requires_grad_()
    solution = legato.solve(lambda t, y: -y, y0, (0.0, 5.0), events=lambda t, y: y[:, 0] < 0.5, rtol=1e-10, atol=1e-12)
    (found,) = torch.autograd.grad(solution.ys.sum(), y0)
    assert solution.events.times.item() == pytest.approx(math.log(2), abs=1e-9)
    assert found.item() == pytest.approx(0.5, abs=1e-9)


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_a_touch_has_no_derivative_and_says_so_where_it_is_asked_for(gradient: str) -> None:
    y0 = vector(0.0).requires_grad_()
    event = Event(lambda t, y: (y[..., 0] - 0.5) ** 2, terminal=False)
    solution = legato.solve(
        lambda t, y: torch.ones_like(y), y0, (0.0, 1.0), solver="euler", dt0=1.0, events=event, gradient=gradient
    )
    assert torch.autograd.grad(solution.ys.sum(), y0, retain_graph=True)[0].item() == 1.0
    with pytest.raises(GradientError, match="touches zero"):
        torch.autograd.grad(solution.events.times.sum(), y0)
