"""A solver of the user's own: a function from a field, a state and times to states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import torch

from ...core.errors import GradientError, InputError
from ...core.status import Status
from ...outputs.rows import RowSteps
from ..task import March, Task
from .leg import Leg, Stepper
from .march import march_rows

__all__ = ["BlackBox"]


@dataclass(frozen=True)
class BlackBox:
    """Solve with a function of your own, sample by sample.

    It is called as `function(f, y0, times, rtol=rtol, atol=atol)`. `f(t, y)` maps a number and a float64 array `(n,)`
    to the slope `(n,)`; `y0` is the state at `times[0]`; `times` rise or fall. It returns the states at `times`,
    `(len(times), n)`, with NaN for what it could not reach.

    `f` ends it by an exception, to be left alone, where the field is not finite, or after `max_steps` times 50 and one
    for each component evaluations. What a function does without calling `f` is not bounded.

    Arguments:
        function: the solver.
        name: what to call it in counts and messages.

    Example:
        >>> import torch, legato
        >>> def euler(f, y0, times, *, rtol, atol):
        ...     ys = [y0]
        ...     for begin, end in zip(times[:-1], times[1:]):
        ...         ys.append(ys[-1] + (end - begin) * f(begin, ys[-1]))
        ...     return ys
        >>> engine = legato.engines.BlackBox(euler)
        >>> legato.solve(lambda t, y: -y, torch.ones(1), [0.0, 0.5, 1.0], engine=engine).ys[:, 0]
        tensor([1.0000, 0.5000, 0.2500])
    """

    function: Callable[..., Any]
    _: KW_ONLY
    name: str = "black-box"

    black_box: ClassVar[bool] = True
    stepwise: ClassVar[bool] = False
    degree: ClassVar[int | None] = None

    def march(self, task: Task, *, graph: bool = False) -> March:
        """March a task, row by row.

        Raises:
            InputError: something is asked for that a black box cannot give: dense output, every step, step sizes.
            GradientError: autograd is to record the march.
        """
        if graph:
            raise GradientError(f"autograd cannot record what the engine {self.name!r} does; use engine='eager'")
        if any(isinstance(output, RowSteps) for output in task.outputs):
            raise InputError(
                f"the engine {self.name!r} gives states at times and no steps: leave out dense=True and save='steps'"
            )
        limits = task.limits
        if limits.dt0 is not None or limits.dt_min is not None or limits.dt_max < float("inf"):
            raise InputError(f"the engine {self.name!r} chooses its own steps: leave out dt0=, dt_min= and dt_max=")
        return march_rows(self, task)

    def begin(self, leg: Leg) -> Stepper:
        """Return the way along a leg: all of it is solved at once, and its times are the steps."""
        return _Answer(self, leg)


class _Answer:
    """The states that a black box returned, one after the other."""

    def __init__(self, box: BlackBox, leg: Leg) -> None:
        self.times = torch.tensor([leg.t0, *leg.saves, leg.t1], dtype=torch.float64)
        answer = box.function(leg.function, leg.y0.copy(), self.times.numpy().copy(), rtol=leg.rtol, atol=leg.atol)
        expected = (len(self.times), len(leg.y0))
        try:
            parts = [torch.as_tensor(part, dtype=torch.float64) for part in answer]
            states = torch.stack(parts)
        except (TypeError, ValueError, RuntimeError) as error:
            raise InputError(f"{box.name} must return an array of shape {expected}, states at times: {error}") from None
        if states.shape != expected:
            raise InputError(f"{box.name} must return states at times, {expected}; got shape {tuple(states.shape)}")
        self.states, self.place = states, 0

    @property
    def t(self) -> float:
        """The time of the state."""
        return float(self.times[self.place])

    @property
    def y(self) -> Any:
        """The state."""
        return self.states[self.place].numpy()

    def step(self) -> Status | None:
        """Go to the next time."""
        self.place += 1
        return None

    def values(self, times: list[float]) -> Any:
        """Return the state at the end, the only one that there is."""
        return self.states[self.place].expand(len(times), -1)
