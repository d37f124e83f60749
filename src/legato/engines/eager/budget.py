"""What a march may spend: attempts, field evaluations, seconds.

A budget is looked at before an attempt, so that what an attempt has begun it also ends: a solve may go over its number
of evaluations, or its time, by those of one attempt.
"""

from __future__ import annotations

import time

from torch import Tensor

from ...core.status import Status
from ..task import Limits

__all__ = ["Budget"]


class Budget:
    """Say when a march has spent what it was given.

    Arguments:
        limits: the bounds of the march. The clock is read only where they have a deadline.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits

    def spent(self, *, steps: int, evaluations: int = 0) -> Status | None:
        """Return why the march may make no further attempt, or None where it may."""
        limits = self.limits
        if steps >= limits.max_steps:
            return Status.MAX_STEPS
        if limits.max_evaluations is not None and evaluations >= limits.max_evaluations:
            return Status.MAX_EVALUATIONS
        if limits.deadline is not None and time.monotonic() >= limits.deadline:
            return Status.TIMEOUT
        return None

    def spent_rows(self, evaluations: Tensor) -> Tensor | None:
        """Return the mask of rows that have used up their evaluations, or None where nothing bounds them."""
        most = self.limits.max_evaluations
        return None if most is None else evaluations >= most
