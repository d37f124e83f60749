"""How a solve ended, per sample, with the advice that goes with it."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["Status"]


class Status(IntEnum):
    """The outcome of one sample's solve.

    `SUCCESS` and `EVENT` are good ends; every other code says why the march stopped, and `advice` what to try.
    """

    RUNNING = 0
    SUCCESS = 1
    EVENT = 2
    MAX_STEPS = 3
    DT_MIN = 4
    NONFINITE = 5
    TIME_RESOLUTION = 6
    NEWTON_DIVERGED = 7
    TIMEOUT = 8
    MAX_EVALUATIONS = 9
    MAX_EVENTS = 10

    @property
    def good(self) -> bool:
        """Whether the sample reached what was asked for."""
        return self in (Status.SUCCESS, Status.EVENT)

    @property
    def advice(self) -> str:
        """What happened and what to try, in one sentence."""
        return _ADVICE[self]


_ADVICE = {
    Status.RUNNING: "the solve was interrupted before its end",
    Status.SUCCESS: "reached the end of the interval",
    Status.EVENT: "stopped by a terminal event",
    Status.MAX_STEPS: "used max_steps before the end: raise max_steps, loosen rtol/atol, or, if the steps stay tiny "
    "while the solution is smooth, the problem is stiff and needs an implicit solver",
    Status.DT_MIN: "the step size fell below its floor: the solution may blow up or the field jump there; end the "
    "interval earlier, name the jump in jumps=, or loosen rtol/atol",
    Status.NONFINITE: "the field or the state became NaN or infinite: check the field's domain (log, sqrt, division) "
    "and the size of the state there",
    Status.TIME_RESOLUTION: "the time's dtype cannot tell one step from the next: pass time_dtype=torch.float64, or "
    "measure time from the start of the interval in larger units",
    Status.NEWTON_DIVERGED: "the implicit stage equations did not converge: reduce dt0, or supply the field's Jacobian",
    Status.TIMEOUT: "used max_time before the end: raise max_time, loosen rtol/atol, or, if the steps stay tiny while "
    "the solution is smooth, take an implicit solver",
    Status.MAX_EVALUATIONS: "used max_evaluations before the end: raise max_evaluations, loosen rtol/atol, or take a "
    "solver with fewer evaluations a step; tiny steps along a smooth solution ask for an implicit one",
    Status.MAX_EVENTS: "met more than max_events events, or events so close that time cannot tell them apart: raise "
    "max_events, or, where they accumulate (a ball that comes to rest), end the solve by a terminal event before",
}
