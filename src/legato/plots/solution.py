"""A solution of a differential equation: its components against time, and its orbit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import InputError
from .style import FIT, INK, PALETTE, EndLabel, drawing, end_labels, even_ticks, log_scale, new_figure, plot_module
from .words import shorten

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

__all__ = ["solution_picture"]

Array = NDArray[np.float64]

_NAMED = 8  # so many components are named and told apart by colour; more are drawn as a sheaf
_STACKED = 6  # so many components of unlike size have an axis each
_WIGGLY = 30  # a line that turns so often is drawn thin
_UNLIKE = 30.0  # extents this far apart hide the smaller


@drawing()
def solution_picture(
    times: ArrayLike,
    values: ArrayLike,
    *,
    names: Sequence[str],
    title: str = "",
    time_label: str = "t",
    log_time: bool = False,
    plane: bool = True,
) -> Figure:
    """Draw the components against time, and beside them, where there are two or three, the orbit.

    Components whose extents differ by more than a factor of 30 have an axis each.

    Arguments:
        times: (n,), increasing or decreasing.
        values: (n, components), NaN where the solve did not get.
        names: one per component.
        title: what is solved.
        time_label: the name of time, with its unit.
        log_time: a logarithmic axis of time, for transients of stiff problems; times of 0 are left out.
        plane: whether to draw the orbit.

    Raises:
        InputError: shapes that do not fit, or nothing finite.
        MissingExtraError: matplotlib is not installed.
    """
    t, y = np.asarray(times, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if t.ndim != 1 or y.ndim != 2 or y.shape != (len(t), len(names)):
        raise InputError(
            f"times {t.shape}, values {y.shape} and {len(names)} names; expected (n,), (n, components) and one each"
        )
    if not np.isfinite(y).any():
        raise InputError("no value of the solution is finite; there is nothing to draw")
    beside = plane and y.shape[1] in (2, 3)
    stacked = 1 < y.shape[1] <= _STACKED and _unlike(y)
    figure = new_figure(max(4.2, 1.5 * y.shape[1] + 0.6) if stacked else 4.2)
    panes: Any = figure.subfigures(1, 2, width_ratios=[3, 2]) if beside else [figure]
    _against_time(panes[0], t, y, names=names, stacked=stacked, log_time=log_time, time_label=time_label)
    if beside:
        _orbit(panes[1], y, names)
    if title:
        figure.suptitle(shorten(title, 80), x=0.01, ha="left", fontsize=12, fontweight="bold")
    return figure


def _unlike(y: Array) -> bool:
    extents = np.array([np.ptp(column[np.isfinite(column)]) if np.isfinite(column).any() else 0 for column in y.T])
    extents = extents[extents > 0]
    return len(extents) > 1 and float(extents.max()) > _UNLIKE * float(extents.min())


def _against_time(
    pane: Figure | SubFigure,
    t: Array,
    y: Array,
    *,
    names: Sequence[str],
    stacked: bool,
    log_time: bool,
    time_label: str,
) -> None:
    rows = pane.subplots(y.shape[1] if stacked else 1, 1, squeeze=False, sharex=True)[:, 0]
    shown = t > 0 if log_time else np.isfinite(t)
    colors = _colors(y.shape[1])
    width = 0.9 if y.shape[1] > _NAMED else 1.4 if _turns(y) > _WIGGLY else 2.0
    for index, color in enumerate(colors):
        axes = rows[index if stacked else 0]
        axes.plot(t[shown], y[shown, index], color=color, linewidth=width)
        if stacked:
            axes.set_title(shorten(names[index]), color=color, fontsize=11)
    for axes in rows:
        axes.margins(x=0.01)
        if log_time:
            axes.set_xlim(t[shown].min(), t[shown].max())
            log_scale(axes, "x")
        else:
            even_ticks(axes)
    rows[-1].set_xlabel(shorten(time_label))
    if stacked:
        return
    last = [column[np.isfinite(column)][-1] if np.isfinite(column).any() else np.nan for column in y.T]
    if y.shape[1] <= _NAMED:
        ends = [EndLabel(float(end), name, color) for end, name, color in zip(last, names, colors, strict=True)]
    else:
        chosen = (0, y.shape[1] // 2, y.shape[1] - 1)
        ends = [EndLabel(float(last[index]), names[index], colors[index]) for index in chosen]
    end_labels(rows[0], ends)


def _turns(y: Array) -> int:
    """Count how often the liveliest component turns."""
    signs = np.sign(np.diff(y, axis=0))
    return int((signs[1:] * signs[:-1] < 0).sum(axis=0).max(initial=0))


def _colors(count: int) -> list[Any]:
    if count <= _NAMED:
        return list(PALETTE[:count])
    sheaf = plot_module("matplotlib").colormaps["viridis"]
    return [sheaf(share) for share in np.linspace(0, 0.85, count)]


def _orbit(pane: Figure | SubFigure, y: Array, names: Sequence[str]) -> None:
    """Draw the orbit in the plane or, for three components, in space; a dot marks the start."""
    whole = y[np.isfinite(y).all(axis=1)]
    axes: Any = pane.subplots() if y.shape[1] == 2 else pane.add_subplot(projection="3d")
    axes.plot(*whole.T, color=FIT, linewidth=1.6 if y.shape[1] == 2 else 1.0)
    axes.plot(*whole[:1].T, "o", color=INK, markersize=5)
    axes.set_xlabel(shorten(names[0], 20))
    axes.set_ylabel(shorten(names[1], 20))
    if y.shape[1] == 3:
        axes.set_zlabel(shorten(names[2], 20))
        axes.tick_params(labelsize=8)
        for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
            axis.set_pane_color((1, 1, 1, 0))
    else:
        start = tuple(whole[0]) if len(whole) else (np.nan, np.nan)
        axes.annotate("start", start, (6, 6), textcoords="offset points", fontsize=9.5)
