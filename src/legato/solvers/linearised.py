r"""A right-hand side linearised at a point: :math:`f`, :math:`J = \partial f/\partial y` of each row, and
:math:`\partial f/\partial t`.

Rows are systems of their own, so the Jacobian of a batch is a matrix a row, found by as many backward passes as a row
has components, whatever the number of rows. States lie flat, `(rows, n)`; a complex component counts as two real ones.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..core.watching import unwatched

__all__ = ["Frame", "Linearised", "linearise"]

_ONE_BY_ONE = 8
"""Up to as many components their backward passes are made one by one, beyond as one batch."""


class Frame(NamedTuple):
    """How states lie: as the field takes them, and flat.

    Attributes:
        shape: the shape of a state.
        rows: the number of rows.
        complex: whether components are complex.
    """

    shape: torch.Size
    rows: int
    complex: bool

    @classmethod
    def of(cls, y: Tensor, batch_dims: int) -> Frame:
        """Return the frame of a state."""
        rows = 1
        for size in y.shape[:batch_dims]:
            rows *= size
        return cls(y.shape, rows, y.is_complex())

    def flat(self, y: Tensor) -> Tensor:
        """Return a state as `(rows, n)`, real."""
        value = torch.view_as_real(y) if self.complex else y
        return value.reshape(self.rows, -1)

    def back(self, flat: Tensor) -> Tensor:
        """Return a flat state in its shape."""
        if self.complex:
            return torch.view_as_complex(flat.reshape(*self.shape, 2))
        return flat.reshape(self.shape)

    def scale(self, sizes: Tensor) -> Tensor:
        """Return one positive number per component of a state as one per flat component, `(rows, n)`."""
        value = sizes.reshape(self.rows, -1)
        return value.repeat_interleave(2, dim=1) if self.complex else value

    def column(self, dt: Any, like: Tensor) -> Any:
        """Return step sizes so that they multiply flat states: a number as it is, one per row as a column."""
        if not isinstance(dt, Tensor):
            return dt
        value = dt.to(like.dtype)
        return value if value.dim() == 0 else value[:, None]


class Linearised(NamedTuple):
    """The field at a point, in the state's shape, its Jacobian there, `(rows, n, n)`, and its derivative by time.

    `made` is a tensor that the graph of these begins with, besides those that it was given: the time, made anew.
    """

    value: Tensor
    jacobian: Tensor
    by_time: Tensor | None = None
    made: Tensor | None = None


def linearise(term: Any, t: Tensor, y: Tensor, frame: Frame, *, keep: bool, graph: bool, time: bool) -> Linearised:
    """Return the field and its derivatives at a point.

    Arguments:
        term: the right-hand side.
        t: the time, as the field takes it.
        y: the state.
        frame: how the state lies.
        keep: whether the value is to be differentiated.
        graph: whether the derivatives are to be differentiated too.
        time: whether the derivative by time is wanted.
    """
    with torch.enable_grad(), unwatched():
        state = y if keep and y.requires_grad else y.detach().requires_grad_()
        when = t if not time or (keep and t.requires_grad) else t.detach().requires_grad_()
        value = term.field(when, state)
        flat = frame.flat(value)
        by_time = None
        if flat.requires_grad:
            rows = _rows(flat, state, frame, graph=graph)
            by_time = _by_time(value, when, graph=graph) if time else None
        else:
            rows = flat.new_zeros(frame.rows, *(flat.shape[1],) * 2)
    if time and by_time is None:
        by_time = torch.zeros_like(value)
    return Linearised(value if keep else value.detach(), rows, by_time, when if when is not t else None)


def _rows(flat: Tensor, state: Tensor, frame: Frame, *, graph: bool) -> Tensor:
    """Return the Jacobians, a row at a time or all at once."""
    count = flat.shape[1]
    settings: dict[str, Any] = {"create_graph": graph, "retain_graph": True, "allow_unused": True}
    if count > _ONE_BY_ONE:
        seeds = torch.eye(count, dtype=flat.dtype, device=flat.device)[:, None, :].expand(count, *flat.shape)
        try:
            (found,) = torch.autograd.grad(flat, state, seeds, is_grads_batched=True, **settings)
        except RuntimeError:
            pass  # an operator without a batching rule: one by one
        else:
            whole = flat.new_zeros(*flat.shape, count)
            return whole if found is None else torch.stack([frame.flat(part) for part in found], dim=1)
    rows = []
    for place in range(count):
        (found,) = torch.autograd.grad(flat[:, place].sum(), state, **settings)
        rows.append(torch.zeros_like(flat) if found is None else frame.flat(found))
    return torch.stack(rows, dim=1)


def _by_time(value: Tensor, time: Tensor, *, graph: bool) -> Tensor | None:
    """Return the derivative by time, None where there is none.

    By two backward passes: the first is linear in its cotangent, and the second differentiates it by that.
    """
    cotangent = torch.zeros_like(value, requires_grad=True)
    (along,) = torch.autograd.grad(value, time, cotangent, create_graph=True, allow_unused=True)
    if along is None or not along.requires_grad:
        return None
    found: Tensor | None
    (found,) = torch.autograd.grad(along.sum(), cotangent, create_graph=graph, retain_graph=True, allow_unused=True)
    return found
