"""The data report: what is in a table, as what it is read, what is wrong and how to mend it.

`check_table` follows the same path as `read_series`, but where that stops at the first error, the report goes on as far
as it can and collects them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..core.errors import DataError
from .columns import Column
from .delimited import Dialect
from .finding import Finding, TableError, note, refuse, warn
from .series import SeriesSet, default_targets, read_series
from .table import Table, read_table
from .time_column import read_times
from .times import TimeScale

__all__ = ["ColumnReport", "Report", "TimeReport", "check_table"]

_TIME_NAMES = (
    *("time", "times", "date", "datetime", "timestamp", "year", "t", "ds"),
    *("seconds", "minutes", "hours", "days", "weeks"),
)


@dataclass(frozen=True, kw_only=True)
class ColumnReport:
    """Describe one column.

    Arguments:
        name: as in the header.
        kind: see `legato.data.columns`.
        role: `time`, `series`, `target`, `static` or `unused`.
        missing: the share of cells that are missing, in [0, 1].
        minimum: the smallest number, None for other kinds.
        maximum: the largest number, None for other kinds.
    """

    name: str
    kind: str
    role: str
    missing: float
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, kw_only=True)
class TimeReport:
    """Describe the times.

    Arguments:
        column: the column of times.
        kind: see `legato.data.times`.
        unit: the unit of the gaps; None where it is not known.
        start: the first time, as written.
        end: the last time, as written.
        gap_min: the smallest gap between neighbouring times of a series; None where no series has two times.
        gap_median: the median gap.
        gap_max: the largest gap.
    """

    column: str
    kind: str
    unit: str | None
    start: str
    end: str
    gap_min: float | None = None
    gap_median: float | None = None
    gap_max: float | None = None


@dataclass(frozen=True, kw_only=True)
class Report:
    """Describe a table and everything that was noticed in it.

    Arguments:
        source: what was read, in words.
        rows: how many rows.
        series: how many series; 0 where the table could not be read that far.
        shortest: the number of times of the shortest series.
        longest: the number of times of the longest series.
        columns: one entry per column.
        time: the times; None where they could not be read.
        findings: errors first, then warnings, then notes.
        read: the series; None where the table could not be read that far.
    """

    source: str
    rows: int = 0
    series: int = 0
    shortest: int = 0
    longest: int = 0
    columns: tuple[ColumnReport, ...] = ()
    time: TimeReport | None = None
    findings: tuple[Finding, ...] = ()
    read: SeriesSet | None = None

    @property
    def good(self) -> bool:
        """Whether the table can be used as it was described: no error was found."""
        return not self.count("error")

    def count(self, severity: str) -> int:
        """Return how many findings have this severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {
            "source": self.source,
            "good": self.good,
            "rows": self.rows,
            "series": self.series,
            "shortest": self.shortest,
            "longest": self.longest,
            "columns": [vars(column) for column in self.columns],
            "time": None if self.time is None else vars(self.time),
            "findings": [finding.to_dict() for finding in self.findings],
        }


def check_table(
    source: Any,
    *,
    time: str | None = None,
    series: str | None = None,
    target: str | Sequence[str] | None = None,
    static: Sequence[str] = (),
    time_unit: str | None = None,
    dialect: Dialect | None = None,
) -> Report:
    """Report what is in a table and what stands in the way of using it.

    Arguments:
        source: a path, a data frame or a `Table`.
        time: the column of times; by default the only one that is named or typed like one, which is noted.
        series: as in `read_series`, like `target`, `static`, `time_unit` and `dialect`.

    Returns:
        The report. What is wrong with the data is in its findings; only a mistake in the arguments raises.

    Raises:
        OptionError: an argument cannot be meant.
    """
    try:
        table = read_table(source, dialect=dialect)
    except DataError as error:
        return Report(source=_name(source), findings=(_finding(error),))
    findings: list[Finding] = []
    time = _find_time(table, findings) if time is None else time
    targets = _find_targets(table, time, series, target, static, findings)
    read: SeriesSet | None = None
    if time is not None and targets:
        try:
            read = read_series(table, time=time, series=series, target=targets, static=static, time_unit=time_unit)
        except DataError as error:
            findings.append(_finding(error))
    findings += read.notes if read is not None else table.notes
    if read is None:
        findings += _column_errors(table, time, series, targets, time_unit)
    roles: dict[str | None, str] = {time: "time", series: "series"}
    roles |= {**dict.fromkeys(targets, "target"), **dict.fromkeys(static, "static")}
    for name in targets:
        findings += _target_warnings(table, name)
    sizes = [len(one) for one in read] if read is not None else [0]
    return Report(
        source=table.source,
        rows=len(table),
        series=0 if read is None else len(read),
        shortest=min(sizes),
        longest=max(sizes),
        columns=tuple(_describe(column, roles.get(name, "unused")) for name, column in table.columns.items()),
        time=None if read is None else _describe_times(read),
        findings=_in_order(findings),
        read=read,
    )


def _name(source: Any) -> str:
    return str(source) if isinstance(source, (str, bytes)) or hasattr(source, "__fspath__") else type(source).__name__


def _finding(error: DataError) -> Finding:
    if isinstance(error, TableError):
        return error.finding
    return Finding(code="data", severity="error", message=str(error), column=error.column)


def _find_time(table: Table, findings: list[Finding]) -> str | None:
    """Return the only column that is typed or named like a time, or record that there is none."""
    typed = [name for name, column in table.columns.items() if column.kind == "time"]
    named = [name for name in table.names if name.lower() in _TIME_NAMES]
    likely = typed or named
    if len(likely) == 1:
        findings.append(note("time-column", "taken for the time; pass time= to choose", column=likely[0]))
        return likely[0]
    what = f"several columns could be the time: {', '.join(likely)}" if likely else "no column is named like a time"
    findings.append(refuse("no-time", what, f"name one of {', '.join(table.names)} with time=").finding)
    return None


def _find_targets(
    table: Table,
    time: str | None,
    series: str | None,
    target: str | Sequence[str] | None,
    static: Sequence[str],
    findings: list[Finding],
) -> tuple[str, ...]:
    if target is not None:
        return (target,) if isinstance(target, str) else tuple(target)
    try:
        targets, notes = default_targets(table, taken={time, series, *static})
    except DataError as error:
        findings.append(_finding(error))
        return ()
    findings += notes
    return targets


def _column_errors(
    table: Table, time: str | None, series: str | None, targets: Sequence[str], time_unit: str | None
) -> list[Finding]:
    """Return what is wrong with each column by itself, where the table as a whole could not be read."""
    found: list[Finding] = []
    if time is not None:
        try:
            found += read_times(table, time, unit=time_unit).notes
        except DataError as error:
            found.append(_finding(error))
    for name in (*targets, *([series] if series is not None else [])):
        try:
            column = table.column(name)
        except DataError as error:
            found.append(_finding(error))
            continue
        found += column.problems if name != series else ()
    for name, column in table.columns.items():
        unnamed = not targets and name not in (time, series)
        found += [problem for problem in column.problems if unnamed and column.kind == "mixed"]
        found += column.notes
    return found


def _target_warnings(table: Table, name: str) -> list[Finding]:
    numbers = table.columns[name].numbers if name in table.columns else None
    if numbers is None:
        return []
    present = numbers[~np.isnan(numbers)]
    if len(present) > 1 and present.min() == present.max():
        return [warn("constant", f"is {present[0]:g} in every row", "leave it out of the targets", column=name)]
    return []


def _describe(column: Column, role: str) -> ColumnReport:
    low = high = None
    if column.numbers is not None:
        low, high = float(np.fmin.reduce(column.numbers)), float(np.fmax.reduce(column.numbers))
    share = float(column.missing.mean())
    return ColumnReport(name=column.name, kind=column.kind, role=role, missing=share, minimum=low, maximum=high)


def _describe_times(read: SeriesSet) -> TimeReport:
    scale: TimeScale = read.scale
    start, end = scale.format([min(one.times[0] for one in read), max(one.times[-1] for one in read)])
    gaps = read.gaps
    low, median, high = (float(f(gaps)) if len(gaps) else None for f in (np.min, np.median, np.max))
    return TimeReport(
        column=read.time,
        kind=scale.kind,
        unit=scale.unit,
        start=start,
        end=end,
        gap_min=low,
        gap_median=median,
        gap_max=high,
    )


def _in_order(findings: list[Finding]) -> tuple[Finding, ...]:
    """Return each finding once, errors first; one that was found twice keeps its first advice."""
    rank = {"error": 0, "warning": 1, "note": 2}
    once: dict[Finding, Finding] = {}
    for finding in findings:
        once.setdefault(replace(finding, fix=""), finding)
    return tuple(sorted(once.values(), key=lambda finding: rank[finding.severity]))
