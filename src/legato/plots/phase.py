r"""The phase portrait: a learned field :math:`(\dot x, \dot y) = f(x, y)` as stream lines, and orbits over it.

On logarithmic axes the picture is drawn in :math:`(\log_{10} x, \log_{10} y)`, where the field is
:math:`(\dot x / x,\; \dot y / y) / \ln 10`, so that an orbit follows the stream lines there too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import InputError
from .style import FIT, FORECAST, INK, PALE, drawing, legend_above, new_figure, plot_module
from .words import round_number, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FieldGrid", "Orbit", "phase_grid", "phase_portrait"]

Array = NDArray[np.float64]


class FieldGrid(NamedTuple):
    """Hold a field on a grid: x (columns,), y (rows,), and both components of dy/dt, (rows, columns) each.

    The lines of the grid are evenly spaced, or, for logarithmic axes, evenly in the logarithm: `phase_grid`.
    """

    x: ArrayLike
    y: ArrayLike
    x_rate: ArrayLike
    y_rate: ArrayLike


class Orbit(NamedTuple):
    """Hold a curve in the plane: x and y (n,), and texts (n,) to write beside its points, empty for none."""

    x: ArrayLike
    y: ArrayLike
    labels: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class _Plane:
    """Map data to the coordinates of the picture."""

    log: bool

    def place(self, values: ArrayLike) -> Array:
        array = np.asarray(values, dtype=np.float64)
        if not self.log:
            return array
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(array > 0, np.log10(array), np.nan)

    def rate(self, values: Array, rates: ArrayLike) -> Array:
        array = np.asarray(rates, dtype=np.float64)
        return array / (values * np.log(10)) if self.log else array


def phase_grid(x: ArrayLike, y: ArrayLike, *, points: int = 24, margin: float = 0.15, log: bool = False) -> list[Array]:
    """Return lines x (points,) and y (points,) of a grid that frames given states, to evaluate a field on.

    Arguments:
        x: first components of the states, any shape; NaN is passed over.
        y: second components.
        points: lines in each direction.
        margin: room around the states, as a share of their extent.
        log: whether the lines are evenly spaced in the logarithm.

    Raises:
        InputError: no finite state, or for logarithmic axes none that is positive.

    Example:
        >>> [line.tolist() for line in phase_grid([0.0, 1.0], [2.0, 4.0], points=3, margin=0.5)]
        [[-0.5, 0.5, 1.5], [1.0, 3.0, 5.0]]
    """
    lines = []
    for values in (x, y):
        placed = _Plane(log=log).place(np.ravel(values))
        placed = placed[np.isfinite(placed)]
        if not len(placed):
            raise InputError(f"no {'positive' if log else 'finite'} states to frame; give at least one")
        low, high = placed.min(), placed.max()
        room = margin * (high - low) or 0.5
        line = np.linspace(low - room, high + room, points)
        lines.append(10.0**line if log else line)
    return lines


@drawing()
def phase_portrait(
    grid: FieldGrid,
    *,
    names: tuple[str, str],
    trained: Orbit | None = None,
    held_out: Orbit | None = None,
    fit: Orbit | None = None,
    forecast: Orbit | None = None,
    log: bool = False,
) -> Figure:
    """Draw the stream lines of a field, the observed states in their order, and the fitted and forecast orbits.

    Arguments:
        grid: the field; stream lines are drawn where it is finite.
        names: the names of the two components, with units.
        trained: observations that the model was trained on.
        held_out: observations that it was not shown.
        fit: the model over the training part.
        forecast: the forecast; an arrow shows its direction.
        log: logarithmic axes.

    Raises:
        InputError: arrays whose shapes do not fit, a grid that is not evenly spaced, or not positive on log axes.
        MissingExtraError: matplotlib is not installed.
    """
    plane = _Plane(log=log)
    figure = new_figure(6.8, width=8.2)
    axes = figure.subplots()
    _streams(axes, grid, plane)
    for orbit, color, label in ((fit, FIT, "fit"), (forecast, FORECAST, "forecast")):
        if orbit is not None:
            x, y = _states(orbit, plane, label)
            axes.plot(x, y, color=color, label=label, zorder=3)
            _arrow(axes, x, y, color)
    for orbit, face, label in ((trained, INK, "trained on"), (held_out, "white", "held out")):
        if orbit is not None:
            x, y = _states(orbit, plane, label)
            marks: dict[str, Any] = {"marker": "o", "markersize": 5.5, "markerfacecolor": face, "color": INK}
            axes.plot(x, y, linestyle=":", linewidth=0.9, markeredgewidth=1.1, label=label, zorder=4, **marks)
            _label_points(axes, x, y, orbit.labels)
    axes.set_xlabel(shorten(names[0]))
    axes.set_ylabel(shorten(names[1]))
    axes.grid(visible=False)
    if log:
        _label_powers(axes)
    legend_above(figure, [axes])
    return figure


def _streams(axes: Axes, grid: FieldGrid, plane: _Plane) -> None:
    x, y = (np.asarray(line, dtype=np.float64) for line in (grid.x, grid.y))
    shape = (len(y), len(x)) if x.ndim == y.ndim == 1 else None
    u, v = np.asarray(grid.x_rate, dtype=np.float64), np.asarray(grid.y_rate, dtype=np.float64)
    if shape is None or u.shape != shape or v.shape != shape:
        raise InputError(
            f"a field of shapes {u.shape} and {v.shape} on lines of shapes x {x.shape}, y {y.shape}; "
            "expected x (columns,), y (rows,) and both rates (rows, columns)"
        )
    columns, rows = plane.place(x), plane.place(y)
    if not all(np.allclose(np.diff(line), line[1] - line[0], rtol=1e-6) for line in (columns, rows)):
        how = "positive and evenly spaced in the logarithm" if plane.log else "evenly spaced"
        raise InputError(f"the lines of the grid are not {how}; take them from phase_grid(..., log={plane.log})")
    # Equal sums of steps can differ in the last digits, and the stream lines insist on equality.
    columns, rows = (np.linspace(line[0], line[-1], len(line)) for line in (columns, rows))
    u, v = plane.rate(x[None, :], u), plane.rate(y[:, None], v)
    u, v = (np.ma.masked_invalid(np.where(np.isfinite(u) & np.isfinite(v), rate, np.nan)) for rate in (u, v))
    if not u.mask.all():
        axes.streamplot(columns, rows, u, v, color=PALE, density=1.3, linewidth=0.9, arrowsize=1.1, zorder=1)
    axes.set_xlim(columns[0], columns[-1])
    axes.set_ylim(rows[0], rows[-1])


def _states(orbit: Orbit, plane: _Plane, name: str) -> tuple[Array, Array]:
    x, y = plane.place(orbit.x), plane.place(orbit.y)
    if x.ndim != 1 or x.shape != y.shape or len(orbit.labels) not in (0, len(x)):
        raise InputError(
            f"{name}: x has shape {x.shape}, y {y.shape} and there are {len(orbit.labels)} labels; expected (n,) each"
        )
    return x, y


def _arrow(axes: Axes, x: Array, y: Array, color: str) -> None:
    """Put an arrow head in the middle of a curve, where it is finite."""
    middle = len(x) // 2
    if len(x) >= 3 and np.isfinite([x[middle - 1 : middle + 1], y[middle - 1 : middle + 1]]).all():
        ends = (x[middle], y[middle]), (x[middle - 1], y[middle - 1])
        axes.annotate("", *ends, arrowprops={"arrowstyle": "-|>", "color": color, "mutation_scale": 18}, zorder=3)


def _label_points(axes: Axes, x: Array, y: Array, labels: Sequence[str]) -> None:
    """Write each label away from the middle of the orbit, where there is most room."""
    middle = axes.transData.transform((np.nanmean(x), np.nanmean(y))) if len(x) and np.isfinite(x * y).any() else None
    for each, label in enumerate(labels):
        if not label or middle is None or not np.isfinite(x[each] * y[each]):
            continue
        way = axes.transData.transform((x[each], y[each])) - middle
        offset = 9 * way / (np.hypot(*way) or 1.0)
        style: dict[str, Any] = {"ha": "left" if offset[0] > 0 else "right", "va": "center", "fontsize": 9.5}
        halo = plot_module("matplotlib.patheffects").withStroke(linewidth=2.5, foreground="white")
        style |= {"path_effects": [halo], "zorder": 5, "annotation_clip": True}
        axes.annotate(shorten(label, 16), (x[each], y[each]), tuple(offset), textcoords="offset points", **style)


def _label_powers(axes: Axes) -> None:
    """Write plain numbers at round places of axes that show logarithms."""
    for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        digits = (1, 2, 3, 5, 7) if high - low < 1 else (1, 2, 5) if high - low < 2.5 else (1,)
        powers = range(int(np.floor(low)), int(np.ceil(high)) + 1)
        ticks = [digit * 10.0**power for power in powers for digit in digits]
        ticks = [tick for tick in ticks if low <= np.log10(tick) <= high]
        axis.set_ticks(np.log10(ticks) if ticks else [], [round_number(tick) for tick in ticks])
