"""Gradients through a solve; each is handed an engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.catalogue import Catalogue
from .capture import Captured, Seen, leaf_parameters
from .direct import march_direct
from .discrete import Inputs, attach_discrete

__all__ = ["GRADIENTS", "Captured", "Inputs", "Seen", "attach_discrete", "leaf_parameters", "march_direct"]

GRADIENTS: Catalogue[Callable[..., Any]] = Catalogue(
    "gradient",
    {
        "discrete": (attach_discrete, "the exact transpose of the accepted steps; keeps their states, no activation"),
        "direct": (march_direct, "autograd through every accepted step; keeps all activations, and gives forward mode"),
    },
)
