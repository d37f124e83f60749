"""Celestial mechanics: Kepler's orbits, the restricted three-body problem, seven stars, the outer planets.

Kepler's problem `q'' = -q / |q|^3` from `q = (1 - e, 0), q' = (0, sqrt((1 + e)/(1 - e)))` has period 2 pi; with the
eccentric anomaly E of Kepler's equation `E - e sin E = t`,

    q = (cos E - e, sqrt(1 - e^2) sin E).

DETEST D1 to D5 are its orbits with e = 0.1 to 0.9. DETEST C5 is the motion of the five outer planets around the Sun.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .components import join, split
from .detest_linear import SOURCE
from .problem import Invariant, Problem

__all__ = [
    "CELESTIAL",
    "DETEST_ORBITS",
    "EARTH",
    "GRAVITY",
    "MOON",
    "PLANETS",
    "SUN",
    "KeplerOrbit",
    "arenstorf",
    "kepler",
    "outer_planets",
    "pleiades",
]

MOON = 0.012277471
EARTH = 1 - MOON
GRAVITY = 2.95912208286
SUN = 1.00000597682
PLANETS = (0.000954786104043, 0.000285583733151, 0.0000437273164546, 0.0000517759138449, 0.00000277777777778)


def kepler(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate q'' = -q / |q|^3 in the plane."""
    x1, x2, v1, v2 = split(y)
    weight = (x1 * x1 + x2 * x2) ** -1.5
    return join(v1, v2, -weight * x1, -weight * x2)


def _kepler_energy(y: Tensor) -> Tensor:
    x1, x2, v1, v2 = y.unbind(-1)
    return (v1 * v1 + v2 * v2) / 2 - (x1 * x1 + x2 * x2) ** -0.5


def _kepler_momentum(y: Tensor) -> Tensor:
    x1, x2, v1, v2 = y.unbind(-1)
    return x1 * v2 - x2 * v1


@dataclass(frozen=True)
class KeplerOrbit:
    """The exact orbit of eccentricity e, as a function of time."""

    eccentricity: float

    def __call__(self, t: Tensor) -> Tensor:
        """Return states of shape (*t.shape, 4) at times t."""
        e = self.eccentricity
        mean = torch.remainder(t, 2 * math.pi)
        anomaly = torch.full_like(mean, math.pi)
        # From pi Newton's method converges for every e < 1; its last step carries the derivative by t.
        for _ in range(30):
            anomaly = anomaly.detach()
            anomaly = anomaly - (anomaly - e * anomaly.sin() - mean) / (1 - e * anomaly.cos())
        cosine, sine, width = anomaly.cos(), anomaly.sin(), math.sqrt(1 - e * e)
        rate = 1 / (1 - e * cosine)
        return torch.stack((cosine - e, width * sine, -rate * sine, rate * width * cosine), dim=-1)


def arenstorf(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate a satellite in the rotating frame of Earth at (-m, 0) and Moon at (1 - m, 0)."""
    x1, x2, v1, v2 = split(y)
    earth = EARTH * ((x1 + MOON) ** 2 + x2 * x2) ** -1.5
    moon = MOON * ((x1 - EARTH) ** 2 + x2 * x2) ** -1.5
    return join(
        v1,
        v2,
        x1 + 2 * v2 - earth * (x1 + MOON) - moon * (x1 - EARTH),
        x2 - 2 * v1 - earth * x2 - moon * x2,
    )


def _jacobi(y: Tensor) -> Tensor:
    x1, x2, v1, v2 = y.unbind(-1)
    earth = EARTH * ((x1 + MOON) ** 2 + x2 * x2) ** -0.5
    moon = MOON * ((x1 - EARTH) ** 2 + x2 * x2) ** -0.5
    return (v1 * v1 + v2 * v2 - x1 * x1 - x2 * x2) / 2 - earth - moon


def pleiades(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate seven stars of masses 1 to 7 in the plane; the state is x1..x7, y1..y7 and their velocities."""
    place, velocity = y[..., :14], y[..., 14:]
    force = _attraction(place.unflatten(-1, (2, 7)), torch.arange(1, 8, dtype=y.dtype, device=y.device))
    return torch.cat((velocity, force.flatten(-2)), dim=-1)


def _attraction(place: Tensor, masses: Tensor) -> Tensor:
    """Return the sum over k != j of masses[k] (q_k - q_j) / |q_k - q_j|^3 for places q of shape (..., axes, bodies)."""
    gap = place.unsqueeze(-2) - place.unsqueeze(-1)
    # The one on the diagonal keeps a body's distance to itself out of the division: its gap is zero anyway.
    distance2 = gap.square().sum(-3) + torch.eye(len(masses), dtype=place.dtype, device=place.device)
    return (gap * (masses * distance2**-1.5).unsqueeze(-3)).sum(-1)


def _stars(y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    place, velocity = y.unflatten(-1, (2, 2, 7)).unbind(-3)
    return place, velocity, torch.arange(1, 8, dtype=y.dtype, device=y.device)


def _pleiades_energy(y: Tensor) -> Tensor:
    place, velocity, masses = _stars(y)
    first, second = torch.triu_indices(7, 7, offset=1)
    distance = (place[..., first] - place[..., second]).square().sum(-2).sqrt()
    return (masses * velocity.square().sum(-2)).sum(-1) / 2 - (masses[first] * masses[second] / distance).sum(-1)


def _pleiades_momentum_x(y: Tensor) -> Tensor:
    _, velocity, masses = _stars(y)
    return (masses * velocity[..., 0, :]).sum(-1)


def _pleiades_momentum_y(y: Tensor) -> Tensor:
    _, velocity, masses = _stars(y)
    return (masses * velocity[..., 1, :]).sum(-1)


def _pleiades_spin(y: Tensor) -> Tensor:
    place, velocity, masses = _stars(y)
    return (masses * (place[..., 0, :] * velocity[..., 1, :] - place[..., 1, :] * velocity[..., 0, :])).sum(-1)


def outer_planets(t: Tensor, y: Tensor) -> Tensor:
    """Evaluate DETEST C5: five planets around the Sun; the state is x1..x5, y1..y5, z1..z5 and their velocities.

    q_j'' = G (-(M + m_j) q_j / |q_j|^3 + sum over k != j of m_k ((q_k - q_j) / |q_k - q_j|^3 - q_k / |q_k|^3))
    """
    place, velocity = y[..., :15].unflatten(-1, (3, 5)), y[..., 15:]
    masses = torch.tensor(PLANETS, dtype=y.dtype, device=y.device)
    sunward = place * place.square().sum(-2, keepdim=True) ** -1.5
    sun = -SUN * sunward - (masses * sunward).sum(-1, keepdim=True)
    return torch.cat((velocity, (GRAVITY * (sun + _attraction(place, masses))).flatten(-2)), dim=-1)


def _axes(bodies: int, axes: str) -> tuple[str, ...]:
    places = [f"{axis}{body + 1}" for axis in axes for body in range(bodies)]
    return tuple(places + [f"v{place}" for place in places])


# Rows: x, y, z; columns: Jupiter, Saturn, Uranus, Neptune, Pluto.
_PLACES = (
    (3.42947415189, 6.64145542550, 11.2630437207, -30.1552268759, -21.1238353380),
    (3.35386959711, 5.97156957878, 14.6952576794, 1.65699966404, 28.4465098142),
    (1.35494901715, 2.18231499728, 6.27960525067, 1.43785752721, 15.3882659679),
)
_VELOCITIES = (
    (-0.557160570446, -0.415570776342, -0.325325669158, -0.0240476254170, -0.176860753121),
    (0.505696783289, 0.365682722812, 0.189706021964, -0.287659532608, -0.216393453025),
    (0.230578543901, 0.169143213293, 0.0877265322780, -0.117219543175, -0.0148647893090),
)
_HAIRER = "E. Hairer, S. P. Norsett and G. Wanner, Solving Ordinary Differential Equations I, 1993, "
_SATELLITE = (
    "x'' = x + 2 y' - M (x + m)/D1 - m (x - M)/D2,  y'' = y - 2 x' - M y/D1 - m y/D2,  m = 0.012277471,  M = 1 - m,  "
    "D1 = ((x + m)^2 + y^2)^(3/2),  D2 = ((x - M)^2 + y^2)^(3/2)"
)


def _orbit(number: int, eccentricity: float) -> Problem:
    e = eccentricity
    return Problem(
        name=f"detest-d{number}",
        title=f"DETEST D{number}: Kepler's orbit of eccentricity {e}",
        field=kepler,
        y0=(1 - e, 0.0, 0.0, math.sqrt((1 + e) / (1 - e))),
        t1=20.0,
        components=("x", "y", "vx", "vy"),
        equations="x'' = -x / r^3,  y'' = -y / r^3,  r^2 = x^2 + y^2",
        source=SOURCE,
        exact=KeplerOrbit(e),
        invariants=(Invariant("energy", _kepler_energy), Invariant("angular momentum", _kepler_momentum)),
    )


def _satellite(name: str, title: str, *, speed: float, period: float) -> Problem:
    return Problem(
        name=name,
        title=title,
        field=arenstorf,
        y0=(0.994, 0.0, 0.0, speed),
        t1=period,
        components=("x", "y", "vx", "vy"),
        equations=_SATELLITE,
        source="R. F. Arenstorf, 1963; " + _HAIRER + "section II.0",
        invariants=(Invariant("Jacobi's integral", _jacobi),),
    )


CELESTIAL: tuple[Problem, ...] = (
    _satellite(
        "arenstorf",
        "Arenstorf's closed orbit around Earth and Moon: four loops",
        speed=-2.00158510637908252240537862224,
        period=17.0652165601579625588917206249,
    ),
    _satellite(
        "arenstorf-small",
        "Arenstorf's closed orbit around Earth and Moon: three loops",
        speed=-2.0317326295573368357302057924,
        period=11.124340337266085134999734047,
    ),
    Problem(
        name="pleiades",
        title="Pleiades: seven stars with near collisions",
        field=pleiades,
        y0=(
            *(3.0, 3.0, -1.0, -3.0, 2.0, -2.0, 2.0),
            *(3.0, -3.0, 2.0, 0.0, 0.0, -4.0, 4.0),
            *(0.0, 0.0, 0.0, 0.0, 0.0, 1.75, -1.5),
            *(0.0, 0.0, 0.0, -1.25, 1.0, 0.0, 0.0),
        ),
        t1=3.0,
        components=_axes(7, "xy"),
        equations="q_i'' = sum over j != i of j (q_j - q_i) / |q_j - q_i|^3,  i = 1..7",
        source=_HAIRER + "section II.10",
        invariants=(
            Invariant("energy", _pleiades_energy),
            Invariant("momentum along x", _pleiades_momentum_x),
            Invariant("momentum along y", _pleiades_momentum_y),
            Invariant("angular momentum", _pleiades_spin),
        ),
    ),
)

DETEST_ORBITS: tuple[Problem, ...] = (
    Problem(
        name="detest-c5",
        title="DETEST C5: the five outer planets",
        field=outer_planets,
        y0=tuple(value for row in (*_PLACES, *_VELOCITIES) for value in row),
        t1=20.0,
        components=_axes(5, "xyz"),
        equations="q_j'' = G (-(M + m_j) q_j/|q_j|^3 "
        "+ sum over k != j of m_k ((q_k - q_j)/|q_k - q_j|^3 - q_k/|q_k|^3))",
        source=SOURCE,
    ),
    *(_orbit(number, eccentricity) for number, eccentricity in enumerate((0.1, 0.3, 0.5, 0.7, 0.9), start=1)),
)
