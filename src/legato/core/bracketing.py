r"""Roots between two points of unlike sign, many at once.

The ITP method keeps a bracket :math:`[a, b]` with :math:`f(a) f(b) < 0`. It interpolates, :math:`x_f = (f_b a - f_a b)
/ (f_b - f_a)`, moves that point towards the middle by :math:`\delta = \kappa_1 (b - a)^2`, and projects it to within
:math:`r_j = \varepsilon 2^{n - j} - (b - a)/2` of the middle. So it converges faster than linearly on smooth functions
and never needs more than :math:`n = \lceil \log_2 ((b_0 - a_0)/2\varepsilon) \rceil + 1` evaluations, one more than
bisection.

Reference: I. F. D. Oliveira, R. H. C. Takahashi, An enhancement of the bisection method average performance preserving
minmax optimality, ACM Transactions on Mathematical Software 47(1), 2020.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["bracketed_roots"]

_KAPPA = 0.2
_MOST = 200


def bracketed_roots(
    function: Callable[[Tensor], Tensor], a: Tensor, b: Tensor, *, fa: Tensor, fb: Tensor, tolerance: Tensor
) -> Tensor:
    """Return where a function changes its sign in each of many brackets.

    Arguments:
        function: maps points `(n,)`, one in each bracket, to values `(n,)`; every entry is a function of its own.
        a, b: the ends of the brackets, `a < b`, float64.
        fa, fb: the values there, of unlike sign; a zero at `b` is the root.
        tolerance: half the width to which each bracket is reduced, above zero.

    Returns:
        The end at which the sign has changed, or the zero that was met: the sign of `function` there is never `fa`'s.

    Example:
        >>> one = torch.ones(1, dtype=torch.float64)
        >>> fa, fb = -2 * one, 2 * one
        >>> root = bracketed_roots(lambda x: x * x - 2, 0 * one, 2 * one, fa=fa, fb=fb, tolerance=1e-12 * one)
        >>> round(root.item(), 9)
        1.414213562
    """
    a, b, fa, fb = a.clone(), b.clone(), fa.double(), fb.double()
    before = fa.sign()
    scale = _KAPPA / (b - a)
    bound = ((b - a) / (2 * tolerance)).log2().ceil().clamp(min=0) + 1
    for iteration in range(_MOST):
        middle, half = (a + b) / 2, (b - a) / 2
        wide = (half > tolerance) & (fb != 0) & (middle > a) & (middle < b)
        if not bool(wide.any()):
            break
        straight = (fb * a - fa * b) / (fb - fa)
        straight = torch.where(straight.isfinite(), straight, middle)
        inward = (middle - straight).sign()
        nearer = straight + inward * torch.minimum(scale * (b - a) ** 2, (middle - straight).abs())
        reach = (tolerance * 2.0 ** (bound - iteration) - half).clamp(min=0)
        x = torch.where((nearer - middle).abs() <= reach, nearer, middle - inward * reach)
        x = torch.where((x > a) & (x < b), x, middle)
        value = function(torch.where(wide, x, b)).double()
        same = wide & (value.sign() == before)
        other = wide & ~same
        a, fa = torch.where(same, x, a), torch.where(same, value, fa)
        b, fb = torch.where(other, x, b), torch.where(other, value, fb)
    return b
