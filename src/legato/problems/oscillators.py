"""Oscillators and other small nonlinear systems, from Van der Pol to Lorenz.

The Van der Pol oscillator `y'' = mu (1 - y^2) y' - y` is smooth for mu = 1 and stiff for mu = 1000; in the scaled form
`y'' = ((1 - y^2) y' - y) / epsilon` with epsilon = 1e-6 the same orbit is run through in a thousandth of the time.
"""

from __future__ import annotations

from torch import Tensor

from .components import Parameters, join, split, split_parameters
from .problem import Invariant, Parametric, Problem

__all__ = [
    "OSCILLATORS",
    "brusselator",
    "fitzhugh_nagumo",
    "lorenz",
    "lotka_volterra",
    "spiral",
    "van_der_pol",
    "van_der_pol_scaled",
]


def van_der_pol(t: Tensor, y: Tensor, parameters: Parameters) -> Tensor:
    """Evaluate y1' = y2, y2' = mu (1 - y1^2) y2 - y1."""
    (mu,) = split_parameters(parameters)
    y1, y2 = split(y)
    return join(y2, mu * (1 - y1 * y1) * y2 - y1)


def van_der_pol_scaled(t: Tensor, y: Tensor, *, inverse_epsilon: float = 1e6) -> Tensor:
    """Evaluate y1' = y2, y2' = ((1 - y1^2) y2 - y1) / epsilon."""
    y1, y2 = split(y)
    return join(y2, inverse_epsilon * ((1 - y1 * y1) * y2 - y1))


def lotka_volterra(t: Tensor, y: Tensor, parameters: Parameters) -> Tensor:
    """Evaluate prey' = a prey - b prey predator, predator' = d prey predator - c predator."""
    a, b, c, d = split_parameters(parameters)
    prey, predator = split(y)
    met = prey * predator
    return join(a * prey - b * met, d * met - c * predator)


def _lotka_volterra_invariant(y: Tensor) -> Tensor:
    prey, predator = y.unbind(-1)
    return prey - 3 * prey.log() + predator - 1.5 * predator.log()


def spiral(t: Tensor, y: Tensor, parameters: Parameters) -> Tensor:
    """Evaluate y' = y^3 A, where y is a row and the parameters are A row by row."""
    a11, a12, a21, a22 = split_parameters(parameters)
    cube1, cube2 = split(y * y * y)
    return join(cube1 * a11 + cube2 * a21, cube1 * a12 + cube2 * a22)


def brusselator(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate y1' = 1 + y1^2 y2 - 4 y1, y2' = 3 y1 - y1^2 y2."""
    y1, y2 = split(y)
    made = y1 * y1 * y2
    return join(1 + made - 4 * y1, 3 * y1 - made)


def fitzhugh_nagumo(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate v' = v - v^3/3 - w + 0.5, w' = (v + 0.7 - 0.8 w) / 12.5."""
    v, w = split(y)
    return join(v - v * v * v / 3 - w + 0.5, (v + 0.7 - 0.8 * w) / 12.5)


def lorenz(t: Tensor, y: Tensor, parameters: Parameters) -> Tensor:
    """Evaluate x' = sigma (y - x), y' = x (rho - z) - y, z' = x y - beta z."""
    sigma, rho, beta = split_parameters(parameters)
    x1, x2, x3 = split(y)
    return join(sigma * (x2 - x1), x1 * (rho - x3) - x2, x1 * x2 - beta * x3)


def _van_der_pol(mu: float) -> Parametric:
    return Parametric(law=van_der_pol, names=("mu",), defaults=(mu,))


_LORENZ = Parametric(law=lorenz, names=("sigma", "rho", "beta"), defaults=(10.0, 28.0, 8 / 3))
_LORENZ_EQUATIONS = "x' = 10 (y - x),  y' = x (28 - z) - y,  z' = x y - 8/3 z"
_VAN_DER_POL_SOURCE = "B. van der Pol, On relaxation-oscillations, 1926"
_STIFF_SOURCE = "E. Hairer and G. Wanner, Solving Ordinary Differential Equations II, 1996, section IV.10"

OSCILLATORS: tuple[Problem, ...] = (
    Problem(
        name="van-der-pol",
        title="Van der Pol oscillator, mu = 1",
        field=_van_der_pol(1.0),
        y0=(2.0, 0.0),
        t1=20.0,
        components=("position", "velocity"),
        equations="y1' = y2,  y2' = (1 - y1^2) y2 - y1",
        source=_VAN_DER_POL_SOURCE,
    ),
    Problem(
        name="van-der-pol-5",
        title="Van der Pol oscillator, mu = 5: backward in time it blows up, which defeats the continuous adjoint",
        field=_van_der_pol(5.0),
        y0=(2.0, 0.0),
        t1=20.0,
        components=("position", "velocity"),
        equations="y1' = y2,  y2' = 5 (1 - y1^2) y2 - y1",
        source=_VAN_DER_POL_SOURCE,
    ),
    Problem(
        name="van-der-pol-1000",
        title="Van der Pol oscillator, mu = 1000: stiff",
        field=_van_der_pol(1000.0),
        y0=(2.0, 0.0),
        t1=2000.0,
        components=("position", "velocity"),
        equations="y1' = y2,  y2' = 1000 (1 - y1^2) y2 - y1",
        source=_STIFF_SOURCE,
        stiff=True,
    ),
    Problem(
        name="van-der-pol-epsilon",
        title="Van der Pol oscillator in scaled time, epsilon = 1e-6: stiff",
        field=van_der_pol_scaled,
        y0=(2.0, 0.0),
        t1=11.0,
        components=("position", "velocity"),
        equations="y1' = y2,  y2' = ((1 - y1^2) y2 - y1) / 1e-6",
        source=_STIFF_SOURCE,
        stiff=True,
    ),
    Problem(
        name="lotka-volterra",
        title="Lotka-Volterra: prey and predator",
        field=Parametric(law=lotka_volterra, names=("a", "b", "c", "d"), defaults=(1.5, 1.0, 3.0, 1.0)),
        y0=(1.0, 1.0),
        t1=10.0,
        components=("prey", "predator"),
        equations="x' = 1.5 x - x y,  y' = x y - 3 y",
        source="A. Lotka, Elements of Physical Biology, 1925; V. Volterra, 1926",
        invariants=(Invariant("x - 3 log x + y - 1.5 log y", _lotka_volterra_invariant),),
    ),
    Problem(
        name="spiral",
        title="cubic spiral of the torchdiffeq demonstration",
        field=Parametric(law=spiral, names=("a11", "a12", "a21", "a22"), defaults=(-0.1, 2.0, -2.0, -0.1)),
        y0=(2.0, 0.0),
        t1=25.0,
        components=("y1", "y2"),
        equations="y' = y^3 A,  A = [[-0.1, 2], [-2, -0.1]]",
        source="R. T. Q. Chen and others, Neural Ordinary Differential Equations, 2018",
    ),
    Problem(
        name="brusselator",
        title="Brusselator without diffusion: an autocatalytic oscillator",
        field=brusselator,
        y0=(1.5, 3.0),
        t1=20.0,
        components=("activator", "inhibitor"),
        equations="y1' = 1 + y1^2 y2 - 4 y1,  y2' = 3 y1 - y1^2 y2",
        source="I. Prigogine and R. Lefever, 1968; Hairer, Norsett and Wanner, 1993, section I.16",
    ),
    Problem(
        name="fitzhugh-nagumo",
        title="FitzHugh-Nagumo: a spiking neuron",
        field=fitzhugh_nagumo,
        y0=(1.0, 1.0),
        t1=100.0,
        components=("voltage", "recovery"),
        equations="v' = v - v^3/3 - w + 0.5,  w' = (v + 0.7 - 0.8 w) / 12.5",
        source="R. FitzHugh, Impulses and physiological states in theoretical models of nerve membrane, 1961",
    ),
    Problem(
        name="lorenz",
        title="Lorenz attractor from (-8, 8, 27)",
        field=_LORENZ,
        y0=(-8.0, 8.0, 27.0),
        t1=16.0,
        components=("x", "y", "z"),
        equations=_LORENZ_EQUATIONS,
        source="E. N. Lorenz, Deterministic nonperiodic flow, 1963; Hairer, Norsett and Wanner, 1993, section I.16",
    ),
    Problem(
        name="lorenz-ones",
        title="Lorenz attractor from (1, 1, 1): errors grow about e^(0.9 t)",
        field=_LORENZ,
        y0=(1.0, 1.0, 1.0),
        t1=20.0,
        components=("x", "y", "z"),
        equations=_LORENZ_EQUATIONS,
        source="E. N. Lorenz, Deterministic nonperiodic flow, 1963",
    ),
)
