"""Scores and coverage are drawn with their true numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from legato.core.errors import InputError
from legato.plots import Coverage, ScoreBar, calibration_picture, scores_picture
from legato.plots.scores import chance_range
from legato.plots.style import FORECAST

BARS = [ScoreBar("mean", 21.6), ScoreBar("ours", 6.1, ours=True), ScoreBar("law", 4.2), ScoreBar("AR(9)", math.nan)]


def test_bars_go_from_best_to_worst_and_what_does_not_apply_stands_last() -> None:
    axes = scores_picture({"hare": BARS}).axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["law", "ours", "mean", "AR(9)"]
    assert [bar.get_width() for bar in axes.patches] == [4.2, 6.1, 21.6, 0.0]
    assert [text.get_text() for text in axes.texts] == ["4.20", "6.10", "21.6", "does not apply"]


def test_only_the_models_own_bar_has_its_colour() -> None:
    from matplotlib.colors import to_hex

    axes = scores_picture({"hare": BARS}).axes[0]
    assert [to_hex(bar.get_facecolor()) == FORECAST for bar in axes.patches] == [False, True, False, False]


def test_a_bar_that_would_dwarf_the_others_is_cut_and_keeps_its_number() -> None:
    bars = [ScoreBar("ours", 1.0, ours=True), ScoreBar("mean", 2.0), ScoreBar("linear", 1e6), ScoreBar("bad", math.inf)]
    axes = scores_picture({"x": bars}).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [1.0, 2.0, 10.0, 10.0]
    assert [text.get_text() for text in axes.texts][2:] == ["» 1e6", "» inf"]


def test_a_bar_that_is_little_longer_than_the_limit_is_drawn_whole() -> None:
    bars = [ScoreBar("ours", 1.0, ours=True), ScoreBar("mean", 2.0), ScoreBar("linear", 14.9)]
    axes = scores_picture({"x": bars}).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [1.0, 2.0, 14.9]
    assert axes.texts[-1].get_text() == "14.9"


def test_the_models_own_bar_is_never_cut() -> None:
    bars = [ScoreBar("mean", 1.0), ScoreBar("linear", 1.1), ScoreBar("ours", 500.0, ours=True)]
    axes = scores_picture({"x": bars}).axes[0]
    assert axes.patches[2].get_width() == 500.0


def test_every_target_has_its_panel() -> None:
    assert [axes.get_title(loc="left") for axes in scores_picture({"hare": BARS, "lynx": BARS}).axes] == [
        "hare",
        "lynx",
    ]


def test_coverage_is_printed_as_counts_beside_its_promise() -> None:
    axes = calibration_picture([Coverage("hare", 0.8, 9, 12), Coverage("lynx", 0.5, 2, 12)]).axes[0]
    assert [text.get_text() for text in axes.texts] == ["9 of 12", "2 of 12"]
    promised, observed = axes.lines[0], axes.lines[1]
    assert list(promised.get_xdata()) == [0.8, 0.8]
    assert list(observed.get_xdata()) == [0.75]
    # 2 of 12 in a band of 50 % happens less than once in twenty times: an open dot.
    assert [axes.lines[row].get_markerfacecolor() for row in (1, 3)] == [FORECAST, "white"]


@pytest.mark.parametrize("nominal", [0.1, 0.5, 0.8, 0.98])
@pytest.mark.parametrize("total", [1, 6, 12, 104, 5000])
def test_the_range_of_chance_is_the_binomials(nominal: float, total: int) -> None:
    expected = stats.binom.ppf([0.05, 0.95], total, nominal) / total
    np.testing.assert_allclose(chance_range(nominal, total), expected, rtol=1e-12)


@pytest.mark.parametrize("count", [Coverage("x", 0.8, 0, 0), Coverage("x", 80.0, 5, 6)])
def test_counts_that_cannot_be_are_refused(count: Coverage) -> None:
    with pytest.raises(InputError, match="expected one in"):
        calibration_picture([count])


@pytest.mark.parametrize("panels", [{}, {"x": []}])
def test_no_scores_are_refused(panels: dict[str, list[ScoreBar]]) -> None:
    with pytest.raises(InputError, match="got no scores"):
        scores_picture(panels)
