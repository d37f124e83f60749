"""Baselines on cases with exact answers, and on real data the floors that every forecast is printed beside."""

from __future__ import annotations

import csv
import pickle
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from legato.core.errors import InputError
from legato.models.baselines import (
    BASELINES,
    Autoregression,
    LastValue,
    LinearTrend,
    LogVectorAutoregression,
    Mean,
    NotApplicableError,
    Predictor,
    QuadraticHarmonics,
    SeasonalNaive,
    fit_baselines,
)

NAN = float("nan")
DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
IRREGULAR = np.array([0.0, 0.3, 1.1, 1.2, 2.9, 4.0, 4.1, 5.7, 6.6, 8.0])


def rmse(truth: np.ndarray, forecast: np.ndarray) -> float:
    return float(np.sqrt(np.mean((truth - forecast) ** 2)))


def read(name: str) -> list[list[str]]:
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"../shared/data/{name} is not here")
    with path.open(newline="") as lines:
        return [row for row in csv.reader(lines) if not row[0].startswith("#")][1:]


def sunspots() -> tuple[np.ndarray, np.ndarray]:
    rows = np.array(read("series/sunspots.csv"), dtype=float)
    return rows[:, 0], rows[:, 1:]


def co2() -> tuple[np.ndarray, np.ndarray]:
    """Days and parts per million; weeks without a measurement are NaN."""
    rows = read("series/co2.csv")
    days = [date(int(day[:4]), int(day[4:6]), int(day[6:])).toordinal() for day, _ in rows]
    return np.array(days, dtype=float), np.array([[float(value) if value else NAN] for _, value in rows])


def lynx_hare() -> tuple[np.ndarray, np.ndarray]:
    rows = np.array(read("lynx_hare/hudson-bay-lynx-hare.csv"), dtype=float)
    return rows[:, 0], rows[:, 1:]


@pytest.mark.parametrize("name", BASELINES)
def test_a_constant_is_continued_by_every_baseline_that_applies(name: str) -> None:
    result = fit_baselines(np.arange(30.0), np.full((30, 2), 7.0), period=5)[name]
    assert isinstance(result, Predictor)
    assert result.predict([30.0, 31.0, 44.0]) == pytest.approx(np.full((3, 2), 7.0), rel=1e-9)


@pytest.mark.parametrize("name", BASELINES)
def test_what_is_masked_does_not_matter(name: str) -> None:
    generator = np.random.default_rng(3)
    times, values = np.arange(40.0), np.exp(generator.normal(size=(40, 2)))
    mask = np.ones((40, 2), dtype=bool)
    mask[[3, 11, 12], [0, 1, 0]] = False
    hidden = np.where(mask, values, 1e6)
    unseen = np.where(mask, values, NAN)
    first = fit_baselines(times, hidden, mask, period=5)[name]
    second = fit_baselines(times, unseen, period=5)[name]
    assert isinstance(first, Predictor)
    assert isinstance(second, Predictor)
    assert first.description == second.description
    assert np.array_equal(first.predict([40.0, 47.0]), second.predict([40.0, 47.0]))


@pytest.mark.parametrize("name", BASELINES)
def test_the_unit_and_the_origin_of_time_do_not_matter(name: str) -> None:
    generator = np.random.default_rng(4)
    times, values = np.arange(40.0), np.exp(generator.normal(size=(40, 1)))
    near = fit_baselines(times, values, period=5)[name]
    far = fit_baselines(700_000 + 7 * times, values, period=35)[name]
    assert isinstance(near, Predictor)
    assert isinstance(far, Predictor)
    at = np.array([40.0, 43.0, 51.0])
    # A day of year 1900 is known to 1e-10 of a week; squared and fitted it keeps seven digits.
    assert far.predict(700_000 + 7 * at) == pytest.approx(near.predict(at), rel=1e-7)


def test_the_last_value_is_each_columns_own() -> None:
    predicted = LastValue().fit([0, 1, 4], [[1.0, 2.0], [3.0, 4.0], [5.0, NAN]]).predict([5.0, 9.0])
    assert predicted.tolist() == [[5.0, 4.0], [5.0, 4.0]]


def test_the_mean_counts_observations_alone() -> None:
    assert Mean().fit([0, 1, 4], [[1.0, 2.0], [3.0, NAN], [5.0, NAN]]).predict([5.0]).tolist() == [[3.0, 2.0]]


def test_a_line_is_found_through_irregular_times_far_from_zero() -> None:
    times = 1e6 + IRREGULAR
    predicted = LinearTrend().fit(times, 3 - 0.25 * IRREGULAR).predict([1e6 + 20.0])
    assert predicted.item() == pytest.approx(-2.0, abs=1e-8)


def test_the_line_of_least_squares_is_numpys() -> None:
    values = np.random.default_rng(0).normal(size=10)
    expected = np.polyval(np.polyfit(IRREGULAR, values, 1), [9.0, 12.0])
    assert LinearTrend().fit(IRREGULAR, values).predict([9.0, 12.0]).ravel() == pytest.approx(expected, rel=1e-12)


def test_a_season_repeats_for_as_many_periods_as_are_asked() -> None:
    values = np.array([1.0, 5.0, 2.0, 1.5, 5.5, 2.5])
    predicted = SeasonalNaive(period=3).fit(np.arange(6.0), values).predict(np.arange(6.0, 15.0))
    assert predicted.ravel().tolist() == [1.5, 5.5, 2.5] * 3


def test_a_season_on_irregular_times_takes_the_nearest_observation() -> None:
    # 9.7 - 5 = 4.7: nearest is 4.1. 14.2 - 2 * 5 = 4.2: again 4.1. 13 - 5 = 8, the last. 13.1 - 2 * 5 = 3.1: 2.9.
    predicted = SeasonalNaive(period=5).fit(IRREGULAR, np.arange(10.0)).predict([9.7, 14.2, 13.0, 13.1])
    assert predicted.ravel().tolist() == [6.0, 6.0, 9.0, 4.0]


def test_a_season_that_was_masked_falls_to_its_neighbour() -> None:
    values = np.array([1.0, 5.0, 2.0, 1.5, NAN, 2.5])
    predicted = SeasonalNaive(period=3).fit(np.arange(6.0), values).predict([7.0])
    assert predicted.item() == 1.5  # of the two neighbours, equally near, the earlier


def test_a_period_is_found_in_irregular_noisy_measurements() -> None:
    generator = np.random.default_rng(5)
    times = np.sort(generator.uniform(0, 100, size=150))
    values = np.sin(2 * np.pi * times / 7.3) + 0.02 * times + 0.3 * generator.normal(size=150)
    description = SeasonalNaive().fit(times, values).description
    # The peak's width is P^2 / span = 0.5; its place is known to a small part of that at this noise.
    assert float(description.rpartition(" ")[2]) == pytest.approx(7.3, abs=0.1)


@pytest.mark.parametrize("seed", range(5))
def test_no_period_is_found_in_noise_in_a_random_walk_or_in_a_line(seed: int) -> None:
    noise = np.random.default_rng(seed).normal(size=200)
    for values in (noise, np.cumsum(noise), 0.1 * np.arange(200.0), np.ones(200)):
        with pytest.raises(NotApplicableError, match="no period stands out"):
            SeasonalNaive().fit(np.arange(200.0), values)


def test_an_autoregression_continues_its_own_recurrence() -> None:
    values = [1.0, 2.0]
    for _ in range(60):
        values.append(1 + 1.5 * values[-1] - 0.9 * values[-2])
    for baseline in (Autoregression(order=2), Autoregression()):
        predictor = baseline.fit(0.25 * np.arange(40.0), values[:40])
        assert predictor.description == "AR(2)"
        predicted = predictor.predict(0.25 * np.arange(40.0, 62.0)).ravel()
        assert predicted == pytest.approx(values[40:], abs=1e-9)


def test_an_autoregression_reads_around_gaps_and_missing_rows() -> None:
    values = [1.0, 2.0]
    for _ in range(60):
        values.append(1 + 1.5 * values[-1] - 0.9 * values[-2])
    kept = np.delete(np.arange(40), [7, 8, 23])
    shown = np.where(kept == 30, NAN, np.array(values)[kept])
    predicted = Autoregression(order=2).fit(kept.astype(float), shown).predict([40.0, 61.0]).ravel()
    assert predicted == pytest.approx([values[40], values[61]], abs=1e-9)


def test_predictions_come_in_the_order_of_the_times_asked() -> None:
    predictor = Autoregression(order=1).fit(np.arange(5.0), [1.0, 3.0, 7.0, 15.0, 31.0])
    assert predictor.predict([6.0, 5.0]).ravel() == pytest.approx([127.0, 63.0], rel=1e-9)
    assert predictor.predict([]).shape == (0, 1)


def test_a_vector_autoregression_in_logs_continues_its_own_recurrence() -> None:
    law, level = np.array([[0.9, -0.4], [0.3, 0.8]]), np.array([0.2, 0.1])
    logs = [np.array([1.0, 0.5])]
    for _ in range(30):
        logs.append(level + law @ logs[-1])
    values = np.exp(logs)
    predicted = LogVectorAutoregression().fit(np.arange(20.0), values[:20]).predict(np.arange(20.0, 31.0))
    assert predicted == pytest.approx(values[20:], rel=1e-9)


def test_a_quadratic_with_harmonics_is_recovered_from_irregular_times() -> None:
    def truth(t: np.ndarray) -> np.ndarray:
        angle = 2 * np.pi * t / 3.1
        return 4 - 0.5 * t + 0.03 * t**2 + np.sin(angle) - 0.4 * np.cos(2 * angle)

    times, at = np.concatenate([IRREGULAR, 9 + IRREGULAR]), np.array([25.0, 31.7])
    predicted = QuadraticHarmonics(period=3.1).fit(times, truth(times)).predict(at).ravel()
    assert predicted == pytest.approx(truth(at), abs=1e-9)


@pytest.mark.parametrize(
    ("baseline", "times", "values", "reason"),
    [
        (LastValue(), [0, 1], [[1.0, NAN], [2.0, NAN]], "column 1 has 0 observations"),
        (LinearTrend(), [0, 1], [1.0, NAN], "at least 2"),
        (SeasonalNaive(period=9), range(8), np.arange(8.0), "the history spans 8 in time, less than one period of 9"),
        (Autoregression(), IRREGULAR, IRREGULAR, "irregular"),
        (Autoregression(order=3), range(6), np.arange(6.0), "coefficients"),
        (Autoregression(order=9), range(6), np.arange(6.0), "too few"),
        (Autoregression(order=2), range(9), [*range(8), NAN], "last 2 rows"),
        (Autoregression(order=1), range(9), [*range(8), NAN], "the last row was not observed"),
        (LogVectorAutoregression(), range(9), np.arange(9.0), "positive"),
        (LogVectorAutoregression(), range(9), [*range(1, 9), NAN], "last row"),
        (LogVectorAutoregression(), np.arange(9.0) ** 1.1, np.arange(1.0, 10.0), "irregular"),
        (QuadraticHarmonics(), range(40), np.arange(40.0), "calendar period"),
        (QuadraticHarmonics(period=30), range(40), np.arange(40.0), "two periods"),
        (QuadraticHarmonics(period=2), range(40), np.arange(40.0), "apart"),
    ],
)
def test_a_baseline_that_does_not_apply_says_why(baseline, times, values, reason: str) -> None:
    with pytest.raises(NotApplicableError, match=reason) as caught:
        baseline.fit(times, values)
    assert pickle.loads(pickle.dumps(caught.value)).reason == caught.value.reason


def test_the_order_that_aic_chooses_for_sunspots_is_nine() -> None:
    # The order that Subba Rao and Gabr (Bispectral analysis and bilinear time series models, 1984) chose so for them.
    times, values = sunspots()
    assert Autoregression().fit(times[:-22], values[:-22]).description == "AR(9)"


def test_a_recurrence_is_not_asked_between_its_steps_nor_before_its_end() -> None:
    predictor = Autoregression(order=1).fit(np.arange(5.0), [1.0, 3.0, 7.0, 15.0, 31.0])
    with pytest.raises(NotApplicableError, match="between its steps"):
        predictor.predict([5.5])
    with pytest.raises(NotApplicableError, match="times after 4"):
        predictor.predict([4.0])


def test_a_recurrence_that_explodes_is_no_forecast() -> None:
    predictor = Autoregression(order=1).fit(np.arange(5.0), [1.0, 3.0, 7.0, 15.0, 31.0])
    with pytest.raises(NotApplicableError, match="beyond all numbers"):
        predictor.predict([2000.0])


@pytest.mark.parametrize(
    "call",
    [
        lambda: LastValue().fit([0, 0], [1.0, 2.0]),
        lambda: LastValue().fit([0, 1, 2], [1.0, 2.0]),
        lambda: LastValue().fit([0, 1], [1.0, 2.0], [True]),
        lambda: LastValue().fit([0, 1], [1.0, np.inf]),
        lambda: LastValue().fit([0, 1], [1.0, 2.0]).predict([NAN]),
        lambda: SeasonalNaive(period=0),
        lambda: Autoregression(order=0),
        lambda: QuadraticHarmonics(period=12, harmonics=0),
    ],
)
def test_a_malformed_history_or_setting_is_an_input_error(call) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert not isinstance(caught.value, NotApplicableError)


@pytest.mark.parametrize(
    ("baseline", "floor"), [(Mean(), 51.7), (SeasonalNaive(period=11), 45.0), (Autoregression(order=9), 23.3)]
)
def test_sunspots_have_the_floors_of_the_data_folder(baseline, floor: float) -> None:
    times, values = sunspots()
    predicted = baseline.fit(times[:-22], values[:-22]).predict(times[-22:])
    assert rmse(values[-22:], predicted) == pytest.approx(floor, abs=0.05)  # printed to one decimal


@pytest.mark.parametrize(
    ("baseline", "floor"),
    [(LastValue(), 2.49), (SeasonalNaive(period=365.25), 2.12), (QuadraticHarmonics(period=365.25), 1.19)],
)
def test_carbon_dioxide_has_the_floors_of_the_data_folder(baseline, floor: float) -> None:
    times, values = co2()
    predicted = baseline.fit(times[:-104], values[:-104]).predict(times[-104:])
    assert rmse(values[-104:], predicted) == pytest.approx(floor, abs=0.005)


@pytest.mark.parametrize(
    ("baseline", "floor"),
    [(SeasonalNaive(period=10), 7.1), (LogVectorAutoregression(), 7.4), (Mean(), 21.6), (LastValue(), 33.4)],
)
def test_lynx_and_hare_have_the_floors_of_the_data_folder(baseline, floor: float) -> None:
    times, values = lynx_hare()
    predicted = baseline.fit(times[:15], values[:15]).predict(times[15:])
    assert rmse(values[15:], predicted) == pytest.approx(floor, abs=0.05)


def test_the_sunspot_cycle_and_the_year_of_carbon_dioxide_are_found() -> None:
    # The mean solar cycle is 11.0 years (Hathaway, The solar cycle, 2015); a year has 365.25 days.
    for (times, values), period, error in ((sunspots(), 11.0, 0.3), (co2(), 365.25, 2.0)):
        found = float(SeasonalNaive().fit(times, values).description.rpartition(" ")[2])
        assert found == pytest.approx(period, abs=error)
