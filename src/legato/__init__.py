"""Neural differential equations in PyTorch."""

from __future__ import annotations

from .core.errors import LegatoError, SolveError
from .core.status import Status
from .solution import Solution
from .solve import solve
from .version import __version__

__all__ = ["LegatoError", "Solution", "SolveError", "Status", "__version__", "solve"]
