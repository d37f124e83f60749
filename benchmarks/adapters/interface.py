"""What every contestant can do: one forward solve, one gradient, by its own rules or by equal ones.

Equal rules are: dopri5 with the error weights of Shampine (1986), which all peers use; one step size for the whole
batch; the root mean square over everything as error norm; the I controller with safety 0.9 and factors from 0.2 to 10;
the problem's tolerances. Own rules are the library's defaults, with the problem's tolerances.

The loss whose gradient is taken is the sum of squares of the values after the start.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..problems import Problem

__all__ = ["Adapter", "Answer", "Run"]


class Answer(NamedTuple):
    """What a run found.

    Attributes:
        values: at the save times after the start, `(times, batch, features)`.
        gradient: by the field's parameters, one flat array, or None for a forward run.
        steps: attempted steps; the most of any sample where samples have their own.
        evaluations: calls of the field, forward and backward, or None where they cannot be counted.
    """

    values: np.ndarray
    gradient: np.ndarray | None
    steps: int | None
    evaluations: int | None


class Run(NamedTuple):
    """A contestant's run: `call` is timed and returns only when its result is there; `answer` is not timed."""

    call: Callable[[], Any]
    answer: Callable[[], Answer]


class Adapter(Protocol):
    """One library.

    Attributes:
        name: the library's name, as it is imported.
        gradients: the kinds of gradient that it is timed with; the first is what its users get by default.
        eager: whether a step's cost beside the field can be told from the field's own.
    """

    name: str
    gradients: tuple[str, ...]
    eager: bool

    def forward(self, problem: Problem, *, equal: bool) -> Run:
        """Return the solve without gradient."""

    def gradient(self, problem: Problem, kind: str, *, equal: bool) -> Run:
        """Return the solve, the loss and its gradient by the field's parameters."""
