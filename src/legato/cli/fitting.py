"""What every command that fits shares: a free run folder, how long it takes, a checkpoint that an interrupt leaves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..core.errors import OptionError
from ..core.extras import import_extra
from ..core.words import counted
from .output import Output
from .progress import in_words, progress_bar

__all__ = ["fitting"]

_CHECKPOINT = "checkpoint.safetensors"
_SECONDS_OF_PACE = 2.0


@contextmanager
def fitting(
    output: Output, run: Path, *, force: bool, resume: bool, limit: str = ""
) -> Iterator[Callable[[int, int, str], None]]:
    """Draw progress while the body fits into a run folder, and say how long training takes once its pace is known.

    Arguments:
        output: where to.
        run: the run folder.
        force: whether a run that is there is replaced.
        resume: whether an interrupted fit goes on.
        limit: what is said of a limit on the time.

    Returns:
        What is to be told how far the fit has come.

    Raises:
        MissingExtraError: what draws the report is not installed.
        OptionError: the options contradict each other, or there is nothing to go on with.
        KeyboardInterrupt: with what was kept and how to go on.
    """
    for module in ("matplotlib", "jinja2"):
        import_extra(module, extra="plot", purpose="the report")  # missed now rather than after the training
    checkpoint = run / _CHECKPOINT
    if force and resume:
        raise OptionError("--force begins anew and --resume goes on; give one of them")
    if resume and not checkpoint.exists():
        if (run / "model.safetensors").exists():
            raise OptionError(f"the fit in {run} is finished, so there is nothing to go on with; --force fits anew")
        output.note(f"{run} has no checkpoint: the fit begins anew")
    try:
        with progress_bar(output) as progress:
            yield _with_pace(output, progress, limit)
    except KeyboardInterrupt:
        if checkpoint.exists():
            kept = f"{run} keeps the last good checkpoint: add --resume to go on"
        elif (run / "model.safetensors").exists():
            kept = f"{run} holds a whole model, maybe without its report: `legato forecast {run}` reads it"
        else:
            kept = "nothing was kept yet"
        raise KeyboardInterrupt(f"interrupted; {kept}") from None


def _with_pace(output: Output, tell: Callable[[int, int, str], None], limit: str) -> Callable[[int, int, str], None]:
    """Return a teller that also says, once, how long training takes at the pace of its first iterations."""
    first: tuple[int, float] | None = None
    said = False

    def tell_with_pace(done: int, total: int, text: str) -> None:
        nonlocal first, said
        tell(done, total, text)
        now = time.perf_counter()
        if first is None:
            first = (done, now)
        made, seconds = done - first[0], now - first[1]
        if said or seconds < _SECONDS_OF_PACE or made < 1 or done >= total:
            return
        said = True
        left, todo = in_words(seconds / made * (total - done)), counted(total - done, "iteration")
        output.note(
            f"training: about {left} for the {todo} left, at the pace of the first {made}; "
            f"later ones look farther ahead and can take twice as long{limit}"
        )

    return tell_with_pace
