"""A solution is drawn whole: every component, and the orbit where there is a plane for it."""

from __future__ import annotations

import numpy as np
import pytest

from legato.core.errors import InputError
from legato.plots import picture_bytes, solution_picture

T = np.linspace(0, 10, 101)
CIRCLE = np.stack([np.cos(T), np.sin(T)], axis=1)


def test_two_components_are_drawn_against_time_and_against_each_other() -> None:
    figure = solution_picture(T, CIRCLE, names=["x", "v"])
    against_time, plane = figure.axes
    assert len(against_time.lines) == 2
    np.testing.assert_array_equal(plane.lines[0].get_xydata(), CIRCLE)
    np.testing.assert_array_equal(plane.lines[1].get_xydata(), CIRCLE[:1])
    assert (plane.get_xlabel(), plane.get_ylabel()) == ("x", "v")


def test_lines_are_named_at_their_ends() -> None:
    axes = solution_picture(T, CIRCLE, names=["x", "v"], plane=False).axes[0]
    assert {text.get_text(): text.get_color() for text in axes.texts} == {
        "x": axes.lines[0].get_color(),
        "v": axes.lines[1].get_color(),
    }


def test_names_at_the_same_end_do_not_cover_each_other() -> None:
    figure = solution_picture(T, np.zeros((101, 5)) + T[:, None], names=list("abcde"))
    heights = sorted(text.get_position()[1] for text in figure.axes[0].texts)
    assert np.diff(heights).min() >= 0.075 - 1e-12
    assert heights[-1] <= 1 + 1e-12


def test_three_components_have_an_orbit_in_space() -> None:
    figure = solution_picture(T, np.c_[CIRCLE, T], names=["x", "y", "z"])
    assert figure.axes[1].name == "3d"
    assert picture_bytes(figure)


def test_components_of_unlike_size_have_an_axis_each() -> None:
    figure = solution_picture(T, np.c_[CIRCLE[:, 0], 1e-5 * CIRCLE[:, 1]], names=["a", "b"], plane=False)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["a", "b"]
    assert figure.axes[1].get_ylim()[1] < 1e-4


def test_many_components_are_all_drawn_and_three_are_named() -> None:
    axes = solution_picture(T, np.sin(T[:, None] + np.arange(20)), names=[f"u{k}" for k in range(20)]).axes[0]
    assert len(axes.lines) == 20
    assert {text.get_text() for text in axes.texts} == {"u0", "u10", "u19"}


def test_a_logarithmic_axis_leaves_out_time_zero() -> None:
    axes = solution_picture(T, CIRCLE, names=["x", "v"], plane=False, log_time=True).axes[0]
    assert axes.get_xscale() == "log"
    assert axes.lines[0].get_xdata().min() == T[1]


def test_a_solution_that_broke_off_is_drawn_as_far_as_it_went() -> None:
    broken = np.where(T[:, None] > 5, np.nan, CIRCLE)
    figure = solution_picture(T, broken, names=["x", "v"])
    assert len(figure.axes[1].lines[0].get_xdata()) == (T <= 5).sum()
    assert {text.get_text() for text in figure.axes[0].texts} == {"x", "v"}
    assert picture_bytes(figure)


def test_a_solution_that_never_began_is_refused() -> None:
    with pytest.raises(InputError, match="no value of the solution is finite"):
        solution_picture(T, np.full_like(CIRCLE, np.nan), names=["x", "v"])


def test_names_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match=r"values \(101, 2\) and 1 names"):
        solution_picture(T, CIRCLE, names=["x"])
