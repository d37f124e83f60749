r"""Ordinary differential equations, :math:`dy/dt = f(t, y, \mathrm{args})`, on packed states."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import torch
from torch import Tensor

from ..core.errors import FieldError, InputError
from ..core.packing import Layout
from ..core.structure import aligned, flatten
from .rows import RowsView, batched_flags, each_batched, pick_rows

__all__ = ["Counter", "ODETerm"]


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

    def rows(self, index: Tensor) -> Self:
        """Return the term of the rows in `index`, a 1-D integer tensor."""
        return self._with(args=pick_rows(self.args, self.args_batched, index))

    def seen_as_rows(self, layout: Layout, batch_dims: int) -> Self:
        """Return the term on states with one leading axis of samples, for a user's state with another number of them.

        The user's field keeps the number of axes it was written for: without batch axes it sees one sample, with
        several the samples lie along the first and the others have length 1.
        """
        function = RowsView(self.function, batch_dims, self.args_batched)
        args = each_batched(self.args, self.args_batched, lambda leaf: leaf.reshape(-1, *leaf.shape[batch_dims:]))
        return self._with(function=function, layout=layout, args=args)

    def check_args(self) -> None:
        """Refuse leaves of `args` that are marked as batched but have not one row per sample.

        Raises:
            InputError: a marked leaf is no tensor, or its leading axes are not those of the batch.
        """
        leaves, _ = flatten(self.args)
        batch = self.layout.batch_shape
        for place, (leaf, flag) in enumerate(zip(leaves, batched_flags(self.args_batched, len(leaves)), strict=True)):
            if flag and not (isinstance(leaf, Tensor) and leaf.shape[: len(batch)] == batch):
                got = f"shape {tuple(leaf.shape)}" if isinstance(leaf, Tensor) else type(leaf).__name__
                raise InputError(
                    f"leaf {place} of args is marked by args_batched, so its leading axes are those of the batch, "
                    f"{tuple(batch)}; got {got}"
                )

    def fresh(self) -> Self:
        """Return the term as the reverse sweep needs it: here, itself."""
        return self

    def with_copies(self, copies: Mapping[int, Tensor]) -> Self:
        """Return the term with other tensors in its arguments, by the ids of those that are there."""
        leaves, rebuild = flatten(self.args)
        return self._with(args=rebuild([copies.get(id(leaf), leaf) for leaf in leaves]))

    def with_function(self, function: Callable[..., Any]) -> Self:
        """Return the term with another field in the place of the user's."""
        return self._with(function=function)

    def vmapped(self) -> Self:
        """Return the same term, run one sample at a time under `vmap`."""
        return self._with(per_sample=True)

    def _with(self, **changes: Any) -> Self:
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
        term = type(self)(settings.pop("function"), settings.pop("layout"), **settings)
        term.copies, term.records = self.copies, self.records
        return term

    def _direct(self, t: Tensor, y: Tensor) -> Tensor:
        self.counter.calls += 1
        return self._evaluate(t, y, self.args)

    def _evaluate(self, t: Tensor, y: Tensor, args: Any) -> Tensor:
        layout = self.layout
        if y.requires_grad and not torch.is_grad_enabled():
            y = y.detach()  # a field that takes gradients inside asks its state for one: never the caller's own
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
        flags = batched_flags(self.args_batched, len(leaves))

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
