"""Running a task with its gradient: what the field uses is found, its contract checked, its transpose attached."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..core.errors import GradientError, InputError
from ..core.status import Status
from ..core.structure import flatten
from ..engines import Clock, March, Task, beside, beside_rows, is_black_box
from ..gradients import Captured, Inputs, Seen, attach_discrete, leaf_parameters, march_direct
from ..terms import ODETerm, check_alone, check_reading, check_rows, first_evaluation
from .request import Request

__all__ = ["Outcome", "run"]

_SEEN = Seen()
"""Fields that have been watched through a whole solve."""
_CHECKED = Seen()
"""Fields whose contract has been checked under the direct gradient, which watches nothing."""
_PURE = Seen()
"""Fields that have been found to give the same result twice."""


class Outcome(NamedTuple):
    """A march, its values with their gradient attached, the gradient's name, and evaluations spent on checks."""

    march: March
    values: list[Tensor]
    gradient: str
    checks: int


def run(task: Task, request: Request, *, gradient: str, engine: Any) -> Outcome:
    """Run a task and attach the gradient that was asked for, where anything wants one."""
    if task.y0.numel() == 0:
        return _empty(task, request)
    term, checks = _prepared_term(task, request, engine)
    ready = replace(task, term=term)
    checks += _examined(ready, request)
    if gradient == "direct" and torch.is_grad_enabled() and hasattr(engine, "reverse"):
        checks += _check_once(term, task, request)
        with torch.no_grad():
            _first_reading(ready, request)
        march = march_direct(engine, ready)
        outcome = Outcome(march, march.values, "direct", checks)
    else:
        outcome = _run_discrete(ready, request, pure=gradient == "discrete", engine=engine, checks=checks)
    if task.clock is not None and torch.is_grad_enabled() and request.save != "steps" and request.plan.gradient:
        _move_start(outcome.values, ready, request, task.clock)
    return outcome


def _move_start(values: list[Tensor], task: Task, request: Request, clock: Clock) -> None:
    """Let the values at save times that equal the start move with them: by `f(t0, y0)` a unit of time."""
    at_start = clock.times.detach() == clock.t0.detach()[..., None]
    moves = torch.where(at_start, clock.times - clock.t0[..., None], 0.0)
    if not bool((at_start.sum(-1) > 1).any() | (clock.t0 == clock.t1).any()):
        return
    if request.reading is not None:
        raise InputError(
            "where times carry a gradient, save= reads the state at the start once; leave out the times that equal it"
        )
    with torch.no_grad():
        slope = task.term.field(_start_time(task, request), task.y0.detach())
    if moves.dim() == 2:
        moves = moves.t()
    shaped = moves.view(*moves.shape, *(1,) * (slope.dim() - moves.dim() + 1)).to(slope.real.dtype)
    values[0] = values[0] + shaped * slope


def _run_discrete(task: Task, request: Request, *, pure: bool, engine: Any, checks: int) -> Outcome:
    """March without a graph, watching what the field uses, and attach the transpose where anything wants it."""
    field, grad, term = request.field, torch.is_grad_enabled(), task.term
    users = [field, *([request.save] if callable(request.save) else []), *request.functions]
    known = [tensor for user in users for tensor in (*leaf_parameters(user), *_SEEN.used(user))]
    known += _tensors_of(request.term.args)
    watch = Captured(known)
    whole = grad and any(user not in _SEEN for user in users)
    again = field not in _PURE
    bare = replace(task, y0=task.y0.detach(), clock=None)
    with torch.no_grad():
        with watch if grad else nullcontext():
            first, time, y0 = _first_call(bare, request, engine)
            f0 = first_evaluation(first, time, y0, pure=pure, again=again)
            _first_reading(bare, request)
        if again and pure and not first.copies:
            _PURE.add(field)
        if grad:
            _refuse_gradient(engine, task, [*known, *watch.tensors])
        by_times = _moving_times(task)
        wanted = task.y0.requires_grad or by_times or bool(known) or bool(watch.found) or whole
        ready = replace(bare, f0=f0 if first is term else None, keep=grad and wanted)
        term.counter.calls = 1
        with _watched(ready, watch) if whole else nullcontext(ready) as watched:
            march = engine.march(watched)
    for user in _called(request, users) if grad else ():
        _SEEN.add(user, watch.tensors)
    if grad:
        _refuse_gradient(engine, task, watch.tensors)
    found = {id(tensor): tensor for tensor in (*known, *watch.tensors) if tensor.requires_grad}
    inputs = Inputs(task.y0, tuple(found.values()), task.clock)
    if not (ready.keep and (found or task.y0.requires_grad or by_times)):
        march.record = []
        return Outcome(march, march.values, "none", checks + again)
    values = attach_discrete(engine, ready, march, inputs)
    return Outcome(march, values, "discrete", checks + again)


class _Watched:
    """A function of the user's, called under a mode for as long as there is one."""

    def __init__(self, function: Any, watch: Captured) -> None:
        self.function = function
        self.watch: Captured | None = watch

    def __call__(self, *given: Any) -> Any:
        with nullcontext() if self.watch is None else self.watch:
            return self.function(*given)


@contextmanager
def _watched(task: Task, watch: Captured) -> Iterator[Task]:
    """Give a task whose functions are watched while they are called, and nothing else, until the context ends."""
    made: list[_Watched] = []
    main = task.outputs[0]

    def change(term: Any) -> Any:
        made.append(_Watched(term.function, watch))
        return term.with_function(made[-1])

    if getattr(main, "reading", None) is not None:
        main.reading = change(main.reading)
    try:
        yield replace(task, term=change(task.term), events=tuple(rule.each(change) for rule in task.events))
    finally:
        for function in made:
            function.watch = None


def _moving_times(task: Task) -> bool:
    """Whether a gradient with respect to the times is wanted."""
    return task.clock is not None and any(part.requires_grad for part in task.clock[:4])


def _called(request: Request, functions: list[Any]) -> list[Any]:
    """Return those that were called: what a jump that never happened uses is not known yet."""
    terms = [rule.jump for rule in request.events if rule.jump is not None]
    idle = [function for function, term in zip(request.jumps, terms, strict=True) if not term.calls]
    return [each for each in functions if not any(each is other for other in idle)]


def _refuse_gradient(engine: Any, task: Task, used: list[Tensor]) -> None:
    """Refuse to solve without its gradient what asks for one, where the engine has none.

    Arguments:
        engine: what is to march.
        task: what to do; its state and times as tensors.
        used: what the field uses.
    """
    if hasattr(engine, "reverse"):
        return
    names = ["the initial state"] if task.y0.requires_grad else []
    names += ["the times"] if _moving_times(task) else []
    names += [f"a tensor of shape {tuple(each.shape)} that the field uses" for each in used if each.requires_grad][:1]
    if names:
        raise GradientError(
            f"{' and '.join(names)} requires a gradient, and the engine {engine.name!r} has none yet: gradients "
            "through external engines come in a later release. Use engine='eager' with gradient='discrete', or solve "
            "under torch.no_grad()"
        )


def _prepared_term(task: Task, request: Request, engine: Any) -> tuple[ODETerm, int]:
    """Return the term in the form its times need, and the evaluations spent on finding out."""
    term: ODETerm = request.term
    if not request.independent:
        return term, 0
    check = check_alone if is_black_box(engine) else check_rows
    with torch.no_grad():
        checked = check(term, task.t0, task.t1, task.y0.detach())
    spent = checked.counter.calls
    checked.counter.calls = 0
    return checked, spent


def _examined(task: Task, request: Request) -> int:
    """Let the solver refuse a state or a field that it is not made for; return the evaluations spent."""
    examine = getattr(task.solver, "examine", None)
    if examine is None:
        return 0
    start = _start_time(task, request)
    end = torch.as_tensor(task.t1, dtype=torch.float64, device=start.device)
    end = end.view(-1, *(1,) * (start.dim() - 1)) if request.independent else end
    # No round fraction of the interval: a jump may lie there.
    later = (start + 0.3871 * (end - start)).to(start.dtype)
    with torch.no_grad():
        examine(task.term, start, later, task.y0.detach())
    spent = int(task.term.counter.calls)
    task.term.counter.calls = 0
    return spent


def _check_once(term: ODETerm, task: Task, request: Request) -> int:
    """Check the contract of a field that was not checked before; return the evaluations spent."""
    if request.field in _CHECKED:
        return 0
    with torch.no_grad():
        first_evaluation(term, _start_time(task, request), task.y0.detach(), pure=False, again=True)
    if not term.copies:
        _CHECKED.add(request.field)
    spent = term.counter.calls
    term.counter.calls = 0
    return spent


def _first_call(task: Task, request: Request, engine: Any) -> tuple[ODETerm, Tensor, Tensor]:
    """Return term, time and state of the first evaluation: for a black box those of the first row alone."""
    if not is_black_box(engine):
        return task.term, _start_time(task, request), task.y0
    row = torch.zeros(1, dtype=torch.int64, device=task.y0.device)
    return task.term.rows(row), _start_time(task, request)[0].reshape(()), task.y0[row]


def _first_reading(task: Task, request: Request) -> None:
    """Read off the initial state what is to be kept of states, so that its form is known and its meaning checked."""
    if request.reading is None:
        return
    output, y0 = task.outputs[0], task.y0.detach()
    reading = output.reading
    if request.independent:
        output.reading = reading = check_reading(reading, task.t0, task.t1, y0)
    reading.field(_start_time(task, request), y0)


def _start_time(task: Task, request: Request) -> Tensor:
    """Return the time of the first evaluation, as the field is to see it."""
    dtype, device = task.term.time_dtype, task.y0.device
    if request.independent:
        time = torch.where(_in(task.t0, task.jumps), beside_rows(task.t0, task.t1, dtype), task.t0)
        return time.to(dtype).view(-1, *(1,) * (task.y0.dim() - 1))
    begin = beside(task.t0, task.t1, dtype) if task.t0 in task.jumps else task.t0
    return torch.tensor(begin, dtype=dtype, device=device)


def _in(times: Tensor, jumps: frozenset[float]) -> Tensor:
    return torch.isin(times, torch.tensor(sorted(jumps), dtype=times.dtype, device=times.device))


def _empty(task: Task, request: Request) -> Outcome:
    """Return the outcome for a state without any component: nothing to do, and done."""
    rows, device = task.layout.rows, task.y0.device
    count = request.plan.save.shape[-1]
    zeros = torch.zeros(rows, dtype=torch.int64, device=device)
    ends = torch.as_tensor(request.plan.t1.detach(), dtype=torch.float64, device=device).expand(rows).clone()
    march = March(
        values=[],
        status=torch.full((rows,), int(Status.SUCCESS), dtype=torch.int8, device=device),
        t_reached=ends,
        component=zeros - 1,
        steps=zeros,
        accepted=zeros,
        evaluations=zeros,
        final=task.y0.detach(),
    )
    return Outcome(march, [task.y0[None].expand(count, *task.y0.shape)], "none", 0)


def _tensors_of(args: Any) -> list[Tensor]:
    leaves, _ = flatten(args)
    found: list[Tensor] = []
    for leaf in leaves:
        if isinstance(leaf, torch.nn.Module):
            found.extend(leaf_parameters(leaf))
        elif isinstance(leaf, Tensor) and leaf.requires_grad:
            found.append(leaf)
    return found
