"""Gradients through a solve; each is handed an engine."""

from __future__ import annotations

from ..core.catalogue import Catalogue
from .capture import Captured, Seen, leaf_parameters
from .discrete import Inputs, attach_discrete

__all__ = ["GRADIENTS", "Captured", "Inputs", "Seen", "attach_discrete", "leaf_parameters"]

GRADIENTS: Catalogue[str] = Catalogue(
    "gradient",
    {
        "discrete": ("discrete", "the exact transpose of the accepted steps; keeps their states, no activation"),
        "direct": ("direct", "autograd through every accepted step; keeps all activations, and gives forward mode"),
    },
)
