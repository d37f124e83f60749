"""Reference answers: states and sensitivities of the named problems, computed once in binary128.

`references.json` holds states `y(t)`; `gradients.json` holds the Jacobians `dy(t)/dy0` and `dy(t)/dp` from the
variational equations

    S' = (df/dy) S + df/d(y0, p),      S(t0) = (I, 0).

Non-stiff problems were solved by extrapolation of the modified midpoint rule, stiff ones by Radau IIA methods of five
to nine stages; runs at two orders or two tolerances agree to the digits kept. Constants of the equations are the
decimals that their sources print, not the doubles next to them, and a time such as a period is printed to 18 digits.
The files are read at the first question, not at import.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple, TypeAlias

__all__ = ["Reference", "Sensitivity", "references", "sensitivities"]

Matrix: TypeAlias = tuple[tuple[float, ...], ...]


class Reference(NamedTuple):
    """The state `y` at time `t`, correct to the last digit of a double."""

    t: float
    y: tuple[float, ...]


class Sensitivity(NamedTuple):
    """The state `y` at time `t` and its Jacobians, correct to the last digit of a double.

    Arguments:
        t: the time.
        y: the state there.
        by_initial: row i, column j: derivative of component i by component j of the initial state.
        by_parameters: row i, column j: derivative of component i by parameter j.
    """

    t: float
    y: tuple[float, ...]
    by_initial: Matrix
    by_parameters: Matrix


def references(name: str) -> tuple[Reference, ...]:
    """Return the reference states of a problem in order of time; none where the file holds none."""
    rows = _read("references.json").get(name, ())
    return tuple(Reference(float(row["t"]), _numbers(row["y"])) for row in rows)


def sensitivities(name: str) -> tuple[Sensitivity, ...]:
    """Return the reference Jacobians of a problem in order of time; none where the file holds none."""
    rows = _read("gradients.json").get(name, ())
    return tuple(
        Sensitivity(float(row["t"]), _numbers(row["y"]), _matrix(row["by_initial"]), _matrix(row["by_parameters"]))
        for row in rows
    )


@cache
def _read(file: str) -> dict[str, list[dict[str, Any]]]:
    text = files(__package__).joinpath(file).read_text(encoding="utf-8")
    problems: dict[str, list[dict[str, Any]]] = json.loads(text)["problems"]
    return problems


def _numbers(texts: list[str]) -> tuple[float, ...]:
    return tuple(float(text) for text in texts)


def _matrix(rows: list[list[str]]) -> Matrix:
    return tuple(_numbers(row) for row in rows)
