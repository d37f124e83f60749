r"""Tight references in float64, from none of the contestants: SciPy's DOP853 at 1e-11.

The gradient of :math:`L = \sum_i \|y(t_i)\|^2` by the parameters p is the integral of the adjoint equation

.. math::
    \dot a = -\Bigl(\frac{\partial f}{\partial y}\Bigr)^{\!\top} a, \qquad
    \frac{dL}{dp} = \int_{t_0}^{t_1} \Bigl(\frac{\partial f}{\partial p}\Bigr)^{\!\top} a\, dt, \qquad
    a(t_i^-) = a(t_i^+) + 2\,y(t_i),

solved backwards along the interpolated solution.
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.integrate import solve_ivp

from .problems import Problem

__all__ = ["Reference", "make_reference", "relative_error"]

TOLERANCE = 1e-11


class Reference(NamedTuple):
    """Values at the save times after the start, `(times, batch, features)`, and the loss's gradient, flat."""

    values: np.ndarray
    gradient: np.ndarray


def make_reference(problem: Problem, *, tolerance: float = TOLERANCE) -> Reference:
    """Return the reference of a problem.

    Arguments:
        problem: which.
        tolerance: relative and absolute, of both solves.
    """
    field = copy.deepcopy(problem.field).double()
    shape = tuple(problem.y0.shape)
    size = problem.y0.numel()

    def right_hand_side(t: float, y: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return np.asarray(field(torch.tensor(t), torch.from_numpy(y).view(shape)).reshape(-1))

    options: dict[str, Any] = {"method": "DOP853", "rtol": tolerance, "atol": tolerance}
    times = np.asarray(problem.times)
    start = problem.y0.double().reshape(-1).numpy()
    forward = solve_ivp(right_hand_side, times[[0, -1]], start, t_eval=times[1:], dense_output=True, **options)
    values = forward.y.T
    parameters = list(field.parameters())
    count = sum(parameter.numel() for parameter in parameters)

    def adjoint(t: float, joint: np.ndarray) -> np.ndarray:
        y = torch.from_numpy(forward.sol(t)).view(shape).requires_grad_()
        a = torch.from_numpy(joint[:size]).view(shape)
        parts = torch.autograd.grad(field(torch.tensor(t), y), (y, *parameters), a)
        return -np.concatenate([part.reshape(-1).numpy() for part in parts])

    joint = np.zeros(size + count)
    for place in reversed(range(1, len(times))):
        joint[:size] += 2 * values[place - 1]
        joint = solve_ivp(adjoint, times[[place, place - 1]], joint, **options).y[:, -1]
    return Reference(values.reshape(-1, *shape), joint[size:])


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    """Return the root mean square of the difference over that of the expected values."""
    size = float(np.linalg.norm(expected))
    return float(np.linalg.norm(found - expected)) / (size if size else 1.0)
