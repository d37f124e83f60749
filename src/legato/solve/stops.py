"""Where steps are forced to end: stops and jumps that were asked for, and the save times where steps land on them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .choices import Method
from .times import TimePlan

__all__ = ["Stops", "row_stops", "shared_stops"]


class Stops(NamedTuple):
    """Forced stops as the march takes them, and as tensors that carry the gradients of their times."""

    places: tuple[float, ...] | Tensor
    knots: Tensor


def shared_stops(method: Method, plan: TimePlan, *, land: bool) -> Stops:
    """Return the stops strictly inside the interval of all rows, in its direction.

    Arguments:
        method: with the stops and jumps that were asked for.
        plan: the times of the solve.
        land: whether steps end on the save times.
    """
    if not (land or method.stops or method.jumps):
        return Stops((), plan.save.new_empty(0))
    t0, t1 = float(plan.t0.detach()), float(plan.t1.detach())
    low, high = min(t0, t1), max(t0, t1)
    given = _asked(method, plan)
    given = torch.cat([given, plan.save]) if land else given
    last = {time: place for place, time in enumerate(given.tolist()) if low < time < high}
    places = tuple(sorted(last, reverse=t1 < t0))
    return Stops(places, given[[last[time] for time in places]])


def row_stops(method: Method, plan: TimePlan, *, land: bool) -> Stops:
    """Return the stops strictly inside each row's own interval, in its direction, `(rows, K)`, padded with NaN."""
    if not (land or method.stops or method.jumps):
        return Stops(plan.save.new_empty((len(plan.save), 0)), plan.save.new_empty((len(plan.save), 0)))
    t0, t1 = plan.t0.detach()[:, None], plan.t1.detach()[:, None]
    given = _asked(method, plan).expand(len(t0), -1)
    given = torch.cat([given, plan.save], dim=1) if land else given
    sign = torch.where(t1 >= t0, 1.0, -1.0).to(torch.float64)
    signed = given.detach() * sign
    inside = (signed > t0 * sign) & (signed < t1 * sign)
    keys, order = torch.where(inside, signed, torch.inf).sort(dim=1, stable=True)
    repeated = torch.zeros_like(inside)
    repeated[:, :-1] = keys[:, :-1] == keys[:, 1:]  # of equal times the last one counts
    keys, again = keys.masked_fill(repeated, torch.inf).sort(dim=1, stable=True)
    order = order.gather(1, again)
    count = int(keys.isfinite().sum(1).max()) if keys.numel() else 0
    keys, order = keys[:, :count], order[:, :count]
    places = torch.where(keys.isfinite(), keys * sign, torch.nan)
    return Stops(places, torch.where(keys.isfinite(), given.gather(1, order), t0))


def _asked(method: Method, plan: TimePlan) -> Tensor:
    """Return the stops and jumps that were asked for, `(K,)`, with their gradient."""
    if method.moving is not None:
        return method.moving.to(plan.save.device)
    return torch.tensor((*method.stops, *method.jumps), dtype=torch.float64, device=plan.save.device)
