"""The phase portrait draws the field and the orbits in the same coordinates."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from legato.core.errors import InputError
from legato.plots import FieldGrid, Orbit, phase_grid, phase_portrait, picture_bytes


def rotation(points: int = 12) -> FieldGrid:
    x, y = phase_grid([-1.0, 1.0], [-1.0, 1.0], points=points)
    columns, rows = np.meshgrid(x, y)
    return FieldGrid(x, y, -rows, columns)


def straight_pieces(lines: Any) -> np.ndarray:
    """The pieces of all stream lines: (pieces, 2 ends, 2 coordinates)."""
    return np.array([ends for line in lines.get_segments() for ends in pairwise(line)])


def test_stream_lines_of_a_rotation_keep_their_radius() -> None:
    axes = phase_portrait(rotation(24), names=("x", "y")).axes[0]
    (lines,) = [each for each in axes.collections if hasattr(each, "get_segments")]
    pieces = straight_pieces(lines)
    radii = np.hypot(pieces[..., 0], pieces[..., 1])
    assert len(radii) > 100
    # A piece of a circle of radius r and length h is straight: its ends differ in radius by about h^2 / r.
    np.testing.assert_allclose(radii[:, 0], radii[:, 1], atol=0.02)


def test_on_logarithmic_axes_a_power_law_is_straight() -> None:
    x, y = phase_grid([1.0, 100.0], [1.0, 1e4], points=9, log=True)
    columns, rows = np.meshgrid(x, y)
    axes = phase_portrait(FieldGrid(x, y, columns, 2 * rows), names=("x", "y"), log=True).axes[0]
    pieces = straight_pieces(axes.collections[0])
    steps = pieces[:, 1] - pieces[:, 0]
    # y = c x^2 has slope 2 in logarithms.
    np.testing.assert_allclose(steps[:, 1], 2 * steps[:, 0], rtol=1e-6, atol=1e-9)


def test_orbits_and_labels_stand_at_their_states() -> None:
    orbit = Orbit([10.0, 100.0, 10.0], [1.0, 10.0, 100.0], ["1900", "", "1902"])
    x, y = phase_grid(orbit.x, orbit.y, log=True)
    ones = np.ones((len(y), len(x)))
    figure = phase_portrait(
        FieldGrid(x, y, ones, ones), names=("hare", "lynx"), trained=orbit, forecast=orbit, log=True
    )
    axes = figure.axes[0]
    drawn = {line.get_label(): line for line in axes.lines}
    np.testing.assert_allclose(drawn["trained on"].get_xdata(), [1, 2, 1])
    np.testing.assert_allclose(drawn["forecast"].get_ydata(), [0, 1, 2])
    labels = {text.get_text(): text.xy for text in axes.texts if text.get_text()}
    assert labels == {"1900": pytest.approx((1, 0)), "1902": pytest.approx((1, 2))}
    assert "10" in [tick.get_text() for tick in axes.get_xticklabels()]


def test_a_field_that_is_not_finite_somewhere_is_drawn_elsewhere() -> None:
    field = rotation()
    broken = np.where(np.asarray(field.x_rate) > 0.5, np.nan, field.x_rate)
    assert picture_bytes(phase_portrait(field._replace(x_rate=broken), names=("x", "y")))
    nowhere = field._replace(x_rate=np.full_like(broken, np.inf))
    assert picture_bytes(phase_portrait(nowhere, names=("x", "y")))


def test_a_grid_frames_the_states() -> None:
    x, y = phase_grid([1.0, np.nan, 10.0], [5.0, 5.0, 5.0], points=5, log=True)
    assert x[0] < 1.0 < 10.0 < x[-1]
    assert y[0] < 5.0 < y[-1]
    np.testing.assert_allclose(np.diff(np.log(x)), np.log(x[1] / x[0]))


def test_a_grid_of_no_states_is_refused() -> None:
    with pytest.raises(InputError, match="no positive states"):
        phase_grid([-1.0], [1.0], log=True)


def test_an_uneven_grid_is_refused_with_the_way_to_an_even_one() -> None:
    field = rotation(3)._replace(x=[0.0, 1.0, 3.0])
    with pytest.raises(InputError, match=r"not evenly spaced; take them from phase_grid"):
        phase_portrait(field, names=("x", "y"))


def test_a_field_of_another_shape_is_refused() -> None:
    with pytest.raises(InputError, match=r"\(rows, columns\)"):
        phase_portrait(rotation(3)._replace(x_rate=np.zeros((3, 2))), names=("x", "y"))


def test_labels_without_points_are_refused() -> None:
    with pytest.raises(InputError, match="1 labels"):
        phase_portrait(rotation(), names=("x", "y"), trained=Orbit([0.0, 1.0], [0.0, 1.0], ["start"]))
