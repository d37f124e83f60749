"""The eager march with one step size for the whole batch.

Time, step size and verdict are Python numbers, so that a step waits for the device once, for its error norm. A row that
fails is frozen with its status and leaves the norm and, where the field allows, the evaluation; the others go on.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ...core.status import Status
from ...solvers.demand import Carry
from ...solvers.sums import BufferSums, ChainSums, Sums, TensorSums
from ..first_step import first_step
from ..task import March, StepRecord, Task, Ties
from .budget import Budget
from .clock import beside, resolution
from .isolation import Ledger, find_offenders, without_rows

__all__ = ["SharedMarch"]

_LANDING = 1 - 1e-8
_NONFINITE_ATTEMPTS = 20


class SharedMarch:
    """The state of one march from `t0` to `t1`; every method is one thing that happens to it.

    Arguments:
        task: what to do.
        graph: whether autograd records the march (the `direct` gradient).
    """

    def __init__(self, task: Task, graph: bool) -> None:
        self.task = task
        self.term = task.term
        self.derivatives = 2 if graph else 0
        self.tensor_times = graph and task.clock is not None
        self.save_times = task.clock.times if graph and task.clock is not None else None
        self.sums = _make_sums(task, graph)
        self.sign = 1.0 if task.t1 >= task.t0 else -1.0
        self.t, self.y = task.t0, task.y0
        self.carry: Carry = None
        self.fresh = True  # whether a history in the carry was derived from the state
        self.ledger = Ledger(task.layout.rows, task.t0, task.y0.device)
        self.live: Tensor | None = None
        self.steps = self.accepted = self.failures = 0
        self.frozen_at = 0
        self.after_jump = task.t0 in task.jumps
        self.record: list[StepRecord] = []
        self.budget = Budget(task.limits)
        self.targets = [*task.stops, task.t1]
        self.knot = 0

    def begin(self) -> None:
        """Do what comes before the first attempt."""
        task = self.task
        begun = [output.start(task.t0, task.y0) for output in task.outputs]
        self.stores, self.initial = [store for store, _ in begun], tuple(slots for _, slots in begun)
        if task.t1 == task.t0 or not self._resolvable():
            self.knot = len(self.targets)
            return
        if task.f0 is not None:
            self.carry = task.solver.start(self.term, self._time(self._begin()), self.y, task.f0)
        self.size = self._first_size()
        self.memory = task.controller.start()

    @property
    def going(self) -> bool:
        """Whether any row is still on its way."""
        return self.knot < len(self.targets) and self._any_live()

    def advance(self) -> None:
        """Make one attempt, or close the rows if there is nothing left to spend on it."""
        spent = self.budget.spent(steps=self.steps - self.frozen_at, evaluations=self.term.calls)
        if spent is not None:
            self._close(self.ledger.live, spent)
        elif self._attempt(self.targets[self.knot]):
            self.knot += 1

    def finish(self) -> March:
        """Return what the march produced."""
        task = self.task
        self._close(self.ledger.live, Status.SUCCESS)
        ledger = self.ledger
        return March(
            values=[output.finish(store, task.y0) for output, store in zip(task.outputs, self.stores, strict=True)],
            status=ledger.status,
            t_reached=ledger.t_reached,
            component=ledger.component,
            steps=ledger.steps,
            accepted=ledger.accepted,
            evaluations=ledger.evaluations,
            final=self.y.detach(),
            live=self.live,
            record=self.record,
            initial=self.initial,
        )

    def _attempt(self, target: float) -> bool:
        """Try one step towards `target`; return whether it was reached."""
        task = self.task
        floor = self._floor()
        size = min(max(self.size, floor) if task.controller.adaptive else self.size, task.limits.dt_max)
        remaining = target - self.t
        lands = size >= abs(remaining) * _LANDING
        end = target if lands else self.t + self.sign * size
        dt = end - self.t  # as the clock takes it: rounding must not add up where time is large against the step
        t0, t1 = self._field_times(end, lands)
        ties = Ties(self.knot, self.knot + 1 if lands else -1)
        begin, finish, span = self._as_tensors(t0, t1, dt, ties)
        origin = (task.t0, *task.stops)[self.knot]
        demand = task.demand(derivatives=self.derivatives, limit=target, origin=origin)
        carry = self.carry
        step = task.solver.step(self.term, begin, finish, self.y, carry, dt=span, sums=self.sums, demand=demand)
        self.steps += 1
        if self.task.solver.adaptive:
            step.complete()
        error = self._error(step)
        order = task.solver.error_order or task.solver.order
        verdict = task.controller.judge(error, self.memory, order=order, dt=abs(dt))
        self.memory = verdict.memory
        forced = task.limits.force and size <= floor * (1 + 1e-9) and math.isfinite(error)
        if not ((verdict.accept and math.isfinite(error)) or forced):
            self.carry = step.retry
            self._refuse(step, error, factor=verdict.factor, size=abs(dt), at_floor=min(size, abs(dt)) <= floor)
            return False
        slots = tuple(
            output.after(step, store, t0=self.t, t1=end, live=self.live, times=self.save_times)
            for output, store in zip(task.outputs, self.stores, strict=True)
        )
        if task.keep:
            history = None if carry is None or self.fresh else carry[: task.solver.history]
            self.record.append(
                StepRecord(self.term, t0, t1, dt, self.y, slots, ties, history, target, origin, self.live)
            )
        self.accepted += 1
        self.failures = 0
        self.t, self.y, self.carry, self.fresh = end, step.y1, step.carry, False
        if task.controller.adaptive:
            self.size = max(abs(dt) * verdict.factor, size if lands else 0.0)
        self.after_jump = lands and target in task.jumps
        if self.after_jump:
            self.carry, self.fresh = None, True
        return lands

    def _refuse(self, step: Any, error: float, *, factor: float, size: float, at_floor: bool) -> None:
        """Shrink the step, or freeze the rows that cannot be helped by a smaller one."""
        task = self.task
        self.failures += 1
        hopeless = at_floor or not task.controller.adaptive
        if not (hopeless or (not math.isfinite(error) and self.failures >= _NONFINITE_ATTEMPTS)):
            if self.failures == 1:
                self.size_before = size
            self.size = size * factor
            return
        coarse = self.term.time_dtype != torch.float64 and task.limits.dt_min is None
        with torch.no_grad():
            found = find_offenders(
                step,
                self._scaled(step)[0],
                live=self.ledger.live,
                batch_dims=task.layout.batch_dims,
                at_floor=Status.TIME_RESOLUTION if coarse else Status.DT_MIN,
            )
        rows = self.ledger.live if found is None else found.rows
        stuck = Status.TIME_RESOLUTION if coarse else Status.DT_MIN
        status = found.status if found is not None else stuck if math.isfinite(error) else Status.NONFINITE
        if found is not None:
            self.ledger.component[rows] = found.component[rows]
        self._close(rows, status)
        self._freeze()
        if task.controller.adaptive:
            self.size = self.size_before if self.failures > 1 else size
        self.failures = 0

    def _freeze(self) -> None:
        """Go on with the rows that are left: the others keep their initial state and derivative zero."""
        task, live = self.task, self.ledger.live
        self.frozen_at = self.steps  # the attempts that a failing row took are not counted against the others
        if not live.any():
            return
        shape = (*task.layout.batch_shape, *(1,) * (task.y0.dim() - task.layout.batch_dims))
        self.live = live.view(shape)
        self.y = torch.where(self.live, self.y, task.y0.detach())
        time = torch.tensor(self.t, dtype=self.term.time_dtype, device=self.y.device)
        self.term = without_rows(task.term, live, t=time, y=self.y, batch_dims=task.layout.batch_dims)
        self.carry = self._lasting(self._time(self._begin()))

    def _lasting(self, time: Tensor) -> Carry:
        """Return the history of the rows that are left, and for the others one that stands still."""
        count = self.task.solver.history
        if not count or self.fresh or self.carry is None or self.live is None:
            return None
        live = self.live
        still = self.task.solver.start(self.term, time, self.y)
        pairs = zip(self.carry[:count], still[:count], strict=True)
        return tuple(torch.where(live, was, new) if was.dim() else was for was, new in pairs)

    def _error(self, step: Any) -> float:
        """Return the error norm: the one moment at which the march waits for the device."""
        with torch.no_grad():
            scaled = self._scaled(step)
            if not self.task.solver.adaptive:
                solved = scaled[0].isfinite().all()
                if step.failed is not None:
                    solved = solved & ~(step.failed & self.ledger.live).any()
                return 0.0 if bool(solved) else math.nan
            norms = self.task.solver.combine(tuple(self.task.measure(error) for error in scaled))
            if step.failed is not None:
                norms = torch.where(step.failed & self.ledger.live, torch.inf, norms)
            if norms.dim() and self.live is not None:
                norms = norms[self.ledger.live]
            return float(norms.amax() if norms.dim() else norms)

    def _scaled(self, step: Any) -> tuple[Tensor, ...]:
        """Return the error estimates in units of the tolerance; the end state for a method without an estimate."""
        if not self.task.solver.adaptive:
            return (step.y1,)
        scale = self.task.tolerances.scale(step.y0, step.y1)
        return tuple(error / scale for error in step.errors())

    def _first_size(self) -> float:
        """Return the first step size: given, the controller's, or Hairer's."""
        task = self.task
        if task.limits.dt0 is not None:
            return task.limits.dt0
        if not task.controller.adaptive:
            return float(task.controller.dt)
        longest = min(abs(task.t1 - task.t0), task.limits.dt_max)
        begin = self._time(self._begin())
        slope = task.f0
        if slope is None:
            with torch.set_grad_enabled(torch.is_grad_enabled() and not self.tensor_times):
                slope = self.term.field(begin, self.y)
        if self.carry is None and not self.tensor_times:
            self.carry = task.solver.start(self.term, begin, self.y, slope)
        with torch.no_grad():
            y0, f0 = self.y.detach(), slope.detach()

            def advance(h: Tensor) -> Tensor:
                dt = self.sign * float(h)
                return self.term.field(self._time(task.t0 + dt), torch.add(y0, f0, alpha=dt))

            size = first_step(
                advance,
                y0,
                f0,
                tolerances=task.tolerances,
                measure=task.measure,
                order=task.solver.error_order,
                longest=torch.tensor(longest, dtype=torch.float64, device=y0.device),
                shared=True,
            )
            return float(size)

    def _field_times(self, end: float, lands: bool) -> tuple[float, float]:
        """Return the step's ends as the field sees them: just beside a jump, never on it."""
        if lands and end in self.task.jumps:
            end = beside(end, self.task.t0, self.term.time_dtype)
        return self._begin(), end

    def _begin(self) -> float:
        return beside(self.t, self.task.t1, self.term.time_dtype) if self.after_jump else self.t

    def _as_tensors(self, t0: float, t1: float, dt: float, ties: Ties) -> tuple[Any, Any, Any]:
        """Return the step's times as tensors of the clock where autograd wants them, else as they are."""
        clock = self.task.clock
        if not self.tensor_times or clock is None:
            return t0, t1, dt
        return clock.step(ties, t0, t1, dt)

    def _floor(self) -> float:
        limit = self.task.limits.dt_min
        return 10 * resolution(self.t, self.term.time_dtype) if limit is None else limit

    def _resolvable(self) -> bool:
        """Whether the field's time resolves the interval and constant steps; closes every row if not."""
        task = self.task
        dtype = self.term.time_dtype
        finest = resolution(max(abs(task.t0), abs(task.t1)), dtype)
        length = abs(task.t1 - task.t0)
        constant = length if task.controller.adaptive else float(task.controller.dt)
        if constant >= min(10 * finest, length) and (dtype == torch.float64 or length >= 100 * finest):
            return True
        self._close(self.ledger.live, Status.TIME_RESOLUTION)
        return False

    def _time(self, t: float) -> Tensor:
        return torch.tensor(t, dtype=self.term.time_dtype, device=self.y.device)

    def _any_live(self) -> bool:
        return self.ledger.whole or bool(self.ledger.live.any())

    def _close(self, rows: Tensor, status: Status) -> None:
        self.ledger.close(rows, status, t=self.t, steps=self.steps, accepted=self.accepted, evaluations=self.term.calls)


def _make_sums(task: Task, graph: bool) -> Sums:
    time_dtype = task.term.time_dtype
    if not graph and task.y0.is_contiguous():
        return BufferSums(task.solver.slopes, task.y0, time_dtype)
    if graph and task.clock is not None:
        return TensorSums(task.y0, time_dtype)
    return ChainSums(time_dtype, task.y0.device)
