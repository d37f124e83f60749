"""Curves of loss, of field evaluations and of accuracy."""

from __future__ import annotations

import numpy as np
import pytest

from legato.core.errors import InputError
from legato.plots import AccuracyCurve, EvaluationPanel, Phase, accuracy_curve, evaluations_picture, training_curve


def test_a_positive_loss_has_a_logarithmic_axis_and_any_other_a_linear_one() -> None:
    assert training_curve([3.0, 1.0, 0.1]).axes[0].get_yscale() == "log"
    assert training_curve([3.0, 1.0, -0.1]).axes[0].get_yscale() == "linear"


def test_an_ensemble_is_drawn_thin_under_its_median() -> None:
    *members, middle = training_curve([[4.0, 1.0], [6.0, 3.0], [5.0, np.nan]]).axes[0].lines
    assert len(members) == 3
    assert middle.get_ydata().tolist() == [5.0, 2.0]
    assert max(member.get_linewidth() for member in members) < middle.get_linewidth()


def test_iterations_count_from_one() -> None:
    assert training_curve([3.0, 2.0]).axes[0].lines[0].get_xdata().tolist() == [1.0, 2.0]


def test_phases_stand_where_they_begin() -> None:
    axes = training_curve([3.0, 2.0, 1.0], phases=[Phase(2, "6 years")]).axes[0]
    assert axes.lines[-1].get_xdata() == [2, 2]
    assert axes.texts[0].get_text() == "6 years"


def test_a_validation_loss_with_gaps_is_dots() -> None:
    line = training_curve([3.0, 2.0, 1.0], validation=[np.nan, 2.5, np.nan]).axes[0].lines[1]
    assert (line.get_linestyle(), line.get_marker()) == ("None", "o")


def test_losses_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="do not fit together"):
        training_curve([3.0, 2.0], iterations=[1.0])
    with pytest.raises(InputError, match="no finite value among 2"):
        training_curve([np.nan, np.inf])


def test_evaluations_have_a_panel_for_each_thing_they_depend_on_and_start_at_zero() -> None:
    figure = evaluations_picture(
        [EvaluationPanel("iteration", [1, 2], [20, 26]), EvaluationPanel("horizon", [1], [20])]
    )
    assert [axes.get_xlabel() for axes in figure.axes] == ["iteration", "horizon"]
    assert {axes.get_ylim()[0] for axes in figure.axes} == {0.0}
    assert figure.axes[0].get_ylim()[1] > 26


def test_many_evaluations_are_a_cloud_under_a_running_median() -> None:
    counts = np.where(np.arange(200) % 50 == 0, 900.0, 20.0)
    cloud, median = evaluations_picture([EvaluationPanel("iteration", np.arange(200), counts)]).axes[0].lines
    assert (cloud.get_linestyle(), cloud.get_ydata().max()) == ("None", 900.0)
    assert set(median.get_ydata()) == {20.0}


def test_a_curve_of_accuracy_stands_over_its_floor() -> None:
    figure = accuracy_curve([AccuracyCurve("net", [8, 20], [0.8, 0.97], ["1e-1", "1e-3"])], floor=("ResNet", 0.96))
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["1e-1", "1e-3", "ResNet 0.960"]
    assert list(axes.lines[1].get_ydata()) == [0.96, 0.96]


@pytest.mark.parametrize("picture", [evaluations_picture, accuracy_curve])
def test_nothing_to_draw_is_refused(picture: object) -> None:
    with pytest.raises(InputError, match="got no"):
        picture([])


def test_a_pair_of_unequal_lengths_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"horizon: shapes \(2,\) and \(1,\)"):
        evaluations_picture([EvaluationPanel("horizon", [1, 2], [20])])
