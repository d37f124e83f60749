"""Scores of forecasts whose errors are known, and who wins in words."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from legato.core.errors import SolveError
from legato.data import Series
from legato.tasks import Evaluation, Forecast, Score
from legato.tasks.evaluation import evaluate_forecasts, training_deviations

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


def test_several_targets_are_scored_each_and_together_in_units_of_their_deviations() -> None:
    history = series([0, 1, 2, 3], [1, 2, 3, 4], [2, 4, 6, 8])
    later = series([4, 5], [5, 6], [10, 12])
    found = evaluate_forecasts([forecast(history, later, [5, 6], [13, 12])], ["a", "b"], description="")
    assert list(found.scores) == list(found.verdicts) == ["a", "b", "all, scaled"]
    together = 3 / math.sqrt(5) / 2  # one error of 3 among four, and 2, 4, 6, 8 deviate by sqrt(5)
    assert [found.scores[name][0].rmse for name in found.scores] == pytest.approx([0, math.sqrt(4.5), together])
    assert [found.scores[name][0].total for name in found.scores] == [2, 2, 4]
    assert found.scores["all, scaled"][0].mase == pytest.approx((0 + 0 + 3 / 2 + 0) / 4)
    assert found.overall == "all, scaled"
    assert found.scored == {"values": 4, "forecasts": 1, "series": 1}


def test_the_unit_of_one_target_changes_no_verdict() -> None:
    def verdicts(unit: float) -> list[str]:
        history = series([0, 1, 2, 3], [1, 2, 3, 5], [unit * value for value in (2.0, 4, 7, 8)])
        later = series([4, 5], [5, 6], [unit * 10, unit * 14])
        found = evaluate_forecasts(
            [forecast(history, later, [5, 6.2], [unit * 30, unit * 4])], ["a", "b"], description=""
        )
        return [found.verdicts["all, scaled"], *(found.verdicts[name].partition(":")[0] for name in "ab")]

    plain = verdicts(1.0)
    assert plain[1:] == ["wins", "loses"]
    assert plain[0].startswith("loses: scaled RMSE ")
    assert plain[0].endswith("; it wins on 1 of 2 targets")
    # Powers of two scale without rounding.
    assert verdicts(2.0**20) == verdicts(2.0**-20) == plain


def test_targets_of_one_unit_are_put_together_as_they_are() -> None:
    history = series([0, 1, 2, 3], [1, 2, 3, 4], [2, 4, 6, 8])
    later = series([4, 5], [5, 6], [10, 12])
    one = forecast(history, later, [5, 6], [13, 12])
    found = evaluate_forecasts([one], ["a", "b"], description="", shared_unit=True)
    assert list(found.scores) == ["a", "b", "all"]
    assert found.scores["all"][0].rmse == pytest.approx(1.5)
    assert found.overall == "all"


def test_a_target_that_was_constant_in_training_has_no_scale_and_is_not_put_together() -> None:
    history = series([0, 1, 2, 3], [1, 2, 3, 5], [3, 3, 3, 3], [1, 0, 1, 0])
    later = series([4], [5], [3], [1])
    found = evaluate_forecasts([forecast(history, later, [5], [3], [1])], ["a", "b", "c"], description="")
    assert list(found.scores) == ["a", "b", "c", "all, scaled"]
    assert found.scores["all, scaled"][0].total == 2
    assert "not in 'all, scaled': b, without a spread in the training part" in found.notes
    two = evaluate_forecasts(
        [forecast(series([0, 1, 2], [1, 2, 4], [3, 3, 3]), series([3], [5], [3]), [5], [3])], ["a", "b"], description=""
    )
    assert (list(two.scores), two.overall) == (["a", "b"], "a")


def test_deviations_are_those_of_the_training_part_and_do_not_overflow() -> None:
    first = series([0, 1, 2, 3], [1, 3, 99, 99], [1e300, -1e300, 0, 0], [0.1, 0.1, 0.1, 0.1], name="x")
    found = training_deviations([first, series([0], [1000.0], [0.0], [0.0], name="new")], {"x": 1.0})
    assert found.tolist() == [1.0, 1e300, 0.0]
    assert np.isnan(training_deviations([series([0, 1], [NAN, NAN])])).all()


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
    history = series([0, 1, 2.43, 3], [1, 2, 3.5, 4])
    found = evaluate_forecasts([forecast(history, THEN, [5, 8])], ["a"], description="")
    assert all(math.isnan(score.mase) for score in found.scores["a"])
    assert found.to_dict()["scores"]["a"][0]["mase"] is None


def test_mase_is_over_the_neighbours_and_the_series_that_there_are() -> None:
    holes = series([0, 1, 3, 4, 5], [1, 3, 90, NAN, 94], name="holes")  # one pair a step apart: 1 and 3
    irregular = series([0, 1, 2.43, 3], [1, 2, 3.5, 4], name="irregular")
    constant = series([0, 1, 2, 3], [7, 7, 7, 7], name="constant")
    said = [
        forecast(RISE, series([4], [5.0]), [8]),  # 3 / 1
        forecast(holes, series([6], [5.0], name="holes"), [9]),  # 4 / 2
        forecast(irregular, series([4], [5.0], name="irregular"), [50]),
        forecast(constant, series([4], [5.0], name="constant"), [50]),
    ]
    found = evaluate_forecasts(said, ["a"], description="")
    assert found.scores["a"][0].mase == pytest.approx((3 + 2) / 2)
    assert scores(found)["last"].mase == pytest.approx((1 / 1 + 89 / 2) / 2)
    said_of_it = "MASE of a leaves out the series 'irregular', 'constant': irregular or constant, so no yardstick"
    assert found.notes == (said_of_it,)
    for same in (said[:2], said[2:]):  # of all, or of none
        assert not evaluate_forecasts(same, ["a"], description="").notes


def test_mase_is_on_each_target_s_own_grid() -> None:
    history = series([0, 1, 2, 3, 4, 5], [1, NAN, 4, NAN, 7, NAN], [NAN, 1, NAN, 6, NAN, 11])
    later = series([6], [10.0], [13.0])
    found = evaluate_forecasts([forecast(history, later, [13], [18])], ["a", "b"], description="")
    assert [found.scores[name][0].mase for name in "ab"] == [1.0, 1.0]


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


def test_a_draw_is_a_tie_and_a_forecast_that_is_no_number_loses_to_all() -> None:
    later = series([4], [7.0])
    draw = evaluate_forecasts([forecast(RISE, later, [5.0])], ["a"], description="")
    assert draw.verdicts["a"].startswith("ties: RMSE 2, as linear (2)")
    assert draw.won("a") is None
    perfect = evaluate_forecasts([forecast(RISE, series([4, 5], [5, 6]), [5, 6 + 1e-15])], ["a"], description="")
    assert perfect.verdicts["a"].startswith("ties: RMSE ")
    behind = evaluate_forecasts([forecast(RISE, later, [4.0])], ["a"], description="")
    assert behind.verdicts["a"].startswith("loses: RMSE 3, behind linear (2), ")
    assert behind.verdicts["a"].endswith(", level with last (3); ahead of 1 of 5 baselines")
    assert behind.won("a") is False
    lost = evaluate_forecasts([forecast(RISE, later, [NAN])], ["a"], description="")
    assert lost.verdicts["a"].startswith("loses: RMSE nan, behind linear (2)")
    assert "ahead of 0 of" in lost.verdicts["a"]


def test_a_target_without_a_value_to_score_has_no_score_and_the_others_have() -> None:
    nothing = "nothing was observed in the held-out part: no score"
    found = evaluate_forecasts([forecast(RISE, series([4], [NAN]), [5.0])], ["a"], description="")
    assert found.verdicts["a"] == nothing
    assert found.left_out == {}
    history, later = series([0, 1, 2, 3], [1, 2, 3, 5], [2, 4, 6, 8]), series([4], [NAN], [11.0])
    found = evaluate_forecasts([forecast(history, later, [5], [11])], ["a", "b"], description="")
    assert found.verdicts["a"] == nothing
    assert found.verdicts["b"].startswith("wins")
    assert (found.scores["a"][0].total, found.scores["b"][0].total) == (0, 1)
    assert (found.overall, list(found.scores)) == ("b", ["a", "b"])
    assert Evaluation.from_dict(json.loads(json.dumps(found.to_dict()))).to_dict() == found.to_dict()


def test_a_series_without_one_target_takes_no_baseline_from_the_others() -> None:
    whole = series([0, 1, 2, 3], [1, 2, 3, 4], [4, 3, 2, 1], name="whole")
    lacking = series([0, 1, 2, 3], [1, 2, 3, 4], [NAN, NAN, NAN, NAN], name="lacking")
    said = [
        forecast(whole, series([4], [5.0], [0.5], name="whole"), [5], [1]),
        forecast(lacking, series([4], [5.0], [0.5], name="lacking"), [5], [9]),
    ]
    found = evaluate_forecasts(said, ["a", "b"], description="")
    assert {"last", "mean", "linear"} <= set(scores(found, "a")) & set(scores(found, "b"))
    assert (found.scores["a"][0].total, found.scores["b"][0].total) == (2, 1)
    assert found.scores["b"][0].mae == 0.5  # the values that the baselines are scored on
    assert "not scored: b of the series 'lacking': no baseline applies there" in found.notes
    assert found.scored == {"values": 3, "forecasts": 2, "series": 2}


def test_a_baseline_is_left_out_of_the_targets_that_it_lacks_and_the_series_is_named() -> None:
    whole = series([0, 1, 2, 3], [1, 2, 3, 4], [4, 3, 2, 1], name="whole")
    once = series([0, 1, 2, 3], [1, 2, 3, 4], [NAN, NAN, NAN, 4], name="once")
    said = [forecast(one, series([4], [5.0], [0.5], name=one.id), [5], [1]) for one in (whole, once)]
    found = evaluate_forecasts(said, ["a", "b"], description="")
    assert "linear" in scores(found, "a")
    assert "linear" not in scores(found, "b")
    assert "linear" not in scores(found, "all, scaled")
    assert found.left_out["linear"] == (
        "for b: in the series 'once' the history has 1 observation; it needs at least 2"
    )
    assert "last" in scores(found, "b")


def test_a_target_to_which_no_baseline_applies_is_scored_alone() -> None:
    history = series([0, 1, 2, 3], [1, 2, 3, 5], [NAN, NAN, NAN, NAN])
    found = evaluate_forecasts([forecast(history, series([4], [5], [3]), [5], [4])], ["a", "b"], description="")
    assert [(score.name, score.mae) for score in found.scores["b"]] == [("model", 1.0)]
    assert found.verdicts["b"] == "no baseline applies"
    assert found.won("b") is None
    assert found.left_out["last"] == "for b: the history has 0 observations; it needs at least 1"
    assert (found.overall, list(found.scores)) == ("a", ["a", "b"])


def test_series_of_which_nothing_was_observed_after_the_origin_are_named() -> None:
    blank = forecast(RISE, series([4], [NAN], name="x"), [5.0])
    blank = Forecast(**{**vars(blank), "history": series([0, 1, 2, 3], [1, 2, 3, 4], name="x")})
    found = evaluate_forecasts([forecast(RISE, THEN, [6, 10]), blank], ["a"], description="", notes=["before"])
    assert found.notes == ("before", "not scored: the series 'x': nothing was observed after the origin")
    assert found.scored == {"values": 2, "forecasts": 1, "series": 1}


def test_values_whose_squares_overflow_are_scored_without_a_warning() -> None:
    history = series([0, 1, 2, 3], [1e200, 2e200, 3e200, 5e200])
    found = evaluate_forecasts([forecast(history, series([4], [5e200]), [6e200])], ["a"], description="")
    assert found.scores["a"][0].mae == pytest.approx(1e200)


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


def test_an_evaluation_of_an_earlier_version_is_read() -> None:
    score = {"name": "model", "mae": 1.0, "rmse": 1.0, "mase": None, "crps": None, "inside": 1, "total": 2}
    old = {
        "description": "words",
        "scores": {"a": [score], "b": [score], "all": [score]},
        "left_out": {},
        "verdicts": {"a": "wins: ", "b": "loses: ", "all": "loses: "},
    }
    found = Evaluation.from_dict(old)
    assert (found.overall, found.notes, found.won("a"), found.won("all")) == ("all", (), True, False)
