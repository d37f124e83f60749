"""`legato forecast`: what comes next, from a run folder, to a CSV file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.errors import OptionError
from ..core.words import counted
from ..data import read_table, read_times
from ..data.frames import write_csv
from ..data.series import times_by_series
from ..tasks import Forecaster
from ..tasks.origins import name_series
from .errors import as_options
from .options import Debug, Force, Json, Run, length
from .output import Output, number, session, table
from .places import free_file

__all__ = ["forecast"]

_ROWS = 12


_History = Annotated[
    str | None,
    typer.Argument(metavar="[FILE]", help="The history to forecast from; default that of the fit.", show_default=False),
]
_Horizon = Annotated[str | None, typer.Option("--horizon", help="How far: 24h, 5 years, 12 steps.", show_default=False)]
_Steps = Annotated[
    int | None,
    typer.Option(
        "--steps", min=1, help="How many steps: median gaps, or months of a monthly series.", show_default=False
    ),
]
_At = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="FILE",
        help="A table of times to forecast; with the run's column of series, each series at its own.",
        show_default=False,
    ),
]
_Out = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--out",
        metavar="FILE",
        help="Default RUN/forecast-24h.csv, named for what was asked.",
        show_default=False,
    ),
]


def forecast(
    run: Run,
    file: _History = None,
    horizon: _Horizon = None,
    steps: _Steps = None,
    at: _At = None,
    out: _Out = None,
    force: Force = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Forecast with a fitted model, with quantiles, to a CSV file.

    legato forecast runs/icu --horizon 24h

    legato forecast runs/icu new_patients.csv --at times.csv -o next.csv
    """
    with session("forecast", as_json=json, debug=debug) as output:
        given = [
            name for name, value in (("--horizon", horizon), ("--steps", steps), ("--at", at)) if value is not None
        ]
        if len(given) != 1:
            raise OptionError(f"give one of --horizon, --steps and --at; got {' and '.join(given) or 'none'}")
        asked = horizon or (f"at {Path(at).stem}" if at is not None else counted(steps or 0, "step"))
        path = _place(run / _name(file, asked) if out is None else out, file, at, force=force)
        forecaster = Forecaster.load(run)
        stamps = None if at is None else _stamps(forecaster, at)
        far = None if horizon is None else length(horizon)
        history = None if file is None else forecaster.history(file)
        for finding in () if history is None else history.notes:
            output.note(f"{finding.severity}: {as_options(str(finding))}")
        if isinstance(stamps, dict):
            known = forecaster.series_ if history is None else history
            if absent := [name for name in known.ids if name not in stamps]:
                output.note(f"note: not forecast: {name_series(absent)}, without a time in {at}")
        frame = forecaster.predict(far, steps=steps, at=stamps, table=history).to_pydict()
        write_csv(path, frame)
        _show(output, frame, path)
        output.result({"run": str(run), "file": str(path), "rows": len(frame["time"]), "forecast": frame})


def _name(file: str | None, asked: str) -> str:
    """Return a file name that says what was forecast, such as forecast-24h.csv; the fit's own is forecast.csv."""
    words = "-".join(["forecast", *([] if file is None else [Path(file).stem]), asked])
    return re.sub(r"[^\w.]+", "-", words) + ".csv"


def _place(out: Path, file: str | None, at: str | None, *, force: bool) -> Path:
    """Return where the forecast is written: nothing is replaced unless that was asked for, and what was read never."""
    path = free_file(out, force=force)
    if any(name is not None and Path(name).exists() and path.exists() and path.samefile(name) for name in (file, at)):
        raise OptionError(f"{path} is what the forecast is made from; name another file with -o")
    return path


def _stamps(forecaster: Forecaster, at: str) -> list[str] | dict[str, list[str]]:
    """Return the times of a table, written as those that were fitted; those of each series where it has such a column.

    A table whose only other column has another name than the fitted times is taken at its word.
    """
    fitted = forecaster.series_
    times = read_table(at)
    others = [name for name in times.names if name != fitted.series_column]
    name = others[0] if len(others) == 1 else fitted.time
    if fitted.series_column is None or fitted.series_column not in times.names:
        return fitted.scale.format(read_times(times, name, scale=fitted.scale).times)
    own = times_by_series(times, time=name, series=fitted.series_column, scale=fitted.scale)
    return {series: fitted.scale.format(stamps) for series, stamps in own.items()}


def _show(output: Output, frame: Mapping[str, Sequence[Any]], path: Path) -> None:
    """Print the first rows, with the band that holds 80 %."""
    band = {"0.1": "10 %", "0.9": "90 %"}
    words = [name for name in ("series", "time", "variable") if name in frame]
    numbers = {"mean": "forecast", **band}
    rows = list(zip(*(map(str, frame[name][:_ROWS]) for name in words), *_cells(frame, numbers), strict=True))
    output.show(table((*words, *numbers.values()), rows, right=tuple(numbers.values())))
    left = len(frame["time"]) - len(rows)
    output.show(f"written: {path}{f' ({left} more rows)' if left > 0 else ''}")


def _cells(frame: Mapping[str, Sequence[Any]], names: Mapping[str, str]) -> list[list[str]]:
    return [[number(value) for value in frame[name][:_ROWS]] for name in names]
