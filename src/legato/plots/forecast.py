"""What was measured, what was learned of it, and what was foretold, against time.

One panel per target and series: the observations that the model was trained on (full), those held out (open), the
split between them, the fit before it, the forecast after it with its bands, and other forecasts to compare with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import InputError
from .style import FIT, FORECAST, INK, MANY, PALETTE, QUIET, WIDTH, drawing, even_ticks, legend_above, new_figure
from .times import read_axis_times
from .words import key_label, number, round_number, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Band", "ForecastPanel", "Points", "forecast_picture", "representatives"]

_NOTE: dict[str, Any] = {"color": QUIET, "fontsize": 9.5, "backgroundcolor": "#ffffffcc"}
_REACH = 2.0  # how far above and below the rest, in its heights, bands and forecasts are drawn


class Points(NamedTuple):
    """Hold values (n,) at times (n,), NaN where there is none; for times see `legato.plots.times`."""

    times: ArrayLike
    values: ArrayLike


class Band(NamedTuple):
    """Hold an interval of the forecast: times, lower and upper (n,), and the nominal share in (0, 1) that it holds."""

    times: ArrayLike
    lower: ArrayLike
    upper: ArrayLike
    nominal: float


@dataclass(frozen=True, kw_only=True)
class ForecastPanel:
    """Say what one panel shows; what is None or empty is left out.

    Arguments:
        title: the target, with the series and its rank where several are shown: "hr, patient 12 (median)".
        unit: the unit of the values.
        trained: the observations that the model was trained on.
        held_out: the observations that it was not shown.
        fit: the model over the training part.
        forecast: the mean, or another centre, of the forecast.
        bands: intervals around it.
        split: the time between training and held-out part, or where the forecast begins, of the kind of the others.
        others: forecasts to compare with, by name.
    """

    title: str
    unit: str = ""
    trained: Points | None = None
    held_out: Points | None = None
    fit: Points | None = None
    forecast: Points | None = None
    bands: tuple[Band, ...] = ()
    split: Any = None
    others: dict[str, Points] = field(default_factory=dict)


@drawing()
def forecast_picture(panels: Sequence[ForecastPanel], *, time_label: str = "time", columns: int = 1) -> Figure:
    """Draw panels, row by row: one column for several targets, several for series side by side.

    Arguments:
        panels: at least one.
        time_label: what the axis of time shows, with its unit.
        columns: panels in a row.

    Raises:
        InputError: no panels, or times and values of different lengths.
        MissingExtraError: matplotlib is not installed.
    """
    if not panels or columns < 1:
        raise InputError(f"got {len(panels)} panels in {columns} columns; expected at least one of each")
    rows = math.ceil(len(panels) / columns)
    figure = new_figure((0.7 + 2.9 * rows) if columns == 1 else (0.7 + WIDTH / columns * 0.72 * rows))
    grid = figure.subplots(rows, columns, squeeze=False, sharex=columns == 1)
    shown = list(grid.flat)[: len(panels)]
    for axes, panel in zip(shown, panels, strict=True):
        _draw(axes, panel)
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_visible(False)
    for axes in shown[-columns:]:
        axes.set_xlabel(shorten(time_label))
    legend_above(figure, shown)
    return figure


def representatives(errors: ArrayLike) -> dict[str, int]:
    """Return the indices of the best, the median and the worst series by their errors, to show three of many.

    Arguments:
        errors: one per series (n,), smaller is better; NaN is passed over.

    Returns:
        `{"best": i, "median": j, "worst": k}` for three or more scored series, fewer names for fewer series.

    Example:
        >>> representatives([3.0, 1.0, float("nan"), 2.0, 9.0])
        {'best': 1, 'median': 3, 'worst': 4}
        >>> representatives([3.0, 1.0])
        {'best': 1, 'worst': 0}
    """
    values = np.asarray(errors, dtype=np.float64)
    order = [int(index) for index in np.argsort(values, kind="stable") if not np.isnan(values[index])]
    places = {"best": 0, "median": (len(order) - 1) // 2, "worst": len(order) - 1}
    if len(order) < 3:
        del places["median"]
    if len(order) < 2:
        del places["worst"]
    return {name: order[place] for name, place in places.items() if order}


def _draw(axes: Axes, panel: ForecastPanel) -> None:
    lines: list[NDArray[np.float64]] = []
    solid: list[NDArray[np.float64]] = []
    for (name, points), color in zip(panel.others.items(), PALETTE[2:] * len(panel.others), strict=False):
        times, values = _read(points, name)
        axes.plot(times, values, color=color, linewidth=1.4, linestyle=(0, (4, 2)), label=key_label(name))
        lines.append(values)
    for band in sorted(panel.bands, key=lambda band: -band.nominal):
        times, lower = _read(Points(band.times, band.lower), "the band")
        upper = _read(Points(band.times, band.upper), "the band")[1]
        shade = 0.12 + 0.3 * (1 - band.nominal)
        label = f"{round_number(100 * band.nominal)} % band"
        axes.fill_between(times, lower, upper, color=FORECAST, alpha=shade, linewidth=0, label=label)
        lines += [lower, upper]
    for curve, color, label in ((panel.fit, FIT, "fit"), (panel.forecast, FORECAST, "forecast")):
        if curve is not None:
            times, values = _read(curve, label)
            axes.plot(times, values, color=color, label=label, zorder=3)
            lines.append(values)
    for seen, face, label in ((panel.trained, INK, "trained on"), (panel.held_out, "white", "held out")):
        if seen is not None:
            times, values = _read(seen, label)
            marks: dict[str, Any] = {"marker": "o", "markersize": _mark_size(panel), "markerfacecolor": face}
            marks |= {"linestyle": "none", "markeredgewidth": 1.1, "zorder": 4, "rasterized": len(values) >= MANY}
            axes.plot(times, values, color=INK, label=label, **marks)
            solid.append(values)
    _frame(axes, panel, solid, lines)


def _frame(
    axes: Axes, panel: ForecastPanel, solid: list[NDArray[np.float64]], lines: list[NDArray[np.float64]]
) -> None:
    """Write the title and the split, and keep a forecast that runs away from flattening the measurements."""
    axes.set_title(shorten(panel.title, 60), pad=20 if panel.split is not None else 8)
    axes.set_ylabel(shorten(panel.unit))
    axes.margins(x=0.02)
    seen, drawn = _range(solid), _range(lines)
    if seen is not None and drawn is not None and seen[1] > seen[0]:
        reach = _REACH * (seen[1] - seen[0])
        low, high = max(seen[0] - reach, min(seen[0], drawn[0])), min(seen[1] + reach, max(seen[1], drawn[1]))
        margin = 0.05 * (high - low)
        axes.set_ylim(low - margin, high + margin)
        beyond = [number(end) for end, cut in zip(drawn, (drawn[0] < low, drawn[1] > high), strict=True) if cut]
        if beyond:
            note = f"runs on to {' and '.join(beyond)}"
            axes.annotate(note, (0.99, 0.97), xycoords="axes fraction", ha="right", va="top", **_NOTE)
    even_ticks(axes)
    if panel.split is not None:
        split = float(axes.convert_xunits(read_axis_times([panel.split])[0]))
        axes.axvline(split, color=QUIET, linewidth=1.2, linestyle=(0, (2, 2)), zorder=1)
        words: dict[str, Any] = {"xycoords": axes.get_xaxis_transform(), "textcoords": "offset points"}
        words |= {"color": QUIET, "fontsize": 9.5, "va": "bottom"}
        axes.annotate("◂ trained on", (split, 1.0), (-6, 3), ha="right", **words)
        after = "forecast ▸" if panel.held_out is None else "held out ▸"
        axes.annotate(after, (split, 1.0), (6, 3), ha="left", **words)


def _mark_size(panel: ForecastPanel) -> float:
    count = sum(len(np.asarray(seen.values)) for seen in (panel.trained, panel.held_out) if seen is not None)
    return 5.0 if count <= 60 else 3.4 if count <= 300 else 2.0


def _read(points: Points, name: str) -> tuple[NDArray[Any], NDArray[np.float64]]:
    times, values = read_axis_times(points.times), np.asarray(points.values, dtype=np.float64)
    if values.shape != times.shape:
        raise InputError(f"{name}: values have shape {values.shape} and times {times.shape}; expected one per time")
    return times, values


def _range(arrays: list[NDArray[np.float64]]) -> tuple[float, float] | None:
    values = np.concatenate([array[np.isfinite(array)] for array in arrays]) if arrays else np.empty(0)
    return (float(values.min()), float(values.max())) if len(values) else None
