"""Scores of forecasts whose errors are known, and who wins in words."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from legato.core.errors import SolveError
from legato.data import Series
from legato.tasks import Evaluation, Forecast, Score
from legato.tasks.evaluation import evaluate_forecasts

NAN = float("nan")
LEVELS = [round(0.1 * place, 1) for place in range(1, 10)]


def series(times: list[float], *columns: list[float], name: str = "") -> Series:
    values = np.array(columns, dtype=np.float64).T
    return Series(
        id=name,
        times=np.array(times, dtype=np.float64),
        values=values,
        mask=np.isfinite(values),
        static=np.empty(0),
        rows=np.arange(len(times)),
    )


def forecast(history: Series, later: Series, *mean: list[float], half: float = 1.0) -> Forecast:
    """A forecast whose nine quantiles lie evenly from `mean - half` to `mean + half`."""
    centre = np.array(mean, dtype=np.float64).T
    quantiles = {level: centre + half * (level - 0.5) / 0.4 for level in LEVELS}
    return Forecast(history=history, later=later, mean=centre, quantiles=quantiles)


RISE = series([0, 1, 2, 3], [1, 2, 3, 4])
THEN = series([4, 5], [5, 8])


def scores(evaluation: Evaluation, target: str = "a") -> dict[str, Score]:
    return {score.name: score for score in evaluation.scores[target]}


def test_scores_of_model_and_baselines_are_those_of_hand() -> None:
    found = evaluate_forecasts([forecast(RISE, THEN, [6, 10])], ["a"], description="words")
    assert list(found.scores) == ["a"]
    assert found.description == "words"
    model = found.scores["a"][0]
    assert (model.name, model.mae, model.rmse) == ("model", 1.5, pytest.approx(math.sqrt(2.5)))
    assert model.mase == 1.5  # the history moves by 1 a step
    assert (model.inside, model.total) == (1, 2)
    rivals = scores(found)
    assert rivals["last"].rmse == pytest.approx(math.sqrt((1 + 16) / 2))
    assert rivals["mean"].mae == pytest.approx((2.5 + 5.5) / 2)
    assert rivals["linear"].mae == pytest.approx(1.0)  # 5 and 6 for 5 and 8
    assert rivals["linear"].inside is None
    assert math.isnan(rivals["linear"].crps)


def test_crps_of_a_point_forecast_is_its_mean_absolute_error() -> None:
    found = evaluate_forecasts([forecast(RISE, THEN, [6, 10], half=0.0)], ["a"], description="")
    assert found.scores["a"][0].crps == pytest.approx(1.5)


def test_several_targets_are_scored_each_and_together() -> None:
    history = series([0, 1, 2, 3], [1, 2, 3, 4], [2, 4, 6, 8])
    later = series([4, 5], [5, 6], [10, 12])
    found = evaluate_forecasts([forecast(history, later, [5, 6], [13, 12])], ["a", "b"], description="")
    assert list(found.scores) == list(found.verdicts) == ["a", "b", "all"]
    assert [found.scores[name][0].rmse for name in found.scores] == pytest.approx([0, math.sqrt(4.5), 1.5])
    assert [found.scores[name][0].total for name in found.scores] == [2, 2, 4]
    assert found.scores["all"][0].mase == pytest.approx((0 + 0 + 3 / 2 + 0) / 4)


def test_what_was_not_observed_is_not_scored() -> None:
    history = series([0, 1, 2, 3], [1, 2, NAN, 4])
    later = series([4, 5, 6], [5, NAN, 9])
    found = evaluate_forecasts([forecast(history, later, [5, 1e9, 8])], ["a"], description="")
    assert (found.scores["a"][0].mae, found.scores["a"][0].total) == (0.5, 2)
    assert scores(found)["linear"].mae == pytest.approx(1.0)


def test_forecasts_of_several_series_are_pooled_by_value() -> None:
    second = series([0, 1, 2, 3], [0, 10, 0, 10], name="b")
    found = evaluate_forecasts(
        [forecast(RISE, THEN, [5, 8]), forecast(second, series([4], [0.0], name="b"), [3])], ["a"], description=""
    )
    model = found.scores["a"][0]
    assert model.rmse == pytest.approx(math.sqrt(9 / 3))
    assert model.mase == pytest.approx((0 + 3 / 10) / 2)  # the mean over series


def test_mase_has_no_meaning_where_a_history_is_irregular() -> None:
    history = series([0, 1, 2.5, 3], [1, 2, 3.5, 4])
    found = evaluate_forecasts([forecast(history, THEN, [5, 8])], ["a"], description="")
    assert all(math.isnan(score.mase) for score in found.scores["a"])
    assert found.to_dict()["scores"]["a"][0]["mase"] is None


def test_a_win_is_said_in_words_with_its_margin() -> None:
    found = evaluate_forecasts([forecast(RISE, series([4], [7.0]), [6.5])], ["a"], description="")
    # linear, the best baseline, says 5 and is 2 off
    assert found.verdicts["a"] == "wins: RMSE 0.5, 75 % below the best baseline, linear (2)"


def test_a_loss_names_who_is_ahead_from_the_best_on() -> None:
    found = evaluate_forecasts([forecast(RISE, series([4], [7.0]), [3.5])], ["a"], description="")
    rivals = len(found.scores["a"]) - 1
    assert found.verdicts["a"].startswith("loses: RMSE 3.5, behind linear (2), ")
    assert "last (3)" in found.verdicts["a"]
    assert "mean" not in found.verdicts["a"]
    assert found.verdicts["a"].endswith(f"; ahead of 1 of {rivals} baselines")


def test_a_draw_is_no_win_and_a_forecast_that_is_no_number_loses_to_all() -> None:
    draw = evaluate_forecasts([forecast(RISE, series([4], [7.0]), [5.0])], ["a"], description="")
    assert draw.verdicts["a"].startswith("loses: RMSE 2, behind linear (2)")
    broken = forecast(RISE, series([4], [7.0]), [NAN])
    lost = evaluate_forecasts([broken], ["a"], description="")
    assert lost.verdicts["a"].startswith("loses: RMSE nan, behind linear (2)")
    assert "ahead of 0 of" in lost.verdicts["a"]


def test_without_a_value_to_score_no_baseline_applies() -> None:
    found = evaluate_forecasts([forecast(RISE, series([4], [NAN]), [5.0])], ["a"], description="")
    assert found.verdicts["a"] == "no baseline applies"


def test_baselines_that_do_not_apply_are_left_out_with_the_reason() -> None:
    negative = series([0, 1, 2, 3], [1, -2, 3, 4])
    found = evaluate_forecasts([forecast(RISE, THEN, [5, 8]), forecast(negative, THEN, [5, 8])], ["a"], description="")
    assert set(found.left_out).isdisjoint(scores(found))
    assert "period" in found.left_out["harmonics"]
    assert "var-log" in found.left_out
    assert {"last", "mean", "linear"} <= set(scores(found))


def test_a_known_period_lets_the_seasonal_baselines_in() -> None:
    history = series([0, 1, 2, 3, 4, 5], [1, 5, 1, 5, 1, 5])
    found = evaluate_forecasts([forecast(history, series([6, 7], [1, 5]), [2, 2])], ["a"], description="", period=2.0)
    assert scores(found)["seasonal-naive"].rmse == 0.0
    assert "behind seasonal-naive (0)" in found.verdicts["a"]


def test_more_baselines_stand_among_the_others_unless_they_fail() -> None:
    def failing(history: Series, at: np.ndarray) -> np.ndarray:
        raise SolveError("grew beyond all numbers")

    extra = {"oracle": lambda history, at: np.array([[5.0], [8.0]]), "failing": failing}
    found = evaluate_forecasts([forecast(RISE, THEN, [6, 8])], ["a"], description="", extra=extra)
    assert scores(found)["oracle"].rmse == 0.0
    assert found.left_out["failing"] == "grew beyond all numbers"


def test_json_values_come_back() -> None:
    found = evaluate_forecasts([forecast(RISE, THEN, [6, 10])], ["a"], description="words")
    values = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    again = Evaluation.from_dict(values)
    assert again.to_dict() == found.to_dict()
    assert again.scores["a"][0] == found.scores["a"][0]
