"""The eager engine: any field, one Python loop, one wait for the device a step."""

from __future__ import annotations

import torch
from torch import Tensor

from ..task import March, Task
from .clock import beside, beside_rows
from .independent import IndependentMarch
from .reverse import Cotangents, reverse
from .shared import SharedMarch

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
        """March a task from beginning to end.

        Arguments:
            task: what to do.
            graph: whether autograd records the march (the `direct` gradient).
        """
        with torch.set_grad_enabled(graph):
            marching = Eager.begin(task, graph=graph)
            while marching.going:
                marching.advance()
            return marching.finish()

    @staticmethod
    def begin(task: Task, *, graph: bool = False) -> SharedMarch | IndependentMarch:
        """Begin a march: rows in step where the task's times are numbers, each for itself where they are tensors."""
        kind = IndependentMarch if isinstance(task.t0, Tensor) else SharedMarch
        marching = kind(task, graph)
        marching.begin()
        return marching
