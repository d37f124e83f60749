"""What was noticed in a table, as a value: a code, where it is, and what to do about it.

A `Finding` is an *error* (the table cannot be used like this), a *warning* (it can, and somebody should look), or a
*note* (what was read, as what). A reader that meets an error raises it as `TableError`, a `DataError` that carries the
finding; `legato.data.check_table` collects findings instead of raising them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..core.errors import DataError

__all__ = ["Finding", "Severity", "TableError", "naming", "note", "refuse", "warn"]

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Say one thing about a table.

    Arguments:
        code: a stable lower-case name of the kind of finding, such as `duplicate-time`.
        severity: `error`, `warning` or `note`.
        message: what was found, without the place.
        fix: what to do about it; empty for most notes.
        column: the column it concerns, where there is one.
        count: how many rows (or columns, for findings about columns) it concerns.
        rows: the first three rows, as line numbers in a text file (1 is the first line) or row numbers in a frame.
    """

    code: str
    severity: Severity
    message: str
    fix: str = ""
    column: str | None = None
    count: int = 1
    rows: tuple[int, ...] = ()

    @property
    def place(self) -> str:
        """Where it is, in words: "row 3, column 'y'"; empty when it concerns the whole table."""
        parts = []
        if self.rows:
            more = self.count - len(self.rows)
            listed = ", ".join(str(row) for row in self.rows)
            parts.append(f"row{'s' if len(self.rows) > 1 else ''} {listed}{f' and {more} more' if more > 0 else ''}")
        if self.column is not None:
            parts.append(f"column {self.column!r}")
        return ", ".join(parts)

    def __str__(self) -> str:
        """Return place, message and fix in one line."""
        text = f"{self.place}: {self.message}" if self.place else self.message
        return f"{text}; {self.fix}" if self.fix else text

    def to_dict(self) -> dict[str, object]:
        """Return the finding as plain JSON values."""
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "fix": self.fix,
            "column": self.column,
            "count": self.count,
            "rows": list(self.rows),
        }


class TableError(DataError):
    """A `DataError` that carries its finding.

    Arguments:
        finding: what is wrong, where, and what to do.
        file: the name of the table's file; empty where it has none, or it is not known.
    """

    def __init__(self, finding: Finding, file: str = "") -> None:
        text = str(finding)
        named = f"{file}: {text}" if file not in text else text
        super().__init__(named, row=finding.rows[0] if finding.rows else None, column=finding.column)
        self.finding = finding
        self.file = file

    def __reduce__(self) -> tuple[type[TableError], tuple[Finding, str]]:
        """Rebuild from finding and file, so that the error crosses process borders whole."""
        return (TableError, (self.finding, self.file))


@contextmanager
def naming(file: str) -> Iterator[None]:
    """Name the file in an error of the body that is about a table, once."""
    try:
        yield
    except TableError as error:
        raise TableError(error.finding, error.file or file) from error.__cause__
    except DataError as error:
        text = str(error)
        named = text if file in text else f"{file}: {text}"
        raise DataError(named, row=error.row, column=error.column) from error.__cause__


Rows = Sequence[int] | np.ndarray


def _finding(
    severity: Severity, code: str, message: str, *, fix: str, column: str | None, rows: Rows, count: int | None
) -> Finding:
    first = tuple(int(row) for row in rows[:3])
    total = max(len(rows), 1) if count is None else count
    return Finding(code=code, severity=severity, message=message, fix=fix, column=column, count=total, rows=first)


def refuse(
    code: str, message: str, fix: str, *, column: str | None = None, rows: Rows = (), count: int | None = None
) -> TableError:
    """Return the error to raise for what cannot be read; `rows` holds every row it concerns."""
    return TableError(_finding("error", code, message, fix=fix, column=column, rows=rows, count=count))


def warn(
    code: str, message: str, fix: str, *, column: str | None = None, rows: Rows = (), count: int | None = None
) -> Finding:
    """Return a warning; `rows` holds every row it concerns."""
    return _finding("warning", code, message, fix=fix, column=column, rows=rows, count=count)


def note(
    code: str, message: str, *, fix: str = "", column: str | None = None, rows: Rows = (), count: int | None = None
) -> Finding:
    """Return a note on how something was read; `rows` holds every row it concerns."""
    return _finding("note", code, message, fix=fix, column=column, rows=rows, count=count)
