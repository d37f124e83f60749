"""Copies in the place of tensors, for whatever a field calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

__all__ = ["Swapped"]


class Swapped(TorchFunctionMode):
    """Hand every torch function the copies instead of the originals.

    Arguments:
        originals: tensors that a field may use.
        copies: what it is to use instead, one each.
    """

    def __init__(self, originals: Sequence[Tensor], copies: Sequence[Tensor]) -> None:
        super().__init__()
        self._originals = tuple(originals)
        self._copies = {id(old): new for old, new in zip(originals, copies, strict=True) if old is not new}

    def __torch_function__(self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the function with the copies."""
        return function(*(self._swap(value) for value in args), **{k: self._swap(v) for k, v in (kwargs or {}).items()})

    def _swap(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return self._copies.get(id(value), value)
        if type(value) in (tuple, list):
            return type(value)(self._swap(part) for part in value)
        return value
