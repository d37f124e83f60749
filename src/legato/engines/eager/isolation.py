"""Which rows fail an attempt under shared steps, and how the others go on without them."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...core.norms import row_norms
from ...core.status import Status
from ...terms import OnRows

__all__ = ["Ledger", "Offenders", "find_offenders", "without_rows"]


class Offenders(NamedTuple):
    """Rows that cannot go on: which, why, and the component that is worst in each."""

    rows: Tensor
    status: Status
    component: Tensor


class Ledger:
    """What has become of each row so far: status, time reached, counts."""

    def __init__(self, rows: int, t0: float, device: torch.device) -> None:
        self.status = torch.full((rows,), int(Status.RUNNING), dtype=torch.int8, device=device)
        self.t_reached = torch.full((rows,), t0, dtype=torch.float64, device=device)
        self.component = torch.full((rows,), -1, dtype=torch.int64, device=device)
        self.steps = torch.zeros(rows, dtype=torch.int64, device=device)
        self.accepted = torch.zeros(rows, dtype=torch.int64, device=device)
        self.evaluations = torch.zeros(rows, dtype=torch.int64, device=device)
        self.whole = True

    @property
    def live(self) -> Tensor:
        """The mask of rows still running."""
        return self.status == int(Status.RUNNING)

    def close(self, rows: Tensor, status: Status, *, t: float, steps: int, accepted: int, evaluations: int) -> None:
        """Write the outcome of some rows, a boolean mask."""
        self.status[rows] = int(status)
        self.t_reached[rows] = t
        self.steps[rows] = steps
        self.accepted[rows] = accepted
        self.evaluations[rows] = evaluations
        self.whole = self.whole and status.good


def find_offenders(step: Any, scaled: Tensor, *, live: Tensor, batch_dims: int, at_floor: Status) -> Offenders | None:
    """Return the rows that fail an attempt: the non-finite ones, else the unsolved, else those with an error above 1.

    Arguments:
        step: the attempt.
        scaled: its error in units of the tolerance, or its end state where the method has no error estimate.
        live: the mask of rows still running.
        batch_dims: the number of batch axes.
        at_floor: the status of rows that are finite but cannot meet the tolerance at the least step size.

    Returns:
        None where every live row is within its tolerance.
    """
    rows = len(live)
    finite = (scaled.isfinite() & step.y1.isfinite()).reshape(rows, -1).all(dim=1)
    bad = live & ~finite
    status = Status.NONFINITE
    if not bad.any() and step.failed is not None:
        bad, status = live & step.failed, Status.NEWTON_DIVERGED
    if not bad.any():
        bad, status = live & (row_norms(scaled, batch_dims) > 1), at_floor
    if not bad.any():
        return None
    flat = torch.where(scaled.isfinite(), scaled.abs(), torch.inf).reshape(rows, -1)
    return Offenders(bad, status, flat.argmax(dim=1))


def without_rows(term: Any, live: Tensor, *, t: Tensor, y: Tensor, batch_dims: int) -> OnRows:
    """Return the term on the live rows alone.

    Where the field gives the same values for a part of the batch as for the whole, the failed rows are no longer
    evaluated; else they are evaluated and masked.
    """
    if batch_dims == 1:
        part = OnRows(term, live, select=True)
        try:
            with torch.no_grad():
                whole, cut = term.field(t, y)[part.index], part.term.field(t, y[part.index])
            if torch.allclose(whole, cut, rtol=1e-3, atol=1e-6, equal_nan=True):
                return part
        except (RuntimeError, ValueError, IndexError):
            pass
    return OnRows(term, live, select=False)
