"""Windows of irregular, masked history, and their projection on polynomials."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from legato.models.window_features import DEGREES, window_features
from legato.models.window_scaling import window_rows


def features(times: torch.Tensor, values: torch.Tensor, mask: torch.Tensor, at: float, *, anchored: bool = False):
    origins = torch.tensor([at], dtype=torch.float64)
    return window_features(times, values, mask, origins=origins, length=2.0, anchored=anchored)


def irregular(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, generator=torch.Generator().manual_seed(seed)).double().sort().values * 4


def test_a_densely_observed_polynomial_is_found_again() -> None:
    times = irregular(40_000)
    coefficients = np.array([0.3, -1.0, 0.7, 0.2, -0.4])
    # NumPy's Legendre series, on the window (1, 3], times the normalisation of the features.
    exact = np.polynomial.legendre.legval(times.numpy() - 2, coefficients * np.sqrt(2 * np.arange(5) + 1))
    values = torch.tensor(exact)[:, None]
    found = features(times, values, torch.ones_like(values, dtype=torch.bool), 3.0).features[0]
    expected = torch.zeros(DEGREES, dtype=torch.float64)
    expected[:5] = torch.tensor(coefficients)
    # The penalty is 5/n rho, with n about 20 000 and rho at most 0.22: a bias of 6e-5 of the coefficients at most.
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=0)


def test_the_coefficients_minimise_the_penalised_sum_of_squares() -> None:
    times = irregular(60)
    values = torch.sin(3 * times)[:, None]
    mask = torch.rand(60, 1, generator=torch.Generator().manual_seed(1)) < 0.5
    found = features(times, values, mask, 3.0).features[0]
    inside = ((times > 1) & (times <= 3) & mask[:, 0]).numpy()
    basis = np.polynomial.legendre.legvander(times.numpy()[inside] - 2, DEGREES - 1) * np.sqrt(
        2 * np.arange(DEGREES) + 1
    )
    penalty = np.sqrt(5 * 1e-2) * np.diag(1 + np.arange(DEGREES) / 3)
    stacked = np.concatenate([basis, penalty])
    target = np.concatenate([values.numpy()[inside, 0], np.zeros(DEGREES)])
    expected = np.linalg.lstsq(stacked, target, rcond=None)[0]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-10)


def test_what_lies_under_the_mask_does_not_matter() -> None:
    times, values = irregular(50), torch.randn(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    mask = torch.rand(50, 2, generator=torch.Generator().manual_seed(3)) < 0.6
    clean = features(times, torch.where(mask, values, 0.0), mask, 3.5, anchored=True)
    dirty = features(times, torch.where(mask, values, torch.nan), mask, 3.5, anchored=True)
    assert torch.equal(clean.features, dirty.features)
    assert torch.equal(clean.anchors, dirty.anchors)


def test_neither_later_values_nor_those_before_the_window_matter() -> None:
    times, values = irregular(50), torch.randn(50, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    mask = torch.ones_like(values, dtype=torch.bool)
    outside = ((times > 3) | (times <= 1))[:, None]
    before = features(times, values, mask, 3.0, anchored=True)
    after = features(times, torch.where(outside, 1e6, values), mask, 3.0, anchored=True)
    assert torch.equal(before.features, after.features)


def test_an_anchored_window_does_not_know_its_level() -> None:
    times, values = irregular(50), torch.randn(50, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    mask = torch.ones_like(values, dtype=torch.bool)
    low, high = (features(times, values + level, mask, 3.0, anchored=True) for level in (0.0, 7.0))
    torch.testing.assert_close(high.features, low.features, atol=1e-12, rtol=0)
    torch.testing.assert_close(high.anchors, low.anchors + 7, atol=1e-12, rtol=0)


def test_a_channel_without_a_value_in_the_window_takes_its_earlier_mean_and_no_shape() -> None:
    times = torch.arange(8, dtype=torch.float64) / 2
    values = torch.stack([times, torch.full_like(times, 5.0)], dim=1)
    mask = torch.ones(8, 2, dtype=torch.bool)
    mask[2:, 1] = False
    found = features(times, values, mask, 3.5, anchored=True)
    assert found.anchors[0, 1].item() == pytest.approx(5.0, abs=1e-12)
    assert not found.features[0, DEGREES:].any()


def test_a_window_is_open_at_its_start_and_closed_at_its_end() -> None:
    times = torch.arange(6, dtype=torch.float64)
    first, last = window_rows(times, torch.tensor([3.0], dtype=torch.float64), 2.0)
    assert (int(first), int(last)) == (2, 4)
