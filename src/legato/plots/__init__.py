"""Pictures and the report: plain arrays and strings in, a figure or one self-contained page out."""

from __future__ import annotations

from .curves import AccuracyCurve, EvaluationPanel, Phase, accuracy_curve, evaluations_picture, training_curve
from .embedding import picture_bytes, save_picture
from .forecast import Band, ForecastPanel, Points, forecast_picture, representatives
from .phase import FieldGrid, Orbit, phase_grid, phase_portrait
from .report import Note, Picture, Report, ScoreRow, ScoreTable, Table, Verdict, render_report, write_report
from .scores import Coverage, ScoreBar, calibration_picture, scores_picture
from .solution import solution_picture

__all__ = [
    "AccuracyCurve",
    "Band",
    "Coverage",
    "EvaluationPanel",
    "FieldGrid",
    "ForecastPanel",
    "Note",
    "Orbit",
    "Phase",
    "Picture",
    "Points",
    "Report",
    "ScoreBar",
    "ScoreRow",
    "ScoreTable",
    "Table",
    "Verdict",
    "accuracy_curve",
    "calibration_picture",
    "evaluations_picture",
    "forecast_picture",
    "phase_grid",
    "phase_portrait",
    "picture_bytes",
    "render_report",
    "representatives",
    "save_picture",
    "scores_picture",
    "solution_picture",
    "training_curve",
    "write_report",
]
