"""Take states and parameters apart, and put rates of change together.

A component keeps its axis: of a state `(..., n)` it is `(..., 1)`. A time that is 0-d or `(batch, 1)` and parameters
`(p,)` or `(batch, p)`, taken apart in the same way, then broadcast against it sample by sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

__all__ = ["Parameters", "join", "numbered", "split", "split_parameters"]

Parameters: TypeAlias = Sequence[float] | Tensor


def split(y: Tensor) -> tuple[Tensor, ...]:
    """Return the components of a state `(..., n)`, each of shape `(..., 1)`."""
    return y.chunk(y.shape[-1], dim=-1)


def split_parameters(parameters: Parameters) -> Sequence[Any]:
    """Return parameters one by one: numbers as they are, a tensor along its last axis, which is kept."""
    return split(parameters) if isinstance(parameters, Tensor) else parameters


def join(*components: Tensor) -> Tensor:
    """Return the state `(..., n)` whose components `(..., 1)` are given."""
    return torch.cat(components, dim=-1)


def numbered(count: int) -> tuple[str, ...]:
    """Return the names y1, y2, ... of components that have no better ones."""
    return tuple(f"y{index + 1}" for index in range(count))
