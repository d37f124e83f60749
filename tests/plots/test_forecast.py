"""The forecast picture shows what was seen, what was held out, the split, the fit, the forecast and its bands."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from legato.core.errors import InputError
from legato.plots import Band, ForecastPanel, Points, forecast_picture, picture_bytes, representatives

YEARS = np.arange(1900.0, 1910.0)
VALUES = np.array([3.0, 4.0, 6.0, 5.0, np.nan, 2.0, 3.0, 4.0, 6.0, 5.0])


def panel(**changes: Any) -> ForecastPanel:
    later = YEARS[6:]
    settings: dict[str, Any] = {
        "title": "hare",
        "unit": "thousand pelts",
        "trained": Points(YEARS[:6], VALUES[:6]),
        "held_out": Points(later, VALUES[6:]),
        "fit": Points(YEARS[:6], np.full(6, 4.0)),
        "forecast": Points(later, np.full(4, 4.5)),
        "bands": (
            Band(later, np.full(4, 4.0), np.full(4, 5.0), 0.5),
            Band(later, np.full(4, 3.0), np.full(4, 6.0), 0.8),
        ),
        "split": 1905.5,
        "others": {"mean": Points(later, np.full(4, 3.9))},
    }
    return ForecastPanel(**(settings | changes))


def lines(figure: Any, axes: int = 0) -> dict[str, Any]:
    return {line.get_label(): line for line in figure.axes[axes].lines if not line.get_label().startswith("_")}


def test_each_thing_is_one_line_of_its_own_data() -> None:
    drawn = lines(forecast_picture([panel()]))
    assert set(drawn) == {"trained on", "held out", "fit", "forecast", "mean"}
    np.testing.assert_array_equal(drawn["trained on"].get_ydata(), VALUES[:6])
    np.testing.assert_array_equal(drawn["held out"].get_xdata(), YEARS[6:])
    np.testing.assert_array_equal(drawn["forecast"].get_ydata(), 4.5)


def test_what_was_held_out_looks_unlike_what_was_trained_on() -> None:
    drawn = lines(forecast_picture([panel()]))
    assert drawn["trained on"].get_markerfacecolor() != drawn["held out"].get_markerfacecolor() == "white"


def test_bands_reach_from_lower_to_upper_and_the_wider_lies_below() -> None:
    bands = forecast_picture([panel()]).axes[0].collections
    assert [band.get_label() for band in bands] == ["80 % band", "50 % band"]
    limits = [(path.vertices[:, 1].min(), path.vertices[:, 1].max()) for band in bands for path in band.get_paths()]
    assert limits == [(3.0, 6.0), (4.0, 5.0)]


def test_the_split_is_a_line_with_a_name_on_either_side() -> None:
    axes = forecast_picture([panel()]).axes[0]
    assert [1905.5, 1905.5] in [list(line.get_xdata()) for line in axes.lines]
    assert [text.get_text() for text in axes.texts] == ["◂ trained on", "held out ▸"]
    left, right = (text.xy[0] for text in axes.texts)
    assert left == right == 1905.5
    ahead = forecast_picture([panel(held_out=None)]).axes[0]
    assert [text.get_text() for text in ahead.texts] == ["◂ trained on", "forecast ▸"]


def test_dates_put_the_split_among_the_dates() -> None:
    days = np.array("2020-01-01", dtype="datetime64[D]") + np.arange(10)
    figure = forecast_picture([panel(trained=Points(days.astype(str), VALUES), held_out=None, fit=None, forecast=None,
                                     bands=(), others={}, split="2020-01-06 12:00")])  # fmt: skip
    axes = figure.axes[0]
    first, last = axes.get_xlim()
    # The middle of ten days, whatever the axis counts in.
    assert (axes.texts[0].xy[0] - first) / (last - first) == pytest.approx(0.6, abs=0.02)
    assert picture_bytes(figure)


def test_a_forecast_that_runs_away_does_not_flatten_the_measurements() -> None:
    wild = Band(YEARS[6:], np.full(4, -1e9), np.full(4, 1e6), 0.8)
    axes = forecast_picture([panel(bands=(wild,))]).axes[0]
    low, high = axes.get_ylim()
    assert high - low < 6 * (6.0 - 2.0)
    assert any(text.get_text() == "runs on to -1e9 and 1e6" for text in axes.texts)


def test_several_series_stand_side_by_side() -> None:
    figure = forecast_picture([panel(title=name) for name in "abcd"], columns=3)
    visible = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in visible] == list("abcd")
    places = [axes.get_subplotspec().get_geometry()[:2] for axes in visible]
    assert places == [(2, 3)] * 4


def test_each_label_is_in_the_key_once() -> None:
    (key,) = forecast_picture([panel(), panel(title="lynx")]).legends
    texts = [text.get_text() for text in key.get_texts()]
    assert sorted(texts) == sorted({"trained on", "held out", "fit", "forecast", "80 % band", "50 % band", "mean"})


@pytest.mark.parametrize("name", ["$x^$", "_private", "a\nb\x00\udc80", "猫" * 100, "<script>alert(1)</script>"])
@pytest.mark.parametrize("kind", ["svg", "png"])
def test_a_hostile_name_is_drawn_as_a_name(name: str, kind: str) -> None:
    figure = forecast_picture([panel(title=name, unit=name, others={name: Points(YEARS, VALUES)})], time_label=name)
    content = picture_bytes(figure, kind)
    assert b"<script" not in content
    assert b"\x00" not in content or kind == "png"


def test_a_long_series_makes_a_small_picture() -> None:
    times = np.arange(30_000.0)
    figure = forecast_picture([ForecastPanel(title="load", trained=Points(times, np.sin(times / 900)))])
    # An outline of each dot would take about a hundred bytes.
    assert len(picture_bytes(figure)) < 500_000


def test_values_without_their_times_are_refused() -> None:
    with pytest.raises(InputError, match=r"forecast: values have shape \(3,\) and times \(4,\)"):
        forecast_picture([panel(forecast=Points(YEARS[6:], [1.0, 2.0, 3.0]))])


def test_no_panels_are_refused() -> None:
    with pytest.raises(InputError, match="0 panels"):
        forecast_picture([])


def test_the_median_series_stands_between_best_and_worst() -> None:
    assert representatives([5.0, 1.0, 4.0, 2.0, 3.0]) == {"best": 1, "median": 4, "worst": 0}
    assert representatives([2.0]) == {"best": 0}
    assert representatives([np.nan]) == {}
