"""What the program says, and where: results to stdout, everything else to stderr.

With `--json` stdout holds exactly one JSON object,

    {"command": "check", "version": "0.1.0", "ok": true, "result": {...}}
    {"command": "check", "version": "0.1.0", "ok": false, "error": {"code": 3, "kind": "data", "message": "..."}}

and a command that can tell both, what it found and that it failed, gives `result` beside `error`. Numbers that are not
finite are null.
"""

from __future__ import annotations

import json
import math
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..version import __version__
from .errors import ExitCode, describe, exit_code, message

__all__ = ["Output", "finite", "number", "session", "table"]

_PLAIN_WIDTH = 120  # of a stdout that is no terminal, where nothing says how wide it is


class Output:
    """Speak for one command.

    Arguments:
        command: its name.
        as_json: whether stdout holds one JSON object and no words.
    """

    def __init__(self, command: str, *, as_json: bool = False) -> None:
        self.command = command
        self.as_json = as_json
        self.stdout = _Console(sys.stdout)
        self.stderr = _Console(sys.stderr)
        self._result: Mapping[str, Any] | None = None
        self._error: dict[str, Any] | None = None

    def show(self, *things: Any) -> None:
        """Print text or tables for people."""
        if not self.as_json:
            for thing in things:
                self.stdout.print(thing, soft_wrap=isinstance(thing, str))

    def note(self, text: str, *, style: str = "") -> None:
        """Say something beside the result."""
        self.stderr.print(Text(text, style=style), soft_wrap=True)

    def result(self, values: Mapping[str, Any]) -> None:
        """Set the result that `--json` prints."""
        self._result = values

    def error(self, code: ExitCode, text: str, details: Mapping[str, Any] | None = None) -> None:
        """Say what failed; the program ends with `code`."""
        self._error = {"code": int(code), "kind": code.name.lower(), "message": text, **(details or {})}
        first, _, rest = text.partition("\n")
        self.stderr.print(Text.assemble(("error: ", "bold red"), first), soft_wrap=True)
        if rest:
            self.note(rest)

    def finish(self) -> int:
        """Print the JSON object if asked for, and return the exit code."""
        if self.as_json:
            whole: dict[str, Any] = {"command": self.command, "version": __version__, "ok": self._error is None}
            whole |= {"result": self._result} if self._result is not None else {}
            whole |= {"error": self._error} if self._error is not None else {}
            self.stdout.whole_line(json.dumps(finite(whole), indent=2))
        return ExitCode.OK if self._error is None else self._error["code"]


@contextmanager
def session(command: str, *, as_json: bool, debug: bool) -> Iterator[Output]:
    """Run the body of a command: what it raises becomes one line and an exit code.

    Raises:
        typer.Exit: where the exit code is not 0.
    """
    output = Output(command, as_json=as_json)
    with warnings.catch_warnings():
        warnings.showwarning = lambda text, *_, **__: output.note(f"warning: {text}", style="yellow")
        try:
            yield output
        except typer.Exit:
            raise
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  the one place that turns errors into exit codes
            if debug:
                output.note("".join(traceback.format_exception(error)))
            described = describe(error)
            output.error(exit_code(error), message(error), described)
    code = output.finish()
    if code:
        raise typer.Exit(code)


class _Console(Console):
    """A console that takes text as it is, and lets a reader leave early."""

    def __init__(self, file: Any) -> None:
        width = None if file.isatty() or os.environ.get("COLUMNS") else _PLAIN_WIDTH
        super().__init__(file=file, width=width, markup=False, highlight=False, emoji=False)

    def whole_line(self, text: str) -> None:
        """Write a line without layout."""
        try:
            self.file.write(text + "\n")
            self.file.flush()
        except BrokenPipeError:
            self.on_broken_pipe()

    def on_broken_pipe(self) -> None:
        """End quietly: who closed the pipe has read enough."""
        # What Python still holds for stdout must go somewhere when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(ExitCode.OK)


def table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "", right: Sequence[str] = ()
) -> Table:
    """Return a table of plain text.

    Arguments:
        columns: its headings.
        rows: cells, as many in each row as there are columns.
        title: a line above it.
        right: the headings whose cells stand to the right, as numbers do.
    """
    drawn = Table(title=Text(title) if title else None, title_justify="left", title_style="bold")
    for name in columns:
        drawn.add_column(Text(name), justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))
    return drawn


def number(value: float | None, digits: int = 4) -> str:
    """Return a number as people read it: `digits` significant ones; a dash for what is not known."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.{digits}g}"


def finite(value: Any) -> Any:
    """Return plain JSON values with null for numbers that are not finite."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
