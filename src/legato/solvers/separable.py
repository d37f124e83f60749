r"""Methods for separable systems, which keep their structure: symplectic, and reversible in time.

A state :math:`(q, p)` with :math:`q' = u(t, p)` and :math:`p' = g(t, q)`, such as positions and momenta of a
Hamiltonian :math:`T(p) + V(q)`, moves by drifts of :math:`q` and kicks of :math:`p`, each of them exact while the other
half stands still. A leapfrog step of size :math:`h` is

.. math::
    p_{1/2} = p_0 + \tfrac h2 g(t_0, q_0), \quad q_1 = q_0 + h\, u(t_{1/2}, p_{1/2}), \quad
    p_1 = p_{1/2} + \tfrac h2 g(t_1, q_1),

and steps of sizes :math:`w_1 h, \dots, w_s h` in a row, :math:`\sum w_i = 1` and :math:`\sum w_i^3 = 0`, are one step
of order four. The energy of such a method oscillates and does not drift, however many the periods.

The field is the ordinary one, :math:`f(t, (q, p)) = (u, g)`; an evaluation gives both halves, of which one is used. The
last kick of a step is the first of the next.

References: L. Verlet, Computer "experiments" on classical fluids, 1967; H. Yoshida, Construction of higher order
symplectic integrators, 1990; M. Suzuki, Fractal decomposition of exponential operators, 1990; E. Hairer, C. Lubich,
G. Wanner, Geometric Numerical Integration, 2006, sections I.1, II.4 and VI.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor

from ..core.errors import FieldError, InputError
from ..core.packing import Layout
from .demand import Carry, Demand
from .polynomial_step import PolynomialStep, cubic, factor
from .sums import Sums

__all__ = ["VELOCITY_VERLET", "YOSHIDA4", "Leapfrog", "SemiImplicitEuler", "SeparableStep"]

_NUDGE = 0.0137
"""The part of its size, or of 1, by which a half of the state is moved to see whether a slope depends on it."""
_ROUNDING = 1e4
"""The roundings of the largest slope that a slope may change by where nothing it depends on has moved."""


class SeparableStep(PolynomialStep):
    """One step of drifts and kicks, interpolated by the cubic through values and slopes of both ends.

    Arguments:
        slope0: `f(t0, y0)`, or None where the interpolant has to evaluate it.
        kick: a slope at the start whose half of `p` is right.
        onward: the same at the end, or None where it was not evaluated.
    """

    def __init__(
        self, term: Any, sums: Sums, *, slope0: Tensor | None, kick: Tensor, onward: Tensor | None, **ends: Any
    ) -> None:
        super().__init__(**ends)
        self.term, self.sums = term, sums
        self._slope0, self._kick, self._onward = slope0, kick, onward

    @property
    def carry(self) -> Carry:
        """The slope at the end, as far as it is known."""
        return None if self._onward is None else (self._onward,)

    @property
    def retry(self) -> Carry:
        """The slope at the start."""
        return (self._kick,)

    def polynomial(self) -> Sequence[Tensor]:
        """Evaluate the slopes of both ends, as far as they are not known, and return the cubic."""
        begin, end = self.sums.times(self.t0, self.t1, self.dt, (0.0, 1.0))
        first = self.term.field(begin, self.y0) if self._slope0 is None else self._slope0
        last = self._onward = self.term.field(end, self.y1)
        dt = factor(self.dt, self.y0)
        return cubic(self.y0, self.y1, first * dt, last * dt)


class _Separable:
    """What the methods for separable systems have in common."""

    accepts = "separable"
    implicit = False
    history = 0
    adaptive = False
    error_order: int | None = None
    slopes = 1

    @staticmethod
    def start(term: Any, t0: Tensor, y0: Tensor, f0: Tensor | None = None) -> Carry:
        """Return what the first step may begin with: `f(t0, y0)`, evaluated unless it is given."""
        return (term.field(t0, y0) if f0 is None else f0,)

    @staticmethod
    def combine(norms: tuple[Tensor, ...]) -> Tensor:
        """Raise: there is no error estimate."""
        raise AssertionError("a method without an error estimate has no norms to combine")


class SemiImplicitEuler(_Separable):
    """The symplectic Euler method: a kick, then a drift with the new momenta.

    Order 1, no error estimate, two evaluations a step, dense order 1; stable on oscillations below two radians a step.
    Where the halves are not separable it is still of order 1, and no longer symplectic.

    Reference: R. de Vogelaere, Methods of integration which preserve the contact transformation property of the
    Hamilton equations, 1956.

    Example:
        >>> from legato.solvers import SemiImplicitEuler
        >>> SemiImplicitEuler().order
        1
    """

    name = "SemiImplicitEuler"
    order = 1
    dense_order = 1
    stages = 2
    source = (
        "R. de Vogelaere, Methods of integration which preserve the contact transformation property of the Hamilton "
        "equations, 1956"
    )

    def __repr__(self) -> str:
        return "SemiImplicitEuler(order 1)"

    def examine(self, term: Any, t0: Tensor, later: Tensor, y0: Tensor) -> None:
        """Refuse a state without two equal halves.

        Raises:
            InputError: the state is no pair of leaves of one size.
        """
        _check_halves(term.layout, self.name)

    def step(
        self, term: Any, t0: Any, t1: Any, y0: Tensor, carry: Carry, *, dt: Any, sums: Sums, demand: Demand
    ) -> SeparableStep:
        """Take one step; see `ExplicitRungeKutta.step`."""
        begin, end = sums.times(t0, t1, dt, (0.0, 1.0))
        slope = term.field(begin, y0) if carry is None else carry[0]
        q, p = _halves(y0)
        p = p + _halves(slope)[1] * factor(dt, y0)
        q = q + _halves(term.field(end, _joined(q, p)))[0] * factor(dt, y0)
        ends = {"t0": t0, "t1": t1, "dt": dt, "y0": y0, "y1": _joined(q, p)}
        return SeparableStep(term, sums, slope0=slope, kick=slope, onward=None, **ends)


@dataclass(frozen=True, kw_only=True, repr=False)
class Leapfrog(_Separable):
    """Leapfrog steps in a row, kick-drift-kick, that make one step.

    No error estimate; two evaluations a leapfrog step, of which one gives the kick and one the drift; dense order 3 or
    the method's own. A field whose halves are not separable would lose the order, and is refused.

    Arguments:
        name: what it is called.
        order: 2 or 4.
        fractions: the sizes of the leapfrog steps in units of the step; symmetric, their sum 1.
        inside: the fractions of steps whose times would leave the interval that the field may be called in; only
            fractions whose sums leave [0, 1] need any.
        source: where it is from.

    Example:
        >>> from legato.solvers import VELOCITY_VERLET
        >>> VELOCITY_VERLET
        Leapfrog(VelocityVerlet, order 2)
    """

    name: str
    order: int
    fractions: tuple[float, ...]
    inside: tuple[float, ...] | None = None
    source: str

    def __repr__(self) -> str:
        return f"Leapfrog({self.name}, order {self.order})"

    @property
    def dense_order(self) -> int:
        """The order of the cubic interpolant."""
        return min(self.order, 3)

    @property
    def stages(self) -> int:
        """Evaluations a step."""
        return 2 * len(self.fractions)

    def examine(self, term: Any, t0: Tensor, later: Tensor, y0: Tensor) -> None:
        """Refuse a state without two equal halves, and a field that is not separable; three evaluations.

        Raises:
            InputError: the state is no pair of leaves of one size.
            FieldError: the slope of one half depends on that half itself.
        """
        _check_halves(term.layout, self.name)
        slope = term.field(t0, y0)
        for half, (name, other) in enumerate((("q", "p"), ("p", "q"))):
            moved = list(_halves(y0))
            moved[half] = moved[half] + _NUDGE * (1 + moved[half].abs())
            change = (_halves(term.field(t0, _joined(*moved)))[half] - _halves(slope)[half]).abs()
            allowed = _ROUNDING * torch.finfo(change.dtype).eps * slope.abs().nan_to_num(0.0).amax()
            if bool((change > allowed).any()):
                raise FieldError(
                    f"{self.name} needs a separable field, dq/dt a function of t and p, dp/dt of t and q; here "
                    f"d{name}/dt depends on {name} itself (friction, a magnetic force, a constraint). Take a "
                    "symplectic method that does not need it, solver='implicit_midpoint' or 'gl4', or make "
                    f"d{name}/dt depend on {other} alone"
                )

    def step(
        self, term: Any, t0: Any, t1: Any, y0: Tensor, carry: Carry, *, dt: Any, sums: Sums, demand: Demand
    ) -> SeparableStep:
        """Take one step; see `ExplicitRungeKutta.step`."""
        pieces = self._pieces(t0, t1, dt, like=y0, sums=sums, demand=demand)
        slope = kick = term.field(sums.times(t0, t1, dt, (0.0,))[0], y0) if carry is None else carry[0]
        q, p = _halves(y0)
        before: Any = 0.0
        for size, middle, end in pieces:
            p = p + _halves(slope)[1] * (0.5 * (before + size))
            q = q + _halves(term.field(middle, _joined(q, p)))[0] * size
            slope = term.field(end, _joined(q, p))
            before = size
        p = p + _halves(slope)[1] * (0.5 * before)
        ends = {"t0": t0, "t1": t1, "dt": dt, "y0": y0, "y1": _joined(q, p)}
        return SeparableStep(term, sums, slope0=None, kick=kick, onward=slope, **ends)

    def _pieces(
        self, t0: Any, t1: Any, dt: Any, *, like: Tensor, sums: Sums, demand: Demand
    ) -> list[tuple[Any, Tensor, Tensor]]:
        """Return size, middle and end of each leapfrog step; rows may differ in which fractions they take."""
        own = _timed(self.fractions, t0, t1, dt, like=like, sums=sums)
        if self.inside is None:
            return own
        outside = self._leaves(t0, dt, demand)
        if not bool(torch.as_tensor(outside).any()):
            return own
        inner = _timed(self.inside, t0, t1, dt, like=like, sums=sums)
        if bool(torch.as_tensor(outside).all()):
            return inner
        # The fractions of the other rows are filled up with steps of no size at their end.
        still = (torch.zeros_like(own[0][0]), own[-1][2], own[-1][2])
        own += [still] * (len(inner) - len(own))
        rows = outside.view(-1, *(1,) * (like.dim() - 1))
        return [
            (torch.where(rows, one, other), torch.where(rows, middle, centre), torch.where(rows, end, last))
            for (one, middle, end), (other, centre, last) in zip(inner, own, strict=True)
        ]

    def _leaves(self, t0: Any, dt: Any, demand: Demand) -> Any:
        """Return whether the times of a step leave the interval that the field may be called in: a bool, or by row."""
        reached = list(accumulate(self.fractions))
        begin, size = (part.detach() if isinstance(part, Tensor) else part for part in (t0, dt))
        early = False if demand.origin is None else (begin + min(reached) * size - demand.origin) * size < 0
        late = False if demand.limit is None else (begin + max(reached) * size - demand.limit) * size > 0
        return early | late


def _timed(
    fractions: Sequence[float], t0: Any, t1: Any, dt: Any, *, like: Tensor, sums: Sums
) -> list[tuple[Any, Tensor, Tensor]]:
    """Return size, middle and end of the leapfrog steps of these fractions."""
    ends = [0.0, *accumulate(fractions[:-1]), 1.0]
    nodes = [node for first, last in pairwise(ends) for node in ((first + last) / 2, last)]
    times = sums.times(t0, t1, dt, nodes)
    step = factor(dt, like)
    return [(part * step, times[2 * i], times[2 * i + 1]) for i, part in enumerate(fractions)]


def _check_halves(layout: Layout, name: str) -> None:
    """Refuse a state that is not two leaves, or two groups of leaves, of the same sizes."""
    half, odd = divmod(len(layout.sizes), 2)
    if layout.lone or odd or layout.sizes[:half] != layout.sizes[half:]:
        shapes = ", ".join(str(tuple(shape)) for shape in layout.shapes)
        got = f"a lone tensor of shape {shapes} per sample" if layout.lone else f"leaves of shapes {shapes} per sample"
        raise InputError(
            f"{name} needs a state (q, p) of two halves of one size; got {got}. Pass y0=(q, p) and return (dq, dp) "
            "from the field, for a lone tensor its two parts; or take a method for any state, such as 'tsit5'"
        )


def _halves(y: Tensor) -> tuple[Tensor, Tensor]:
    half = y.shape[-1] // 2
    return y[..., :half], y[..., half:]


def _joined(q: Tensor, p: Tensor) -> Tensor:
    return torch.cat([q, p], dim=-1)


VELOCITY_VERLET = Leapfrog(
    name="VelocityVerlet",
    order=2,
    fractions=(1.0,),
    source='L. Verlet, Computer "experiments" on classical fluids I, 1967, with velocities at the step ends',
)

_OUTER = 1 / (2 - 2 ** (1 / 3))
_FIFTH = 1 / (4 - 4 ** (1 / 3))

YOSHIDA4 = Leapfrog(
    name="Yoshida4",
    order=4,
    fractions=(_OUTER, 1 - 2 * _OUTER, _OUTER),
    inside=(_FIFTH, _FIFTH, 1 - 4 * _FIFTH, _FIFTH, _FIFTH),
    source=(
        "H. Yoshida, Construction of higher order symplectic integrators, 1990; its times leave the step, so the first "
        "and the last step of an interval are M. Suzuki's, Fractal decomposition of exponential operators, 1990"
    ),
)
