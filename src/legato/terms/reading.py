r"""What is read off a state, :math:`g(t, y, \mathrm{args})`: any tensors, on packed states."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ..core.errors import FieldError, InputError
from ..core.packing import Layout
from ..core.structure import flatten
from .contract import check_rows
from .ode import ODETerm

__all__ = ["Form", "ReadingTerm", "check_reading"]


class Form:
    """How what is read is laid out, once it has been read: as a state that is not a lone tensor."""

    layout: Layout | None = None


class ReadingTerm(ODETerm):
    """The user's function of time and state, as one that maps packed states to packed readings, `(*batch, numbers)`.

    Attributes:
        form: the layout of what is read; shared by the terms made from this one.
    """

    def __init__(self, *given: Any, form: Form | None = None, **settings: Any) -> None:
        super().__init__(*given, **settings)
        self.form = Form() if form is None else form

    def _with(self, **changes: Any) -> ReadingTerm:
        term = super()._with(**changes)
        term.form = self.form
        return term

    def nothing(self, y: Tensor) -> Tensor:
        """Return zeros in the place of what is read of a packed state."""
        known = self.form.layout
        assert known is not None, "a reading is laid out by its first call"
        return y.new_zeros((*y.shape[: self.layout.batch_dims], sum(known.sizes)), dtype=known.dtype)

    def _evaluate(self, t: Tensor, y: Tensor, args: Any) -> Tensor:
        layout = self.layout
        given = y if y.dtype == layout.dtype else y.to(layout.dtype)
        state = given if layout.lone else layout.unpack(given)
        value = self.function(t, state) if args is None else self.function(t, state, args)
        leaves, rebuild = flatten(value)
        batch = y.shape[: layout.batch_dims]
        _check(leaves, batch)
        shapes = tuple(leaf.shape[len(batch) :] for leaf in leaves)
        found = Layout(rebuild, layout.batch_shape, shapes, leaves[0].dtype, lone=False)
        known = self.form.layout
        if known is None:
            self.form.layout = found
        elif (known.shapes, known.dtype) != (found.shapes, found.dtype):
            raise InputError(
                f"save= returned {found.dtype} of shapes {_words(shapes)} for a sample, and before {known.dtype} of "
                f"shapes {_words(known.shapes)}; it must return the same at all times"
            )
        packed = torch.cat([leaf.reshape(*batch, math.prod(leaf.shape[len(batch) :])) for leaf in leaves], dim=-1)
        return packed if torch.is_grad_enabled() else packed.detach()


def check_reading(reading: ReadingTerm, t0: Tensor, t1: Tensor, y0: Tensor) -> ReadingTerm:
    """Return the reading in the form in which every row may have its own time; see `check_rows`.

    Raises:
        InputError: the function mixes rows, or cannot be called as it must be.
    """
    try:
        checked: Any = check_rows(reading, t0, t1, y0)
    except FieldError as error:
        raise InputError(
            f"where samples have their own times, save= reads each sample by itself, whatever the others are: {error}"
        ) from error
    return checked if isinstance(checked, ReadingTerm) else reading


def _check(leaves: list[Any], batch: torch.Size) -> None:
    for leaf in leaves:
        if not isinstance(leaf, Tensor) or not (leaf.dtype.is_floating_point or leaf.dtype.is_complex):
            got = leaf.dtype if isinstance(leaf, Tensor) else type(leaf).__name__
            raise InputError(
                f"save= returned {got}; expected floating-point tensors, or tuples, lists and dicts of them"
            )
        if leaf.shape[: len(batch)] != batch:
            raise InputError(
                f"save= returned shape {tuple(leaf.shape)}; its first axes must be those of the batch, {tuple(batch)}, "
                "so that every sample has its own values"
            )
    if not leaves:
        raise InputError("save= returned nothing; expected a tensor, or tuples, lists and dicts of tensors")
    if any(leaf.dtype != leaves[0].dtype for leaf in leaves):
        raise InputError("save= returned tensors of unlike dtypes; convert them to one")


def _words(shapes: tuple[torch.Size, ...]) -> str:
    return ", ".join(str(tuple(shape)) for shape in shapes)
