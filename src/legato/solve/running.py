"""Running a task with its gradient: what the field uses is found, its contract checked, its transpose attached."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..core.structure import flatten
from ..engines import March, Task
from ..gradients import Captured, Inputs, Seen, attach_discrete, leaf_parameters
from ..terms import ODETerm, check_rows, first_evaluation
from .request import Request

__all__ = ["Outcome", "run"]

_SEEN = Seen()
_PURE = Seen()


class Outcome(NamedTuple):
    """A march, its values with their gradient attached, the gradient's name, and evaluations spent on checks."""

    march: March
    values: list[Tensor]
    gradient: str
    checks: int


def run(task: Task, request: Request, *, gradient: str, engine: Any) -> Outcome:
    """Run a task and attach the gradient that was asked for, where anything wants one."""
    field, grad = request.term.function, torch.is_grad_enabled()
    if task.layout.rows == 0:
        return Outcome(engine.march(task), [], "none", 0)
    detached = replace(task, y0=task.y0.detach(), clock=None)
    if gradient == "direct" and grad:
        term, checks = _prepared_term(task, request, check=False)
        task = replace(task, term=term)
        march = engine.march(task, graph=True)
        return Outcome(march, march.values, "direct", checks)
    known = [*leaf_parameters(field), *_tensors_of(request.term.args)]
    watch = Captured([*known, task.y0])
    whole = grad and field not in _SEEN
    with torch.no_grad():
        with watch if grad else nullcontext():
            term, checks = _prepared_term(detached, request, check=True)
            f0 = _start(term, detached, request, pure=gradient != "direct")
        checks += 0 if field in _PURE or gradient == "direct" else 1
        _PURE.add(field)
        depends = grad and (task.y0.requires_grad or task.clock is not None or bool(known) or bool(watch.found) or whole)
        ready = replace(detached, term=term, f0=f0, keep=depends)
        term.counter.calls = 1
        with watch if whole else nullcontext():
            march = engine.march(ready)
    if not depends:
        return Outcome(march, march.values, "none", checks)
    _SEEN.add(field)
    inputs = [tensor for tensor in [*known, *watch.tensors] if tensor.requires_grad]
    if not inputs and not task.y0.requires_grad and task.clock is None:
        march.record = []
        return Outcome(march, march.values, "none", checks)
    module = isinstance(field, torch.nn.Module)
    values = attach_discrete(
        engine, ready, march, Inputs(task.y0, tuple(inputs), task.clock), check_all=not module
    )
    return Outcome(march, values, "discrete", checks)


def _prepared_term(task: Task, request: Request, *, check: bool) -> tuple[ODETerm, int]:
    """Return the term in the form its times need, and the evaluations spent on finding out."""
    term: ODETerm = request.term
    if not request.independent:
        return term, 0
    with torch.no_grad():
        checked = check_rows(term, task.t0, task.t1, task.y0.detach())
    spent = checked.counter.calls
    checked.counter.calls = 0
    return checked, spent


def _start(term: ODETerm, task: Task, request: Request, *, pure: bool) -> Tensor:
    """Return the field at the start, its contract checked."""
    if request.independent:
        shape = (-1, *(1,) * (task.y0.dim() - 1))
        time = task.t0.to(term.time_dtype).view(shape)
    else:
        time = torch.tensor(task.t0, dtype=term.time_dtype, device=task.y0.device)
    return first_evaluation(term, time, task.y0, pure=pure, again=pure and term.function not in _PURE)


def _tensors_of(args: Any) -> list[Tensor]:
    leaves, _ = flatten(args)
    found: list[Tensor] = []
    for leaf in leaves:
        if isinstance(leaf, torch.nn.Module):
            found.extend(leaf_parameters(leaf))
        elif isinstance(leaf, Tensor) and leaf.requires_grad:
            found.append(leaf)
    return found
