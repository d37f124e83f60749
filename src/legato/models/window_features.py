r"""Features of a window of irregular, masked history: its projection on polynomials.

With :math:`u = (t - o)/H \in (-1, 0]` the time in a window of length :math:`H` that ends at the origin :math:`o`, and
:math:`p_k` the Legendre polynomials on the window, normalised, the features of a channel with n observations
:math:`x_i` in the window are the minimisers of

.. math::
    \frac1n \sum_i \Big( x_i - a - \sum_k c_k\, p_k(u_i) \Big)^2 + \frac{5}{n} \sum_k \rho_k c_k^2, \qquad
    \rho_k = \rho\,(1 + k/3)^2,

with the anchor :math:`a` the window's own mean, or zero (`window_scaling`). A value that was not observed is not in the
sum; where little was observed, the penalty draws the features to zero.

References:
    A. Gu, T. Dao, S. Ermon, A. Rudra, C. Re: HiPPO, recurrent memory with optimal polynomial projections, 2020.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .window_scaling import window_rows

__all__ = ["DEGREES", "WindowFeatures", "window_features"]

DEGREES = 12
"""How many polynomials a window is projected on."""

_RIDGE = 1e-2
_AT_ONCE = 1_000_000  # numbers in one block of windows


class WindowFeatures(NamedTuple):
    """What is known of m windows: `features` `(m, d * DEGREES)` and `anchors` `(m, d)`, float64."""

    features: Tensor
    anchors: Tensor


def window_features(
    times: Tensor, scaled: Tensor, mask: Tensor, *, origins: Tensor, length: float, anchored: bool
) -> WindowFeatures:
    """Return the features of the windows of one series that end at the origins.

    Arguments:
        times: `(n,)`, increasing.
        scaled: `(n, d)`, anything where not observed.
        mask: `(n, d)`, true where observed.
        origins: `(m,)`.
        length: of a window, in the unit of the times.
        anchored: whether a window's own mean is its zero. A channel without a value in the window takes its mean over
            all of the history before.
    """
    first, last = window_rows(times, origins, length)
    widest = int((last - first).max()) if len(origins) else 0
    block = max(1, _AT_ONCE // max(1, widest * DEGREES * scaled.shape[1]))
    parts = []
    for begin in range(0, len(origins), block):
        part = slice(begin, begin + block)
        rows = first[part, None] + torch.arange(max(widest, 1))
        inside = (rows < last[part, None]) & (rows < len(times))
        rows = rows.clamp(max=len(times) - 1)
        seen = mask[rows] & inside[:, :, None]
        place = (times[rows] - origins[part, None]) / length
        values = torch.where(seen, scaled[rows], 0.0)
        anchor = (
            _anchors(values, seen, scaled, mask, last[part]) if anchored else values.new_zeros(len(rows), mask.shape[1])
        )
        parts.append((_project(place, torch.where(seen, values - anchor[:, None], 0.0), seen), anchor))
    return WindowFeatures(torch.cat([one for one, _ in parts]), torch.cat([two for _, two in parts]))


def _project(place: Tensor, values: Tensor, seen: Tensor) -> Tensor:
    """Return the coefficients `(m, d * DEGREES)` of windows `(m, n, d)`."""
    basis = _legendre((2 * place + 1).clamp(-1, 1))
    count = seen.sum(dim=1).clamp(min=1).double()
    weighted = torch.einsum("mnk,mnd->mdkn", basis, seen.double())
    gram = (weighted @ basis[:, None]) / count[:, :, None, None]
    order = torch.arange(DEGREES, dtype=torch.float64)
    penalty = torch.diag(_RIDGE * (1 + order / 3).square())
    gram = gram + 5 / count[:, :, None, None] * penalty
    target = torch.einsum("mnk,mnd->mdk", basis, values) / count[:, :, None]
    return torch.linalg.solve(gram, target[..., None]).flatten(1)


def _legendre(place: Tensor) -> Tensor:
    """Return the normalised Legendre polynomials, `(*place.shape, DEGREES)`, by their three-term recurrence."""
    values = [torch.ones_like(place), place]
    for k in range(1, DEGREES - 1):
        values.append(((2 * k + 1) * place * values[k] - k * values[k - 1]) / (k + 1))
    return torch.stack([value * (2 * k + 1) ** 0.5 for k, value in enumerate(values)], dim=-1)


def _anchors(values: Tensor, seen: Tensor, scaled: Tensor, mask: Tensor, last: Tensor) -> Tensor:
    """Return the windows' means; of a channel that has no value there, the mean of what came before."""
    count = seen.sum(dim=1)
    own = values.sum(dim=1) / count.clamp(min=1)
    totals = torch.where(mask, scaled, 0.0).cumsum(dim=0) / mask.cumsum(dim=0).clamp(min=1)
    return torch.where(count > 0, own, totals[(last - 1).clamp(min=0)])
