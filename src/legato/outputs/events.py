r"""The times of events and the states there, in order, per row.

An event inside a step lies at the root :math:`\theta^*` of :math:`g(t_0 + \theta\,\Delta t, y(\theta))` along the
step's polynomial, and moves with whatever moves the step:

.. math::
    d\theta^* = -\frac{\partial g}{G'(\theta^*)}, \qquad G'(\theta) = \frac{d}{d\theta}\, g(t_0 + \theta\,\Delta t,
    y(\theta)),

where :math:`\partial g` is the change of :math:`g` at the fixed :math:`\theta^*`. An event that ends its step is the
step's own end.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..core.errors import GradientError
from ..terms import EventRule
from .rows import RowSlots, RowStep, RowTimes

__all__ = ["EventStates", "EventTimes", "moved_root"]


class EventTimes(RowTimes):
    """Keep the times of events, `(most events, rows)`, float64.

    Arguments:
        rules: the events.
        rows: the number of rows.
        device: where the result lives.
    """

    def __init__(self, rules: Sequence[EventRule], rows: int, device: torch.device) -> None:
        self.rules = tuple(rules)
        self._next = torch.zeros(rows, dtype=torch.int64, device=device)
        self._parts, self._slots = [], []
        self._length = 0

    def with_copies(self, copies: Mapping[int, Tensor]) -> EventTimes:
        """Return the output with other tensors in the arguments of its event functions, by their ids."""
        other = copy.copy(self)
        other.rules = tuple(rule.each(lambda term: term.with_copies(copies)) for rule in self.rules)
        return other

    def start(self, t0: Tensor, y0: Tensor) -> None:
        """Keep nothing: an event needs a step."""

    def select(self, kept: Tensor) -> None:
        """Follow the active rows."""
        self._next = self._next[kept]

    def after(self, taken: RowStep, times: Tensor | None = None) -> RowSlots | None:
        """Keep what happened within the accepted steps."""
        fired = taken.fired
        if fired is None or not len(fired.rows):
            return None
        first = torch.searchsorted(fired.rows, fired.rows)
        places = self._next[fired.rows] + torch.arange(len(first), device=first.device) - first
        self._next = self._next.index_add(0, fired.rows, torch.ones_like(fired.rows))
        self._length = max(self._length, int(places.max()) + 1)
        slots = RowSlots(
            places,
            taken.rows[fired.rows],
            (taken.accept.cumsum(0) - 1)[fired.rows],
            fired.thetas,
            fired.ends,
            fired.events,
        )
        self._keep(self.emit(taken.step, slots, None, index=taken.chosen), slots)
        return slots

    def emit(self, step: Any, slots: Any, times: Tensor | None, *, index: Tensor | None = None) -> Tensor:
        """Return the times of the events, which move with the step."""
        positions = slots.positions if index is None else index[slots.positions]
        thetas = self._thetas(step, slots, positions)
        inside = step.t0[positions] + thetas * step.dt[positions]
        return torch.where(slots.ends, step.t1[positions], inside)

    def finish(self, y0: Tensor) -> Tensor:
        """Return the table, NaN after a row's last event."""
        return self._assemble(self._length, torch.zeros(len(y0), dtype=torch.float64, device=y0.device))

    def which(self, rows: int) -> Tensor:
        """Return the index of each event, `(most events, rows)`, -1 after a row's last."""
        table = torch.full((self._length, rows), -1, dtype=torch.int64, device=self._next.device)
        for slots in self._slots:
            assert slots.events is not None
            table[slots.places, slots.rows] = slots.events
        return table

    def _thetas(self, step: Any, slots: Any, positions: Tensor) -> Tensor:
        """Return where in their steps the events lie, moving with the steps where autograd records."""
        thetas: Tensor = slots.thetas
        booleans = [event for event, rule in enumerate(self.rules) if rule.term.boolean]
        fixed = slots.ends | torch.isin(slots.events, torch.tensor(booleans, device=thetas.device))
        if not torch.is_grad_enabled() or bool(fixed.all()):
            return thetas

        def level(theta: Tensor) -> Tensor:
            states = step.scattered(theta, positions)
            when = (step.t0[positions] + theta * step.dt[positions]).view(-1, *(1,) * (states.dim() - 1))
            value = torch.zeros_like(theta)
            for event in sorted(set(slots.events[~fixed].tolist())):
                chosen = (slots.events == event).nonzero().squeeze(1)
                term = self.rules[event].term.rows(slots.rows[chosen])
                part = term.field(when[chosen].to(term.time_dtype), states[chosen]).double()
                value = value.index_copy(0, chosen, part)
            return value

        return thetas + moved_root(level, thetas, like=step.y0[positions], fixed=fixed)


class EventStates(EventTimes):
    """Keep the states at events, `(most events, rows, ...)`; at an event with a jump, the state before it."""

    def emit(self, step: Any, slots: Any, times: Tensor | None, *, index: Tensor | None = None) -> Tensor:
        """Return the states at the events, which move with the step."""
        positions = slots.positions if index is None else index[slots.positions]
        ends: Tensor = step.y1[positions]
        if bool(slots.ends.all()):
            return ends
        inside = step.scattered(self._thetas(step, slots, positions), positions)
        return torch.where(slots.ends.view(-1, *(1,) * (ends.dim() - 1)), ends, inside)

    def finish(self, y0: Tensor) -> Tensor:
        """Return the table, NaN after a row's last event."""
        return self._assemble(self._length, y0)


def moved_root(level: Callable[[Tensor], Tensor], root: Tensor, *, like: Tensor, fixed: Tensor | None = None) -> Tensor:
    r"""Return zeros that move as the roots of a function do, by the implicit function theorem.

    Two of Newton's steps from the root, with the residual there taken for zero, have its first and second derivative.

    Arguments:
        level: maps points `(n,)` to values `(n,)`, each entry for itself.
        root: where it is zero.
        like: states `(n, ...)` that belong to the points.
        fixed: points that do not move.

    Raises:
        GradientError: in the backward pass, where a root that is asked for is no simple one: the function touches zero.
    """
    # Zeros made of the states, not a leaf: the reverse sweep refuses leaves that it does not know.
    shift = (like.real.reshape(len(like), -1) * 0).sum(1).double()
    if not shift.requires_grad:
        shift = shift.clone().requires_grad_()
    held = torch.zeros_like(root, dtype=torch.bool) if fixed is None else fixed
    for _ in range(2):
        value = level(root + shift)
        if not value.requires_grad:
            return torch.zeros_like(root)
        found = torch.autograd.grad(value.sum(), shift, create_graph=True, allow_unused=True)[0]
        slope = torch.zeros_like(shift) if found is None else found
        flat = slope == 0
        change = (value - value.detach()) / torch.where(flat, torch.ones_like(slope), slope)
        change = torch.where(held, torch.zeros_like(change), change)
        shift = shift - (_Simple.apply(change, flat & ~held) if bool((flat & ~held).any()) else change)
    return shift


class _Simple(torch.autograd.Function):
    """The identity, whose backward pass refuses the entries in a mask."""

    @staticmethod
    def forward(value: Tensor, flat: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor, None]:
        (flat,) = ctx.saved_tensors
        if bool(((cotangent != 0) & flat).any()):
            raise GradientError(
                "an event function touches zero without crossing it, so the time of the event has no derivative; drop "
                "the event's time and what follows it from the loss, or make the function cross"
            )
        return cotangent, None
