"""Chemical kinetics: stiff problems whose rates span many decades.

Mass action: a reaction `A + B -> C` with constant k runs at the rate `k [A] [B]`; it removes its reactants and adds its
products at that rate. Sums of species whose atoms neither enter nor leave are conserved.

Two problems of the literature are called E5. `e5` is the stiff one, of Enright, Hull and Lindberg, here; `detest-e5` is
the pursuit curve of the non-stiff DETEST.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .components import Parameters, join, numbered, split, split_parameters
from .problem import Invariant, Parametric, Problem, total

__all__ = ["CHEMISTRY", "POLLUTION", "Reaction", "e5", "hires", "oregonator", "pollution", "robertson"]


class Reaction(NamedTuple):
    """Reactants turn into products at the rate `constant * product of reactants`; species are counted from 1."""

    constant: float
    reactants: tuple[int, ...]
    products: tuple[int, ...]


POLLUTION = (
    Reaction(0.35, (1,), (2, 3)),
    Reaction(26.6, (2, 4), (1,)),
    Reaction(12300.0, (2, 5), (1, 6)),
    Reaction(0.00086, (7,), (5, 5, 8)),
    Reaction(0.00082, (7,), (8,)),
    Reaction(15000.0, (6, 7), (5, 8)),
    Reaction(0.00013, (9,), (5, 8, 10)),
    Reaction(24000.0, (6, 9), (11,)),
    Reaction(16500.0, (2, 11), (1, 10, 12)),
    Reaction(9000.0, (1, 11), (13,)),
    Reaction(0.022, (13,), (1, 11)),
    Reaction(12000.0, (2, 10), (1, 14)),
    Reaction(1.88, (14,), (5, 7)),
    Reaction(16300.0, (1, 6), (15,)),
    Reaction(4.8e6, (3,), (4,)),
    Reaction(0.00035, (4,), (16,)),
    Reaction(0.0175, (4,), (3,)),
    Reaction(1e8, (16,), (6, 6)),
    Reaction(4.44e11, (16,), (3,)),
    Reaction(1240.0, (6, 17), (5, 18)),
    Reaction(2.1, (19,), (2,)),
    Reaction(5.78, (19,), (1, 3)),
    Reaction(0.0474, (1, 4), (19,)),
    Reaction(1780.0, (1, 19), (20,)),
    Reaction(3.12, (20,), (1, 19)),
)


def pollution(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate the mass action of `POLLUTION`: 20 species of polluted air in 25 reactions."""
    species = split(y)
    change = [torch.zeros_like(species[0])] * len(species)
    for reaction in POLLUTION:
        rate = reaction.constant * species[reaction.reactants[0] - 1]
        for other in reaction.reactants[1:]:
            rate = rate * species[other - 1]
        for reactant in reaction.reactants:
            change[reactant - 1] = change[reactant - 1] - rate
        for product in reaction.products:
            change[product - 1] = change[product - 1] + rate
    return join(*change)


def _nitrogen(y: Tensor) -> Tensor:
    return y[..., [0, 1, 12, 14, 18]].sum(-1) + 2 * y[..., 19]


def _sulphur(y: Tensor) -> Tensor:
    return y[..., 16] + y[..., 17]


def robertson(t: Tensor, y: Tensor, parameters: Parameters) -> Tensor:
    """Evaluate y1' = -p1 y1 + p2 y2 y3, y3' = p3 y2^2, y2' = -y1' - y3'."""
    slow, fast, fastest = split_parameters(parameters)
    y1, y2, y3 = split(y)
    leaves, returns, ends = slow * y1, fast * y2 * y3, fastest * y2 * y2
    return join(returns - leaves, leaves - returns - ends, ends)


def oregonator(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate the Belousov-Zhabotinskii reaction in its three-species form."""
    y1, y2, y3 = split(y)
    return join(
        77.27 * (y2 + y1 * (1 - 8.375e-6 * y1 - y2)),
        (y3 - (1 + y1) * y2) / 77.27,
        0.161 * (y1 - y3),
    )


def hires(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate the high irradiance response of a plant: eight species."""
    y1, y2, y3, y4, y5, y6, y7, y8 = split(y)
    bound = 280 * y6 * y8
    last = bound - 1.81 * y7
    return join(
        -1.71 * y1 + 0.43 * y2 + 8.32 * y3 + 0.0007,
        1.71 * y1 - 8.75 * y2,
        -10.03 * y3 + 0.43 * y4 + 0.035 * y5,
        8.32 * y2 + 1.71 * y3 - 1.12 * y4,
        -1.745 * y5 + 0.43 * y6 + 0.43 * y7,
        -bound + 0.69 * y4 + 1.71 * y5 - 0.43 * y6 + 0.69 * y7,
        last,
        -last,
    )


def e5(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate four species whose constants span 19 decades; y3' is y2' - y4', so that y2 - y3 - y4 stays."""
    y1, y2, y3, y4 = split(y)
    decays, meets, binds, leaves = 7.89e-10 * y1, 1.1e7 * y1 * y3, 1.13e9 * y2 * y3, 1.13e3 * y4
    rate2, rate4 = decays - binds, meets - leaves
    return join(-decays - meets, rate2, rate2 - rate4, rate4)


def _hires_invariant(y: Tensor) -> Tensor:
    return y[..., 6] + y[..., 7]


def _e5_invariant(y: Tensor) -> Tensor:
    return y[..., 1] - y[..., 2] - y[..., 3]


_POLLUTION_START = {2: 0.2, 4: 0.04, 7: 0.1, 8: 0.3, 9: 0.01, 17: 0.007}
_BARI = "F. Mazzia and C. Magherini, Test Set for Initial Value Problem Solvers, 2008"

CHEMISTRY: tuple[Problem, ...] = (
    Problem(
        name="robertson",
        title="Robertson: three species, rates from 0.04 to 3e7, eleven decades of time; stiff",
        field=Parametric(law=robertson, names=("p1", "p2", "p3"), defaults=(0.04, 1e4, 3e7)),
        y0=(1.0, 0.0, 0.0),
        t1=1e11,
        components=numbered(3),
        equations="y1' = -0.04 y1 + 1e4 y2 y3,  y2' = 0.04 y1 - 1e4 y2 y3 - 3e7 y2^2,  y3' = 3e7 y2^2",
        source="H. H. Robertson, The solution of a set of reaction rate equations, 1966",
        invariants=(Invariant("y1 + y2 + y3", total),),
        stiff=True,
        atol=1e-14,
    ),
    Problem(
        name="oregonator",
        title="Oregonator: the Belousov-Zhabotinskii reaction; stiff",
        field=oregonator,
        y0=(1.0, 2.0, 3.0),
        t1=360.0,
        components=numbered(3),
        equations="y1' = 77.27 (y2 + y1 (1 - 8.375e-6 y1 - y2)),  y2' = (y3 - (1 + y1) y2)/77.27,  "
        "y3' = 0.161 (y1 - y3)",
        source="R. J. Field and R. M. Noyes, Oscillations in chemical systems IV, 1974; " + _BARI,
        stiff=True,
    ),
    Problem(
        name="hires",
        title="HIRES: light response of a plant, eight species; stiff",
        field=hires,
        y0=(1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0057),
        t1=421.8122,
        components=numbered(8),
        equations="y1' = -1.71 y1 + 0.43 y2 + 8.32 y3 + 0.0007,  y2' = 1.71 y1 - 8.75 y2,  "
        "y3' = -10.03 y3 + 0.43 y4 + 0.035 y5,  y4' = 8.32 y2 + 1.71 y3 - 1.12 y4,  "
        "y5' = -1.745 y5 + 0.43 y6 + 0.43 y7,  y6' = -280 y6 y8 + 0.69 y4 + 1.71 y5 - 0.43 y6 + 0.69 y7,  "
        "y7' = 280 y6 y8 - 1.81 y7,  y8' = -y7'",
        source="E. Schaefer, A new approach to explain the high irradiance responses of photomorphogenesis, 1975; "
        + _BARI,
        invariants=(Invariant("y7 + y8", _hires_invariant),),
        stiff=True,
        atol=1e-10,
    ),
    Problem(
        name="e5",
        title="E5 of the stiff test set: components down to 1e-23, beyond double precision late (not detest-e5)",
        field=e5,
        y0=(1.76e-3, 0.0, 0.0, 0.0),
        t1=1e13,
        components=numbered(4),
        equations="y1' = -A y1 - B y1 y3,  y2' = A y1 - M C y2 y3,  y4' = B y1 y3 - C y4,  y3' = y2' - y4',  "
        "A = 7.89e-10,  B = 1.1e7,  M C = 1.13e9,  C = 1.13e3",
        source="W. H. Enright, T. E. Hull and B. Lindberg, Comparing numerical methods for stiff systems of ODEs, 1975",
        invariants=(Invariant("y2 - y3 - y4", _e5_invariant),),
        stiff=True,
        atol=1e-24,
    ),
    Problem(
        name="pollution",
        title="pollution of the air: 20 species, 25 reactions; stiff",
        field=pollution,
        y0=tuple(_POLLUTION_START.get(index + 1, 0.0) for index in range(20)),
        t1=60.0,
        components=numbered(20),
        equations="mass action of 25 reactions (the table POLLUTION)",
        source="J. G. Verwer, Gauss-Seidel iteration for stiff ODEs from chemical kinetics, 1994; " + _BARI,
        invariants=(
            Invariant("nitrogen: y1 + y2 + y13 + y15 + y19 + 2 y20", _nitrogen),
            Invariant("sulphur: y17 + y18", _sulphur),
        ),
        stiff=True,
        atol=1e-14,
    ),
)
