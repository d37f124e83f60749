r"""The discrete gradient: exact for the steps taken, with nothing kept but the accepted states.

The march runs without recording a graph and stores :math:`(t_n, \Delta t_n, y_n)` of its accepted steps; the engine's
`reverse` visits them backwards. The stored states are outputs of the autograd function themselves, so that a second
derivative finds its way through them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..engines.task import Clock, March, StepRecord, Task
from .capture import RefuseUnknown

__all__ = ["Inputs", "attach_discrete"]


class Inputs(NamedTuple):
    """The tensors a solve depends on: the initial state, those of its field, and its times where they are wanted."""

    y0: Tensor
    field: tuple[Tensor, ...]
    clock: Clock | None


def attach_discrete(engine: Any, task: Task, march: March, inputs: Inputs) -> list[Tensor]:
    """Return the march's values with their gradient attached.

    Arguments:
        engine: whose `reverse` will be called.
        task: the task, its times not yet as tensors.
        march: what the engine made of it, with its record.
        inputs: what to differentiate by.
    """
    held = _Held(engine, task, march, inputs.field)
    clock = () if inputs.clock is None else tuple(inputs.clock[:4])
    results = _Discrete.apply(held, inputs.y0, *inputs.field, *clock)
    return list(results[: held.count])


class _Held:
    """What the reverse sweep needs besides tensors; the states move into autograd's keeping.

    `originals` are the field's tensors themselves: under hooks on saved tensors autograd hands back others.
    """

    def __init__(self, engine: Any, task: Task, march: March, originals: tuple[Tensor, ...]) -> None:
        # `task.y0` is the first state, which becomes an output of the function: held as it is, it holds its own graph.
        self.engine, self.task, self.march = engine, replace(task, y0=task.y0.detach(), f0=None), march
        self.originals = originals
        self.values = march.values
        parts = [(record.y0, *(record.history or ()), *_event(record)) for record in march.record]
        # A slope that several steps remember is one tensor, and so one output of the function.
        own = {id(part): part for group in parts for part in group}
        self.states: list[Any] = list(own.values())
        order = {key: place for place, key in enumerate(own)}
        self.places = [[order[id(part)] for part in group] for group in parts]
        march.record = [
            record._replace(y0=None, history=None, event=None if record.event is None else True)
            for record in march.record
        ]
        march.values = []
        self.count = len(self.values)
        self.device_type = task.y0.device.type
        self.autocast = torch.is_autocast_enabled(self.device_type)
        self.autocast_dtype = torch.get_autocast_dtype(self.device_type)

    def grouped(self, parts: Sequence[Any]) -> list[Sequence[Any]]:
        """Return a list with an entry per stored tensor as one with a group of them per step."""
        return [[parts[place] for place in group] for group in self.places]

    def grouped_once(self, parts: Sequence[Any]) -> list[Sequence[Any]]:
        """Return the same with each entry in the first group that it belongs to, and None in the others."""
        seen: set[int] = set()
        groups: list[Sequence[Any]] = []
        for group in self.places:
            groups.append([None if place in seen else parts[place] for place in group])
            seen.update(group)
        return groups

    def release(self) -> tuple[list[Tensor], list[Tensor]]:
        """Hand over the values and the states."""
        values, states = self.values, self.states
        self.values, self.states = [], []
        return values, states


class _Discrete(torch.autograd.Function):
    """Values of a finished march, with the transpose of its steps as gradient."""

    @staticmethod
    def forward(held: _Held, *tensors: Tensor) -> tuple[Tensor, ...]:
        values, states = held.release()
        return (*values, *states)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple[Tensor, ...]) -> None:
        held = inputs[0]
        ctx.set_materialize_grads(False)
        ctx.held = held
        ctx.inputs = len(inputs) - 1
        ctx.save_for_backward(*inputs[1:], *output)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor | None) -> tuple[Any, ...]:
        held, saved = ctx.held, ctx.saved_tensors
        sources, outputs = saved[: ctx.inputs], saved[ctx.inputs :]
        last = 1 + len(held.originals)
        fields, clock = sources[1:last], sources[last:]
        values = [_drop_missing(part, value) for part, value in zip(cotangents, outputs[: held.count], strict=False)]
        task = replace(held.task, y0=sources[0], clock=Clock(*clock) if clock else None)
        with torch.autocast(held.device_type, dtype=held.autocast_dtype, enabled=held.autocast):
            found = held.engine.reverse(
                task,
                held.march,
                held.grouped(outputs[held.count :]),
                values,
                inputs=fields,
                originals=held.originals,
                state_cotangents=held.grouped_once(cotangents[held.count :]),
                create_graph=torch.is_grad_enabled(),
                check=RefuseUnknown(fields),
            )
        return (None, found.y0, *found.inputs, *(found.clock or ()))


def _event(record: StepRecord) -> tuple[Tensor, ...]:
    return () if record.event is None else (record.event,)


def _drop_missing(cotangent: Tensor | None, value: Tensor) -> Tensor | None:
    """Return a cotangent with zeros where the march did not come, before any arithmetic touches it."""
    if cotangent is None:
        return None
    return torch.where(value.isnan(), torch.zeros_like(cotangent), cotangent)
