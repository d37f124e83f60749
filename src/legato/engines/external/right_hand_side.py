"""The user's field as a black box may call it: on one sample, in float64, counted, and never handing on NaN.

SciPy's RK45 and SUNDIALS' CVODE shrink their step for ever where a field returns NaN, and LSODA ends in success with
NaN for a state. So a value that is not finite, a state that is not, and a budget that is spent end the call of the
solver by an exception, from inside.
"""

from __future__ import annotations

import math
import time
from typing import Any

import torch
from torch import Tensor

from ...core.status import Status
from ..task import Limits

__all__ = ["RightHandSide", "StoppedError"]

_EVALUATIONS = 50  # a step, beside one for each component: far above what any method needs for one it accepts


class StoppedError(Exception):
    """The field ended a black box's step, from inside.

    Attributes:
        status: `NONFINITE`, `MAX_STEPS`, `MAX_EVALUATIONS` or `TIMEOUT`.
        t: the time at which the field was called.
        y: the state, as the solver holds it.
        component: the index of the component that is not finite, or -1.
    """

    def __init__(self, status: Status, t: float, y: Any, component: int = -1) -> None:
        super().__init__(status.advice)
        self.status, self.t, self.y, self.component = status, t, y, component


class RightHandSide:
    """One sample's right-hand side on arrays: `f(t, y)` maps a number and `(n,)` to `(n,)`, all float64.

    A complex state is laid out as real and imaginary parts in turn.

    Arguments:
        term: the right-hand side of that sample alone.
        like: its packed state, `(1, ...)`.
        limits: the bounds of the march.

    Attributes:
        calls: evaluations so far.
        stopped: the error that ended the step, where a solver has swallowed it; else None.
    """

    def __init__(self, term: Any, like: Tensor, limits: Limits) -> None:
        self.term, self.like, self.limits = term, like, limits
        self.most = limits.max_steps * (_EVALUATIONS + len(self.real(like)))
        self.calls = 0
        self.stopped: StoppedError | None = None
        self._low, self._high = -math.inf, math.inf

    def between(self, begin: float, end: float) -> None:
        """Show the field no time outside this interval: solvers overshoot by rounding, and no jump is called on."""
        self._low, self._high = min(begin, end), max(begin, end)

    def __call__(self, t: float, y: Any) -> Any:
        """Return the slope.

        Raises:
            StoppedError: the budget is spent, or the state or the slope is not finite.
        """
        self.calls += 1
        spent = self._spent()
        if spent is not None:
            raise self._stop(spent, t, y)
        given = torch.from_numpy(y.copy())
        if not (math.isfinite(t) and _is_finite(given)):
            raise self._stop(Status.NONFINITE, t, y, given)
        with torch.no_grad():
            slope = self.real(self.term.field(self._time(t), self.state(given)))
        if not _is_finite(slope):
            raise self._stop(Status.NONFINITE, t, y, slope)
        return slope.numpy().copy()  # the field may fill one buffer of its own again and again

    def jacobian(self, t: float, y: Any) -> Any:
        """Return the matrix of derivatives by the state, `(n, n)`, from autograd.

        Raises:
            StoppedError: it is not finite.
        """
        self.calls += 1
        with torch.enable_grad(), torch._C.DisableTorchFunction():
            given = torch.from_numpy(y.copy()).requires_grad_()
            slope = self.real(self.term.field(self._time(t), self.state(given)))
            basis = torch.eye(len(given), dtype=given.dtype)
            if slope.requires_grad:
                (rows,) = torch.autograd.grad(slope, given, basis, is_grads_batched=True, materialize_grads=True)
            else:
                rows = torch.zeros_like(basis)
        if not _is_finite(rows):
            raise self._stop(Status.NONFINITE, t, y, slope.detach())
        return rows.numpy()

    def state(self, values: Tensor) -> Tensor:
        """Return a state as the term takes it, from real numbers `(..., n)`, with the leading axes in front."""
        like = self.like
        if like.is_complex():
            values = torch.view_as_complex(values.unflatten(-1, (-1, 2)))
        return values.to(like.device, like.dtype).reshape(*values.shape[:-1], *like.shape)

    def real(self, state: Tensor) -> Tensor:
        """Return a state as real numbers `(n,)`, float64, on the host."""
        flat = state.reshape(-1)
        flat = torch.view_as_real(flat).reshape(-1) if flat.is_complex() else flat
        return flat.to("cpu", torch.float64)

    def component(self, values: Tensor) -> int:
        """Return the component of the user's state that is the first not to be finite; -1 where all are."""
        if _is_finite(values):
            return -1
        return int((~values.isfinite()).nonzero()[0]) // (2 if self.like.is_complex() else 1)

    def _spent(self) -> Status | None:
        """Return which budget is spent, or None while there is some left of each."""
        limits = self.limits
        if limits.deadline is not None and time.monotonic() > limits.deadline:
            return Status.TIMEOUT
        if limits.max_evaluations is not None and self.calls > limits.max_evaluations:
            return Status.MAX_EVALUATIONS
        return Status.MAX_STEPS if self.calls > self.most else None

    def _time(self, t: float) -> Tensor:
        shown = min(max(t, self._low), self._high)
        return torch.tensor(shown, dtype=self.term.time_dtype, device=self.like.device)

    def _stop(self, status: Status, t: float, y: Any, values: Tensor | None = None) -> StoppedError:
        component = -1 if values is None else self.component(values)
        self.stopped = StoppedError(status, float(t), y.copy(), component)
        return self.stopped


def _is_finite(values: Tensor) -> bool:
    """Return whether all values are finite: so is their sum then, unless it overflows."""
    return math.isfinite(float(values.sum())) or bool(values.isfinite().all())
