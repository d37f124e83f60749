"""Tensors that a field uses but was not given: closures, encoder outputs, inner modules.

They are found while the field is evaluated anyway, by a mode that sees every torch function it calls. Without gradients
being recorded, the only tensors that require one are those from outside.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import get_gradient_edge
from torch.overrides import TorchFunctionMode

from ..core.errors import GradientError
from ..core.watching import is_unwatched

__all__ = ["Captured", "RefuseUnknown", "Seen", "leaf_parameters"]


class Captured(TorchFunctionMode):
    """Collect the tensors that require a gradient and are not among the known ones.

    Arguments:
        known: tensors that are inputs already.
    """

    def __init__(self, known: Iterable[Tensor] = ()) -> None:
        super().__init__()
        self._known = {id(tensor) for tensor in known}
        self.found: dict[int, Tensor] = {}
        self._made: dict[int, weakref.ref[Tensor]] = {}

    def __torch_function__(self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Note the tensors among the arguments, and call the function."""
        if is_unwatched():
            return function(*args, **(kwargs or {}))
        self._look(args)
        if kwargs:
            self._look(kwargs.values())
        result = function(*args, **(kwargs or {}))
        if torch.is_grad_enabled():
            self._remember(result)
        return result

    def _remember(self, result: Any) -> None:
        """Remember what a function made where the field records a graph of its own: it is not from outside."""
        for value in result if isinstance(result, tuple | list) else (result,):
            if isinstance(value, Tensor) and value.requires_grad:
                self._made[id(value)] = weakref.ref(value)

    def _look(self, values: Iterable[Any]) -> None:
        for value in values:
            if isinstance(value, Tensor):
                if value.requires_grad and id(value) not in self._known:
                    self._note(value)
            elif isinstance(value, tuple | list):
                self._look(value)

    def _note(self, value: Tensor) -> None:
        """Remember a tensor, or, for a view made while no graph is recorded (`weight.mT`), what it is a view of."""
        base = value._base
        if base is not None and base.requires_grad and value.is_leaf:
            value = base
        made = self._made.get(id(value))
        if id(value) not in self._known and (made is None or made() is not value):
            self.found[id(value)] = value

    @property
    def tensors(self) -> list[Tensor]:
        """What was found, in order of first use."""
        return list(self.found.values())


class Seen:
    """Which fields have been through a whole solve, so that later solves need not be watched throughout.

    With each it remembers the leaf tensors that the field was seen to use, since a later solve may use another of them
    at its start (a field that changes its parameters with time).
    """

    def __init__(self) -> None:
        self._fields: weakref.WeakKeyDictionary[Any, dict[int, weakref.ref[Tensor]]] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    def __contains__(self, field: Any) -> bool:
        try:
            with self._lock:
                return field in self._fields
        except TypeError:
            return False

    def add(self, field: Any, used: Iterable[Tensor] = ()) -> None:
        """Remember a field, if it can be remembered, and which tensors it used."""
        leaves = {id(tensor): weakref.ref(tensor) for tensor in used if tensor.is_leaf}
        try:
            with self._lock:
                held = self._fields.get(field, {})
                self._fields[field] = {place: held[place] for place in held if held[place]() is not None} | leaves
        except TypeError:
            return

    def used(self, field: Any) -> list[Tensor]:
        """Return the leaf tensors that a field has used before, those that still require a gradient."""
        try:
            with self._lock:
                held = [reference() for reference in self._fields.get(field, {}).values()]
        except TypeError:
            return []
        return [tensor for tensor in held if tensor is not None and tensor.requires_grad]


def leaf_parameters(field: Any) -> list[Tensor]:
    """Return the parameters of a field that is a module, those that require a gradient."""
    if isinstance(field, torch.nn.Module):
        return [parameter for parameter in field.parameters() if parameter.requires_grad]
    return []


class RefuseUnknown:
    """Check that results depend on known tensors alone.

    Arguments:
        constant: known tensors that stay the same from one call to the next; their nodes are looked up once.
    """

    def __init__(self, constant: Sequence[Tensor]) -> None:
        self._constant = tuple(constant)  # held, so that no other tensor takes over an id
        self._nodes = {id(tensor): _node(tensor) for tensor in constant if tensor.requires_grad}

    def __call__(self, results: Sequence[Tensor], known: Sequence[Tensor]) -> None:
        """Check what the reverse sweep computed again.

        Arguments:
            results: what was computed.
            known: every tensor whose cotangent is asked for.

        Raises:
            GradientError: a leaf tensor that requires a gradient is not among the known ones: its gradient would be
                lost.
        """
        reached = {self._nodes.get(id(tensor)) or _node(tensor) for tensor in known if tensor.requires_grad}
        reached.add(None)
        waiting: list[Any] = [result.grad_fn for result in results if result.grad_fn not in reached]
        reached.update(waiting)
        while waiting:
            for node, _ in waiting.pop().next_functions:
                if node in reached:
                    continue
                if hasattr(node, "variable"):
                    raise GradientError(
                        f"the field used a tensor of shape {tuple(node.variable.shape)} that requires a gradient, but "
                        "not in the evaluations in which such tensors are looked for, so its gradient would be lost; "
                        "pass it in args="
                    )
                reached.add(node)
                waiting.append(node)


def _node(tensor: Tensor) -> Any:
    """Return the node that stands for a tensor in the graph.

    By nodes, not by tensors: under hooks on saved tensors (checkpoint, save_on_cpu) autograd hands back new objects.
    """
    with torch.enable_grad():
        return get_gradient_edge(tensor).node
