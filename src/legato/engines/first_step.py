r"""The first step size, by Hairer's algorithm.

From :math:`d_0 = \|y_0\|, d_1 = \|f_0\|` in units of the tolerance, a first guess :math:`h_0 = 0.01\, d_0/d_1`, an
Euler step of that size, :math:`d_2 = \|f(t_0 + h_0, y_0 + h_0 f_0) - f_0\| / h_0`, and
:math:`h_1 = (0.01/\max(d_1, d_2))^{1/(q+1)}` for an error estimate of order :math:`q`, the step is
:math:`\min(100\, h_0, h_1)`, and never longer than the interval.

Reference: E. Hairer, S. P. Norsett, G. Wanner, Solving Ordinary Differential Equations I, 1993, section II.4.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..core.norms import Tolerances

__all__ = ["first_step"]

Measure = Callable[[Tensor], Tensor]


def first_step(
    advance: Callable[[Tensor], Tensor],
    y0: Tensor,
    f0: Tensor,
    *,
    tolerances: Tolerances,
    measure: Measure,
    order: int,
    longest: Tensor,
    shared: bool,
) -> Tensor:
    """Return the size of the first step, 0-d under shared steps, else one per row.

    Arguments:
        advance: maps a positive step size to `f(t0 + h, y0 + h f0)`, in the direction of the march.
        y0: the initial state.
        f0: the field there.
        tolerances: relative and absolute.
        measure: the norm of a scaled state.
        order: the order of the error estimate.
        longest: the greatest step allowed, positive, float64: 0-d or one per row.
        shared: whether all rows take one step size; rows with a non-finite field are then left out.
    """
    scale = tolerances.of_size(y0.abs())
    d0, d1 = measure(y0 / scale).double(), measure(f0 / scale).double()
    h0 = torch.where((d0 < 1e-5) | (d1 < 1e-5), torch.full_like(d0, 1e-6), 0.01 * d0 / d1)
    h0 = torch.minimum(_settle(h0, shared), longest)
    d2 = measure((advance(h0) - f0) / scale).double() / h0
    largest = torch.maximum(d1, d2)
    flat = (d1 <= 1e-15) & (d2 <= 1e-15)
    h1 = torch.where(flat, (1e-3 * h0).clamp(min=1e-6), torch.exp((0.01 / largest).log() / (order + 1)))
    return torch.minimum(_settle(torch.minimum(100 * h0, h1), shared), longest)


def _settle(step: Tensor, shared: bool) -> Tensor:
    """Replace what is not finite, and take the least over the rows where they share it."""
    if not shared:
        return torch.where(step.isfinite() & (step > 0), step, 1e-6)
    step = torch.where(step.isfinite() & (step > 0), step, torch.inf).amin()
    return torch.where(step.isfinite(), step, 1e-6)
