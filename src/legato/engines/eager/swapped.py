"""Copies in the place of tensors, for whatever a field calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

__all__ = ["Swapped"]


class Swapped(TorchFunctionMode):
    """Hand every torch function the copies instead of the originals.

    Arguments:
        copies: by the id of a tensor that a field may use, what it is to use instead. Whoever makes the mode holds the
            originals.
    """

    def __init__(self, copies: Mapping[int, Tensor]) -> None:
        super().__init__()
        self._copies = copies

    def __torch_function__(self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the function with the copies."""
        return function(*(self._swap(value) for value in args), **{k: self._swap(v) for k, v in (kwargs or {}).items()})

    def _swap(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return self._copies.get(id(value), value)
        if type(value) in (tuple, list):
            return type(value)(self._swap(part) for part in value)
        return value
