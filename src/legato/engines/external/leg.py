"""What a black box is asked to solve, and how it answers: one sample, from one forced stop to the next."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from ...core.status import Status
from .right_hand_side import RightHandSide

__all__ = ["LEAST_ATOL", "Leg", "Method", "Stepper", "is_black_box"]

LEAST_ATOL = 1e-140
"""What stands for zero: solvers divide by the tolerance of a component that is zero, and square what they get."""


class Leg(NamedTuple):
    """One sample's way from a start or a forced stop to the next, or to its end.

    Attributes:
        function: the right-hand side on arrays.
        t0, t1: where it begins and ends.
        y0: the state at `t0`, a float64 array `(n,)`.
        rtol, atol: tolerances, numbers or arrays `(n,)`.
        first: the size of the first step, or None to let the solver choose.
        least, longest: bounds of the step size; `least` is 0 where there is none.
        saves: the times strictly between `t0` and `t1` at which the state is wanted, where only those are.
    """

    function: RightHandSide
    t0: float
    t1: float
    y0: Any
    rtol: Any
    atol: Any
    first: float | None
    least: float
    longest: float
    saves: tuple[float, ...]


class Stepper(Protocol):
    """A solver on its way along a leg."""

    @property
    def t(self) -> float:
        """Where it is."""

    @property
    def y(self) -> Any:
        """The state there, `(n,)`."""

    def step(self) -> Status | None:
        """Take one accepted step; return why it cannot, or None where it could."""

    def values(self, times: list[float]) -> Any:
        """Return the states `(len(times), n)` at times inside the last step."""


class Method(Protocol):
    """A black box."""

    @property
    def name(self) -> str:
        """What it is called in counts and messages."""

    @property
    def stepwise(self) -> bool:
        """Whether it goes step by step, so that it can begin again with a shorter one."""

    @property
    def degree(self) -> int | None:
        """The greatest degree of its interpolants in time, or None where it has none."""

    def begin(self, leg: Leg) -> Stepper:
        """Return a solver at the beginning of a leg."""


def is_black_box(engine: Any) -> bool:
    """Return whether an engine solves every sample by itself, with a method of its own."""
    return bool(getattr(engine, "black_box", False))
