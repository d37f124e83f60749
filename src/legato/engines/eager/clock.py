"""Numbers of time: how finely a dtype resolves it, and the neighbours of an instant."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["beside", "beside_rows", "resolution", "row_resolution"]


def resolution(t: float, dtype: torch.dtype) -> float:
    """Return the spacing of the numbers of `dtype` around `t`."""
    if dtype == torch.float64:
        return math.ulp(t)
    return max(abs(t) * torch.finfo(dtype).eps, torch.finfo(dtype).tiny)


def beside(t: float, toward: float, dtype: torch.dtype) -> float:
    """Return the number of `dtype` next to `t` in the direction of `toward`."""
    here = torch.tensor(t, dtype=dtype)
    there = torch.tensor(math.copysign(math.inf, toward - t), dtype=dtype)
    return float(torch.nextafter(here, there))


def row_resolution(t: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the spacing of the numbers of `dtype` around each of `t`, float64."""
    if dtype == torch.float64:
        return torch.nextafter(t.abs(), torch.full_like(t, torch.inf)) - t.abs()
    return (t.abs() * torch.finfo(dtype).eps).clamp(min=torch.finfo(dtype).tiny)


def beside_rows(t: Tensor, toward: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the numbers of `dtype` next to each of `t` in the direction of `toward`, as float64."""
    return torch.nextafter(t.to(dtype), toward.to(dtype)).double()
