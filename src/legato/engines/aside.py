"""Stepping aside inside a user's `torch.compile`: the march is a Python loop that waits for its error norms."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

__all__ = ["steps_aside"]

Given = ParamSpec("Given")
Result = TypeVar("Result")


def steps_aside(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Return a function that `torch.compile` neither traces nor compiles: the graph breaks around its call.

    Until somebody has loaded the compiler nothing is asked of it, so importing legato does not load it.
    """
    disabled: Callable[Given, Result] | None = None

    @functools.wraps(function)
    def aside(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        nonlocal disabled
        if "torch._dynamo" not in sys.modules:
            return function(*args, **kwargs)
        if disabled is None:
            disabled = torch.compiler.disable(function)
        return disabled(*args, **kwargs)

    aside._torchdynamo_disable = True  # type: ignore[attr-defined]
    return aside
