"""Progress goes to stderr: drawn on a terminal, in a line now and then elsewhere."""

from __future__ import annotations

import io

import pytest

from legato.cli import progress
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
