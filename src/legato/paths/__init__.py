"""Functions of time: dense solutions."""

from __future__ import annotations

from .dense import DensePath, RowsDensePath

__all__ = ["DensePath", "RowsDensePath"]
