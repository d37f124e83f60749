r"""A band from the model's own errors: noise, ensemble spread and growth with the horizon, scaled until it covers.

From forecasts of rows that a part of the ensemble was not trained on, at lead :math:`h`, residuals :math:`r` and
spreads :math:`s`, the variance of a forecast is

.. math:: \sigma^2(h) = a + b\,h + s^2, \qquad a, b \ge 0,

with :math:`a, b` by least squares of :math:`r^2 - s^2` weighted with :math:`h^{-1/2}`, and the band of 80 % is
:math:`\pm q\,\sigma`, :math:`q` the :math:`\lceil 0.8\,(m+1) \rceil`-th smallest of the :math:`m` ratios
:math:`|r| / \sigma` (split conformal prediction; V. Vovk, A. Gammerman, G. Shafer, Algorithmic learning in a random
world, 2005), and at least the normal distribution's 1.28: forecasts from many origins of one late stretch overlap, hold
few independent errors, and their quantile can lie far below that of errors to come.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Band", "fit_band"]

_NORMAL_80 = 1.2815515655446004


class Band(NamedTuple):
    """The width of a forecast's band: `deviation(h, spread) = q / z80 sqrt(a + b h + spread^2)`."""

    noise: float
    growth: float
    factor: float

    def deviation(self, lead: Tensor, spread: Tensor) -> Tensor:
        """Return the standard deviation whose normal 80 % band is the calibrated one.

        Arguments:
            lead: the lead of each forecast, in the unit of the calibration; broadcasts against `spread`.
            spread: the ensemble's standard deviation.
        """
        return self.factor / _NORMAL_80 * (self.noise + self.growth * lead + spread**2).sqrt()


def fit_band(lead: Tensor, residual: Tensor, spread: Tensor, *, least_noise: float = 0.01) -> Band:
    """Return the band that 80 % of the residuals lie in, and that is no narrower than a normal one of their variance.

    Arguments:
        lead: `(m,)`, above zero.
        residual: `(m,)`, observation minus forecast, in the scaled space; NaN where there is none.
        spread: `(m,)`, the ensemble's standard deviation.
        least_noise: the least variance at lead zero.
    """
    kept = residual.isfinite() & spread.isfinite()
    lead, residual, spread = (part[kept].double() for part in (lead, residual, spread))
    if not len(residual):
        return Band(max(least_noise, 0.05), 0.05, _NORMAL_80)
    noise, growth = _least_squares(lead, residual**2 - spread**2)
    noise = max(noise, least_noise)
    ratio = residual.abs() / (noise + growth * lead + spread**2).sqrt()
    rank = min(math.ceil(0.8 * (len(ratio) + 1)), len(ratio))
    return Band(noise, growth, max(float(ratio.sort().values[rank - 1]), _NORMAL_80))


def _least_squares(lead: Tensor, excess: Tensor) -> tuple[float, float]:
    """Return the non-negative a, b that minimise the sum of (a + b h - excess)^2 / h."""
    weight = lead.clamp(min=1e-12).rsqrt()
    design = torch.stack([weight, lead * weight], dim=1)
    target = excess * weight
    both = torch.linalg.lstsq(design, target[:, None]).solution[:, 0]
    if bool((both >= 0).all()):
        return float(both[0]), float(both[1])
    single = []
    for column in (0, 1):
        part = design[:, column]
        value = float((part @ target / (part @ part)).clamp(min=0))
        single.append((float((part * value - target).square().sum()), column, value))
    _, column, value = min(single)
    return (value, 0.0) if column == 0 else (0.0, value)
