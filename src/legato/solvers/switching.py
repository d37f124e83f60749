r"""Two methods in one: an explicit one while a row is not stiff, an implicit one while it is.

Explicit. The last two stages of a first-same-as-last pair both lie at :math:`t_1`, so that

.. math:: \Delta t\,|\lambda| \approx \Delta t\, \frac{\|f(t_1, Y_s) - f(t_1, Y_{s-1})\|}{\|Y_s - Y_{s-1}\|}

measures the largest eigenvalue that the step has felt, at no cost. A row whose accepted steps keep it near the limit of
the method's stability is held back by that and not by its error: it goes over.

Implicit. :math:`\Delta t\,\|J\|` bounds the same number from above; while it stays far below the limit, an explicit
step of the same size would be stable, and cheaper: the row goes back.

Both are measured in units of the tolerance, component by component. Under independent steps every row decides for
itself; under shared steps the rows go over and back together, as soon as one needs it.

References: L. F. Shampine, Stiffness and nonstiff differential equation solvers II, 1977; E. Hairer, G. Wanner, Solving
Ordinary Differential Equations II, 1996, section IV.2.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..core.errors import InputError
from ..terms import check_derivatives
from .demand import Carry, Demand
from .explicit import ExplicitRungeKutta
from .linearised import Frame
from .parted import PartedStep, part_step
from .rosenbrock import Rosenbrock
from .sums import Sums

__all__ = ["Switching", "SwitchingStep"]

_NEAR = 0.85
"""The part of the stability limit from which on a step counts as held back by it."""
_FAR = 0.3
"""The part of it below which an implicit step counts as not needed."""
_OVER, _BACK = 10, 8
"""How many steps that count, less those that do not, make a row go over, and back."""


class SwitchingStep:
    """One attempted step, by either method or by both, and the rows' decisions after it.

    Attributes:
        step: the step itself.
        stiff: which rows took it by the implicit method: a number, or one entry per row.
        streak: how many steps have spoken for a change.
    """

    def __init__(self, solver: Switching, step: Any, stiff: Tensor, streak: Tensor, demand: Demand) -> None:
        self.step, self.stiff, self.streak = step, stiff, streak
        self._solver, self._demand = solver, demand

    def __getattr__(self, name: str) -> Any:
        return getattr(self.step, name)

    def coefficients(self) -> Tensor:
        """Return the interpolant as a polynomial in theta, of one degree whatever the method."""
        found: Tensor = self.step.coefficients()
        missing = self._solver.degree + 1 - len(found)
        return torch.cat([found, found.new_zeros(missing, *found.shape[1:])]) if missing else found

    @property
    def carry(self) -> Carry:
        """The rows' methods from here on, and what the step hands on besides."""
        with torch.no_grad():
            signal = self._solver.signals(self.step, self.stiff, self._demand)
        if not (bool(signal.any()) or bool(self.streak.any())):  # as after most steps
            return (self.stiff, self.streak, *(self.step.carry or ()))
        streak = (self.streak + torch.where(signal, 1, -1)).clamp(min=0)
        change = streak >= torch.where(self.stiff, _BACK, _OVER)
        rest = None if bool(change.any()) else self.step.carry
        return (self.stiff ^ change, torch.where(change, 0, streak), *(rest or ()))

    @property
    def retry(self) -> Carry:
        """The rows' methods as they were, and what another attempt may begin with besides."""
        return (self.stiff, self.streak, *(self.step.retry or ()))


class Switching:
    """An explicit method and a Rosenbrock method, between which every row changes as its stiffness asks.

    Arguments:
        explicit: a method that is first-same-as-last and whose last stage but one lies at the step's end too.
        implicit: a method of the same order, with an error estimate of the same order.

    Raises:
        InputError: the two do not go together.
    """

    accepts = "ode"
    implicit = True
    history = 2
    adaptive = True

    def __init__(self, explicit: ExplicitRungeKutta, implicit: Rosenbrock) -> None:
        tableau = explicit.tableau
        if not (tableau.first_same_as_last and tableau.c[-2] == 1):
            raise InputError(f"{explicit.name} has no two stages at the step's end to measure stiffness by")
        if (explicit.order, explicit.error_order) != (implicit.order, implicit.error_order):
            raise InputError(f"{explicit.name} and {implicit.name} are of unlike orders")
        self.nonstiff, self.stiff = explicit, implicit
        self.name = f"{explicit.name} or {implicit.name}"
        self.order, self.error_order = explicit.order, explicit.error_order
        self.dense_order = min(explicit.dense_order, implicit.dense_order)
        self.stages = self.slopes = max(explicit.slopes, implicit.slopes)
        self.source = (
            f"{tableau.source}; {implicit.tableau.source}; "
            "L. F. Shampine, Stiffness and nonstiff differential equation solvers II, 1977"
        )
        self.degree = max(len(row) for row in (*tableau.dense, *implicit.tableau.dense))
        self._gap = tuple(right - left for right, left in zip(tableau.a[-1], (*tableau.a[-2], 0.0), strict=True))

    def __repr__(self) -> str:
        return f"Switching({self.nonstiff!r}, {self.stiff!r})"

    @staticmethod
    def combine(norms: tuple[Tensor, ...]) -> Tensor:
        """Return the norm of the one error estimate."""
        return norms[0]

    @staticmethod
    def start(term: Any, t0: Tensor, y0: Tensor, f0: Tensor | None = None) -> Carry:
        """Return that every row begins explicitly, and `f(t0, y0)`, evaluated unless it is given."""
        shape = t0.shape[:1]  # one entry per row where every row has its own time, else a number
        stiff = torch.zeros(shape, dtype=torch.bool, device=y0.device)
        return stiff, torch.zeros(shape, dtype=torch.int64, device=y0.device), term.field(t0, y0) if f0 is None else f0

    @staticmethod
    def examine(term: Any, t0: Tensor, later: Tensor, y0: Tensor) -> None:
        """Refuse a field whose derivatives autograd does not see, or whose rows depend on each other.

        Raises:
            FieldError: it is such a field.
        """
        check_derivatives(term, t0, later, y0, rows=term.layout.rows)

    def step(
        self, term: Any, t0: Any, t1: Any, y0: Tensor, carry: Carry, *, dt: Any, sums: Sums, demand: Demand
    ) -> SwitchingStep:
        """Take one step, each row by its own method; the arguments are those of `ExplicitRungeKutta.step`."""
        if carry is None:
            carry = self.start(term, sums.times(t0, t1, dt, (0.0,))[0], y0)
        assert carry is not None
        stiff, streak, *rest = carry
        some = bool(stiff.any())
        if not some:
            begun = tuple(rest) if rest else None
            taken: Any = self.nonstiff.step(term, t0, t1, y0, begun, dt=dt, sums=sums, demand=demand)
        elif stiff.dim() == 0 or bool(stiff.all()):
            begun = tuple(rest) if len(rest) > 1 else None
            taken = self.stiff.step(term, t0, t1, y0, begun, dt=dt, sums=sums, demand=demand)
        else:
            places = (~stiff).nonzero().squeeze(1), stiff.nonzero().squeeze(1)
            steps = tuple(
                part_step(method, place, term, t0, t1, y0, None, dt=dt, demand=demand)
                for method, place in zip((self.nonstiff, self.stiff), places, strict=True)
            )
            taken = PartedStep((steps[0], steps[1]), places, y0=y0, times=(t0, t1, dt))
        return SwitchingStep(self, taken, stiff, streak, demand)

    def signals(self, step: Any, stiff: Tensor, demand: Demand) -> Tensor:
        """Return whether each row's step speaks for a change of its method, in the shape of `stiff`."""
        limit = self.nonstiff.tableau.stability_interval
        if isinstance(step, PartedStep):
            explicit, implicit = (
                self.signals(part, stiff[place], demand._replace(tolerances=_cut(demand, place, len(stiff))))
                for part, place in zip(step.steps, step.places, strict=True)
            )
            return (
                torch.zeros_like(stiff).index_copy(0, step.places[0], explicit).index_copy(0, step.places[1], implicit)
            )
        frame = Frame.of(step.y0, demand.batch_dims)
        size = step.dt.detach().abs() if isinstance(step.dt, Tensor) else abs(step.dt)
        scale = (
            torch.ones_like(frame.flat(step.y0))
            if demand.tolerances is None
            else frame.scale(demand.tolerances.of_size(step.y0.detach().abs()))
        )
        if bool(stiff.any()):
            felt = size * _norm(step.point.jacobian.detach(), scale)
            found = felt < _FAR * limit
            return found.all() if stiff.dim() == 0 else found
        step.complete()
        last, before = step.sums.stage(len(self._gap)), step.sums.stage(len(self._gap) - 1)
        change = torch.linalg.vector_norm(frame.flat((last - before).detach()) / scale, dim=1)
        moved = torch.linalg.vector_norm(frame.flat(step.sums.combine(self._gap).detach()) / scale, dim=1)
        found = change > _NEAR * limit * moved  # the step sizes cancel: the stages lie `dt moved` apart
        return found.any() if stiff.dim() == 0 else found


def _norm(jacobian: Tensor, scale: Tensor) -> Tensor:
    """Return a bound of each row's largest eigenvalue: the lesser of two norms of `D^-1 J D`, D the scale."""
    scaled = (jacobian * scale[:, None, :] / scale[:, :, None]).abs()
    return torch.minimum(scaled.sum(2).amax(1), scaled.sum(1).amax(1))


def _cut(demand: Demand, place: Tensor, rows: int) -> Any:
    return None if demand.tolerances is None else demand.tolerances.rows(place, rows)
