"""Words of messages: how many of a thing there are."""

from __future__ import annotations

__all__ = ["counted"]


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, in the singular for one.

    >>> counted(1, "row"), counted(0, "row"), counted(12, "origin")
    ('1 row', '0 rows', '12 origins')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"
