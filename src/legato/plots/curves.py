"""How training went and what it cost: loss, field evaluations per solve, accuracy against cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import InputError
from .style import FIT, FORECAST, INK, MANY, PALETTE, QUIET, drawing, even_ticks, legend_above, log_scale, new_figure
from .words import key_label, number, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "AccuracyCurve",
    "EvaluationPanel",
    "Phase",
    "accuracy_curve",
    "evaluations_picture",
    "training_curve",
]

Array = NDArray[np.float64]

_FEW = 40  # so many points are joined by a line; more are drawn as a cloud with a running median


class Phase(NamedTuple):
    """Name a part of training by the iteration it begins with: Phase(200, "horizon 5 years")."""

    start: float
    name: str


class EvaluationPanel(NamedTuple):
    """Hold field evaluations per solve (n,) against something (n,): the iteration, the horizon, the tolerance."""

    against: str
    at: ArrayLike
    evaluations: ArrayLike


class AccuracyCurve(NamedTuple):
    """Hold accuracies (n,) at costs in field evaluations (n,), and texts (n,) beside the points: their tolerances."""

    name: str
    evaluations: ArrayLike
    accuracy: ArrayLike
    labels: Sequence[str] = ()


@drawing()
def training_curve(
    losses: ArrayLike,
    *,
    iterations: ArrayLike | None = None,
    validation: ArrayLike | None = None,
    phases: Sequence[Phase] = (),
    label: str = "loss",
) -> Figure:
    """Draw the loss against the iteration: logarithmic where all losses are positive, else linear.

    Arguments:
        losses: (iterations,), or (members, iterations) for an ensemble, drawn thin under the median; NaN for none.
        iterations: (iterations,); counted from 1 where not given.
        validation: the loss on data that training was not shown, (iterations,); NaN where it was not measured.
        phases: parts of training, such as growing horizons, drawn as dashed lines with names.
        label: what the loss is.

    Raises:
        InputError: lengths differ, or no loss is finite.
        MissingExtraError: matplotlib is not installed.
    """
    members = np.atleast_2d(np.asarray(losses, dtype=np.float64))
    at = np.arange(1.0, members.shape[-1] + 1) if iterations is None else np.asarray(iterations, dtype=np.float64)
    checked = None if validation is None else np.asarray(validation, dtype=np.float64)
    if members.ndim != 2 or at.shape != members.shape[1:] or (checked is not None and checked.shape != at.shape):
        shapes = f"losses {members.shape}, iterations {at.shape}"
        raise InputError(f"{shapes} do not fit together; expected (members, n) and (n,), as for validation")
    _require_finite(members, "loss")
    figure = new_figure(3.4)
    axes = figure.subplots()
    many = len(members) > 1
    for member in members if many else ():
        axes.plot(at, member, color=FIT, linewidth=0.8, alpha=0.35)
    middle = np.full(len(at), np.nan)
    known = np.isfinite(members).any(axis=0)
    middle[known] = np.nanmedian(np.where(np.isfinite(members), members, np.nan)[:, known], axis=0)
    axes.plot(at, middle, color=FIT, label=f"median of {len(members)} members" if many else "training")
    if checked is not None:
        dots: dict[str, Any] = {"linestyle": "none"} if np.isnan(checked).any() else {}
        axes.plot(at, checked, color=FORECAST, marker="o", markersize=3.5, label="validation", **dots)
    seen = np.concatenate([members.ravel(), [] if checked is None else checked])
    if np.nanmin(seen) > 0:
        log_scale(axes, "y")
    axes.set_xlabel("iteration")
    axes.set_ylabel(shorten(label))
    axes.margins(x=0.01)
    _draw_phases(axes, phases)
    if many or checked is not None:
        legend_above(figure, [axes])
    return figure


@drawing()
def evaluations_picture(panels: Sequence[EvaluationPanel]) -> Figure:
    """Draw how many field evaluations a solve takes: what it costs, and whether the field grows stiff in training.

    Arguments:
        panels: side by side, at least one.

    Raises:
        InputError: no panels, lengths differ, or nothing is finite.
        MissingExtraError: matplotlib is not installed.
    """
    if not panels:
        raise InputError("got no panels; expected at least one EvaluationPanel(against, at, evaluations)")
    figure = new_figure(3.0)
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False, sharey=True)[0], panels, strict=True):
        at, evaluations = _pair(panel.at, panel.evaluations, panel.against)
        if len(at) <= _FEW:
            axes.plot(at, evaluations, color=FIT, marker="o", markersize=4.5, linewidth=1.6)
        else:
            dots: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 2.5, "alpha": 0.25}
            axes.plot(at, evaluations, color=FIT, rasterized=len(at) >= MANY, **dots)
            axes.plot(at, _running_median(evaluations), color=FIT)
        even_ticks(axes)
        axes.set_xlabel(shorten(panel.against))
        axes.set_ylim(bottom=0)
        axes.set_ylim(top=max(axes.get_ylim()[1], 1.08 * float(np.nanmax(evaluations))))
        axes.tick_params(labelleft=True)
    figure.axes[0].set_ylabel("evaluations per solve")
    return figure


@drawing()
def accuracy_curve(
    curves: Sequence[AccuracyCurve], *, floor: tuple[str, float] | None = None, label: str = "accuracy"
) -> Figure:
    """Draw accuracy against field evaluations, a point per tolerance: what a network gives back when it is hurried.

    Arguments:
        curves: at least one.
        floor: the name and the accuracy of something to compare with, drawn as a level line: ("ResNet", 0.97).
        label: what is measured.

    Raises:
        InputError: no curves, lengths differ, or nothing is finite.
        MissingExtraError: matplotlib is not installed.
    """
    if not curves:
        raise InputError("got no curves; expected at least one AccuracyCurve(name, evaluations, accuracy)")
    figure = new_figure(3.8)
    axes = figure.subplots()
    for curve, color in zip(curves, PALETTE * len(curves), strict=False):
        evaluations, accuracy = _pair(curve.evaluations, curve.accuracy, curve.name)
        axes.plot(evaluations, accuracy, color=color, marker="o", label=key_label(curve.name))
        for x, y, text in zip(evaluations, accuracy, curve.labels, strict=False):
            words: dict[str, Any] = {"textcoords": "offset points", "ha": "left", "fontsize": 9.5, "color": color}
            axes.annotate(shorten(text, 16), (x, y), (5, -12), **words)
    if floor is not None:
        axes.axhline(floor[1], color=QUIET, linestyle=(0, (4, 2)), linewidth=1.2)
        words = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points", "fontsize": 10, "color": QUIET}
        axes.annotate(f"{shorten(floor[0])} {number(floor[1])}", (1.0, floor[1]), (0, 4), ha="right", **words)
    axes.margins(x=0.05, y=0.2)
    axes.set_xlabel("field evaluations per solve")
    axes.set_ylabel(shorten(label))
    if len(curves) > 1:
        legend_above(figure, [axes])
    return figure


def _running_median(values: Array) -> Array:
    """Return the median of a window of a twentieth of the values around each."""
    half = max(1, len(values) // 40)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, half, constant_values=np.nan), 2 * half + 1)
    known = np.isfinite(windows).any(axis=1)
    medians = np.full(len(values), np.nan)
    medians[known] = np.nanmedian(windows[known], axis=1)
    return medians


def _draw_phases(axes: Axes, phases: Sequence[Phase]) -> None:
    for phase in phases:
        axes.axvline(phase.start, color=QUIET, linewidth=1.0, linestyle=(0, (2, 2)), zorder=1)
        words: dict[str, Any] = {"xycoords": axes.get_xaxis_transform(), "textcoords": "offset points", "color": INK}
        axes.annotate(shorten(phase.name, 28), (phase.start, 1.0), (0, 3), va="bottom", fontsize=9.5, **words)


def _pair(at: ArrayLike, values: ArrayLike, name: str) -> tuple[Array, Array]:
    x, y = np.asarray(at, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise InputError(f"{name}: shapes {x.shape} and {y.shape}; expected two lists of equal length")
    _require_finite(y, name)
    return x, y


def _require_finite(values: Array, name: str) -> None:
    if not np.isfinite(values).any():
        raise InputError(f"{name}: no finite value among {values.size}; there is nothing to draw")
