"""Irregular tables and series: read strictly, masked and never filled, as model input."""

from __future__ import annotations

from .batch import Batch, Padded, Prediction, collate, split
from .columns import Column
from .delimited import MISSING, Dialect
from .durations import SECONDS, duration_seconds
from .finding import Finding, TableError
from .holdout import SeriesSplit, split_series
from .lynx_hare import load_lynx_hare
from .report import ColumnReport, Report, TimeReport, check_table
from .series import Series, SeriesSet, read_series
from .table import Table, read_table
from .time_column import parse_times, read_times
from .times import TimeColumn, TimeScale

__all__ = [
    "MISSING",
    "SECONDS",
    "Batch",
    "Column",
    "ColumnReport",
    "Dialect",
    "Finding",
    "Padded",
    "Prediction",
    "Report",
    "Series",
    "SeriesSet",
    "SeriesSplit",
    "Table",
    "TableError",
    "TimeColumn",
    "TimeReport",
    "TimeScale",
    "check_table",
    "collate",
    "duration_seconds",
    "load_lynx_hare",
    "parse_times",
    "read_series",
    "read_table",
    "read_times",
    "split",
    "split_series",
]
