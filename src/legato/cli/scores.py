"""Scores as people read them: every forecaster beside every baseline, then the verdict in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.words import counted
from .errors import as_options
from .output import Output, number, table

__all__ = ["show_scores"]

_SCORES = {"RMSE": "rmse", "MAE": "mae", "MASE": "mase", "CRPS": "crps"}
_BAND = "in the 80 % band"


def show_scores(output: Output, evaluation: Mapping[str, Any]) -> None:
    """Print an evaluation.

    Arguments:
        output: where to.
        evaluation: as `legato.tasks.Evaluation.to_dict` gives it.
    """
    output.show(evaluation["description"])
    if scored := evaluation["scored"]:
        output.show(f"scored: {counted(scored['values'], 'value')} of {scored['series']} series")
    if evaluation["overall"] == "all, scaled":
        output.show("all, scaled: every error divided by its target's standard deviation in the training part")
    for target, scores in evaluation["scores"].items():
        if scores[0].get("total") == 0:
            continue
        rows = [
            (score["name"], *(number(score.get(key)) for key in _SCORES.values()), _covered(score)) for score in scores
        ]
        output.show(table(("", *_SCORES, _BAND), rows, title=target, right=(*_SCORES, _BAND)))
    for target, verdict in evaluation["verdicts"].items():
        output.show(f"{target}: {verdict}")
    for name, reason in evaluation["left_out"].items():
        output.show(f"left out: {name}, since {as_options(reason)}")
    for note in evaluation["notes"]:
        output.show(f"note: {as_options(note)}")


def _covered(score: Mapping[str, Any]) -> str:
    if score.get("total") is None:
        return "-"
    return f"{score['inside']} of {score['total']}"
