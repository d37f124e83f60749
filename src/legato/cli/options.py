"""The options that several commands share, spelled and explained once."""

from __future__ import annotations

import csv
import shlex
from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import OptionError
from ..data import Dialect

__all__ = [
    "Columns",
    "Comment",
    "Debug",
    "Decimal",
    "Delimiter",
    "File",
    "Force",
    "ForceRun",
    "Json",
    "Missing",
    "Resume",
    "Run",
    "Seed",
    "SeriesColumn",
    "Target",
    "TimeName",
    "TimeUnit",
    "command_line",
    "dialect",
    "length",
    "names",
]

_TEXT = "How the text of the table is written"

File = Annotated[
    str, typer.Argument(metavar="FILE", help="The table: CSV or Parquet, variables in columns.", show_default=False)
]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder that `legato fit` wrote.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object to stdout, and nothing else there.")]
Debug = Annotated[bool, typer.Option("--debug", help="Print the details of an error.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]
ForceRun = Annotated[bool, typer.Option("--force", help="Replace the run that is there.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with an interrupted fit.")]
Seed = Annotated[int, typer.Option("--seed", help="The same seed gives the same model.", min=0)]

TimeName = Annotated[str | None, typer.Option("--time", help="The column of times.", show_default=False)]
SeriesColumn = Annotated[
    str | None,
    typer.Option("--series", help="The column that says which series a row belongs to.", show_default=False),
]
Target = Annotated[
    str | None,
    typer.Option(
        "--target", metavar="A,B", help="The columns to model; default every column of numbers.", show_default=False
    ),
]
TimeUnit = Annotated[
    str | None,
    typer.Option("--time-unit", help="The unit of times that are plain numbers: hours.", show_default=False),
]

Delimiter = Annotated[
    str | None,
    typer.Option(
        "--delimiter",
        help="What separates cells: one character, or 'whitespace'.",
        rich_help_panel=_TEXT,
        show_default=False,
    ),
]
Comment = Annotated[
    str | None,
    typer.Option(
        "--comment",
        help="Lines that begin with this character are skipped; default '#', '' for none.",
        rich_help_panel=_TEXT,
        show_default=False,
    ),
]
Columns = Annotated[
    str | None,
    typer.Option(
        "--columns",
        metavar="A,B",
        help="Names for the columns of a file without a header.",
        rich_help_panel=_TEXT,
        show_default=False,
    ),
]
Decimal = Annotated[
    str | None,
    typer.Option("--decimal", help="The decimal mark, '.' or ','.", rich_help_panel=_TEXT, show_default=False),
]
Missing = Annotated[
    list[str] | None,
    typer.Option(
        "--missing",
        help="A cell that means 'not observed', such as -999; may be given several times.",
        rich_help_panel=_TEXT,
        show_default=False,
    ),
]


def command_line(context: typer.Context) -> str:
    """Return the words that started the program, as a shell takes them; a program puts them into `context.obj`."""
    return shlex.join(["legato", *(context.obj or [context.info_name or ""])])


def names(text: str | None) -> tuple[str, ...] | None:
    """Return the names in a list separated by commas; a name that holds one stands in double quotes.

    >>> names('hr, "pressure, systolic"')
    ('hr', 'pressure, systolic')
    """
    if text is None:
        return None
    found = tuple(name.strip() for name in next(csv.reader([text], skipinitialspace=True), []))
    if not found or not all(found):
        raise OptionError(f"{text!r} is no list of names; write them as A,B")
    return found


def dialect(
    *,
    delimiter: str | None,
    comment: str | None,
    columns: str | None,
    decimal: str | None,
    missing: list[str] | None,
) -> Dialect | None:
    """Return how the text is written, or None where no option says so.

    Raises:
        OptionError: an option holds something else.
    """
    if delimiter is None and comment is None and columns is None and decimal is None and not missing:
        return None
    return Dialect(
        delimiter="\t" if delimiter in ("\\t", "tab") else delimiter,
        comment="#" if comment is None else comment,
        columns=names(columns),
        decimal="." if decimal is None else decimal,
        missing=tuple(missing or ()),
    )


def length(text: str) -> float | str:
    """Return a length of time: a number in the unit of the times as it is, else the words.

    >>> length("36"), length("24h")
    (36.0, '24h')
    """
    try:
        value = float(text)
    except ValueError:
        return text
    if not 0 < value < float("inf"):
        raise OptionError(f"a length of time is above zero; got {text!r}")
    return value
