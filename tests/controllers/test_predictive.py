"""The predictive controller and the smooth limiter against their formulas, and what they are for.

The predictive rule is derived from a model: the error of a step of size h is c h^k, and c changes by a constant factor
from step to step. On errors that obey the model exactly, the step it proposes has the error s^k to which the safety
factor s aims, after one step of the classical rule has got it wrong.
"""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import legato
from legato.controllers import CONTROLLERS, PID, Constant, Limited, Predictive
from legato.core.errors import InputError

ORDERS = st.integers(1, 8)
GOOD = st.floats(1e-8, 1)
BAD = st.one_of(st.floats(1, 1e300, exclude_min=True), st.just(math.nan), st.just(math.inf))
SIZES = st.floats(1e-6, 1e3)

laws = settings(max_examples=100, deadline=None, derandomize=True)


@laws
@given(GOOD, st.floats(1e-2, 1), SIZES, SIZES, ORDERS)
def test_an_accepted_step_changes_the_size_by_the_lesser_of_two_rules(
    error: float, last: float, dt: float, before: float, order: int
) -> None:
    control = Predictive(safety=0.8, shrink=0.1, grow=5.0)
    verdict = control.judge(error, (last, before, False), order=order, dt=dt)
    k = order + 1
    classical = 0.8 * error ** (-1 / k)
    foretold = 0.8 * dt / before * (last / error**2) ** (1 / k)
    assert verdict.accept is True
    assert verdict.factor == pytest.approx(min(max(min(classical, foretold), 0.1), 5.0), rel=1e-12)
    assert verdict.memory == (max(error, 1e-2), dt, False)


@pytest.mark.parametrize("growth", [2.0, 0.5])
def test_where_the_error_coefficient_changes_steadily_the_foretold_step_has_the_error_aimed_at(growth: float) -> None:
    control, order, k = Predictive(safety=0.8, shrink=0.01, grow=100.0), 4, 5
    size, memory, coefficient, errors = 1.0, control.start(), 0.5, []
    for _ in range(6):
        errors.append(coefficient * size**k)
        verdict = control.judge(errors[-1], memory, order=order, dt=size)
        memory, size, coefficient = verdict.memory, size * verdict.factor, coefficient * growth
    # The classical rule believes the coefficient to stay: off by its growth. Where that makes the step too short it
    # stays so, since of two rules the lesser is taken.
    aim = 0.8**k
    assert errors[1] == pytest.approx(aim * growth)
    assert errors[2:] == pytest.approx([aim * min(growth, 1)] * 4, rel=1e-9)


@laws
@given(st.sampled_from(["predictive", "smooth"]), BAD, ORDERS)
def test_a_rejection_shrinks_the_step(name: str, error: float, order: int) -> None:
    control = CONTROLLERS[name]
    verdict = control.judge(error, control.start(), order=order, dt=0.3)
    assert verdict.accept is False
    assert 0 < verdict.factor < 1
    again = control.judge(0.001, verdict.memory, order=order, dt=0.1)
    assert again.factor <= 1


def test_a_rejection_leaves_the_remembered_step() -> None:
    control = Predictive()
    assert control.judge(2.0, (0.5, 0.1, False), order=3, dt=0.2).memory == (0.5, 0.1, True)


@laws
@given(
    st.sampled_from([Predictive(), Limited(PID(0.4, 0.3)), Limited(Predictive(), kappa=0.7)]),
    st.lists(st.tuples(st.one_of(GOOD, BAD), SIZES), min_size=1, max_size=9),
    ORDERS,
)
def test_judge_and_judge_rows_agree(
    control: Predictive | Limited, history: list[tuple[float, float]], order: int
) -> None:
    """Rows march through the history, each one place further on than the row before, so that memories differ."""
    count = len(history)
    alone = [control.start() for _ in range(count)]
    rows = control.start_rows(torch.zeros(count, dtype=torch.float64))
    for turn in range(4):
        now = [history[(turn + row) % count] for row in range(count)]
        errors, sizes = (torch.tensor(column, dtype=torch.float64) for column in zip(*now, strict=True))
        together = control.judge_rows(errors, rows, order=order, dt=sizes)
        rows = together.memory
        for row, (error, dt) in enumerate(now):
            one = control.judge(error, alone[row], order=order, dt=dt)
            alone[row] = one.memory
            assert bool(together.accept[row]) is one.accept
            assert float(together.factor[row]) == pytest.approx(one.factor, rel=1e-13)
            assert [float(part[row]) for part in rows] == pytest.approx([float(part) for part in one.memory])


@laws
@given(GOOD, ORDERS, st.floats(0.5, 2))
def test_the_limiter_bends_the_factor_by_the_arcus_tangent(error: float, order: int, kappa: float) -> None:
    plain = PID()
    asked = plain.judge(error, plain.start(), order=order).factor
    got = Limited(plain, kappa=kappa).judge(error, plain.start(), order=order, dt=1.0)
    assert got.factor == pytest.approx(1 + kappa * math.atan((asked - 1) / kappa), rel=1e-14)
    assert (got.factor > 1) is (asked > 1)


def test_the_predictive_rule_refuses_fewer_steps_of_a_stiffening_problem() -> None:
    """An oscillation whose frequency rises as exp(t) needs shorter and shorter steps; the exact solution is known."""

    def chirp(t: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.exp(t) * torch.stack([-y[1], y[0]])

    y0 = torch.tensor([1.0, 0.0], dtype=torch.float64)
    phase = math.e**4 - 1
    rejected = {}
    for name in ("i", "predictive"):
        solution = legato.solve(chirp, y0, (0.0, 4.0), controller=name, rtol=1e-6, atol=1e-8, solver="dopri5")
        assert solution.ys[-1].tolist() == pytest.approx([math.cos(phase), math.sin(phase)], abs=1e-3)
        rejected[name] = int(solution.stats.rejected)
    assert rejected["predictive"] < rejected["i"]


@pytest.mark.parametrize("kappa", [0.4, 3.0, math.nan])
def test_a_kappa_out_of_range_is_refused(kappa: float) -> None:
    with pytest.raises(InputError, match="kappa"):
        Limited(PID(), kappa=kappa)


def test_constant_steps_cannot_be_limited() -> None:
    with pytest.raises(InputError, match="adapts"):
        Limited(Constant(0.1))
