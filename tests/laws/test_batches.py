"""No sample's answer depends on its batch mates.

Independent steps: a sample alone, and the same sample in any batch, give the same bits where the field works element by
element, and the same attempts and values within 1e3 ulp in float64 where it holds matrix products, whose rounding
depends on the batch size. Shared steps: with the default norm no sample is less accurate for easy company.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from methods import GENERAL, NEUTRAL
from spies import Spy
from torch import Tensor

import legato

ULP = torch.finfo(torch.float64).eps


def elementwise(t: Tensor, y: Tensor, rate: Tensor) -> Tensor:
    """Each component by itself.

    Of functions that torch rounds alike at every place of a tensor. Some it does not: sigmoid, silu, softplus, gelu and
    pow take another path for what is left of the last vector register; a field of those agrees to rounding only.
    """
    return torch.sin(rate * y + t) * torch.exp(-0.3 * y) + torch.tanh(t) * torch.atan(y) / (1 + y**2)


def states(rows: int, columns: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return a state and a rate per sample, some samples much harder than others."""
    noise = torch.Generator().manual_seed(seed)
    y0 = torch.randn(rows, columns, generator=noise, dtype=torch.float64)
    return y0, torch.logspace(-1, 1.3, rows, dtype=torch.float64)[:, None]


def outcome(field: Any, y0: Tensor, t: Any, rate: Tensor, **options: Any) -> dict[str, Tensor]:
    """Return all that a solve says of its samples."""
    solution = legato.solve(field, y0, t, rate, args_batched=True, steps="independent", rtol=1e-5, atol=1e-6, **options)
    stats = solution.stats
    return {
        "ys": solution.ys,
        "status": solution.status[None],
        "t_reached": solution.t_reached[None],
        "steps": stats.steps[None],
        "accepted": stats.accepted[None],
    }


def assert_same(whole: dict[str, Tensor], rows: Tensor | list[int], part: dict[str, Tensor]) -> None:
    for name, values in part.items():
        assert torch.equal(whole[name][:, rows], values), name


@pytest.mark.parametrize("columns", [1, 3, 5, 8])
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17])
def test_a_sample_alone_has_the_bits_it_has_in_any_batch(rows: int, columns: int) -> None:
    """Odd sizes, so that the ends of vector registers are met."""
    y0, rate = states(rows, columns)
    grid = [0.0, 0.4, 1.1, 2.0]
    whole = outcome(elementwise, y0, grid, rate)
    for row in {0, rows - 1}:
        assert_same(whole, [row], outcome(elementwise, y0[row : row + 1], grid, rate[row : row + 1]))


@pytest.mark.parametrize("solver", GENERAL)
def test_every_solver_gives_a_sample_alone_the_bits_it_has_in_a_batch(solver: str) -> None:
    y0, rate = states(7, 3)
    rate = rate / 10 if solver in NEUTRAL else rate
    options = {"solver": solver, "dt0": 0.05}
    whole = outcome(elementwise, y0, [0.0, 0.33, 1.0], rate, **options)
    for row in (0, 3, 6):
        assert_same(
            whole, [row], outcome(elementwise, y0[row : row + 1], [0.0, 0.33, 1.0], rate[row : row + 1], **options)
        )


@settings(max_examples=8, deadline=None, derandomize=True)
@given(st.permutations(range(9)), st.integers(1, 9), st.sampled_from([1, 3, 7]))
def test_any_choice_of_samples_in_any_order_gives_the_same_bits(order: list[int], count: int, columns: int) -> None:
    y0, rate = states(9, columns)
    chosen = order[:count]
    assert_same(
        outcome(elementwise, y0, [0.0, 0.7, 1.5], rate),
        chosen,
        outcome(elementwise, y0[chosen], [0.0, 0.7, 1.5], rate[chosen]),
    )


def test_ten_thousand_easy_samples_change_nothing() -> None:
    y0, rate = states(5, 3)
    easy = torch.zeros(9_995, 3, dtype=torch.float64)
    crowd = torch.cat([y0, easy]), torch.cat([rate, torch.full((9_995, 1), 0.01, dtype=torch.float64)])
    grid = [0.0, 0.2, 0.4]
    assert_same(outcome(elementwise, crowd[0], grid, crowd[1]), list(range(5)), outcome(elementwise, y0, grid, rate))


def test_samples_with_their_own_times_have_the_bits_they_have_alone() -> None:
    y0, rate = states(5, 3)
    t0 = torch.tensor([0.0, 0.5, -1.0, 2.0, 0.1], dtype=torch.float64)
    t1 = torch.tensor([1.0, 0.6, 1.0, 0.0, 0.1], dtype=torch.float64)
    whole = outcome(elementwise, y0, (t0, t1), rate)
    for row in range(5):
        one = slice(row, row + 1)
        assert_same(whole, [row], outcome(elementwise, y0[one], (t0[one], t1[one]), rate[one]))


def test_a_sample_has_the_same_bits_whether_a_mate_fails_or_not() -> None:
    def field(t: Tensor, y: Tensor, flag: Tensor) -> Tensor:
        return torch.where((flag > 0) & (t > 0.5), torch.nan, torch.sin(3 * y + t))

    y0, _ = states(4, 3)
    flag = torch.tensor([[0.0], [1.0], [0.0], [0.0]], dtype=torch.float64)
    grid, kept = [0.0, 0.4, 1.0], [0, 2, 3]
    whole = outcome(field, y0, grid, flag, on_failure="partial")
    assert whole["status"].tolist() == [[1, legato.Status.NONFINITE, 1, 1]]
    assert_same(whole, kept, outcome(field, y0[kept], grid, flag[kept]))


def test_gradients_of_a_sample_are_those_it_has_alone() -> None:
    y0, rate = states(5, 3)

    def gradients(rows: list[int]) -> tuple[Tensor, Tensor]:
        given = y0[rows].requires_grad_(), rate[rows].requires_grad_()
        solution = legato.solve(
            elementwise, given[0], [0.0, 0.7, 2.0], given[1], args_batched=True, steps="independent", rtol=1e-5
        )
        first, second = torch.autograd.grad(solution.ys.pow(2).sum(), given)
        return first, second

    whole = gradients(list(range(5)))
    for row in range(5):
        for together, alone in zip(whole, gradients([row]), strict=True):
            torch.testing.assert_close(together[[row]], alone, rtol=1e-12, atol=0)


def network(columns: int, width: int) -> Callable[..., Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = torch.nn.Sequential(
            torch.nn.Linear(columns, width), torch.nn.Tanh(), torch.nn.Linear(width, columns)
        ).double()
    return lambda t, y, rate: rate * net(y) + torch.sin(t)


@pytest.mark.parametrize(("columns", "width"), [(2, 5), (3, 64)])
def test_fields_with_matrix_products_take_the_same_attempts_and_agree_within_a_thousand_ulp(
    columns: int, width: int
) -> None:
    field = network(columns, width)
    y0, rate = states(17, columns)
    whole = outcome(field, y0, [0.0, 0.4, 1.0], rate)
    for chosen in ([0], [8], [16], [3, 5], list(range(16, 5, -1))):
        part = outcome(field, y0[chosen], [0.0, 0.4, 1.0], rate[chosen])
        assert torch.equal(whole["steps"][:, chosen], part["steps"])
        assert torch.equal(whole["accepted"][:, chosen], part["accepted"])
        size = whole["ys"].abs().max()
        assert ((whole["ys"][:, chosen] - part["ys"]).abs() <= 1e3 * ULP * size).all()


def test_fields_with_matrix_products_agree_in_float32_within_tolerance() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = torch.nn.Sequential(torch.nn.Linear(3, 64), torch.nn.Tanh(), torch.nn.Linear(64, 3))
    y0 = states(17, 3)[0].float()
    options = {"steps": "independent", "rtol": 1e-4, "atol": 1e-4}
    with torch.no_grad():
        whole = legato.solve(lambda t, y: net(y), y0, (0.0, 1.0), **options).ys
        for row in (0, 8, 16):
            alone = legato.solve(lambda t, y: net(y), y0[row : row + 1], (0.0, 1.0), **options).ys
            assert ((alone - whole[:, row : row + 1]).abs() <= 1e-4 * (1 + alone.abs())).all()


# Shared steps


def oscillation(t: Tensor, y: Tensor, rate: Tensor) -> Tensor:
    return rate * torch.stack([y[..., 1], -y[..., 0]], dim=-1)


def error_of_the_hard_row(norm: str, mates: int) -> float:
    """One sample turns forty times as fast as its mates, who stand almost still."""
    rate = torch.full((mates + 1, 1), 1e-3, dtype=torch.float64)
    rate[0] = 8.0
    y0 = torch.tensor([[1.0, 0.0]], dtype=torch.float64).expand(mates + 1, 2)
    ys = legato.solve(oscillation, y0, (0.0, 5.0), rate, norm=norm, rtol=1e-6, atol=1e-6, solver="dopri5").ys
    exact = torch.tensor([40.0, 40.0], dtype=torch.float64)
    exact = torch.stack([exact[0].cos(), -exact[1].sin()])
    return float((ys[0, 0] - exact).norm())


def test_easy_mates_do_not_spoil_a_hard_row_under_shared_steps() -> None:
    """With the peers' norm over everything its error grows with the number of mates; with ours it stays."""
    alone = error_of_the_hard_row("rows", 0)
    assert error_of_the_hard_row("rows", 2_000) <= 1.01 * alone
    assert error_of_the_hard_row("batch", 2_000) > 20 * alone


# What it costs


@pytest.mark.parametrize("gradient", ["discrete", "direct"])
def test_finished_rows_cost_nothing(gradient: str) -> None:
    """Every row that the field is called on is counted once, for a sample that is still on its way."""
    spy = Spy(lambda t, y: torch.cos(t) * y)
    t1 = torch.tensor([0.1, 5.0, 0.5, 20.0], dtype=torch.float64)
    y0 = torch.ones(4, 2, dtype=torch.float64)
    stats = legato.solve(spy, y0, (0.0, t1), gradient=gradient).stats
    # The checks are made first: on the whole batch, then row by row, and once more after the first evaluation.
    marched = sum(spy.rows) - sum(spy.rows[: stats.checks - (gradient == "discrete")])
    marched -= 4 if gradient == "discrete" else 0
    assert marched == int(stats.evaluations.sum())
    assert spy.rows[-1] == 1
    assert int(stats.evaluations[0]) < int(stats.evaluations[3]) / 5


def test_frozen_rows_cost_nothing_under_shared_steps() -> None:
    """After a sample has failed the field is called on the others alone."""

    def field(t: Tensor, y: Tensor) -> Tensor:
        return torch.where((y > 5) & (t > 0.1), torch.nan, -y)

    spy = Spy(field)
    y0 = torch.tensor([[1.0], [9.0], [2.0]], dtype=torch.float64)
    solution = legato.solve(spy, y0, (0.0, 3.0), on_failure="partial")
    assert solution.status.tolist() == [1, legato.Status.NONFINITE, 1]
    stats = solution.stats
    after = int(stats.evaluations[0] - stats.evaluations[1])
    assert spy.rows[-(after - 2) :] == [2] * (after - 2)
