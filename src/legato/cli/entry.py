"""The entry point: it runs where the program's extras are missing too, and then says what to install."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from .errors import ExitCode

__all__ = ["main"]

_EXTRAS = ("typer", "rich", "click")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code.

    Arguments:
        arguments: what follows the program's name; by default the words of this process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        from .program import run
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in _EXTRAS:
            raise
        advice = "run: pip install 'legato[cli]'"
        print(f"error: the program needs {error.name}, which is not installed; {advice}", file=sys.stderr)
        return ExitCode.USAGE
    return run(words)
