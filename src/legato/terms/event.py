r"""Event functions, :math:`g(t, y, \mathrm{args})`, one number a sample, on packed states; what follows an event."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..core.errors import InputError
from .ode import ODETerm

__all__ = ["EventRule", "EventTerm", "check_rule"]


class EventTerm(ODETerm):
    """The user's event function, seen as a function of a time and one packed tensor; booleans become 1 and -1.

    Attributes:
        boolean: whether the function returns booleans; None until it has been called.
        name: what messages call it.
    """

    boolean: bool | None = None
    name = "the event function"

    def _with(self, **changes: Any) -> EventTerm:
        term = super()._with(**changes)
        term.boolean, term.name = self.boolean, self.name
        return term

    def _evaluate(self, t: Tensor, y: Tensor, args: Any) -> Tensor:
        layout = self.layout
        given = y if y.dtype == layout.dtype else y.to(layout.dtype)
        state = given if layout.lone else layout.unpack(given)
        value = self.function(t, state) if args is None else self.function(t, state, args)
        if not isinstance(value, Tensor) or value.numel() != len(y) or value.is_complex():
            got = f"{value.dtype} of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise InputError(f"{self.name} returned {got}; expected a real number or a boolean per sample")
        value = value.reshape(len(y))
        self.boolean = value.dtype == torch.bool
        return torch.where(value, 1.0, -1.0).to(y.real.dtype) if self.boolean else value


class EventRule(NamedTuple):
    """An event as the engine sees it.

    Attributes:
        term: the event function.
        direction: 1 where only a rise through zero counts, -1 for a fall, 0 for both.
        jump: the term that gives the state after the event, or None.
        terminal: whether the event ends the row's solve.
    """

    term: EventTerm
    direction: int
    jump: ODETerm | None
    terminal: bool

    @property
    def stopping(self) -> bool:
        """Whether a step has to end at the event."""
        return self.terminal or self.jump is not None

    def each(self, change: Any) -> EventRule:
        """Return the rule with its terms changed by a function."""
        return self._replace(term=change(self.term), jump=None if self.jump is None else change(self.jump))


def check_rule(rule: EventRule, t0: Tensor, t1: Tensor, y0: Tensor) -> EventRule:
    """Return the rule with its terms in the form in which every row may have its own time.

    Each function is called with times `(rows, 1, ...)`, and compared on three rows with calls of its own, a batch of
    one with a 0-d time. Where it does not give the same, and for a state of several leaves, it is run under `vmap`.

    Arguments:
        rule: the event.
        t0, t1: each row's interval, float64 `(rows,)`; the times of the check lie inside.
        y0: the packed state.

    Raises:
        InputError: the function cannot be called, returns another shape, or mixes rows.
    """
    if not len(y0):
        return rule
    index = torch.arange(3, device=y0.device) % len(y0)
    place = torch.tensor((0.2613, 0.4871, 0.7384), dtype=torch.float64, device=y0.device)
    times = (t0[index] + place * (t1 - t0)[index]).to(rule.term.time_dtype)
    with torch.no_grad():
        checked = rule.each(lambda term: _checked(term, index, times, y0))
        start = t0.to(rule.term.time_dtype).view(-1, *(1,) * (y0.dim() - 1))
        checked.term.field(start, y0)
    if checked.term.boolean and rule.direction == 0:
        checked = checked._replace(direction=1)
    for term in (checked.term, checked.jump):
        if term is not None:
            term.counter.calls = 0
    return checked


def _checked(term: Any, index: Tensor, times: Tensor, y0: Tensor) -> Any:
    """Return a term, or the same under `vmap`, whichever gives rows of a batch the values they have alone."""
    name = getattr(term, "name", "the jump of an event")
    column = times.view(-1, *(1,) * (y0.dim() - 1))
    # Of states that are all alike a function that mixes them would make nothing else.
    states = y0[index] + 0.01 * (1 + y0[index].abs()) * torch.arange(len(index), device=y0.device).view_as(column)
    states = states.to(y0.dtype)
    if not _keeps_rows_apart(term, index, times, states, name):
        raise InputError(f"{name} gives a sample another value in the batch than alone; each must have its own")
    reason: Exception | str = ""
    for candidate in (term, term.vmapped()) if term.layout.lone else (term.vmapped(),):
        try:
            whole = candidate.rows(index).field(column, states)
            alone = _one_by_one(term, index, times, states)
        except (RuntimeError, ValueError, IndexError) as error:
            reason = error
            continue
        if _alike(whole, alone):
            return candidate
        reason = "a row of the batch has another value than the same row alone"
    raise InputError(f"{name} must give each sample its own value at its own time: {reason}")


def _keeps_rows_apart(term: Any, index: Tensor, times: Tensor, states: Tensor, name: str) -> bool:
    """Return whether rows have the values at one time that they have alone, where that can be asked.

    Raises:
        InputError: the function takes other arguments, or changes its state in place.
    """
    given = states.clone()
    try:
        whole = term.rows(index).field(times[0], given)
        alone = _one_by_one(term, index, times[:1].expand(len(index)), states)
    except TypeError as error:
        raise InputError(
            f"{name} is called as function({'t, y' if term.args is None else 't, y, args'}), which failed: {error}"
        ) from None
    except (RuntimeError, ValueError, IndexError):
        return True  # what cannot be called so says nothing
    if not torch.equal(given, states):
        raise InputError(f"{name} changed its state argument in place; work on a copy")
    return _alike(whole, alone)


def _one_by_one(term: Any, index: Tensor, times: Tensor, states: Tensor) -> Tensor:
    each = [slice(row, row + 1) for row in range(len(index))]
    return torch.cat([term.rows(index[row]).field(times[row].squeeze(0), states[row]) for row in each])


def _alike(whole: Tensor, alone: Tensor) -> bool:
    tolerance = 1e-3 if whole.dtype == torch.float32 else 1e-8
    return torch.allclose(whole, alone, rtol=tolerance, atol=tolerance, equal_nan=True)
