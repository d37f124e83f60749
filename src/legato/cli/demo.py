"""`legato demo`: real data from the package, end to end, in under two minutes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ..tasks.demo import run_demo
from .errors import as_options
from .fitting import fitting
from .options import Debug, ForceRun, Json, Resume, Seed, command_line
from .output import number, session, table
from .scores import show_scores

__all__ = ["demo"]

_ORIGINS = {
    "origin": "from",
    "values": "values",
    "model": "model",
    "inside": "in the 80 % band",
    "lotka-volterra law": "law",
    "seasonal-naive": "seasonal-naive",
    "var-log": "VAR(1)",
}


def demo(
    context: typer.Context,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="RUN", help="The run folder.")] = Path("runs/demo"),
    force: ForceRun = False,
    resume: Resume = False,
    seed: Seed = 0,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Fit a neural ODE to the lynx and hare of Hudson Bay, forecast them, and write a report with pictures.

    legato demo -o runs/demo
    """
    with session("demo", as_json=json, debug=debug) as output:
        with fitting(output, out, force=force, resume=resume) as progress:
            command = command_line(context)
            options: dict[str, Any] = {"seed": seed, "force": force, "resume": resume, "command": command}
            result = run_demo(out, progress=progress, spell=as_options, **options)
        show_scores(output, result["evaluation"])
        output.show(_origins(result["origins"]), f"report: {result['report']}")
        output.result({"run": str(out), **result})


def _origins(rows: Sequence[Mapping[str, Any]]) -> object:
    """Return the table of scores from other origins."""
    cells = [[value if isinstance(value := row[name], str) else number(value) for name in _ORIGINS] for row in rows]
    headings = tuple(_ORIGINS.values())
    return table(headings, cells, title="RMSE from other origins to 1920", right=headings[1:])
