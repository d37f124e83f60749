r"""The exact transpose of the accepted steps, visited backwards.

A march is the composition of step maps :math:`y_{n+1} = \Phi(t_n, \Delta t_n, y_n, p)` and of the values kept on the
way. With :math:`\bar y_{n+1}` the cotangent of a step's end and :math:`\bar v_n` those of the values kept of it,

.. math::
    (\bar y_n, \bar p) \mathrel{+}= (\bar y_{n+1}, \bar v_n)\,
    \frac{\partial(\Phi, v_n)}{\partial(y_n, p)}(t_n, \Delta t_n, y_n),

one vector-Jacobian product a step, of a step computed again from its stored state. Where a method hands on a history,
that is a part of the state. The step sizes are frozen:
:math:`t_n = t_0 + \sum \Delta t`, and only the size of the step that lands on the end depends on the times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...core.errors import GradientError
from ...outputs import swapped_reading
from ...solvers.sums import ChainSums, TensorSums
from ..task import Clock, March, StepRecord, Task
from .events import moved_landing
from .swapped import Swapped

__all__ = ["Cotangents", "reverse"]

_ROUNDING = 100
"""How many roundings of the largest component a step may move by when it is computed again."""
_COARSE = 0.02
"""The part of a step that it may move by where no tolerance bounds the rounding inside the field."""


class Cotangents(NamedTuple):
    """What the reverse sweep returns: cotangents of `y0`, of each input, and of the clock's times."""

    y0: Tensor
    inputs: list[Tensor | None]
    clock: tuple[Tensor, Tensor, Tensor] | None


def reverse(
    task: Task,
    march: March,
    states: Sequence[Sequence[Tensor]],
    values: Sequence[Tensor | None],
    *,
    inputs: Sequence[Tensor],
    originals: Sequence[Tensor],
    state_cotangents: Sequence[Sequence[Tensor | None]] = (),
    create_graph: bool = False,
    check: Callable[[Sequence[Tensor], Sequence[Tensor]], None],
) -> Cotangents:
    """Return the cotangents of the initial state, the inputs and the times.

    Arguments:
        task: the task that was marched.
        march: its record.
        states: what each accepted step began with: the state, and the history that it could not derive.
        values: the cotangent of each output's value, or None.
        inputs: tensors that the field uses, each to get a cotangent.
        originals: the same as the field holds them; other objects where hooks on saved tensors gave `inputs`.
        state_cotangents: cotangents of `states` themselves (double backward), or empty.
        create_graph: whether the sweep is itself to be differentiated.
        check: raises if results depend on a tensor that is not among the known ones.
    """
    sweep = _Sweep(task, inputs, originals, create_graph=create_graph, check=check)
    sweep.begin(task.y0, march)
    for place in reversed(range(len(march.record))):
        record, (state, *history) = march.record[place], states[place]
        event = history.pop() if record.event is not None else None
        sweep.visit(record, state, history, values, event=event)
        sweep.came_from(record, state)
        sweep.add_to_states(record, state_cotangents[place] if state_cotangents else ())
    sweep.visit_start(march, values)
    return sweep.end()


class _Sweep:
    """The cotangents carried backwards."""

    def __init__(
        self,
        task: Task,
        inputs: Sequence[Tensor],
        originals: Sequence[Tensor],
        *,
        create_graph: bool,
        check: Callable[..., None],
    ) -> None:
        self.task, self.inputs, self.originals = task, list(inputs), list(originals)
        self.create_graph, self.check = create_graph, check
        self.sums: list[Tensor | None] = [None] * len(self.inputs)
        self.clock = None if task.clock is None else [torch.zeros_like(part) for part in task.clock[:4]]
        self.by_event = None  # the cotangent of the time at which each row's last event happened
        if task.clock is not None and any(rule.stopping for rule in task.events):
            self.by_event = torch.zeros_like(task.t0)

    def begin(self, like: Tensor, march: March) -> None:
        self.cotangent = torch.zeros_like(like)
        self.memory: list[Tensor | None] = [None] * self.task.solver.history
        self.moved = False
        self.expected, self.live = march.final, march.live
        self.worst = torch.zeros((), dtype=torch.float64, device=like.device)

    def add_to_states(self, record: StepRecord, parts: Sequence[Tensor | None]) -> None:
        """Add the cotangents of a stored state, its history and its last event, where they have one."""
        rows = record.rows
        if record.event is not None and parts:
            self._add_by_event(rows, parts[-1])
            parts = parts[:-1]
        for place, part in enumerate(parts):
            if part is None:
                continue
            self.moved = True
            if place == 0:
                self.cotangent = self.cotangent + part if rows is None else self.cotangent.index_add(0, rows, part)
            else:
                old = self._of_rows(place - 1, rows)
                self._put_memory(place - 1, rows, part if old is None else old + part, like=part)

    def visit(
        self,
        record: StepRecord,
        state: Tensor,
        history: Sequence[Tensor],
        values: Sequence[Tensor | None],
        *,
        event: Tensor | None,
    ) -> None:
        """Pass one step backwards."""
        task = self.task
        kept = [
            (output, slots, output.cotangent(value, slots))
            for output, slots, value in zip(task.outputs, record.slots, values, strict=True)
            if slots is not None and value is not None
        ]
        if not self.moved and not kept:
            return
        with torch.enable_grad():
            y0, inputs = self._sources(state)
            past = [self._own(part) if _moves(part) else part for part in history]
            times = self._times(record, event)
            copies = {id(old): new for old, new in zip(self.originals, inputs, strict=True) if old is not new}
            with Swapped(copies) if copies else nullcontext():
                step, after = self._taken(record, y0, past, times, copies)
                wanted = None if times is None else times.save
                results = [after, *(self._emit(output, step, slots, wanted, copies) for output, slots, _ in kept)]
                handed = self._handed_on(step, record.rows) if record.landed is None else []
        self._compare(record, y0, after)
        end = self.cotangent if record.rows is None else self.cotangent[record.rows]
        handed += self._handed_time(record, step)
        moving = [part for part in past if _moves(part)]
        sources = [y0, *moving, *inputs, *(() if times is None else times.leaves)]
        results += [value for value, _ in handed]
        self.check(results, [*sources, *step.made])
        if not any(result.requires_grad for result in results):
            return
        found = torch.autograd.grad(
            results,
            sources,
            [end, *(part for _, _, part in kept), *(part for _, part in handed)],
            allow_unused=True,
            create_graph=self.create_graph,
        )
        own = found[0] if found[0] is not None else torch.zeros_like(state)
        if event is not None and times is not None:
            self._add_by_event(record.rows, found[-1])
        self.cotangent = own if record.rows is None else self.cotangent.index_copy(0, record.rows, own)
        self.moved = True
        self._remember(record, past, found[1 : 1 + len(moving)])
        first, count = 1 + len(moving), len(self.inputs)
        self._accumulate(self.sums, found[first : first + count])
        if self.clock is not None:
            self._accumulate(self.clock, found[first + count : first + count + 4])

    def _handed_on(self, step: Any, rows: Tensor | None) -> list[tuple[Tensor, Tensor]]:
        """Return the parts of the history that the step hands on and that have a cotangent, with it."""
        wanted = [(place, self._of_rows(place, rows)) for place in range(len(self.memory))]
        if all(part is None for _, part in wanted):
            return []
        handed = [(step.carry[place], part) for place, part in wanted if part is not None]
        return [(value, part) for value, part in handed if value.requires_grad]

    def _handed_time(self, record: StepRecord, step: Any) -> list[tuple[Tensor, Tensor]]:
        """Return the time of the event on which the step lands, with its cotangent, which is thereby passed on."""
        if record.landed is None or self.by_event is None or record.rows is None:
            return []
        part = self.by_event[record.rows]
        self.by_event = self.by_event.index_fill(0, record.rows, 0.0)
        return [(step.t1, part)]

    def _add_by_event(self, rows: Tensor | None, part: Tensor | None) -> None:
        if part is not None and self.by_event is not None:
            self.moved = True
            self.by_event = self.by_event + part if rows is None else self.by_event.index_add(0, rows, part)

    @staticmethod
    def _emit(output: Any, step: Any, slots: Any, times: Tensor | None, copies: Mapping[int, Tensor]) -> Tensor:
        """Return what an output kept of the step, as a function of the copies."""
        keeper = output.with_copies(copies) if hasattr(output, "with_copies") else swapped_reading(output, copies)
        value: Tensor = keeper.emit(step, slots, times)
        return value

    def _remember(self, record: StepRecord, past: Sequence[Tensor], found: Sequence[Tensor | None]) -> None:
        """Go back to the cotangents of the history that the step began with; none where it derived its own."""
        parts = iter(found)
        for place in range(len(self.memory)):
            given = past[place] if past else None
            part = next(parts) if given is not None and _moves(given) else None
            if record.rows is None:
                self.memory[place] = part
            elif part is not None or self.memory[place] is not None:
                like: Any = given if given is not None else self._of_rows(place, record.rows)
                self._put_memory(place, record.rows, torch.zeros_like(like) if part is None else part, like=like)

    def _of_rows(self, place: int, rows: Tensor | None) -> Tensor | None:
        """Return the cotangent of a part of the history, of some rows or of all."""
        part = self.memory[place]
        return part if part is None or rows is None else part[rows]

    def _put_memory(self, place: int, rows: Tensor | None, part: Tensor, *, like: Any) -> None:
        if rows is None:
            self.memory[place] = part
            return
        whole = self.memory[place]
        if whole is None:
            whole = like.new_zeros((self.task.layout.rows, *like.shape[1:]))
        self.memory[place] = whole.index_copy(0, rows, part)

    def came_from(self, record: StepRecord, state: Tensor) -> None:
        """Go back to the state at which a step began: what the step before must have ended at."""
        state = state.detach()
        self.expected = state if record.rows is None else self.expected.index_copy(0, record.rows, state)
        self.live = record.live

    def visit_start(self, march: March, values: Sequence[Tensor | None]) -> None:
        """Add the cotangents of what was kept of the initial state."""
        for output, slots, value in zip(self.task.outputs, march.initial, values, strict=True):
            if slots is None or value is None:
                continue
            part = output.cotangent(value, slots)
            if getattr(output, "reading", None) is not None:
                self._read_at_start(output, slots, part)
            elif hasattr(slots, "rows"):
                self.cotangent = self.cotangent.index_add(0, slots.rows, part)
            else:
                self.cotangent = self.cotangent + part.sum(0)

    def _read_at_start(self, output: Any, slots: Any, part: Tensor) -> None:
        """Add the cotangents of what was read off the initial state."""
        with torch.enable_grad():
            y0, inputs = self._sources(self.task.y0)
            copies = {id(old): new for old, new in zip(self.originals, inputs, strict=True) if old is not new}
            clock = None if self.task.clock is None else self._copied(self.task.clock)
            with Swapped(copies) if copies else nullcontext():
                value = swapped_reading(output, copies).emit_start(y0, slots, None if clock is None else clock.times)
        sources = [y0, *inputs, *(() if clock is None else clock[:4])]
        self.check([value], sources)
        if not value.requires_grad:
            return
        found = torch.autograd.grad([value], sources, [part], allow_unused=True, create_graph=self.create_graph)
        if found[0] is not None:
            self.cotangent = self.cotangent + found[0]
        last = 1 + len(self.inputs)
        self._accumulate(self.sums, found[1:last])
        if self.clock is not None:
            self._accumulate(self.clock, found[last:])

    def _compare(self, record: StepRecord, y0: Tensor, y1: Tensor) -> None:
        """Note how far a step that was computed again ends from where it ended before, in units of its tolerance."""
        task, rows = self.task, record.rows
        with torch.no_grad():
            expected = self.expected if rows is None else self.expected[rows]
            tolerances = task.tolerances if rows is None else task.tolerances.rows(rows, task.layout.rows)
            allowed = tolerances.scale(y0, expected)
            largest = allowed.new_tensor(_ROUNDING * torch.finfo(allowed.dtype).eps) * expected.abs().amax()
            if not task.solver.adaptive or torch.is_autocast_enabled(y0.device.type):
                largest = largest + _COARSE * (expected - y0).abs().amax()
            gap = (y1 - expected).abs() / (allowed + largest)
            if self.live is not None:
                gap = torch.where(self.live, gap, 0.0)
            self.worst = torch.maximum(self.worst, gap.amax().double())

    def end(self) -> Cotangents:
        if not float(self.worst) <= 1:
            raise GradientError(
                "a step that was computed again for the gradient did not end where it had ended in the solve "
                f"({float(self.worst):.2g} tolerances away): something that the field uses has changed since, by "
                "assignment, in place, or by train() and eval(). Call backward before the change, pass what changes in "
                "args=, or use gradient='direct'"
            )
        return Cotangents(self.cotangent, self.sums, None if self.clock is None else tuple(self.clock))  # type: ignore[arg-type]

    def _sources(self, state: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the state and the inputs to differentiate by.

        A source behind which another source lies would be counted twice, by the sweep and by whoever made it. So every
        source that has a history, and every one where the sweep itself is differentiated, is a copy of its own.
        """
        if self.create_graph:
            return self._own(state), [tensor.view_as(tensor) for tensor in self.inputs]
        inputs = [tensor if tensor.is_leaf else tensor.detach().requires_grad_() for tensor in self.inputs]
        return self._own(state), inputs

    def _own(self, tensor: Tensor) -> Tensor:
        return tensor.view_as(tensor) if self.create_graph else tensor.detach().requires_grad_()

    def _taken(
        self,
        record: StepRecord,
        y0: Tensor,
        past: Sequence[Tensor],
        times: _Times | None,
        copies: Mapping[int, Tensor],
    ) -> tuple[Any, Tensor]:
        """Return the step, computed again, and the state that the next one begins with."""
        task, landed = self.task, record.landed
        term = record.term.with_copies(copies) if copies else record.term
        term = term.fresh() if record.rows is None else term.rows(record.rows)
        t0, t1, dt = (record.t0, record.t1, record.dt) if times is None else times.step
        demand = task.demand(derivatives=2 if self.create_graph else 1, limit=record.limit, origin=record.origin)

        def take(shift: Tensor | None = None) -> Any:
            tensors = isinstance(dt, Tensor)
            sums: Any = TensorSums(y0, term.time_dtype) if tensors else ChainSums(term.time_dtype, y0.device)
            carry: Any = tuple(past) if past else None
            if past and record.fresh is not None:
                begin = sums.times(t0, t1, dt, (0.0,))[0]
                carry = self._partly_fresh(record.fresh, past, task.solver.start(term, begin, y0))
            end, size = (t1, dt) if shift is None else (t1 + shift, dt + shift)
            return task.solver.step(term, t0, end, y0, carry, dt=size, sums=sums, demand=demand)

        if landed is None or record.rows is None:
            step = take()
            return step, step.y1
        rules = task.events
        if copies:
            rules = tuple(rule.each(lambda part: part.with_copies(copies)) for rule in rules)
        return moved_landing(landed, rules, record.rows, take, y0=y0)

    @staticmethod
    def _partly_fresh(fresh: Tensor, past: Sequence[Tensor], anew: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the history that a step began with, derived again for the rows that had none."""
        rows = [fresh.view(-1, *(1,) * (part.dim() - 1)) for part in past]
        return tuple(torch.where(*parts) for parts in zip(rows, anew, past, strict=False))

    def _times(self, record: StepRecord, event: Tensor | None) -> _Times | None:
        """Return the step's times as functions of fresh copies of the clock's, or None without a clock.

        Arguments:
            record: the step.
            event: zeros that move with the last event of each of its rows, or None.
        """
        task = self.task
        if task.clock is None:
            return None
        clock = self._copied(task.clock)
        leaves = list(clock[:4])
        if event is not None:
            leaves.append(self._copy(event))
            whole = torch.zeros_like(task.t0)
            last = leaves[-1] if record.rows is None else whole.index_copy(0, record.rows, leaves[-1])
            clock = clock._replace(event=last)
        step = clock.step(record.ties, record.t0, record.t1, record.dt, rows=record.rows)
        return _Times(step, clock.times, tuple(leaves))

    def _copied(self, clock: Clock) -> Clock:
        """Return a clock of fresh tensors to differentiate by."""
        return Clock(*(self._copy(part) for part in clock[:4]))

    def _copy(self, part: Tensor) -> Tensor:
        kept = self.create_graph and part.requires_grad
        return part.view_as(part) if kept else part.detach().requires_grad_()

    def _accumulate(self, sums: list[Any], parts: Sequence[Tensor | None]) -> None:
        for place, part in enumerate(parts):
            if part is None:
                continue
            total = sums[place]
            if total is None:
                sums[place] = part if self.create_graph else part.clone()
            elif self.create_graph:
                sums[place] = total + part
            else:
                total.add_(part)


def _moves(part: Tensor) -> bool:
    """Return whether a part of a history has derivatives; counts have none."""
    return part.is_floating_point() or part.is_complex()


class _Times(NamedTuple):
    step: tuple[Tensor, Tensor, Tensor]
    save: Tensor
    leaves: tuple[Tensor, ...]
