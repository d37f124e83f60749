"""Mechanics: springs, pendulums, a spinning body, a star's motion in a galaxy.

Conserved quantities are stated where there are any; the damped and the driven pendulum have none.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .components import Parameters, join, split, split_parameters
from .problem import Invariant, Parametric, Problem

__all__ = ["MECHANICS", "harmonic_oscillator", "henon_heiles", "pendulum", "pendulum_forced", "rigid_body"]


def harmonic_oscillator(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate x' = v, v' = -x."""
    x, v = split(y)
    return join(v, -x)


def _harmonic_exact(t: Tensor) -> Tensor:
    return torch.stack((t.cos(), -t.sin()), dim=-1)


def _harmonic_energy(y: Tensor) -> Tensor:
    return (y * y).sum(-1) / 2


def pendulum(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate angle' = speed, speed' = -sin angle - 0.1 speed."""
    angle, speed = split(y)
    return join(speed, -angle.sin() - 0.1 * speed)


def pendulum_forced(t: Tensor, y: Tensor, parameters: Parameters) -> Tensor:
    """Evaluate angle' = speed, speed' = p3 sin t - p1 sin angle - p2 speed."""
    gravity, damping, drive = split_parameters(parameters)
    angle, speed = split(y)
    return join(speed, drive * t.sin() - gravity * angle.sin() - damping * speed)


def rigid_body(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate Euler's equations of a body without torque."""
    y1, y2, y3 = split(y)
    return join(-2 * y2 * y3, 1.25 * y1 * y3, -0.5 * y1 * y2)


def _rigid_energy(y: Tensor) -> Tensor:
    return y[..., 0].square() / 2 + y[..., 1].square() / 1.25


def _rigid_momentum(y: Tensor) -> Tensor:
    return y[..., 1].square() / 1.25 + 2 * y[..., 2].square()


def henon_heiles(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate x'' = -x - 2 x y, y'' = -y - x^2 + y^2."""
    x, y_, vx, vy = split(y)
    return join(vx, vy, -x - 2 * x * y_, -y_ - (x * x - y_ * y_))


def _henon_heiles_energy(y: Tensor) -> Tensor:
    x, y_, vx, vy = y.unbind(-1)
    return (vx * vx + vy * vy + x * x + y_ * y_) / 2 + x * x * y_ - y_**3 / 3


MECHANICS: tuple[Problem, ...] = (
    Problem(
        name="harmonic-oscillator",
        title="harmonic oscillator: a circle",
        field=harmonic_oscillator,
        y0=(1.0, 0.0),
        t1=10.0,
        components=("position", "velocity"),
        equations="x' = v,  v' = -x",
        source="R. Hooke, Lectures de Potentia Restitutiva, 1678",
        exact=_harmonic_exact,
        invariants=(Invariant("(x^2 + v^2)/2", _harmonic_energy),),
    ),
    Problem(
        name="pendulum",
        title="damped pendulum from 2 rad",
        field=pendulum,
        y0=(2.0, 0.0),
        t1=10.0,
        components=("angle", "speed"),
        equations="a' = s,  s' = -sin a - 0.1 s",
        source="S. H. Strogatz, Nonlinear Dynamics and Chaos, 1994, section 8.5",
    ),
    Problem(
        name="pendulum-forced",
        title="damped pendulum driven by sin t: non-autonomous, with sensitivities",
        field=Parametric(law=pendulum_forced, names=("gravity", "damping", "drive"), defaults=(1.0, 0.1, 0.5)),
        y0=(1.0, 0.0),
        t1=10.0,
        components=("angle", "speed"),
        equations="a' = s,  s' = 0.5 sin t - sin a - 0.1 s",
        source="S. H. Strogatz, Nonlinear Dynamics and Chaos, 1994, section 8.5",
    ),
    Problem(
        name="rigid-body",
        title="free rigid body: Euler's equations",
        field=rigid_body,
        y0=(1.0, 0.0, 0.9),
        t1=20.0,
        components=("y1", "y2", "y3"),
        equations="y1' = -2 y2 y3,  y2' = 1.25 y1 y3,  y3' = -0.5 y1 y2",
        source="L. Euler, 1758; Hairer, Lubich and Wanner, Geometric Numerical Integration, 2006, section VII.5",
        invariants=(
            Invariant("y1^2/2 + y2^2/1.25", _rigid_energy),
            Invariant("y2^2/1.25 + 2 y3^2", _rigid_momentum),
        ),
    ),
    Problem(
        name="henon-heiles",
        title="Henon-Heiles: a star in a galaxy, close to chaos",
        field=henon_heiles,
        y0=(0.0, -0.25, 0.42081, 0.0),
        t1=100.0,
        components=("x", "y", "vx", "vy"),
        equations="x'' = -x - 2 x y,  y'' = -y - x^2 + y^2",
        source="M. Henon and C. Heiles, The applicability of the third integral of motion, 1964",
        invariants=(Invariant("energy", _henon_heiles_energy),),
    ),
)
