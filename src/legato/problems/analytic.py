"""Problems with exact solutions, used by other libraries' tests and by convergence tests.

Orders measured on autonomous or linear problems alone hide wrong abscissae, so several of these are non-autonomous and
nonlinear. The stiff ones have smooth solutions: Prothero and Robinson's

    y' = lambda (y - phi(t)) + phi'(t),      y(0) = phi(0),      y = phi

shows the order that remains on stiff problems.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .components import join, split
from .problem import Problem

__all__ = [
    "ANALYTIC",
    "cosine",
    "cosine_exact",
    "kpr",
    "nonautonomous_linear",
    "prothero_robinson",
    "scipy_rational",
    "sine",
    "sundials_interpolation",
    "torchdiffeq_sine",
]


def cosine(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate y' = cos(t) y."""
    return t.cos() * y


def cosine_exact(t: Tensor) -> Tensor:
    """Return y = exp(sin t)."""
    return t.sin().exp().unsqueeze(-1)


def sine(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate y' = sin y."""
    return y.sin()


def _sine_exact(t: Tensor) -> Tensor:
    # 2 arccot(x) = 2 atan2(1, x)
    slope = (-t).exp() / math.tan(0.5)
    return (2 * torch.atan2(torch.ones_like(t), slope)).unsqueeze(-1)


def nonautonomous_linear(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate x' = t x + y, y' = t y."""
    y1, y2 = split(y)
    return join(t * y1 + y2, t * y2)


def _nonautonomous_linear_exact(t: Tensor) -> Tensor:
    growth = (t * t / 2).exp()
    return torch.stack((growth * (1.1 + 2.2 * t), growth * 2.2), dim=-1)


def scipy_rational(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate y1' = y2 / t, y2' = y2 (y1 + 2 y2 - 1) / (t (y1 - 1))."""
    y1, y2 = split(y)
    return join(y2 / t, y2 * (y1 + 2 * y2 - 1) / (t * (y1 - 1)))


def _scipy_rational_exact(t: Tensor) -> Tensor:
    return torch.stack((t / (t + 10), 10 * t / (t + 10) ** 2), dim=-1)


def torchdiffeq_sine(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate y' = 2 y / t + t^4 sin 2t - t^2 + 4 t^3."""
    return 2 * y / t + t**4 * (2 * t).sin() - t**2 + 4 * t**3


def _torchdiffeq_sine_exact(t: Tensor) -> Tensor:
    cosine, sine = (2 * t).cos(), (2 * t).sin()
    value = -(t**4) * cosine / 2 + t**3 * sine / 2 + t**2 * cosine / 4 - t**3 + 2 * t**4 + (math.pi - 0.25) * t**2
    return value.unsqueeze(-1)


def prothero_robinson(t: Tensor, y: Tensor, *, rate: float = -1e4) -> Tensor:
    """Evaluate y' = rate (y - cos t) - sin t."""
    return rate * (y - t.cos()) - t.sin()


def _prothero_robinson_exact(t: Tensor) -> Tensor:
    return t.cos().unsqueeze(-1)


_FREQUENCY = 5.0


def _slow(t: Tensor) -> tuple[Tensor, Tensor]:
    """Return p = cos t and its derivative."""
    return t.cos(), -t.sin()


def _fast(t: Tensor) -> tuple[Tensor, Tensor]:
    """Return q = cos(w t (1 + exp(-(t - 2)^2))) and its derivative."""
    bump = (-((t - 2) ** 2)).exp()
    phase = _FREQUENCY * t * (1 + bump)
    speed = _FREQUENCY * (1 + bump - 2 * t * (t - 2) * bump)
    return phase.cos(), -speed * phase.sin()


def kpr(t: Tensor, y: Tensor, *, rate: float = -10.0, coupling: float = 0.1) -> Tensor:
    """Evaluate [u, v]' = [[G, e], [e, -1]] [(u^2 - p - 2)/(2u), (v^2 - q - 2)/(2v)] + [p'/(2u), q'/(2v)]."""
    u, v = split(y)
    (p, p_rate), (q, q_rate) = _slow(t), _fast(t)
    first, second = (u * u - p - 2) / (2 * u), (v * v - q - 2) / (2 * v)
    return join(
        rate * first + coupling * second + p_rate / (2 * u),
        coupling * first - second + q_rate / (2 * v),
    )


def _kpr_exact(t: Tensor) -> Tensor:
    return torch.stack((2 + _slow(t)[0], 2 + _fast(t)[0]), dim=-1).sqrt()


def sundials_interpolation(t: Tensor, y: Tensor, *, rate: float = -10.0) -> Tensor:
    """Evaluate y' = rate (y - sin 2t) + z - cos 3t + 2 cos 2t, z' = y - z - sin 2t + cos 3t - 3 sin 3t."""
    y1, z = split(y)
    gap_y, gap_z = y1 - (2 * t).sin(), z - (3 * t).cos()
    return join(rate * gap_y + gap_z + 2 * (2 * t).cos(), gap_y - gap_z - 3 * (3 * t).sin())


def _sundials_interpolation_exact(t: Tensor) -> Tensor:
    return torch.stack(((2 * t).sin(), (3 * t).cos()), dim=-1)


ANALYTIC: tuple[Problem, ...] = (
    Problem(
        name="cosine",
        title="linear growth at a periodic rate (the equation of detest-a3, over a short interval)",
        field=cosine,
        y0=(1.0,),
        t1=2.0,
        components=("y",),
        equations="y' = cos(t) y;  y = exp(sin t)",
        source="convergence tests; Hull and others, 1972",
        exact=cosine_exact,
    ),
    Problem(
        name="sine",
        title="nonlinear and autonomous, from an unstable rest to a stable one",
        field=sine,
        y0=(1.0,),
        t1=10.0,
        components=("y",),
        equations="y' = sin y;  y = 2 arccot(exp(-t) cot(1/2))",
        source="convergence tests of SciML's DiffEqDevTools",
        exact=_sine_exact,
    ),
    Problem(
        name="nonautonomous-linear",
        title="linear system with rates that grow with time",
        field=nonautonomous_linear,
        y0=(1.1, 2.2),
        t1=1.0,
        components=("x", "y"),
        equations="x' = t x + y,  y' = t y;  (x, y) = exp(t^2/2) (x0 + t y0, y0)",
        source="convergence tests of SciML's DiffEqDevTools",
        exact=_nonautonomous_linear_exact,
    ),
    Problem(
        name="scipy-rational",
        title="the rational problem of SciPy's tests",
        field=scipy_rational,
        y0=(1 / 3, 2 / 9),
        t0=5.0,
        t1=9.0,
        components=("y1", "y2"),
        equations="y1' = y2/t,  y2' = y2 (y1 + 2 y2 - 1)/(t (y1 - 1));  y1 = t/(t + 10),  y2 = 10 t/(t + 10)^2",
        source="SciPy's tests of solve_ivp",
        exact=_scipy_rational_exact,
    ),
    Problem(
        name="torchdiffeq-sine",
        title="the sine problem of torchdiffeq's tests",
        field=torchdiffeq_sine,
        y0=(2 + math.pi - 0.25 - 1 - 0.25 * math.cos(2) + 0.5 * math.sin(2),),
        t0=1.0,
        t1=8.0,
        components=("y",),
        equations="y' = 2y/t + t^4 sin 2t - t^2 + 4t^3;  "
        "y = -t^4 cos(2t)/2 + t^3 sin(2t)/2 + t^2 cos(2t)/4 - t^3 + 2t^4 + (pi - 1/4) t^2",
        source="torchdiffeq's tests",
        exact=_torchdiffeq_sine_exact,
    ),
    Problem(
        name="prothero-robinson",
        title="Prothero-Robinson, lambda = -1e4: stiff with a smooth solution",
        field=prothero_robinson,
        y0=(1.0,),
        t1=10.0,
        components=("y",),
        equations="y' = -1e4 (y - cos t) - sin t;  y = cos t",
        source="A. Prothero and A. Robinson, On the stability and accuracy of one-step methods, 1974",
        exact=_prothero_robinson_exact,
        stiff=True,
    ),
    Problem(
        name="kpr",
        title="Kvaerno-Prothero-Robinson: a slow and a fast component, coupled and nonlinear",
        field=kpr,
        y0=(math.sqrt(3), math.sqrt(3)),
        t1=5.0,
        components=("slow", "fast"),
        equations="[u, v]' = [[-10, 0.1], [0.1, -1]] [(u^2 - p - 2)/(2u), (v^2 - q - 2)/(2v)] + [p'/(2u), q'/(2v)],  "
        "p = cos t,  q = cos(5 t (1 + exp(-(t - 2)^2)));  u = sqrt(2 + p),  v = sqrt(2 + q)",
        source="SUNDIALS' tests, after A. Kvaerno and A. Prothero and A. Robinson; w = 5 here",
        exact=_kpr_exact,
    ),
    Problem(
        name="sundials-interpolation",
        title="linear system of SUNDIALS' interpolation tests",
        field=sundials_interpolation,
        y0=(0.0, 1.0),
        t1=10.0,
        components=("y", "z"),
        equations="y' = -10 (y - sin 2t) + z - cos 3t + 2 cos 2t,  z' = y - z - sin 2t + cos 3t - 3 sin 3t;  "
        "(y, z) = (sin 2t, cos 3t)",
        source="SUNDIALS' tests of interpolation; lambda = -10 here",
        exact=_sundials_interpolation_exact,
    ),
)
