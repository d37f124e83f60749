r"""The scaling of windows: where their zero is, and what is one.

The values :math:`y` of a series are scaled to

.. math:: x = \frac{y - \beta\,(t - t_s) - c}{\sigma} .

Where most of the variance lies within windows, :math:`\beta = 0` and :math:`c, \sigma` are mean and deviation of the
record. Where more than half of it lies between them, the record drifts: then :math:`\beta` is the slope of the record,
:math:`c` the mean of the window itself, so that a level never seen before is no stranger, and :math:`\sigma` the root
mean square of the windows' deviations. All of it is float64, for an offset may be far larger than what rides on it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..data import Batch
from .baselines.interface import History
from .baselines.periodogram import dominant_period

__all__ = ["Scaling", "typical_period", "window_rows"]

_FALLBACK_PERIODS = 10
_DRIFTS = 0.5
_ROUNDING = 1e-30  # a variance this small against the square of the mean is the rounding of a constant


class Scaling(nn.Module):
    """Hold the scaling of d channels; see the module.

    Arguments:
        channels: the number d.
    """

    start: Tensor
    slope: Tensor
    centre: Tensor
    deviation: Tensor
    anchored: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("start", torch.zeros((), dtype=torch.float64))
        self.register_buffer("slope", torch.zeros(channels, dtype=torch.float64))
        self.register_buffer("centre", torch.zeros(channels, dtype=torch.float64))
        self.register_buffer("deviation", torch.ones(channels, dtype=torch.float64))
        self.register_buffer("anchored", torch.tensor(False))

    def fit(self, batch: Batch, length: float) -> None:
        """Decide by the share of the variance that lies between windows of a length, and measure.

        Arguments:
            batch: series, values NaN where not observed.
            length: of a window, in the unit of the times.
        """
        self.start.fill_(float(min(times[0] for times in batch.times)))
        values, mask = torch.cat(batch.values).double(), torch.cat(batch.mask)
        self.centre.copy_(_mean(values, mask))
        total = _mean((values - self.centre).square(), mask)
        within = self._within(batch, length)
        varying = total > _ROUNDING * self.centre.square()
        share = torch.where(varying, 1 - within / torch.where(varying, total, 1.0), torch.nan).nanmean()
        self.anchored.fill_(bool(share > _DRIFTS))
        if self.anchored:
            self.slope.copy_(_common_slope(batch))
            total = self._within(batch, length)
            varying = total > _ROUNDING * self.centre.square()
        self.deviation.copy_(torch.where(varying, total, 1.0).sqrt())

    def scale(self, times: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """Return scaled values `(n, d)`, zero where not observed: read them under the mask."""
        scaled = (values.double() - self._line(times)) / self.deviation
        return torch.where(mask, scaled, 0.0)

    def unscale(self, times: Tensor, scaled: Tensor) -> Tensor:
        """Return values in the units of the table; the last axes of `scaled` are `(n, d)`."""
        return scaled * self.deviation + self._line(times)

    def _line(self, times: Tensor) -> Tensor:
        return self.centre + self.slope * (times - self.start)[:, None]

    def _within(self, batch: Batch, length: float) -> Tensor:
        """Return the mean variance of windows that end on observations, `(d,)`."""
        sums = torch.zeros_like(self.centre)
        counts = torch.zeros_like(self.centre)
        for times, values, mask in zip(batch.times, batch.values, batch.mask, strict=True):
            level = torch.where(mask, values.double() - self._line(times), 0.0)
            first, last = window_rows(times, times, length)
            full = times - times[0] >= 0.95 * length
            parts = [_window_sums(part, first, last) for part in (mask.double(), level, level.square())]
            count, one, two = parts
            variance = (two / count - (one / count).square()).clamp(min=0)
            good = full[:, None] & (count > 1)
            sums += torch.where(good, variance, 0.0).sum(dim=0)
            counts += good.sum(dim=0)
        return sums / counts.clamp(min=1)


def typical_period(batch: Batch) -> float:
    """Return the period of most series, in the unit of the times; a tenth of their span where there is none."""
    found = [
        dominant_period(History(times.numpy(), values.double().numpy(), mask.numpy()))
        for times, values, mask in zip(batch.times, batch.values, batch.mask, strict=True)
    ]
    known = [period for period in found if period is not None]
    if 2 * len(known) >= len(found):
        return float(torch.tensor(known, dtype=torch.float64).median())
    gaps = torch.cat([times.diff() for times in batch.times])
    spans = torch.tensor([float(times[-1] - times[0]) for times in batch.times], dtype=torch.float64)
    return max(float(spans.median()) / _FALLBACK_PERIODS, 4 * float(gaps.median()))


def window_rows(times: Tensor, ends: Tensor, length: float) -> tuple[Tensor, Tensor]:
    """Return the first row and the row after the last of the windows `(end - length, end]`."""
    first = torch.searchsorted(times, ends - length, right=True)
    return first, torch.searchsorted(times, ends, right=True)


def _window_sums(values: Tensor, first: Tensor, last: Tensor) -> Tensor:
    total = torch.cat([torch.zeros_like(values[:1]), values.cumsum(dim=0)])
    return total[last] - total[first]


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, values, 0.0).sum(dim=0) / mask.sum(dim=0).clamp(min=1)


def _common_slope(batch: Batch) -> Tensor:
    """Return the least-squares slope of every channel, each series with a level of its own, `(d,)`."""
    products, squares = torch.zeros(batch.channels).double(), torch.zeros(batch.channels).double()
    for times, values, mask in zip(batch.times, batch.values, batch.mask, strict=True):
        offset = times[:, None] - _mean(times[:, None].expand(mask.shape), mask)
        level = torch.where(mask, values.double() - _mean(values.double(), mask), 0.0)
        products += (offset * level).sum(dim=0)
        squares += torch.where(mask, offset.square(), 0.0).sum(dim=0)
    return products / torch.where(squares > 0, squares, 1.0)
