"""The program `legato`: check, fit, forecast, evaluate, solve, doctor, demo."""

from __future__ import annotations

from .entry import main

__all__ = ["main"]
