"""Write the reference from the catalogues: python docs/generate.py

One page for each catalogue in docs/reference, and the table "What is inside" of the README. What a page says stands in
the code: summaries in the catalogues, prose in docstrings, orders and stages in the tableaus. `tests/docs` compares.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from legato import controllers
from legato.compat.torchdiffeq import METHODS
from legato.controllers import CONTROLLERS
from legato.core import errors
from legato.core.catalogue import Catalogue
from legato.core.status import Status
from legato.engines import ENGINES, external
from legato.gradients import GRADIENTS
from legato.models import MODELS
from legato.models.baselines import BASELINES
from legato.problems import PROBLEMS, Problem
from legato.solvers import SOLVERS

__all__ = ["inside", "pages", "with_inside"]

ROOT = Path(__file__).resolve().parents[1]
MARKERS = "<!-- inside:start -->", "<!-- inside:end -->"
SECTIONS = "Arguments", "Attributes", "Returns", "Raises", "Example", "References", "Reference"
DASH = "\N{EN DASH}"


def pages() -> dict[str, str]:
    """Return every page of docs/reference by its file name."""
    return {name: f"{text.strip()}\n" for name, text in ((name, write()) for name, write in _PAGES.items())}


def inside() -> str:
    """Return the README's table of what there is."""
    rows = [
        (f"[{title}](docs/reference/{page})", str(len(catalogue)), _listed(catalogue))
        for title, page, catalogue in (
            ("solvers", "solvers.md", SOLVERS),
            ("step-size controllers", "controllers.md", CONTROLLERS),
            ("gradients", "gradients.md", GRADIENTS),
            ("engines", "engines.md", ENGINES),
            ("models of series", "models.md", MODELS),
            ("forecasting baselines", "baselines.md", BASELINES),
            ("methods of `odeint`", "compat.md", METHODS),
            ("problems with answers", "problems.md", PROBLEMS),
        )
    ]
    return _table(("", "", ""), rows, right=(1,))


def with_inside(readme: str) -> str:
    """Return a README with its table of what there is; as it was where it has no markers for one."""
    start, end = MARKERS
    before, found, rest = readme.partition(start)
    _, closed, after = rest.partition(end)
    return f"{before}{start}\n{inside()}\n{end}{after}" if found and closed else readme


def _listed(catalogue: Catalogue[Any], *, most: int = 14) -> str:
    names = [f"`{name}`" for name in catalogue]
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def _solvers() -> str:
    header = ("name", "order", "embedded", "stages", "first same as last", "dense order", "stable to", "what for")
    rows = [(f"`{name}`", *_numbers(solver), SOLVERS.summary(name)) for name, solver in SOLVERS.items()]
    sources = [
        f"- `{name}`: {solver.name}. {getattr(solver, 'tableau', solver).source}" for name, solver in SOLVERS.items()
    ]
    return f"""
# Solvers

`legato.solve(field, y0, t, solver=name)`; the default is `tsit5`. A method without an error estimate takes `dt0=`, a
step size, or `controller=`.

{_table(header, rows, right=range(1, 7))}

Stages: evaluations of the field a step. Embedded: the order of the solution that the error is estimated with. Dense
order: inside a step of size h the interpolant is wrong by O(h^(q+1)); +n counts the evaluations that it needs beyond
the stages, spent only on steps that are looked into (a +1 is f(t1, y1), which the next step begins with anyway). Stable
to: the left end of the interval of the real axis in which steps of y' = lambda y shrink, in units of lambda h; A-stable
methods shrink everything that decays, L-stable ones the faster the faster it does. Of implicit methods, the stages
count f(t0, y0), and the embedded order is that of the error estimate. The numbers of Runge-Kutta and Rosenbrock methods
are computed from their coefficients, and their orders are checked by exact algebra whenever a tableau is made. One of
your own is `Tableau.from_lists(a, b, order=...)` or `ImplicitTableau.from_lists`, which can be passed as `solver=`.

Implicit methods (Rosenbrock, Kvaerno, KenCarp, Radau, Gauss, ...) are for stiff problems: they linearise the field
where a step begins, by autograd, one small matrix per sample. A field under them is differentiable by torch, and treats
samples apart.

## Sources

{chr(10).join(sources)}
"""


def _numbers(solver: Any) -> tuple[str, ...]:
    """Return the numbers of a method; what only a tableau has is left out for one that has none."""
    tableau = getattr(solver, "tableau", None)
    if tableau is None:
        embedded = DASH if solver.error_order is None else str(solver.error_order)
        return str(solver.order), embedded, str(solver.stages), DASH, str(solver.dense_order), DASH
    if solver.implicit:
        return _implicit_numbers(tableau)
    embedded = [str(order) for order in (tableau.embedded_order, tableau.embedded_low_order) if order is not None]
    extra = tableau.total_stages - tableau.stages
    return (
        str(tableau.order),
        " and ".join(embedded) or DASH,
        str(tableau.stages),
        "yes" if tableau.first_same_as_last else "no",
        str(tableau.dense_order) + (f" +{extra}" if extra else ""),
        f"-{tableau.stability_interval:.2f}",
    )


def _implicit_numbers(tableau: Any) -> tuple[str, ...]:
    extra = tableau.total_stages - tableau.stages
    return (
        str(tableau.order),
        str(tableau.error_order),
        str(tableau.stages),
        DASH,
        str(tableau.dense_order) + (f" +{extra}" if extra else ""),
        tableau.stability,
    )


def _controllers() -> str:
    rows = [(f"`{name}`", f"`{thing!r}`", CONTROLLERS.summary(name)) for name, thing in CONTROLLERS.items()]
    by_hand = (controllers.PID, controllers.Predictive, controllers.Limited, controllers.Constant, controllers.Grid)
    return f"""
# Controllers

`legato.solve(..., controller=name)`, or an object made by hand. The default is `i` for methods with an error estimate,
and `Constant(dt0)` for the others.

{_table(("name", "object", "what for"), rows)}

{_module_prose(controllers.PID)}

## Predictive control

{_module_prose(controllers.Predictive)}

## The smooth limiter

{_module_prose(controllers.Limited)}

{_entries((f"`{each.__name__}`", each) for each in by_hand)}
"""


def _gradients() -> str:
    return f"""
# Gradients

`legato.solve(..., gradient=name)`; the default is `discrete`.

{_summaries(GRADIENTS)}

{_modules(GRADIENTS)}
"""


def _engines() -> str:
    return f"""
# Engines

`legato.solve(..., engine=name)`; the default, `auto`, chooses for you.

{_summaries(ENGINES)}

## `eager`

{_module_prose(ENGINES["eager"])}

## Black boxes

{_markdown(inspect.getdoc(external) or "")}

{_entries((f"`legato.engines.{each.__name__}`", each) for each in (external.SciPy, external.CVODE, external.BlackBox))}
"""


def _models() -> str:
    return f"""
# Models of series

`legato.Forecaster(..., model=name)` and `legato fit --model name`; the default is `latent`.

{_summaries(MODELS)}

{_modules(MODELS, entries=True)}
"""


def _baselines() -> str:
    return f"""
# Forecasting baselines

They are fitted to the same history as a model and stand beside every score of it. One that has no meaning for a history
says why, and is left out.

{_summaries(BASELINES)}

{_entries((f"`{name}`", thing) for name, thing in BASELINES.items())}
"""


def _compat() -> str:
    rows = [(f"`{name}`", _tableau_name(solver), METHODS.summary(name)) for name, solver in METHODS.items()]
    return f"""
# Methods of `odeint`

`legato.odeint(field, y0, t, method=name)` and `odeint_adjoint` take torchdiffeq's names in torchdiffeq's meaning; where
that differs from a [solver](solvers.md) of the same name, it is said here. What else differs:
[compat-torchdiffeq](../inside/compat-torchdiffeq.md).

{_table(("name", "tableau", "what it is"), rows)}
"""


def _tableau_name(solver: Any) -> str:
    return solver.tableau.name if hasattr(solver, "tableau") else DASH


def _problems() -> str:
    rows = [
        (f"`{name}`", problem.title, str(len(problem.y0)), f"{problem.t0:g} to {problem.t1:g}", _answer(problem))
        for name, problem in PROBLEMS.items()
    ]
    details = [f"- `{name}`: {problem.source}" for name, problem in PROBLEMS.items()]
    return f"""
# Problems

`legato.problems.PROBLEMS[name]`, and `legato solve name` from the command line. The answers are exact solutions, or
states and sensitivities computed in quadruple precision.

{_table(("name", "what it is", "n", "times", "answer"), rows, right=(2,))}

## Sources

{chr(10).join(details)}
"""


def _answer(problem: Problem) -> str:
    states = len(problem.references)
    parts = ["exact" if problem.exact is not None else f"{states} state{'s' * (states > 1)}"]
    if problem.sensitivities:
        parts.append("sensitivities")
    return ", ".join(parts)


def _errors() -> str:
    kinds = [getattr(errors, name) for name in errors.__all__]
    rows = [
        (f"`{kind.__name__}`", ", ".join(f"`{base.__name__}`" for base in kind.__bases__), _prose(kind, lines=1))
        for kind in sorted(kinds, key=lambda kind: (len(kind.__mro__), kind.__name__))
    ]
    ends = [(f"`{status.name}`", str(int(status)), status.advice) for status in Status]
    return f"""
# Errors, and how a solve ends

Every message says what was got, what was expected and what to do next.

{_table(("error", "is also", "when"), rows)}

## Status

Every sample of a solve ends with one of these in `solution.status`. All but `SUCCESS` and `EVENT` raise a `SolveError`,
unless `on_failure=` says otherwise.

{_table(("status", "code", "what happened, and what to try"), ends, right=(1,))}
"""


_PAGES: dict[str, Callable[[], str]] = {
    "solvers.md": _solvers,
    "controllers.md": _controllers,
    "gradients.md": _gradients,
    "engines.md": _engines,
    "models.md": _models,
    "baselines.md": _baselines,
    "compat.md": _compat,
    "problems.md": _problems,
    "errors.md": _errors,
}


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[int] = ()) -> str:
    aligned = set(right)
    rule = ["---:" if place in aligned else "---" for place in range(len(header))]
    cells = [[cell.replace("|", r"\|") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *cells))


def _summaries(catalogue: Catalogue[Any]) -> str:
    return _table(("name", "what it is"), [(f"`{name}`", catalogue.summary(name)) for name in catalogue])


def _modules(catalogue: Catalogue[Any], *, entries: bool = False) -> str:
    """Return for each entry the mathematics of the module it comes from, and its own arguments where wanted."""
    parts = []
    for name, thing in catalogue.items():
        parts += [f"## `{name}`", _module_prose(thing)]
        if entries:
            parts.append(_description(thing))
    return "\n\n".join(parts)


def _entries(things: Iterable[tuple[str, Any]]) -> str:
    return "\n\n".join(f"## {title}\n\n{_description(thing)}" for title, thing in things)


def _module_prose(thing: Any) -> str:
    module = inspect.getmodule(thing if hasattr(thing, "__module__") and inspect.isroutine(thing) else _class(thing))
    return _markdown(inspect.getdoc(module) or "")


def _class(thing: Any) -> type:
    return thing if inspect.isclass(thing) else type(thing)


def _description(thing: Any) -> str:
    """Return a docstring's prose and its arguments, as Markdown."""
    text = inspect.getdoc(thing if inspect.isroutine(thing) else _class(thing)) or ""
    parts = [_prose(thing)]
    for title in ("Arguments", "Attributes"):
        found = re.search(rf"^{title}:\n((?:    .*\n?|\n)+)", text, flags=re.MULTILINE)
        if found:
            body = inspect.cleandoc(found[1])
            items = re.sub(r"\n {2,}", " ", body).splitlines()
            parts.append("\n".join(f"- {_marked(item)}" for item in items if item))
    return "\n\n".join(parts)


def _marked(item: str) -> str:
    """Return `name, other: text` with its names as code."""
    names, colon, text = item.partition(":")
    return ", ".join(f"`{name.strip()}`" for name in names.split(",")) + colon + _markdown(text)


def _prose(thing: Any, *, lines: int | None = None) -> str:
    """Return what a docstring says before its sections."""
    text = inspect.getdoc(thing if inspect.isroutine(thing) else _class(thing)) or ""
    before = re.split(rf"^(?:{'|'.join(SECTIONS)}):$", text, maxsplit=1, flags=re.MULTILINE)[0].strip()
    return _markdown(before if lines is None else "\n".join(before.splitlines()[:lines]))


def _markdown(text: str) -> str:
    """Return a docstring's mathematics in dollars, as Markdown has it, and its indented examples as code."""
    text = re.sub(r":math:`([^`]*)`", lambda found: f"${' '.join(found[1].split())}$", text)
    text = re.sub(r"^\.\. math:: ?(.*(?:\n    .*)*)", _display, text, flags=re.MULTILINE)
    return re.sub(r"(?:^    .*\n?)+", _code, text, flags=re.MULTILINE)


def _code(found: re.Match[str]) -> str:
    return f"```\n{inspect.cleandoc(found[0])}\n```\n"


def _display(found: re.Match[str]) -> str:
    return "$$\n" + "\n".join(line.strip() for line in found[1].splitlines() if line.strip()) + "\n$$"


def main() -> None:
    """Write every page, and the table of the README."""
    folder = ROOT / "docs" / "reference"
    folder.mkdir(exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")
    readme = ROOT / "README.md"
    readme.write_text(with_inside(readme.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
