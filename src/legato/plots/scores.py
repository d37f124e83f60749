"""How good a forecast is, beside others, and whether its bands hold what they promise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..core.errors import InputError
from .style import FORECAST, INK, PALE, QUIET, drawing, new_figure
from .words import number, round_number, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Coverage", "ScoreBar", "calibration_picture", "chance_range", "scores_picture"]

_LONGEST = 5.0  # a bar is drawn at most so many times as long as the median bar,
_HARDLY_LONGER = 1.5  # and a little more, where cutting would gain next to nothing


class ScoreBar(NamedTuple):
    """Hold the score of a model or a baseline; NaN where it does not apply."""

    name: str
    value: float
    ours: bool = False


class Coverage(NamedTuple):
    """Count how many of `total` held-out values fell into the band that promises the share `nominal` in (0, 1)."""

    name: str
    nominal: float
    inside: int
    total: int

    def __str__(self) -> str:
        return f"{self.inside} of {self.total}"


@drawing()
def scores_picture(panels: Mapping[str, Sequence[ScoreBar]], *, label: str = "RMSE, smaller is better") -> Figure:
    """Draw scores as bars from best to worst, the model's own in colour, the numbers at the bars.

    A bar that would dwarf the others is cut, and marked so; its number is the true one. A score that is NaN has no
    bar, and stands last.

    Arguments:
        panels: bars by target, at least one of each.
        label: what the score is.

    Raises:
        InputError: nothing to draw.
        MissingExtraError: matplotlib is not installed.
    """
    if not panels or not all(panels.values()):
        raise InputError("got no scores; expected at least one bar for each target")
    heights = [len(bars) for bars in panels.values()]
    figure = new_figure(0.6 + 0.34 * sum(heights) + 0.55 * len(heights))
    rows = figure.subplots(len(panels), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for axes, (target, bars) in zip(rows, panels.items(), strict=True):
        _draw_bars(axes, sorted(bars, key=lambda bar: (np.isnan(bar.value), bar.value)))
        axes.set_title(shorten(target, 60))
    rows[-1].set_xlabel(shorten(label))
    return figure


@drawing()
def calibration_picture(counts: Sequence[Coverage]) -> Figure:
    """Draw how many held-out values each band holds (dot) beside how many it promises (tick).

    The grey bar is where nine in ten counts would fall if the band were right and the values independent: with few
    values it is wide, and a dot inside it proves little either way.

    Arguments:
        counts: from top to bottom, at least one of at least one value.

    Raises:
        InputError: nothing to draw, or counts that cannot be.
        MissingExtraError: matplotlib is not installed.
    """
    if not counts:
        raise InputError("got no counts; expected at least one Coverage(name, nominal, inside, total)")
    figure = new_figure(1.1 + 0.36 * len(counts))
    axes = figure.subplots()
    for row, count in enumerate(counts):
        low, high = chance_range(count.nominal, count.total)
        axes.barh(row, high - low, left=low, height=0.5, color=PALE, label="9 in 10 by chance")
        axes.plot([count.nominal] * 2, [row - 0.34, row + 0.34], color=INK, linewidth=2, solid_capstyle="butt")
        share = count.inside / count.total
        inside = low - 1e-9 <= share <= high + 1e-9
        axes.plot(share, row, "o", markersize=9, color=FORECAST, markerfacecolor=FORECAST if inside else "white")
        axes.text(1.02, row, f"{count}", transform=axes.get_yaxis_transform(), va="center", fontsize=10.5)
    axes.set_yticks(range(len(counts)), [f"{shorten(c.name)}, {round_number(100 * c.nominal)} % band" for c in counts])
    axes.set_ylim(len(counts) - 0.4, -0.6)
    axes.set_xlim(0, 1.001)
    ticks = np.linspace(0, 1, 6)
    axes.set_xticks(ticks, [f"{100 * tick:.0f} %" for tick in ticks])
    axes.set_xlabel("held-out values inside the band: observed (dot), promised (tick), by chance 9 times in 10 (grey)")
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    return figure


def chance_range(nominal: float, total: int) -> tuple[float, float]:
    r"""Return between which shares nine in ten counts fall if each of `total` values is inside with chance `nominal`.

    With :math:`K \sim \mathrm{Binomial}(n, p)`, the 5 % and 95 % quantiles of :math:`K / n`.

    Raises:
        InputError: a chance outside (0, 1), or no values.

    Example:
        >>> low, high = chance_range(0.8, 12)
        >>> round(12 * low), round(12 * high)
        (7, 12)
    """
    if not 0 < nominal < 1 or total < 1:
        raise InputError(f"a band of nominal {nominal} over {total} values; expected one in (0, 1), over at least one")
    k = np.arange(1, total + 1)
    steps = np.log((total - k + 1) / k) + np.log(nominal / (1 - nominal))
    masses = np.exp(total * np.log(1 - nominal) + np.concatenate([[0.0], np.cumsum(steps)]))
    below = np.cumsum(masses)
    low, high = (int(np.searchsorted(below, level)) for level in (0.05, 0.95))
    return low / total, min(high, total) / total


def _draw_bars(axes: Axes, bars: Sequence[ScoreBar]) -> None:
    values = np.array([bar.value for bar in bars])
    finite = np.sort(values[np.isfinite(values)])
    # Half of the bars, and ours whatever it is, always have their true length.
    typical = _LONGEST * float(np.median(finite)) if len(finite) else 1.0
    whole = [typical, *(bar.value for bar in bars if bar.ours and bar.value < np.inf)]
    longest = float(finite[-1]) if len(finite) else 1.0
    limit = longest if longest <= _HARDLY_LONGER * max(whole) else max(whole)
    for row, bar in enumerate(bars):
        length = 0.0 if np.isnan(bar.value) else min(bar.value, limit)
        axes.barh(row, length, height=0.68, color=FORECAST if bar.ours else PALE)
        cut = bar.value > limit
        text = "does not apply" if np.isnan(bar.value) else f"{'» ' if cut else ''}{number(bar.value)}"
        style: dict[str, Any] = {"va": "center", "textcoords": "offset points", "fontsize": 10.5}
        style |= {"color": QUIET if np.isnan(bar.value) else INK, "weight": "bold" if bar.ours else "normal"}
        axes.annotate(text, (length, row), (5, 0), **style)
    axes.set_yticks(range(len(bars)), [shorten(bar.name) for bar in bars])
    for tick, bar in zip(axes.get_yticklabels(), bars, strict=True):
        tick.set_fontweight("bold" if bar.ours else "normal")
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xlim(0, 1.12 * limit if limit > 0 else 1.0)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
