r"""Events: times at which a function of the solution, :math:`g(t, y)`, passes zero."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..core.errors import InputError
from ..outputs import EventTimes
from ..solution import Events
from ..terms import EventRule, EventTerm, ODETerm
from ..terms.ode import Counter

__all__ = ["Event", "read_events", "told_events"]


@dataclass(frozen=True)
class Event:
    r"""Something that happens where a function of time and state passes zero, in each sample for itself.

    Arguments:
        function: `g(t, y)`, or `g(t, y, args)` where `args` is given to `solve`; called like the field, it returns one
            real number per sample, or one boolean. The event happens where the number passes zero, or where the boolean
            turns true.
        direction: 1 where only a rise through zero counts, seen along the march, -1 where only a fall, 0 for both.
            For a boolean 0 and 1 mean turning true, -1 turning false.
        terminal: whether the event ends the sample's solve; None means yes unless there is a `jump`.
        jump: `jump(t, y)`, or `jump(t, y, args)`, returns the state with which the sample goes on.

    Raises:
        InputError: a direction other than 1, 0 and -1, or a terminal event with a jump.

    Example:
        >>> import torch, legato
        >>> fall = lambda t, y: torch.stack([y[1], torch.tensor(-9.81)])
        >>> ground = legato.Event(lambda t, y: y[0], direction=-1)
        >>> solution = legato.solve(fall, torch.tensor([10.0, 0.0]), (0.0, 5.0), events=[ground])
        >>> round(solution.events.times[0].item(), 4)
        1.4278
    """

    function: Callable[..., Any]
    direction: int = 0
    terminal: bool | None = None
    jump: Callable[..., Any] | None = None

    def __post_init__(self) -> None:
        if not callable(self.function) or not (self.jump is None or callable(self.jump)):
            raise InputError("the function of an event, and its jump, are called as function(t, y); got no callable")
        if self.direction not in (-1, 0, 1):
            raise InputError(f"the direction of an event is 1 (rising), -1 (falling) or 0; got {self.direction!r}")
        if self.terminal and self.jump is not None:
            raise InputError(
                "a terminal event ends the sample's solve, so its jump would never count; give one of them"
            )

    @property
    def ends(self) -> bool:
        """Whether the event ends the sample's solve."""
        return self.jump is None if self.terminal is None else bool(self.terminal)


def read_events(events: Any, term: ODETerm, *, max_events: int) -> tuple[EventRule, ...]:
    """Return the events of a solve as the engine sees them.

    Arguments:
        events: an event, a function, or several of them.
        term: the field, whose arguments the events are given too.
        max_events: the greatest number of events of a sample.

    Raises:
        InputError: something that is no event, or a bound that is no whole number above zero.
    """
    if not isinstance(events, Sequence):
        events = (events,)
    if not (isinstance(max_events, int) and not isinstance(max_events, bool) and max_events >= 1):
        raise InputError(f"max_events is a whole number of at least 1, so that every solve ends; got {max_events!r}")
    rules = []
    for place, given in enumerate(events):
        event = given if isinstance(given, Event) else Event(given) if callable(given) else None
        if event is None:
            raise InputError(
                "events holds legato.Event objects, or functions g(t, y) at whose zeros a sample ends; entry "
                f"{place} is of type {type(given).__name__}"
            )
        settings: dict[str, Any] = {
            "args": term.args,
            "args_batched": term.args_batched,
            "compute_dtype": term.compute_dtype,
            "time_dtype": term.time_dtype,
            "device": term.device,
        }
        function = EventTerm(event.function, term.layout, counter=Counter(), **settings)
        function.name = f"event {place}"
        jump = None if event.jump is None else ODETerm(event.jump, term.layout, counter=Counter(), **settings)
        rules.append(EventRule(function, event.direction, jump, event.ends))
    return tuple(rules)


def told_events(
    times: EventTimes, values: Sequence[Tensor], states: Callable[[Tensor], Any], batch: torch.Size
) -> Events:
    """Return what the tables of a march say about its events.

    Arguments:
        times: the output that kept the times.
        values: the finished tables of times and states.
        states: makes the user's structure of states `(most events, rows, ...)`.
        batch: the axes of the samples.
    """
    when, where = values
    which = times.which(when.shape[1])
    mask = which >= 0
    shape = (len(when), *batch)
    return Events(
        count=mask.sum(0).view(batch),
        times=when.view(shape),
        states=states(where),
        index=which.view(shape),
        mask=mask.view(shape),
    )
