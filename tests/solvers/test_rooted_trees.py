"""Rooted trees against the counts and identities of the literature."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from math import factorial

import pytest

from legato.solvers.rooted_trees import (
    Tree,
    dense_residual,
    density,
    node_count,
    order_residual,
    rooted_trees,
    stage_weights,
)

# Sloane's A000081.
COUNTS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 9, 6: 20, 7: 48, 8: 115, 9: 286}


def symmetry(tree: Tree) -> int:
    """The number of automorphisms of a tree."""
    product = 1
    for child, repeats in Counter(tree).items():
        product *= symmetry(child) ** repeats * factorial(repeats)
    return product


@pytest.mark.parametrize(("nodes", "count"), COUNTS.items())
def test_there_are_as_many_trees_as_in_the_literature(nodes: int, count: int) -> None:
    trees = rooted_trees(nodes)
    assert len(trees) == len(set(trees)) == count
    assert {node_count(tree) for tree in trees} == {nodes}


@pytest.mark.parametrize("nodes", range(1, 10))
def test_the_monotonic_labellings_of_all_trees_number_the_factorial_of_one_node_fewer(nodes: int) -> None:
    # alpha(t) = n! / (symmetry density) labellings of t increase from the root; adding leaves one by one makes (n-1)!.
    labellings = [Fraction(factorial(nodes), symmetry(tree) * density(tree)) for tree in rooted_trees(nodes)]
    assert all(count.denominator == 1 for count in labellings)
    assert sum(labellings) == factorial(nodes - 1)


def test_a_chain_has_the_density_of_a_factorial_and_a_star_that_of_its_nodes() -> None:
    chain: Tree = ()
    for nodes in range(1, 9):
        assert density(chain) == factorial(nodes)
        assert density(((),) * (nodes - 1)) == nodes
        chain = (chain,)


def test_the_weights_of_the_trees_up_to_four_nodes_are_those_written_out_by_hand() -> None:
    a = ((), (Fraction(1, 3),), (Fraction(-1, 3), Fraction(1)))
    c = [Fraction(0), Fraction(1, 3), Fraction(2, 3)]
    ac = [sum((x * c[j] for j, x in enumerate(row)), start=Fraction(0)) for row in a]
    acc = [sum((x * c[j] ** 2 for j, x in enumerate(row)), start=Fraction(0)) for row in a]
    aac = [sum((x * ac[j] for j, x in enumerate(row)), start=Fraction(0)) for row in a]
    leaf: Tree = ()
    chain, cherry = (leaf,), (leaf, leaf)
    expected = {
        leaf: [Fraction(1)] * 3,
        chain: c,
        cherry: [x**2 for x in c],
        (chain,): ac,
        (leaf, leaf, leaf): [x**3 for x in c],
        (leaf, chain): [x * y for x, y in zip(c, ac, strict=True)],
        (cherry,): acc,
        ((chain,),): aac,
    }
    assert {tree: list(row) for tree, row in stage_weights(a, 4, one=Fraction(1)).items()} == expected


def test_the_midpoint_rule_has_order_two_and_misses_order_three() -> None:
    a, b = ((), (0.5,)), (0.0, 1.0)
    assert order_residual(a, b, 2) == 0
    # sum b c^2 = 1/4 where 1/3 is due, and sum b a c = 0 where 1/6 is due.
    assert order_residual(a, b, 3) == pytest.approx(1 / 6)


def test_the_parabola_of_the_midpoint_rule_has_order_two_in_every_power_of_theta() -> None:
    a, dense = ((), (0.5,)), ((1.0, -1.0), (0.0, 1.0))
    assert dense_residual(a, dense, 2) == 0
    assert dense_residual(a, ((1.0, -1.0), (1e-3, 1.0)), 1) == pytest.approx(1e-3, rel=1e-2)
