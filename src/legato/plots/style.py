"""How every picture looks: dark on light, one palette, no state outside the picture.

The colours are those of Okabe and Ito, told apart with every common kind of colour vision; a colour has one meaning in
all pictures. Figures are made by matplotlib's object interface, which opens no window and keeps no global figure.

References:
    M. Okabe and K. Ito, Color universal design: how to make figures that are friendly to colorblind people, 2008.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..core.extras import import_extra
from .words import round_number, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "FIT",
    "FORECAST",
    "INK",
    "MANY",
    "PALE",
    "PALETTE",
    "QUIET",
    "WIDTH",
    "EndLabel",
    "drawing",
    "end_labels",
    "even_ticks",
    "legend_above",
    "log_scale",
    "new_figure",
    "plot_module",
]

MANY = 2000
"""So many marks and more are drawn as dots of an image inside the picture, which keeps it small."""

WIDTH = 10.0
"""Width of a picture in inches: 960 pixels on a screen."""

INK = "#1f2328"
QUIET = "#5f6670"
PALE = "#c9ced6"
FIT = "#0072b2"
FORECAST = "#d55e00"
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#1f2328", "#8a6d00")

_STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": QUIET,
    "axes.formatter.useoffset": False,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 11,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.unicode_minus": True,
    "date.converter": "concise",
    "figure.facecolor": "white",
    "font.family": ["DejaVu Sans"],
    "font.size": 11,
    "grid.color": "#e8eaee",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "lines.linewidth": 2.0,
    "lines.solid_capstyle": "round",
    "savefig.facecolor": "white",
    # The same identifiers in every run, so that a picture has the same bytes.
    "svg.hashsalt": "legato",
    "svg.fonttype": "path",
    # A name such as `cost_$` is a name, not a formula.
    "text.parse_math": False,
    "text.color": INK,
    "timezone": "UTC",
    "xtick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.color": QUIET,
    "ytick.labelcolor": INK,
}


class EndLabel(NamedTuple):
    """Name a line at its end: the height of the end in data, the text and the line's colour."""

    height: float
    text: str
    color: str


def plot_module(name: str, *, purpose: str = "drawing pictures") -> Any:
    """Import a module of the `plot` extra and return it.

    Raises:
        MissingExtraError: it is not installed.
    """
    return import_extra(name, extra="plot", purpose=purpose)


@contextmanager
def drawing() -> Iterator[None]:
    """Draw in our style, whatever the user's own matplotlib settings are, and leave those as they were.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    matplotlib = plot_module("matplotlib")
    with matplotlib.rc_context(), warnings.catch_warnings():
        # The font lacks some scripts; the report prints every name as text beside the picture.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def new_figure(height: float, *, width: float = WIDTH) -> Figure:
    """Return an empty figure of a size in inches whose parts make room for each other."""
    figure: Figure = plot_module("matplotlib.figure").Figure(figsize=(width, height), layout="constrained")
    return figure


def log_scale(axes: Axes, which: str) -> None:
    """Make an axis ("x" or "y") logarithmic, with plain numbers at its ticks; its limits must be set already."""
    ticker = plot_module("matplotlib.ticker")
    getattr(axes, f"set_{which}scale")("log")
    axis = getattr(axes, f"{which}axis")
    low, high = axis.get_view_interval()
    if high < 300 * low:
        axis.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0) if high > 10 * low else "all"))
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: round_number(value)))
    axis.set_minor_formatter(ticker.NullFormatter())
    axis.set_tick_params(which="minor", length=0)


def even_ticks(axes: Axes) -> None:
    """Place the ticks of an axis of numbers at steps of 1, 2 or 5, so that years stay whole; dates keep theirs."""
    ticker = plot_module("matplotlib.ticker")
    if isinstance(axes.xaxis.get_major_locator(), ticker.AutoLocator):
        axes.xaxis.set_major_locator(ticker.MaxNLocator(nbins=9, steps=[1, 2, 5, 10]))


def end_labels(axes: Axes, labels: Sequence[EndLabel], *, gap: float = 0.075) -> None:
    """Write names beside the ends of lines, at the right edge, pushed apart where they would collide.

    Arguments:
        axes: with its final limits.
        labels: in any order.
        gap: the least distance between two names, as a share of the height of the axes.
    """
    named = [label for label in labels if np.isfinite(label.height)]
    points = [axes.transData.transform((axes.get_xlim()[1], label.height)) for label in named]
    heights = [float(axes.transAxes.inverted().transform(point)[1]) for point in points]
    order = sorted(range(len(named)), key=heights.__getitem__)
    places = np.array([heights[index] for index in order])
    for below in range(1, len(places)):
        places[below] = max(places[below], places[below - 1] + gap)
    if len(places):
        # Pushing upward alone would leave the top: the pile slides back to where its names want to be on average.
        places -= max(0.0, min(places[-1] - 1.0, places[0]))
    for place, index in zip(places, order, strict=True):
        label = named[index]
        style: dict[str, Any] = {"color": label.color, "va": "center", "ha": "left", "clip_on": False, "fontsize": 10.5}
        axes.text(1.01, float(place), shorten(label.text, 24), transform=axes.transAxes, **style)


def legend_above(figure: Figure, axes: Sequence[Axes], *, columns: int = 7) -> None:
    """Write one key for all axes in rows above them, each label once, in the order in which things lie on top."""
    handles: dict[str, Any] = {}
    for each in axes:
        pairs = zip(*each.get_legend_handles_labels(), strict=True)
        for handle, label in sorted(pairs, key=lambda pair: -pair[0].get_zorder()):
            handles.setdefault(label, handle)
    if handles:
        figure.legend(
            handles=list(handles.values()),
            labels=list(handles),
            loc="outside upper left",
            ncols=min(columns, len(handles)),
            handlelength=1.6,
            columnspacing=1.6,
        )
