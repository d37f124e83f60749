"""One tensor inside: a state of several leaves is packed once at the door and unpacked once at the end.

A state is a tensor, or tuples, lists and dicts of tensors, nested as the user likes. Every leaf shares its leading
`batch_dims` axes. A lone tensor keeps its shape and memory format; several leaves `(*batch, ...)` are flattened to
`(*batch, n_i)` and laid side by side in one tensor `(*batch, sum n_i)`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .errors import InputError
from .structure import Rebuild, flatten

__all__ = ["Layout", "layout_of"]


class Layout(NamedTuple):
    """How a state is laid out in its packed tensor.

    Attributes:
        rebuild: makes the user's structure from a list of leaves.
        batch_shape: the leading axes that every leaf shares.
        shapes: the remaining axes of each leaf.
        dtype: the dtype the user gave, and gets back.
        lone: whether the state is a single bare tensor, which is then not packed at all.
    """

    rebuild: Rebuild
    batch_shape: torch.Size
    shapes: tuple[torch.Size, ...]
    dtype: torch.dtype
    lone: bool

    @property
    def batch_dims(self) -> int:
        """The number of leading axes shared by every leaf."""
        return len(self.batch_shape)

    @property
    def rows(self) -> int:
        """The number of samples: the product of the batch axes, 1 where there are none."""
        return math.prod(self.batch_shape)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of components of each leaf, per sample."""
        return tuple(math.prod(shape) for shape in self.shapes)

    def pack(self, state: Any) -> Tensor:
        """Return the packed tensor of a state given in the user's structure."""
        leaves, _ = flatten(state)
        if self.lone:
            return leaves[0]
        batch = leaves[0].shape[: self.batch_dims]
        return torch.cat([leaf.reshape(*batch, math.prod(leaf.shape[len(batch) :])) for leaf in leaves], dim=-1)

    def unpack(self, packed: Tensor, *, leading: int = 0) -> Any:
        """Return the user's structure from a packed tensor with `leading` extra axes in front."""
        if self.lone:
            return packed
        front = packed.shape[: leading + self.batch_dims]
        parts = packed.split(self.sizes, dim=-1)
        return self.rebuild([part.reshape((*front, *shape)) for part, shape in zip(parts, self.shapes, strict=True)])

    def component(self, index: int) -> str:
        """Name a component of the packed state, for a message."""
        if self.lone:
            return f"component {_coordinates(index, self.shapes[0])}" if self.shapes[0] else "its only component"
        for leaf, (size, shape) in enumerate(zip(self.sizes, self.shapes, strict=True)):
            if index < size:
                return f"leaf {leaf}, component {_coordinates(index, shape)}"
            index -= size
        return f"component {index}"


def layout_of(state: Any, *, batch_dims: int | None) -> Layout:
    """Return the layout of a state.

    Arguments:
        state: the initial state, as the user gave it.
        batch_dims: the number of leading axes that every leaf shares; None means 0 for 0-d and 1-D states, else 1.

    Raises:
        InputError: leaves of unlike dtype or device, too few axes, unlike batch axes, or no leaf at all.
    """
    leaves, rebuild = flatten(state)
    if not leaves:
        raise InputError("the state has no tensor in it")
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise InputError(
                "a state is a tensor, or tuples, lists and dicts of tensors; got a leaf of type "
                f"{type(leaf).__name__}. Convert it with torch.as_tensor"
            )
    first = leaves[0]
    for leaf in leaves:
        if leaf.dtype != first.dtype:
            raise InputError(
                f"the leaves of the state have unlike dtypes, {first.dtype} and {leaf.dtype}; convert them to one"
            )
        if leaf.device != first.device:
            raise InputError(f"the leaves of the state lie on unlike devices, {first.device} and {leaf.device}")
    fewest = min(leaf.dim() for leaf in leaves)
    dims = (1 if fewest >= 2 else 0) if batch_dims is None else batch_dims
    if not 0 <= dims <= fewest:
        raise InputError(f"batch_dims is {dims}, but a leaf of the state has only {fewest} axes")
    batch = first.shape[:dims]
    for leaf in leaves:
        if leaf.shape[:dims] != batch:
            raise InputError(
                f"the leaves of the state disagree in their first {dims} axes, {tuple(batch)} and "
                f"{tuple(leaf.shape[:dims])}; set batch_dims to the number of axes they share"
            )
    return Layout(
        rebuild=rebuild,
        batch_shape=batch,
        shapes=tuple(leaf.shape[dims:] for leaf in leaves),
        dtype=first.dtype,
        lone=isinstance(state, Tensor),
    )


def _coordinates(index: int, shape: torch.Size) -> str:
    if len(shape) <= 1:
        return str(index)
    coordinates = []
    for size in reversed(shape):
        index, place = divmod(index, size)
        coordinates.append(place)
    return str(tuple(reversed(coordinates)))
