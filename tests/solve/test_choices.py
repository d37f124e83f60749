"""What `solve` makes of its options, and what it gives back."""

from __future__ import annotations

import math
import warnings
from typing import Any

import pytest
import torch
from decays import MODES, TIGHT, close, decay, start
from torch import Tensor

import legato
from legato.controllers import PID, Constant
from legato.core.errors import InputError, OptionError
from legato.solvers import SOLVERS
from legato.solvers.tableaus import BOSH3

# Choices


GENERAL = [name for name in SOLVERS if SOLVERS[name].accepts == "ode"]


@pytest.mark.parametrize("solver", [*GENERAL, BOSH3, SOLVERS["dopri5"], "Tsit5"])
def test_a_solver_is_a_name_a_tableau_or_a_solver(solver: Any) -> None:
    solution = legato.solve(decay, start(), (0.0, 1.0), solver=solver, dt0=1e-3, rtol=1e-6)
    # The first-order method with 1000 steps errs by 1e-3 / 2 of the exact value.
    close(solution.ys[0], start() * math.exp(-1), 6e-4)


@pytest.mark.parametrize("steps", MODES)
def test_tolerances_may_differ_from_component_to_component(steps: str) -> None:
    def field(t: Tensor, y: Tensor) -> Tensor:
        return torch.stack([y[..., 1], -y[..., 0]], dim=-1)

    y0 = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    for atol in (torch.tensor([1e-9, 1e-2]), torch.tensor([[1e-9], [1e-2]]), 1e-9):
        solution = legato.solve(field, y0, (0.0, 1.0), rtol=0.0, atol=atol, steps=steps)
        loose = legato.solve(field, y0, (0.0, 1.0), rtol=0.0, atol=1e-2, steps=steps)
        assert int(solution.stats.steps[0]) > int(loose.stats.steps[0])


@pytest.mark.parametrize("steps", MODES)
def test_tolerances_may_be_structured_like_the_state(steps: str) -> None:
    y0 = {"z": start(3, 2), "w": start(3, 1)}
    atol = {"z": torch.tensor([1e-9, 1e-8]), "w": 1e-2}
    solution = legato.solve(
        lambda t, y: {name: -leaf for name, leaf in y.items()}, y0, (0, 1), rtol=0.0, atol=atol, steps=steps
    )
    assert (solution.ys["z"][0] - start(3, 2) * math.exp(-1)).abs().max() < 1e-7


def test_tolerances_may_be_per_component_under_independent_steps_with_two_batch_axes() -> None:
    y0 = start(6, 2).reshape(2, 3, 2)
    solution = legato.solve(
        decay, y0, (0, 1), rtol=1e-9, atol=torch.tensor([1e-9, 1e-11]), steps="independent", batch_dims=2
    )
    close(solution.ys[0], y0 * math.exp(-1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rtol": -1e-3}, "rtol must be finite and at least zero"),
        ({"atol": -1e-3}, "atol must be finite and at least zero"),
        ({"atol": math.nan}, "atol"),
        ({"rtol": math.inf}, "rtol"),
        ({"rtol": torch.tensor([1e-3, -1e-3])}, "rtol"),
        ({"rtol": 0.0, "atol": 0.0}, "both zero"),
        ({"rtol": 0.0, "atol": torch.zeros(2)}, "both zero"),
        ({"rtol": torch.zeros(2), "atol": torch.tensor([1e-3, 0.0])}, "both zero"),
        ({"atol": torch.ones(5)}, "broadcast"),
        ({"atol": (1e-3, 1e-4)}, "2 entries for a state of 1"),
        ({"rtol": "small"}, "rtol"),
        ({"dt0": 0.0}, "dt0 must be above zero"),
        ({"dt0": -0.1}, "dt0 must be above zero"),
        ({"dt0": math.nan}, "dt0"),
        ({"dt_min": -1.0}, "dt_min"),
        ({"dt_max": 0.0}, "dt_max"),
        ({"dt_min": 0.2, "dt_max": 0.1}, "above dt_max"),
        ({"max_steps": 0}, "max_steps"),
        ({"max_steps": math.inf}, "max_steps"),
        ({"solver": "rk4"}, "dt0="),
        ({"solver": "rk4", "controller": PID()}, "cannot steer"),
        ({"solver": "rk4", "controller": Constant(0.1), "dt0": 0.2}, "dt0"),
        ({"solver": 5}, "solver is a name"),
        ({"controller": 5}, "controller is a name"),
        ({"norm": "row"}, "norm is"),
        ({"norm": "batch", "steps": "independent"}, "only norm='rows'"),
        ({"stops": [math.nan]}, "stops"),
        ({"jumps": [math.nan]}, "jumps"),
        ({"batch_dims": 3}, "batch_dims"),
        ({"time_dtype": torch.int64}, "time_dtype"),
    ],
)
def test_an_argument_that_cannot_be_meant_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        legato.solve(decay, start(), (0.0, 1.0), **options)


@pytest.mark.parametrize(
    ("options", "suggestion"),
    [
        ({"solver": "dopri55"}, "'dopri5'"),
        ({"solver": "tsitouras5"}, "'tsit5'"),
        ({"controller": "pidd"}, "'pid'"),
        ({"gradient": "adjoint"}, "discrete"),
        ({"gradient": "discret"}, "'discrete'"),
        ({"engine": "eagre"}, "'eager'"),
        ({"steps": "share"}, "'shared'"),
        ({"save": "step"}, "'steps'"),
        ({"on_failure": "rais"}, "'raise'"),
        ({"rtoll": 1e-3}, "'rtol'"),
        ({"method": "dopri5"}, "no option 'method'"),
        ({"max_step": 5}, "'max_steps'"),
        ({"t_eval": [0.0]}, "no option 't_eval'"),
    ],
)
def test_a_wrong_name_is_refused_with_the_nearest_right_one(options: dict[str, Any], suggestion: str) -> None:
    with pytest.raises(OptionError, match=suggestion):
        legato.solve(decay, start(), (0.0, 1.0), **options)


def test_a_relative_tolerance_below_the_dtype_is_raised_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="below what torch.float32 resolves"):
        solution = legato.solve(decay, start().float(), (0.0, 0.1), rtol=1e-9)
    assert solution.success
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        legato.solve(decay, start(), (0.0, 0.1), rtol=1e-9)


def test_default_tolerances_depend_on_the_dtype() -> None:
    for dtype, rtol, atol in ((torch.float32, 1e-5, 1e-7), (torch.float64, 1e-7, 1e-9)):
        default = legato.solve(decay, start().to(dtype), (0.0, 5.0), save="steps")
        given = legato.solve(decay, start().to(dtype), (0.0, 5.0), save="steps", rtol=rtol, atol=atol)
        assert torch.equal(default.ts, given.ts)


# What comes back


@pytest.mark.parametrize("steps", MODES)
def test_saving_steps_gives_the_start_and_the_end_of_every_step(steps: str) -> None:
    solution = legato.solve(decay, start(), (0.0, 1.0), steps=steps, save="steps", **TIGHT)
    times = solution.ts if steps == "independent" else solution.ts.expand(3, -1)
    assert times.shape[1] == int(solution.stats.accepted.max()) + 1
    assert times[:, 0].tolist() == [0.0] * 3
    assert times.nan_to_num(-1).amax(1).tolist() == [1.0] * 3
    expected = torch.exp(-times).T[..., None] * start()
    torch.testing.assert_close(solution.ys, expected, rtol=1e-8, atol=1e-8, equal_nan=True)


def test_a_solution_without_dense_output_says_how_to_get_it() -> None:
    with pytest.raises(InputError, match="dense=True"):
        legato.solve(decay, start(), (0.0, 1.0))(0.5)


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("t", [-0.1, 1.1, math.nan])
def test_dense_output_is_refused_outside_its_interval(t: float, steps: str) -> None:
    solution = legato.solve(decay, start(), (0.0, 1.0), dense=True, steps=steps)
    with pytest.raises(InputError, match="outside the interval"):
        solution(torch.tensor([t]))


@pytest.mark.parametrize("steps", MODES)
def test_dense_output_of_an_interval_of_length_zero_is_the_start(steps: str) -> None:
    solution = legato.solve(decay, start(), (1.0, 1.0), dense=True, steps=steps)
    assert torch.equal(solution(torch.tensor([1.0]))[0], start())


@pytest.mark.parametrize("steps", MODES)
def test_dense_output_joins_the_values_and_its_derivative_is_the_field(steps: str) -> None:
    solution = legato.solve(decay, start(), [0.0, 0.5, 1.0], dense=True, steps=steps, **TIGHT)
    places = torch.tensor([0.0, 0.5, 1.0])
    torch.testing.assert_close(solution(places), solution.ys, rtol=1e-12, atol=0)
    # One order is lost by differentiation: the interpolant of order four errs by about tolerance^(4/5).
    inside = torch.linspace(0, 1, 7, dtype=torch.float64)
    torch.testing.assert_close(solution.derivative(inside), -solution(inside), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("steps", MODES)
def test_statistics_have_the_shape_of_the_batch(steps: str) -> None:
    solution = legato.solve(decay, start(6, 2).reshape(2, 3, 2), (0.0, 1.0), steps=steps, batch_dims=2)
    stats = solution.stats
    for count in (stats.steps, stats.accepted, stats.rejected, stats.evaluations, solution.status, solution.t_reached):
        assert count.shape == (2, 3)
    assert stats.engine == "eager"
    assert stats.gradient == "none"
    assert bool((stats.accepted + stats.rejected == stats.steps).all())


@pytest.mark.parametrize("gradient", ["discrete", "direct"])
def test_the_solution_names_the_gradient_that_is_attached(gradient: str) -> None:
    y0 = start().requires_grad_()
    solution = legato.solve(decay, y0, (0.0, 1.0), gradient=gradient)
    assert solution.stats.gradient == gradient
    assert solution.ys.requires_grad
