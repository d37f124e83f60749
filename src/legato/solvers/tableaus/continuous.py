r"""Interpolants for stiffly accurate methods with an explicit first stage.

Wanted are polynomials :math:`b_i(\theta)` over the stages so that the order conditions hold inside the step up to order
q and the end is met. On :math:`y' = \lambda y` a stage is :math:`Y_i = R_i(z)\,y_0` and its slope
:math:`\Delta t\,k_i = z\,Y_i`, so that a stiff component of :math:`y_0` that is off by rounding or by the tolerance of
an equation would be blown up by :math:`z` inside the step, though the method damps it at the end, unless

.. math:: \sum_i b_i(\theta)\, R_i(\infty) = 0, \qquad
    R(\infty) = \bigl(1,\; -\hat a^{-1} a_{\cdot 1}\bigr),

:math:`\hat a` being the stage matrix without its first row and column :math:`a_{\cdot 1}`. (The cubic Hermite
polynomial does not satisfy it.) All of this is linear in the coefficients. Where conditions leave a choice the smallest
coefficients are taken; where they cannot all hold, there is no such interpolant.

Reference: E. Hairer, S. P. Norsett, G. Wanner, Solving Ordinary Differential Equations I, 1993, section II.6.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import torch

from ...core.errors import InputError
from ..rooted_trees import density, node_count, stage_weights

__all__ = ["continuous_extension"]

_SLACK = 1e-11


def continuous_extension(rows: Sequence[Sequence[Fraction]], *, order: int) -> list[list[float]]:
    """Return the coefficients of theta, theta^2, ... of every b_i, a row per stage.

    Arguments:
        rows: the rows of the stage matrix, up to and with the diagonal; the last one is that of the weights.
        order: the order q inside the step, and the degree of the polynomials.

    Raises:
        InputError: there is no such interpolant.
    """
    count = len(rows)
    a = [[float(entry) for entry in row] + [0.0] * (count - len(row)) for row in rows]
    matrix = torch.tensor(a, dtype=torch.float64)
    far = torch.cat([torch.ones(1, dtype=torch.float64), -torch.linalg.solve(matrix[1:, 1:], matrix[1:, 0])])
    trees = stage_weights(a, order, one=1.0)
    left = torch.cat([torch.tensor([*trees.values()], dtype=torch.float64), far[None]])
    powers = []
    for power in range(1, order + 1):
        right = [1 / density(tree) if node_count(tree) == power else 0.0 for tree in trees]
        powers.append(torch.tensor([*right, 0.0], dtype=torch.float64))
    found = _least(left, torch.stack(powers, dim=1), matrix[-1])
    if found is None:
        raise InputError(f"no interpolant of order {order} lies over these {count} stages")
    return [row.tolist() for row in found]


def _least(left: torch.Tensor, right: torch.Tensor, end: torch.Tensor) -> torch.Tensor | None:
    """Return the smallest X with `left X = right` whose columns sum to `end`, or None."""
    conditions, count = left.shape
    powers = right.shape[1]
    one = torch.eye(powers, dtype=left.dtype)
    whole = torch.cat([torch.kron(left, one), torch.kron(torch.eye(count, dtype=left.dtype), torch.ones_like(one[:1]))])
    target = torch.cat([right.reshape(conditions * powers), end])
    found = torch.linalg.lstsq(whole, target[:, None], driver="gelsd").solution[:, 0]
    if float((whole @ found - target).abs().max()) > _SLACK * max(1.0, float(found.abs().max())):
        return None
    rows = found.view(count, powers)
    return torch.cat([rows[:, :-1], (end - rows[:, :-1].sum(1))[:, None]], dim=1)  # the end is met to rounding
