from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from legato.core.errors import InputError
from legato.training import metrics

NAN = float("nan")


def crps_by_definition(distribution: stats.rv_continuous, y: float) -> float:
    """The integral of (F(x) - [x >= y])^2, by quadrature."""
    below, _ = integrate.quad(lambda x: distribution.cdf(x) ** 2, -40.0, y, epsabs=1e-12, limit=200)
    above, _ = integrate.quad(lambda x: distribution.sf(x) ** 2, y, 60.0, epsabs=1e-12, limit=200)
    return below + above


def test_mae_and_rmse_of_a_right_triangle() -> None:
    assert metrics.mae([0.0, 0.0], [3.0, -4.0]) == 3.5
    assert metrics.rmse([0.0, 0.0], [3.0, -4.0]) == math.sqrt(12.5)


def test_what_is_masked_may_hold_anything() -> None:
    truth, forecast = np.array([[1.0, NAN], [3.0, math.inf]]), np.array([[2.0, 5.0], [NAN, NAN]])
    mask = np.array([[True, False], [False, False]])
    assert metrics.mae(truth, forecast, mask=mask) == 1.0
    assert metrics.rmse(truth, forecast, mask=mask) == 1.0
    assert metrics.coverage(truth, forecast - 1, forecast, mask=mask) == (1, 1)


def test_a_nan_in_the_truth_was_not_observed_and_one_in_the_forecast_is_no_score() -> None:
    assert metrics.mae([1.0, NAN], [2.0, 5.0]) == 1.0
    assert math.isnan(metrics.mae([1.0, 2.0], [2.0, NAN]))


def test_nothing_observed_is_no_score() -> None:
    assert math.isnan(metrics.rmse([NAN], [1.0]))
    assert math.isnan(metrics.crps_samples([NAN], [[1.0], [2.0]]))
    assert metrics.coverage([NAN], [0.0], [1.0]) == (0, 0)
    assert math.isnan(metrics.coverage([NAN], [0.0], [1.0]).fraction)


def test_tensors_and_arrays_score_alike() -> None:
    truth, forecast = torch.tensor([1.0, 2.0]), torch.tensor([1.5, 4.0], requires_grad=True)
    score = metrics.mae(truth, forecast, mask=torch.tensor([True, True]))
    assert type(score) is float
    assert score == metrics.mae(np.array([1.0, 2.0]), np.array([1.5, 4.0])) == 1.25


def test_mase_of_the_seasonal_naive_forecast_inside_its_history_is_one() -> None:
    history = np.array([[1.0, 10.0], [4.0, 50.0], [2.0, 30.0], [8.0, 20.0], [5.0, 90.0]])
    for period in (1, 2, 3):
        score = metrics.mase(history[period:], history[:-period], history=history, period=period)
        assert score == pytest.approx(1.0, rel=1e-15)


def test_mase_scales_every_column_by_itself() -> None:
    # Steps of 1 in the first column, of 10 in the second: errors of 2 and 5 are 2 and 0.5 in those units.
    history = np.array([[0.0, 0.0], [1.0, 10.0], [2.0, 20.0]])
    assert metrics.mase([[3.0, 30.0]], [[5.0, 35.0]], history=history) == 1.25


def test_mase_takes_only_pairs_that_were_both_observed() -> None:
    # Observed pairs two apart: (1, 2) and (2, 7): mean change 3.
    history = [1.0, NAN, 2.0, 9.0, 7.0]
    assert metrics.mase([0.0], [6.0], history=history, period=2) == 2.0
    assert math.isnan(metrics.mase([0.0], [6.0], history=[1.0, NAN, 3.0], period=1))


def test_mase_of_a_constant_history_has_no_yardstick() -> None:
    assert math.isnan(metrics.mase([1.0], [2.0], history=[5.0, 5.0, 5.0]))


def test_pinball_charges_the_level_below_and_the_rest_above() -> None:
    assert metrics.pinball([10.0], [6.0], 0.9) == pytest.approx(3.6, rel=1e-15)
    assert metrics.pinball([6.0], [10.0], 0.9) == pytest.approx(0.4, rel=1e-15)


def test_pinball_is_least_at_the_quantile_of_its_level() -> None:
    truth = np.arange(1.0, 100.0)
    losses = [metrics.pinball(truth, np.full(99, q), 0.25) for q in truth]
    assert truth[int(np.argmin(losses))] == 25.0


def test_weighted_quantile_loss_of_the_median_is_the_error_over_the_size() -> None:
    truth, forecast = np.array([2.0, -3.0, 5.0]), np.array([1.0, -1.0, 5.5])
    score = metrics.weighted_quantile_loss(truth, forecast[None], [0.5])
    assert score == pytest.approx(np.abs(truth - forecast).sum() / np.abs(truth).sum(), rel=1e-15)
    assert math.isnan(metrics.weighted_quantile_loss([0.0], [[1.0]], [0.5]))


def test_weighted_quantile_loss_averages_over_levels() -> None:
    # 2 (0.1 * 4 + 0.9 * 2) / 2 / 10, by hand: the truth 10 lies 4 above the first quantile and 2 below the second,
    # whose loss is (1 - 0.9) * 2.
    score = metrics.weighted_quantile_loss([10.0], [[6.0], [12.0]], [0.1, 0.9])
    assert score == pytest.approx((2 * 0.1 * 4 + 2 * 0.1 * 2) / 2 / 10, rel=1e-15)


@pytest.mark.parametrize(("y", "mean", "deviation"), [(0.0, 0.0, 1.0), (1.7, -0.4, 2.5), (-9.0, 3.0, 0.7)])
def test_crps_of_a_gaussian_is_its_defining_integral(y: float, mean: float, deviation: float) -> None:
    exact = crps_by_definition(stats.norm(mean, deviation), y)
    assert metrics.crps_gaussian([y], [mean], [deviation]) == pytest.approx(exact, rel=1e-8)


def test_crps_of_a_standard_normal_at_its_mean_has_a_closed_value() -> None:
    exact = (math.sqrt(2) - 1) / math.sqrt(math.pi)
    assert metrics.crps_gaussian([0.0], [0.0], [1.0]) == pytest.approx(exact, rel=1e-15)


def test_crps_of_a_point_is_the_absolute_error() -> None:
    assert metrics.crps_gaussian([3.0], [1.0], [0.0]) == 2.0
    assert metrics.crps_samples([3.0], [[1.0]]) == 2.0
    assert metrics.crps_quantiles([3.0], [[1.0]], [0.5]) == 2.0
    assert metrics.crps_quantiles([3.0], [[1.0]] * 3, [0.1, 0.5, 0.9]) == pytest.approx(2.0, rel=1e-15)


def test_crps_of_samples_is_the_double_sum_over_pairs() -> None:
    generator = np.random.default_rng(0)
    truth, samples = generator.normal(size=(4, 3)), generator.normal(size=(7, 4, 3))
    pairs = np.abs(samples[:, None] - samples[None]).mean(axis=(0, 1))
    exact = (np.abs(samples - truth).mean(axis=0) - pairs / 2).mean()
    assert metrics.crps_samples(truth, samples) == pytest.approx(exact, rel=1e-13)


def test_crps_of_midpoint_quantiles_is_that_of_the_samples() -> None:
    # The quantile function of K samples is constant on the cells ((k - 1)/K, k/K): the midpoint rule is exact there.
    generator = np.random.default_rng(1)
    truth, samples = generator.normal(size=5), np.sort(generator.normal(size=(9, 5)), axis=0)
    levels = (np.arange(1, 10) - 0.5) / 9
    exact = metrics.crps_samples(truth, samples)
    assert metrics.crps_quantiles(truth, samples, levels) == pytest.approx(exact, rel=1e-13)


def test_crps_from_quantiles_converges_to_that_of_the_distribution() -> None:
    exact = metrics.crps_gaussian([0.7], [0.0], [1.0])
    errors = []
    for count in (50, 500):
        levels = (np.arange(1, count + 1) - 0.5) / count
        errors.append(abs(metrics.crps_quantiles([0.7], stats.norm.ppf(levels)[:, None], levels) - exact))
    assert errors[1] < errors[0] / 9  # the tails make the midpoint rule of first order, up to a logarithm
    assert errors[1] < 1e-3


def test_coverage_counts_closed_edges_and_speaks_in_counts() -> None:
    counted = metrics.coverage([0.0, 1.0, 2.0, NAN], [0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0])
    assert counted == (2, 3)
    assert str(counted) == "2 of 3"
    assert counted.fraction == 2 / 3


def test_a_band_of_nan_covers_nothing() -> None:
    assert metrics.coverage([1.0], [NAN], [NAN]) == (0, 1)


@pytest.mark.parametrize(
    "call",
    [
        lambda: metrics.mae([1.0, 2.0], [1.0]),
        lambda: metrics.mae([[1.0], [2.0]], [1.0, 2.0]),
        lambda: metrics.mae([1.0], [1.0], mask=[True, True]),
        lambda: metrics.mae([math.inf], [1.0]),
        lambda: metrics.mae([NAN], [1.0], mask=[True]),
        lambda: metrics.mase([1.0], [1.0], history=[1.0, 2.0], period=2),
        lambda: metrics.mase([1.0], [1.0], history=[1.0, 2.0], period=0),
        lambda: metrics.mase([1.0], [1.0], history=[[1.0, 2.0], [3.0, 4.0]]),
        lambda: metrics.pinball([1.0], [1.0], 1.0),
        lambda: metrics.crps_gaussian([1.0], [1.0], [-1.0]),
        lambda: metrics.crps_quantiles([1.0], [[1.0], [2.0]], [0.9, 0.1]),
        lambda: metrics.crps_quantiles([1.0], [[1.0]], [0.1, 0.9]),
        lambda: metrics.crps_samples([1.0], np.empty((0, 1))),
        lambda: metrics.coverage([1.0], [2.0], [1.0]),
    ],
)
def test_what_cannot_be_scored_is_refused(call) -> None:
    with pytest.raises(InputError):
        call()
