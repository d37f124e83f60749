"""The steps that torchdiffeq's methods and options choose, beside torchdiffeq itself, an independent implementation."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from beside_torchdiffeq import (
    ADAPTIVE,
    AGREED,
    CHECKS,
    DOUBLE,
    GRID,
    PROBLEMS,
    Recorded,
    assert_same_steps,
    both,
    peer,
    states_at,
)
from torch import Tensor

import legato
from legato.compat.torchdiffeq import METHODS
from legato.core.errors import SolveError


class TestSteps:
    @pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
    @pytest.mark.parametrize("name", PROBLEMS)
    @pytest.mark.parametrize("method", AGREED)
    def test_an_adaptive_method_takes_the_peers_steps(self, method: str, name: str, backwards: bool) -> None:
        field, y0, t = PROBLEMS[name]
        ends = t[[0, -1]].double()
        ends = ends.flip(0) if backwards else ends
        tolerance = AGREED[method]
        settings = {"method": method, "rtol": tolerance, "atol": tolerance}
        # The first step that dopri8 chooses is so small that its error is rounding alone: compared in the next test.
        options = {"options": {"first_step": 1.0}} if method == "dopri8" else {}
        mine, other, ours, theirs = both(field, y0, ends, **settings, **options)
        assert_same_steps(ours, theirs, method)
        # Both end values carry the global error of the method, of which some hundred tolerances are usual.
        bound = 500 * tolerance + 1e-5
        torch.testing.assert_close(mine, other, rtol=bound, atol=bound)

    @pytest.mark.parametrize("name", PROBLEMS)
    @pytest.mark.parametrize("method", AGREED)
    def test_the_first_step_is_the_peers(self, method: str, name: str) -> None:
        field, y0, t = PROBLEMS[name]
        _, _, ours, theirs = both(field, y0, t[[0, -1]].double(), method=method, rtol=1e-4, atol=1e-6)
        first = METHODS[method].tableau.stages + 1
        torch.testing.assert_close(ours.times[CHECKS : first + CHECKS], theirs.times[:first], rtol=1e-12, atol=1e-12)

    @pytest.mark.parametrize("method", AGREED)
    def test_in_float32_the_number_of_evaluations_is_the_peers(self, method: str) -> None:
        field, y0, t = PROBLEMS["pendulum"]
        mine, other, ours, theirs = both(field, y0.float(), t[[0, -1]], method=method, rtol=1e-4, atol=1e-6)
        assert mine.dtype == other.dtype == torch.float32
        assert abs(len(ours.times) - CHECKS - len(theirs.times)) <= 4 * METHODS[method].tableau.stages
        torch.testing.assert_close(mine, other, rtol=1e-2, atol=1e-2)

    def test_the_defaults_are_the_peers(self) -> None:
        field, y0, t = PROBLEMS["pendulum"]
        mine, other, ours, theirs = both(field, y0, t.double())
        assert_same_steps(ours, theirs)
        # The same steps and the same interpolant: all but the last value, which ours does not interpolate, are equal.
        torch.testing.assert_close(mine[:-1], other[:-1], rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(mine[-1], other[-1], rtol=1e-6, atol=1e-6)

    def test_the_default_tolerance_holds_in_float32_without_a_warning(self) -> None:
        field, y0, t = PROBLEMS["pendulum"]
        mine = legato.odeint(field, y0.float(), t)
        torch.testing.assert_close(mine.double(), states_at(field, y0, t.double()), rtol=1e-4, atol=1e-4)
        alone = legato.odeint(lambda t, y: -y, torch.tensor(1.0), torch.tensor([0.0, 1.0]))
        assert alone[-1].item() == pytest.approx(math.exp(-1), abs=1e-6)

    @pytest.mark.parametrize("name", PROBLEMS)
    @pytest.mark.parametrize("method", ADAPTIVE)
    def test_the_values_are_those_of_the_equation(self, method: str, name: str) -> None:
        field, y0, t = PROBLEMS[name]
        t = t.double()
        exact = states_at(field, y0, t)
        # Proportional to the tolerance; the factor is that of many steps whose errors add up.
        error = (legato.odeint(field, y0, t, method=method, rtol=1e-5, atol=1e-7) - exact).abs().max()
        assert error < 500 * 1e-5

    def test_the_field_is_never_called_beyond_the_last_time(self) -> None:
        field, y0, t = PROBLEMS["pendulum"]
        _, _, ours, theirs = both(field, y0, t.double())
        assert max(ours.times) == 8.0 < max(theirs.times)


class TestAdaptiveOptions:
    @pytest.mark.parametrize(
        "options",
        [
            {"first_step": 0.01},
            {"first_step": torch.tensor(0.3)},
            {"max_step": 0.1},
            {"min_step": 0.3},
            {"safety": 0.7},
            {"ifactor": 1.5},
            {"dfactor": 0.7, "first_step": 3.0},
            {"dtype": torch.float64},
            {"max_num_steps": 1000},
            {"norm": lambda error: error.abs().max()},
            {"norm": lambda error: error[0].norm()},
        ],
        ids=lambda options: ",".join(options),
    )
    @pytest.mark.parametrize("sign", [1.0, -1.0], ids=["forwards", "backwards"])
    def test_an_option_changes_the_steps_as_it_does_in_the_peer(self, options: dict[str, Any], sign: float) -> None:
        field, y0, t = PROBLEMS["pendulum"]
        ends = sign * t[[0, -1]].double()
        _, _, ours, theirs = both(field, y0, ends, method="dopri5", rtol=1e-6, atol=1e-8, options=options)
        assert_same_steps(ours, theirs)

    @pytest.mark.parametrize("name", ["step_t", "jump_t"])
    @pytest.mark.parametrize("sign", [1.0, -1.0], ids=["forwards", "backwards"])
    def test_steps_end_on_the_times_named(self, name: str, sign: float) -> None:
        field, y0, t = PROBLEMS["pendulum"]
        times = sign * torch.tensor([2.5, 4.75], dtype=DOUBLE)
        ends = sign * t[[0, -1]].double()
        mine, other, ours, _ = both(field, y0, ends, method="dopri5", options={name: times})
        torch.testing.assert_close(mine, other, rtol=1e-6, atol=1e-6)
        for time in times.tolist():
            near = [called for called in ours.times if abs(called - time) < 1e-14]
            assert near, "no step ends there"
            assert name == "step_t" or time not in near, "the field was called on its own jump"

    def test_a_field_with_a_jump_is_solved_exactly_where_it_is_named(self) -> None:
        def jumping(t: Tensor, y: Tensor) -> Tensor:
            return torch.where(t < 1.0, 1.0, -2.0) * torch.ones_like(y)

        options = {"jump_t": torch.tensor([1.0], dtype=DOUBLE)}
        t = torch.tensor([0.0, 1.0, 2.0], dtype=DOUBLE)
        mine = legato.odeint(jumping, torch.zeros(1, dtype=DOUBLE), t, method="dopri5", options=options)
        # y is 1 at the jump and 1 - 2 one later: both fields are constant, so every step is exact.
        torch.testing.assert_close(mine[:, 0], torch.tensor([0.0, 1.0, -1.0], dtype=DOUBLE), rtol=0, atol=1e-14)

    def test_too_many_steps_raise_in_the_words_of_odeint(self) -> None:
        field, y0, t = PROBLEMS["pendulum"]
        with pytest.raises(SolveError, match=r"options\['max_num_steps'\]"):
            legato.odeint(field, y0, t[[0, -1]].double(), method="dopri5", options={"max_num_steps": 5})
        with pytest.raises(AssertionError, match="max_num_steps"):
            peer.odeint(field, y0, t[[0, -1]].double(), method="dopri5", options={"max_num_steps": 5})


class TestGrids:
    @pytest.mark.parametrize("sign", [1.0, -1.0], ids=["forwards", "backwards"])
    @pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
    @pytest.mark.parametrize("method", GRID)
    def test_steps_go_from_one_output_time_to_the_next(self, method: str, dtype: torch.dtype, sign: float) -> None:
        field, y0, _ = PROBLEMS["pendulum"]
        t = sign * torch.linspace(0, 2, 17, dtype=dtype)
        mine, other, ours, theirs = both(field, y0.to(dtype), t, method=method)
        torch.testing.assert_close(mine, other, rtol=20 * torch.finfo(dtype).eps, atol=20 * torch.finfo(dtype).eps)
        assert len(ours.times) - CHECKS == len(theirs.times)

    @pytest.mark.parametrize("sign", [1.0, -1.0], ids=["forwards", "backwards"])
    @pytest.mark.parametrize("interp", ["linear", "cubic"])
    @pytest.mark.parametrize("method", GRID)
    def test_values_between_steps_follow_interp(self, method: str, interp: str, sign: float) -> None:
        field, y0, _ = PROBLEMS["pendulum"]
        t = sign * torch.tensor([0.0, 0.31, 0.32, 0.5, 1.234, 2.0], dtype=DOUBLE)
        mine, other, _, _ = both(field, y0, t, method=method, options={"step_size": 0.25, "interp": interp})
        torch.testing.assert_close(mine, other, rtol=1e-13, atol=1e-13)

    def test_the_default_between_steps_is_cubic(self) -> None:
        field, y0, _ = PROBLEMS["pendulum"]
        t = torch.tensor([0.0, 0.31, 2.0], dtype=DOUBLE)
        mine = legato.odeint(field, y0, t, method="rk4", options={"step_size": 0.25})
        other = peer.odeint(field, y0, t, method="rk4", options={"step_size": 0.25, "interp": "cubic"})
        torch.testing.assert_close(mine, other, rtol=1e-13, atol=1e-13)

    def test_the_last_step_is_cut_where_step_size_does_not_divide_the_interval(self) -> None:
        field, y0, _ = PROBLEMS["forced growth"]
        t = torch.tensor([0.0, 1.0], dtype=DOUBLE)
        mine, other, _, _ = both(field, y0, t, method="rk4", options={"step_size": 0.3})
        torch.testing.assert_close(mine, other, rtol=1e-13, atol=1e-13)

    @pytest.mark.parametrize("size", [0.1, 0.3, 1 / 7, 1 / 49])
    def test_rounding_adds_no_step(self, size: float) -> None:
        field = Recorded(lambda t, y: -y)
        t = torch.tensor([0.0, 21 * size], dtype=DOUBLE)
        legato.odeint(field, torch.ones(1), t, method="euler", options={"step_size": size})
        assert len(field.times) - CHECKS == 21

    @pytest.mark.parametrize("sign", [1.0, -1.0], ids=["forwards", "backwards"])
    def test_a_grid_constructor_says_where_the_steps_are(self, sign: float) -> None:
        field, y0, _ = PROBLEMS["pendulum"]
        t = sign * torch.tensor([0.0, 0.5, 2.0], dtype=DOUBLE)
        grid = sign * torch.tensor([0.0, 0.1, 0.5, 0.9, 1.7, 2.0], dtype=DOUBLE)
        options = {"grid_constructor": lambda func, y0, t: grid}
        mine, other, ours, theirs = both(field, y0, t, method="rk4", options=options)
        torch.testing.assert_close(mine, other, rtol=1e-13, atol=1e-13)
        assert len(ours.times) - CHECKS == len(theirs.times)

    @pytest.mark.parametrize("method", GRID)
    def test_perturb_calls_the_field_where_the_peer_does(self, method: str) -> None:
        field, y0, _ = PROBLEMS["pendulum"]
        t = torch.tensor([1.0, 2.0, 3.0, 5.0], dtype=DOUBLE)
        _, _, ours, theirs = both(field, y0, t, method=method, options={"perturb": True})
        assert not {1.0, 2.0, 3.0, 5.0} & set(ours.times)
        torch.testing.assert_close(ours.times[CHECKS:], theirs.times, rtol=1e-15, atol=0)

    def test_more_steps_than_the_default_limit_of_solve_are_taken(self) -> None:
        t = torch.tensor([0.0, 1.0], dtype=DOUBLE)
        with torch.no_grad():
            y = legato.odeint(
                lambda t, y: -y, torch.ones(1, dtype=DOUBLE), t, method="euler", options={"step_size": 9e-5}
            )
        # Euler's error on y' = -y is half the step times t exp(-t).
        assert y[-1].item() == pytest.approx(math.exp(-1), abs=9e-5 * math.exp(-1))
