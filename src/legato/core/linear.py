"""Batched linear systems: one small matrix per row, solved again and again with the same matrices.

For few unknowns the inverse of every matrix is cheaper than its factors and all later solves are products; beyond that
the factors are kept. A singular matrix gives values that are not finite, never an exception: the row that owns it
fails, the others go on.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["Factored"]

_INVERTED = 16
"""The greatest number of unknowns for which the inverse is kept."""


class Factored:
    """Matrices ready to solve with.

    Arguments:
        matrices: `(rows, n, n)`, real or complex; may carry a gradient.
    """

    def __init__(self, matrices: Tensor) -> None:
        self._inverse: Tensor | None = None
        if matrices.shape[-1] <= _INVERTED:
            self._inverse, info = torch.linalg.inv_ex(matrices)
            self._singular = info != 0
        else:
            self._factors, self._pivots, info = torch.linalg.lu_factor_ex(matrices)
            self._singular = info != 0
        self._matrices = matrices

    def solve(self, right: Tensor) -> Tensor:
        """Return the solutions `(rows, n)` for right sides `(rows, n)`, NaN where a matrix is singular."""
        if self._inverse is None:
            found = torch.linalg.lu_solve(self._factors, self._pivots, right[..., None])[..., 0]
        else:
            found = _product(self._inverse, right)
            # One refinement: a product with an inverse is less accurate than a solve where a matrix is ill-conditioned.
            found = found + _product(self._inverse, right - _product(self._matrices, found))
        return torch.where(self._singular[:, None], torch.nan, found)


def _product(matrices: Tensor, vectors: Tensor) -> Tensor:
    """Return a matrix times a vector for every row; a sum over products, so that a row's bits are its own."""
    return (matrices * vectors[:, None, :]).sum(-1)
