"""DETEST C1 to C4: linear systems of 10 and 51 equations, from (1, 0, ..., 0).

C1 and C2 are chains of decay; their links hold the probabilities of a counting process,

    C1 (equal rates):     y_i = t^(i-1) exp(-t) / (i-1)!           (a Poisson process)
    C2 (rates 1 to 9):    y_i = exp(-t) (1 - exp(-t))^(i-1)        (a Yule process)

for i = 1..9, and the last link keeps what is left. C3 and C4 are the heat equation on n points between cold ends,

    y_j = sum over k of 2/(n + 1) sin(k w) sin(j k w) exp(-(2 - 2 cos(k w)) t),      w = pi/(n + 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from .components import numbered
from .problem import Invariant, Problem, total

__all__ = ["DETEST_LINEAR", "SOURCE", "HeatExact", "c1", "c2", "heat"]

SOURCE = "T. E. Hull, W. H. Enright, B. M. Fellen and A. E. Sedgwick, Comparing numerical methods for ODEs, 1972"


def c1(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate a chain of decay with equal rates: y1' = -y1, yi' = y(i-1) - yi, y10' = y9."""
    flow = y[..., :-1]
    return pad(flow, (1, 0)) - pad(flow, (0, 1))


def _c1_exact(t: Tensor) -> Tensor:
    steps = torch.arange(9, dtype=t.dtype, device=t.device)
    kept = t.unsqueeze(-1) ** steps * torch.exp(-t.unsqueeze(-1) - torch.lgamma(steps + 1))
    return torch.cat((kept, 1 - kept.sum(-1, keepdim=True)), dim=-1)


def c2(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate a chain of decay with growing rates: y1' = -y1, yi' = (i-1) y(i-1) - i yi, y10' = 9 y9."""
    flow = y[..., :-1] * torch.arange(1, 10, dtype=y.dtype, device=y.device)
    return pad(flow, (1, 0)) - pad(flow, (0, 1))


def _c2_exact(t: Tensor) -> Tensor:
    steps = torch.arange(9, dtype=t.dtype, device=t.device)
    decay, grown = (-t).exp().unsqueeze(-1), -torch.expm1(-t).unsqueeze(-1)
    return torch.cat((decay * grown**steps, grown**9), dim=-1)


def heat(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate yi' = y(i-1) - 2 yi + y(i+1) between cold ends."""
    return pad(y[..., :-1], (1, 0)) - 2 * y + pad(y[..., 1:], (0, 1))


@dataclass(frozen=True)
class HeatExact:
    """The exact solution of the heat equation on `points` points from a unit of heat in the first."""

    points: int

    def __call__(self, t: Tensor) -> Tensor:
        """Return states of shape (*t.shape, points) at times t."""
        mode = torch.arange(1, self.points + 1, dtype=t.dtype, device=t.device) * (math.pi / (self.points + 1))
        place = torch.arange(1, self.points + 1, dtype=t.dtype, device=t.device).unsqueeze(-1)
        shape = 2 / (self.points + 1) * mode.sin() * (place * mode).sin()
        decay = torch.exp(-(2 - 2 * mode.cos()) * t.unsqueeze(-1))
        return (shape * decay.unsqueeze(-2)).sum(-1)


def _start(size: int) -> tuple[float, ...]:
    return (1.0,) + (0.0,) * (size - 1)


def _heat(number: str, size: int) -> Problem:
    return Problem(
        name=f"detest-{number.lower()}",
        title=f"DETEST {number}: heat on {size} points",
        field=heat,
        y0=_start(size),
        t1=20.0,
        components=numbered(size),
        equations=f"yi' = y(i-1) - 2 yi + y(i+1),  y0 = y{size + 1} = 0",
        source=SOURCE,
        exact=HeatExact(size),
    )


DETEST_LINEAR: tuple[Problem, ...] = (
    Problem(
        name="detest-c1",
        title="DETEST C1: a chain of radioactive decay, equal rates",
        field=c1,
        y0=_start(10),
        t1=20.0,
        components=numbered(10),
        equations="y1' = -y1,  yi' = y(i-1) - yi for i = 2..9,  y10' = y9",
        source=SOURCE,
        exact=_c1_exact,
        invariants=(Invariant("y1 + ... + y10", total),),
    ),
    Problem(
        name="detest-c2",
        title="DETEST C2: a chain of radioactive decay, rates 1 to 9",
        field=c2,
        y0=_start(10),
        t1=20.0,
        components=numbered(10),
        equations="y1' = -y1,  yi' = (i - 1) y(i-1) - i yi for i = 2..9,  y10' = 9 y9",
        source=SOURCE,
        exact=_c2_exact,
        invariants=(Invariant("y1 + ... + y10", total),),
    ),
    _heat("C3", 10),
    _heat("C4", 51),
)
