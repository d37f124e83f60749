"""What an engine is asked to do, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..core.norms import Tolerances
from ..core.packing import Layout

__all__ = ["Clock", "Limits", "March", "StepRecord", "Task", "Ties"]


class Limits(NamedTuple):
    """The bounds of a march.

    Attributes:
        dt0: the first step size, or None to choose it by Hairer's algorithm.
        dt_min: the least step size; None means ten spacings of the time's numbers.
        dt_max: the greatest step size.
        max_steps: the greatest number of attempts, per row.
        force: whether a step at `dt_min` is accepted whatever its error.
    """

    dt0: float | None = None
    dt_min: float | None = None
    dt_max: float = float("inf")
    max_steps: int = 10_000
    force: bool = False


class Ties(NamedTuple):
    """How a step's times depend on those of the solve: bools, or masks of one entry per row.

    Attributes:
        to_start: whether no forced stop lies between the start and the step, so that the step moves with the start.
        to_end: whether it lands on the end.
        to_stop: whether it lands on a forced stop.
    """

    to_start: Any
    to_end: Any
    to_stop: Any


class Clock(NamedTuple):
    """The times of a solve where they carry a gradient: 0-d `t0` and `t1`, and the save times."""

    t0: Tensor
    t1: Tensor
    times: Tensor

    def step(
        self, ties: Ties, t0: Any, t1: Any, dt: Any, *, rows: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return `t0, t1, dt` of a step as tensors of the same values that move with the clock's.

        A step begins at `clock.t0` plus step sizes that do not depend on the times, until a forced stop has been
        passed; only a step that lands on the end or on a stop has a size that depends on them.

        Arguments:
            ties: how the step is tied to the ends and to stops.
            t0, t1, dt: where the step begins and ends as the field sees it, and its size: numbers, or tensors of one
                entry per row.
            rows: the rows that take the step, or None for all.
        """
        start, end = (part if rows is None else part[rows] for part in (self.t0, self.t1))
        with_start, with_end = (part - part.detach() for part in (start, end))
        begin_moves = torch.where(_mask(ties.to_start, start), with_start, 0.0)
        lands = _mask(ties.to_end, start) | _mask(ties.to_stop, start)
        end_moves = torch.where(_mask(ties.to_end, start), with_end, torch.where(lands, 0.0, begin_moves))
        return begin_moves + t0, end_moves + t1, end_moves - begin_moves + dt


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
        stops: times at which a step must end, in the direction of the march, strictly inside the interval.
        jumps: those of `stops` after which the field is evaluated afresh.
        limits: step bounds and the number of steps.
        keep: whether to record the accepted steps for `reverse`.
        clock: the times as tensors, where a gradient with respect to them is wanted.
        f0: the field at the start, where it has been evaluated already.
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
    stops: tuple[float, ...] = ()
    jumps: frozenset[float] = frozenset()
    limits: Limits = field(default_factory=Limits)
    keep: bool = False
    clock: Clock | None = None
    f0: Tensor | None = None

    def with_clock(self, clock: Clock) -> Task:
        """Return the task with other times as tensors."""
        return replace(self, clock=clock)


class StepRecord(NamedTuple):
    """An accepted step, as much of it as its transpose needs.

    Attributes:
        term: the right-hand side as it was (rows may have been frozen).
        t0, t1, dt: where the step began, where it ended and its size: floats, or one entry per row in `rows`.
        y0: the state at `t0`; None where it has been handed over to autograd.
        slots: for each output, what it kept of this step.
        ties: how the step's times depend on those of the solve.
        live: the mask of rows that had not failed, or None for all.
        rows: the indices of the rows that took this step, or None for all (independent steps).
    """

    term: Any
    t0: Any
    t1: Any
    dt: Any
    y0: Tensor | None
    slots: tuple[Any, ...]
    ties: Ties
    live: Tensor | None = None
    rows: Tensor | None = None


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


def _mask(value: Any, like: Tensor) -> Tensor:
    return torch.as_tensor(value, device=like.device)
