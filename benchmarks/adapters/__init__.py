"""Contestants, one file a library; those that are not installed are left out."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from .interface import Adapter, Answer, Run

__all__ = ["ADAPTERS", "Adapter", "Answer", "Run", "load_adapters"]

ADAPTERS = {"legato": "Legato", "torchdiffeq": "TorchDiffEq", "torchode": "TorchODE", "diffrax": "Diffrax"}
"""Library and adapter class; the file has the library's name."""


def load_adapters(names: tuple[str, ...] = tuple(ADAPTERS)) -> list[Adapter]:
    """Return the adapters of the named libraries that are installed."""
    return [
        getattr(import_module(f"{__name__}.{name}"), ADAPTERS[name])() for name in names if find_spec(name) is not None
    ]
