"""Named initial value problems with their answers: exact solutions, or states and sensitivities to the last digit.

`PROBLEMS[name]` is a `Problem`; `PROBLEMS.summary(name)` says in one line what it is.
"""

from __future__ import annotations

from legato.core.catalogue import Catalogue

from .analytic import ANALYTIC
from .answers import Reference, Sensitivity
from .celestial import CELESTIAL
from .chemistry import CHEMISTRY
from .detest import DETEST
from .difficult import DIFFICULT
from .mechanics import MECHANICS
from .networks import NETWORKS
from .oscillators import OSCILLATORS
from .problem import Invariant, Parametric, Problem

__all__ = [
    "ANALYTIC",
    "CELESTIAL",
    "CHEMISTRY",
    "DETEST",
    "DIFFICULT",
    "MECHANICS",
    "NETWORKS",
    "OSCILLATORS",
    "PROBLEMS",
    "Invariant",
    "Parametric",
    "Problem",
    "Reference",
    "Sensitivity",
]

_FAMILIES = (ANALYTIC, CELESTIAL, CHEMISTRY, DETEST, DIFFICULT, MECHANICS, NETWORKS, OSCILLATORS)

PROBLEMS: Catalogue[Problem] = Catalogue(
    "problem", {problem.name: (problem, problem.title) for family in _FAMILIES for problem in family}
)
