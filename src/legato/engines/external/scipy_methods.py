"""SciPy's solvers as engines: RK23, RK45, DOP853, Radau, BDF, LSODA, and any other `scipy.integrate.OdeSolver`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
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

__all__ = ["SCIPY_METHODS", "SciPy"]

SCIPY_METHODS = {"RK23": 3, "RK45": 4, "DOP853": 7, "Radau": 3, "BDF": 5, "LSODA": 12}
"""SciPy's methods, by their names there, and the greatest degrees of their interpolants in time."""
_JACOBIANS = ("differences", "autograd")
_IMPLICIT = ("Radau", "BDF", "LSODA")
_BUSY = threading.local()
"""Whether LSODA is at work in this thread: it keeps its field in one place, and would go on with another's."""


@dataclass(frozen=True)
class SciPy:
    """Solve with a method of SciPy, sample by sample, with every step looked at.

    Arguments:
        method: "RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA", or a subclass of `scipy.integrate.OdeSolver`, whose
            interpolants are taken for polynomials of degree 12 at most.
        jacobian: where Radau, BDF and LSODA have the derivatives by the state from: "differences", SciPy's own, or
            "autograd", which pays from some twenty components on.

    Reference: P. Virtanen and others, SciPy 1.0: fundamental algorithms for scientific computing in Python, 2020.

    Example:
        >>> import torch, legato
        >>> sol = legato.solve(lambda t, y: -y, torch.ones(1), (0.0, 1.0), engine=legato.engines.SciPy("Radau"))
        >>> round(sol.ys[-1].item(), 4)
        0.3679
    """

    method: Any = "LSODA"
    _: KW_ONLY
    jacobian: str = "differences"

    black_box: ClassVar[bool] = True
    stepwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if isinstance(self.method, str):
            if self.method not in SCIPY_METHODS:
                raise OptionError(f"SciPy has no method {self.method!r}; {_nearest_method(self.method)}")
        elif not (isinstance(self.method, type) and hasattr(self.method, "step")):
            raise InputError(f"method is a name or a subclass of scipy.integrate.OdeSolver; got {self.method!r}")
        if self.jacobian not in _JACOBIANS:
            raise OptionError(f"jacobian={self.jacobian!r} is not known; {nearest(str(self.jacobian), _JACOBIANS)}")
        if self.jacobian == "autograd" and self.method not in _IMPLICIT:
            raise InputError(f"{self.name} uses no Jacobian; leave jacobian= out")

    @property
    def name(self) -> str:
        """The name in the catalogue and in counts."""
        return f"scipy-{self.method if isinstance(self.method, str) else self.method.__name__}".lower()

    @property
    def degree(self) -> int:
        """The greatest degree of the interpolants."""
        return SCIPY_METHODS.get(self.method, 12) if isinstance(self.method, str) else 12

    def march(self, task: Task, *, graph: bool = False) -> March:
        """March a task, row by row.

        Raises:
            GradientError: autograd is to record the march.
            MissingExtraError: SciPy is not installed.
        """
        if graph:
            raise GradientError(f"autograd cannot record what the engine {self.name!r} does; use engine='eager'")
        return march_rows(self, task)

    def begin(self, leg: Leg) -> Stepper:
        """Return SciPy's solver at the beginning of a leg.

        Raises:
            InputError: `rtol` differs from component to component, and the method takes one alone.
        """
        integrate = import_extra("scipy.integrate", extra="solvers", purpose=f"the engine {self.name!r}")
        kind = getattr(integrate, self.method) if isinstance(self.method, str) else self.method
        if not isinstance(leg.rtol, float) and self.method in ("Radau", "BDF"):
            raise InputError(f"{self.name} takes one rtol for a whole sample; give one number, and let atol differ")
        options: dict[str, Any] = {} if leg.first is None else {"first_step": leg.first}
        if self.jacobian == "autograd":
            options["jac"] = leg.function.jacobian
        if self.method == "LSODA":
            options["min_step"] = leg.least
        atol = torch.as_tensor(leg.atol, dtype=torch.float64).clamp(min=LEAST_ATOL).numpy()
        solver = kind(leg.function, leg.t0, leg.y0, leg.t1, rtol=leg.rtol, atol=atol, max_step=leg.longest, **options)
        return _SciPyStepper(solver, alone=self.method == "LSODA")


class _SciPyStepper:
    """One of SciPy's solvers on its way."""

    def __init__(self, solver: Any, *, alone: bool) -> None:
        self.solver, self.alone = solver, alone
        self._dense: Any = None

    @property
    def t(self) -> float:
        """Where it is."""
        return float(self.solver.t)

    @property
    def y(self) -> Any:
        """The state there."""
        return self.solver.y

    def step(self) -> Status | None:
        """Take one step; SciPy gives up where it would fall below the time's resolution."""
        self._dense = None
        with _alone_in_its_thread() if self.alone else nullcontext():
            self.solver.step()
        return Status.DT_MIN if self.solver.status == "failed" else None

    def values(self, times: list[float]) -> Any:
        """Return the states at times inside the last step."""
        if self._dense is None:
            self._dense = self.solver.dense_output()
        found = self._dense(torch.tensor(times, dtype=torch.float64).numpy())
        return torch.as_tensor(found).t()


@contextmanager
def _alone_in_its_thread() -> Iterator[None]:
    """Refuse to run LSODA inside a field that LSODA is solving."""
    if getattr(_BUSY, "lsoda", False):
        raise InputError(
            "the field calls LSODA while LSODA is solving it, which SciPy's cannot do; use another engine for one of "
            "them"
        )
    _BUSY.lsoda = True
    try:
        yield
    finally:
        _BUSY.lsoda = False


def _nearest_method(name: str) -> str:
    lower = {known.lower(): known for known in SCIPY_METHODS}
    return f"did you mean {lower[name.lower()]!r}?" if name.lower() in lower else nearest(name, SCIPY_METHODS)
