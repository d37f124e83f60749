"""The eager engine: any field, one Python loop, one wait for the device a step."""

from __future__ import annotations

from torch import Tensor

from ..task import March, Task
from .clock import beside, beside_rows
from .independent import march_independent
from .reverse import Cotangents, reverse
from .shared import march_shared

__all__ = ["Cotangents", "Eager", "beside", "beside_rows"]


class Eager:
    """March with PyTorch's eager operators.

    Example:
        >>> Eager().name
        'eager'
    """

    name = "eager"
    reverse = staticmethod(reverse)

    @staticmethod
    def march(task: Task, *, graph: bool = False) -> March:
        """March a task: rows in step where its times are numbers, each for itself where they are tensors."""
        independent = isinstance(task.t0, Tensor)
        return march_independent(task, graph=graph) if independent else march_shared(task, graph=graph)
