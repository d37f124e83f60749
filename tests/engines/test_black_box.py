"""A solver of the user's own as an engine."""

from __future__ import annotations

import contextlib
import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

import legato
from legato import Status
from legato.core.errors import GradientError, InputError, LegatoError
from legato.engines import BlackBox

DOUBLE = torch.float64


def rk4(f: Any, y0: np.ndarray, times: np.ndarray, *, rtol: float, atol: Any) -> np.ndarray:
    """Sixty-four steps of the classical method from each time to the next."""
    states = [y0]
    for begin, end in itertools.pairwise(times):
        y, t, h = states[-1], begin, (end - begin) / 64
        for _ in range(64):
            k1 = f(t, y)
            k2 = f(t + h / 2, y + h / 2 * k1)
            k3 = f(t + h / 2, y + h / 2 * k2)
            k4 = f(t + h, y + h * k3)
            y, t = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), t + h
        states.append(y)
    return np.array(states)


def by_solve_ivp(f: Any, y0: np.ndarray, times: np.ndarray, *, rtol: float, atol: Any) -> np.ndarray:
    found = solve_ivp(f, (times[0], times[-1]), y0, t_eval=times, method="DOP853", rtol=rtol, atol=atol)
    states = np.full((len(times), len(y0)), np.nan)
    states[: len(found.t)] = found.y.T
    return states


SOLVERS = {"rk4": rk4, "solve_ivp": by_solve_ivp}


def forced(t: Tensor, y: Tensor) -> Tensor:
    """y' = cos(t) y, so y = y0 exp(sin t)."""
    return torch.cos(t) * y


@pytest.mark.parametrize("solver", list(SOLVERS))
def test_it_solves_structures_grids_of_each_sample_and_backwards(solver: str) -> None:
    engine = BlackBox(SOLVERS[solver], name=solver)
    y0 = torch.tensor([[1.0, 2.0], [3.0, -1.0]], dtype=DOUBLE)
    grids = torch.tensor([[0.0, 0.5, 2.0], [1.0, 0.0, -1.0]], dtype=DOUBLE)
    solution = legato.solve(forced, y0, grids, engine=engine)
    exact = torch.exp(torch.sin(grids) - torch.sin(grids[:, :1]))[..., None] * y0[:, None]
    torch.testing.assert_close(solution.ys.movedim(0, 1), exact, rtol=1e-6, atol=0)
    assert solution.stats.engine == solver
    pair = legato.solve(
        lambda t, y: {"u": -y["u"], "v": 1j * y["v"]}, {"u": y0 + 0j, "v": y0 + 0j}, (0.0, 1.0), engine=engine
    )
    torch.testing.assert_close(
        pair.ys["v"][0], y0 * torch.exp(torch.tensor(1j, dtype=torch.complex128)), rtol=1e-6, atol=0
    )
    assert pair.ys["u"].dtype == torch.complex128


def test_evaluations_are_counted_and_tolerances_handed_on() -> None:
    given: list[Any] = []

    def recorded(f: Any, y0: np.ndarray, times: np.ndarray, *, rtol: float, atol: Any) -> np.ndarray:
        given.append((times.tolist(), rtol, atol))
        return rk4(f, y0, times, rtol=rtol, atol=atol)

    y0 = torch.ones(2, dtype=DOUBLE)
    atol = torch.tensor([1e-3, 1e-4], dtype=DOUBLE)
    solution = legato.solve(
        forced, y0, [0.0, 0.0, 1.0, 1.0, 3.0], engine=BlackBox(recorded), rtol=1e-5, atol=atol, stops=[2.0]
    )
    assert [times for times, *_ in given] == [[0.0, 1.0, 2.0], [2.0, 3.0]]
    assert all(rtol == 1e-5 and tuple(one) == (1e-3, 1e-4) for _, rtol, one in given)
    assert int(solution.stats.evaluations) == 3 * 64 * 4
    exact = torch.tensor([0.0, 0.0, 1.0, 1.0, 3.0], dtype=DOUBLE).sin().exp()
    assert float((solution.ys[:, 0] - exact).abs().max()) < 1e-7


@pytest.mark.parametrize("solver", list(SOLVERS))
def test_a_failing_sample_is_isolated(solver: str) -> None:
    y0 = torch.tensor([[1.0, 1.0], [2.0, 2.0]], dtype=DOUBLE)

    def field(t: Tensor, y: Tensor, flag: Tensor) -> Tensor:
        return torch.where((torch.arange(2) == 1) & (flag > 0) & (t > 0.5), torch.nan, -y)

    solution = legato.solve(
        field, y0, [0.0, 0.25, 1.0], torch.tensor([[1.0], [0.0]]), args_batched=True,
        engine=BlackBox(SOLVERS[solver]), on_failure="partial",
    )  # fmt: skip
    assert solution.status.tolist() == [Status.NONFINITE, Status.SUCCESS]
    assert float((solution.ys[-1, 1] - 2 * math.exp(-1)).abs().max()) < 1e-6
    assert bool(solution.ys[1:, 0].isnan().all())


def test_what_it_did_not_reach_is_not_reached() -> None:
    """The pole at 1 stops SciPy, which fills with NaN what comes after."""
    solution = legato.solve(
        lambda t, y: y**2, torch.ones(1, dtype=DOUBLE), [0.0, 0.5, 0.9, 1.5],
        engine=BlackBox(by_solve_ivp), on_failure="partial",
    )  # fmt: skip
    assert solution.status == Status.NONFINITE
    assert float(solution.t_reached) == 0.9
    assert float((solution.ys[:3, 0] - torch.tensor([1.0, 2.0, 10.0], dtype=DOUBLE)).abs().max()) < 1e-4
    assert bool(solution.ys[3].isnan().all())


def test_one_that_calls_the_field_for_ever_is_ended() -> None:
    def endless(f: Any, y0: np.ndarray, times: np.ndarray, **_: Any) -> np.ndarray:
        while True:
            try:
                f(times[0], y0)
            except ValueError:
                return np.full((len(times), len(y0)), np.nan)

    solution = legato.solve(
        forced, torch.ones(3), (0.0, 1.0), engine=BlackBox(endless), max_steps=10, on_failure="partial"
    )
    assert solution.status == Status.MAX_STEPS
    assert int(solution.stats.evaluations) == 10 * 53 + 1


def test_what_swallows_the_fields_news_is_still_told_on() -> None:
    def deaf(f: Any, y0: np.ndarray, times: np.ndarray, **_: Any) -> np.ndarray:
        with contextlib.suppress(Exception):
            f(times[0], y0)
        return np.ones((len(times), len(y0)))

    solution = legato.solve(
        lambda t, y: y * math.nan, torch.ones(2), (0.0, 1.0), engine=BlackBox(deaf), on_failure="partial"
    )
    assert solution.status == Status.NONFINITE
    assert bool(solution.ys.isnan().all())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dense": True}, "no steps"),
        ({"save": "steps"}, "no steps"),
        ({"dt0": 0.1}, "its own steps"),
        ({"dt_min": 0.1}, "its own steps"),
        ({"dt_max": 0.1}, "its own steps"),
        ({"solver": "rk4"}, "leave solver= out"),
    ],
)
def test_what_it_cannot_give_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        legato.solve(forced, torch.ones(1), (0.0, 1.0), engine=BlackBox(rk4), **options)


@pytest.mark.parametrize(
    "answer", [lambda y0, times: y0, lambda y0, times: None, lambda y0, times: np.ones((len(y0), len(times)))]
)
def test_an_answer_of_another_shape_is_refused(answer: Any) -> None:
    engine = BlackBox(lambda f, y0, times, **_: answer(y0, times), name="mine")
    with pytest.raises(InputError, match=r"mine must return .*\(3, 2\)"):
        legato.solve(forced, torch.ones(2), [0.0, 0.5, 1.0], engine=engine)


def test_its_own_errors_come_out_and_a_gradient_is_refused() -> None:
    def broken(f: Any, y0: np.ndarray, times: np.ndarray, **_: Any) -> np.ndarray:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        legato.solve(forced, torch.ones(2), (0.0, 1.0), engine=BlackBox(broken))
    with pytest.raises(GradientError):
        legato.solve(forced, torch.ones(2, requires_grad=True), (0.0, 1.0), engine=BlackBox(rk4))
    assert issubclass(GradientError, LegatoError)
