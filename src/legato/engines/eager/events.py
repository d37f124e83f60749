r"""Events of rows that march each for itself: steps that end on them, jumps of the state, and their transpose.

A step in which an event has to be landed on is taken again, shorter, so that everything that is kept of it, its end
and its transpose, is that of a step like any other. Its size :math:`h` is the root of

.. math:: G(h) = g(t_0 + h, \Phi(t_0, h, y_0)),

not of :math:`g` on the longer step's polynomial, from where a secant starts. So the event function is zero to rounding
at the state that is returned, and the derivative of the event is that of the values: by the implicit function theorem
:math:`dh = -\partial G / G'(h)`, where :math:`\partial G` is the change at fixed :math:`h`. What follows the event, the
start of the next step and the state after a jump, moves with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...core.errors import InputError
from ...core.status import Status
from ...outputs import Fired, RowStep, moved_root
from ...terms import EventRule
from ..task import Landed, StepRecord, Ties
from .clock import row_resolution
from .crossings import crossings, evaluate

__all__ = ["EventWatch", "Look", "jumped", "moved_landing"]

_POLISHINGS = 4
_SAME_EVENT = 1e-4
"""How near its end a step's own event is not told from the event that ends it."""


@dataclass(frozen=True)
class Look:
    """What was found in an attempt; masks and indices are of the active rows.

    Attributes:
        stay: the accepted rows that end their step where they meant to.
        fired: the events of those.
        index: the rows that have to land on an event.
        events: on which.
        ends: at which time, on the attempted step's polynomial.
        unclear: the mask of rows whose event functions turn NaN before any event to land on.
    """

    stay: Tensor
    fired: Fired | None
    index: Tensor
    events: Tensor
    ends: Tensor
    unclear: Tensor


@dataclass(frozen=True)
class _Landing:
    """Rows that land on the same events: where they lie among the active rows, their ends, what happens on the way."""

    index: Tensor
    end: Tensor
    landed: Landed
    step: Any
    inner: Fired


class EventWatch:
    """What is known of the events of a march, with an entry per active row.

    Arguments:
        march: the march, whose rows it moves when they land.

    Attributes:
        count: how many events each row has had.
        fresh: which rows begin their step on an event.
        starts: the event functions where the rows begin their step, zero for one that is left behind.
        landed: whether any row has landed on an event so far.
    """

    def __init__(self, march: Any) -> None:
        task = march.task
        self.march, self.rules, self.most = march, task.events, task.max_events
        self.stopping = torch.tensor([rule.stopping for rule in self.rules], device=task.y0.device)
        self.count = torch.zeros_like(march.rows)
        self.fresh = torch.zeros_like(march.rows, dtype=torch.bool)
        self.landed = False
        with torch.no_grad():
            self.starts = self._values(task.t0, task.y0.detach(), march.rows)

    def select(self, index: Tensor) -> None:
        """Follow the active rows."""
        self.count, self.fresh, self.starts = self.count[index], self.fresh[index], self.starts[index]

    def look(self, step: Any, accept: Tensor, dt: Tensor, *, smaller: Tensor) -> Look | None:
        """Look into an attempt; None where no row was accepted.

        Arguments:
            step: the attempt.
            accept: the mask of accepted rows.
            dt: the signed sizes.
            smaller: the mask of rows that could take a smaller step.

        Raises:
            InputError: an event function turns NaN, and no smaller step shows an event before.
        """
        march = self.march
        places = accept.nonzero().squeeze(1)
        if not len(places):
            return None
        step.prepare()  # where autograd records, it records this
        with torch.no_grad():
            fired, ends, until = crossings(
                step,
                places,
                rows=march.rows[places],
                t0=march.t[places],
                dt=dt[places],
                rules=self.rules,
                starts=self.starts[places],
            )
        first_nan = until.amin(1)
        before = fired.thetas < first_nan[fired.rows]
        fired = Fired(places[fired.rows[before]], *(part[before] for part in fired[1:]))
        rank = torch.arange(len(fired.rows), device=places.device) - torch.searchsorted(fired.rows, fired.rows)
        stops = self.stopping[fired.events] | (rank >= self.most - self.count[fired.rows])
        halted = torch.zeros_like(accept)
        halted[fired.rows[stops]] = True
        unclear = torch.zeros_like(accept)
        unclear[places[first_nan.isfinite()]] = True
        unclear &= ~halted
        self._refuse_nan(until, unclear & ~smaller, places=places, dt=dt)
        going = ~(halted | unclear)[fired.rows]
        kept = Fired(*(part[going] for part in fired))
        self.count = self.count.index_add(0, kept.rows, torch.ones_like(kept.rows))
        stay = accept & ~halted & ~unclear
        self.starts = torch.where(stay[:, None], self.starts.index_copy(0, places, ends), self.starts)
        self.fresh = self.fresh & ~stay
        index, first = _first_of_each(fired.rows[stops])
        where = march.t[index] + fired.thetas[stops][first] * dt[index]
        return Look(stay, kept, index, fired.events[stops][first], where, unclear)

    def _refuse_nan(self, until: Tensor, refused: Tensor, *, places: Tensor, dt: Tensor) -> None:
        """Raise if an event function is NaN in the step of a row in a mask, where `until` says."""
        for row in refused[places].nonzero().squeeze(1)[:1].tolist():
            event, place = int(until[row].argmin()), int(places[row])
            when = self.march.t[place] + until[row, event] * dt[place]
            raise InputError(
                f"event {event} returned NaN for sample {int(self.march.rows[place])} at t = {float(when):.6g}: its "
                "function must be a number wherever the solution goes"
            )

    def land(self, look: Look, *, limit: Tensor) -> tuple[Tensor, Tensor]:
        """Let rows land on their events, and jump.

        Arguments:
            look: what was found in the attempt.
            limit: beyond which times the field must not be called.

        Returns:
            A `Status` for each active row that ends here, 0 for the others; and the mask of rows that could not land
            and have to try a smaller step.
        """
        march = self.march
        codes, lost = torch.zeros_like(march.rows), look.unclear.clone()
        index, events, ends = look.index, look.events, look.ends
        finest = row_resolution(torch.maximum(march.t[index].abs(), ends.abs()), torch.float64)
        still = (ends - march.t[index]).abs() <= 4 * finest
        stuck = still & self.fresh[index]
        codes[index[stuck]] = int(Status.MAX_EVENTS)
        ends = torch.where(still, march.t[index] + march.sign[index] * finest, ends)
        index, events, ends = index[~stuck], events[~stuck], ends[~stuck]
        for event in sorted(set(events.tolist())):
            chosen = events == event
            for landing in self._landings(index[chosen], ends[chosen], event, limit, lost):
                codes[landing.index] = self._take(landing, limit)
        return codes, lost

    def _landings(
        self, index: Tensor, end: Tensor, event: int, limit: Tensor, lost: Tensor, *, depth: int = 0
    ) -> list[_Landing]:
        """Return the landings of rows on an event, or on one that a step of its own finds before."""
        march = self.march
        with torch.no_grad():
            end = self._polished(index, end, event, limit)
            step = march.part_step(index, end, limit)
        good = step.y1.reshape(len(index), -1).isfinite().all(1)
        good = good if step.failed is None else good & ~step.failed
        if not bool(good.all()):
            lost[index[~good]] = True
            index, end = index[good], end[good]
            return self._landings(index, end, event, limit, lost, depth=depth) if len(index) else []
        step.prepare()
        dt = end - march.t[index]
        every = torch.arange(len(index), device=index.device)
        given = {"rows": march.rows[index], "t0": march.t[index], "dt": dt, "starts": self.starts[index]}
        with torch.no_grad():
            fired = crossings(step, every, rules=self.rules, **given).fired
        own = (fired.events == event) & (fired.thetas > 1 - _SAME_EVENT)
        fired = Fired(*(part[~own] for part in fired))
        finest = row_resolution(torch.maximum(march.t[index].abs(), end.abs()), torch.float64)
        last = (1 - fired.thetas) * dt.abs()[fired.rows] <= 8 * finest[fired.rows]
        if depth > len(self.rules):  # each is found before the other: they are as one
            last = last | self.stopping[fired.events]
        early = self.stopping[fired.events] & ~last
        if bool(early.any()):
            return self._reordered(index, end, event, limit, lost, fired=fired, early=early, dt=dt, depth=depth + 1)
        return self._grouped(index, end, event, limit, step=step, fired=fired._replace(ends=last))

    def _reordered(
        self,
        index: Tensor,
        end: Tensor,
        event: int,
        limit: Tensor,
        lost: Tensor,
        *,
        fired: Fired,
        early: Tensor,
        dt: Tensor,
        depth: int,
    ) -> list[_Landing]:
        """Return the landings where some rows meet another event before the one that they were to land on."""
        rows, first = _first_of_each(fired.rows[early])
        events, thetas = fired.events[early][first], fired.thetas[early][first]
        rest = torch.ones_like(index, dtype=torch.bool)
        rest[rows] = False
        landings = []
        if bool(rest.any()):
            landings += self._landings(index[rest], end[rest], event, limit, lost, depth=depth)
        for other in sorted(set(events.tolist())):
            chosen = rows[events == other]
            before = self.march.t[index[chosen]] + thetas[events == other] * dt[chosen]
            landings += self._landings(index[chosen], before, other, limit, lost, depth=depth)
        return landings

    def _grouped(
        self, index: Tensor, end: Tensor, event: int, limit: Tensor, *, step: Any, fired: Fired
    ) -> list[_Landing]:
        """Return the landings of rows on an event, by the other events that happen at the same time."""
        inner = Fired(*(part[~fired.ends] for part in fired))
        here = torch.zeros(len(index), len(self.rules) + 1, dtype=torch.bool, device=index.device)
        here[fired.rows[fired.ends], fired.events[fired.ends]] = True
        here[:, event] = True
        here[:, -1] = self._count(inner.rows, like=index) + self.count[index] >= self.most
        sets, which = torch.unique(here, dim=0, return_inverse=True)
        landings = []
        for place, members in enumerate(sets.tolist()):
            over = members.pop()
            events = () if over else tuple(other for other, present in enumerate(members) if present)
            ended = over or any(self.rules[other].terminal for other in events)
            landed = Landed(event, events, ended)
            chosen = (which == place).nonzero().squeeze(1)
            if len(chosen) < len(index):
                with torch.no_grad():
                    part = self.march.part_step(index[chosen], end[chosen], limit)
                mine = Fired(*(values[torch.isin(inner.rows, chosen)] for values in inner))
                mine = mine._replace(rows=torch.searchsorted(chosen, mine.rows))
                landings.append(_Landing(index[chosen], end[chosen], landed, part, mine))
            else:
                landings.append(_Landing(index, end, landed, step, inner))
        return landings

    def _polished(self, index: Tensor, end: Tensor, event: int, limit: Tensor) -> Tensor:
        """Return the times at which steps that end on an event find it zero, by a secant from where it was found."""
        march, rule = self.march, self.rules[event]
        if rule.term.boolean:
            return end
        t, rows = march.t[index], march.rows[index]
        finest = row_resolution(torch.maximum(t.abs(), end.abs()), torch.float64)

        def level(when: Tensor) -> Tensor:
            return evaluate(rule, event, when, march.part_step(index, when, limit).y1, rows)

        value = level(end)
        other = end - (end - t) * 1e-4
        slope = (value - level(other)) / (end - other)
        open_ = value != 0
        for _ in range(_POLISHINGS):
            moved = end - value / slope
            moved = torch.where((moved - limit[index]) * march.sign[index] > 0, limit[index], moved)
            sane = moved.isfinite() & ((moved - end).abs() < 0.5 * (end - t).abs())
            open_ = open_ & sane & ((moved - end).abs() > finest)
            if not bool(open_.any()):
                break
            moved = torch.where(open_, moved, end)
            found = level(moved)
            open_ = open_ & (found.abs() < value.abs())
            slope = torch.where(open_, (found - value) / (moved - end), slope)
            end, value = torch.where(open_, moved, end), torch.where(open_, found, value)
        return end

    def _take(self, landing: _Landing, limit: Tensor) -> Tensor:
        """Move rows to their event and past it; return a `Status` for each that ends here, else 0."""
        march, index, end, landed = self.march, landing.index, landing.end, landing.landed
        rows = march.rows[index]
        if march.graph:

            def take(shift: Tensor | None) -> Any:
                return march.part_step(index, end, limit, shift=shift)

            step, after = moved_landing(landed, self.rules, rows, take, y0=march.y[index])
        else:
            step = landing.step
            after = jumped(landed, self.rules, rows, step)
        over = not landed.events
        fired = self._fired(landing)
        self._tell(landing, step, fired, limit, ended=landed.ended and not over)
        self.count = self.count.index_add(0, fired.rows, torch.ones_like(fired.rows))
        if not landed.ended:
            with torch.no_grad():
                self._depart(landing, step.y1.detach(), after.detach())
        self.landed = True
        march.move(index, end, after, when=step.t1, restart=not landed.ended)
        if landed.ended:
            return torch.full_like(index, int(Status.MAX_EVENTS if over else Status.EVENT))
        return torch.where(end == march.task.t1[rows], int(Status.SUCCESS), int(Status.RUNNING))

    def _fired(self, landing: _Landing) -> Fired:
        """Return what happens in the step of rows that land, on the way and at its end, by places of active rows."""
        index, inner, events = landing.index, landing.inner, landing.landed.events
        rows = torch.cat([index[inner.rows], *(index for _ in events)])
        thetas = torch.cat([inner.thetas, inner.thetas.new_ones(len(index) * len(events))])
        which = torch.cat([inner.events, *(torch.full_like(index, event) for event in events)])
        ends = torch.cat([inner.ends, inner.ends.new_ones(len(index) * len(events))])
        order = torch.argsort(rows, stable=True)
        return Fired(rows[order], thetas[order], which[order], ends[order])

    def _tell(self, landing: _Landing, step: Any, fired: Fired, limit: Tensor, *, ended: bool) -> None:
        """Hand a step that lands to the outputs and the record."""
        march, task, index = self.march, self.march.task, landing.index
        accept = torch.zeros_like(march.rows, dtype=torch.bool)
        accept[index] = True
        end = march.t.index_copy(0, index, landing.end)
        taken = RowStep(
            step, None, march.rows, accept, march.t, end, end - march.t, fired, accept if ended else accept & False
        )
        slots = march.tell(taken)
        if task.keep:
            begin, ties = march.field_times[0][index], Ties(march.knot[index], torch.full_like(index, -1))
            size, (history, fresh) = landing.end - march.t[index], march.remembered(index)
            march.keep(
                StepRecord(
                    task.term,
                    begin,
                    landing.end,
                    size,
                    march.y[index],
                    slots,
                    ties,
                    history,
                    limit[index],
                    march.origin[index],
                    rows=march.rows[index],
                    fresh=fresh,
                    landed=landing.landed,
                )
            )

    def _depart(self, landing: _Landing, before: Tensor, after: Tensor) -> None:
        """Note the event functions with which rows go on; what has just happened and is still zero is left behind."""
        index, rows = landing.index, self.march.rows[landing.index]
        eps = torch.finfo(before.real.dtype).eps
        came, starts = (self._values(landing.end, states, rows) for states in (before, after))
        rounding = 8 * came.abs() + 64 * eps * self.starts[index].abs()
        for event in landing.landed.events:
            if not self.rules[event].term.boolean:
                left = starts[:, event].abs() <= rounding[:, event]
                starts[:, event] = torch.where(left, 0.0, starts[:, event])
        self.starts = self.starts.index_copy(0, index, starts)
        self.fresh = self.fresh.index_fill(0, index, True)

    def _values(self, t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        """Return every event function, `(rows, events)`."""
        return torch.stack([evaluate(rule, event, t, y, rows) for event, rule in enumerate(self.rules)], dim=1)

    @staticmethod
    def _count(rows: Tensor, *, like: Tensor) -> Tensor:
        return torch.zeros_like(like).index_add(0, rows, torch.ones_like(rows))


def moved_landing(
    landed: Landed, rules: Sequence[EventRule], rows: Tensor, take: Callable[[Tensor | None], Any], *, y0: Tensor
) -> tuple[Any, Tensor]:
    """Return a step that lands on an event and the state after it, both moving with the event.

    Arguments:
        landed: on what it lands.
        rules: the events.
        rows: which rows of the whole batch take the step.
        take: takes it, so much longer.
        y0: where it begins.
    """
    rule, shift = rules[landed.driver], None
    if not rule.term.boolean:

        def level(shift: Tensor) -> Tensor:
            step = take(shift)
            return evaluate(rule, landed.driver, step.t1, step.y1, rows)

        root = torch.zeros(len(rows), dtype=torch.float64, device=rows.device)
        shift = moved_root(level, root, like=y0)
    step = take(shift)
    return step, jumped(landed, rules, rows, step)


def jumped(landed: Landed, rules: Sequence[EventRule], rows: Tensor, step: Any) -> Tensor:
    """Return the state after the events at the end of a step: their jumps are applied in order."""
    state: Tensor = step.y1
    if landed.ended:
        return state
    for event in landed.events:
        jump = rules[event].jump
        if jump is not None:
            term = jump.rows(rows)
            state = term.field(step.t1.to(term.time_dtype).view(-1, *(1,) * (state.dim() - 1)), state)
    return state


def _first_of_each(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the numbers in a sorted tensor, once each, and where each of them comes first."""
    found = torch.unique_consecutive(rows)
    return found, torch.searchsorted(rows, found)
