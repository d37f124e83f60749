r"""The problems that are timed: three neural networks, the Van der Pol oscillator, and a field that costs nothing.

- `mlp-small`, `mlp-medium`, `mlp-large`: :math:`y' = W_3 \tanh(W_2 \tanh(W_1 y + b_1) + b_2) + b_3`, PyTorch's initial
  weights doubled so that the solution moves, the end value alone.
- `van-der-pol`: :math:`x' = v,\; v' = \mu (1 - x^2) v - x` with :math:`\mu = 2`, values at 200 times.
- `decay`: :math:`y' = -y`, one operator, so that what a step costs beside the field can be seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["MLP", "PROBLEMS", "Decay", "Problem", "VanDerPol"]

SEED = 0


class MLP(nn.Module):
    """An autonomous network of two hidden layers.

    Arguments:
        features: the size of the state.
        hidden: the size of both hidden layers.
    """

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        inner = nn.Linear(hidden, hidden)
        self.layers = nn.Sequential(
            nn.Linear(features, hidden), nn.Tanh(), inner, nn.Tanh(), nn.Linear(hidden, features)
        )
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.mul_(2)

    def forward(self, t: Tensor, y: Tensor) -> Tensor:
        result: Tensor = self.layers(y)
        return result

    @staticmethod
    def formula(space: Any, parameters: Sequence[Any], y: Any) -> Any:
        """Return the same from arrays of another library, in the order of `parameters()`."""
        w1, b1, w2, b2, w3, b3 = parameters
        return space.tanh(space.tanh(y @ w1.T + b1) @ w2.T + b2) @ w3.T + b3


class VanDerPol(nn.Module):
    """The Van der Pol oscillator; its damping is a parameter."""

    def __init__(self, mu: float) -> None:
        super().__init__()
        self.mu = nn.Parameter(torch.tensor(mu))

    def forward(self, t: Tensor, y: Tensor) -> Tensor:
        x, v = y[:, 0], y[:, 1]
        return torch.stack([v, self.mu * (1 - x * x) * v - x], dim=1)

    @staticmethod
    def formula(space: Any, parameters: Sequence[Any], y: Any) -> Any:
        """Return the same from arrays of another library."""
        x, v = y[:, 0], y[:, 1]
        return space.stack([v, parameters[0] * (1 - x * x) * v - x], axis=1)


class Decay(nn.Module):
    """Exponential decay at rate one: a single operator."""

    def forward(self, t: Tensor, y: Tensor) -> Tensor:
        return torch.neg(y)

    @staticmethod
    def formula(space: Any, parameters: Sequence[Any], y: Any) -> Any:
        """Return the same from arrays of another library."""
        return -y


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One problem, ready to be solved by anyone.

    Attributes:
        name: what records call it.
        title: what tables call it.
        field: the right-hand side, float32; `field.formula` is the same for arrays of another library.
        y0: the initial states, `(batch, features)`.
        times: the start, and the times whose values are wanted.
        rtol, atol: tolerances of the equal race.
    """

    name: str
    title: str
    field: Any
    y0: Tensor
    times: tuple[float, ...]
    rtol: float
    atol: float

    def arrays(self) -> list[np.ndarray]:
        """Return the field's parameters as arrays."""
        return [parameter.detach().numpy() for parameter in self.field.parameters()]

    def facts(self) -> dict[str, Any]:
        """Return what a record says about the problem."""
        return {
            "name": self.name,
            "title": self.title,
            "batch": self.y0.shape[0],
            "features": self.y0.shape[1],
            "parameters": sum(parameter.numel() for parameter in self.field.parameters()),
            "t0": self.times[0],
            "t1": self.times[-1],
            "save_times": len(self.times) - 1,
            "rtol": self.rtol,
            "atol": self.atol,
            "seed": SEED,
        }


def _mlp(name: str, batch: int, features: int, hidden: int, *, end: float, rtol: float, atol: float) -> Problem:
    torch.manual_seed(SEED)
    field = MLP(features, hidden)
    title = f"MLP, batch {batch}, {features} features, width {hidden}"
    y0 = torch.randn(batch, features)
    return Problem(name=name, title=title, field=field, y0=y0, times=(0.0, end), rtol=rtol, atol=atol)


def _van_der_pol() -> Problem:
    torch.manual_seed(SEED)
    return Problem(
        name="van-der-pol",
        title="Van der Pol, batch 256, mu 2, 200 save times",
        field=VanDerPol(2.0),
        y0=torch.randn(256, 2),
        times=tuple(float(t) for t in np.linspace(0.0, 10.0, 201)),
        rtol=1e-5,
        atol=1e-5,
    )


def _decay() -> Problem:
    torch.manual_seed(SEED)
    return Problem(
        name="decay",
        title="y' = -y, batch 64, 2 features",
        field=Decay(),
        y0=torch.randn(64, 2),
        times=(0.0, 20.0),
        rtol=1e-6,
        atol=1e-6,
    )


PROBLEMS: dict[str, Callable[[], Problem]] = {
    "mlp-small": lambda: _mlp("mlp-small", 64, 2, 32, end=10.0, rtol=1e-6, atol=1e-6),
    "mlp-medium": lambda: _mlp("mlp-medium", 256, 4, 64, end=10.0, rtol=1e-6, atol=1e-6),
    "mlp-large": lambda: _mlp("mlp-large", 1024, 16, 128, end=5.0, rtol=1e-4, atol=1e-5),
    "van-der-pol": _van_der_pol,
    "decay": _decay,
}
"""Makers of problems, by name."""
