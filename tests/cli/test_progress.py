"""Progress goes to stderr: drawn on a terminal, in a line now and then elsewhere."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from legato.cli import fitting, progress
from legato.cli.output import Output
from legato.cli.progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_short_work_says_nothing_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar(Output("fit")) as tell:
        tell(1, 10, "loss 1")
        tell(10, 10, "loss 0")
    assert capsys.readouterr() == ("", "")


def test_long_work_tells_its_share_and_the_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter([0.0, 0.0, 15.0, 16.0, 30.0])
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(seconds))
    with progress_bar(Output("fit")) as tell:
        for done in (0, 3, 4, 6):
            tell(done, 8, f"loss {done}")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["37 %, about 25 s left: loss 3", "75 %, about 10 s left: loss 6"]


def test_a_terminal_gets_a_bar_with_counts_and_the_time_left_and_stdout_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr("sys.stderr", terminal)
    with progress_bar(Output("fit")) as tell:
        tell(3, 8, "loss [red]0.5")
    text = terminal.getvalue()
    assert "3/8" in text
    assert "loss [red]0.5" in text
    assert "left" in text
    assert capsys.readouterr().out == ""


def test_a_fit_says_once_how_long_training_takes_at_the_pace_of_its_first_iterations(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clock = [0.0]
    monkeypatch.setattr(fitting.time, "perf_counter", lambda: clock[0])
    with fitting.fitting(Output("fit"), tmp_path, force=False, resume=False, limit="; LIMIT") as tell:
        # Gone on with at 100, a second and a half each: 2 iterations are made by 3 s, and 298 are left.
        for clock[0], done in ((5.0, 100), (6.5, 101), (8.0, 102), (9.5, 103), (20.0, 104)):
            tell(done, 400, f"loss {done}")
        tell(1, 1, "drawing the report")
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("training: ")]
    assert len(said) == 1
    assert said[0].startswith("training: about 7.5 min for the 298 iterations left, at the pace of the first 2;")
    assert said[0].endswith("; LIMIT")
