r"""Ordinary differential equations, :math:`dy/dt = f(t, y, \mathrm{args})`, on packed states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..core.errors import FieldError, InputError
from ..core.packing import Layout
from ..core.structure import aligned, flatten

__all__ = ["Counter", "ODETerm", "OnRows", "pick_rows"]


class Counter:
    """A number of field evaluations, shared by a term and the terms made from it."""

    def __init__(self) -> None:
        self.calls = 0


class ODETerm:
    """The user's field, seen as a function of a time and one packed tensor.

    Arguments:
        function: the user's field, `f(t, y)` or `f(t, y, args)`.
        layout: how the state is packed.
        args: passed on to the field where it is not None.
        args_batched: a structure of booleans like `args`, or one boolean: which leaves have a row per sample.
        compute_dtype: the dtype of the packed state; half-precision states are integrated in float32.
        time_dtype: the dtype of the field's time.
        per_sample: whether to run the field under `vmap`, one sample at a time with its own 0-d time.
        counter: the count of evaluations to go on with.

    Attributes:
        copies: whether results are copied, for a field that returns one buffer of its own again and again.
        records: whether autograd records inside the field whatever is asked for outside, for a field that is itself a
            gradient; None until the first evaluation has shown it.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        layout: Layout,
        *,
        args: Any = None,
        args_batched: Any = False,
        compute_dtype: torch.dtype,
        time_dtype: torch.dtype,
        device: torch.device,
        per_sample: bool = False,
        counter: Counter | None = None,
    ) -> None:
        self.function = function
        self.layout = layout
        self.args = args
        self.args_batched = args_batched
        self.compute_dtype = compute_dtype
        self.time_dtype = time_dtype
        self.device = device
        self.per_sample = per_sample
        self.counter = Counter() if counter is None else counter
        self.copies = False
        self.records: bool | None = None
        self.field = self._vmapped if per_sample else self._direct

    @property
    def calls(self) -> int:
        """Evaluations so far, of this term and of those made from it."""
        return self.counter.calls

    def increment(self, t0: Any, t1: Any) -> Any:
        """Return `t1 - t0`."""
        return t1 - t0

    def product(self, f: Tensor, dx: Any) -> Tensor:
        """Return `f * dx`."""
        return f * dx

    def rows(self, index: Tensor) -> ODETerm:
        """Return the term of the rows in `index`, a 1-D integer tensor."""
        return self._with(args=pick_rows(self.args, self.args_batched, index))

    def seen_as_rows(self, layout: Layout, batch_dims: int) -> ODETerm:
        """Return the term on states with one leading axis of samples, for a user's state with another number of them.

        The user's field keeps the number of axes it was written for: without batch axes it sees one sample, with
        several the samples lie along the first and the others have length 1.
        """
        function = _RowsView(self.function, batch_dims, self.args_batched)
        args = _each_batched(self.args, self.args_batched, lambda leaf: leaf.reshape(-1, *leaf.shape[batch_dims:]))
        return self._with(function=function, layout=layout, args=args)

    def check_args(self) -> None:
        """Refuse leaves of `args` that are marked as batched but have not one row per sample.

        Raises:
            InputError: a marked leaf is no tensor, or its leading axes are not those of the batch.
        """
        leaves, _ = flatten(self.args)
        batch = self.layout.batch_shape
        for place, (leaf, flag) in enumerate(zip(leaves, _flags(self.args_batched, len(leaves)), strict=True)):
            if flag and not (isinstance(leaf, Tensor) and leaf.shape[: len(batch)] == batch):
                got = f"shape {tuple(leaf.shape)}" if isinstance(leaf, Tensor) else type(leaf).__name__
                raise InputError(
                    f"leaf {place} of args is marked by args_batched, so its leading axes are those of the batch, "
                    f"{tuple(batch)}; got {got}"
                )

    def fresh(self) -> ODETerm:
        """Return the term as the reverse sweep needs it: here, itself."""
        return self

    def vmapped(self) -> ODETerm:
        """Return the same term, run one sample at a time under `vmap`."""
        return self._with(per_sample=True)

    def _with(self, **changes: Any) -> ODETerm:
        settings: dict[str, Any] = {
            "function": self.function,
            "layout": self.layout,
            "args": self.args,
            "args_batched": self.args_batched,
            "compute_dtype": self.compute_dtype,
            "time_dtype": self.time_dtype,
            "device": self.device,
            "per_sample": self.per_sample,
            "counter": self.counter,
            **changes,
        }
        term = ODETerm(settings.pop("function"), settings.pop("layout"), **settings)
        term.copies, term.records = self.copies, self.records
        return term

    def _direct(self, t: Tensor, y: Tensor) -> Tensor:
        self.counter.calls += 1
        return self._evaluate(t, y, self.args)

    def _evaluate(self, t: Tensor, y: Tensor, args: Any) -> Tensor:
        layout = self.layout
        given = y if y.dtype == layout.dtype else y.to(layout.dtype)
        state = given if layout.lone else layout.unpack(given)
        if self.records is False or torch.is_grad_enabled():
            result = self.function(t, state) if args is None else self.function(t, state, args)
        else:
            result = self._recorded_inside(t, state, args)
        if layout.lone:
            if not isinstance(result, Tensor):
                raise FieldError(
                    f"the field returned {type(result).__name__}; expected a tensor of shape {tuple(y.shape)}, "
                    "the derivative of the state"
                )
            packed = result
        else:
            packed = layout.pack(self._like_state(result, state))
        if packed.shape != y.shape:
            raise FieldError(
                f"the field returned shape {tuple(packed.shape)} for a state of shape {tuple(y.shape)}; it must return "
                "the derivative of every component. Values that differ from sample to sample belong in args=, marked "
                "by args_batched="
            )
        if packed.dtype != y.dtype:
            if packed.dtype != given.dtype and not self._autocasts(packed.dtype):
                raise FieldError(
                    f"the field returned {packed.dtype} for a state of {given.dtype}; convert one to the other"
                )
            packed = packed.to(y.dtype)
        return packed.clone() if self.copies else packed

    def _recorded_inside(self, t: Tensor, state: Any, args: Any) -> Any:
        """Call a field that may take gradients inside, where no graph is to be kept; learn whether it does."""
        leaves, _ = flatten(state)
        try:
            with torch.set_grad_enabled(bool(self.records)):
                result = self.function(t, state) if args is None else self.function(t, state, args)
        except RuntimeError as error:
            if self.records is not None or "does not require grad" not in str(error):
                raise
            self.records = True
            return self._recorded_inside(t, state, args)
        asked = [leaf for leaf in leaves if leaf.requires_grad]
        for leaf in asked:
            leaf.requires_grad_(False)
        if self.records is None:
            self.records = bool(asked)
        if not self.records:
            return result
        parts, rebuild = flatten(result)
        return rebuild([part.detach() if isinstance(part, Tensor) else part for part in parts])

    def _autocasts(self, dtype: torch.dtype) -> bool:
        """Return whether a result of another dtype is autocast's doing."""
        return dtype.is_floating_point and torch.is_autocast_enabled(self.device.type)

    def _vmapped(self, t: Tensor, y: Tensor) -> Tensor:
        """Evaluate one sample at a time, as a batch of one with a 0-d time."""
        self.counter.calls += 1
        times = t.reshape(-1) if t.dim() else t.expand(y.shape[0])
        leaves, rebuild = flatten(self.args)
        flags = _flags(self.args_batched, len(leaves))

        def one(time: Tensor, row: Tensor, *row_leaves: Tensor) -> Tensor:
            batched = [leaf[None] if flag else leaf for leaf, flag in zip(row_leaves, flags, strict=True)]
            args = None if self.args is None else rebuild(batched)
            return self._evaluate(time, row[None], args)[0]

        dims = (0, 0, *(0 if flag else None for flag in flags))
        return torch.func.vmap(one, in_dims=dims)(times, y, *leaves)

    def _like_state(self, result: Any, state: Any) -> Any:
        """Return a result in the state's structure, or refuse it, leaf by leaf; a list may stand for a tuple."""
        try:
            alike = aligned(result, state)
        except ValueError as error:
            raise FieldError(f"the field must return the structure of the state: {error}") from None
        for place, (leaf, like) in enumerate(zip(flatten(alike)[0], flatten(state)[0], strict=False)):
            if not isinstance(leaf, Tensor) or leaf.shape != like.shape:
                got = f"shape {tuple(leaf.shape)}" if isinstance(leaf, Tensor) else f"type {type(leaf).__name__}"
                raise FieldError(
                    f"leaf {place} of the field's result has {got} for a leaf of the state of shape "
                    f"{tuple(like.shape)}; it must hold the derivative of every component"
                )
        return alike


class _RowsView:
    """A user's field for states with `batch_dims` batch axes, seen as one for states with one."""

    def __init__(self, function: Callable[..., Any], batch_dims: int, args_batched: Any) -> None:
        self.function, self.batch_dims, self.args_batched = function, batch_dims, args_batched

    def __call__(self, t: Tensor, state: Any, *args: Any) -> Any:
        if self.batch_dims == 0:
            inner = self._each(state, lambda leaf: leaf[0])
            args = tuple(_each_batched(part, self.args_batched, lambda leaf: leaf[0]) for part in args)
            return self._each(self.function(t.reshape(()), inner, *args), lambda leaf: leaf[None])
        ones = (1,) * (self.batch_dims - 1)

        def spread(leaf: Tensor) -> Tensor:
            return leaf.reshape(leaf.shape[0], *ones, *leaf.shape[1:])

        inner = self._each(state, spread)
        args = tuple(_each_batched(part, self.args_batched, spread) for part in args)
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
    return _each_batched(args, args_batched, lambda leaf: leaf[index])


def _each_batched(args: Any, args_batched: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """Return `args` with a function applied to the leaves marked in `args_batched`."""
    if args is None or args_batched is False:
        return args
    leaves, rebuild = flatten(args)
    flags = _flags(args_batched, len(leaves))
    return rebuild([function(leaf) if flag else leaf for leaf, flag in zip(leaves, flags, strict=True)])


def _flags(args_batched: Any, count: int) -> list[bool]:
    if isinstance(args_batched, bool):
        return [args_batched] * count
    flags, _ = flatten(args_batched)
    if len(flags) != count or not all(isinstance(flag, bool) for flag in flags):
        raise FieldError(
            f"args_batched is one boolean, or a structure of booleans like args, which has {count} leaves; "
            f"got {args_batched!r}"
        )
    return flags
