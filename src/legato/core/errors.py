"""What can go wrong, as types.

    LegatoError
    +-- InputError          (ValueError)    an argument that cannot be meant: shape, range, dtype, unsorted times
    |   +-- OptionError     (TypeError)     an option or name that does not exist; the message names the nearest one
    +-- FieldError          (ValueError)    the user's field breaks its contract: shape, dtype, purity
    +-- SolveError          (RuntimeError)  a solve that did not reach its end; carries the solution
    +-- GradientError       (RuntimeError)  a gradient that cannot be given, instead of a wrong one
    +-- DataError           (ValueError)    a table that cannot be read as it stands: row, column, what to do
    +-- NotFittedError      (RuntimeError)  a task that was asked to predict before `fit`
    +-- ModelFileError      (ValueError)    a run folder or model file that is damaged, foreign or too new
    +-- ResourceError       (RuntimeError)  out of memory, time or disk
    +-- MissingExtraError   (ImportError)   an optional package is not there; the message says how to install it

Every message says what was got, what was expected and what to do next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = [
    "DataError",
    "FieldError",
    "GradientError",
    "InputError",
    "LegatoError",
    "MissingExtraError",
    "ModelFileError",
    "NotFittedError",
    "OptionError",
    "ResourceError",
    "SolveError",
]

if TYPE_CHECKING:
    from typing import Any


class LegatoError(Exception):
    """Base of every error that legato raises on purpose."""


class InputError(LegatoError, ValueError):
    """An argument cannot be meant as it was given."""


class OptionError(InputError, TypeError):
    """An option, method or name does not exist; the message names the nearest one."""


class FieldError(LegatoError, ValueError):
    """The vector field breaks its contract: shape, dtype, device or purity."""


class SolveError(LegatoError, RuntimeError):
    """A solve did not reach its end.

    Arguments:
        message: the diagnosis: which samples, when, which component, the likely cause, what to try.
        solution: the partial `legato.Solution`, NaN where it was not reached.
    """

    def __init__(self, message: str, solution: Any = None) -> None:
        super().__init__(message)
        self.solution = solution


class GradientError(LegatoError, RuntimeError):
    """A gradient cannot be given, and a wrong one is refused."""


class DataError(LegatoError, ValueError):
    """A table cannot be read as it stands.

    Arguments:
        message: what is wrong and what to do.
        row: the number of the offending line as an editor counts it (1 is the first), where there is one.
        column: the name of the offending column, where there is one.
    """

    def __init__(self, message: str, *, row: int | None = None, column: str | None = None) -> None:
        super().__init__(message)
        self.row = row
        self.column = column


class NotFittedError(LegatoError, RuntimeError):
    """A task was asked to predict before `fit`."""


class ModelFileError(LegatoError, ValueError):
    """A run folder or model file is damaged, foreign, or newer than this version."""


class ResourceError(LegatoError, RuntimeError):
    """Memory, time or disk ran out."""


class MissingExtraError(LegatoError, ImportError):
    """An optional package cannot be imported; the message holds the line that installs it."""
