"""Problems that both libraries solve, and what is said of their steps.

Where both take the same steps, `func` is called at the same times, so the times of the calls are compared: they hold
the step sizes, the order of stages and the verdicts. Ours has two calls more at the start, the check of the field's
contract, and its last step lands on the last time, where the peer's goes beyond; what comes before must agree.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

import legato
from legato.compat.torchdiffeq import METHODS

peer = pytest.importorskip("torchdiffeq", reason="torchdiffeq, the reference, is not installed")

DOUBLE = torch.float64
CHECKS = 2
"""Calls with which a field's contract is checked, on its first solve."""
# The peer hands a wrong first stage on in adaptive_heun and fehlberg2, so only these take the same steps.
AGREED = {"dopri5": 1e-6, "dopri8": 1e-9, "bosh3": 1e-5}
ADAPTIVE = (*AGREED, "adaptive_heun", "fehlberg2")
GRID = ("euler", "midpoint", "heun2", "heun3", "rk4")
ROTATION = torch.tensor([[-0.1, 1.0], [-1.0, -0.1]], dtype=DOUBLE)


class Problem(NamedTuple):
    field: Callable[[Tensor, Any], Any]
    y0: Tensor
    t: Tensor


def pendulum(t: Tensor, y: Tensor) -> Tensor:
    angle, speed = y.unbind(-1)
    return torch.stack([speed, -torch.sin(angle) - 0.1 * speed], dim=-1)


PROBLEMS = {
    "forced growth": Problem(lambda t, y: torch.cos(t) * y, torch.tensor([1.0, 0.5], dtype=DOUBLE), torch.arange(7.0)),
    "rotation": Problem(
        lambda t, y: y @ ROTATION.to(y), torch.tensor([[1.0, 0.0], [2.0, 1.0]], dtype=DOUBLE), torch.linspace(1, 6, 4)
    ),
    "pendulum": Problem(pendulum, torch.tensor([[1.0, 0.0], [3.0, 0.2]], dtype=DOUBLE), torch.linspace(0, 8, 9)),
}


class Recorded:
    """A field that writes down the times at which it is called."""

    def __init__(self, field: Callable[[Tensor, Any], Any]) -> None:
        self.field = field
        self.times: list[float] = []

    def __call__(self, t: Tensor, y: Any) -> Any:
        self.times.append(float(t))
        return self.field(t, y)


def both(field: Callable[..., Any], y0: Any, t: Tensor, **options: Any) -> tuple[Any, Any, Recorded, Recorded]:
    ours, theirs = Recorded(field), Recorded(field)
    return legato.odeint(ours, y0, t, **options), peer.odeint(theirs, y0, t, **options), ours, theirs


def assert_same_steps(ours: Recorded, theirs: Recorded, method: str = "dopri5") -> None:
    # At the end the landing and the overshoot may be rejected, each a few times, before one is accepted.
    margin = 4 * METHODS[method].tableau.stages
    count = min(len(ours.times) - CHECKS, len(theirs.times)) - margin
    assert count > margin, "too few steps to say anything"
    assert abs(len(ours.times) - CHECKS - len(theirs.times)) <= margin
    # The error estimate carries fewer digits the smaller it is. A factor or exponent that is wrong shows in percents.
    tolerance = 1e-4 if method == "dopri8" else 1e-7
    torch.testing.assert_close(
        ours.times[CHECKS : count + CHECKS], theirs.times[:count], rtol=tolerance, atol=tolerance
    )


def states_at(field: Callable[..., Any], y0: Tensor, t: Tensor) -> Tensor:
    return legato.solve(field, y0, t, solver="dop853", rtol=1e-12, atol=1e-13).ys
