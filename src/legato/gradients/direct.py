r"""The direct gradient: autograd through every operation of the march.

A step is an ordinary composition of tensor operations, so recording them all gives, for the steps that were taken, the
same derivative as the exact transpose,

.. math:: \bar y_n = \Bigl(\frac{\partial \Phi}{\partial y}(t_n, \Delta t_n, y_n, p)\Bigr)^{\!\top} \bar y_{n+1},

at the price of keeping every activation: memory grows with steps times stages times what one evaluation of the field
saves. What that buys: backward evaluates no field again, forward mode works, and a field may draw random numbers or
change its buffers, since what is differentiated is what was computed.
"""

from __future__ import annotations

from typing import Any

from ..engines.task import March, Task

__all__ = ["march_direct"]


def march_direct(engine: Any, task: Task) -> March:
    """March while autograd records; the values carry their gradient.

    Arguments:
        engine: whose `march` will be called, with the graph.
        task: the task, its times as tensors where a gradient with respect to them is wanted.
    """
    march: March = engine.march(task, graph=True)
    return march
