r"""The march of a black box: sample by sample, each from forced stop to forced stop, with a bound on everything.

A step that meets a value that is not finite is taken again from where it began, as a new solver with a first step a
tenth of the way to where the field was called; twenty such in a row, or one below the time's resolution, end the row.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ...core.extras import import_extra
from ...core.status import Status
from ...outputs.rows import RowStep, RowSteps
from ..eager.clock import beside, resolution
from ..task import March, Task
from .leg import Leg, Method, Stepper
from .right_hand_side import RightHandSide, StoppedError

__all__ = ["march_rows"]

_ATTEMPTS = 20  # that a row may fail, or be held below the time's resolution, one after the other
_SHORTER = 0.1


def march_rows(method: Method, task: Task) -> March:
    """March every row from its own `t0` to its own `t1`, one after the other.

    Arguments:
        method: the black box.
        task: what to do; times are float64 tensors `(rows,)`.
    """
    numpy = import_extra("numpy", extra="solvers", purpose=f"the engine {method.name!r}")
    count, device = task.layout.rows, task.y0.device
    zeros = torch.zeros(count, dtype=torch.int64, device=device)
    march = March(
        values=[],
        status=zeros.to(torch.int8),
        t_reached=task.t0.clone(),
        component=zeros - 1,
        steps=zeros.clone(),
        accepted=zeros.clone(),
        evaluations=zeros.clone(),
        final=task.y0.detach().clone(),
    )
    march.initial = tuple(output.start(task.t0, task.y0) for output in task.outputs)
    with torch.no_grad(), numpy.errstate(all="ignore"):
        for index in range(count):
            row = _Row(method, task, index)
            march.status[index] = int(row.run())
            march.t_reached[index], march.component[index] = row.t, row.component
            march.steps[index], march.accepted[index] = row.attempts, row.accepted
            march.evaluations[index] = row.function.calls
            march.final[index] = row.state(row.y)[0]
    march.values = [output.finish(task.y0) for output in task.outputs]
    return march


class _Row:
    """One row on its way."""

    def __init__(self, method: Method, task: Task, index: int) -> None:
        self.method, self.task, self.index = method, task, index
        self.rows = torch.arange(task.layout.rows, device=task.y0.device)
        self.accept = self.rows == index
        chosen = self.rows[index : index + 1]
        start = task.y0[chosen]
        term = task.term.rows(chosen)
        self.function = RightHandSide(term, start, task.limits)
        self.state = lambda values: self.function.state(torch.from_numpy(values))
        self.begin, self.end = float(task.t0[index]), float(task.t1[index])
        self.t, self.y = self.begin, self.function.real(start).numpy()
        tolerances = task.tolerances.rows(chosen, task.layout.rows)
        self.rtol, self.atol = (self._tolerance(part) for part in tolerances)
        self.wanted, self.upcoming = self._wanted(), 0
        self.attempts = self.accepted = self.failures = self.short = 0
        self.size = abs(self.end - self.begin)
        self.component = -1

    def run(self) -> Status:
        """March to the end; return how it ended."""
        if self.begin == self.end:
            return Status.SUCCESS
        finest = resolution(max(abs(self.begin), abs(self.end)), self.function.term.time_dtype)
        if self.function.term.time_dtype != torch.float64 and abs(self.end - self.begin) < 100 * finest:
            return Status.TIME_RESOLUTION
        first = self.task.limits.dt0
        stops = [stop for stop in self.task.stops[self.index].tolist() if not math.isnan(stop)]
        for target in (*stops, self.end):
            failure = self._leg(target, first)
            if failure is not None:
                return failure
            first = None
        return Status.SUCCESS

    def _leg(self, target: float, first: float | None) -> Status | None:
        """March to the next forced stop; return why it could not be reached."""
        self.function.between(*self._shown(target))
        saves = self._saves(target)
        stepper: Stepper | None = None
        while self.t != target:
            if self.method.stepwise and self.attempts >= self.task.limits.max_steps:
                return Status.MAX_STEPS
            self.attempts += 1
            self.function.stopped = None
            try:
                if stepper is None:
                    stepper = self.method.begin(self._plan(target, first, saves))
                failure = stepper.step()
            except StoppedError:
                failure = None
            stopped = self.function.stopped or (None if failure else self._overflow(stepper))
            if stopped is not None:
                first, failure = self._shorter(stopped, target)
                stepper = None
            elif failure is None:
                assert stepper is not None
                failure = self._advance(stepper, target)
            if failure is not None:
                return failure
        return None

    def _advance(self, stepper: Stepper, target: float) -> Status | None:
        """Hand an accepted step to the outputs, and move on; return why the row cannot go on, where it cannot."""
        end = float(stepper.t)
        end = target if (end - target) * (target - self.t) >= 0 else end
        size = abs(end - self.t)
        floor = self._floor()
        self.short = self.short + 1 if size < floor * (1 - 1e-9) and end != target else 0
        if size == 0 or (self.method.stepwise and self.short > _ATTEMPTS):
            return self._stuck()
        if self._is_wanted(end):
            taken = _Taken(self, stepper, end).as_rows()
            for output in self.task.outputs:
                output.after(taken, None)
        self.accepted += 1
        self.failures = 0
        self.size = size
        self.t, self.y = end, stepper.y.copy()
        return None

    def _shorter(self, stopped: StoppedError, target: float) -> tuple[float | None, Status | None]:
        """Return a first step to try instead of one that met what is not finite, or how the row ends."""
        self.component = stopped.component
        at_start = stopped.t == self.t and bool((stopped.y == self.y).all())
        self.failures += 1
        if stopped.status != Status.NONFINITE or at_start or not self.method.stepwise or self.failures > _ATTEMPTS:
            return None, stopped.status
        tried = [abs(stopped.t - self.t), self.size, abs(target - self.t)]
        size = _SHORTER * min(size for size in tried if 0 < size < math.inf)
        if size < self._floor():
            return None, Status.NONFINITE
        self.size = size
        self.component = -1
        return size, None

    def _overflow(self, stepper: Stepper | None) -> StoppedError | None:
        """Return the error of a step that ends in a state that is not finite; the field need not have seen it."""
        if stepper is None:
            return None
        component = self.function.component(torch.from_numpy(stepper.y))
        if component < 0:
            return None
        return StoppedError(Status.NONFINITE, float(stepper.t), stepper.y, component)

    def _plan(self, target: float, first: float | None, saves: tuple[float, ...]) -> Leg:
        limits, length = self.task.limits, abs(target - self.t)
        return Leg(
            function=self.function,
            t0=self.t,
            t1=target,
            y0=self.y.copy(),
            rtol=self.rtol,
            atol=self.atol,
            first=None if first is None else min(first, length, limits.dt_max),
            least=limits.dt_min or 0.0,
            longest=limits.dt_max,
            saves=tuple(save for save in saves if abs(save - self.t) < length),
        )

    def _shown(self, target: float) -> tuple[float, float]:
        """Return the interval of the leg as the field sees it: beside a jump, never on it."""
        dtype, jumps = self.function.term.time_dtype, self.task.jumps
        begin = beside(self.t, target, dtype) if self.t in jumps else self.t
        return begin, beside(target, self.t, dtype) if target in jumps else target

    def _wanted(self) -> tuple[float, ...] | None:
        """Return the times at which the state is wanted; None where steps are."""
        main = self.task.outputs[0]
        if len(self.task.outputs) > 1 or isinstance(main, RowSteps):
            return None
        return tuple(dict.fromkeys(main.times[self.index, : int(main.counts[self.index])].tolist()))

    def _saves(self, target: float) -> tuple[float, ...]:
        """Return the times strictly inside the leg at which the state is wanted, where it is at times."""
        low, high = min(self.t, target), max(self.t, target)
        return tuple(time for time in self.wanted or () if low < time < high)

    def _is_wanted(self, end: float) -> bool:
        """Return whether an output wants anything of the step from here to `end`: most steps hold no save time."""
        if self.wanted is None:
            return True
        before = self.upcoming
        while self.upcoming < len(self.wanted) and (self.wanted[self.upcoming] - end) * (end - self.t) <= 0:
            self.upcoming += 1
        return self.upcoming > before

    def _floor(self) -> float:
        least = self.task.limits.dt_min
        return 10 * resolution(self.t, self.function.term.time_dtype) if least is None else least

    def _stuck(self) -> Status:
        coarse = self.function.term.time_dtype != torch.float64 and self.task.limits.dt_min is None
        return Status.TIME_RESOLUTION if coarse else Status.DT_MIN

    def _tolerance(self, value: float | Tensor) -> Any:
        """Return the row's tolerance: a number where it is the same for every component, else an array `(n,)`."""
        if not isinstance(value, Tensor):
            return value
        flat = value.expand(self.function.like.shape).reshape(-1).to("cpu", torch.float64)
        if bool((flat == flat[0]).all()):
            return float(flat[0])
        return (flat.repeat_interleave(2) if self.function.like.is_complex() else flat).numpy()


class _Taken:
    """An accepted step as the outputs look at it: of one row, at position 0."""

    def __init__(self, row: _Row, stepper: Stepper, end: float) -> None:
        self.row, self.stepper = row, stepper
        self.t0, self.t1, self.dt = row.t, end, end - row.t
        self.y1 = row.state(stepper.y.copy())

    def as_rows(self) -> RowStep:
        """Return the step as that of a batch of which one row was accepted."""
        row = self.row
        t0, t1, dt = (torch.full_like(row.task.t0, time) for time in (self.t0, self.t1, self.dt))
        return RowStep(self, None, row.rows, row.accept, t0, t1, dt)

    def scattered(self, thetas: Tensor, positions: Tensor) -> Tensor:
        """Return the states at places of the step, one for each of `thetas`."""
        return self.row.state(self._values(thetas.tolist()).numpy())[:, 0]

    def coefficients(self) -> Tensor:
        r"""Return the interpolant as a polynomial in :math:`\theta`, `(degree + 1, 1, ...)`.

        It is found from its values at Chebyshev's points. The matrix of their powers is ill-conditioned, but
        elimination leaves a small residual, so that the polynomial has the values it was made from.
        """
        degree = self.row.method.degree
        assert degree is not None
        places = torch.arange(degree + 1, dtype=torch.float64)
        nodes = (1 - torch.cos(math.pi * places / degree)) / 2
        values = self._values(nodes.tolist())
        powers = nodes[1:, None] ** places[1:]
        raised = torch.linalg.solve(powers, values[1:] - values[0])
        return self.row.state(torch.cat([values[:1], raised]).numpy())

    def _values(self, thetas: list[float]) -> Tensor:
        """Return the solver's own interpolant; NaN where it cannot be made, since the field is not finite there."""
        low, high = min(self.t0, self.t1), max(self.t0, self.t1)
        times = [min(max(self.t0 + theta * self.dt, low), high) for theta in thetas]
        try:
            return torch.as_tensor(self.stepper.values(times))
        except StoppedError:
            return torch.full((len(times), len(self.stepper.y)), math.nan, dtype=torch.float64)
