r"""Newton's method for many small systems at once, each of which converges, or not, for itself.

With one matrix for all iterations (:math:`W \approx \partial G/\partial x`, factored once),

.. math:: x \leftarrow x - W^{-1} G(x).

From the norms of two updates comes the rate :math:`\theta = \|\Delta_m\| / \|\Delta_{m-1}\|`; a row is done where
:math:`\theta/(1-\theta)\,\|\Delta_m\| \le \kappa`, and has failed where :math:`\theta \ge 1` or the last iteration that
is allowed would not bring it there.

Reference: E. Hairer, G. Wanner, Solving Ordinary Differential Equations II, 1996, section IV.8.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["newton"]

_PRECISION = 1e-2
"""How much of the tolerance an equation may be off by, kappa."""
_AT_ONCE = 1e-5
"""A first update as small as this ends the iteration: no rate is known yet."""
_STALLED = 0.5
"""A rate from which on updates are taken for rounding, if they are small enough."""


def newton(
    residual: Callable[[Tensor], Tensor],
    guess: Tensor,
    solve: Callable[[Tensor], Tensor],
    measure: Callable[[Tensor], Tensor],
    *,
    limit: int = 12,
    noise: float = _PRECISION,
) -> tuple[Tensor, Tensor]:
    """Return the roots and the mask of the rows for which none was found.

    Arguments:
        residual: maps `x` to `G(x)`, both of the shape of `guess`, rows first.
        guess: where to begin.
        solve: maps `G(x)` to the update `W^-1 G(x)`.
        measure: the norm of each row's update, `(rows,)`, in units of the tolerance.
        limit: the greatest number of iterations.
        noise: the norm below which updates that no longer shrink are rounding.
    """
    found = guess
    failed = torch.zeros(len(guess), dtype=torch.bool, device=guess.device)
    done = failed
    before: Tensor | None = None
    for iteration in range(limit):
        update = solve(residual(found))
        size = measure(update)
        going = ~(done | failed)
        found = torch.where(_column(going, found), found - update, found)
        if before is None:
            now = size <= _AT_ONCE
            lost = ~size.isfinite()
        else:
            rate = size / before
            left = size * rate / (1 - rate)
            now = ((rate < 1) & (left <= _PRECISION)) | ((rate >= _STALLED) & (size <= noise)) | (size == 0)
            remaining = limit - 1 - iteration
            lost = ~size.isfinite() | (~now & ((rate >= 1) | (left * rate**remaining > _PRECISION)))
        done = done | (going & now)
        failed = failed | (going & lost & ~now)
        if bool((done | failed).all()):
            break
        before = size if before is None else torch.where(going, size, before)
    return found, ~done


def _column(mask: Tensor, like: Tensor) -> Tensor:
    return mask.view(-1, *(1,) * (like.dim() - 1))
