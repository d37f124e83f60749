"""From a march to a `Solution` in the user's structure, or to the error that says what went wrong."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..core.errors import SolveError
from ..core.packing import Layout
from ..core.status import Status
from ..engines import March, Task
from ..paths import DensePath, RowsDensePath
from ..solution import Events, Solution, Stats, diagnosis
from .events import told_events
from .request import Request
from .running import Outcome

__all__ = ["conclude"]


def conclude(request: Request, task: Task, outcome: Outcome, *, on_failure: str, engine: Any) -> Solution:
    """Return the solution in the user's structure, or raise what went wrong.

    Arguments:
        request: the checked arguments.
        task: the task that was run.
        outcome: what came of it.
        on_failure: "raise", "nan" or "partial".
        engine: what ran it.

    Raises:
        SolveError: a sample did not reach its end, under "raise".
    """
    plan, march, values = request.plan, outcome.march, outcome.values
    layout = _layout_of_values(request, task)
    batch = layout.batch_shape
    values = values or [task.y0.new_full((len(plan.save) if not plan.per_sample else 0, *task.y0.shape), float("nan"))]
    main = values[0]
    if request.independent:
        main = main.reshape(main.shape[0], *batch, *main.shape[2:])
    if main.dtype != layout.dtype:
        main = main.to(layout.dtype)
    ts, mask = _solution_times(request, task, values)
    if request.reading is None and main.numel() and not bool(main.detach().isfinite().all()):
        _refuse_nonfinite(main.detach(), ts, mask, march)
    good = (march.status == int(Status.SUCCESS)) | (march.status == int(Status.EVENT))
    if on_failure == "nan" and not bool(good.all()):
        shaped = good.view(*batch, *(1,) * (main.dim() - 1 - len(batch)))
        main = torch.where(shaped, main, torch.full_like(main, float("nan")))
    solution = Solution(
        ys=layout.unpack(main, leading=1),
        ts=ts,
        status=march.status.view(batch),
        t_reached=march.t_reached.view(batch),
        stats=Stats(
            march.steps.view(batch),
            march.accepted.view(batch),
            march.evaluations.view(batch),
            outcome.checks,
            getattr(engine, "name", type(engine).__name__),
            outcome.gradient,
        ),
        mask=mask,
        events=_events(request, task, values) if request.events else None,
        _layout=layout,
        _state_layout=request.layout,
        _packed_ys=main,
        _path=_path(request, task, values) if request.dense and task.y0.numel() else None,
    )
    if on_failure == "raise" and not bool(good.all()):
        raise SolveError(diagnosis(march.status, march.t_reached, march.component, request.layout), solution)
    return solution


def _layout_of_values(request: Request, task: Task) -> Layout:
    """Return how the values are laid out: as states, or as what is read off them."""
    if request.reading is None or not task.y0.numel():
        return request.layout
    form = task.outputs[0].reading.form.layout
    layout: Layout = form._replace(batch_shape=request.layout.batch_shape)
    return layout


def _refuse_nonfinite(main: Tensor, ts: Tensor, mask: Tensor | None, march: March) -> None:
    """Give the status NONFINITE to rows that reached their end, but with a value on the way that is not finite.

    An end or an interpolant can overflow where the error estimate did not, or in the conversion to half precision.
    """
    rows = len(march.status)
    finite = main.isfinite().reshape(len(main), rows, main.numel() // (len(main) * rows))
    if mask is not None:
        finite = finite | ~mask.reshape(len(mask), rows, 1)
    whole = finite.all(dim=2)
    bad = (march.status == int(Status.SUCCESS)) & ~whole.all(dim=0)
    for row in bad.nonzero().squeeze(1).tolist():
        place = int((~whole[:, row]).int().argmax())
        times = ts if ts.dim() == 1 else ts[row]
        march.status[row] = int(Status.NONFINITE)
        march.t_reached[row] = times[max(place - 1, 0)]
        march.component[row] = int((~finite[place, row]).int().argmax())


def _solution_times(request: Request, task: Task, values: list[Tensor]) -> tuple[Tensor, Tensor | None]:
    """Return the times of the values, and the mask of those that are a sample's own."""
    plan, rows = request.plan, request.layout.rows
    if request.save == "steps" and task.y0.numel():
        if request.independent:
            table = task.outputs[0].step_times(rows)
            return table, ~table.isnan().t().reshape(table.shape[1], *request.layout.batch_shape)
        return torch.tensor(task.outputs[0].step_ends, dtype=torch.float64, device=task.y0.device), None
    if not plan.per_sample:
        return plan.save.detach(), None
    save = plan.save.detach()
    return save, ~save.isnan().t().reshape(save.shape[1], *request.layout.batch_shape)


def _events(request: Request, task: Task, values: list[Tensor]) -> Events:
    """Return the events in the user's structure."""
    layout = request.layout

    def states(table: Tensor) -> Any:
        shaped = table.reshape(len(table), *layout.batch_shape, *table.shape[2:]).to(layout.dtype)
        return layout.unpack(shaped, leading=1)

    tables = values[-2:] if task.y0.numel() else [task.y0.new_zeros(0, len(task.y0)).double(), task.y0[None][:0]]
    return told_events(task.outputs[-2], tables, states, layout.batch_shape)


def _path(request: Request, task: Task, values: list[Tensor]) -> DensePath | RowsDensePath:
    steps = task.outputs[1]
    if request.independent:
        knots, coefficients = steps.step_times(request.layout.rows), values[2]
        if knots.shape[1] > 1:
            stays = knots[:, 1].isnan().view(-1, *(1,) * task.y0.dim())
            constant = torch.nn.functional.pad(task.y0[:, None].movedim(1, -1), (0, coefficients.shape[2] - 1)).movedim(
                -1, 1
            )
            coefficients = torch.where(stays, constant, coefficients)
    else:
        knots, coefficients = torch.tensor(steps.step_ends, dtype=torch.float64, device=task.y0.device), values[1]
    if task.clock is not None and torch.is_grad_enabled():
        landings = None
        if request.events:
            stopping = torch.tensor([rule.stopping for rule in request.events], device=knots.device)
            which = task.outputs[-2].which(len(knots))
            landings = torch.where((which >= 0) & stopping[which], values[-2], torch.nan).t()
        knots = task.clock.moving(knots, landings)
    return RowsDensePath(knots, coefficients) if request.independent else DensePath(knots, coefficients)
