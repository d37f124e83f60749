r"""Error norms in units of the tolerance.

With the scaled error :math:`r = e / (\mathrm{atol} + \mathrm{rtol}\,\max(|y_0|, |y_1|))` of a step,

- `rows`: :math:`\max_i \sqrt{\operatorname{mean}_j |r_{ij}|^2}`, the largest of the samples' root mean squares, so that
  no sample's accuracy depends on its batch mates;
- `batch`: :math:`\sqrt{\operatorname{mean}_{ij} |r_{ij}|^2}`, the peers' norm over everything;
- a callable of the scaled error in the user's own structure, returning one non-negative number.

A measure returns one value a row under `rows`, a 0-d tensor otherwise; a step is accepted where it is at most 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .errors import InputError
from .packing import Layout

__all__ = ["Tolerances", "make_measure", "row_norms"]

Measure = Callable[[Tensor], Tensor]


class Tolerances(NamedTuple):
    """The relative and the absolute tolerance, numbers or tensors that broadcast against the packed state."""

    rtol: float | Tensor
    atol: float | Tensor

    def scale(self, y0: Tensor, y1: Tensor) -> Tensor:
        """Return `atol + rtol max(|y0|, |y1|)`, kept above zero."""
        largest = torch.maximum(y0.abs(), y1.abs())
        return self.of_size(largest)

    def of_size(self, size: Tensor) -> Tensor:
        """Return `atol + rtol size`, kept above zero."""
        scale = (size * self.rtol).add_(self.atol)
        positive = self.atol > 0 if isinstance(self.atol, float) else False
        return scale if positive else scale.clamp_(min=torch.finfo(scale.dtype).tiny)

    def reshaped(self, shape: torch.Size) -> Tolerances:
        """Return the tolerances for a state that is laid out as `shape`."""
        rtol, atol = (part.reshape(shape) if isinstance(part, Tensor) else part for part in self)
        return Tolerances(rtol, atol)

    def rows(self, index: Tensor, row_count: int) -> Tolerances:
        """Return the tolerances of some rows, where a tolerance differs from row to row."""

        def pick(value: float | Tensor) -> float | Tensor:
            per_row = isinstance(value, Tensor) and value.dim() > 0 and value.shape[0] == row_count
            return value[index] if per_row and isinstance(value, Tensor) else value

        return Tolerances(pick(self.rtol), pick(self.atol))


def row_norms(scaled: Tensor, batch_dims: int) -> Tensor:
    """Return each row's root mean square, of shape `(rows,)`; a state without batch axes is one row."""
    flat = scaled.reshape(_row_count(scaled, batch_dims), -1)
    if flat.shape[1] == 0:
        return flat.abs().sum(dim=1)
    return torch.linalg.vector_norm(flat, dim=1) / flat.shape[1] ** 0.5


def make_measure(norm: str | Callable[[Any], Tensor], layout: Layout) -> Measure:
    """Return the function that turns a scaled error into row norms or one norm.

    Raises:
        InputError: `norm` is neither "rows", "batch" nor a callable.
    """
    if norm == "rows":
        dims = layout.batch_dims
        return lambda scaled: row_norms(scaled, dims)
    if norm == "batch":
        return _batch_norm
    if callable(norm):
        chosen = norm
        return lambda scaled: torch.as_tensor(chosen(layout.unpack(scaled)), device=scaled.device).abs()
    raise InputError(f"norm is 'rows', 'batch' or a function of the scaled error; got {norm!r}")


def _batch_norm(scaled: Tensor) -> Tensor:
    return torch.linalg.vector_norm(scaled).div_(max(scaled.numel(), 1) ** 0.5)


def _row_count(tensor: Tensor, batch_dims: int) -> int:
    rows = 1
    for size in tensor.shape[:batch_dims]:
        rows *= size
    return rows
