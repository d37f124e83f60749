r"""A method whose stages look beyond the end of its step, kept inside the interval.

Some methods call the field beyond :math:`t_1`, up to :math:`t_0 + r\,\Delta t`. Where that would pass the end of the
interval, or a time at which a step is forced to end, a companion of the same order whose stages stay inside takes the
step instead: under independent steps for the rows that need it alone.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .demand import Carry, Demand
from .parted import PartedStep, part_step
from .sums import Sums

__all__ = ["Confined"]


class Confined:
    """A method and the companion that takes the steps which it must not.

    Arguments:
        method: the method; its tableau says how far it reaches.
        companion: a method of the same order that stays inside its step.
    """

    accepts = "ode"
    history = 0
    implicit = True

    def __init__(self, method: Any, companion: Any) -> None:
        self.method, self.companion = method, companion
        self.tableau = method.tableau
        self.name, self.order, self.error_order = method.name, method.order, method.error_order
        self.dense_order, self.adaptive = method.dense_order, method.adaptive
        self.slopes = max(method.slopes, companion.slopes)
        self.start, self.combine, self.examine = method.start, method.combine, method.examine

    def __repr__(self) -> str:
        return f"{self.method!r}"

    def step(
        self, term: Any, t0: Any, t1: Any, y0: Tensor, carry: Carry, *, dt: Any, sums: Sums, demand: Demand
    ) -> Any:
        """Take one step, by the companion where the method would look too far."""
        limit, size = demand.limit, dt
        over: Any = False
        if limit is not None:
            begin, size = (part.detach() if isinstance(part, Tensor) else part for part in (t0, dt))
            over = abs(size) * self.tableau.reach > abs(limit - begin)
        if not isinstance(over, Tensor) or over.dim() == 0 or bool((over == over[0]).all()):
            alone = bool(over[0]) if isinstance(over, Tensor) and over.dim() else bool(over)
            method = self.companion if alone else self.method
            return method.step(term, t0, t1, y0, carry, dt=dt, sums=sums, demand=demand)
        places = (~over).nonzero().squeeze(1), over.nonzero().squeeze(1)
        steps = tuple(
            part_step(method, place, term, t0, t1, y0, carry, dt=dt, demand=demand)
            for method, place in zip((self.method, self.companion), places, strict=True)
        )
        return PartedStep(steps, places, y0=y0, times=(t0, t1, dt))
