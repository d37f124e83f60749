"""What a march asks of a step besides its end."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..core.norms import Tolerances

__all__ = ["Carry", "Demand"]

Carry = tuple[Any, ...] | None
"""What one step hands to the next: first a solver's history, then what could be derived again from time and state.

`None` asks the step to derive all of it. Each part is shaped like the state, or has one entry per row.
"""


class Demand(NamedTuple):
    """How precisely a step is to be solved, how often differentiated, and how far it may look.

    Attributes:
        batch_dims: the number of leading axes that index rows.
        tolerances: what equations are solved to, where a method has any; None asks for rounding.
        derivatives: how often the end will be differentiated; 0 where it will not be.
        limit: beyond which time the field must not be called: a number, one entry per row, or None.
        origin: before which time it must not be called, likewise.
    """

    batch_dims: int
    tolerances: Tolerances | None = None
    derivatives: int = 0
    limit: Any = None
    origin: Any = None
