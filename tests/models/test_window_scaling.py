"""The scaling of windows, and the drift rule."""

from __future__ import annotations

import math

import pytest
import torch

from legato.data import Batch
from legato.models.window_scaling import Scaling, typical_period


def batch_of(*columns: torch.Tensor, times: torch.Tensor) -> Batch:
    values = torch.stack(columns, dim=1).double()
    return Batch(times=[times.double()], values=[values], mask=[values.isfinite()])


TIMES = torch.arange(0, 120, 0.5, dtype=torch.float64)
WAVE = torch.sin(2 * math.pi * TIMES / 10)


def fitted(batch: Batch, length: float = 20.0) -> Scaling:
    scaling = Scaling(batch.channels)
    scaling.fit(batch, length)
    return scaling


def test_a_record_that_swings_about_its_mean_is_not_anchored() -> None:
    scaling = fitted(batch_of(WAVE + 3, times=TIMES))
    assert not scaling.anchored
    # Twelve whole periods: the mean is the offset, the variance one half.
    assert scaling.centre.item() == pytest.approx(3, abs=1e-12)
    assert scaling.deviation.item() == pytest.approx(math.sqrt(0.5), abs=1e-12)


def test_a_record_that_drifts_is_anchored_and_its_slope_is_found() -> None:
    scaling = fitted(batch_of(WAVE + 0.3 * TIMES, times=TIMES))
    assert scaling.anchored
    # Least squares of the wave alone has a slope of 12 A / (omega T^2) about: 0.0013 here.
    assert scaling.slope.item() == pytest.approx(0.3, abs=2e-3)
    assert scaling.deviation.item() == pytest.approx(math.sqrt(0.5), rel=0.02)


def test_scaling_and_back_is_exact_where_the_offset_is_far_larger_than_the_spread() -> None:
    values = 1e9 + 1e-3 * WAVE
    batch = batch_of(values, times=TIMES)
    scaling = fitted(batch)
    scaled = scaling.scale(batch.times[0], batch.values[0], batch.mask[0])
    # A double near 1e9 is exact to 1.2e-7, which is 1.7e-4 of the deviation.
    torch.testing.assert_close(scaled[:, 0], WAVE * math.sqrt(2), atol=5e-4, rtol=0)
    torch.testing.assert_close(scaling.unscale(batch.times[0], scaled), batch.values[0], atol=2.5e-7, rtol=0)


def test_a_constant_column_is_scaled_by_one() -> None:
    scaling = fitted(batch_of(WAVE, torch.full_like(WAVE, 0.1), times=TIMES))
    assert scaling.deviation[1].item() == 1
    assert scaling.centre[1].item() == pytest.approx(0.1, abs=1e-15)


def test_series_of_different_levels_are_anchored() -> None:
    values = [(WAVE + level)[:, None] for level in (-20.0, 0.0, 20.0)]
    batch = Batch(times=[TIMES] * 3, values=values, mask=[torch.ones_like(one, dtype=torch.bool) for one in values])
    assert fitted(batch).anchored


def test_the_typical_period_is_that_of_most_series() -> None:
    values = [torch.sin(2 * math.pi * TIMES / period)[:, None] for period in (10.0, 10.0, 7.0)]
    batch = Batch(times=[TIMES] * 3, values=values, mask=[torch.ones_like(one, dtype=torch.bool) for one in values])
    assert typical_period(batch) == pytest.approx(10, rel=0.01)


def test_without_a_period_a_tenth_of_the_span_is_taken() -> None:
    assert typical_period(batch_of(TIMES, times=TIMES)) == pytest.approx(11.95)
