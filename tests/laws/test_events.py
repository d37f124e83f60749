"""Events: what happens where a function of the solution passes zero, in each sample for itself.

The problems have exact answers: a fall from h under g ends at sqrt(2 h / g), a ball that keeps the part e of its speed
comes down again after e times the time of the flight before, y'' = -y passes zero every pi.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import legato
from legato import Event, Status
from legato.controllers import Constant
from legato.core.errors import InputError, SolveError

GRAVITY = 9.81
METHODS = ["tsit5", "dopri5", "dop853", "bosh3"]


def vector(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def fall(t: Tensor, y: Tensor) -> Tensor:
    return torch.stack([y[..., 1], torch.full_like(y[..., 1], -GRAVITY)], dim=-1)


def swing(t: Tensor, y: Tensor) -> Tensor:
    return torch.stack([y[..., 1], -y[..., 0]], dim=-1)


def up(t: Tensor, y: Tensor) -> Tensor:
    return torch.ones_like(y)


def height(t: Tensor, y: Tensor) -> Tensor:
    return y[..., 0]


def bounced(restitution: float) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda t, y: torch.stack([y[..., 0], -restitution * y[..., 1]], dim=-1)


def bouncing(restitution: float = 0.9) -> Event:
    return Event(height, direction=-1, jump=bounced(restitution))


def at(value: float) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda t, y: y[..., 0] - value


@pytest.mark.parametrize("solver", METHODS)
def test_every_sample_of_a_batch_falls_for_its_own_time(solver: str) -> None:
    heights = torch.linspace(1, 20, 7, dtype=torch.float64)
    y0 = torch.stack([heights, torch.zeros_like(heights)], dim=1)
    solution = legato.solve(fall, y0, (0.0, 5.0), solver=solver, events=Event(height, direction=-1))
    exact = (2 * heights / GRAVITY).sqrt()
    assert torch.allclose(solution.events.times[0], exact, rtol=1e-13)
    assert torch.equal(solution.t_reached, solution.events.times[0])
    assert (solution.status == Status.EVENT).all()
    assert solution.success
    assert torch.allclose(solution.ys[0, :, 1], -(2 * heights * GRAVITY).sqrt(), rtol=1e-12)
    assert solution.ys[0, :, 0].abs().max() < 1e-13
    assert torch.equal(solution.events.states[0], solution.ys[0])


def test_samples_that_do_not_meet_their_event_end_at_the_end() -> None:
    y0 = vector(1.0, 20.0)[:, None] * vector(1.0, 0.0)
    solution = legato.solve(fall, y0, (0.0, 1.0), events=Event(height, direction=-1))
    assert solution.status.tolist() == [Status.EVENT, Status.SUCCESS]
    assert solution.events.count.tolist() == [1, 0]
    assert solution.events.mask.tolist() == [[True, False]]
    assert solution.events.index.tolist() == [[0, -1]]
    assert solution.events.times[0, 1].isnan()
    assert solution.events.states[0, 1].isnan().all()
    assert solution.ys[0, 1, 0].item() == pytest.approx(20 - GRAVITY / 2, rel=1e-12)


def test_no_event_at_all_leaves_an_empty_table() -> None:
    solution = legato.solve(up, vector(0.0), (0.0, 1.0), events=at(3.0))
    assert solution.status.item() == Status.SUCCESS
    assert solution.events.count.item() == 0
    assert solution.events.times.shape == (0,)
    assert solution.events.states.shape == (0, 1)


def test_a_grid_holds_nan_after_a_terminal_event_and_values_before() -> None:
    solution = legato.solve(up, vector(0.0), [0.0, 0.5, 1.0, 2.0], events=at(0.75))
    assert solution.ys[:2, 0].tolist() == pytest.approx([0.0, 0.5])
    assert solution.ys[2:].isnan().all()
    assert solution.t_reached.item() == pytest.approx(0.75, abs=1e-15)


def test_a_terminal_event_before_the_first_save_time_leaves_the_start_alone() -> None:
    solution = legato.solve(up, vector(0.0), [0.0, 1.0, 2.0], events=at(0.25))
    assert solution.ys[0].item() == 0
    assert solution.ys[1:].isnan().all()


@pytest.mark.parametrize(("count", "sign"), [(300, 1.0), (20, -1.0)])
def test_three_hundred_zeros_of_a_swing_in_order(count: int, sign: float) -> None:
    end = sign * (count * math.pi + 1)
    event = Event(height, terminal=False)
    solution = legato.solve(swing, vector(0.0, 1.0), (0.0, end), rtol=1e-9, atol=1e-9, solver="dop853", events=event)
    exact = sign * math.pi * torch.arange(1, count + 1, dtype=torch.float64)
    assert solution.events.count.item() == count
    assert (solution.events.times - exact).abs().max() < 1e-6
    assert solution.status.item() == Status.SUCCESS


@pytest.mark.parametrize(("direction", "first"), [(0, math.pi), (1, 2 * math.pi), (-1, math.pi)])
def test_the_direction_is_that_along_the_march(direction: int, first: float) -> None:
    for sign, speed in ((1.0, 1.0), (-1.0, -1.0)):  # the same motion, seen backwards
        solution = legato.solve(
            swing, vector(0.0, speed), (0.0, 10 * sign), rtol=1e-10, atol=1e-12, events=Event(height, direction)
        )
        assert solution.events.times.item() == pytest.approx(sign * first, abs=1e-8)


def test_two_crossings_within_one_step_are_found() -> None:
    """(y - 0.4)(y - 0.6) along y' = 1, in one step of the whole interval."""
    event = Event(lambda t, y: ((y - 0.4) * (y - 0.6))[..., 0], terminal=False)
    for end in (1.0, 3.0, 10.0, 30.0):
        solution = legato.solve(up, vector(0.0), (0.0, end), solver="rk4", controller=Constant(end), events=event)
        assert solution.stats.steps.item() == 1
        assert solution.events.times.tolist() == pytest.approx([0.4, 0.6], abs=1e-12)


def test_the_first_of_two_crossings_within_a_step_is_landed_on() -> None:
    event = Event(lambda t, y: ((y - 0.4) * (y - 0.6))[..., 0])
    solution = legato.solve(up, vector(0.0), (0.0, 10.0), solver="rk4", controller=Constant(10.0), events=event)
    assert solution.ys.item() == pytest.approx(0.4, abs=1e-14)


def test_a_function_that_comes_near_zero_and_does_not_reach_it_is_no_event() -> None:
    event = Event(lambda t, y: (y[..., 0] - 0.5) ** 2 + 1e-9)
    solution = legato.solve(up, vector(0.0), (0.0, 10.0), solver="rk4", controller=Constant(10.0), events=event)
    assert solution.status.item() == Status.SUCCESS


@pytest.mark.parametrize("solver", ["rk4", "heun2", "midpoint", "euler"])
def test_constant_steps_end_on_an_event_where_it_is_zero_along_the_steps(solver: str) -> None:
    """y' = y: the end is a step of the method itself, shorter than the others."""
    grow = legato.solve(lambda t, y: y, vector(1.0), (0.0, 2.0), solver=solver, dt0=0.25, events=at(2.0))
    assert grow.ys.item() == pytest.approx(2.0, abs=1e-14)
    whole = math.floor(grow.t_reached.item() / 0.25)
    h = grow.t_reached.item() - 0.25 * whole
    terms = {"euler": 1, "midpoint": 2, "heun2": 2, "rk4": 4}[solver]
    factor = [sum(z**k / math.factorial(k) for k in range(terms + 1)) for z in (0.25, h)]
    assert factor[0] ** whole * factor[1] == pytest.approx(2.0, rel=1e-13)


def test_a_ball_bounces_at_the_exact_times_and_never_falls_through() -> None:
    y0 = torch.tensor([[1.0, 0.0], [5.0, 0.0]], dtype=torch.float64)
    times = torch.linspace(0, 4, 401, dtype=torch.float64)
    solution = legato.solve(fall, y0, times, events=bouncing())
    assert solution.ys[..., 0].min() > -1e-12
    for row in range(2):
        first = math.sqrt(2 * float(y0[row, 0]) / GRAVITY)
        count = int(solution.events.count[row])
        exact = [first * (1 + 2 * sum(0.9**k for k in range(1, bounce + 1))) for bounce in range(count)]
        assert solution.events.times[:count, row].tolist() == pytest.approx(exact, abs=1e-11)
    assert solution.events.count.tolist() == [6, 2]
    assert (solution.status == Status.SUCCESS).all()


def test_bounces_that_accumulate_end_with_a_status_at_the_exact_time_of_rest() -> None:
    with pytest.raises(SolveError, match="MAX_EVENTS") as raised:
        legato.solve(fall, vector(1.0, 0.0), (0.0, 10_000.0), events=bouncing())
    solution = raised.value.solution
    rest = math.sqrt(2 / GRAVITY) * (1 + 2 * 0.9 / 0.1)
    assert solution.t_reached.item() == pytest.approx(rest, abs=1e-6)
    assert solution.events.states[:, 0].abs().max() < 1e-12
    assert solution.ys.isnan().all()


def test_the_number_of_events_is_bounded() -> None:
    event = Event(height, terminal=False)
    options = {"events": event, "on_failure": "partial"}
    enough = legato.solve(swing, vector(0.0, 1.0), (0.0, 10.0), max_events=3, **options)
    few = legato.solve(swing, vector(0.0, 1.0), (0.0, 10.0), max_events=2, **options)
    assert (enough.status.item(), enough.events.count.item()) == (Status.SUCCESS, 3)
    assert (few.status.item(), few.events.count.item()) == (Status.MAX_EVENTS, 2)
    assert few.t_reached.item() == pytest.approx(3 * math.pi, abs=1e-4)
    with pytest.raises(InputError, match="max_events"):
        legato.solve(up, vector(0.0), (0.0, 1.0), events=at(0.5), max_events=0)


def test_several_events_are_told_apart_and_recorded_ones_do_not_change_the_steps() -> None:
    events = [Event(at(0.3), terminal=False), Event(at(0.8)), Event(lambda t, y: t.reshape(()) - 0.5, terminal=False)]
    solution = legato.solve(up, vector(0.0), (0.0, 2.0), events=events)
    assert solution.events.index.tolist() == [0, 2, 1]
    assert solution.events.times.tolist() == pytest.approx([0.3, 0.5, 0.8], abs=1e-14)
    assert solution.status.item() == Status.EVENT
    kept = [Event(height, terminal=False)]
    with_them = legato.solve(swing, vector(1.0, 0.0), (0.0, 9.0), events=kept, save="steps")
    without = legato.solve(swing, vector(1.0, 0.0), (0.0, 9.0), steps="independent", save="steps")
    assert torch.equal(with_them.ys, without.ys)


def test_a_zero_at_the_start_is_left_behind() -> None:
    solution = legato.solve(swing, vector(0.0, 1.0), (0.0, 10.0), rtol=1e-10, atol=1e-12, events=Event(height))
    assert solution.events.times.item() == pytest.approx(math.pi, abs=1e-8)
    still = legato.solve(lambda t, y: 0 * y, vector(0.0), (0.0, 1.0), events=at(0.0))
    assert still.status.item() == Status.SUCCESS


def test_an_event_exactly_at_the_end_counts() -> None:
    solution = legato.solve(up, vector(0.0), (0.0, 0.5), solver="euler", dt0=0.125, events=at(0.5))
    assert solution.status.item() == Status.EVENT
    assert solution.t_reached.item() == 0.5
    assert solution.ys.item() == 0.5


def test_a_save_time_on_an_event_holds_the_state_before_the_jump() -> None:
    event = Event(at(0.5), jump=lambda t, y: y + 10)
    solution = legato.solve(up, vector(0.0), [0.0, 0.5, 0.75], solver="euler", dt0=0.125, events=event)
    assert solution.ys[:, 0].tolist() == pytest.approx([0.0, 0.5, 10.75])
    assert solution.events.states.tolist() == [[0.5]]
    end = legato.solve(up, vector(0.0), (0.0, 0.5), solver="euler", dt0=0.125, events=event)
    assert end.status.item() == Status.SUCCESS
    assert end.ys.item() == 0.5


def test_events_at_the_same_time_happen_in_the_order_in_which_they_are_given() -> None:
    double = Event(at(0.5), jump=lambda t, y: 2 * y)
    add = Event(lambda t, y: 7 * y[..., 0] - 3.5, jump=lambda t, y: y + 1)
    for events, after in (([double, add], 2.0), ([add, double], 3.0)):
        solution = legato.solve(up, vector(0.0), (0.0, 0.75), events=events)
        assert solution.events.index.tolist() == [0, 1]
        assert solution.events.times.tolist() == pytest.approx([0.5, 0.5], abs=1e-15)
        assert solution.ys.item() == pytest.approx(after + 0.25)
    ended = legato.solve(up, vector(0.0), (0.0, 0.75), events=[double, Event(at(0.5))])
    assert ended.status.item() == Status.EVENT
    assert ended.ys.item() == pytest.approx(0.5, abs=1e-15)


def test_what_a_jump_carries_across_zero_is_no_crossing() -> None:
    events = [Event(at(0.5), jump=lambda t, y: y + 1), Event(at(1.0), terminal=False)]
    solution = legato.solve(up, vector(0.0), (0.0, 1.0), events=events)
    assert solution.events.index.tolist() == [0]
    assert solution.ys.item() == pytest.approx(2.0)


def test_a_touch_counts_where_the_computed_value_reaches_zero() -> None:
    """(y - 0.5)^2 along y' = 1 is zero at a sample of the step, and only there."""
    event = Event(lambda t, y: (y[..., 0] - 0.5) ** 2, terminal=False)
    touched = legato.solve(up, vector(0.0), (0.0, 1.0), solver="euler", dt0=1.0, events=event)
    assert touched.events.times.tolist() == [0.5]


def test_a_boolean_event_happens_when_it_first_turns_true() -> None:
    y0 = vector(0.0, -1.0, 0.5)[:, None]
    solution = legato.solve(up, y0, (0.0, 5.0), events=lambda t, y: y[:, 0] > 0.3)
    assert solution.status.tolist() == [Status.EVENT, Status.EVENT, Status.SUCCESS]
    assert solution.events.times[0, :2].tolist() == pytest.approx([0.3, 1.3], abs=1e-14)
    falling = legato.solve(up, y0, (0.0, 5.0), events=Event(lambda t, y: y[:, 0] < 1.0, direction=-1))
    assert falling.events.times[0].tolist() == pytest.approx([1.0, 2.0, 0.5], abs=1e-14)


def test_states_of_several_leaves_and_arguments_per_sample() -> None:
    y0 = {"x": torch.zeros(3, 1, dtype=torch.float64), "v": torch.ones(3, 2, dtype=torch.float64)}
    levels = vector(0.2, 0.4, 5.0)

    def field(t: Tensor, y: dict, level: Tensor) -> dict:
        return {"x": y["v"][:, :1], "v": torch.zeros_like(y["v"])}

    event = Event(lambda t, y, level: y["x"][:, 0] - level, jump=lambda t, y, level: {"x": y["x"], "v": -y["v"]})
    solution = legato.solve(field, y0, (0.0, 1.0), levels, args_batched=True, events=event)
    assert solution.events.times[0, :2].tolist() == pytest.approx([0.2, 0.4], abs=1e-14)
    assert solution.ys["x"][0, :, 0].tolist() == pytest.approx([2 * 0.2 - 1, 2 * 0.4 - 1, 1.0])
    assert solution.events.states["v"][0, 0].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("batch_dims", [0, 1, 2])
def test_any_number_of_batch_axes(batch_dims: int) -> None:
    y0 = torch.arange(6, dtype=torch.float64).reshape(2, 3) / 10

    def first(t: Tensor, y: Tensor) -> Tensor:
        return (y.flatten(batch_dims).amax(-1) if batch_dims < 2 else y) - 1.0

    solution = legato.solve(up, y0, (0.0, 2.0), batch_dims=batch_dims, events=first)
    exact = 1 - (y0.flatten(batch_dims).amax(-1) if batch_dims < 2 else y0)
    assert solution.events.times.shape == (1, *y0.shape[:batch_dims])
    assert torch.allclose(solution.events.times[0], exact)


def test_one_sample_is_a_batch_of_one_and_rows_do_not_depend_on_their_mates() -> None:
    y0 = torch.tensor([[1.0, 0.0], [5.0, 1.0], [0.3, 2.0]], dtype=torch.float64)
    whole = legato.solve(fall, y0, (0.0, 1.5), events=bouncing())
    for row in range(3):
        alone = legato.solve(fall, y0[row : row + 1], (0.0, 1.5), events=bouncing())
        count = int(alone.events.count)
        assert torch.equal(alone.ys[:, 0], whole.ys[:, row])
        assert torch.equal(alone.events.times[:, 0], whole.events.times[:count, row])


def test_the_time_may_meet_the_state_in_an_event_function() -> None:
    """Times have a row per sample like the state, or none; an event may be written for either."""
    y0 = vector(0.0, 0.5)[:, None]
    for function in (lambda t, y: y[:, 0] + t - 1, lambda t, y: y + t - 1):
        solution = legato.solve(up, y0, (0.0, 2.0), events=function)
        assert torch.allclose(solution.events.times[0], vector(0.5, 0.25))


def test_dense_output_ends_at_a_terminal_event_and_jumps_at_a_jump() -> None:
    event = Event(at(0.5), jump=lambda t, y: y + 1)
    solution = legato.solve(up, vector(0.0), (0.0, 1.0), events=[event, at(1.75)], dense=True)
    assert solution(vector(0.25, 0.49, 0.51, 0.75))[:, 0].tolist() == pytest.approx([0.25, 0.49, 1.51, 1.75])
    with pytest.raises(InputError, match="outside the interval"):
        solution(0.8)


@pytest.mark.parametrize("options", [{}, {"solver": "rk4", "dt0": 0.5}])
def test_an_event_function_that_turns_nan_is_named_and_one_that_does_so_after_its_event_is_not(options: dict) -> None:
    y0 = vector(-9.0, 0.0)[:, None]
    first = Event(at(99.0))
    with pytest.raises(InputError, match=r"event 1 returned NaN for sample 1 at t = 1\.5"):
        legato.solve(up, y0, (0.0, 3.0), events=[first, Event(lambda t, y: torch.sqrt(1.5 - y[:, 0]) + 0.1)], **options)
    with pytest.raises(InputError, match="event 0 returned NaN for sample 0 at t = 0"):
        legato.solve(up, y0, (0.0, 3.0), events=Event(lambda t, y: torch.sqrt(y[:, 0])))
    if not options:
        ended = legato.solve(up, y0[1:], (0.0, 3.0), events=Event(lambda t, y: torch.sqrt(1.5 - y[:, 0]) - 0.1))
        assert ended.events.times.item() == pytest.approx(1.49, abs=1e-12)


def test_what_is_no_event_is_refused_at_the_door() -> None:
    y0 = torch.zeros(3, 2, dtype=torch.float64)
    for given, words in (
        (lambda t, y: y, "returned torch.float64 of shape"),
        (lambda t, y: 1.0, "returned float"),
        (lambda y: y[..., 0], "event 0 is called as function"),
        (lambda t, y: y[:, 0] - y[:, 0].mean(), "another value in the batch than alone"),
        ("no", "entry 0 is of type str"),
    ):
        with pytest.raises(InputError, match=words):
            legato.solve(up, y0, (0.0, 1.0), events=[given])
    with pytest.raises(InputError, match="terminal"):
        Event(height, terminal=True, jump=lambda t, y: y)
    with pytest.raises(InputError, match="direction"):
        Event(height, direction=2)
    with pytest.raises(InputError, match="shared"):
        legato.solve(up, y0, (0.0, 1.0), steps="shared", events=height)
    assert legato.solve(up, y0[0], (0.0, 1.0), steps="shared", events=at(0.5)).status.item() == Status.EVENT


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.complex128])
def test_other_dtypes(dtype: torch.dtype) -> None:
    y0 = torch.zeros(2, 1, dtype=dtype)
    solution = legato.solve(up, y0, (0.0, 1.0), events=lambda t, y: y[:, 0].real - 0.5)
    assert solution.ys.dtype == dtype
    assert solution.events.times.dtype == torch.float64
    assert torch.allclose(
        solution.events.times,
        torch.full((1, 2), 0.5, dtype=torch.float64),
        atol=4e-3 if dtype == torch.bfloat16 else 1e-6,
    )


def test_a_row_that_fails_is_told_beside_one_that_meets_its_event() -> None:
    y0 = vector(1.0, 0.5)[:, None]
    solution = legato.solve(lambda t, y: y**2, y0, (0.0, 1.5), events=at(0.9), on_failure="partial")
    assert solution.status[1] == Status.EVENT
    assert not Status(int(solution.status[0])).good
