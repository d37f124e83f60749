"""A table, read strictly: from a CSV or Parquet file, or any data frame.

Nothing is repaired. What the file leaves open is refused with the row, the column and what to do; what was decided from
the file (its delimiter, comment lines) is in `Table.notes`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..core.catalogue import nearest
from ..core.errors import OptionError
from .arrow import extra
from .columns import Column, first_problem, read_column
from .delimited import Dialect, read_delimited
from .finding import Finding, naming, note, refuse, warn

__all__ = ["Table", "read_table"]

_MAGIC = {
    b"\x1f\x8b": ("a gzip archive", "unpack it first"),
    b"BZh": ("a bzip2 archive", "unpack it first"),
    b"\xfd7zXZ": ("an xz archive", "unpack it first"),
    b"\x28\xb5\x2f\xfd": ("a zstd archive", "unpack it first"),
    b"PK\x03\x04": ("a zip archive (.xlsx, .ods, .npz or .zip)", "export the table as CSV or Parquet"),
    b"\xd0\xcf\x11\xe0": ("an old Office file (.xls)", "export the sheet as CSV"),
    b"ARROW1": ("an Arrow (Feather) file", "write it as Parquet or CSV"),
    b"PARE": ("an encrypted Parquet file", "write it without encryption"),
    b"\x89HDF": ("an HDF5 file", "write the table as CSV or Parquet"),
    b"SQLite format 3": ("a SQLite database", "export the table as CSV"),
    b"%PDF": ("a PDF document", "export the table as CSV"),
    b"\x93NUMPY": ("a NumPy array", "write it as CSV with a header"),
    b"MATLAB 5.0": ("a MATLAB file", "write the table as CSV"),
    b"<": ("a web page or XML", "export the table as CSV"),
    b"{": ("JSON", "write the table as CSV or Parquet"),
    b"[{": ("JSON", "write the table as CSV or Parquet"),
    b"[[": ("JSON", "write the table as CSV or Parquet"),
}


@dataclass(frozen=True, kw_only=True)
class Table:
    """Hold the columns of one table.

    Arguments:
        source: what was read, in words: a file name or the kind of frame.
        columns: name -> `Column`, in the order of the source.
        lines: `(rows,)` the row number of each row: the line of a text file on which it begins (1 is the first line),
            otherwise counted from 1.
        notes: how it was read.
        digest: SHA-256 of the file's bytes; empty for a frame.
    """

    source: str
    columns: Mapping[str, Column]
    lines: np.ndarray
    notes: tuple[Finding, ...] = ()
    digest: str = ""

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def file(self) -> str:
        """The name of the file; empty for a frame."""
        return self.source if self.digest else ""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(self.columns)

    def column(self, name: str) -> Column:
        """Return a column by name.

        Raises:
            DataError: there is none; the message holds the nearest name.
        """
        if name in self.columns:
            return self.columns[name]
        lowered = {known.lower(): known for known in self.columns}
        hint = f"did you mean {lowered[name.lower()]!r}?" if name.lower() in lowered else nearest(name, self.columns)
        raise refuse("no-column", f"the table has no column {name!r}", hint, column=name)

    def numbers(self, name: str) -> np.ndarray:
        """Return a column as float64 of shape `(rows,)`, NaN where missing.

        Raises:
            DataError: a cell is not a finite number; the message names its row.
        """
        column = self.column(name)
        if column.numbers is None:
            raise first_problem(column)
        return column.numbers


def read_table(source: Any, *, dialect: Dialect | None = None) -> Table:
    """Read a table.

    Arguments:
        source: the path of a CSV or Parquet file, a data frame (pandas, Polars, PyArrow, ...), or a `Table`, which is
            returned as it is.
        dialect: how a text file is written, where it does not show; see `Dialect`.

    Raises:
        DataError: it cannot be read as it stands.
        OptionError: `dialect` was given for something that is not a text file.
        MissingExtraError: pyarrow or narwhals is not installed.
    """
    if isinstance(source, Table):
        table = source
    elif isinstance(source, (str, os.PathLike)):
        path = os.fspath(source)
        with naming(Path(path).name):
            return _read_file(path, dialect)
    else:
        table = _read_frame(source)
    if dialect is not None:
        raise OptionError(f"dialect= is for text files, and this is {table.source}; leave it out")
    return table


def _read_file(path: str, dialect: Dialect | None) -> Table:
    data = _bytes(path)
    name = Path(path).name
    digest = hashlib.sha256(data).hexdigest()
    if data.startswith(b"PAR1"):
        if dialect is not None:
            raise OptionError(f"dialect= is for text files, and {name} is Parquet; leave it out")
        return replace(_read_parquet(data, name), digest=digest)
    if Path(path).suffix.lower() in (".parquet", ".pq"):
        raise refuse("wrong-type", f"{name} is named like a Parquet file and is none", "write it again")
    start = data[:64].removeprefix(b"\xef\xbb\xbf").lstrip()
    for magic, (what, fix) in _MAGIC.items():
        if start.startswith(magic):
            raise refuse("wrong-type", f"{name} is {what}, not CSV or Parquet", fix)
    dialect = dialect or Dialect()
    text = read_delimited(data, dialect)
    columns = {
        name: read_column(name, cells, text.lines, dialect)
        for name, cells in zip(text.names, text.columns, strict=True)
    }
    return Table(source=name, columns=columns, lines=text.lines, notes=text.notes, digest=digest)


def _bytes(path: str) -> bytes:
    """Return the bytes of a regular file."""
    place = Path(path)
    if "://" in path:
        raise refuse("no-file", f"{path} is an address, not a file", "download it first")
    try:
        if not place.exists():
            broken = "a broken link" if place.is_symlink() else "no such file"
            raise refuse("no-file", f"{path}: {broken}", "check the path")
        if place.is_dir():
            raise refuse("no-file", f"{path} is a directory", "name a file in it")
        if not place.is_file():
            raise refuse("no-file", f"{path} is not a regular file", "write it to a file first")
        data = place.read_bytes()
    except OSError as error:
        raise refuse("no-file", f"{path} cannot be read: {error.strerror}", "check the path and its rights") from None
    if not data or data.isspace():
        raise refuse("empty", f"{place.name} is empty", "check that the right file was given")
    return data


def _read_parquet(data: bytes, name: str) -> Table:
    arrow, parquet = extra("pyarrow"), extra("pyarrow.parquet")
    try:
        table = parquet.ParquetFile(arrow.BufferReader(data)).read()
    except (arrow.ArrowException, OSError) as error:
        raise refuse("unreadable", f"{name} is damaged: {error}", "write the file again") from None
    return _from_arrow(table, name, [note("parquet", "read as Parquet, with its own types")])


def _read_frame(frame: Any) -> Table:
    """Read any data frame that narwhals knows, through Arrow."""
    narwhals, arrow = extra("narwhals"), extra("pyarrow")
    kind = f"a {type(frame).__module__.partition('.')[0]} {type(frame).__name__}"
    try:
        wrapped = narwhals.from_native(frame)
    except TypeError:
        raise OptionError(f"a table is a path, a data frame or a Table; got {type(frame).__name__}") from None
    except narwhals.exceptions.NarwhalsError as error:
        fix = "rename its columns so that each name is unique"
        raise refuse("unreadable", f"{kind} cannot be read: {error}", fix) from None
    if isinstance(wrapped, narwhals.LazyFrame):
        raise refuse("lazy-frame", f"{kind} holds no rows yet", "call .collect() first")
    names = list(wrapped.columns)
    strange = [name for name in names if not isinstance(name, str)]
    if strange:
        raise refuse("column-name", f"column name {strange[0]!r} is not text", "rename the column")
    cells = {}
    for name in names:
        try:
            cells[name] = wrapped.get_column(name).to_arrow()
        except (arrow.ArrowException, TypeError, ValueError) as error:
            message = f"its cells have no common type: {error}"
            raise refuse("unreadable-type", message, "give the column one type", column=name) from None
    return _from_arrow(arrow.table(cells), kind, _index_notes(frame))


def _index_notes(frame: Any) -> list[Finding]:
    """Warn of a pandas index that carries something: only columns are read."""
    index = getattr(frame, "index", None)
    names = [name for name in getattr(index, "names", ()) if name is not None]
    if names or type(index).__name__ in ("DatetimeIndex", "MultiIndex", "PeriodIndex"):
        what = f"the index ({', '.join(map(str, names))})" if names else "the index"
        return [warn("index", f"{what} is not read: only columns are", "call .reset_index() if it is needed")]
    return []


def _from_arrow(table: Any, source: str, notes: list[Finding]) -> Table:
    duplicate = [name for name in table.column_names if table.column_names.count(name) > 1]
    if duplicate:
        raise refuse("duplicate-name", "several columns have this name", "rename all but one", column=duplicate[0])
    if table.num_rows == 0:
        raise refuse("empty", f"{source} has no rows", "check that the right table was given")
    lines = np.arange(1, table.num_rows + 1)
    dialect = Dialect()
    columns = {name: read_column(name, table.column(name), lines, dialect) for name in table.column_names}
    return Table(source=source, columns=columns, lines=lines, notes=tuple(notes))
