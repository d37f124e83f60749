"""Numbers of time: how finely a dtype resolves it, and the neighbours of an instant."""

from __future__ import annotations

import math

import torch

__all__ = ["beside", "resolution"]


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
