"""What is run against what: every problem under equal rules and by defaults, and what a step costs.

A result is one contestant on one problem: its times, its error against the reference, its steps and evaluations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from .adapters import Adapter, Run
from .problems import PROBLEMS, Problem
from .reference import Reference, make_reference, relative_error
from .timing import Times, geometric_mean, race, ratio, spread

__all__ = ["AIMS", "MLPS", "SUITES", "Aim", "Entrant", "compare", "run_overhead", "run_problem"]

MLPS = ("mlp-small", "mlp-medium", "mlp-large")
SUITES = {"mlp": MLPS, "van-der-pol": ("van-der-pol",), "overhead": ("decay",)}
"""Problems by suite."""

_FIELD_CALLS = 50


class Aim(NamedTuple):
    """How many times as long `over` is to take as `under`: a geometric mean over the networks, under equal rules."""

    over: str
    under: str
    least: float


AIMS = (
    Aim("torchdiffeq forward", "legato forward", 1.7),
    Aim("torchdiffeq direct", "legato direct", 1.4),
    Aim("torchdiffeq direct", "legato discrete", 1.0),
    Aim("torchdiffeq adjoint", "legato discrete", 3.0),
    Aim("torchode forward", "legato forward", 1.0),
    Aim("torchode direct", "legato discrete", 1.0),
    Aim("diffrax forward", "legato forward", 0.0),
    Aim("diffrax checkpointed", "legato discrete", 0.0),
)
"""What legato is to reach; the last two are measured without a goal for the eager engine."""


@dataclass(frozen=True, kw_only=True)
class Entrant:
    """One contestant's run of one problem; `mode` is "forward" or a kind of gradient."""

    library: str
    mode: str
    equal: bool
    run: Run

    @property
    def name(self) -> str:
        """The library and the mode, as records and tables call them."""
        return f"{self.library} {self.mode}"


def run_problem(problem: Problem, adapters: Sequence[Adapter], *, rounds: int, seed: int = 0) -> list[dict[str, Any]]:
    """Return one result per contestant, under equal rules and by defaults, all timed in the same rounds.

    Arguments:
        problem: what to solve.
        adapters: who solves it.
        rounds: how often each is timed.
        seed: of the order within rounds.
    """
    reference = make_reference(problem)
    entrants = [entrant for adapter in adapters for entrant in _entrants(problem, adapter)]
    calls = {str(place): entrant.run.call for place, entrant in enumerate(entrants)}
    times = race(calls, rounds=rounds, seed=seed)
    # After the race: a library may spend evaluations on the first solve of a field that later ones are spared.
    return [_examine(problem, entrant, reference) | _timed(times[str(place)]) for place, entrant in enumerate(entrants)]


def run_overhead(adapters: Sequence[Adapter], *, rounds: int, clock: str, seed: int = 0) -> list[dict[str, Any]]:
    """Return what a step costs beside the field: (solve - evaluations x one evaluation) / steps, in seconds.

    The field is timed in the same rounds, on the same state, without a gradient.

    Arguments:
        adapters: who solves; those whose field is fused with the step are left out.
        rounds: how often each is timed.
        clock: "wall" or "cpu".
        seed: of the order within rounds.
    """
    problem = PROBLEMS["decay"]()
    entrants = [
        Entrant(library=adapter.name, mode="forward", equal=True, run=adapter.forward(problem, equal=True))
        for adapter in adapters
        if adapter.eager
    ]
    calls = {entrant.name: entrant.run.call for entrant in entrants}
    times = race({**calls, "field": _field_calls(problem)}, rounds=rounds, seed=seed)
    field = [seconds / _FIELD_CALLS for seconds in getattr(times["field"], clock)]
    results = []
    for entrant in entrants:
        answer = entrant.run.answer()
        assert answer.evaluations is not None
        steps = answer.steps or _steps_of_dopri5(answer.evaluations)
        cost = [
            (seconds - answer.evaluations * one) / steps
            for seconds, one in zip(getattr(times[entrant.name], clock), field, strict=True)
        ]
        results.append(
            {
                "problem": problem.name,
                "contestant": entrant.name,
                "library": entrant.library,
                "steps": steps,
                "evaluations": answer.evaluations,
                "field_s": spread(field)._asdict(),
                "step_s": spread(cost)._asdict(),
            }
        )
    return results


def compare(results: Sequence[dict[str, Any]], *, clock: str) -> list[dict[str, Any]]:
    """Return the ratios that the aims speak of, problem by problem, with their geometric means over the networks.

    Arguments:
        results: of `run_problem`, any number of problems.
        clock: "wall" or "cpu".
    """
    found = []
    for aim in AIMS:
        by_problem = {}
        for name in dict.fromkeys(result["problem"] for result in results):
            pair = [_find(results, name, contestant) for contestant in (aim.over, aim.under)]
            if None not in pair:
                over, under = (result[f"{clock}_s"]["rounds"] for result in pair if result is not None)
                by_problem[name] = ratio(over, under)._asdict()
        if not by_problem:
            continue
        networks = [by_problem[name]["value"] for name in MLPS if name in by_problem]
        mean = geometric_mean(networks) if len(networks) == len(MLPS) else None
        found.append(aim._asdict() | {"problems": by_problem, "geometric_mean": mean})
    return found


def _entrants(problem: Problem, adapter: Adapter) -> list[Entrant]:
    """Return a library's contestants: everything under equal rules, and what it does by default."""
    entrants = [
        Entrant(library=adapter.name, mode="forward", equal=equal, run=adapter.forward(problem, equal=equal))
        for equal in (True, False)
    ]
    for place, kind in enumerate(adapter.gradients):
        for equal in (True, False) if place == 0 else (True,):
            run = adapter.gradient(problem, kind, equal=equal)
            entrants.append(Entrant(library=adapter.name, mode=kind, equal=equal, run=run))
    return entrants


def _examine(problem: Problem, entrant: Entrant, reference: Reference) -> dict[str, Any]:
    """Return what a contestant found, beside the reference; nothing is timed."""
    answer = entrant.run.answer()
    gradient = None if answer.gradient is None else relative_error(answer.gradient, reference.gradient)
    return {
        "problem": problem.name,
        "contestant": entrant.name,
        "library": entrant.library,
        "mode": entrant.mode,
        "rules": "equal" if entrant.equal else "defaults",
        "steps": answer.steps,
        "evaluations": answer.evaluations,
        "error": relative_error(answer.values, reference.values),
        "gradient_error": gradient,
    }


def _timed(times: Times) -> dict[str, Any]:
    kinds = {"wall_s": times.wall, "cpu_s": times.cpu}
    return {name: spread(seconds)._asdict() | {"rounds": seconds} for name, seconds in kinds.items()}


def _field_calls(problem: Problem) -> Callable[[], None]:
    t, field, y = torch.tensor(0.0), problem.field, problem.y0

    def call() -> None:
        with torch.no_grad():
            for _ in range(_FIELD_CALLS):
                field(t, y)

    return call


def _steps_of_dopri5(evaluations: int) -> int:
    """Return the attempts behind a count: two evaluations choose the first step, and every attempt makes six."""
    return math.ceil((evaluations - 2) / 6)


def _find(results: Sequence[dict[str, Any]], problem: str, contestant: str) -> dict[str, Any] | None:
    for result in results:
        if (result["problem"], result["contestant"], result["rules"]) == (problem, contestant, "equal"):
            return result
    return None
