"""What every command that fits shares: the run folder is free, progress is drawn, an interrupt keeps the checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..core.errors import OptionError
from ..core.extras import import_extra
from .output import Output
from .progress import progress_bar

__all__ = ["fitting"]

_CHECKPOINT = "checkpoint.safetensors"


@contextmanager
def fitting(output: Output, run: Path, *, force: bool, resume: bool) -> Iterator[Callable[[int, int, str], None]]:
    """Draw progress while the body fits into a run folder.

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
            yield progress
    except KeyboardInterrupt:
        if checkpoint.exists():
            kept = f"{run} keeps the last good checkpoint: add --resume to go on"
        elif (run / "model.safetensors").exists():
            kept = f"{run} holds a whole model, maybe without its report: `legato forecast {run}` reads it"
        else:
            kept = "nothing was kept yet"
        raise KeyboardInterrupt(f"interrupted; {kept}") from None
