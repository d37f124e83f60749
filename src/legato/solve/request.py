"""The checked arguments of a solve, and the tasks they make."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..core.errors import InputError
from ..core.norms import Tolerances, make_measure
from ..core.packing import Layout
from ..engines import Clock, Task
from ..outputs import DenseSteps, EventStates, EventTimes, EveryStep, RowDense, RowSteps, RowTimes, SaveTimes
from ..terms import EventRule, ODETerm, ReadingTerm, check_rule
from .choices import Method
from .stops import Stops, row_stops, shared_stops
from .times import TimePlan

__all__ = ["Request"]


class Request:
    """The checked arguments of one solve, and the tasks they make."""

    def __init__(
        self,
        *,
        term: ODETerm,
        layout: Layout,
        plan: TimePlan,
        method: Method,
        tolerances: Tolerances,
        norm: Any,
        save: Any,
        save_every: int,
        dense: bool,
        clip: bool,
        events: tuple[EventRule, ...],
        max_events: int,
    ) -> None:
        self.term, self.layout, self.plan = term, layout, plan
        self.method, self.tolerances, self.norm = method, tolerances, norm
        self.save, self.save_every, self.dense, self.clip = save, save_every, dense, clip
        self.reading = _reading(save, term) if callable(save) else None
        self.events, self.max_events = events, max_events
        self.field = term.function
        self.functions = [term.function for rule in events for term in (rule.term, rule.jump) if term is not None]
        self.jumps = [rule.jump.function for rule in events if rule.jump is not None]
        self.independent = False

    def shared_task(self, y0: Tensor) -> Task:
        """Return the task in which all samples take the same steps."""
        plan = self.plan
        t0, t1 = float(plan.t0.detach()), float(plan.t1.detach())
        main: Any = SaveTimes(plan.save, landed=self.clip, reading=self.reading)
        if self.save == "steps":
            main = EveryStep(self.save_every, t1)
        stops = shared_stops(self.method, plan, land=self.clip)
        return Task(
            term=self.term,
            measure=make_measure(self.norm, self.layout),
            layout=self.layout,
            y0=y0,
            t0=t0,
            t1=t1,
            outputs=(main, DenseSteps()) if self.dense else (main,),
            stops=stops.places,
            clock=self._clock(plan, stops),
            **self._common(),
        )

    def rows_task(self, y0: Tensor) -> Task:
        """Return the task in which every sample marches for itself; the state gets one leading axis of samples."""
        rows = self.layout.rows
        if self.norm != "rows" and rows != 1:
            raise InputError("under independent steps every sample has its own error norm; only norm='rows' fits")
        self.independent = True
        measure = self._row_measure(y0.shape)
        plan = self.plan.expanded(rows)
        batch_dims = self.layout.batch_dims
        inner = self.layout
        if batch_dims != 1:
            inner = self.layout._replace(batch_shape=torch.Size((rows,)))
            y0 = y0.reshape(rows, *y0.shape[batch_dims:])
            self.tolerances = self.tolerances.reshaped(y0.shape)
            self.term = self.term.seen_as_rows(inner, batch_dims)
            self.reading = None if self.reading is None else self.reading.seen_as_rows(inner, batch_dims)
            self.events = tuple(rule.each(lambda term: term.seen_as_rows(inner, batch_dims)) for rule in self.events)
        t0, t1 = plan.t0.detach().contiguous(), plan.t1.detach().contiguous()
        self.events = tuple(check_rule(rule, t0, t1, y0.detach()) for rule in self.events)
        sign = torch.where(t1 >= t0, 1.0, -1.0).to(torch.float64)
        assert plan.counts is not None
        main: Any = RowTimes(plan.save, plan.counts, sign, landed=self.clip, reading=self.reading, span=plan.span)
        if self.save == "steps":
            main = RowSteps(rows, y0.device, every=self.save_every, ends=t1)
        stops = row_stops(self.method, plan, land=self.clip)
        return Task(
            term=self.term,
            measure=measure,
            layout=inner,
            y0=y0,
            t0=t0,
            t1=t1,
            outputs=(main, *self._row_outputs(rows, y0.device)),
            stops=stops.places,
            clock=self._clock(plan, stops),
            **self._common(),
        )

    def _row_outputs(self, rows: int, device: torch.device) -> list[Any]:
        """Return what is kept besides the main values: the dense solution, then the events."""
        outputs: list[Any] = [RowSteps(rows, device), RowDense(rows, device)] if self.dense else []
        if self.events:
            outputs += [EventTimes(self.events, rows, device), EventStates(self.events, rows, device)]
        return outputs

    def _row_measure(self, shape: torch.Size) -> Callable[[Tensor], Tensor]:
        """Return the norms of rows, or for a single sample the norm that was asked for."""
        if self.norm == "rows":
            return make_measure("rows", self.layout._replace(batch_shape=torch.Size((self.layout.rows,))))
        single = make_measure(self.norm, self.layout)
        return lambda scaled: single(scaled.reshape(shape)).reshape(1)

    def _common(self) -> dict[str, Any]:
        method = self.method
        return {
            "solver": method.solver,
            "controller": method.controller,
            "limits": method.limits,
            "jumps": frozenset(method.jumps),
            "tolerances": self.tolerances,
            "events": self.events,
            "max_events": self.max_events,
        }

    def _clock(self, plan: TimePlan, stops: Stops) -> Clock | None:
        """Return the times as tensors, where a gradient with respect to any of them is wanted."""
        lands = any(rule.stopping for rule in self.events) and torch.is_grad_enabled()
        if self.method.moving is None and not plan.gradient and not lands:
            return None
        return Clock(plan.t0, plan.t1, plan.save, stops.knots)


def _reading(function: Any, term: ODETerm) -> ReadingTerm:
    """Return what is read off the states, with the arguments of the field."""
    return ReadingTerm(
        function,
        term.layout,
        args=term.args,
        args_batched=term.args_batched,
        compute_dtype=term.compute_dtype,
        time_dtype=term.time_dtype,
        device=term.device,
    )
