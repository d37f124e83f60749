"""`legato check`: the data report of a table, as a table."""

from __future__ import annotations

from dataclasses import replace

from ..core.words import counted
from ..data import Finding, Report, check_table
from ..tasks.fitness import fit_problems
from .errors import ExitCode, as_options
from .options import (
    Columns,
    Comment,
    Debug,
    Decimal,
    Delimiter,
    File,
    Json,
    Missing,
    SeriesColumn,
    Target,
    TimeName,
    TimeUnit,
    dialect,
    names,
)
from .output import Output, number, session, table

__all__ = ["check"]


def check(
    file: File,
    time: TimeName = None,
    series: SeriesColumn = None,
    target: Target = None,
    time_unit: TimeUnit = None,
    delimiter: Delimiter = None,
    comment: Comment = None,
    columns: Columns = None,
    decimal: Decimal = None,
    missing: Missing = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Say what a table holds, as what it is read, what is wrong with it and how to fix that.

    legato check vitals.csv --time hours --series patient
    """
    with session("check", as_json=json, debug=debug) as output:
        report = check_table(
            file,
            time=time,
            series=series,
            target=names(target),
            time_unit=time_unit,
            dialect=dialect(delimiter=delimiter, comment=comment, columns=columns, decimal=decimal, missing=missing),
        )
        if report.good and report.read is not None:
            report = replace(report, findings=(*fit_problems(report.read), *report.findings))
        _show(output, report)
        values = report.to_dict()
        for finding in values["findings"]:
            finding |= {key: as_options(finding[key]) for key in ("message", "fix")}
        output.result(values)
        errors = [finding for finding in report.findings if finding.severity == "error"]
        if errors:
            more = f" (and {len(errors) - 1} more above)" if len(errors) > 1 else ""
            first = errors[0]
            text = as_options(str(first))
            named = text if report.source in text else f"{report.source}: {text}"
            where = {"row": first.rows[0] if first.rows else None, "column": first.column}
            output.error(ExitCode.DATA, f"{named}{more}", where)


def _show(output: Output, report: Report) -> None:
    """Print what was read, as what, and what was noticed; where nothing was read, the error says it all."""
    if not report.columns:
        return
    output.show(_columns(report), *_facts(report))
    if report.findings:
        output.show(_findings(report.findings))
    if report.good:
        count = report.count("warning")
        warnings = f", {counted(count, 'warning')}" if count else ""
        output.show(f"No error{warnings}: it can be fitted.")


def _columns(report: Report) -> object:
    rows = [
        (
            column.name,
            column.role,
            column.kind,
            f"{100 * column.missing:.3g} %" if column.missing else "none",
            number(column.minimum, 6),
            number(column.maximum, 6),
        )
        for column in report.columns
    ]
    headings = ("column", "role", "read as", "missing", "least", "greatest")
    return table(
        headings, rows, title=f"{report.source}: {counted(report.rows, 'row')}", right=("missing", "least", "greatest")
    )


def _facts(report: Report) -> list[str]:
    facts = []
    if report.series:
        length = f"{report.shortest} to " if report.shortest != report.longest else ""
        facts.append(f"{report.series} series of {length}{counted(report.longest, 'time')}")
    time = report.time
    if time is not None:
        unit = f" {time.unit}" if time.unit else ""
        line = f"times in {time.column!r}, read as {time.kind}: {time.start} to {time.end}"
        if time.gap_median is not None:
            line += f"; gaps {number(time.gap_min)} to {number(time.gap_max)}, median {number(time.gap_median)}{unit}"
        facts.append(line)
    return facts


def _findings(findings: tuple[Finding, ...]) -> object:
    rows = [
        (finding.severity, finding.place, as_options(finding.message), as_options(finding.fix)) for finding in findings
    ]
    return table(("", "where", "what", "how to fix it"), rows)
