"""The eager march in which every row has its own time, step size, verdict and end.

The rows still active are marched as one batch; a row that is done or has failed leaves it, so that it costs nothing
more. All arithmetic on times is in float64 tensors of one entry per row.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...core.status import Status
from ...outputs.rows import Fired, RowStep
from ...solvers.demand import Carry
from ...solvers.sums import TensorSums
from ..first_step import first_step
from ..task import March, StepRecord, Task, Ties
from .budget import Budget
from .clock import beside_rows, row_resolution
from .events import EventWatch, Look

__all__ = ["IndependentMarch"]

_LANDING = 1 - 1e-8
_NONFINITE_ATTEMPTS = 20


class IndependentMarch:
    """The state of one march of every row from its own `t0` to its own `t1`; its tensors have an entry per active row.

    Arguments:
        task: what to do; times are float64 tensors `(rows,)`.
        graph: whether autograd records the march (the `direct` gradient).
    """

    def __init__(self, task: Task, graph: bool) -> None:
        self.task, self.graph = task, graph
        self.derivatives = 2 if graph else 0
        self.term = task.term
        count, device = task.layout.rows, task.y0.device
        self.rows = torch.arange(count, device=device)
        self.all_active = True
        self.t, self.y = task.t0, task.y0
        self.carry: Carry = None
        # Rows whose history was derived from the state, and those that have still to derive it.
        self.fresh = torch.ones(count, dtype=torch.bool, device=device)
        self.stale = torch.zeros_like(self.fresh)
        self.sign = torch.where(task.t1 >= task.t0, 1.0, -1.0).to(torch.float64)
        self.size: Tensor  # from the first sizes on
        self.failures = torch.zeros(count, dtype=torch.int64, device=device)
        self.attempts = 0
        self.stops = torch.where(task.stops.isnan(), torch.inf, task.stops * self.sign[:, None])
        self.jumps = torch.tensor(sorted(task.jumps), dtype=torch.float64, device=device)
        self.after_jump = self._is_jump(task.t0)
        self.knot = torch.zeros(count, dtype=torch.int64, device=device)
        self.record: list[StepRecord] = []
        self.origin = task.t0
        self.clock = task.clock if graph else None
        if self.clock is not None and task.events:
            self.clock = self.clock._replace(event=torch.zeros_like(task.t0))
        self.budget = Budget(task.limits)
        self.march = March(
            values=[],
            status=torch.full((count,), int(Status.RUNNING), dtype=torch.int8, device=device),
            t_reached=task.t0.clone(),
            component=torch.full((count,), -1, dtype=torch.int64, device=device),
            steps=torch.zeros(count, dtype=torch.int64, device=device),
            accepted=torch.zeros(count, dtype=torch.int64, device=device),
            evaluations=torch.zeros(count, dtype=torch.int64, device=device),
            final=task.y0.detach().clone(),
        )

    def begin(self) -> None:
        """Do what comes before the first attempt."""
        task = self.task
        self.march.initial = tuple(output.start(task.t0, task.y0) for output in task.outputs)
        self.watch = EventWatch(self) if task.events else None
        self._leave(task.t0 == task.t1, Status.SUCCESS)
        self._leave(self._unresolvable(), Status.TIME_RESOLUTION)
        if len(self.rows):
            self._first_sizes()
            self.memory = task.controller.start_rows(self.t)

    @property
    def going(self) -> bool:
        """Whether any row is still on its way."""
        return len(self.rows) > 0

    def advance(self) -> None:
        """Make one attempt with every active row that has something left to spend on it."""
        spent = self.budget.spent(steps=self.attempts)
        if spent is not None:
            self._leave(torch.ones_like(self.rows, dtype=torch.bool), spent)
            return
        rows = self.budget.spent_rows(self.march.evaluations[self.rows])
        if rows is not None:
            self._leave(rows, Status.MAX_EVALUATIONS)
        if len(self.rows):
            self._attempt()

    def finish(self) -> March:
        """Return what the march produced."""
        task, march = self.task, self.march
        march.values = [output.finish(task.y0) for output in task.outputs]
        march.record = self.record
        return march

    def _attempt(self) -> None:
        task = self.task
        calls = task.term.calls
        floor = self._floor()
        size = torch.maximum(self.size, floor) if task.controller.adaptive else self.size
        size = size.clamp(max=task.limits.dt_max)
        target, knot = self._target()
        remaining = target - self.t
        lands = size >= remaining.abs() * _LANDING
        end = torch.where(lands, target, self.t + self.sign * size)
        dt = end - self.t  # as the clock takes it: rounding must not add up where time is large against the step
        to_the_end = lands & (knot > self.stops.shape[1])
        ties = Ties(self.knot, torch.where(lands, knot, -1))
        step = self._step(end, dt, lands, ties, target)
        error = self._error(step)
        order = task.solver.error_order or task.solver.order
        verdict = task.controller.judge_rows(error, self.memory, order=order, dt=dt.abs())
        at_floor = torch.minimum(size, dt.abs()) <= floor
        forced = at_floor if task.limits.force else torch.zeros_like(at_floor)
        accept = (verdict.accept | forced) & error.isfinite()
        self.attempts += 1
        self.march.steps[self.rows] += 1
        self.march.accepted[self.rows] += accept
        smaller = ~at_floor if task.controller.adaptive else torch.zeros_like(at_floor)
        look = None if self.watch is None else self.watch.look(step, accept, dt, smaller=smaller)
        stay = accept if look is None else look.stay
        index = None if bool(stay.all()) else stay.nonzero().squeeze(1)
        self.march.evaluations[self.rows] += task.term.calls - calls
        calls = task.term.calls
        part, derived = self.graph and index is not None, self.carry is None
        if part and index is not None and len(index):
            step = self._again(index, dt, ties, target)
        fired = None if look is None else look.fired
        self._advance(step, accept=stay, index=index, end=end, dt=dt, ties=ties, limit=target, fired=fired)
        self.march.evaluations[self.rows[index] if part else self.rows] += task.term.calls - calls
        self.memory = verdict.memory
        if task.controller.adaptive:
            factor = torch.as_tensor(verdict.factor)
            kept = torch.where(lands & accept, size, 0.0)
            self.size = torch.maximum(dt.abs() * factor, kept)
        self.knot = torch.where(stay & lands, knot, self.knot)
        self.origin = torch.where(stay & lands, end, self.origin)
        jumped = lands & self._is_jump(end)
        self.after_jump = torch.where(stay, jumped, self.after_jump)
        self.fresh = torch.where(stay, jumped, self.fresh)
        self.stale = torch.where(stay, jumped, part and derived)
        codes = torch.where(stay & to_the_end, int(Status.SUCCESS), int(Status.RUNNING))
        if self.watch is not None and look is not None and not bool(stay.equal(accept)):
            codes = codes + self._land(self.watch, look, limit=target, dt=dt)
        self._settle(accept, error, at_floor=at_floor, codes=codes)

    def _land(self, watch: EventWatch, look: Look, *, limit: Tensor, dt: Tensor) -> Tensor:
        """Let rows land on their events; return a `Status` for each active row that ends there, else 0."""
        calls = self.task.term.calls
        codes, lost = watch.land(look, limit=limit)
        self.march.evaluations[self.rows[look.index]] += self.task.term.calls - calls
        if bool(lost.any()):
            self.march.accepted[self.rows] -= lost.to(torch.int64)
            self.size = torch.where(lost, dt.abs() / 2, self.size)
        return codes

    def _step(self, end: Tensor, dt: Tensor, lands: Tensor, ties: Ties, limit: Tensor) -> Any:
        """Return the attempted step of the active rows."""
        task = self.task
        begin = self._begin()
        finish = torch.where(lands & self._is_jump(end), beside_rows(end, self.t, self.term.time_dtype), end)
        self.field_times = begin, finish
        if self.clock is not None:
            begin, finish, dt = self.clock.step(ties, begin, finish, dt, rows=None if self.all_active else self.rows)
        sums = TensorSums(self.y, self.term.time_dtype)
        self.carry = self.begun = self._begun(begin)
        demand = task.demand(derivatives=self.derivatives, limit=limit, origin=self.origin)
        step = task.solver.step(self.term, begin, finish, self.y, self.carry, dt=dt, sums=sums, demand=demand)
        if task.solver.adaptive:
            step.complete()
        return step

    def _again(self, index: Tensor, dt: Tensor, ties: Ties, limit: Tensor) -> Any:
        """Take the step again on the accepted rows alone, so that no gradient passes through a rejected one."""
        begin, finish = (value[index] for value in self.field_times)
        return self._step_of(index, begin, finish, dt[index], limit, ties=Ties(*(mask[index] for mask in ties)))

    def part_step(self, index: Tensor, end: Tensor, limit: Tensor, *, shift: Tensor | None = None) -> Any:
        """Take a step of some active rows that ends at times of their own, `shift` later."""
        begin, ties = self.field_times[0][index], Ties(self.knot[index], torch.full_like(index, -1))
        return self._step_of(index, begin, end, end - self.t[index], limit, ties=ties, shift=shift)

    def _step_of(
        self,
        index: Tensor,
        begin: Tensor,
        finish: Tensor,
        size: Tensor,
        limit: Tensor,
        *,
        ties: Ties,
        shift: Tensor | None = None,
    ) -> Any:
        task, y0 = self.task, self.y[index]
        if self.clock is not None:
            begin, finish, size = self.clock.step(ties, begin, finish, size, rows=self.rows[index])
        if shift is not None:
            finish, size = finish + shift, size + shift
        part = self.term.rows(index)
        sums = TensorSums(y0, self.term.time_dtype)
        demand = task.demand(derivatives=self.derivatives, limit=limit[index], origin=self.origin[index])
        return task.solver.step(part, begin, finish, y0, self._history(index), dt=size, sums=sums, demand=demand)

    def _begun(self, begin: Tensor) -> Carry:
        """Return what the step may begin with; after a jump nothing from before it."""
        solver = self.task.solver
        if self.carry is None or not solver.history:
            return None if bool(self.after_jump.any()) else self.carry
        if bool(self.stale.all()):
            return None
        if not bool(self.stale.any()):
            return self.carry
        anew = solver.start(self.term, self._column(begin), self.y)
        return tuple(_choose(self.stale, new, old) for new, old in zip(anew, self.carry, strict=False))

    def _history(self, index: Tensor | None) -> Carry:
        """Return the part that cannot be derived of what the attempt began with; None where there is none."""
        if self.begun is None or not self.task.solver.history:
            return None
        parts = self.begun[: self.task.solver.history]
        return parts if index is None else tuple(part[index] for part in parts)

    def _advance(
        self,
        step: Any,
        *,
        accept: Tensor,
        index: Tensor | None,
        end: Tensor,
        dt: Tensor,
        ties: Ties,
        limit: Tensor,
        fired: Fired | None,
    ) -> None:
        """Hand the accepted rows to the outputs and the record, and move them on; `index` is None where all are."""
        task = self.task
        part = self.graph and index is not None
        if index is None or len(index):
            slots = self.tell(RowStep(step, None if part else index, self.rows, accept, self.t, end, dt, fired))
            if task.keep:
                self._record(slots, index, dt, ties, limit)
        if index is None:
            self.y, self.carry = step.y1, step.carry
        elif part:
            if len(index):
                self.y = self.y.index_copy(0, index, step.y1)
            self.carry = self._merged(step, index)
        else:
            self.y = _choose(accept, step.y1, self.y)
            self.carry = self._chosen(step, accept) if len(index) else step.retry
        self.t = torch.where(accept, end, self.t)

    def tell(self, taken: RowStep) -> tuple:
        """Hand a step to the outputs; return what each kept of it."""
        times = None if self.clock is None else self.clock.times
        return tuple(output.after(taken, times) for output in self.task.outputs)

    def move(self, index: Tensor, end: Tensor, state: Tensor, *, when: Tensor, restart: bool) -> None:
        """Move some active rows past an event.

        Arguments:
            index: where they lie among the active rows.
            end: the time of the event.
            state: the state after it.
            when: its time as it moves where autograd records.
            restart: whether they go on, and begin anew with whatever the others carry.
        """
        self.t, self.y = self.t.index_copy(0, index, end), self.y.index_copy(0, index, state)
        self.knot, self.origin = (
            self.knot.index_fill(0, index, self.stops.shape[1] + 2),
            self.origin.index_copy(0, index, end),
        )
        self.after_jump = self.after_jump.index_copy(0, index, self._is_jump(end))
        self.fresh, self.stale = self.fresh.index_fill(0, index, True), self.stale.index_fill(0, index, True)
        if self.clock is not None and self.clock.event is not None:
            event = self.clock.event.index_copy(0, self.rows[index], when - when.detach())
            self.clock = self.clock._replace(event=event)
        if restart and self.carry is not None and not self.task.solver.history:
            fresh = self.task.solver.start(self.term.rows(index), self._column(when), state)
            parts = zip(self.carry, fresh, strict=False)
            self.carry = tuple(old.index_copy(0, index, new) for old, new in parts)

    def _chosen(self, step: Any, accept: Tensor) -> Carry:
        """Return what the accepted rows hand on and the others begin again with; what only some have is derived."""
        onward, again = step.carry, step.retry
        if onward is None or again is None:
            return None
        return tuple(_choose(accept, new, old) for new, old in zip(onward, again, strict=False))

    def _merged(self, step: Any, index: Tensor) -> Carry:
        """Return the history after a step of the accepted rows alone; the others keep theirs, or begin anew."""
        count = self.task.solver.history
        if not count:
            return None
        if not len(index):
            return self._history(None)
        parts = step.carry[:count]
        old = self._history(None) or tuple(part.new_zeros((len(self.rows), *part.shape[1:])) for part in parts)
        return tuple(was.index_copy(0, index, now) for was, now in zip(old, parts, strict=True))

    def _record(self, slots: tuple, index: Tensor | None, dt: Tensor, ties: Ties, limit: Tensor) -> None:
        """Keep what the transpose of the accepted rows' step needs."""
        begin, finish = self.field_times
        rows = None if index is None and self.all_active else self.rows
        parts: tuple = (begin, finish, dt, self.y, limit, self.origin, rows, *ties)
        if index is not None:
            parts = tuple(None if part is None else part[index] for part in parts)
        t0, t1, size, y0, limit, origin, rows, *masks = parts
        history, mixed = self.remembered(index)
        term, ties = self.task.term, Ties(*masks)
        record = StepRecord(term, t0, t1, size, y0, slots, ties, history, limit, origin, rows=rows, fresh=mixed)
        self.keep(record)

    def remembered(self, index: Tensor | None) -> tuple[Carry, Tensor | None]:
        """Return the history with which some rows began their step, or all, and which of them derived it instead."""
        fresh = self.fresh if index is None else self.fresh[index]
        history = None if bool(fresh.all()) else self._history(index)
        return history, fresh if history and bool(fresh.any()) else None

    def keep(self, record: StepRecord) -> None:
        """Add a step to the record, marked where some of its rows have had an event."""
        if self.watch is not None and self.watch.landed:
            record = record._replace(event=torch.zeros_like(record.dt))
        self.record.append(record)

    def _settle(self, accept: Tensor, error: Tensor, *, at_floor: Tensor, codes: Tensor) -> None:
        """Let the rows leave that are done, by their status in `codes`, or beyond help."""
        self.failures = torch.where(accept | error.isfinite(), 0, self.failures + 1)
        nonfinite = ~error.isfinite() & (at_floor | (self.failures >= _NONFINITE_ATTEMPTS))
        if not self.task.controller.adaptive:
            nonfinite = ~error.isfinite()
        stuck = ~accept & error.isfinite() & at_floor
        leaving = (codes > 0) | nonfinite | stuck
        if not bool(leaving.any()):
            return
        coarse = self.term.time_dtype != torch.float64 and self.task.limits.dt_min is None
        code = torch.where(stuck, int(Status.TIME_RESOLUTION if coarse else Status.DT_MIN), codes)
        code = torch.where(nonfinite, int(Status.NONFINITE), code)
        if self.unsolved is not None:
            code = torch.where(nonfinite & self.unsolved, int(Status.NEWTON_DIVERGED), code)
        failed = nonfinite | stuck
        self.march.component[self.rows] = torch.where(failed, self.worst, self.march.component[self.rows])
        self._leave(leaving, code)

    def _leave(self, leaving: Tensor, status: Tensor | Status) -> None:
        """Write the outcome of the rows in the mask, and go on without them."""
        if not bool(leaving.any()):
            return
        march, rows = self.march, self.rows[leaving]
        march.status[rows] = torch.as_tensor(status, device=rows.device).expand_as(leaving)[leaving].to(torch.int8)
        march.t_reached[rows] = self.t[leaving]
        march.final[rows] = self.y.detach()[leaving]
        kept = ~leaving
        index = kept.nonzero().squeeze(1)
        self.rows = self.rows[index]
        self.all_active = False
        self.t, self.y, self.sign = self.t[index], self.y[index], self.sign[index]
        self.failures, self.after_jump = self.failures[index], self.after_jump[index]
        self.knot, self.stops = self.knot[index], self.stops[index]
        self.fresh, self.stale, self.origin = self.fresh[index], self.stale[index], self.origin[index]
        self.carry = None if self.carry is None else tuple(part[index] for part in self.carry)
        if hasattr(self, "memory"):
            self.memory = tuple(part[index] for part in self.memory)
            self.size = self.size[index]
        for output in self.task.outputs:
            output.select(kept)
        if self.watch is not None:
            self.watch.select(index)
        if len(index):
            self.term = self.task.term.rows(self.rows)

    def _error(self, step: Any) -> Tensor:
        """Return the error norm of every active row; NaN where its new state is not finite or not solved for."""
        task = self.task
        with torch.no_grad():
            flat = step.y1.reshape(len(self.rows), -1)
            self.unsolved = None if step.failed is None else step.failed & flat.isfinite().all(1)
            if not task.solver.adaptive:
                self.worst = (~flat.isfinite()).int().argmax(1) if flat.shape[1] else torch.zeros_like(self.rows)
                good = flat.isfinite().all(1) if step.failed is None else flat.isfinite().all(1) & ~step.failed
                return torch.where(good, 0.0, torch.nan).double()
            tolerances = task.tolerances
            if not self.all_active:
                tolerances = tolerances.rows(self.rows, task.layout.rows)
            scale = tolerances.scale(step.y0, step.y1)
            scaled = tuple(error / scale for error in step.errors())
            size = scaled[0].abs().reshape(len(self.rows), -1)
            self.worst = (
                torch.where(size.isfinite(), size, torch.inf).argmax(1)
                if size.shape[1]
                else torch.zeros_like(self.rows)
            )
            norms = torch.as_tensor(task.solver.combine(tuple(task.measure(part) for part in scaled))).double()
            return norms if step.failed is None else torch.where(step.failed, torch.nan, norms)

    def _first_sizes(self) -> None:
        """Set each row's first step size: given, the controller's, or Hairer's."""
        task = self.task
        limits, calls = task.limits, task.term.calls
        recorded = self.graph and task.clock is not None
        begin = self._column(self._begin())
        slope = None if task.f0 is None else task.f0[self.rows]
        if slope is not None:
            self.carry = task.solver.start(self.term, begin, self.y, slope)
        if limits.dt0 is not None or not task.controller.adaptive:
            size = limits.dt0 if limits.dt0 is not None else task.controller.dt
            self.size = torch.full_like(self.t, size)
        else:
            if slope is None:
                with torch.set_grad_enabled(torch.is_grad_enabled() and not recorded):
                    slope = self.term.field(begin, self.y)
            if self.carry is None and not recorded:
                self.carry = task.solver.start(self.term, begin, self.y, slope)
            with torch.no_grad():
                y0, f0 = self.y.detach(), slope.detach()

                def advance(h: Tensor) -> Tensor:
                    dt = self.sign * h
                    column = dt.view(-1, *(1,) * (y0.dim() - 1)).to(y0.real.dtype)
                    return self.term.field(self._column(self.t + dt), y0 + column * f0)

                tolerances = task.tolerances
                if not self.all_active:
                    tolerances = tolerances.rows(self.rows, task.layout.rows)
                self.size = first_step(
                    advance,
                    y0,
                    f0,
                    tolerances=tolerances,
                    measure=task.measure,
                    order=task.solver.error_order,
                    longest=(task.t1[self.rows] - self.t).abs().clamp(max=limits.dt_max),
                    shared=False,
                )
        self.march.evaluations[self.rows] += task.term.calls - calls + (task.f0 is not None)

    def _target(self) -> tuple[Tensor, Tensor]:
        """Return each row's next forced stop, or its end, and which knot of the clock that is."""
        end = self.task.t1[self.rows]
        count = self.stops.shape[1]
        if count == 0:
            return end, torch.ones_like(self.rows)
        place = torch.searchsorted(self.stops, (self.t * self.sign)[:, None], right=True)
        stop = self.stops.gather(1, place.clamp(max=count - 1)).squeeze(1)
        place = place.squeeze(1)
        inside = (place < count) & stop.isfinite()
        return torch.where(inside, stop * self.sign, end), torch.where(inside, place + 1, count + 1)

    def _column(self, t: Tensor) -> Tensor:
        """Return one time per row as the field takes it, `(rows, 1, ...)`."""
        return t.to(self.term.time_dtype).view(-1, *(1,) * (self.y.dim() - 1))

    def _begin(self) -> Tensor:
        """Return where the field sees the next step begin: just beside a jump, never on it."""
        end = self.task.t1[self.rows]
        return torch.where(self.after_jump, beside_rows(self.t, end, self.term.time_dtype), self.t)

    def _is_jump(self, t: Tensor) -> Tensor:
        return torch.isin(t, self.jumps) if len(self.jumps) else torch.zeros_like(t, dtype=torch.bool)

    def _floor(self) -> Tensor:
        limit = self.task.limits.dt_min
        if limit is not None:
            return torch.full_like(self.t, limit)
        return 10 * row_resolution(self.t, self.term.time_dtype)

    def _unresolvable(self) -> Tensor:
        """Return the mask of active rows whose interval, or constant step, the field's time cannot resolve."""
        dtype, controller = self.term.time_dtype, self.task.controller
        end = self.task.t1[self.rows]
        finest = row_resolution(torch.maximum(self.t.abs(), end.abs()), dtype)
        length = (end - self.t).abs()
        coarse = torch.zeros_like(self.rows, dtype=torch.bool) if dtype == torch.float64 else length < 100 * finest
        if controller.adaptive:
            return coarse
        return coarse | (controller.dt < torch.minimum(10 * finest, length))


def _choose(accept: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """Return the rows of `new` that are accepted and those of `old` that are not."""
    return torch.where(accept.view(-1, *(1,) * (new.dim() - 1)), new, old)
