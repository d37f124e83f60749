"""A term and its arguments on some rows of the batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ..core.errors import FieldError
from ..core.structure import flatten

__all__ = ["OnRows", "RowsView", "batched_flags", "each_batched", "pick_rows"]


class RowsView:
    """A user's field for states with `batch_dims` batch axes, seen as one for states with one."""

    def __init__(self, function: Callable[..., Any], batch_dims: int, args_batched: Any) -> None:
        self.function, self.batch_dims, self.args_batched = function, batch_dims, args_batched

    def __call__(self, t: Tensor, state: Any, *args: Any) -> Any:
        if self.batch_dims == 0:
            inner = self._each(state, lambda leaf: leaf[0])
            args = tuple(each_batched(part, self.args_batched, lambda leaf: leaf[0]) for part in args)
            return self._each(self.function(t.reshape(()), inner, *args), lambda leaf: leaf[None])
        ones = (1,) * (self.batch_dims - 1)

        def spread(leaf: Tensor) -> Tensor:
            return leaf.reshape(leaf.shape[0], *ones, *leaf.shape[1:])

        inner = self._each(state, spread)
        args = tuple(each_batched(part, self.args_batched, spread) for part in args)
        result = self.function(t.reshape(*t.shape[:1], *ones, *t.shape[1:]) if t.dim() else t, inner, *args)
        return self._each(result, lambda leaf: leaf.reshape(leaf.shape[0], *leaf.shape[self.batch_dims :]))

    @staticmethod
    def _each(structure: Any, function: Callable[[Tensor], Tensor]) -> Any:
        leaves, rebuild = flatten(structure)
        return rebuild([function(leaf) for leaf in leaves])


class OnRows:
    """A term evaluated on some rows only; the others have derivative zero.

    Rows that were frozen after a failure stay in the state, so that shapes keep their meaning, but their part of the
    field is not evaluated again (`select`) or is masked where the field cannot take a part of the batch.
    """

    def __init__(self, term: Any, live: Tensor, *, select: bool) -> None:
        self.whole = term
        self.live = live
        self.select = select
        self.index = live.nonzero().squeeze(-1)
        self.term = term.rows(self.index) if select else term
        self.time_dtype = term.time_dtype
        self.device = term.device
        self.layout = term.layout
        self.field = self._selected if select else self._masked
        self._mask: Tensor = live.view(term.layout.batch_shape)

    @property
    def calls(self) -> int:
        """Evaluations so far, of the whole term and of its part."""
        return int(self.whole.calls)

    def increment(self, t0: Any, t1: Any) -> Any:
        """Return the whole term's increment."""
        return self.whole.increment(t0, t1)

    def product(self, f: Tensor, dx: Any) -> Tensor:
        """Return the whole term's product."""
        return self.whole.product(f, dx)

    def rows(self, index: Tensor) -> Any:
        """Return the whole term's rows."""
        return self.whole.rows(index)

    def with_copies(self, copies: Mapping[int, Tensor]) -> OnRows:
        """Return the same term with other tensors in its arguments, by the ids of those that are there."""
        return OnRows(self.whole.with_copies(copies), self.live, select=self.select)

    def fresh(self) -> OnRows:
        """Return the same term, its arguments cut to rows under the grad mode of now."""
        return OnRows(self.whole, self.live, select=self.select)

    def _selected(self, t: Tensor, y: Tensor) -> Tensor:
        part = self.term.field(t, y[self.index])
        return torch.zeros_like(y).index_copy(0, self.index, part)

    def _masked(self, t: Tensor, y: Tensor) -> Tensor:
        with torch.autograd.graph.saved_tensors_hooks(self._harmless, lambda kept: kept):
            value = self.term.field(t, y)
        return torch.where(self._broadcast(y), value, torch.zeros_like(value))

    def _harmless(self, saved: Tensor) -> Tensor:
        """Return what autograd saves, with 1 for what is not finite in the rows that have failed.

        Their cotangent is zero, but zero times infinity is not.
        """
        kept = saved.detach()
        if saved.shape[: self._mask.dim()] != self._mask.shape or not saved.is_floating_point():
            return kept
        return torch.where(self._broadcast(kept) | kept.isfinite(), kept, torch.ones_like(kept))

    def _broadcast(self, value: Tensor) -> Tensor:
        """Return the mask of live rows with axes of one after those of the batch, as many as `value` has."""
        return self._mask.view(*self._mask.shape, *(1,) * (value.dim() - self._mask.dim()))


def pick_rows(args: Any, args_batched: Any, index: Tensor) -> Any:
    """Return `args` with the leaves marked in `args_batched` cut down to the rows in `index`."""
    return each_batched(args, args_batched, lambda leaf: leaf[index])


def each_batched(args: Any, args_batched: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """Return `args` with a function applied to the leaves marked in `args_batched`."""
    if args is None or args_batched is False:
        return args
    leaves, rebuild = flatten(args)
    flags = batched_flags(args_batched, len(leaves))
    return rebuild([function(leaf) if flag else leaf for leaf, flag in zip(leaves, flags, strict=True)])


def batched_flags(args_batched: Any, count: int) -> list[bool]:
    """Return for each of `count` leaves whether it has a row per sample."""
    if isinstance(args_batched, bool):
        return [args_batched] * count
    flags, _ = flatten(args_batched)
    if len(flags) != count or not all(isinstance(flag, bool) for flag in flags):
        raise FieldError(
            f"args_batched is one boolean, or a structure of booleans like args, which has {count} leaves; "
            f"got {args_batched!r}"
        )
    return flags
