"""A small network as a field, with the change of log-density along its flow.

    y' = f(y) = W2 tanh(W1 y + b1) + b2,      l' = -tr(df/dy)

The state is `(y1, y2, l)`; the 17 parameters are W1 (3 x 2, row by row), b1 (3), W2 (2 x 3, row by row), b2 (2).
"""

from __future__ import annotations

import torch
from torch import Tensor

from .components import Parameters
from .problem import Parametric, Problem

__all__ = ["NETWORKS", "flow"]


def flow(t: Tensor, y: Tensor, parameters: Parameters) -> Tensor:
    """Evaluate the network at (y1, y2) and minus the trace of its Jacobian."""
    weights = torch.as_tensor(parameters, dtype=y.dtype, device=y.device)
    first, bias1 = weights[..., :6].unflatten(-1, (3, 2)), weights[..., 6:9]
    second, bias2 = weights[..., 9:15].unflatten(-1, (2, 3)), weights[..., 15:17]
    hidden = ((first * y[..., None, :2]).sum(-1) + bias1).tanh()
    velocity = (second * hidden.unsqueeze(-2)).sum(-1) + bias2
    trace = ((1 - hidden * hidden) * (second.mT * first).sum(-1)).sum(-1, keepdim=True)
    return torch.cat((velocity, -trace), dim=-1)


_WEIGHTS = {
    "W1": (0.5, -0.3, 0.2, 0.8, -0.7, 0.1),
    "b1": (0.1, -0.2, 0.3),
    "W2": (0.6, -0.4, 0.3, -0.5, 0.7, 0.2),
    "b2": (0.05, -0.1),
}

NETWORKS: tuple[Problem, ...] = (
    Problem(
        name="mlp-cnf",
        title="a network of three hidden units with its log-density: a continuous normalizing flow with sensitivities",
        field=Parametric(
            law=flow,
            names=tuple(f"{block}[{index}]" for block, values in _WEIGHTS.items() for index in range(len(values))),
            defaults=tuple(value for values in _WEIGHTS.values() for value in values),
        ),
        y0=(1.0, -0.5, 0.0),
        t1=3.0,
        components=("y1", "y2", "log-density"),
        equations="y' = W2 tanh(W1 y + b1) + b2,  l' = -tr(dy'/dy)",
        source="R. T. Q. Chen and others, Neural Ordinary Differential Equations, 2018, section 4",
    ),
)
