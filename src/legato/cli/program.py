"""The program itself: one Typer application with a command a file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from ..version import __version__
from .check import check
from .demo import demo
from .doctor import doctor
from .errors import ExitCode
from .evaluate import evaluate
from .fit import fit
from .forecast import forecast
from .output import Output
from .solve import solve

__all__ = ["app", "run"]

_CODES = """Exit codes: 0 ok, 1 bug, 2 usage, 3 data, 4 numerical, 5 model file, 6 resources, 130 interrupted.

Every command takes --json (one JSON object on stdout) and --debug."""

app = typer.Typer(
    name="legato",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_CODES,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"legato {__version__}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Fit, forecast and simulate with neural differential equations, from ordinary tables."""


for _command in (check, fit, forecast, evaluate, solve, doctor, demo):
    app.command()(_command)


def run(words: Sequence[str]) -> int:
    """Run the program and return its exit code.

    Arguments:
        words: what follows the program's name.
    """
    for stream in (sys.stdout, sys.stderr):
        # A file name need not be text, nor a terminal know every letter: neither ends the program.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = app(args=list(words), prog_name="legato", standalone_mode=False, obj=list(words))
    except _UsageError as error:
        return _usage(error, words)
    except (typer.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    return int(code or ExitCode.OK)


# Click's own, or Typer's where it brings its own Click along; only this name is public in both.
_UsageError: type[Exception] = typer.BadParameter.__mro__[2]


def _usage(error: Exception, words: Sequence[str]) -> int:
    """Report a command line that cannot be meant."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "legato"
    output = Output(path.partition(" ")[2], as_json="--json" in words)
    if type(error).__name__ == "NoArgsIsHelpError":  # the help is printed already
        return ExitCode.USAGE
    output.error(ExitCode.USAGE, f"{error.format_message()}\nTry: {path} --help")  # type: ignore[attr-defined]
    return output.finish()
