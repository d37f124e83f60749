"""Errors become exit codes and one line."""

from __future__ import annotations

import errno

import pytest
import torch

from legato.cli.errors import ExitCode, as_options, describe, exit_code, message
from legato.core import errors
from legato.data import TableError
from legato.data.finding import refuse

MEANT = {
    errors.InputError: ExitCode.USAGE,
    errors.OptionError: ExitCode.USAGE,
    errors.MissingExtraError: ExitCode.USAGE,
    errors.DataError: ExitCode.DATA,
    TableError: ExitCode.DATA,
    errors.SolveError: ExitCode.NUMERICAL,
    errors.FieldError: ExitCode.NUMERICAL,
    errors.GradientError: ExitCode.NUMERICAL,
    errors.LegatoError: ExitCode.NUMERICAL,
    errors.ModelFileError: ExitCode.MODEL_FILE,
    errors.ResourceError: ExitCode.RESOURCES,
    errors.NotFittedError: ExitCode.BUG,
    MemoryError: ExitCode.RESOURCES,
    torch.OutOfMemoryError: ExitCode.RESOURCES,
    KeyboardInterrupt: ExitCode.INTERRUPTED,
    ZeroDivisionError: ExitCode.BUG,
}


@pytest.mark.parametrize(("error", "code"), MEANT.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_every_kind_of_error_has_its_exit_code(error: type[BaseException], code: ExitCode) -> None:
    raised = refuse("x", "y", "z") if error is TableError else error("what happened")
    assert exit_code(raised) is code


def test_the_exit_codes_are_those_that_are_documented() -> None:
    assert [int(code) for code in ExitCode] == [0, 1, 2, 3, 4, 5, 6, 130]


def test_every_error_of_legato_has_a_code_of_its_own_kind() -> None:
    named = [getattr(errors, name) for name in errors.__all__]
    assert set(named) <= set(MEANT)


def test_a_full_disk_is_a_lack_of_resources_and_a_forbidden_folder_is_usage() -> None:
    assert exit_code(OSError(errno.ENOSPC, "No space left on device", "a.csv")) is ExitCode.RESOURCES
    assert exit_code(PermissionError(errno.EACCES, "Permission denied", "a.csv")) is ExitCode.USAGE
    assert message(PermissionError(errno.EACCES, "Permission denied", "a.csv")) == "a.csv: Permission denied"


def test_memory_that_torch_could_not_get_on_the_processor_is_a_lack_of_resources() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60)
    assert exit_code(caught.value) is ExitCode.RESOURCES
    assert message(caught.value).startswith("out of memory")


def test_an_unexpected_error_is_called_a_bug_and_asks_for_the_details() -> None:
    text = message(ZeroDivisionError("division by zero"))
    assert "bug in legato" in text
    assert "--debug" in text
    assert "division by zero" in text


def test_an_error_of_the_data_keeps_its_row_and_column() -> None:
    described = describe(errors.DataError("'x' is not a number", row=4, column="y"))
    assert described == {"code": 3, "kind": "data", "message": "'x' is not a number", "row": 4, "column": "y"}


@pytest.mark.parametrize(
    ("python", "option"),
    [
        ("pass delimiter=", "pass --delimiter"),
        (
            "pass comment='%' and columns=, a name for each column",
            "pass --comment '%' and --columns, a name for each column",
        ),
        ("if it is one, pass missing=('-999',)", "if it is one, pass --missing -999"),
        ("or pass time_unit='days'", "or pass --time-unit days"),
        ("series apart (series=)", "series apart (--series)"),
        ("force=True replaces it, resume=True goes on", "--force replaces it, --resume goes on"),
        ("give dt0= (a step size)", "give --dt0 (a step size)"),
        ("the column 'time=' holds x", "the column 'time=' holds x"),
        ("the lifetime= of a thing", "the lifetime= of a thing"),
    ],
)
def test_advice_names_the_options_of_the_program_instead_of_keywords_of_python(python: str, option: str) -> None:
    assert as_options(python) == option
