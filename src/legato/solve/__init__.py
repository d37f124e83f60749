"""The front door of the numerics."""

from __future__ import annotations

from .events import Event
from .front_door import solve

__all__ = ["Event", "solve"]
