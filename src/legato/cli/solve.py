"""`legato solve`: a named problem of the catalogue, to a table and a picture, with its error where that is known."""

from __future__ import annotations

import math
import time as clock
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
import typer
from torch import Tensor

from ..core.errors import OptionError
from ..data.frames import write_csv
from ..engines import ENGINES, is_black_box
from ..plots import save_picture, solution_picture
from ..problems import PROBLEMS, Problem
from ..solution import Solution
from ..solve import solve as solve_field
from ..solvers import SOLVERS
from .options import Debug, Force, Json
from .output import Output, number, session, table
from .places import free_files

__all__ = ["solve"]

_SHOWN = 12  # components in the printed table

_Name = Annotated[
    str | None, typer.Argument(help="A name of the catalogue; without one they are listed.", show_default=False)
]
_Solver = Annotated[str, typer.Option("--solver", help="A method; `legato doctor` lists them.")]
_Engine = Annotated[
    str,
    typer.Option(
        "--engine", help="What marches; those of SciPy and SUNDIALS, such as scipy-radau, have a method of their own."
    ),
]
_Relative = Annotated[float, typer.Option("--rtol", help="The relative tolerance.")]
_Absolute = Annotated[
    float | None,
    typer.Option("--atol", help="The absolute tolerance; default the problem's, or 1e-9.", show_default=False),
]
_Step = Annotated[
    float | None,
    typer.Option("--dt0", help="The first step; every one, for methods without an error estimate.", show_default=False),
]
_MaxSteps = Annotated[int, typer.Option("--max-steps", help="The greatest number of attempted steps.")]
_Times = Annotated[int, typer.Option("--times", min=2, help="How many times the table holds.")]
_Out = Annotated[
    Path | None, typer.Option("-o", "--out", metavar="DIR", help="Default runs/solve-PROBLEM.", show_default=False)
]


class _Solved(NamedTuple):
    """A solution on the grid of the table, and at the times of the reference."""

    solution: Solution
    times: Tensor
    states: Tensor
    errors: list[dict[str, float]]
    drifts: dict[str, float]
    seconds: float


def solve(
    problem: _Name = None,
    solver: _Solver = "tsit5",
    engine: _Engine = "auto",
    rtol: _Relative = 1e-7,
    atol: _Absolute = None,
    dt0: _Step = None,
    max_steps: _MaxSteps = 100_000,
    times: _Times = 201,
    out: _Out = None,
    force: Force = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Solve a named problem, to a table (CSV) and a picture.

    legato solve

    legato solve lotka-volterra --solver dop853 --rtol 1e-10 -o runs/cycle

    legato solve robertson --engine scipy-radau
    """
    with session("solve", as_json=json, debug=debug) as output:
        if problem is None:
            _list(output)
            return
        chosen = PROBLEMS[problem]
        if dt0 is None and not SOLVERS[solver].adaptive:
            raise OptionError(_no_step(chosen, solver))
        folder = Path("runs") / f"solve-{chosen.name}" if out is None else out
        numbers, picture = free_files(folder, ("solution.csv", "solution.svg"), force=force)
        atol = atol if atol is not None else chosen.atol if chosen.atol is not None else 1e-9
        options: dict[str, Any] = {"solver": solver, "rtol": rtol, "atol": atol, "dt0": dt0, "max_steps": max_steps}
        solved = _solve(chosen, times, {**options, "engine": engine})
        drawn = solution_picture(
            solved.times.numpy(), solved.states.numpy(), names=chosen.components, title=f"{chosen.name}: {chosen.title}"
        )
        folder.mkdir(parents=True, exist_ok=True)
        write_csv(numbers, _columns(chosen, solved))
        save_picture(picture, drawn)
        options |= {"engine": solved.solution.stats.engine}
        if is_black_box(ENGINES[options["engine"]]):
            options["solver"] = options["engine"]
        values = _values(chosen, solved, options) | {"files": [str(numbers), str(picture)]}
        output.result(values)
        _show(output, chosen, solved, values)


def _no_step(problem: Problem, solver: str) -> str:
    """Return what to say where a method cannot choose its steps and none is given."""
    step = float(f"{(problem.t1 - problem.t0) / 1000:.1g}")
    count = math.ceil((problem.t1 - problem.t0) / step - 1e-9)
    return (
        f"{solver} has no error estimate, so it cannot choose its steps; give their size, such as --dt0 {step:g} "
        f"({count} steps), or take a method that chooses, such as --solver tsit5"
    )


def _list(output: Output) -> None:
    rows = []
    for name, one in PROBLEMS.items():
        span = f"{number(one.t0)} to {number(one.t1)}"
        rows.append(
            (name, str(len(one.y0)), span, one.title + (" (stiff)" if one.stiff and "stiff" not in one.title else ""))
        )
    output.show(table(("problem", "size", "time", ""), rows, right=("size",)))
    facts = ("name", "title", "components", "t0", "t1", "stiff")
    output.result({"problems": [{fact: getattr(one, fact) for fact in facts} for one in PROBLEMS.values()]})


def _solve(problem: Problem, count: int, options: dict[str, Any]) -> _Solved:
    """Solve on an even grid with the times of the reference between, in double precision."""
    even = torch.linspace(problem.t0, problem.t1, count, dtype=torch.float64)
    answers = [answer for answer in problem.references if problem.t0 < answer.t <= problem.t1]
    extra = torch.tensor([answer.t for answer in answers], dtype=torch.float64)
    grid = torch.cat([even, extra]).unique()
    began = clock.perf_counter()
    with torch.no_grad():
        solution = solve_field(problem.field, problem.initial(), grid, jumps=problem.jumps, **options)
    seconds = clock.perf_counter() - began
    states = solution.ys[torch.searchsorted(grid, even)]
    errors = []
    for answer, place in zip(answers, torch.searchsorted(grid, extra), strict=True):
        known = torch.tensor(answer.y, dtype=torch.float64)
        error = (solution.ys[place] - known).abs()
        scaled = error / (options["atol"] + options["rtol"] * known.abs())
        errors.append({"t": answer.t, "error": float(error.max()), "tolerances": float(scaled.max())})
    drifts = {}
    for invariant in problem.invariants:
        kept = invariant.function(states)
        drifts[invariant.name] = float((kept - kept[0]).abs().max())
    return _Solved(solution, even, states, errors, drifts, seconds)


def _columns(problem: Problem, solved: _Solved) -> dict[str, list[float]]:
    states = dict(zip(problem.components, solved.states.T.tolist(), strict=True))
    return {"t": solved.times.tolist(), **states}


def _values(problem: Problem, solved: _Solved, options: dict[str, Any]) -> dict[str, Any]:
    """Return the result as plain JSON values."""
    stats = solved.solution.stats
    return {
        "problem": problem.name,
        "title": problem.title,
        **options,
        "t0": problem.t0,
        "t1": problem.t1,
        "components": list(problem.components),
        "end": solved.states[-1].tolist(),
        "steps": int(stats.steps),
        "accepted": int(stats.accepted),
        "evaluations": int(stats.evaluations),
        "seconds": solved.seconds,
        "errors": solved.errors,
        "drifts": solved.drifts,
    }


def _show(output: Output, problem: Problem, solved: _Solved, values: dict[str, Any]) -> None:
    output.show(f"{problem.name}: {problem.title}", problem.equations)
    rows = [
        (name, number(start, 6), number(end, 10))
        for name, start, end in zip(problem.components, problem.y0, values["end"], strict=True)
    ]
    left = len(rows) - _SHOWN
    headings = ("component", f"t = {number(problem.t0)}", f"t = {number(problem.t1, 6)}")
    output.show(table(headings, rows[:_SHOWN], right=headings[1:]))
    if left > 0:
        output.show(f"and {left} more components in the table")
    output.show(
        f"{values['solver']}: {values['accepted']} steps ({values['steps'] - values['accepted']} more rejected), "
        f"{values['evaluations']} evaluations of the field, {number(values['seconds'], 2)} s"
    )
    for row in solved.errors:
        error, tolerances = number(row["error"], 2), number(row["tolerances"], 2)
        output.show(f"error at t = {number(row['t'], 6)}: {error} ({tolerances} tolerances) against the reference")
    for name, drift in solved.drifts.items():
        output.show(f"drift of {name}: {number(drift, 2)}")
    output.show(f"written: {', '.join(values['files'])}")
