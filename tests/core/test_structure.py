"""Nested structures come apart and together again without loss."""

from __future__ import annotations

from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from legato.core.structure import flatten


class Pair(NamedTuple):
    first: Any
    second: Any


LEAVES = st.integers()
STRUCTURES = st.recursive(
    LEAVES | st.none(),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=2), inner, max_size=3),
        st.builds(Pair, inner, inner),
    ),
    max_leaves=8,
)


def same(left: Any, right: Any) -> bool:
    """Whether two structures are equal in types, too."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))
    return bool(left == right)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(STRUCTURES)
def test_a_structure_rebuilt_from_its_leaves_is_the_same(structure: Any) -> None:
    leaves, rebuild = flatten(structure)
    assert same(rebuild(leaves), structure)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(STRUCTURES)
def test_leaves_are_replaced_in_order(structure: Any) -> None:
    leaves, rebuild = flatten(structure)
    again, _ = flatten(rebuild(list(range(len(leaves)))))
    assert again == list(range(len(leaves)))


def test_leaves_are_read_left_to_right_and_none_is_an_empty_branch() -> None:
    leaves, rebuild = flatten({"b": (1, None), "a": [Pair(2, 3)]})
    assert leaves == [1, 2, 3]
    assert rebuild([4, 5, 6]) == {"b": (4, None), "a": [Pair(5, 6)]}
