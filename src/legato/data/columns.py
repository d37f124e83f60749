"""One column: what its cells are, and what stands in the way of reading them as numbers.

Cells are numbers only if all that are not missing are: finite, written with digits, a decimal mark and at most an
exponent. A column in which some cells are and some are not is `mixed`: it may serve as text (an identifier), and is
refused as a measurement, naming the rows.

    kind        cells
    number      every cell that is not missing is a finite number; `numbers` holds them, NaN where missing
    mixed       some cells are numbers, or are meant to be (`2,5`, `inf`, `5%`), and cannot be read as such
    text        no cell looks like a number
    time        dates or timestamps, typed as such by the file or frame
    empty       every cell is missing
    unreadable  a type that is no cell: a list, a structure, bytes
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .arrow import extra
from .delimited import MISSING, Dialect
from .finding import Finding, TableError, note, refuse, warn

__all__ = ["Column", "ColumnKind", "first_problem", "read_column"]

ColumnKind = Literal["number", "mixed", "text", "time", "empty", "unreadable"]

_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_INFINITE = r"^[+-]?(?i:inf|infinity)$"
_COMMA = r"^[+-]?[0-9]{1,3}(,[0-9]{3})*(,[0-9]+|\.[0-9]+)$|^[+-]?[0-9]+,[0-9]+$"
_MEANT = r"^[€$£]?[+-]?[0-9]+([_' ][0-9]+)*(\.[0-9]+)?[ ]?[%€$£]?$|^0[xX][0-9a-fA-F]+$"
_SENTINELS = (-99.0, -999.0, -9999.0, -99999.0, -999.9, -999.99, 999.0, 9999.0, 99999.0, 999999.0, 1e20, -1e20, 1e30)
_EXACT = 2**53


@dataclass(frozen=True, kw_only=True)
class Column:
    """Hold one column of a table.

    Arguments:
        name: as in the header.
        kind: what its cells are; see the module.
        cells: the cells as an Arrow array, text stripped of surrounding blanks.
        missing: `(rows,)` boolean, True where the cell means "not observed".
        numbers: `(rows,)` float64 with NaN where missing, for kind `number`; otherwise None.
        problems: why it cannot be read as numbers; empty for `number`.
        notes: warnings and notes on how it was read.
    """

    name: str
    kind: ColumnKind
    cells: Any
    missing: np.ndarray
    numbers: np.ndarray | None = None
    problems: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()

    def __len__(self) -> int:
        return len(self.missing)

    def text(self) -> np.ndarray:
        """Return the cells as strings, `(rows,)` objects with None where missing."""
        arrow, compute = extra("pyarrow"), extra("pyarrow.compute")
        cells = self.cells.cast(arrow.string())
        absent = arrow.array(self.missing)
        texts: np.ndarray = compute.if_else(absent, None, cells).to_numpy(zero_copy_only=False)
        return texts


def read_column(name: str, cells: Any, lines: np.ndarray, dialect: Dialect) -> Column:
    """Find out what the cells of one column are.

    Arguments:
        name: the column's name.
        cells: an Arrow array or chunked array.
        lines: `(rows,)` the row number of each cell, for messages.
        dialect: its decimal mark and marks for missing values apply to text.
    """
    arrow = extra("pyarrow")
    types = arrow.types
    if isinstance(cells, arrow.ChunkedArray):
        cells = cells.combine_chunks()
    if types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    kind = cells.type
    if types.is_null(kind):
        return Column(name=name, kind="empty", cells=cells, missing=np.ones(len(cells), dtype=bool))
    if str(kind) in ("string", "large_string", "string_view"):
        return _read_text(name, cells.cast(arrow.string()), lines, dialect)
    if types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return _read_typed(name, cells, lines)
    missing = cells.is_null().to_numpy(zero_copy_only=False)
    if missing.all():
        return Column(name=name, kind="empty", cells=cells, missing=missing)
    if types.is_date(kind) or types.is_timestamp(kind):
        return Column(name=name, kind="time", cells=cells, missing=missing)
    fix = "convert it to numbers, text, dates or timestamps, one value a row"
    problem = refuse("unreadable-type", f"holds {kind}", fix, column=name).finding
    return Column(name=name, kind="unreadable", cells=cells, missing=missing, problems=(problem,))


def _read_typed(name: str, cells: Any, lines: np.ndarray) -> Column:
    """Read booleans, integers, decimals and floating-point numbers; NaN is missing."""
    arrow, compute = extra("pyarrow"), extra("pyarrow.compute")
    notes = []
    if arrow.types.is_boolean(cells.type):
        notes.append(note("boolean", "true and false read as 1 and 0", column=name))
    try:
        numbers = cells.cast(arrow.float64()) if not arrow.types.is_boolean(cells.type) else cells.cast(arrow.int8())
    except arrow.ArrowInvalid:
        numbers = compute.cast(cells, arrow.float64(), safe=False)
        message = f"integers beyond 2^53 ({_EXACT}) are rounded when read as numbers"
        notes.append(warn("rounded", message, "use the column as text, or subtract an offset", column=name))
    values = np.array(numbers.cast(arrow.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
    missing = np.isnan(values)
    return _finish(name, cells, values, missing, lines=lines, notes=notes)


def _read_text(name: str, cells: Any, lines: np.ndarray, dialect: Dialect) -> Column:
    """Read text: missing marks first, then numbers if all that remain are."""
    arrow, compute = extra("pyarrow"), extra("pyarrow.compute")
    cells = compute.utf8_trim_whitespace(cells)
    marks = arrow.array([*MISSING, *(mark.strip() for mark in dialect.missing)], arrow.string())
    absent = compute.or_(compute.is_null(cells), compute.is_in(cells, value_set=marks))
    missing = absent.to_numpy(zero_copy_only=False)
    if missing.all():
        return Column(name=name, kind="empty", cells=cells, missing=missing)
    present = compute.if_else(absent, None, cells)
    plain = _exchanged(present) if dialect.decimal == "," else present
    try:
        values = np.array(compute.cast(plain, arrow.float64()).to_numpy(zero_copy_only=False))
    except arrow.ArrowInvalid:
        return _read_words(name, cells, plain, missing, lines=lines)
    finite = np.isfinite(values) | missing
    if not finite.all() and not _numeric(plain, _INFINITE, _NUMBER)[~missing].all():
        return _read_words(name, cells, plain, missing, lines=lines)
    return _finish(name, cells, values, missing, lines=lines, notes=[])


def _exchanged(cells: Any) -> Any:
    """Return text with commas and points exchanged, so that a decimal comma reads like a point and the reverse."""
    compute = extra("pyarrow.compute")
    # Text tables hold no NUL, so it can stand in for a moment.
    for old, new in ((".", "\0"), (",", "."), ("\0", ",")):
        cells = compute.replace_substring(cells, old, new)
    return cells


def _numeric(cells: Any, *patterns: str) -> np.ndarray:
    """Return which cells match one of the patterns."""
    compute = extra("pyarrow.compute")
    matched: np.ndarray = compute.fill_null(
        compute.match_substring_regex(cells, "|".join(f"(?:{pattern})" for pattern in patterns)), False
    ).to_numpy(zero_copy_only=False)
    return matched


def _read_words(name: str, cells: Any, present: Any, missing: np.ndarray, *, lines: np.ndarray) -> Column:
    """Read text of which not every cell is a number: yes/no, words, or a mixture."""
    compute = extra("pyarrow.compute")
    words = {word.lower() for word in compute.unique(present).slice(0, 8).to_pylist() if word is not None}
    for yes, no in (("true", "false"), ("yes", "no")):
        if words <= {yes, no}:
            values = compute.equal(compute.utf8_lower(present), yes).to_numpy(zero_copy_only=False)
            values = np.where(missing, np.nan, values == 1).astype(np.float64)
            notes = (note("boolean", f"{yes} and {no} read as 1 and 0", column=name),)
            return Column(name=name, kind="number", cells=cells, missing=missing, numbers=values, notes=notes)
    plain = _numeric(present, _NUMBER)
    if not _numeric(present, _NUMBER, _INFINITE, _COMMA, _MEANT).any():
        problem = refuse("text", "holds text, not numbers", "leave it out of the targets", column=name).finding
        return Column(name=name, kind="text", cells=cells, missing=missing, problems=(problem,))
    problems = _problems(name, cells, present, ~missing & ~plain, lines=lines)
    return Column(name=name, kind="mixed", cells=cells, missing=missing, problems=problems)


def _overflow(present: Any, plain: np.ndarray) -> np.ndarray:
    """Return which of the plain numbers are beyond double precision."""
    arrow, compute = extra("pyarrow"), extra("pyarrow.compute")
    numbers = compute.if_else(arrow.array(plain), present, None).cast(arrow.float64())
    overflow: np.ndarray = np.isinf(numbers.to_numpy(zero_copy_only=False))
    return overflow


def _problems(name: str, cells: Any, present: Any, bad: np.ndarray, *, lines: np.ndarray) -> tuple[Finding, ...]:
    """Return a finding for each way in which cells fail to be numbers."""
    infinite = (bad & _numeric(present, _INFINITE)) | _overflow(present, ~bad)
    comma = bad & ~infinite & _numeric(present, _COMMA)
    rest = bad & ~infinite & ~comma
    found = []
    comma_fix = "remove marks of thousands; where a comma is the decimal mark, pass decimal=','"
    for code, what, fix, where in (
        ("infinite", "is not finite", "correct it, or leave the cell empty for a missing value", infinite),
        ("comma-number", "holds a comma or a mark of thousands", comma_fix, comma),
        ("not-a-number", "is not a number", "correct it, or pass it in missing= if it means a missing value", rest),
    ):
        index = np.flatnonzero(where)
        if len(index):
            message = f"{cells[int(index[0])].as_py()!r} {what}"
            found.append(refuse(code, message, fix, column=name, rows=lines[index]).finding)
    return tuple(found)


def _finish(
    name: str, cells: Any, values: np.ndarray, missing: np.ndarray, *, lines: np.ndarray, notes: list[Finding]
) -> Column:
    """Refuse what is infinite or overflows, warn of sentinels."""
    infinite = np.flatnonzero(~missing & ~np.isfinite(values))
    if len(infinite):
        message = f"{cells[int(infinite[0])].as_py()!r} is not a finite number in double precision"
        fix = "correct it, or leave the cell empty for a missing value"
        problem = refuse("infinite", message, fix, column=name, rows=lines[infinite]).finding
        return Column(name=name, kind="mixed", cells=cells, missing=missing, problems=(problem,))
    if missing.all():
        return Column(name=name, kind="empty", cells=cells, missing=missing)
    notes = [*notes, *_sentinels(name, values, missing, lines)]
    return Column(name=name, kind="number", cells=cells, missing=missing, numbers=values, notes=tuple(notes))


def _sentinels(name: str, values: np.ndarray, missing: np.ndarray, lines: np.ndarray) -> list[Finding]:
    """Warn of values such as -999 that lie farther from the others than those are apart."""
    found = []
    present = values[~missing]
    # Only an extreme can lie apart from all others.
    for sentinel in {present.min(), present.max()}.intersection(_SENTINELS):
        others = present[present != sentinel]
        if len(others) == 0:
            continue
        distance = max(others.min() - sentinel, sentinel - others.max())
        if distance > others.max() - others.min():
            rows = lines[np.flatnonzero(values == sentinel)]
            message = f"{sentinel:g} looks like a mark for missing values and is read as a measurement"
            fix = f"if it is one, pass missing=('{sentinel:g}',)"
            found.append(warn("sentinel", message, fix, column=name, rows=rows))
    return found


def first_problem(column: Column) -> TableError:
    """Return the error to raise where `column` is asked for numbers that it does not hold."""
    if column.problems:
        return TableError(column.problems[0])
    if column.kind == "empty":
        return refuse("all-missing", "every cell is missing", "leave the column out", column=column.name)
    fix = "name it as the time, or leave it out"
    return refuse("time-as-number", "holds dates, not numbers", fix, column=column.name)
