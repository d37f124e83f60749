"""`legato fit`: from a table to a run folder, with scores beside baselines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.errors import OptionError
from ..core.words import counted
from ..data import duration_seconds
from ..data.finding import naming
from ..data.frames import write_csv
from ..tasks import Forecaster
from ..tasks.reporting import report_run
from .errors import as_options
from .fitting import fitting
from .options import (
    Columns,
    Comment,
    Debug,
    Decimal,
    Delimiter,
    File,
    ForceRun,
    Json,
    Missing,
    Resume,
    Seed,
    SeriesColumn,
    Target,
    TimeName,
    TimeUnit,
    command_line,
    dialect,
    length,
    names,
)
from .output import Output, session
from .scores import show_scores

__all__ = ["fit"]

_Model = Annotated[
    str,
    typer.Option("--model", help="latent: a hidden state read from the history; observed: the variables themselves."),
]
_Out = Annotated[
    Path | None,
    typer.Option("-o", "--out", metavar="RUN", help="The run folder; default runs/FILE.", show_default=False),
]
_Members = Annotated[int | None, typer.Option("--members", min=1, help="The size of the ensemble.", show_default=False)]
_Holdout = Annotated[
    float, typer.Option("--holdout", min=0, help="What is kept to score: a share of the rows, or how many; 0: none.")
]
_TestFrom = Annotated[
    str | None,
    typer.Option("--test-from", metavar="TIME", help="Keep what is from this time on, instead.", show_default=False),
]
_Horizon = Annotated[
    str | None,
    typer.Option("--horizon", help="The length of the forecast that is written: 24h, 12 steps.", show_default=False),
]
_Period = Annotated[
    float | None,
    typer.Option("--period", help="A known season for the baselines, in the unit of the times.", show_default=False),
]
_MaxTime = Annotated[
    str | None,
    typer.Option("--max-time", help="Stop training after this time: 90 (seconds), 5min.", show_default=False),
]

_LIMIT = "; --max-time (90, 5min) would stop it there, with the weights of that moment"


def fit(
    context: typer.Context,
    file: File,
    time: TimeName = None,
    series: SeriesColumn = None,
    target: Target = None,
    model: _Model = "latent",
    out: _Out = None,
    force: ForceRun = False,
    resume: Resume = False,
    seed: Seed = 0,
    members: _Members = None,
    holdout: _Holdout = 0.2,
    test_from: _TestFrom = None,
    horizon: _Horizon = None,
    period: _Period = None,
    max_time: _MaxTime = None,
    time_unit: TimeUnit = None,
    delimiter: Delimiter = None,
    comment: Comment = None,
    columns: Columns = None,
    decimal: Decimal = None,
    missing: Missing = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Fit a neural ODE to a table, score it beside baselines, and write a run folder with a report.

    legato fit vitals.csv --time hours --series patient --target hr,sbp -o runs/icu

    An interrupted fit keeps its last good checkpoint: the same command with --resume goes on from there.
    """
    with session("fit", as_json=json, debug=debug) as output:
        if time is None:
            raise OptionError("name the column of times with --time; `legato check` shows the columns")
        forecaster = Forecaster(
            time=time,
            series=series,
            target=names(target),
            model=model,
            seed=seed,
            members=members,
            holdout=_holdout(context, holdout, test_from),
            period=period,
            time_unit=time_unit,
            dialect=dialect(delimiter=delimiter, comment=comment, columns=columns, decimal=decimal, missing=missing),
            max_time=None if max_time is None else _seconds(max_time),
        )
        far = None if horizon is None else length(horizon)
        run = Path("runs") / Path(file).stem if out is None else out
        limit = _LIMIT if max_time is None else f"; --max-time stops it after {max_time}"
        with fitting(output, run, force=force, resume=resume, limit=limit) as progress, naming(Path(file).name):
            forecaster.fit(file, run=run, force=force, resume=resume, horizon=far, progress=progress)
            progress(1, 1, "drawing the report")
            _write(forecaster, run, far, title=Path(file).stem, command=command_line(context))
        _show(output, forecaster, run)


def _write(forecaster: Forecaster, run: Path, far: str | float | None, *, title: str, command: str) -> None:
    """Write the forecast of what comes next, and the report."""
    wanted: dict[str, Any] = {"steps": _steps(forecaster)} if far is None else {"horizon": far}
    write_csv(run / "forecast.csv", forecaster.predict(**wanted).to_pydict())
    report_run(forecaster, run / "report.html", title=title, command=command, spell=as_options)


def _show(output: Output, forecaster: Forecaster, run: Path) -> None:
    """Say how the fit went: notes, scores, where everything lies and what to do next."""
    fitted, trained, evaluation = forecaster.series_, forecaster.trained_, forecaster.evaluation_
    warnings = list(forecaster.model_.warnings)
    for finding in fitted.notes:
        output.note(f"{finding.severity}: {as_options(str(finding))}")
    for text in warnings:
        output.note(f"warning: {text}", style="yellow")
    output.show(
        f"{fitted.source}: {len(fitted)} series of {', '.join(fitted.targets)}",
        f"{counted(trained.iterations, 'iteration')} in {trained.seconds:.1f} s; {trained.stopped}",
    )
    values = None if evaluation is None else evaluation.to_dict()
    if values is None:
        output.show("Nothing was kept to score (--holdout 0).")
    else:
        show_scores(output, values)
    output.show(f"report: {run / 'report.html'}", f"next: legato forecast {run} --steps {_steps(forecaster)}")
    output.result(
        {
            "run": str(run),
            "model": forecaster.model,
            "source": fitted.source,
            "digest": fitted.digest,
            "series": len(fitted),
            "targets": fitted.targets,
            "split": None if forecaster.split_ is None else forecaster.split_.description,
            "iterations": trained.iterations,
            "stopped": trained.stopped,
            "seconds": trained.seconds,
            "evaluation": values,
            "notes": [finding.to_dict() for finding in fitted.notes],
            "warnings": warnings,
            "files": sorted(str(path) for path in run.iterdir() if path.is_file()),
        }
    )


def _steps(forecaster: Forecaster) -> int:
    """Return how far to forecast where nothing was said: as far as was scored, else a fifth of the history."""
    if forecaster.split_ is not None:
        lengths = sorted(len(one) for one in forecaster.split_.test)
    else:
        lengths = sorted(max(1, len(one) // 5) for one in forecaster.series_)
    return lengths[len(lengths) // 2]


def _holdout(context: typer.Context, share: float, test_from: str | None) -> float | int | str | None:
    source = context.get_parameter_source("holdout")
    if test_from is not None:
        if source is not None and source.name != "DEFAULT":
            raise OptionError("--holdout and --test-from both say what is kept to score; give one of them")
        return test_from
    if share == 0:
        return None
    if not (share < 1 or share.is_integer()):
        raise OptionError(f"--holdout is a share below 1 or a whole number of rows; got {share:g}")
    return int(share) if share >= 1 else share


def _seconds(text: str) -> float:
    value = length(text)
    seconds = duration_seconds(value) if isinstance(value, str) else value
    if not seconds > 0:
        raise OptionError(f"--max-time is above zero; got {text!r}")
    return seconds
