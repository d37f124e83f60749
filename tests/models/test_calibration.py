"""The band of known residuals: its fit, its conformal factor and its widths."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls
from scipy.stats import norm

from legato.models.calibration import Band, fit_band

Z80 = norm.ppf(0.9)
NOTHING = torch.zeros(0, dtype=torch.float64)


def column(*numbers: float) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def half_width(band: Band, lead: float, spread: float = 0.0) -> float:
    """Half the width of the band of 80 %: the 0.9 quantile of the normal distribution that the band stands for."""
    return Z80 * float(band.deviation(column(lead), column(spread)))


def test_the_width_is_that_of_the_formula() -> None:
    # sqrt(1 + 2 * 4 + 4^2) = 5
    assert half_width(Band(noise=1.0, growth=2.0, factor=3.0), 4.0, 4.0) == pytest.approx(15.0, rel=1e-12)


def test_residuals_of_exactly_the_modelled_size_give_back_noise_growth_and_the_normal_factor() -> None:
    lead = column(*range(1, 31))
    spread = 0.1 * lead.sin().abs()
    residual = (0.3 + 0.05 * lead + spread**2).sqrt() * (-1) ** torch.arange(30)
    band = fit_band(lead, residual, spread)
    assert band == pytest.approx((0.3, 0.05, Z80), rel=1e-9)


@pytest.mark.parametrize(("count", "rank"), [(3, 3), (4, 4), (9, 8), (10, 9), (14, 12), (99, 80), (999, 800)])
def test_the_band_ends_at_the_residual_of_the_conformal_rank(count: int, rank: int) -> None:
    residual = torch.arange(1.0, count + 1).flip(0)
    band = fit_band(torch.ones(count), residual, torch.zeros(count))
    assert half_width(band, 1.0) == pytest.approx(rank, rel=1e-9)


def test_the_rank_is_exact_for_every_number_of_residuals() -> None:
    for count in range(3, 300):
        exact = min(-(-4 * (count + 1) // 5), count)
        band = fit_band(torch.ones(count), torch.arange(1.0, count + 1), torch.zeros(count))
        assert half_width(band, 1.0) == pytest.approx(exact, rel=1e-9), count


def test_the_band_is_never_narrower_than_a_normal_one_of_the_same_variance() -> None:
    # 24 small errors and one great one: the conformal quantile alone would be 1.
    residual = column(*[1.0] * 24, 100.0)
    root_mean_square = math.sqrt((24 + 100.0**2) / 25)
    band = fit_band(torch.ones(25), residual, torch.zeros(25))
    assert half_width(band, 1.0) == pytest.approx(Z80 * root_mean_square, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0.1, 30), st.floats(-9, 9), st.floats(0, 3)), min_size=4, max_size=40))
def test_at_least_80_percent_of_the_residuals_it_was_set_by_lie_in_the_band(rows: list[tuple[float, ...]]) -> None:
    lead, residual, spread = torch.tensor(rows, dtype=torch.float64).T
    band = fit_band(lead, residual, spread)
    inside = residual.abs() <= Z80 * band.deviation(lead, spread) * (1 + 1e-9)
    assert int(inside.sum()) >= math.ceil(0.8 * len(rows))


@pytest.mark.parametrize("seed", range(20))
def test_noise_and_growth_are_the_weighted_non_negative_least_squares(seed: int) -> None:
    generator = np.random.default_rng(seed)
    lead = generator.uniform(0.5, 9.0, 25)
    # Errors that grow, shrink or are all covered by the spread: solutions inside and on every edge.
    excess = generator.normal(scale=0.4, size=25) + generator.uniform(-1, 1) * lead + generator.uniform(-3, 3)
    residual = np.sqrt(np.maximum(excess, 0))
    spread = np.sqrt(np.maximum(-excess, 0))
    weight = lead**-0.5
    expected, _ = nnls(np.stack([weight, lead * weight], axis=1), weight * (residual**2 - spread**2))
    found = fit_band(*(torch.tensor(part) for part in (lead, residual, spread)), least_noise=0.0)
    assert (found.noise, found.growth) == pytest.approx(tuple(expected), rel=1e-8, abs=1e-10)


def test_the_noise_is_never_below_the_least() -> None:
    band = fit_band(column(1.0, 2.0, 3.0), torch.zeros(3), torch.zeros(3), least_noise=0.25)
    assert (band.noise, band.growth) == (0.25, 0.0)


def test_what_was_not_observed_is_left_out() -> None:
    whole = column(1, 2, 3, 4), column(1, -2, 2, 3), column(0, 1, 0, 1)
    hole = column(5), column(float("nan")), column(1)
    holed = [torch.cat(parts) for parts in zip(whole, hole, strict=True)]
    assert fit_band(*holed) == fit_band(*whole)


def test_without_a_residual_the_band_is_a_normal_one_with_some_noise() -> None:
    for residual in (NOTHING, column(float("nan"))):
        band = fit_band(torch.ones(len(residual)), residual, torch.zeros(len(residual)))
        assert band.factor == pytest.approx(Z80, rel=1e-12)
        assert band.noise > 0
        assert band.growth > 0
