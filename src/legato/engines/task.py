"""What an engine is asked to do, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..core.norms import Tolerances
from ..core.packing import Layout
from ..solvers.demand import Demand
from ..terms import EventRule

__all__ = ["Clock", "Landed", "Limits", "March", "StepRecord", "Task", "Ties"]


class Limits(NamedTuple):
    """The bounds of a march.

    Attributes:
        dt0: the first step size, or None to choose it by Hairer's algorithm.
        dt_min: the least step size; None means ten spacings of the time's numbers.
        dt_max: the greatest step size.
        max_steps: the greatest number of attempts, per row.
        force: whether a step at `dt_min` is accepted whatever its error.
        max_evaluations: the number of field evaluations after which no attempt begins: of the march under shared steps,
            per row under independent ones; None means no such bound.
        deadline: the reading of `time.monotonic()` after which no attempt begins; None means no such bound.
    """

    dt0: float | None = None
    dt_min: float | None = None
    dt_max: float = float("inf")
    max_steps: int = 10_000
    force: bool = False
    max_evaluations: int | None = None
    deadline: float | None = None


class Ties(NamedTuple):
    """How a step's times depend on those of the solve, by the knots of its clock: numbers, or one entry per row.

    Attributes:
        begin: the last knot that the march had reached when the step began.
        end: the knot that it lands on, or -1.
    """

    begin: Any
    end: Any


class Clock(NamedTuple):
    """The times of a solve where they carry a gradient.

    Its knots are the start, 0, the forced stops, 1 to K, the end, K + 1, and each row's last event, K + 2.

    Attributes:
        t0, t1: the ends, 0-d, or one entry per row.
        times: the save times.
        stops: the forced stops, `(K,)`, or `(rows, K)` where every row has its own, as in `Task`; padded with anything.
        event: zeros that move with the event on which each row landed last, `(rows,)`, or None.
    """

    t0: Tensor
    t1: Tensor
    times: Tensor
    stops: Tensor
    event: Tensor | None = None

    def step(
        self, ties: Ties, t0: Any, t1: Any, dt: Any, *, rows: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return `t0, t1, dt` of a step as tensors of the same values that move with the clock's.

        A step begins at the last knot passed plus step sizes that do not depend on the times; only a step that lands on
        a knot has a size that depends on them.

        Arguments:
            ties: how the step is tied to the knots.
            t0, t1, dt: where the step begins and ends as the field sees it, and its size: numbers, or tensors of one
                entry per row.
            rows: the rows that take the step, or None for all.
        """
        moves = self.moves() if rows is None or self.t0.dim() == 0 else self.moves()[rows]
        if isinstance(ties.begin, Tensor):
            begin = moves.gather(1, ties.begin[:, None]).squeeze(1)
            landed = moves.gather(1, ties.end.clamp(min=0)[:, None]).squeeze(1)
            end = torch.where(ties.end < 0, begin, landed)
        else:
            begin = moves[ties.begin]
            end = begin if ties.end < 0 else moves[ties.end]
        return begin + t0, end + t1, end - begin + dt

    def moving(self, times: Tensor, events: Tensor | None = None) -> Tensor:
        """Return the times at which steps began and ended, moving with the knots as those steps do.

        Arguments:
            times: `(steps + 1,)`, or `(rows, most steps + 1)` padded with NaN, in the direction of the march.
            events: the events on which rows landed, `(rows, most events)` padded with NaN, or None.
        """
        t0, t1 = self.t0.detach()[..., None], self.t1.detach()[..., None]
        sign = torch.where(t1 >= t0, 1.0, -1.0)
        inner = self.stops.expand(*self.t0.shape, self.stops.shape[-1])
        inner = inner if events is None else torch.cat([inner, events], dim=-1)
        marks, count = torch.where(inner.isnan(), torch.inf, inner.detach() * sign), inner.shape[-1]
        passed = (marks > t0 * sign)[..., None, :] & (marks[..., None, :] <= (times * sign)[..., None])
        last = torch.where(passed, marks[..., None, :], -torch.inf).max(dim=-1).indices + 1 if count else 0
        knot = torch.where(passed.any(dim=-1), last, 0)
        knot = torch.where(times == t1, count + 1, knot)
        knots = torch.cat([self.t0[..., None], inner.nan_to_num(), self.t1[..., None]], dim=-1)
        return times + (knots - knots.detach()).gather(-1, knot)

    def moves(self) -> Tensor:
        """Return zeros that move with the knots, `(K + 2,)` or `(rows, K + 2)`, and one more where there are events."""
        stops = self.stops.expand(*self.t0.shape, self.stops.shape[-1])
        events = () if self.event is None else (self.event[..., None],)
        knots = torch.cat([self.t0[..., None], stops, self.t1[..., None], *events], dim=-1)
        return knots - knots.detach()


@dataclass(frozen=True, kw_only=True)
class Task:
    """One march, ready to run.

    Attributes:
        term: the right-hand side on packed states.
        solver: the method.
        controller: the rule for step sizes.
        tolerances: relative and absolute.
        measure: the norm of a scaled error.
        layout: how the state is packed.
        y0: the packed initial state.
        t0, t1: the ends of the interval: floats under shared steps, float64 tensors `(rows,)` under independent ones.
        outputs: what is kept while marching.
        stops: times at which a step must end, strictly inside the interval: numbers in the direction of the march under
            shared steps; under independent ones a tensor `(rows, K)`, each row in its direction, padded with NaN.
        jumps: those times of `stops` after which the field is evaluated afresh.
        limits: step bounds and the number of steps.
        keep: whether to record the accepted steps for `reverse`.
        clock: the times as tensors, where a gradient with respect to them is wanted.
        f0: the field at the start, where it has been evaluated already.
        events: the events to look for; only under independent steps.
        max_events: the greatest number of events of a row.
    """

    term: Any
    solver: Any
    controller: Any
    tolerances: Tolerances
    measure: Callable[[Tensor], Tensor]
    layout: Layout
    y0: Tensor
    t0: Any
    t1: Any
    outputs: tuple[Any, ...]
    stops: Any = ()
    jumps: frozenset[float] = frozenset()
    limits: Limits = field(default_factory=Limits)
    keep: bool = False
    clock: Clock | None = None
    f0: Tensor | None = None
    events: tuple[EventRule, ...] = ()
    max_events: int = 0

    def demand(self, *, derivatives: int, limit: Any, origin: Any) -> Demand:
        """Return what every step is asked for; without an error to weigh against, equations are solved to rounding.

        Arguments:
            derivatives: how often the step's end will be differentiated.
            limit: beyond which time the field must not be called.
            origin: before which time it must not be called.
        """
        tolerances = self.tolerances if self.controller.adaptive else None
        return Demand(self.layout.batch_dims, tolerances, derivatives, limit, origin)


class Landed(NamedTuple):
    """What a step ends on, by the indices of events.

    Attributes:
        driver: the event whose function is zero at the end of the step.
        events: all that happen there, in the order in which they are told and jump; none where there were too many.
        ended: whether the row ends there.
    """

    driver: int
    events: tuple[int, ...]
    ended: bool


class StepRecord(NamedTuple):
    """An accepted step, as much of it as its transpose needs.

    Attributes:
        term: the right-hand side as it was (rows may have been frozen).
        t0, t1, dt: where the step began, where it ended and its size: floats, or one entry per row in `rows`.
        y0: the state at `t0`; None where it has been handed over to autograd.
        slots: for each output, what it kept of this step.
        ties: how the step's times depend on those of the solve.
        history: what the step began with and could not derive, or None where it derived everything.
        fresh: the mask of rows that derived everything where others did not, or None where all are alike.
        limit, origin: beyond and before which time the step did not call the field: numbers, or one entry per row.
        live: the mask of rows that had not failed, or None for all.
        rows: the indices of the rows that took this step, or None for all (independent steps).
        landed: the event on which the step ends, or None.
        event: zeros, one per row, that stand for the event after which the row's step began and move with it; True
            where they have been handed over to autograd, None where no row has had an event.
    """

    term: Any
    t0: Any
    t1: Any
    dt: Any
    y0: Tensor | None
    slots: tuple[Any, ...]
    ties: Ties
    history: tuple[Tensor, ...] | None
    limit: Any
    origin: Any
    live: Tensor | None = None
    rows: Tensor | None = None
    fresh: Tensor | None = None
    landed: Landed | None = None
    event: Any = None


@dataclass(kw_only=True)
class March:
    """What a march produced.

    Attributes:
        values: the finished value of each output.
        status: one `Status` code per row, int8.
        t_reached: the time each row reached, float64.
        component: for a failed row, the index of the component that failed it, else -1.
        steps, accepted: attempts and accepted steps per row, int64.
        evaluations: field evaluations per row, int64.
        final: the packed state that each row reached.
        live: the mask of rows that had not been frozen at the end, as in `StepRecord`, or None for all.
        record: the accepted steps, where they were asked for.
        initial: for each output, what it kept of the initial state.
    """

    values: list[Any]
    status: Tensor
    t_reached: Tensor
    component: Tensor
    steps: Tensor
    accepted: Tensor
    evaluations: Tensor
    final: Tensor
    live: Tensor | None = None
    record: list[StepRecord] = field(default_factory=list)
    initial: tuple[Any, ...] = ()

    @property
    def device(self) -> torch.device:
        """The device of the per-row results."""
        return self.status.device
