"""SUNDIALS' CVODE as an engine: BDF and Adams-Moulton methods of variable order and step, by way of scikit-sundae."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import torch

from ...core.catalogue import nearest
from ...core.errors import GradientError, InputError, OptionError
from ...core.extras import import_extra
from ...core.status import Status
from ..task import March, Task
from .leg import LEAST_ATOL, Leg, Stepper
from .march import march_rows

__all__ = ["CVODE"]

_DEGREES = {"BDF": 5, "Adams": 12}
_JACOBIANS = ("differences", "autograd")
_TOO_MUCH_WORK, _CONVERGENCE, _STOPPED, _TOO_CLOSE = -1, -4, 1, -27
_REASONS = {
    _TOO_MUCH_WORK: Status.MAX_STEPS,
    _CONVERGENCE: Status.NEWTON_DIVERGED,
    _TOO_CLOSE: Status.TIME_RESOLUTION,
}


@dataclass(frozen=True)
class CVODE:
    """Solve with SUNDIALS' CVODE, sample by sample, with every step looked at.

    Needs scikit-sundae, which the extra `solvers` holds. SUNDIALS prints a line of its own where it gives up.

    Arguments:
        method: "BDF", orders one to five, for stiff problems, or "Adams", orders one to twelve, for the others.
        jacobian: "differences", SUNDIALS' own, or "autograd", which pays from some twenty components on.

    Reference: A. C. Hindmarsh and others, SUNDIALS: suite of nonlinear and differential/algebraic equation solvers,
    2005.
    """

    method: str = "BDF"
    _: KW_ONLY
    jacobian: str = "differences"

    black_box: ClassVar[bool] = True
    stepwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.method not in _DEGREES:
            raise OptionError(f"CVODE has no method {self.method!r}; {nearest(str(self.method), _DEGREES)}")
        if self.jacobian not in _JACOBIANS:
            raise OptionError(f"jacobian={self.jacobian!r} is not known; {nearest(str(self.jacobian), _JACOBIANS)}")

    @property
    def name(self) -> str:
        """The name in the catalogue and in counts."""
        return f"cvode-{self.method}".lower()

    @property
    def degree(self) -> int:
        """The greatest degree of the interpolants."""
        return _DEGREES[self.method]

    def march(self, task: Task, *, graph: bool = False) -> March:
        """March a task, row by row.

        Raises:
            GradientError: autograd is to record the march.
            MissingExtraError: scikit-sundae is not installed.
        """
        if graph:
            raise GradientError(f"autograd cannot record what the engine {self.name!r} does; use engine='eager'")
        return march_rows(self, task)

    def begin(self, leg: Leg) -> Stepper:
        """Return CVODE at the beginning of a leg.

        Raises:
            InputError: `rtol` differs from component to component.
        """
        cvode = import_extra("sksundae.cvode", extra="solvers", purpose=f"the engine {self.name!r}")
        if not isinstance(leg.rtol, float):
            raise InputError(f"{self.name} takes one rtol for a whole sample; give one number, and let atol differ")
        function = leg.function

        def fill(t: float, y: Any, slope: Any) -> None:
            slope[:] = function(t, y)

        def fill_jacobian(t: float, y: Any, slope: Any, matrix: Any) -> None:
            matrix[:] = function.jacobian(t, y)

        atol = torch.as_tensor(leg.atol, dtype=torch.float64).clamp(min=LEAST_ATOL)
        solver = cvode.CVODE(
            fill,
            method=self.method,
            rtol=leg.rtol,
            atol=float(atol) if atol.dim() == 0 else atol.numpy(),
            first_step=0.0 if leg.first is None else leg.first,
            min_step=leg.least,
            max_step=min(leg.longest, 1e300),
            jacfn=fill_jacobian if self.jacobian == "autograd" else None,
        )
        solver.init_step(leg.t0, leg.y0)
        return _CVODEStepper(solver, leg)


class _CVODEStepper:
    """CVODE on its way."""

    def __init__(self, solver: Any, leg: Leg) -> None:
        self.solver, self.end = solver, leg.t1
        self.t, self.y = leg.t0, leg.y0

    def step(self) -> Status | None:
        """Take one step, not beyond the end of the leg."""
        found = self.solver.step(self.end, method="onestep", tstop=self.end)
        if found.status < 0:
            return _REASONS.get(found.status, Status.DT_MIN)
        self.t = self.end if found.status == _STOPPED else float(found.t)
        self.y = found.y
        return None

    def values(self, times: list[float]) -> Any:
        """Return the states at times inside the last step, from the polynomial that CVODE keeps.

        CVODE goes on from the last time that it was asked for, so that must be the end of the step.
        """
        found = [self.solver.step(time, method="normal", tstop=None) for time in (*times, self.t)]
        return torch.stack([torch.from_numpy(each.y) for each in found[:-1]])
