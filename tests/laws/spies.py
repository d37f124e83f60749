"""A field that is watched: how often, at which times and on how many rows it is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["Spy"]


class Spy:
    """Call a field and keep the times and the batch size of every call.

    Attributes:
        times: the times of each call, flat, in the dtype the field saw.
        rows: the number of rows of each call.
    """

    def __init__(self, field: Callable[..., Any]) -> None:
        self.field = field
        self.times: list[Tensor] = []
        self.rows: list[int] = []

    def __call__(self, t: Tensor, y: Any, *args: Any) -> Any:
        self.times.append(t.detach().reshape(-1).clone())
        leaf = y
        while not isinstance(leaf, Tensor):
            leaf = next(iter(leaf.values() if isinstance(leaf, dict) else leaf))
        self.rows.append(leaf.shape[0] if leaf.dim() else 1)
        return self.field(t, y, *args)

    @property
    def calls(self) -> int:
        """How often the field was called."""
        return len(self.rows)

    @property
    def all_times(self) -> Tensor:
        """Every time at which the field was called."""
        return torch.cat(self.times)
