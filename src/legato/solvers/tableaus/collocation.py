r"""Collocation methods: Gauss-Legendre and Radau IIA.

With nodes :math:`c_i` and the Lagrange polynomials :math:`\ell_j` over them,

.. math:: a_{ij} = \int_0^{c_i} \ell_j(x)\,dx, \qquad b_j = \int_0^1 \ell_j(x)\,dx .

The error estimate compares the slope where the step begins with the polynomial through the others,
:math:`\gamma\,(f_0 - \sum_j \ell_j(0)\, k_j)`, filtered with the same :math:`\gamma`, as in Hairer's RADAU5. The
interpolant integrates the polynomial through the slopes. For the Gauss methods those at both ends are among them:
their quadrature is exact for it, so it ends in :math:`y_1`. For the Radau methods, which are for stiff problems, it is
that of the stages alone, since the slope where a step begins holds the errors of stiff components, magnified.

References: J. Kuntzmann, Neuere Entwicklungen der Methode von Runge und Kutta, 1961; J. C. Butcher, Implicit
Runge-Kutta processes, 1964; E. Hairer, G. Wanner, Stiff differential equations solved by Radau methods, 1999.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from ..implicit_tableau import ImplicitTableau
from .roots import root

__all__ = ["GAUSS4", "GAUSS6", "RADAU_IIA3", "RADAU_IIA5", "collocation"]

Polynomial = list[Fraction]


def collocation(
    nodes: Sequence[Fraction], *, order: int, dense_order: int, damping: Fraction, name: str, source: str
) -> ImplicitTableau:
    """Return the collocation method of the nodes.

    Arguments:
        nodes: the nodes, rising, in (0, 1].
        order, dense_order, name, source: as in `ImplicitTableau`.
        damping: the coefficient of the error's filter.
    """
    basis = [_lagrange(nodes, place) for place in range(len(nodes))]
    inner = [[_integral(polynomial, node) for polynomial in basis] for node in nodes]
    a = [[Fraction(0)] * (len(nodes) + 1), *([Fraction(0), *row] for row in inner)]
    b = [Fraction(0), *(_integral(polynomial, Fraction(1)) for polynomial in basis)]
    if nodes[-1] == 1:
        slopes = [[Fraction(0)] * len(nodes), *basis]
    else:
        ends = [Fraction(0), *nodes, Fraction(1)]
        slopes = [_lagrange(ends, place) for place in range(len(ends))]
    return ImplicitTableau.from_lists(
        a,
        b,
        order=order,
        name=name,
        error=[damping, *(-damping * polynomial[0] for polynomial in basis)],
        error_order=len(nodes),
        damping=damping,
        dense=[[entry / (power + 1) for power, entry in enumerate(polynomial)] for polynomial in slopes],
        dense_order=dense_order,
        source=source,
    )


def _lagrange(nodes: Sequence[Fraction], place: int) -> Polynomial:
    """Return the polynomial that is 1 on one of the nodes and 0 on the others, from the constant term up."""
    value: Polynomial = [Fraction(1)]
    for other, node in enumerate(nodes):
        if other != place:
            width = nodes[place] - node
            shifted, scaled = [Fraction(0), *value], [*(entry * -node for entry in value), Fraction(0)]
            value = [(left + right) / width for left, right in zip(shifted, scaled, strict=True)]
    return value


def _integral(polynomial: Polynomial, end: Fraction) -> Fraction:
    """Return the integral from 0."""
    return sum((entry / (power + 1) * end ** (power + 1) for power, entry in enumerate(polynomial)), start=Fraction(0))


_HALF = Fraction(1, 2)
_SPREAD = root(15) / 10
_NEAR, _FAR = (4 - root(6)) / 10, (4 + root(6)) / 10

GAUSS4 = collocation(
    [_HALF - root(3) / 6, _HALF + root(3) / 6],
    order=4,
    dense_order=3,
    damping=root(12) / 12,  # the modulus of the eigenvalues of a
    name="GaussLegendre4",
    source="P. C. Hammer, J. W. Hollingsworth, Trapezoidal methods of approximating solutions, 1955",
)

GAUSS6 = collocation(
    [_HALF - _SPREAD, _HALF, _HALF + _SPREAD],
    order=6,
    dense_order=4,
    damping=Fraction("0.215314423116112178"),  # the real eigenvalue of a
    name="GaussLegendre6",
    source="J. Kuntzmann, Neuere Entwicklungen der Methode von Runge und Kutta, 1961",
)

RADAU_IIA3 = collocation(
    [Fraction(1, 3), Fraction(1)],
    order=3,
    dense_order=2,
    damping=root(6) / 6,  # the modulus of the eigenvalues of a
    name="RadauIIA3",
    source="B. L. Ehle, On Pade approximations to the exponential function and A-stable methods, 1969",
)

RADAU_IIA5 = collocation(
    [_NEAR, _FAR, Fraction(1)],
    order=5,
    dense_order=3,
    damping=Fraction("0.274888829595676583"),  # the real eigenvalue of a
    name="RadauIIA5",
    source="B. L. Ehle, On Pade approximations to the exponential function and A-stable methods, 1969; E. Hairer, "
    "G. Wanner, Stiff differential equations solved by Radau methods, 1999",
)
