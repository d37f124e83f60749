"""The program as a whole: names, options, streams."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from legato.version import __version__

Run = Callable[..., Any]
COMMANDS = ("check", "fit", "forecast", "evaluate", "solve", "doctor", "demo")


def test_the_version_is_printed(legato: Run) -> None:
    ended = legato("--version")
    assert (ended.code, ended.out) == (0, f"legato {__version__}\n")


def test_without_a_command_the_help_lists_every_command_and_the_exit_codes(legato: Run) -> None:
    ended = legato()
    assert ended.code == 2
    text = ended.out + ended.err
    assert all(command in text for command in COMMANDS)
    assert "130 interrupted" in " ".join(text.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example_and_takes_json_and_debug(legato: Run, command: str) -> None:
    ended = legato(command, "--help")
    assert ended.code == 0
    assert f"legato {command}" in ended.out.partition("Options")[0].partition("Usage:")[2].partition("\n")[2]
    assert "--json" in ended.out
    assert "--debug" in ended.out


def test_an_unknown_command_is_refused_with_the_nearest_name(legato: Run) -> None:
    ended = legato("forcast", "runs/x")
    assert (ended.code, ended.out) == (2, "")
    assert "'forecast'" in ended.err


def test_an_unknown_option_is_refused_with_the_nearest_name(legato: Run) -> None:
    ended = legato("fit", "a.csv", "--tim", "t")
    assert (ended.code, ended.out) == (2, "")
    assert "--time" in ended.err


def test_a_missing_argument_is_usage_and_names_it(legato: Run) -> None:
    ended = legato("check")
    assert ended.code == 2
    assert "FILE" in ended.err


def test_an_option_with_a_value_that_cannot_be_meant_is_usage(legato: Run) -> None:
    ended = legato("forecast", "runs/x", "--steps", "many")
    assert ended.code == 2
    assert "--steps" in ended.err


def test_a_usage_error_is_json_too_where_that_was_asked_for(legato: Run) -> None:
    ended = legato("check", "--json")
    assert ended.json["ok"] is False
    assert ended.json["command"] == "check"
    assert ended.json["error"]["code"] == ended.code == 2


def test_a_bug_ends_with_1_and_its_traceback_is_printed_only_for_debug(
    legato: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("legato.cli.check.check_table", broken)
    plain, details = legato("check", "a.csv"), legato("check", "a.csv", "--debug")
    assert plain.code == details.code == 1
    assert len(plain.err.splitlines()) == 1
    assert "Traceback" in details.err


def test_an_interrupt_ends_with_130(legato: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("legato.cli.check.check_table", interrupted)
    ended = legato("check", "a.csv", "--json")
    assert ended.code == ended.json["error"]["code"] == 130


@pytest.mark.skipif(os.name != "posix", reason="pipes that break are a matter of POSIX")
def test_a_reader_that_leaves_early_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, "-m", "legato.cli", "solve"], stdout=writing, stderr=subprocess.PIPE, text=True, timeout=100
    )
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_numbers_that_are_not_finite_are_null_in_json(legato: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from legato.cli.self_test import Verdict

    verdict = Verdict(name="x", measured=float("nan"), allowed=1.0, unit="", seconds=0.0, failure="why")
    monkeypatch.setattr("legato.cli.doctor.self_test", lambda: iter([verdict]))

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    found = json.loads(legato("doctor", "--json").out, parse_constant=refuse)
    assert found["result"]["self_test"][0]["measured"] is None


@pytest.mark.parametrize("width", ["20", "80", "400"])
def test_no_colour_reaches_what_is_no_terminal_at_any_width(legato: Run, monkeypatch: Any, width: str) -> None:
    monkeypatch.setenv("COLUMNS", width)
    ended = legato("solve")
    assert ended.code == 0
    assert "\x1b" not in ended.out + ended.err
    assert max(map(len, ended.out.splitlines())) <= int(width)
