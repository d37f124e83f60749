"""The Adams methods of torchdiffeq: its values where it is right, and right ones where it is not.

The peer begins with steps of Kutta's 3/8 rule and raises the order step by step to the greatest; ours begins with a
method of that order. At `max_order=4` both take the same steps, so values agree to rounding; above it both converge.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import pytest
import torch
from beside_torchdiffeq import DOUBLE, PROBLEMS, peer
from torch import Tensor

import legato
from legato.core.errors import InputError, OptionError

METHODS = ("explicit_adams", "implicit_adams", "fixed_adams")


def decay(t: Tensor, y: Tensor) -> Tensor:
    return -y


@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["forwards", "backwards"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", PROBLEMS)
def test_at_order_four_the_values_are_the_peers(name: str, method: str, sign: float) -> None:
    """The peer corrects until two ends agree within its tolerance, ours always four times."""
    field, y0, t = PROBLEMS[name]
    t = sign * torch.linspace(0, 1, 41, dtype=DOUBLE)
    options: dict[str, Any] = {"max_order": 4}
    mine = legato.odeint(field, y0, t, method=method, options=options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = peer.odeint(field, y0, t, method=method, options=options, rtol=1e-13, atol=1e-14)
    torch.testing.assert_close(mine, other, rtol=1e-9 if method != "explicit_adams" else 1e-13, atol=1e-10)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("order", [4, 6, 8])
def test_above_order_four_both_converge_and_ours_is_no_worse(method: str, order: int) -> None:
    """y' = cos(t) y is exp(sin t)."""
    t = torch.linspace(0, 2, 161, dtype=DOUBLE)
    y0, exact = torch.ones(1, dtype=DOUBLE), torch.exp(torch.sin(t))[:, None]

    def field(t: Tensor, y: Tensor) -> Tensor:
        return torch.cos(t) * y

    mine = legato.odeint(field, y0, t, method=method, options={"max_order": order})
    other = peer.odeint(field, y0, t, method=method, options={"max_order": order}, rtol=1e-13, atol=1e-14)
    ours, theirs = float((mine - exact).abs().max()), float((other - exact).abs().max())
    assert ours <= 1.5 * theirs + 1e-13
    assert ours < 1e-5


@pytest.mark.parametrize("method", METHODS)
def test_the_decay_on_which_the_peer_explodes_is_solved(method: str) -> None:
    """y' = -y in 32 steps on [0, 2]: by default the peer goes on to order 11, unstable beyond a step of 0.003."""
    t, y0 = torch.linspace(0, 2, 33, dtype=DOUBLE), torch.ones(1, dtype=DOUBLE)
    exact = torch.exp(-t)[:, None]
    assert float((legato.odeint(decay, y0, t, method=method) - exact).abs().max()) < 1e-5
    if method == "explicit_adams":
        assert float((peer.odeint(decay, y0, t, method=method) - exact).abs().max()) > 1


def test_steps_of_unlike_size_are_right_where_the_peer_loses_its_order() -> None:
    """The peer takes slopes at any distances for slopes at equal ones."""
    steps = 0.02 * torch.tensor([1.0, 2.0, 0.5] * 20, dtype=DOUBLE)
    t = torch.cat([torch.zeros(1, dtype=DOUBLE), steps.cumsum(0)])
    y0, exact = torch.ones(1, dtype=DOUBLE), torch.exp(-t)[:, None]
    mine, other = (
        float((solve(decay, y0, t, method="implicit_adams", options={"max_order": 4}) - exact).abs().max())
        for solve in (legato.odeint, peer.odeint)
    )
    assert mine < 1e-8
    assert other > 100 * mine


def test_below_order_four_it_is_kuttas_rule_as_in_the_peer() -> None:
    field, y0, t = PROBLEMS["pendulum"]
    mine = legato.odeint(field, y0, t, method="explicit_adams", options={"max_order": 3})
    assert torch.equal(mine, legato.odeint(field, y0, t, method="rk4"))


def test_without_implicit_there_are_no_corrections() -> None:
    field, y0, _ = PROBLEMS["pendulum"]
    t = torch.linspace(0, 1, 21, dtype=DOUBLE)
    plain = legato.odeint(field, y0, t, method="explicit_adams", options={"max_order": 5})
    turned = legato.odeint(field, y0, t, method="fixed_adams", options={"max_order": 5, "implicit": False})
    assert torch.equal(plain, turned)


def test_lines_between_steps_where_asked_for() -> None:
    field, y0, _ = PROBLEMS["pendulum"]
    t = torch.tensor([0.0, 0.31, 1.0, 1.234], dtype=DOUBLE)
    options: dict[str, Any] = {"step_size": 0.125, "interp": "linear", "max_order": 4}
    mine, other = (
        solve(field, y0, t, method="explicit_adams", options=options) for solve in (legato.odeint, peer.odeint)
    )
    torch.testing.assert_close(mine[:3], other[:3], rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("ours", [legato.odeint, legato.odeint_adjoint], ids=["direct", "adjoint"])
@pytest.mark.parametrize("method", METHODS)
def test_the_gradients_are_those_of_the_equation(ours: Any, method: str) -> None:
    """y = y0 exp(-rate (t - t0))."""
    y0 = torch.tensor([1.0, 0.4], dtype=DOUBLE, requires_grad=True)
    rate = torch.tensor(0.8, dtype=DOUBLE, requires_grad=True)
    t = torch.tensor([0.0, 0.6, 1.5], dtype=DOUBLE, requires_grad=True)
    ys = ours(lambda t, y: -rate * y, y0, t, method=method, options={"step_size": 0.02})
    exact = y0 * torch.exp(-rate * (t - t[0])[:, None])
    weights = torch.tensor([[0.3, 1.0], [-1.0, 2.0], [0.7, 0.1]], dtype=DOUBLE)
    found, wanted = (torch.autograd.grad((part * weights).sum(), (y0, rate, t)) for part in (ys, exact))
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"max_order": 13}, InputError, "max_order"),
        ({"max_order": 0}, InputError, "max_order"),
        ({"max_iters": 0}, InputError, "max_iters"),
        ({"max_orders": 4}, OptionError, "max_order"),
        ({"implicit": True}, OptionError, "implicit"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        legato.odeint(decay, torch.ones(1), torch.linspace(0, 1, 9), method="explicit_adams", options=options)


def test_the_order_that_was_asked_for_is_taken() -> None:
    """A polynomial of degree 9 is integrated exactly by the corrector of order 10 and not by that of order 6."""
    t = torch.linspace(0, 1, 26, dtype=DOUBLE)
    errors = [
        abs(
            float(
                legato.odeint(
                    lambda t, y: 10 * t**9 + 0 * y, torch.zeros(1, dtype=DOUBLE), t, method="implicit_adams",
                    options={"max_order": order},
                )[-1]
            )
            - 1
        )
        for order in (10, 6)
    ]  # fmt: skip
    assert errors[0] < 1e-14
    assert errors[1] > 1e-9
    assert math.isfinite(errors[1])
