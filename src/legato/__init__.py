"""Neural differential equations in PyTorch."""

from __future__ import annotations

from .compat import odeint, odeint_adjoint
from .core.errors import LegatoError, SolveError
from .core.status import Status
from .models import NeuralODE
from .solution import Solution
from .solve import Event, solve
from .tasks import Forecaster
from .version import __version__

__all__ = [
    "Event",
    "Forecaster",
    "LegatoError",
    "NeuralODE",
    "Solution",
    "SolveError",
    "Status",
    "__version__",
    "odeint",
    "odeint_adjoint",
    "solve",
]
