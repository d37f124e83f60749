r"""A layer whose depth is time.

.. math::
    \mathrm{layer}(y) = y(t_1), \qquad \frac{dy}{dt} = f_\theta(t, y), \quad y(t_0) = y.

A residual network is :math:`y_{n+1} = y_n + f_n(y_n)`, one Euler step of size 1 a block; here the step sizes follow
from the tolerances, and so may be chosen again after training.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..core.catalogue import nearest
from ..core.errors import InputError, OptionError
from ..core.structure import flatten
from ..engines import steps_aside
from ..solution import Solution, Stats
from ..solve import solve

__all__ = ["NeuralODE"]

_OPTIONS = (
    *("solver", "rtol", "atol", "norm", "steps", "controller", "dt0", "dt_min", "dt_max"),
    *("max_steps", "max_evaluations", "max_time", "force_dt_min"),
    *("stops", "jumps", "clip", "batch_dims", "args_batched", "time_dtype", "gradient", "engine", "on_failure"),
)


class NeuralODE(nn.Module):
    r"""Map a state to where the field carries it: :math:`y(t_1)` with :math:`dy/dt = f(t, y)`, :math:`y(t_0) = y`.

    Every option is a plain attribute under its own name, read at each call, so `layer.rtol = 1e-2` after training
    trades accuracy for evaluations. None of them is in the `state_dict`, which holds the field's parameters and buffers
    alone.

    The default tolerances, 1e-4 and 1e-5, are those of training. The gradient is exact for the steps taken, so the
    tolerance decides how far it is from the gradient of the differential equation, and a good value does not promise a
    good gradient: on Lotka-Volterra over t = 10, rtol 1e-3 gives the value to 0.7 % and the Jacobian to 6 %, rtol 1e-4
    the Jacobian to 0.8 %, below the noise of minibatches, and the tighter default of `legato.solve` costs half as much
    again. Where the last digits count, set `layer.rtol` and `layer.atol` lower.

    Arguments:
        field: `f(t, y)`, or `f(t, y, args)` where `args` is given: a module, whose parameters the layer then owns, or
            any callable; a module may also be of the state alone, `f(y)`. It must give the same result for the same
            input: put dropout and batch statistics outside it, or pass `gradient="direct"`.
        t: the span `(t0, t1)` of a call without times, two numbers; t1 may be below t0.
        solver, rtol, atol, norm, steps, controller, dt0, dt_min, dt_max, max_steps, max_evaluations, max_time,
            force_dt_min, stops, jumps, clip, batch_dims, args_batched, time_dtype, gradient, engine,
            on_failure: as in `legato.solve`.

    Attributes:
        stats: the counts of the last solve, or None before it; `stats.evaluations` holds the field evaluations of each
            sample. They carry no gradient and are not in the `state_dict`. Threads that share a layer see whichever
            solve ended last; call `layer.solve` there and read the solution's own.

    Raises:
        OptionError: an option, or the name of a solver, gradient, controller or engine, does not exist.
        InputError: the field cannot be called, `t` is not a span, or an option is out of range.

    Example:
        >>> import torch, legato
        >>> layer = legato.NeuralODE(lambda t, y: -y)
        >>> model = torch.nn.Sequential(torch.nn.Linear(4, 2), layer, torch.nn.Linear(2, 1))
        >>> model(torch.ones(3, 4)).shape, layer.stats.evaluations.shape
        (torch.Size([3, 1]), torch.Size([3]))
        >>> layer(torch.ones(3, 2), [0.0, 0.5, 1.0, 2.0]).shape
        torch.Size([4, 3, 2])

    References:
        R. T. Q. Chen, Y. Rubanova, J. Bettencourt, D. Duvenaud: Neural Ordinary Differential Equations, 2018.
    """

    def __init__(
        self,
        field: Callable[..., Any],
        *,
        t: tuple[float, float] = (0.0, 1.0),
        solver: Any = "tsit5",
        rtol: Any = 1e-4,
        atol: Any = 1e-5,
        norm: str | Callable[[Any], Tensor] = "rows",
        steps: str | None = None,
        controller: Any = None,
        dt0: float | None = None,
        dt_min: float | None = None,
        dt_max: float | None = None,
        max_steps: int = 10_000,
        max_evaluations: int | None = None,
        max_time: float | None = None,
        force_dt_min: bool = False,
        stops: Sequence[float] = (),
        jumps: Sequence[float] = (),
        clip: bool = False,
        batch_dims: int | None = None,
        args_batched: Any = False,
        time_dtype: torch.dtype | None = None,
        gradient: str = "discrete",
        engine: Any = "auto",
        on_failure: str = "raise",
        **unknown: Any,
    ) -> None:
        super().__init__()
        if unknown:
            name = next(iter(unknown))
            known = inspect.signature(NeuralODE).parameters
            raise OptionError(f"NeuralODE has no option {name!r}; {nearest(name, known)}")
        if not callable(field):
            raise InputError(f"the field is a function f(t, y) or a module; got {type(field).__name__}")
        if isinstance(field, torch.nn.Module) and _takes_the_state_alone(field):
            field = _Autonomous(field)
        self.field = field
        self.t = _span(t)
        self.solver, self.controller, self.engine = solver, controller, engine
        self.rtol, self.atol, self.norm = rtol, atol, norm
        self.dt0, self.dt_min, self.dt_max = dt0, dt_min, dt_max
        self.max_steps, self.force_dt_min = max_steps, force_dt_min
        self.max_evaluations, self.max_time = max_evaluations, max_time
        self.steps, self.stops, self.jumps, self.clip = steps, tuple(stops), tuple(jumps), clip
        self.batch_dims, self.args_batched, self.time_dtype = batch_dims, args_batched, time_dtype
        self.gradient, self.on_failure = gradient, on_failure
        self.stats: Stats | None = None
        self._try_options()

    @steps_aside
    def forward(self, y: Any, t: Any = None, args: Any = None) -> Any:
        """Return the state at the end of the layer's span, or, where times are given, the states at them, time first.

        Arguments:
            y: the state at the start: a tensor `(batch, ...)`, or tuples, lists and dicts of tensors.
            t: None for the span of the layer, else times in any form that `legato.solve` takes.
            args: passed on to the field.

        Returns:
            A state like `y`, or with times `(T, *y)`.

        Raises:
            SolveError: a sample did not reach its end, unless `on_failure` says otherwise.
        """
        ys = self.solve(y, t, args).ys
        if t is not None:
            return ys
        leaves, rebuild = flatten(ys)
        return rebuild([leaf[-1] for leaf in leaves])

    def solve(self, y: Any, t: Any = None, args: Any = None, *, save: str = "times", dense: bool = False) -> Solution:
        """Return the whole `Solution` of a call: values, outcome and counts per sample, dense output where asked for.

        Arguments:
            y, t, args: as in a call of the layer.
            save, dense: as in `legato.solve`.
        """
        options = {name: getattr(self, name) for name in _OPTIONS}
        solution = solve(self.field, y, self.t if t is None else t, args, save=save, dense=dense, **options)
        self.stats = solution.stats
        return solution

    def extra_repr(self) -> str:
        solver = self.solver if isinstance(self.solver, str) else getattr(self.solver, "name", self.solver)
        steps = "" if self.steps is None else f", steps={self.steps!r}"
        return f"t={self.t}, solver={solver!r}, rtol={self.rtol}, atol={self.atol}{steps}, gradient={self.gradient!r}"

    def _try_options(self) -> None:
        """Solve over no time at all, so that the constructor refuses what the first call would refuse."""
        options = {name: getattr(self, name) for name in _OPTIONS}
        for name in ("rtol", "atol", "norm"):
            if not isinstance(options[name], int | float | str):
                del options[name]  # made for a state whose shape is not known yet
        y0 = torch.zeros((1,) * (self.batch_dims or 1), dtype=torch.float64)
        solve(_rest, y0, (self.t[0], self.t[0]), **options)


class _Autonomous(torch.nn.Module):
    """A network of the state as a field that does not depend on time, `f(t, y) = network(y)`."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, t: Tensor, y: Any) -> Any:
        """Return `network(y)`."""
        return self.network(y)


def _takes_the_state_alone(field: torch.nn.Module) -> bool:
    """Return whether a module can be called with one argument and not with two."""
    signature = inspect.signature(field.forward)

    def fits(count: int) -> bool:
        try:
            signature.bind(*range(count))
        except TypeError:
            return False
        return True

    return fits(1) and not fits(2)


def _rest(t: Tensor, y: Tensor) -> Tensor:
    return torch.zeros_like(y)


def _span(t: Any) -> tuple[float, float]:
    """Return a span of two finite numbers."""
    good = isinstance(t, tuple | list) and len(t) == 2 and all(isinstance(end, int | float) for end in t)
    if not good or not all(math.isfinite(end) for end in t):
        raise InputError(
            f"t is the span of the layer, two finite numbers (t0, t1); got {t!r}. Grids, times per sample and times "
            "that carry a gradient are given in the call: layer(y, t)"
        )
    return float(t[0]), float(t[1])
