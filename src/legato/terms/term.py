r"""A right-hand side as field times increment, :math:`dy = f(t, y)\,dx`.

Solvers ask a term for its field, its increment over a step and the product of the two, and never what kind of equation
it is. For an ordinary differential equation the increment is `t1 - t0` and the product is multiplication.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

__all__ = ["Term"]


class Term(Protocol):
    """What a solver may ask of a right-hand side, on packed states.

    `time_dtype` is the dtype of the time handed to the field; `calls` counts evaluations, each of a whole batch.
    """

    time_dtype: torch.dtype
    device: torch.device
    calls: int
    field: Callable[[Any, Tensor], Tensor]

    def increment(self, t0: Any, t1: Any) -> Any:
        """Return the increment of the driving path over a step."""

    def product(self, f: Tensor, dx: Any) -> Tensor:
        """Return field times increment."""

    def rows(self, index: Tensor) -> Term:
        """Return the term of some of the rows."""

    def fresh(self) -> Term:
        """Return the term with whatever it derives from its arguments derived anew, under the grad mode of now."""
