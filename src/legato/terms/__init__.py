"""Right-hand sides: field times increment, on packed states."""

from __future__ import annotations

from .contract import check_alone, check_rows, first_evaluation
from .derivatives import check_derivatives
from .event import EventRule, EventTerm, check_rule
from .ode import ODETerm
from .reading import ReadingTerm, check_reading
from .rows import OnRows
from .term import Term

__all__ = [
    "EventRule",
    "EventTerm",
    "ODETerm",
    "OnRows",
    "ReadingTerm",
    "Term",
    "check_alone",
    "check_derivatives",
    "check_reading",
    "check_rows",
    "check_rule",
    "first_evaluation",
]
