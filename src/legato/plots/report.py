"""The report: one page that says what was asked, what came out, and how to get it again.

The page holds everything, pictures included: it needs no network, no second file and no script, and it prints. Every
text is escaped, since names and notes come from files that others wrote. The same report has the same bytes: it holds
no date and no path that the caller did not put there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from ..core.errors import InputError
from ..core.files import write_whole
from .embedding import data_address
from .scores import Coverage
from .style import plot_module
from .words import clean, number, round_number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "Note",
    "Picture",
    "Report",
    "ScoreRow",
    "ScoreTable",
    "Table",
    "Verdict",
    "render_report",
    "write_report",
]

Cell = str | float | None


class Note(NamedTuple):
    """Say one thing that was noticed: a note, a warning or an error."""

    text: str
    severity: Literal["note", "warning", "error"] = "note"


class Verdict(NamedTuple):
    """Say a result in words; `won` is True, False, or None where it is neither."""

    text: str
    won: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Hold a figure with the words around it.

    Arguments:
        figure: as a picture function returned it.
        title: the heading above it.
        caption: what to see in it.
        description: what it shows, for who cannot see it; the caption where empty.
    """

    figure: Figure
    title: str
    caption: str = ""
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """Hold the scores of the model or of a baseline.

    Arguments:
        name: as in the other tables and pictures.
        values: one per measure: a number, a text such as "9 of 12", or None.
        ours: whether this is the model's row.
        reason: why there are no scores; then `values` is empty.
    """

    name: str
    values: tuple[Cell, ...] = ()
    ours: bool = False
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class ScoreTable:
    """Hold the scores of one target, smaller is better; the least number of each measure is marked.

    Arguments:
        target: what was forecast.
        measures: the names of the scores, with units.
        rows: the model and every baseline.
        verdicts: the result in words.
    """

    target: str
    measures: tuple[str, ...]
    rows: tuple[ScoreRow, ...]
    verdicts: tuple[Verdict, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Table:
    """Hold any table.

    Arguments:
        columns: the names of the columns.
        rows: one cell per column each: a number, a text or None.
        ours: the index of the column of the model, set in bold.
        note: what to know about it.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    ours: int | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Report:
    """Hold all parts of a report; what is empty is left out.

    Arguments:
        title: the heading.
        summary: the result in one sentence, win or loss.
        won: whether the summary tells of a win, a loss, or neither (None).
        pictures: in their order on the page.
        read: what was read, as what, by label: {"file": "...", "rows": "21"}.
        model: what was fitted, and how far it forecasts, by label.
        notes: what was noticed while reading and fitting.
        split: in words, what was trained on and what was held out.
        scores: one table per target.
        origins: the same scores from other origins.
        coverage: counts of held-out values inside the bands.
        command: the exact command line that makes this report again.
        versions: of legato, Python, torch and whatever else the result depends on.
        data_hash: of the names, times and values that were read, with the name of the hash: "sha256:...".
        settings: everything that was chosen, by name.
    """

    title: str
    summary: str
    won: bool | None = None
    pictures: tuple[Picture, ...] = ()
    read: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    split: str = ""
    scores: tuple[ScoreTable, ...] = ()
    origins: Table | None = None
    coverage: tuple[Coverage, ...] = ()
    command: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    data_hash: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


def render_report(report: Report) -> str:
    """Return the report as an HTML page.

    Raises:
        InputError: a table whose rows are not as long as its heading.
        MissingExtraError: matplotlib or jinja2 is not installed.
    """
    for table in report.scores:
        _require_cells(table.target, len(table.measures), [row.values for row in table.rows if not row.reason])
    if report.origins is not None:
        _require_cells("origins", len(report.origins.columns), list(report.origins.rows))
    jinja = plot_module("jinja2", purpose="writing reports")
    environment = jinja.Environment(
        autoescape=True, undefined=jinja.StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_printable
    )
    environment.filters.update(cell=_cell, round_number=round_number, address=data_address)
    environment.tests["number"] = _is_number
    template = environment.from_string(Path(__file__).with_name("report.html").read_text(encoding="utf-8"))
    return str(template.render(report=report, best=_best))


def write_report(path: str | os.PathLike[str], report: Report) -> None:
    """Write the report as an HTML file, whole or not at all.

    Raises:
        InputError: a table whose rows are not as long as its heading.
        MissingExtraError: matplotlib or jinja2 is not installed.
        OSError: the file cannot be written.
    """
    write_whole(path, render_report(report).encode("utf-8"))


def _require_cells(name: str, columns: int, rows: list[tuple[Cell, ...]]) -> None:
    for index, row in enumerate(rows):
        if len(row) != columns:
            raise InputError(f"row {index} of the table of {name} has {len(row)} cells; expected {columns}")


def _printable(value: Any) -> Any:
    return clean(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _cell(value: Any) -> str:
    """Write a cell or a setting: numbers to three digits in tables, everything else as Python says it."""
    if value is None:
        return "-"
    if isinstance(value, np.generic):
        value = value.item()
    return number(value) if _is_number(value) else str(value)


def _best(table: ScoreTable, column: int) -> float | None:
    """Return the least number of a column; None where fewer than two rows have one."""
    cells = [row.values[column] for row in table.rows if not row.reason]
    values = [float(cell) for cell in cells if cell is not None and not isinstance(cell, str) and np.isfinite(cell)]
    return min(values) if len(values) > 1 else None
