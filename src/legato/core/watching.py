"""Evaluations that nobody is to watch: those with tensors of the library's own that require a gradient.

Whoever looks for tensors from outside takes every one that requires a gradient for such. A linearisation makes some of
its own, so it says that it does, in its thread.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["is_unwatched", "unwatched"]

_STATE = threading.local()


@contextmanager
def unwatched() -> Iterator[None]:
    """Ask watchers in this thread to look away."""
    before = getattr(_STATE, "away", False)
    _STATE.away = True
    try:
        yield
    finally:
        _STATE.away = before


def is_unwatched() -> bool:
    """Return whether watchers are to look away."""
    return getattr(_STATE, "away", False)
