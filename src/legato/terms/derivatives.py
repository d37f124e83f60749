"""What implicit methods ask of a field besides: derivatives that autograd sees, and rows that stand alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..core.errors import FieldError

__all__ = ["check_derivatives"]

_PUSH = 1e-3
"""By how much the state is moved, relative to its size, to see whether the field notices."""


def check_derivatives(term: Any, t0: Tensor, later: Tensor, y0: Tensor, *, rows: int) -> None:
    """Refuse a field that an implicit method would linearise wrongly.

    Arguments:
        term: the right-hand side.
        t0, later: two times of the interval, as the field takes them.
        y0: the packed initial state.
        rows: the number of samples.

    Raises:
        FieldError: a sample's derivative depends on another sample, or the field depends on state or time in a way that
            autograd does not see.
    """
    with torch.enable_grad():
        state, time = y0.detach().requires_grad_(), t0.detach().requires_grad_()
        value = term.field(time, state.clone())
        by_state = by_time = None
        if value.requires_grad:
            flat = (torch.view_as_real(value) if value.is_complex() else value).reshape(rows, -1)
            weights = torch.linspace(0.5, 1.5, flat.shape[1], dtype=flat.dtype, device=flat.device)
            first, total = (flat[0] * weights).sum(), (flat * weights).sum()
            (alone,) = torch.autograd.grad(first, state, retain_graph=True, allow_unused=True)
            by_state, by_time = torch.autograd.grad(total, (state, time), allow_unused=True)
            if alone is not None and rows > 1 and bool((alone.reshape(rows, -1)[1:] != 0).any()):
                raise FieldError(
                    "implicit methods solve each sample's equations by itself, but the first sample's derivative "
                    "depends on other samples; pass batch_dims=0, so that the whole batch is one system, or take an "
                    "explicit method"
                )
    with torch.no_grad():
        if by_state is None or not bool((by_state != 0).any()):
            pushed = y0.detach() * (1 + _PUSH) + _PUSH
            _refuse_hidden(value, term.field(t0, pushed), "its state", "")
        if by_time is None:
            moved = term.field(later, y0.detach())
            _refuse_hidden(value, moved, "time", " on a tensor of time (float(t) and t.item() hide it)")


def _refuse_hidden(before: Tensor, after: Tensor, what: str, hint: str) -> None:
    if torch.equal(torch.nan_to_num(before.detach()), torch.nan_to_num(after)):
        return
    raise FieldError(
        f"implicit methods differentiate the field, but autograd sees no dependence on {what}, though there is one; "
        f"compute it with torch operations{hint}, or take an explicit method"
    )
