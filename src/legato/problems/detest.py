"""DETEST: the non-stiff test set; here its classes A (scalar), B (small systems) and E (second order).

Each runs from t = 0 to 20. C1 to C4, which are linear, stand in `detest_linear`; C5 and D, orbits, in `celestial`.
`detest-e5`, a pursuit curve, and `e5`, a stiff reaction, are different problems.

References:
    T. E. Hull, W. H. Enright, B. M. Fellen and A. E. Sedgwick, Comparing numerical methods for ordinary differential
    equations, 1972.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .analytic import cosine, cosine_exact
from .celestial import DETEST_ORBITS
from .components import join, numbered, split
from .detest_linear import DETEST_LINEAR, SOURCE
from .problem import Invariant, Problem, total

__all__ = ["DETEST", "a1", "a2", "a4", "a5", "b1", "b2", "b3", "b4", "b5", "e1", "e2", "e3", "e4", "e5"]


def a1(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate y' = -y."""
    return -y


def _a1_exact(t: Tensor) -> Tensor:
    return (-t).exp().unsqueeze(-1)


def a2(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate y' = -y^3 / 2."""
    return -y * y * y / 2


def _a2_exact(t: Tensor) -> Tensor:
    return (1 + t).rsqrt().unsqueeze(-1)


def a4(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate y' = y/4 (1 - y/20)."""
    return y / 4 * (1 - y / 20)


def _a4_exact(t: Tensor) -> Tensor:
    return (20 / (1 + 19 * (-t / 4).exp())).unsqueeze(-1)


def a5(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate y' = (y - t) / (y + t)."""
    return (y - t) / (y + t)


def b1(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate y1' = 2 (y1 - y1 y2), y2' = -(y2 - y1 y2)."""
    y1, y2 = split(y)
    met = y1 * y2
    return join(2 * (y1 - met), met - y2)


def _b1_invariant(y: Tensor) -> Tensor:
    y1, y2 = y.unbind(-1)
    return y1 - y1.log() + 2 * (y2 - y2.log())


def b2(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate y1' = -y1 + y2, y2' = y1 - 2 y2 + y3, y3' = y2 - y3."""
    y1, y2, y3 = split(y)
    return join(y2 - y1, y1 - 2 * y2 + y3, y2 - y3)


def _b2_exact(t: Tensor) -> Tensor:
    slow, fast = (-t).exp() / 2, (-3 * t).exp() / 2
    return torch.stack((1 + slow + fast, 1 - 2 * fast, 1 - slow + fast), dim=-1)


def b3(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate y1' = -y1, y2' = y1 - y2^2, y3' = y2^2."""
    y1, y2, _ = split(y)
    return join(-y1, y1 - y2 * y2, y2 * y2)


def b4(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate y1' = -y2 - y1 y3/r, y2' = y1 - y2 y3/r, y3' = y1/r with r^2 = y1^2 + y2^2."""
    y1, y2, y3 = split(y)
    r = (y1 * y1 + y2 * y2).sqrt()
    return join(-y2 - y1 * y3 / r, y1 - y2 * y3 / r, y1 / r)


def _b4_exact(t: Tensor) -> Tensor:
    r = 2 + t.cos()
    return torch.stack((r * t.cos(), r * t.sin(), t.sin()), dim=-1)


def b5(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate y1' = y2 y3, y2' = -y1 y3, y3' = -0.51 y1 y2."""
    y1, y2, y3 = split(y)
    return join(y2 * y3, -y1 * y3, -0.51 * y1 * y2)


def e1(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate Bessel's equation of order 1/2 in s = t + 1: y'' = -(y'/s + (1 - 1/(4 s^2)) y)."""
    y1, y2 = split(y)
    s = t + 1
    return join(y2, -(y2 / s + (1 - 0.25 / (s * s)) * y1))


def _e1_exact(t: Tensor) -> Tensor:
    s = t + 1
    scale = (2 / (math.pi * s)).sqrt()
    return torch.stack((scale * s.sin(), scale * (s.cos() - s.sin() / (2 * s))), dim=-1)


def e2(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate y'' = (1 - y^2) y' - y."""
    y1, y2 = split(y)
    return join(y2, (1 - y1 * y1) * y2 - y1)


def e3(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate y'' = y^3/6 - y + 2 sin(2.78535 t)."""
    y1, y2 = split(y)
    return join(y2, y1 * y1 * y1 / 6 - y1 + 2 * (2.78535 * t).sin())


def e4(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate y'' = 0.032 - 0.4 y'^2."""
    _, y2 = split(y)
    return join(y2, 0.032 - 0.4 * y2 * y2)


def _e4_exact(t: Tensor) -> Tensor:
    limit = math.sqrt(0.08)
    phase = 0.4 * limit * t
    return torch.stack((30 + phase.cosh().log() / 0.4, limit * phase.tanh()), dim=-1)


def e5(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate y'' = sqrt(1 + y'^2) / (25 - t)."""
    _, y2 = split(y)
    return join(y2, (1 + y2 * y2).sqrt() / (25 - t))


def _e5_exact(t: Tensor) -> Tensor:
    left = 1 - t / 25
    position = 12.5 * (-left.log() - (1 - left * left) / 2)
    return torch.stack((position, (1 / left - left) / 2), dim=-1)


def _circle(y: Tensor) -> Tensor:
    return y[..., 0].square() + y[..., 1].square()


def _ellipse(y: Tensor) -> Tensor:
    return 0.51 * y[..., 0].square() + y[..., 2].square()


def _problem(
    number: str,
    title: str,
    field: Callable[..., Tensor],
    *,
    y0: tuple[float, ...],
    equations: str,
    exact: Callable[[Tensor], Tensor] | None = None,
    invariants: tuple[Invariant, ...] = (),
) -> Problem:
    return Problem(
        name=f"detest-{number.lower()}",
        title=f"DETEST {number}: {title}",
        field=field,
        y0=y0,
        t1=20.0,
        components=numbered(len(y0)),
        equations=equations,
        source=SOURCE,
        exact=exact,
        invariants=invariants,
    )


_TOTAL = Invariant("y1 + y2 + y3", total)
_BESSEL = (0.6713967071418030, 0.09540051444747446)

_A_AND_B = (
    _problem("A1", "exponential decay", a1, y0=(1.0,), equations="y' = -y", exact=_a1_exact),
    _problem("A2", "a special Riccati equation", a2, y0=(1.0,), equations="y' = -y^3/2", exact=_a2_exact),
    _problem("A3", "an oscillating rate", cosine, y0=(1.0,), equations="y' = y cos t", exact=cosine_exact),
    _problem("A4", "a logistic curve", a4, y0=(1.0,), equations="y' = y/4 (1 - y/20)", exact=_a4_exact),
    _problem("A5", "a spiral curve", a5, y0=(4.0,), equations="y' = (y - t)/(y + t)"),
    _problem(
        "B1",
        "two conflicting populations",
        b1,
        y0=(1.0, 3.0),
        equations="y1' = 2 (y1 - y1 y2),  y2' = -(y2 - y1 y2)",
        invariants=(Invariant("y1 - log y1 + 2 (y2 - log y2)", _b1_invariant),),
    ),
    _problem(
        "B2",
        "a linear chemical reaction",
        b2,
        y0=(2.0, 0.0, 1.0),
        equations="y1' = -y1 + y2,  y2' = y1 - 2 y2 + y3,  y3' = y2 - y3",
        exact=_b2_exact,
        invariants=(_TOTAL,),
    ),
    _problem(
        "B3",
        "a nonlinear chemical reaction",
        b3,
        y0=(1.0, 0.0, 0.0),
        equations="y1' = -y1,  y2' = y1 - y2^2,  y3' = y2^2",
        invariants=(_TOTAL,),
    ),
    _problem(
        "B4",
        "a curve on a torus",
        b4,
        y0=(3.0, 0.0, 0.0),
        equations="y1' = -y2 - y1 y3/r,  y2' = y1 - y2 y3/r,  y3' = y1/r,  r^2 = y1^2 + y2^2",
        exact=_b4_exact,
    ),
    _problem(
        "B5",
        "Euler's equations of a rigid body",
        b5,
        y0=(0.0, 1.0, 1.0),
        equations="y1' = y2 y3,  y2' = -y1 y3,  y3' = -0.51 y1 y2",
        invariants=(Invariant("y1^2 + y2^2", _circle), Invariant("0.51 y1^2 + y3^2", _ellipse)),
    ),
)
_E = (
    _problem(
        "E1",
        "Bessel's equation of order 1/2",
        e1,
        y0=_BESSEL,
        equations="y'' = -(y'/(t + 1) + (1 - 1/(4 (t + 1)^2)) y)",
        exact=_e1_exact,
    ),
    _problem("E2", "Van der Pol's equation", e2, y0=(2.0, 0.0), equations="y'' = (1 - y^2) y' - y"),
    _problem("E3", "Duffing's equation", e3, y0=(0.0, 0.0), equations="y'' = y^3/6 - y + 2 sin(2.78535 t)"),
    _problem("E4", "a falling body", e4, y0=(30.0, 0.0), equations="y'' = 0.032 - 0.4 y'^2", exact=_e4_exact),
    _problem(
        "E5",
        "a linear pursuit (not e5, the stiff reaction)",
        e5,
        y0=(0.0, 0.0),
        equations="y'' = sqrt(1 + y'^2)/(25 - t)",
        exact=_e5_exact,
    ),
)

DETEST: tuple[Problem, ...] = (*_A_AND_B, *DETEST_LINEAR, *DETEST_ORBITS, *_E)
