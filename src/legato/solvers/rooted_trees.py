"""Rooted trees, and with them the order of a Runge-Kutta method.

Every term of the Taylor series of `y' = f(y)` belongs to one rooted tree `t`. A method with stage matrix `a` and
weights `b` reproduces that term iff its elementary weight is right,

    sum_i b_i g_i(t) = 1 / density(t),      g_i(t) = product over the children u of t of  sum_j a_ij g_j(u),

and it has order p iff that holds for all trees with at most p nodes (1, 1, 2, 4, 9, 20, 48, 115 trees have 1 to 8
nodes). The density of a tree is its node count times the densities of its children. The conditions are linear in `b`:
an embedded solution, and an interpolant b(theta) with right side theta^n / density, n the node count, have them too.

A tree is the sorted tuple of its children; the single node is `()`.

Source: J. C. Butcher, Coefficients for the study of Runge-Kutta integration processes, 1963; E. Hairer, S. P. Norsett,
G. Wanner, Solving Ordinary Differential Equations I, 1993, section II.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from functools import cache
from typing import TypeVar

__all__ = [
    "Tree",
    "dense_residual",
    "density",
    "node_count",
    "order_residual",
    "relative",
    "rooted_trees",
    "rosenbrock_weights",
    "stage_weights",
]

Tree = tuple["Tree", ...]
Scalar = TypeVar("Scalar", float, Fraction)


@cache
def rooted_trees(nodes: int) -> tuple[Tree, ...]:
    """Return every rooted tree with exactly `nodes` nodes, in sorted order."""
    if nodes == 1:
        return ((),)
    return tuple(sorted(set(_forests(nodes - 1, nodes - 1))))


def _forests(nodes: int, largest: int) -> Iterator[Tree]:
    """Yield every multiset of trees with `nodes` nodes together, none above `largest` nodes, as a sorted tuple."""
    if nodes == 0:
        yield ()
        return
    for size in range(min(nodes, largest), 0, -1):
        for first in rooted_trees(size):
            for rest in _forests(nodes - size, size):
                yield tuple(sorted((first, *rest)))


@cache
def node_count(tree: Tree) -> int:
    """Return the number of nodes of a tree."""
    return 1 + sum(node_count(child) for child in tree)


@cache
def density(tree: Tree) -> int:
    """Return the density gamma of a tree: its node count times the densities of its children."""
    product = node_count(tree)
    for child in tree:
        product *= density(child)
    return product


def stage_weights(a: Sequence[Sequence[Scalar]], up_to: int, *, one: Scalar) -> dict[Tree, tuple[Scalar, ...]]:
    """Compute `g_i(t)` for every tree with at most `up_to` nodes.

    Arguments:
        a: the stage matrix: strictly lower triangular, row i holding i entries, or square.
        up_to: the largest node count wanted.
        one: the number 1 in the arithmetic of `a`: 1.0 or Fraction(1).

    Returns:
        A map from tree to the tuple of its weights, one per stage.
    """
    trees = [tree for nodes in range(1, up_to + 1) for tree in rooted_trees(nodes)]
    weights: dict[Tree, tuple[Scalar, ...]] = {}
    rows = [[(j, entry) for j, entry in enumerate(row) if entry != 0] for row in a]
    inner: dict[Tree, list[Scalar]] = {}
    for tree in trees:
        product: list[Scalar] = [one] * len(a)
        for child in tree:
            if child not in inner:
                below = weights[child]
                inner[child] = [sum((entry * below[j] for j, entry in row), start=one - one) for row in rows]
            product = [left * right for left, right in zip(product, inner[child], strict=True)]
        weights[tree] = tuple(product)
    return weights


def rosenbrock_weights(
    alpha: Sequence[Sequence[float]], beta: Sequence[Sequence[float]], up_to: int
) -> dict[Tree, tuple[float, ...]]:
    """Compute the `g_i(t)` of a Rosenbrock method: `beta` below a node with one child, `alpha` below one with more.

    Arguments:
        alpha, beta: square matrices, `beta` the sum of alpha and Gamma.
        up_to: the largest node count wanted.
    """
    weights: dict[Tree, tuple[float, ...]] = {}
    for tree in (tree for nodes in range(1, up_to + 1) for tree in rooted_trees(nodes)):
        matrix = beta if len(tree) == 1 else alpha
        product = [1.0] * len(alpha)
        for child in tree:
            below = weights[child]
            inner = [sum(entry * value for entry, value in zip(row, below, strict=True)) for row in matrix]
            product = [left * right for left, right in zip(product, inner, strict=True)]
        weights[tree] = tuple(product)
    return weights


def order_residual(a: Sequence[Sequence[float]], b: Sequence[float], order: int) -> float:
    """Compute the largest relative residual of the order conditions of `b` up to `order`.

    Each is the residual of `sum_i b_i g_i(t) = 1 / density(t)` over the sum of the absolute values of its terms.
    """
    worst = 0.0
    for tree, weights in stage_weights(a, order, one=1.0).items():
        terms = [left * right for left, right in zip(b, weights, strict=True)]
        worst = max(worst, relative(sum(terms) - 1 / density(tree), terms))
    return worst


def dense_residual(a: Sequence[Sequence[float]], dense: Sequence[Sequence[float]], order: int) -> float:
    """Compute the largest relative residual of the conditions of an interpolant up to `order`, in every power of theta.

    For the tree t with n nodes, `sum_i dense[i][m-1] g_i(t)` is 1 / density(t) for m = n and 0 for any other m.
    """
    worst = 0.0
    for tree, weights in stage_weights(a, order, one=1.0).items():
        for power in range(1, len(dense[0]) + 1):
            terms = [row[power - 1] * weight for row, weight in zip(dense, weights, strict=True)]
            target = 1 / density(tree) if power == node_count(tree) else 0.0
            worst = max(worst, relative(sum(terms) - target, terms))
    return worst


def relative(residual: float, terms: Iterable[float]) -> float:
    """Return a residual over the absolute sum of the terms it is left of, or over 1 where that is less."""
    return abs(residual) / max(1.0, sum(abs(term) for term in terms))
