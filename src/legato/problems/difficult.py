"""Problems that must be reported rather than solved: blow-up, a field that ends, a field that jumps.

A solver that returns numbers beyond `breakdown` is wrong, whatever the numbers are.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .problem import Problem

__all__ = ["DIFFICULT", "exponential", "jump", "negative_root", "square"]

_JUMP = 0.5


def square(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate y' = y^2."""
    return y * y


def _square_exact(t: Tensor) -> Tensor:
    return (1 / (1 - t)).unsqueeze(-1)


def exponential(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate y' = exp y."""
    return y.exp()


def _exponential_exact(t: Tensor) -> Tensor:
    return -torch.log1p(-t).unsqueeze(-1)


def negative_root(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate y' = -sqrt y."""
    return -y.sqrt()


def _negative_root_exact(t: Tensor) -> Tensor:
    return ((1 - t / 2) ** 2).unsqueeze(-1)


def jump(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate y' = -y/2 before t = 1/2 and y' = y^2 from then on."""
    return torch.where(t < _JUMP, -0.5 * y, y * y)


def _jump_exact(t: Tensor) -> Tensor:
    # At the jump y = exp(-1/4); the minimum keeps the branch that is not taken away from its pole.
    after = 1 / (math.exp(_JUMP / 2) - (t.clamp(_JUMP, 1.0) - _JUMP))
    return torch.where(t < _JUMP, (-t / 2).exp(), after).unsqueeze(-1)


DIFFICULT: tuple[Problem, ...] = (
    Problem(
        name="blow-up-square",
        title="blow-up at t = 1, as a pole",
        field=square,
        y0=(1.0,),
        t1=2.0,
        components=("y",),
        equations="y' = y^2;  y = 1/(1 - t)",
        source="textbooks",
        exact=_square_exact,
        breakdown=1.0,
    ),
    Problem(
        name="blow-up-exponential",
        title="blow-up at t = 1, as a logarithm: the field overflows before the state does",
        field=exponential,
        y0=(0.0,),
        t1=2.0,
        components=("y",),
        equations="y' = exp y;  y = -log(1 - t)",
        source="return-code tests of SciML",
        exact=_exponential_exact,
        breakdown=1.0,
    ),
    Problem(
        name="leaves-domain",
        title="reaches the edge of the field's domain at t = 2",
        field=negative_root,
        y0=(1.0,),
        t1=3.0,
        components=("y",),
        equations="y' = -sqrt y;  y = (1 - t/2)^2 until t = 2",
        source="E. Torricelli, De motu aquarum, 1644",
        exact=_negative_root_exact,
        breakdown=2.0,
    ),
    Problem(
        name="discontinuous",
        title="a field that jumps at t = 1/2",
        field=jump,
        y0=(1.0,),
        t1=1.0,
        components=("y",),
        equations="y' = -y/2 for t < 1/2,  y' = y^2 for t >= 1/2",
        source="convergence tests",
        exact=_jump_exact,
        jumps=(_JUMP,),
    ),
)
