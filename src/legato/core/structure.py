"""Nested tuples, lists and dicts: taken apart into leaves, and put together again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["Rebuild", "aligned", "flatten"]

Rebuild = Callable[[Sequence[Any]], Any]


def flatten(structure: Any) -> tuple[list[Any], Rebuild]:
    """Return the leaves of a nested structure, left to right, and a function that rebuilds the structure.

    Tuples (named ones too), lists and dicts are branches, None is an empty branch, everything else is a leaf.
    """
    if structure is None:
        return [], lambda leaves: None
    if isinstance(structure, dict):
        keys = list(structure)
        return _join(list(structure.values()), lambda values: dict(zip(keys, values, strict=True)))
    if isinstance(structure, tuple | list):
        kind = type(structure)
        if hasattr(structure, "_fields"):
            return _join(list(structure), lambda values: kind(*values))
        return _join(list(structure), lambda values: kind(values))
    return [structure], lambda leaves: leaves[0]


def aligned(structure: Any, like: Any) -> Any:
    """Return a structure with its dicts in the order of another's, so that leaves are told by their names.

    Raises:
        ValueError: the branches differ: other keys, another length, a leaf for a branch. A list may stand for a tuple.
    """
    if isinstance(like, dict):
        if not isinstance(structure, dict) or set(structure) != set(like):
            keys = sorted(map(str, structure)) if isinstance(structure, dict) else type(structure).__name__
            raise ValueError(f"got {keys} where the keys are {sorted(map(str, like))}")
        return {key: aligned(structure[key], part) for key, part in like.items()}
    if isinstance(like, tuple | list):
        if not isinstance(structure, tuple | list) or len(structure) != len(like):
            got = f"{len(structure)} parts" if isinstance(structure, tuple | list) else type(structure).__name__
            raise ValueError(f"got {got} where there are {len(like)} parts")
        return [aligned(part, model) for part, model in zip(structure, like, strict=True)]
    if isinstance(structure, dict | tuple | list):
        raise ValueError(f"got a {type(structure).__name__} where there is one leaf")
    return structure


def _join(parts: list[Any], make: Callable[[list[Any]], Any]) -> tuple[list[Any], Rebuild]:
    flattened = [flatten(part) for part in parts]

    def rebuild(leaves: Sequence[Any]) -> Any:
        values, start = [], 0
        for part_leaves, build in flattened:
            values.append(build(leaves[start : start + len(part_leaves)]))
            start += len(part_leaves)
        return make(values)

    return [leaf for part_leaves, _ in flattened for leaf in part_leaves], rebuild
