"""How far a forecast goes: steps, calendar months, and limits that are told at once."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from legato.core.errors import InputError, OptionError, SolveError
from legato.tasks import Forecaster

pytestmark = pytest.mark.usefixtures("brief")

Cycle = dict[str, np.ndarray]


def forecaster(**changes: Any) -> Forecaster:
    return Forecaster(**{"time": "year", "model": "observed", "members": 1, "holdout": 4, **changes})


@pytest.fixture(scope="module")
def fitted(brief: None, cycle: Cycle) -> Forecaster:
    """Fitted to a pandas frame; not to be changed."""
    return forecaster().fit(pd.DataFrame(cycle))


def test_a_monthly_series_is_forecast_month_by_month(cycle: Cycle) -> None:
    table = pd.DataFrame({**cycle, "year": pd.date_range("2000-09-01", periods=16, freq="MS")})
    made = forecaster(target="hare").fit(table)
    wanted = pd.date_range("2002-01-01", periods=12, freq="MS").tolist()
    for options in ({"horizon": "12 months"}, {"horizon": "1 year"}, {"horizon": "12 steps"}, {"steps": 12}):
        assert made.predict(**options)["time"].tolist() == wanted
    assert made.predict("31 days")["time"].tolist() == wanted[:1]
    assert made.evaluate(horizon="3 months").scores["hare"][0].total == 3
    # A history of one date goes on in the steps of what was fitted.
    assert made.predict(steps=2, table=table.iloc[-1:])["time"].tolist() == wanted[:2]


def test_a_horizon_may_be_a_time_difference_of_python_numpy_or_pandas(cycle: Cycle) -> None:
    days = pd.date_range("2024-01-01 06:00", periods=16, freq="12h")
    made = forecaster(time="day").fit(pd.DataFrame({**cycle, "day": days}).drop(columns="year"))
    wanted = made.predict("36h")
    assert len(wanted) == 2 * 3
    for same in (
        datetime.timedelta(days=1, hours=12),
        np.timedelta64(36, "h"),
        np.timedelta64(36 * 3600 * 10**9, "ns"),
        pd.Timedelta("36h"),
    ):
        pd.testing.assert_frame_equal(made.predict(horizon=same), wanted)
        assert made.evaluate(horizon=same).scores["hare"][0].total == 3
    monthly = {**cycle, "year": pd.date_range("2000-09-01", periods=16, freq="MS")}
    ahead = forecaster(target="hare").fit(pd.DataFrame(monthly)).predict(np.timedelta64(1, "Y"))
    assert ahead["time"].tolist() == pd.date_range("2002-01-01", periods=12, freq="MS").tolist()
    for wrong in (-datetime.timedelta(days=1), np.timedelta64("NaT", "h"), np.timedelta64(3), datetime.timedelta(0)):
        with pytest.raises(OptionError):
            made.predict(wrong)


@pytest.mark.parametrize("length", [datetime.timedelta(days=2), np.timedelta64(2, "D")], ids=str)
def test_a_time_difference_on_an_axis_of_plain_numbers_is_refused(cycle: Cycle, length: Any) -> None:
    made = forecaster(time="t").fit(pd.DataFrame({**cycle, "t": cycle["year"]}).drop(columns="year"))
    with pytest.raises(OptionError, match=r"'2 days' needs the unit of the times, .*time_unit='hours'"):
        made.predict(length)


@pytest.mark.parametrize(
    "options",
    [
        {"horizon": float("nan")},
        {"horizon": float("inf")},
        {"horizon": [3]},
        {"horizon": True},
        {"horizon": "0 steps"},
        {"steps": 2.5},
        {"steps": -1},
        {"steps": "3"},
    ],
    ids=str,
)
def test_a_horizon_that_is_none_is_refused(fitted: Forecaster, options: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        fitted.predict(**options)


def test_a_forecast_that_goes_too_far_or_is_too_long_is_refused_at_once(
    fitted: Forecaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    for options in ({"steps": 10**12}, {"steps": 1501}, {"horizon": 1e300}, {"horizon": "1501 years"}):
        with pytest.raises(OptionError, match="within 100 times the span of what was fitted, about 1500 steps"):
            fitted.predict(**options)
    with pytest.raises(OptionError, match="within 100 times"):
        fitted.evaluate(horizon=1e300)
    with pytest.raises(InputError, match="3416 lies too far ahead"):
        fitted.predict(at=[1917, 3416])
    monkeypatch.setattr("legato.tasks.horizons._MOST_ROWS", 100)
    with pytest.raises(OptionError, match="at most 100 rows, and this would be 102"):
        fitted.predict(steps=51)
    assert len(fitted.predict(steps=50)) == 100


@pytest.mark.parametrize("model", ["latent", "observed"])
def test_a_forecast_that_takes_too_many_steps_ends_with_the_advice_to_ask_for_less(
    cycle: Cycle, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = forecaster(model=model, holdout=None).fit(pd.DataFrame(cycle))
    for place in ("latent_field", "observed"):
        monkeypatch.setattr(f"legato.models.{place}._MOST_STEPS", 3)
    with pytest.raises(SolveError, match="ask for nearer times"):
        made.predict(steps=1000)


@pytest.mark.parametrize("start", [0.1, 72.0, 1.6e9])
def test_times_that_are_decimals_go_on_as_decimals(cycle: Cycle, start: float) -> None:
    decimals = 2 if start < 1e9 else 1
    step = 10.0**-decimals
    table = pd.DataFrame({**cycle, "t": [round(start + step * row, decimals) for row in range(16)]}).drop(
        columns="year"
    )
    found = forecaster(time="t", target="hare").fit(table).predict(steps=500)
    assert found["time"].tolist() == [round(start + step * row, decimals) for row in range(16, 516)]


def test_times_that_are_no_decimals_keep_their_spacing(cycle: Cycle) -> None:
    table = pd.DataFrame({**cycle, "t": np.arange(16) / 3}).drop(columns="year")
    found = forecaster(time="t", target="hare").fit(table).predict(steps=90)
    assert np.allclose(found["time"], np.arange(16, 106) / 3, rtol=1e-14, atol=1e-13)


def test_each_series_may_be_forecast_at_its_own_times(cycle: Cycle) -> None:
    table = pd.concat([pd.DataFrame({**cycle, "site": site}) for site in (9, 10, 11)])
    made = forecaster(series="site", target="hare").fit(table)
    alone = made.predict(at=[1917, 1920])
    found = made.predict(at={11: [1920, 1917], "9": 1920})
    assert list(zip(found["series"], found["time"], strict=True)) == [(9, 1920), (11, 1917), (11, 1920)]
    assert np.allclose(found["mean"][1:], alone["mean"][4:], rtol=1e-3)
    for wrong, words in (
        ({12: [1920], 9: [1920]}, r"times for the series '12', not in the history, which holds the series '9', '10'"),
        ({9: [1920], 10: [1915]}, "1915 is not after the last time of the series '10'; give"),
        ({9: [1920], 10: []}, "holds no time"),
        ({}, "holds no time"),
    ):
        with pytest.raises(InputError, match=words):
            made.predict(at=wrong)


def test_a_table_of_one_series_takes_no_times_by_name(fitted: Forecaster) -> None:
    with pytest.raises(InputError, match="give the times alone"):
        fitted.predict(at={"hare": [1917]})


def test_a_horizon_is_refused_before_the_training(cycle: Cycle) -> None:
    def progress(*told: Any) -> None:
        raise AssertionError("it was trained")

    for horizon in ("3 bananas", "0.5 years", 1e6, float("nan")):
        with pytest.raises(OptionError):
            forecaster().fit(pd.DataFrame(cycle), horizon=horizon, progress=progress)
