"""What ends the program, as one line and a number.

The exit codes are

    0    ok
    1    a bug in legato
    2    usage: an option, a name or a path that cannot be meant
    3    data: a table that cannot be read as it stands
    4    numerical: a solve or a fit that did not reach its end
    5    model file: a run folder that is damaged, foreign or too new
    6    resources: out of memory, time or disk
    130  interrupted
"""

from __future__ import annotations

import errno
import re
from enum import IntEnum
from typing import Any

import torch

from ..core.errors import (
    DataError,
    FieldError,
    GradientError,
    InputError,
    LegatoError,
    MissingExtraError,
    ModelFileError,
    NotFittedError,
    ResourceError,
    SolveError,
)

__all__ = ["ExitCode", "as_options", "describe", "exit_code", "message"]


class ExitCode(IntEnum):
    """The number with which the program ends."""

    OK = 0
    BUG = 1
    USAGE = 2
    DATA = 3
    NUMERICAL = 4
    MODEL_FILE = 5
    RESOURCES = 6
    INTERRUPTED = 130


_CODES: tuple[tuple[tuple[type[BaseException], ...], ExitCode], ...] = (
    ((KeyboardInterrupt,), ExitCode.INTERRUPTED),
    ((ResourceError, MemoryError, torch.OutOfMemoryError), ExitCode.RESOURCES),
    ((ModelFileError,), ExitCode.MODEL_FILE),
    ((DataError,), ExitCode.DATA),
    ((SolveError, FieldError, GradientError), ExitCode.NUMERICAL),
    ((InputError, MissingExtraError), ExitCode.USAGE),
    ((NotFittedError,), ExitCode.BUG),
    ((LegatoError,), ExitCode.NUMERICAL),  # such as training that diverged
)
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOMEM, errno.EMFILE}

_KEYWORDS = (
    *("time", "series", "target", "time_unit", "horizon", "steps", "at", "seed", "members", "max_time", "period"),
    *("delimiter", "comment", "columns", "decimal", "missing", "rtol", "atol", "dt0", "max_steps"),
)
# A keyword as Python's callers write it, at the start of a word: time=, time_unit='hours', missing=('-999',).
_KEYWORD = re.compile(rf"(?<![\w'\"])({'|'.join(_KEYWORDS)})=(?:\('([^']*)',\)|'([^']*)')?")
_DIALECT = "--delimiter, --comment, --columns, --decimal and --missing"


def exit_code(error: BaseException) -> ExitCode:
    """Return the number with which the program ends after `error`."""
    for types, code in _CODES:
        if isinstance(error, types):
            return code
    if isinstance(error, OSError):
        return ExitCode.RESOURCES if error.errno in _NO_ROOM else ExitCode.USAGE
    if isinstance(error, RuntimeError) and "can't allocate memory" in str(error):
        return ExitCode.RESOURCES  # torch's allocator of the processor has no type of its own
    return ExitCode.BUG


def message(error: BaseException) -> str:
    """Return what went wrong, the first line of it saying the most."""
    code = exit_code(error)
    if code is ExitCode.INTERRUPTED:
        return str(error) or "interrupted"
    if code is ExitCode.BUG:
        return f"this is a bug in legato: {type(error).__name__}: {error}; run again with --debug and report the output"
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename is not None else str(error)
    if code is ExitCode.RESOURCES and not isinstance(error, ResourceError):
        return f"out of memory: {str(error).partition(chr(10))[0]}".rstrip(": ")
    return as_options(str(error))


def describe(error: BaseException) -> dict[str, Any]:
    """Return an error as plain JSON values."""
    code = exit_code(error)
    described: dict[str, Any] = {"code": int(code), "kind": code.name.lower(), "message": message(error)}
    if isinstance(error, DataError):
        described |= {"row": error.row, "column": error.column}
    return described


def as_options(text: str) -> str:
    """Return advice with Python's keywords written as the program's options.

    >>> as_options("pass time_unit='hours', or name the column that tells series apart (series=)")
    'pass --time-unit hours, or name the column that tells series apart (--series)'
    """

    def option(found: re.Match[str]) -> str:
        value = found[2] if found[2] is not None else found[3]
        name = f"--{found[1].replace('_', '-')}"
        if value is None:
            return name
        return f"{name} {value}" if re.fullmatch(r"[\w.+-]+", value) else f"{name} '{value}'"

    text = re.sub(r"\b(force|resume)=True\b", r"--\1", text)
    return _KEYWORD.sub(option, text).replace("dialect= is for", f"{_DIALECT} are for")
