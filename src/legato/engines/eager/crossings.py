r"""Where event functions change their sign within steps.

Along a step's polynomial each function :math:`G(\theta) = g(t_0 + \theta\,\Delta t, y(\theta))` is sampled, with its
slope, at :math:`\theta = 0, \tfrac18, \dots, 1`. Two neighbours of unlike sign hold a root. Two neighbours of like sign
between which :math:`|G|` falls first and rises last hold a least value, which is looked for where the tangents meet
beyond zero; if zero is passed there, they hold two roots. So what can be missed are two crossings within an eighth of a
step between which :math:`G` has more than one extremum, or turns away from its tangents.

A zero at the start of a step is left behind: the sign there is that of the slope along the solution.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...core.bracketing import bracketed_roots
from ...core.errors import InputError
from ...outputs import Fired
from ...terms import EventRule
from .clock import row_resolution

__all__ = ["PARTS", "Crossings", "crossings", "evaluate"]

PARTS = 8
"""In how many parts a step is looked at."""
_NARROWINGS = 60
_NARROWEST = 1e-7


class Crossings(NamedTuple):
    """What was found in a step.

    Attributes:
        fired: the crossings.
        ends: the event functions at its end, `(rows, events)`.
        until: where each function's first sample lies that is NaN, `(rows, events)`; infinity where there is none.
    """

    fired: Fired
    ends: Tensor
    until: Tensor


class _Along(NamedTuple):
    """The event functions along the steps of some rows.

    Attributes:
        step: the steps.
        places: where the rows lie in the step.
        rows: which rows of the whole batch they are.
        t0, dt: where their steps begin, and the signed sizes.
        rules: the events.
    """

    step: Any
    places: Tensor
    rows: Tensor
    t0: Tensor
    dt: Tensor
    rules: Sequence[EventRule]

    def states(self, thetas: Tensor, of: Tensor) -> Tensor:
        """Return the states at `thetas[m]` of row `of[m]`."""
        found: Tensor = self.step.scattered(thetas, self.places[of])
        return found

    def values(self, event: int, thetas: Tensor, of: Tensor, states: Tensor) -> Tensor:
        """Return an event function at `thetas[m]` of row `of[m]`, whose states are given; it may be NaN."""
        times = self.t0[of] + thetas * self.dt[of]
        return evaluate(self.rules[event], event, times, states, self.rows[of], check=False)

    def mixed(self, events: Tensor, thetas: Tensor, of: Tensor) -> Tensor:
        """Return event `events[m]` at `thetas[m]` of row `of[m]`."""
        states = self.states(thetas, of)
        found = torch.zeros_like(thetas)
        for event in range(len(self.rules)):
            chosen = (events == event).nonzero().squeeze(1)
            if len(chosen):
                times = self.t0[of[chosen]] + thetas[chosen] * self.dt[of[chosen]]
                found[chosen] = evaluate(self.rules[event], event, times, states[chosen], self.rows[of[chosen]])
        return found


class _Brackets(NamedTuple):
    """Pairs of points: the rows, the events, the ends, the values there and, for candidates, the slopes."""

    rows: Tensor
    events: Tensor
    a: Tensor
    b: Tensor
    fa: Tensor
    fb: Tensor
    sign: Tensor

    def where(self, mask: Tensor) -> _Brackets:
        return _Brackets(*(part[mask] for part in self))


def evaluate(rule: EventRule, event: int, times: Tensor, states: Tensor, rows: Tensor, *, check: bool = True) -> Tensor:
    """Return an event function, float64, at a time and a state for each of some rows of the whole batch.

    Raises:
        InputError: a value is NaN, under `check`.
    """
    term = rule.term.rows(rows)
    column = times.to(term.time_dtype).view(-1, *(1,) * (states.dim() - 1))
    value = term.field(column, states).double()
    if check and bool(value.isnan().any()):
        place = int(value.isnan().int().argmax())
        raise InputError(
            f"event {event} returned NaN for sample {int(rows[place])} at t = {float(times[place]):.6g}: its function "
            "must be a number wherever the solution goes"
        )
    return value


def crossings(
    step: Any, places: Tensor, *, rows: Tensor, t0: Tensor, dt: Tensor, rules: Sequence[EventRule], starts: Tensor
) -> Crossings:
    """Return the crossings within the steps of some rows, in order, by their places among these rows.

    Arguments:
        step: the steps, ready for interpolation.
        places: where the rows lie in the step.
        rows: which rows of the whole batch they are.
        t0, dt: where their steps begin and the signed sizes, float64.
        rules: the events.
        starts: the event functions at `t0`, `(rows, events)`; zero for one that is left behind.
    """
    along = _Along(step, places, rows, t0, dt, rules)
    grid, ahead = _samples(step.y0.real.dtype, t0.device)
    inner = torch.cat([grid[1:-1], ahead])
    of = torch.arange(len(rows), device=rows.device)
    repeated = of.repeat(len(inner))
    states = along.states(inner.repeat_interleave(len(of)), repeated)
    states = torch.cat([states, step.y1[places]])
    thetas = torch.cat([inner, grid[-1:]]).repeat_interleave(len(of))
    repeated = of.repeat(len(inner) + 1)
    brackets, ends, until = [], [], []
    for event, rule in enumerate(rules):
        found = along.values(event, thetas, repeated, states).view(-1, len(of))
        values = torch.cat([starts[None, :, event], found[: PARTS - 1], found[-1:]])
        aside = found[PARTS - 1 : -1]
        ends.append(values[-1])
        until.append(torch.where(values.isnan(), grid[:, None], torch.inf).amin(0))
        signs = values.sign()
        if bool((signs[0] == 0).any()):
            signs[0] = torch.where(signs[0] == 0, _departure(along, event, aside[0]), signs[0])
        brackets += _brackets(along, event, rule, grid, values=values, aside=aside, signs=signs)
    return Crossings(_rooted(along, brackets), torch.stack(ends, dim=1), torch.stack(until, dim=1))


def _samples(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the samples, and points beside them for the slopes: after each, but before the last."""
    grid = torch.linspace(0, 1, PARTS + 1, dtype=torch.float64, device=device)
    beside = torch.finfo(dtype).eps ** (1 / 3) / PARTS
    return grid, torch.cat([grid[:-1] + beside, grid[-1:] - beside])


def _departure(along: _Along, event: int, aside: Tensor) -> Tensor:
    """Return the sign with which a function leaves zero at the start: that of its derivative along the solution."""
    rule, step, count = along.rules[event], along.step, len(along.rows)
    if rule.term.boolean:
        return aside.sign()
    index = torch.arange(count, device=aside.device)
    velocity = step.coefficients()[1][along.places]
    y0 = step.y0[along.places]
    with torch.enable_grad():
        state, theta = y0.detach().clone().requires_grad_(), torch.zeros_like(along.t0).requires_grad_()
        value = along.values(event, theta, index, state)
        if not value.requires_grad:
            return aside.sign()
        by_state, by_theta = torch.autograd.grad(value.sum(), (state, theta), allow_unused=True)
    slope = torch.zeros_like(along.t0) if by_theta is None else by_theta
    if by_state is not None:
        product = by_state.conj() * velocity
        slope = slope + product.real.reshape(count, -1).sum(1)
    return torch.where(slope == 0, aside.sign(), slope.sign())


def _brackets(
    along: _Along, event: int, rule: EventRule, grid: Tensor, *, values: Tensor, aside: Tensor, signs: Tensor
) -> list[_Brackets]:
    """Return the pairs of neighbouring samples between which one event happens; `values` is `(samples, rows)`."""

    def between(mask: Tensor) -> _Brackets:
        part, row = mask.nonzero(as_tuple=True)
        which = torch.full_like(row, event)
        parts = (row, which, grid[part], grid[part + 1], values[part, row], values[part + 1, row], signs[part, row])
        return _Brackets(*parts)

    before, after = signs[:-1], signs[1:]
    known = ~(values[:-1].isnan() | values[1:].isnan())
    found = [_in_direction(between(known & (before != 0) & (before != after)), rule)]
    if rule.term.boolean:
        return found
    beside = aside - values
    beside[-1] = -beside[-1]
    low = (before != 0) & (before == after) & (beside[:-1] * before < 0) & (beside[1:] * before > 0)
    low[0] &= values[0] != 0  # a zero that is left behind is left the way of its sign
    if bool(low.any()):
        width = float(_samples(along.step.y0.real.dtype, grid.device)[1][0])
        part, row = low.nonzero(as_tuple=True)
        slopes = beside[part, row] / width, beside[part + 1, row] / width
        found += [_in_direction(pair, rule) for pair in _through(along, between(low), *slopes)]
    return found


def _in_direction(brackets: _Brackets, rule: EventRule) -> _Brackets:
    """Return the brackets whose crossing goes the way that the event asks for."""
    return brackets if rule.direction == 0 else brackets.where(brackets.sign == -rule.direction)


def _through(along: _Along, given: _Brackets, pa: Tensor, pb: Tensor) -> list[_Brackets]:
    """Return the two brackets of each pair of like sign between which the function passes zero twice.

    Arguments:
        along: the event functions.
        given: the pairs, between which `sign * G` has a least value.
        pa, pb: the slopes at their ends.
    """
    sign = given.sign
    a, b = given.a.clone(), given.b.clone()
    ua, ub, pa, pb = sign * given.fa, sign * given.fb, sign * pa, sign * pb
    at, low = torch.full_like(a, torch.nan), torch.full_like(a, torch.inf)
    for narrowing in range(_NARROWINGS):
        meet = (ub - ua - pb * (b - a)) / (pa - pb)
        beyond = ua + pa * meet <= 0.01 * torch.maximum(ua, ub)
        open_ = (low > 0) & beyond & (b - a > _NARROWEST)
        if not bool(open_.any()):
            break
        index = open_.nonzero().squeeze(1)
        left, right = a[index], b[index]
        width = right - left
        x = left + meet[index] if narrowing % 2 == 0 else (left + right) / 2
        x = torch.maximum(torch.minimum(x, right - 0.1 * width), left + 0.1 * width)
        near = x + 1e-3 * width
        both = along.mixed(given.events[index].repeat(2), torch.cat([x, near]), given.rows[index].repeat(2))
        here, there = (both.view(2, -1) * sign[index]).unbind()
        slope = (there - here) / (1e-3 * width)
        better = here < low[index]
        low[index], at[index] = torch.where(better, here, low[index]), torch.where(better, x, at[index])
        falling = slope < 0
        a[index], ua[index] = torch.where(falling, x, left), torch.where(falling, here, ua[index])
        b[index], ub[index] = torch.where(falling, right, x), torch.where(falling, ub[index], here)
        pa[index] = torch.where(falling, slope, pa[index])
        pb[index] = torch.where(falling, pb[index], slope.clamp(min=torch.finfo(slope.dtype).tiny))
    passed = low <= 0
    first = given._replace(b=at, fb=sign * low).where(passed)
    second = given._replace(a=at, fa=sign * low, sign=-sign).where(low < 0)
    return [first, second]


def _rooted(along: _Along, brackets: Sequence[_Brackets]) -> Fired:
    """Return where in the brackets the events happen, in the order of rows, times and events."""
    whole = _Brackets(*(torch.cat(parts) for parts in zip(*brackets, strict=True)))
    nothing = torch.zeros_like(whole.rows, dtype=torch.bool)
    if not len(whole.rows):
        return Fired(whole.rows, whole.a, whole.events, nothing)
    finest = row_resolution(torch.maximum(along.t0.abs(), (along.t0 + along.dt).abs()), torch.float64)
    tolerance = (0.5 * finest / along.dt.abs()).clamp(min=2.0**-53)[whole.rows]
    tiny = torch.finfo(torch.float64).tiny
    roots = bracketed_roots(
        lambda thetas: along.mixed(whole.events, thetas, whole.rows),
        whole.a,
        whole.b,
        fa=torch.where(whole.fa.sign() == whole.sign, whole.fa, whole.sign * tiny),
        fb=whole.fb,
        tolerance=tolerance,
    )
    order = torch.argsort(whole.events, stable=True)
    order = order[torch.argsort(roots[order], stable=True)]
    order = order[torch.argsort(whole.rows[order], stable=True)]
    return Fired(whole.rows[order], roots[order], whole.events[order], nothing)
