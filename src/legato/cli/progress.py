"""How far the work has come: a bar with the time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .output import Output

__all__ = ["in_words", "progress_bar"]

_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def progress_bar(output: Output) -> Iterator[Callable[[int, int, str], None]]:
    """Draw progress while the body runs.

    Returns:
        What is to be told how much is done, of how much, and a word on it; a new total begins a new bar.
    """
    if not output.stderr.is_terminal or output.stderr.is_dumb_terminal:
        yield _lines(output)
        return
    with _bar(output.stderr) as bar:
        task = bar.add_task("reading the table", total=None)
        total_before = 0

        def tell(done: int, total: int, text: str) -> None:
            nonlocal total_before
            if total != total_before:
                bar.reset(task)
                total_before = total
            bar.update(task, completed=done, total=total, description=text)

        yield tell


def _bar(console: Console) -> Progress:
    return Progress(
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("{task.description}", markup=False),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=console,
        transient=True,
    )


def _lines(output: Output) -> Callable[[int, int, str], None]:
    """Return a teller that prints a line at most every ten seconds, and none for short work."""
    began = last = time.perf_counter()
    done_before = total_before = 0

    def tell(done: int, total: int, text: str) -> None:
        nonlocal began, last, done_before, total_before
        now = time.perf_counter()
        if total != total_before:
            began, done_before, total_before = now, done, total
        if now - last >= _SECONDS_BETWEEN_LINES and done > done_before:
            last = now
            left = (now - began) / (done - done_before) * (total - done)
            output.note(f"{100 * done // total} %, about {in_words(left)} left: {text}")

    return tell


def in_words(seconds: float) -> str:
    """Return a length of time as people say it.

    >>> in_words(8.4), in_words(150), in_words(9000)
    ('8 s', '2.5 min', '2.5 h')
    """
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.2g} min" if seconds < 5400 else f"{seconds / 3600:.2g} h"
