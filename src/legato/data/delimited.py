"""CSV text to columns of text, strictly.

Nothing is typed here: every cell stays the text that it was, so that identifiers keep their digits and a number that
overflows is still seen. What is decided from the file alone (encoding, delimiter) is decided from what it states, and
noted; a file that leaves a choice open is refused with the option that settles it.

A *record* is one row of the table: one line, or several where a quoted cell holds line breaks. Records keep the number
of the line they begin on, so that every later message names the line that an editor shows.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import OptionError
from .arrow import extra
from .finding import Finding, note, refuse

__all__ = ["DELIMITERS", "MISSING", "Delimited", "Dialect", "read_delimited"]

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
"""Delimiters that are recognised in a header; any other single character must be named."""

MISSING = ("", "NA", "NaN", "nan", "null", "None", "n/a", "N/A", "#N/A", "?")
"""Cells that mean "not observed"; `Dialect.missing` adds to them."""

_NEWLINE, _QUOTE = 10, 34
_BLOCK = 1 << 24
_DOUBLE = 'write a quote inside a cell as "" and put the whole cell in quotes'
_DATA_IN_HEADER = re.compile(
    r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|\d{4}-\d{2}(-\d{2}.*)?|\d{1,4}[./]\d{1,2}[./]\d{1,4}"
)


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """Say how a text table is written, where the file itself does not.

    Arguments:
        delimiter: one character, `"whitespace"` (any run of blanks and tabs), or None: a comma, semicolon or tab,
            whichever the header holds.
        comment: lines that begin with this character are skipped; empty for none.
        columns: the names of the columns of a file without a header; None where the first record is the header.
        decimal: the decimal mark, `"."` or `","`.
        missing: cells that mean "not observed", beside those in `legato.data.MISSING`.

    Raises:
        OptionError: a field holds something else.
    """

    delimiter: str | None = None
    comment: str = "#"
    columns: tuple[str, ...] | None = None
    decimal: str = "."
    missing: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.delimiter is not None and self.delimiter != "whitespace" and len(self.delimiter) != 1:
            raise OptionError(f"delimiter is one character, 'whitespace' or None; got {self.delimiter!r}")
        if len(self.comment) > 1 or not self.comment.isascii():
            raise OptionError(f"comment is one plain character or empty; got {self.comment!r}")
        if self.decimal not in (".", ","):
            raise OptionError(f"decimal is '.' or ','; got {self.decimal!r}")
        if self.decimal == "," and self.delimiter == ",":
            raise OptionError("delimiter and decimal mark cannot both be a comma")
        for name in ("columns", "missing"):
            if isinstance(getattr(self, name), str):
                raise OptionError(f"{name} is a sequence of strings; got one string, {getattr(self, name)!r}")


class Delimited(NamedTuple):
    """A text table as read: names, one Arrow array of text per name, the line of each record, and notes."""

    names: tuple[str, ...]
    columns: tuple[Any, ...]
    lines: np.ndarray
    notes: tuple[Finding, ...]


class _Records(NamedTuple):
    """Where the records are: the byte each begins and ends at, its line, and whether a cell holds a line break."""

    starts: np.ndarray
    stops: np.ndarray
    lines: np.ndarray
    multiline: bool


def read_delimited(data: bytes, dialect: Dialect) -> Delimited:
    """Read a text table.

    Arguments:
        data: the bytes of the file.
        dialect: how it is written.

    Raises:
        DataError: the text is not a table, or more than one table could be meant.
    """
    data, notes = _decode(data)
    records, skipped = _records(data, dialect.comment)
    notes += skipped
    if len(records.lines) == 0:
        raise refuse("empty", "the file holds no rows", "check that the right file was given")
    delimiter, found = _delimiter(data, records, dialect)
    notes += found
    if delimiter == "whitespace":
        data, records, delimiter = _squeeze(data, records)
    if dialect.columns is None:
        names = _header(_record(data, records, 0), delimiter, int(records.lines[0]))
        records = _Records(records.starts[1:], records.stops[1:], records.lines[1:], records.multiline)
    else:
        names = [name.strip() for name in dialect.columns]
    _refuse_duplicates(names)
    if len(records.lines) == 0:
        raise refuse("empty", "the file holds a header and no rows", "check that the right file was given")
    columns = _parse(data, records, delimiter=delimiter, width=len(names))
    kept, dropped = _named(names, columns)
    return Delimited(tuple(names[i] for i in kept), tuple(columns[i] for i in kept), records.lines, (*notes, *dropped))


def _decode(data: bytes) -> tuple[bytes, list[Finding]]:
    """Return the text as UTF-8 bytes with line feeds only."""
    notes = []
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            data = data.decode("utf-16").encode()
        except UnicodeDecodeError as error:
            raise refuse("encoding", f"begins as UTF-16 but is not: {error.reason}", "save it as UTF-8") from None
        notes.append(note("encoding", "read as UTF-16, by its byte order mark"))
    data = data.removeprefix(b"\xef\xbb\xbf")
    zero = data.find(0)
    if zero >= 0:
        row = data.count(b"\n", 0, zero) + 1
        raise refuse("nul-byte", "holds a NUL byte", "the file is damaged or not text; export it again", rows=[row])
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError as error:
            row = data.count(b"\n", 0, error.start) + 1
            message = f"byte {error.start + 1} (0x{data[error.start]:02x}) is not UTF-8"
            raise refuse("encoding", message, "save the file as UTF-8", rows=[row]) from None
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return data, notes


def _records(data: bytes, comment: str) -> tuple[_Records, list[Finding]]:
    """Find the records; comment lines and empty lines between them are skipped."""
    buffer = np.frombuffer(data, np.uint8)
    stops = np.flatnonzero(buffer == _NEWLINE)
    if len(data) and buffer[-1] != _NEWLINE:
        stops = np.append(stops, len(data))
    starts = np.concatenate([[0], stops[:-1] + 1]) if len(stops) else stops
    blank = starts == stops
    remark = np.zeros_like(blank)
    if comment and len(data):
        remark = ~blank & (buffer[np.minimum(starts, len(data) - 1)] == ord(comment))
    fresh = _fresh(buffer, starts, stops, remark)
    begin = np.flatnonzero(fresh & ~blank & ~remark)
    skipped = fresh & (blank | remark)
    # A record ends where its last line does: the line before the next fresh one.
    following = np.append(np.flatnonzero(fresh), len(fresh))
    last = following[np.searchsorted(following, begin, side="right")] - 1
    notes = []
    for code, words, lines in (("comment", f"comment ({comment!r})", remark), ("blank", "empty line", blank)):
        rows = np.flatnonzero(skipped & lines) + 1
        if len(rows):
            notes.append(note(code, f"skipped, as {words}", rows=rows))
    return _Records(starts[begin], stops[last], begin + 1, bool((~fresh).any())), notes


def _fresh(buffer: np.ndarray, starts: np.ndarray, stops: np.ndarray, remark: np.ndarray) -> np.ndarray:
    """Return, per line, whether it begins outside quotes."""
    fresh = np.ones(len(starts), dtype=bool)
    quotes = np.flatnonzero(buffer == _QUOTE)
    odd = (np.searchsorted(quotes, stops) - np.searchsorted(quotes, starts)) % 2 == 1
    opened = None
    for line in np.flatnonzero(odd) if (odd & ~remark).any() else ():
        if opened is not None:
            fresh[opened + 1 : line + 1] = False
            opened = None
        elif not remark[line]:
            opened = line
    if opened is not None:
        raise refuse(
            "quotes", "a quote is opened and never closed", 'close it, or double it: ""', rows=[int(opened) + 1]
        )
    return fresh


def _record(data: bytes, records: _Records, index: int) -> str:
    return data[records.starts[index] : records.stops[index]].decode()


def _delimiter(data: bytes, records: _Records, dialect: Dialect) -> tuple[str, list[Finding]]:
    """Return the delimiter that was named, or the only one that the first record holds."""
    if dialect.delimiter is not None:
        return dialect.delimiter, []
    first = _record(data, records, 0)
    row = int(records.lines[0])
    if first.lstrip().startswith("%"):
        message = "the first line begins with '%', which looks like a comment"
        raise refuse("no-header", message, "pass comment='%' and columns=, a name for each column", rows=[row])
    bare = re.sub(r'"[^"]*"', "", first)
    present = [mark for mark in DELIMITERS if mark in bare]
    if len(present) > 1:
        listed = " and ".join(DELIMITERS[mark] for mark in present)
        message = f"the first line holds both {listed}: which one separates cells is not clear"
        raise refuse("delimiter", message, "pass delimiter=", rows=[row])
    if present:
        return present[0], [note("delimiter", f"cells are separated by a {DELIMITERS[present[0]]}")]
    if "|" in bare or (re.search(r"\S\s+\S", bare.strip()) and _wide(data, records)):
        name = "|" if "|" in bare else "whitespace"
        message = "the first line holds no comma, semicolon or tab"
        raise refuse("delimiter", message, f"if that is what separates cells, pass delimiter={name!r}", rows=[row])
    return ",", []


def _wide(data: bytes, records: _Records) -> bool:
    """Whether the records after the first look like several cells separated by blanks."""
    index = min(1, len(records.lines) - 1)
    return len(_record(data, records, index).split()) > 1


def _squeeze(data: bytes, records: _Records) -> tuple[bytes, _Records, str]:
    """Turn every run of blanks and tabs into one tab."""
    if records.multiline or b'"' in data:
        raise refuse(
            "quotes", "quoted cells in a table separated by whitespace", "separate the cells by commas or tabs"
        )
    pieces = [b"\t".join(data[a:b].split()) for a, b in zip(records.starts, records.stops, strict=True)]
    sizes = np.array([len(piece) for piece in pieces], dtype=np.int64)
    stops = np.cumsum(sizes + 1) - 1
    return b"\n".join(pieces) + b"\n", _Records(stops - sizes, stops, records.lines, False), "\t"


def _header(text: str, delimiter: str, row: int) -> list[str]:
    try:
        names = [name.strip() for name in next(csv.reader([text], delimiter=delimiter))]
    except csv.Error as error:
        raise refuse("quotes", f"the header cannot be split into names: {error}", _DOUBLE, rows=[row]) from None
    for name in names:
        if _DATA_IN_HEADER.fullmatch(name):
            message = f"the first line should name the columns, but {name!r} looks like data"
            fix = "add a header line or pass columns=, a name for each column"
            raise refuse("no-header", message, fix, rows=[row], column=name)
    if len(names) > 1 and not any(names):
        raise refuse("no-header", "the first line names no column", "add a header line or pass columns=", rows=[row])
    return names


def _refuse_duplicates(names: list[str]) -> None:
    for index, name in enumerate(names):
        if name and name in names[:index]:
            places = [i + 1 for i, other in enumerate(names) if other == name]
            message = f"columns {', '.join(map(str, places))} have the same name"
            raise refuse("duplicate-name", message, "rename all but one in the header", column=name)


def _parse(data: bytes, records: _Records, *, delimiter: str, width: int) -> list[Any]:
    """Return one Arrow array of text per column."""
    arrow, reader = extra("pyarrow"), extra("pyarrow.csv")
    ragged: list[tuple[int, int]] = []

    def collect(row: Any) -> str:
        ragged.append((row.number, row.actual_columns))
        return "skip"

    labels = [str(i) for i in range(width)]
    try:
        table = reader.read_csv(
            arrow.BufferReader(_body(data, records)),
            # One thread: only then does the reader number the rows that it refuses.
            read_options=reader.ReadOptions(column_names=labels, use_threads=False, block_size=_BLOCK),
            parse_options=reader.ParseOptions(
                delimiter=delimiter, newlines_in_values=records.multiline, invalid_row_handler=collect
            ),
            convert_options=reader.ConvertOptions(
                column_types=dict.fromkeys(labels, arrow.string()), strings_can_be_null=False
            ),
        )
    except arrow.ArrowInvalid as error:
        raise refuse("unreadable", f"the table cannot be split into cells: {error}", "export the file again") from None
    if table.num_rows + len(ragged) != len(records.lines):
        row = _first_quoted(data)
        raise refuse("quotes", "a quote inside a cell, so that rows cannot be told apart", _DOUBLE, rows=[row])
    if ragged:
        rows = [int(records.lines[number - 1]) for number, _ in ragged]
        message = f"{ragged[0][1]} cells where the table has {width} columns"
        fix = "mend the row (a missing or extra delimiter, an unquoted one inside a cell, a decimal comma?)"
        raise refuse("ragged-row", message, fix, rows=rows)
    return [table.column(i) for i in range(width)]


def _first_quoted(data: bytes) -> int:
    """Return the first line with an odd number of quotes, or with any where all are even, as in `5",",6`."""
    counts = [line.count(b'"') for line in data.split(b"\n")]
    odd = (row for row, count in enumerate(counts, start=1) if count % 2)
    return next(odd, next((row for row, count in enumerate(counts, start=1) if count), 1))


def _body(data: bytes, records: _Records) -> Any:
    """Return the records alone, without a copy where nothing lies between them."""
    gaps = np.flatnonzero(records.starts[1:] != records.stops[:-1] + 1) + 1
    view = memoryview(data)
    if len(gaps) == 0:
        return view[int(records.starts[0]) : int(records.stops[-1])]
    firsts = np.concatenate([[0], gaps])
    lasts = np.concatenate([gaps, [len(records.starts)]]) - 1
    runs = zip(records.starts[firsts], records.stops[lasts], strict=True)
    return b"\n".join(view[int(a) : int(b)] for a, b in runs)


def _named(names: list[str], columns: list[Any]) -> tuple[list[int], list[Finding]]:
    """Return the columns to keep: unnamed ones are dropped if empty, refused otherwise."""
    compute = extra("pyarrow.compute")
    notes = []
    for index, name in enumerate(names):
        if name:
            continue
        filled = compute.any(compute.not_equal(compute.utf8_trim_whitespace(columns[index]), "")).as_py()
        if filled:
            message = f"column {index + 1} has no name, and holds cells"
            raise refuse("unnamed-column", message, "name it in the header, or leave it out of the file")
        notes.append(note("empty-column", f"column {index + 1} has neither name nor cells: left out"))
    return [index for index, name in enumerate(names) if name], notes
