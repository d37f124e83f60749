r"""Adams methods: a step from the slopes of the steps before, with constant step size.

With :math:`P` the polynomial through the last n slopes, a step of size :math:`h` is that of Adams and Bashforth,

.. math:: y_1 = y_0 + \int_{t_0}^{t_1} P(t)\, dt,

of order n. That of Adams and Moulton takes :math:`f(t_1, y_1)` into the polynomial: the step before predicts
:math:`y_1`, and is corrected, :math:`f_*` being the field at the last :math:`y_1`, by

.. math:: y_1 \leftarrow y_0 + \int_{t_0}^{t_1} P(t)\, dt + h\, \frac{u(\theta)}{w(\theta)} \bigl(f_* - P(t_1)\bigr),

of order n + 1. A step shorter than those before by a factor :math:`\theta`, the last one of an interval, is the same
formula. Where there are not yet n slopes at equal distances, at the start, after a jump and where step sizes change, a
Runge-Kutta step of the same order or above takes its place.

References: F. Bashforth, J. C. Adams, An attempt to test the theories of capillary action, 1883; F. R. Moulton, New
methods in exterior ballistics, 1926; E. Hairer, S. P. Norsett, G. Wanner, Solving Ordinary Differential Equations I,
1993, section III.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..core.errors import InputError
from .adams_weights import extrapolated, polynomials, value
from .demand import Carry, Demand
from .explicit import ExplicitRungeKutta, ExplicitStep
from .polynomial_step import PolynomialStep, factor
from .sums import Sums, TensorSums
from .tableaus import DOP853, DOPRI5, RK38

__all__ = ["Adams", "AdamsStep"]

_GREATEST_ORDER = 12
_RESOLUTION = 8
"""How many spacings of the time's numbers two step sizes may differ by and be equal."""


class _Past(NamedTuple):
    """What a step begins with: `f(t0, y0)`, the slopes before it, their distance, and how many of them there are.

    Under independent steps distance and number have an entry per row, else they are 0-d.
    """

    slope: Tensor
    slopes: tuple[Tensor, ...]
    spacing: Tensor
    known: Tensor


class AdamsStep(PolynomialStep):
    """One step, interpolated by a polynomial through both ends, their slopes and some before.

    Arguments:
        solver: the method.
        past: what the step began with.
        ratio: its size in units of the distance of the past slopes, as factor of a state, where it was theirs to make.
        inner: the Runge-Kutta step that was taken instead, or None.
        mine: the mask of rows, as factor of a state, whose step is that of the slopes; None where all are alike.
        equal: whether the size is that of the steps before: a boolean, or one per row.
    """

    def __init__(
        self,
        solver: Adams,
        term: Any,
        sums: Sums,
        *,
        past: _Past,
        ratio: Any,
        inner: ExplicitStep | None,
        mine: Tensor | None,
        equal: Any,
        **ends: Any,
    ) -> None:
        super().__init__(**ends)
        self.solver, self.term, self.sums, self.past = solver, term, sums, past
        self._ratio, self._inner, self._mine, self._equal = ratio, inner, mine, equal
        self._last: Tensor | None = None

    @property
    def carry(self) -> Carry:
        """The slopes before the end, their distance and number, which are history, and `f(t1, y1)`."""
        past, most = self.past, self.solver.slopes_used - 1
        slopes = (past.slope, *past.slopes)[:most]
        if isinstance(self._equal, Tensor):
            spacing = torch.where(self._equal, past.spacing, self.dt.detach())
            count = torch.where(self._equal, (past.known + 1).clamp(max=most), min(1, most))
        elif self._equal:
            spacing, count = past.spacing, past.known if int(past.known) == most else past.known + 1
        else:
            spacing = torch.tensor(float(_plain(self.dt)), dtype=torch.float64)
            count = torch.tensor(min(1, most))
        return (*slopes, spacing, count, self.last())

    @property
    def retry(self) -> Carry:
        """What the step began with."""
        past = self.past
        return (*past.slopes, past.spacing, past.known, past.slope)

    def last(self) -> Tensor:
        """Return `f(t1, y1)`, evaluated once."""
        if self._last is None:
            inner = self._inner
            if inner is None or self._mine is not None:
                (end,) = self.sums.times(self.t0, self.t1, self.dt, (1.0,))
                self._last = self.term.field(end, self.y1)
            else:
                if not inner.tableau.first_same_as_last:
                    inner.prepare()
                assert inner.carry is not None
                self._last = inner.carry[0].clone()  # it may lie in a buffer
        return self._last

    def polynomial(self) -> Sequence[Tensor]:
        """Return the polynomial; of rows that took a Runge-Kutta step, its own."""
        if self.solver.straight:
            return self.y0, self.y1 - self.y0
        mine = None if self._inner is not None and self._mine is None else self._padded(self._own())
        if self._inner is None:
            assert mine is not None
            return mine
        theirs = self._padded(self._inner.coefficients().unbind(0))
        if mine is None or self._mine is None:
            return theirs
        return [torch.where(self._mine, one, other) for one, other in zip(mine, theirs, strict=True)]

    def _padded(self, powers: Sequence[Tensor]) -> list[Tensor]:
        """Return coefficients with zeros above them, as many in every step."""
        return [*powers, *[torch.zeros_like(self.y0)] * (self.solver.degree + 1 - len(powers))]

    def _own(self) -> list[Tensor]:
        """Return the polynomial with the values and slopes of both ends and as many slopes before as the order needs.

        It is A + a u + b v, where A integrates the polynomial through past slopes and u, v have slope zero at them.
        """
        count, theta = max(1, self.solver.order - 2), self._ratio
        known = polynomials(count)
        slopes = (self.past.slope, *self.past.slopes)[:count]
        size = factor(self.dt, self.y0)
        rise = (self.y1 - self.y0) * (theta / size) - _sum(known.integrals, slopes, theta)
        steep = self.last() - _sum(known.slopes, slopes, theta)
        w, u, v = (value(part, theta) for part in (known.vanishing, known.area, known.moment))
        scale = 1 / (w * (theta * u - v))
        a, b = (rise * (theta * w) - steep * v) * scale, (steep * u - rise * w) * scale
        unit, grown, powers = size / theta, 1.0, [self.y0]
        for power in range(1, count + 3):
            grown = grown * theta
            part = b * known.moment[power]
            if power <= count + 1:
                part = part + a * known.area[power]
            if power <= count:
                for weights, slope in zip(known.integrals, slopes, strict=True):
                    part = part + slope * weights[power]
            powers.append(part * (unit * grown))
        return powers


@dataclass(frozen=True, kw_only=True, repr=False)
class Adams:
    """The method of Adams and Bashforth, or with corrections that of Adams, Bashforth and Moulton.

    No error estimate, so it takes steps of one size; one evaluation a step and one for each correction; dense order
    that of the method, in the first steps that of the Runge-Kutta method. The interval of stability on the real axis
    halves with every order: of Adams-Bashforth it is -2 for order 1, -0.3 for order 4, -0.002 for order 12.

    Arguments:
        order: from 1, with corrections from 2, to 12.
        corrections: how often the end is corrected; 0 is Adams-Bashforth, 1 the classic predictor-corrector PECE.
        straight: whether to interpolate by straight lines.

    Raises:
        InputError: a number is out of its range.

    Example:
        >>> from legato.solvers import Adams
        >>> Adams(order=3), Adams(order=5, corrections=1)
        (AdamsBashforth(order 3), AdamsMoulton(order 5, corrections 1))
    """

    order: int = 4
    corrections: int = 0
    straight: bool = False

    def __post_init__(self) -> None:
        least = 2 if self.corrections else 1
        if not (isinstance(self.order, int) and least <= self.order <= _GREATEST_ORDER):
            raise InputError(f"the order is a whole number from {least} to {_GREATEST_ORDER}; got {self.order!r}")
        if not (isinstance(self.corrections, int) and self.corrections >= 0):
            raise InputError(f"the number of corrections is a whole number of at least 0; got {self.corrections!r}")

    def __repr__(self) -> str:
        more = f", corrections {self.corrections}" if self.corrections else ""
        return f"{self.name}(order {self.order}{more})"

    accepts = "ode"
    implicit = False
    adaptive = False
    error_order = None
    source = (
        "F. Bashforth, J. C. Adams, An attempt to test the theories of capillary action, 1883; F. R. Moulton, New "
        "methods in exterior ballistics, 1926"
    )

    @property
    def name(self) -> str:
        """What it is called."""
        return "AdamsMoulton" if self.corrections else "AdamsBashforth"

    @property
    def slopes_used(self) -> int:
        """The number of slopes that a step is made of, `f(t0, y0)` among them."""
        return self.order - 1 if self.corrections else self.order

    @property
    def history(self) -> int:
        """The slopes before, their distance and their number."""
        return self.slopes_used + 1

    @property
    def stages(self) -> int:
        """Evaluations a step."""
        return 1 + self.corrections

    @property
    def starter(self) -> ExplicitRungeKutta:
        """The method of the steps that cannot be made of slopes before."""
        return ExplicitRungeKutta(_starting_tableau(self.order))

    @property
    def dense_order(self) -> int:
        """The order of the interpolant of the first steps."""
        return 1 if self.straight else min(self.order, self.starter.dense_order)

    @property
    def degree(self) -> int:
        """The degree of the interpolants, of steps from slopes and of Runge-Kutta steps."""
        return max(self.order, 3, max(len(row) for row in self.starter.tableau.dense))

    @property
    def slopes(self) -> int:
        """The greatest number of stages that a step keeps."""
        return self.starter.slopes

    @staticmethod
    def combine(norms: tuple[Tensor, ...]) -> Tensor:
        """Raise: there is no error estimate."""
        raise AssertionError("a method without an error estimate has no norms to combine")

    def start(self, term: Any, t0: Tensor, y0: Tensor, f0: Tensor | None = None) -> Carry:
        """Return what the first step may begin with: no past slopes, and `f(t0, y0)`."""
        slope = term.field(t0, y0) if f0 is None else f0
        rows = y0.shape[:1] if t0.dim() else ()
        where = y0.device if t0.dim() else torch.device("cpu")
        past = (torch.zeros_like(y0),) * (self.slopes_used - 1)
        spacing = torch.zeros(rows, dtype=torch.float64, device=where)
        return (*past, spacing, torch.zeros(rows, dtype=torch.int64, device=where), slope)

    def step(
        self, term: Any, t0: Any, t1: Any, y0: Tensor, carry: Carry, *, dt: Any, sums: Sums, demand: Demand
    ) -> AdamsStep:
        """Take one step; see `ExplicitRungeKutta.step`."""
        (begin,) = sums.times(t0, t1, dt, (0.0,))
        past = self._past(term, begin, y0, carry)
        equal, ready = self._fits(term, t0, t1, dt, past)
        common: dict[str, Any] = {"past": past, "equal": equal}
        ends = {"t0": t0, "t1": t1, "dt": dt, "y0": y0}
        some = bool(torch.as_tensor(ready).any())
        whole = some and bool(torch.as_tensor(ready).all())
        inner = None
        if not whole:
            own = TensorSums(y0, term.time_dtype) if some else sums
            inner = self.starter.step(term, t0, t1, y0, (past.slope,), dt=dt, sums=own, demand=demand)
            if not some:
                return AdamsStep(self, term, sums, ratio=None, inner=inner, mine=None, y1=inner.y1, **common, **ends)
        ratio = _ratio(dt, past.spacing, equal, ready, y0)
        (end,) = sums.times(t0, t1, dt, (1.0,))
        y1 = self._from_slopes(term, end, y0, past, size=factor(dt, y0), theta=ratio)
        mine = None
        if inner is not None:
            mine = ready.view(-1, *(1,) * (y0.dim() - 1))
            y1 = torch.where(mine, y1, inner.y1)
        return AdamsStep(self, term, sums, ratio=ratio, inner=inner, mine=mine, y1=y1, **common, **ends)

    def _past(self, term: Any, begin: Tensor, y0: Tensor, carry: Carry) -> _Past:
        """Return what a step begins with, derived as far as it was not handed on."""
        if carry is None:
            carry = self.start(term, begin, y0)
            assert carry is not None
        *slopes, spacing, count = carry[: self.history]
        slope = carry[self.history] if len(carry) > self.history else term.field(begin, y0)
        return _Past(slope, tuple(slopes), spacing.detach(), count)

    def _fits(self, term: Any, t0: Any, t1: Any, dt: Any, past: _Past) -> tuple[Any, Any]:
        """Return whether a step has the size of those before, and whether past slopes can make it."""
        fine = _RESOLUTION * torch.finfo(term.time_dtype).eps
        spacing, count, most = past.spacing, past.known, self.slopes_used - 1
        if past.spacing.dim():
            size, begin, end = (part.detach() for part in (dt, t0, t1))
            near = (size - spacing).abs() <= fine * torch.maximum(begin.abs(), end.abs())
            equal = (count > 0) & near
            shorter = (size * spacing > 0) & (size.abs() < spacing.abs())
            return equal, (count >= most) & (equal | shorter | (most == 0))
        size, begin, end, distance = (float(_plain(part)) for part in (dt, t0, t1, spacing))
        same = bool(int(count) > 0 and abs(size - distance) <= fine * max(abs(begin), abs(end)))
        less = size * distance > 0 and abs(size) < abs(distance)
        return same, int(count) >= most and (same or less or most == 0)

    def _from_slopes(self, term: Any, end: Tensor, y0: Tensor, past: _Past, *, size: Any, theta: Any) -> Tensor:
        """Return the end of a step that past slopes make."""
        known, slopes = polynomials(self.slopes_used), (past.slope, *past.slopes)
        unit = size / theta
        guess = y0 + _sum(known.integrals, slopes, theta) * unit
        if not self.corrections:
            return guess
        expected = _sum(known.slopes, slopes, theta)
        gain = unit * (value(known.area, theta) / value(known.vanishing, theta))
        y1 = guess
        for _ in range(self.corrections):
            y1 = guess + (term.field(end, y1) - expected) * gain
        return y1


def _starting_tableau(order: int) -> Any:
    if order <= 4:
        return RK38
    if order <= 8:
        return DOPRI5 if order == 5 else DOP853
    return extrapolated(order + order % 2)


def _ratio(dt: Any, spacing: Tensor, equal: Any, ready: Any, like: Tensor) -> Any:
    """Return a step's size in units of the distance of past slopes, 1 where they are equal, moving with the size."""
    if not isinstance(dt, Tensor):
        return 1.0 if equal or not float(spacing) else dt / float(spacing)
    given = torch.where(torch.as_tensor(ready) & (spacing != 0), spacing.to(dt.device), dt.detach())
    moved = dt - dt.detach()
    ratio = torch.where(torch.as_tensor(equal), 1.0, dt.detach() / given) + moved / given
    return factor(ratio, like)


def _sum(weights: Sequence[Sequence[float]], slopes: Sequence[Tensor], theta: Any) -> Tensor:
    """Return the sum of slopes, each times the value of its polynomial."""
    parts = [slope * value(powers, theta) for powers, slope in zip(weights, slopes, strict=True)]
    return sum(parts[1:], parts[0])


def _plain(value: Any) -> Any:
    return value.detach() if isinstance(value, Tensor) else value
