r"""The options of torchdiffeq 0.2.5, read into arguments of `legato.solve`.

An adaptive method judges a step by the norm :math:`e` of its error in units of the tolerance and takes the next step
size to be

.. math::
    \Delta t \cdot \operatorname{clip}\bigl(s\, e^{-1/p},\; d,\; i\bigr), \qquad d = 1 \text{ where } e < 1,

with `safety` :math:`s`, `dfactor` :math:`d`, `ifactor` :math:`i` and the method's order :math:`p`: an accepted step is
never followed by a shorter one. A method without an error estimate steps over a grid: from one output time to the next,
in steps of `step_size`, or over the times that `grid_constructor` returns.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from ..controllers import Grid, Verdict
from ..core.catalogue import nearest
from ..core.errors import InputError, OptionError
from ..engines import SciPy
from ..solvers import SOLVERS, Adams, ExplicitRungeKutta, Tableau
from .torchdiffeq_implicit import implicit_interpolant

__all__ = [
    "ADAPTIVE_OPTIONS",
    "GRID_OPTIONS",
    "MAX_ITERS",
    "MAX_STEPS",
    "SCIPY_OPTIONS",
    "StepRule",
    "adams_method",
    "adams_options",
    "adaptive_settings",
    "check_names",
    "grid_settings",
    "largest_rms",
    "read_tolerance",
    "scipy_settings",
]

MAX_STEPS = 100_000
ADAPTIVE_OPTIONS = (
    "dfactor",
    "dtype",
    "first_step",
    "ifactor",
    "jump_t",
    "max_num_steps",
    "max_step",
    "min_step",
    "norm",
    "safety",
    "step_t",
)
GRID_OPTIONS = ("grid_constructor", "interp", "norm", "perturb", "step_size")
SCIPY_OPTIONS = ("max_step", "min_step", "norm", "solver")

MAX_ITERS = 4

_MOST_GRID_STEPS = 10_000_000
_LEAST_ADAMS, _MOST_ADAMS = 4, 12


class StepRule:
    """Choose step sizes as torchdiffeq does; see the head of this file for the rule.

    Arguments:
        safety: s in (0, 1].
        grow: the greatest factor by which a step may grow, at least 1 (`ifactor`).
        shrink: the least factor after a rejection, in (0, 1) (`dfactor`).

    Raises:
        InputError: a number is out of its range.

    Example:
        >>> StepRule().judge(0.9, (), order=4).factor
        1.0
    """

    adaptive = True

    def __init__(self, *, safety: float = 0.9, grow: float = 10.0, shrink: float = 0.2) -> None:
        if not (0 < safety <= 1 and math.isfinite(grow) and grow >= 1 and 0 < shrink < 1):
            raise InputError(
                "expected 0 < safety <= 1, ifactor >= 1 and 0 < dfactor < 1; got "
                f"safety={safety}, ifactor={grow}, dfactor={shrink}"
            )
        self.safety, self.grow, self.shrink = safety, grow, shrink

    def __repr__(self) -> str:
        return f"StepRule(safety={self.safety}, grow={self.grow}, shrink={self.shrink})"

    @staticmethod
    def start() -> tuple:
        """Return an empty memory: the rule looks at one error alone."""
        return ()

    def judge(self, error: float, memory: tuple, *, order: int, dt: float = 1.0) -> Verdict:
        """Judge a step by its error norm; `order` is that of the error estimate, p - 1."""
        if not math.isfinite(error):
            return Verdict(False, self.shrink, ())
        raw = self.grow if error == 0 else self.safety * error ** (-1 / (order + 1))
        least = 1.0 if error < 1 else self.shrink
        return Verdict(error <= 1, min(max(raw, least), self.grow), ())


def check_names(options: Any, known: Sequence[str], *, method: str, argument: str = "options") -> dict[str, Any]:
    """Return a copy of the options.

    Raises:
        InputError: they are not a dict.
        OptionError: a name that `method` does not know.
    """
    if options is None:
        return {}
    if not isinstance(options, dict):
        raise InputError(f"{argument} is a dict of names and values; got {type(options).__name__}")
    for name in options:
        if name in known:
            continue
        other = "a grid of steps" if name in GRID_OPTIONS else "adaptive steps" if name in ADAPTIVE_OPTIONS else ""
        why = f"it belongs to methods with {other}; known: {', '.join(known)}" if other else nearest(str(name), known)
        raise OptionError(f"{argument} has no {name!r} for method {method!r}; {why}")
    return dict(options)


def adaptive_settings(options: dict[str, Any], *, intervals: int) -> dict[str, Any]:
    """Return the arguments of `solve` that the options of an adaptive method mean.

    Arguments:
        options: with known names only.
        intervals: the number of intervals between output times; `max_num_steps` is meant for each.

    Raises:
        InputError: a value is out of its range or of another type.
    """
    dtype = options.get("dtype", torch.float64)
    if not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise InputError(f"options['dtype'] is a floating-point torch.dtype; got {dtype!r}")
    least = _number(options, "min_step", 0.0)
    most = _number(options, "max_step", math.inf)
    first = options.get("first_step")
    stops, jumps = (_times(options.get(name), name) for name in ("step_t", "jump_t"))
    twice = sorted({time for time in (*stops, *jumps) if (*stops, *jumps).count(time) > 1})
    if twice:
        raise InputError(f"options['step_t'] and options['jump_t'] name the time {twice[0]} twice; name it once")
    limit = options.get("max_num_steps")
    if limit is not None and not (_number(options, "max_num_steps", 1.0) >= 1 and float(limit).is_integer()):
        raise InputError(f"options['max_num_steps'] is a whole number of at least 1; got {limit!r}")
    return {
        "controller": StepRule(
            safety=_number(options, "safety", 0.9),
            grow=_number(options, "ifactor", 10.0),
            shrink=_number(options, "dfactor", 0.2),
        ),
        "dt0": None if first is None else _number(options, "first_step", 0.0),
        "dt_min": least or None,
        "force_dt_min": least > 0,
        "dt_max": None if math.isinf(most) else most,
        "max_steps": MAX_STEPS if limit is None else int(limit) * max(intervals, 1),
        "stops": stops,
        "jumps": jumps,
    }


def adams_options(method: Any) -> tuple[str, ...]:
    """Return the options that only an Adams method has: none of another."""
    if not isinstance(method, Adams):
        return ()
    return ("implicit", "max_iters", "max_order") if method.corrections else ("max_iters", "max_order")


def adams_method(method: Adams, options: dict[str, Any]) -> Adams | ExplicitRungeKutta:
    """Return the method that the options of an Adams method mean.

    Arguments:
        method: that of the method's name.
        options: with known names only. `max_order` from 1 to 12 is the order of the corrector, and the order of an
            explicit method plus one; below 4 it means Kutta's 3/8 rule. `max_iters` corrections are made; `implicit`
            False makes none.

    Raises:
        InputError: a value is out of its range.
    """
    most, repeats = options.get("max_order"), options.get("max_iters", MAX_ITERS)
    implicit = options.get("implicit", bool(method.corrections))
    if not isinstance(implicit, bool):
        raise InputError(f"options['implicit'] is True or False; got {implicit!r}")
    if not (isinstance(repeats, int) and repeats >= 1):
        raise InputError(f"options['max_iters'] is a whole number of at least 1; got {repeats!r}")
    if most is None:
        return replace(method, corrections=repeats if implicit else 0)
    if not (isinstance(most, int) and 1 <= most <= _MOST_ADAMS):
        raise InputError(f"options['max_order'] is a whole number from 1 to {_MOST_ADAMS}; got {most!r}")
    if most < _LEAST_ADAMS:
        method_below: ExplicitRungeKutta = SOLVERS["rk38"]
        return method_below
    return Adams(order=most if implicit else most - 1, corrections=repeats if implicit else 0)


def grid_settings(
    solver: Any, options: dict[str, Any], *, func: Callable[..., Any], y0: Any, t: Tensor
) -> dict[str, Any]:
    """Return the arguments of `solve` that the options of a method without an error estimate mean.

    Arguments:
        solver: the method.
        options: with known names only.
        func, y0, t: what the user's `grid_constructor` is called with.

    Raises:
        InputError: a value is out of its range, or `step_size` and `grid_constructor` are both given.
        OptionError: an `interp` that does not exist.
    """
    interp, perturb = options.get("interp", "cubic"), options.get("perturb", False)
    if interp not in ("cubic", "linear"):
        raise OptionError(f"options['interp']={interp!r} is not known; {nearest(str(interp), ('cubic', 'linear'))}")
    if not isinstance(perturb, bool):
        raise InputError(f"options['perturb'] is True or False; got {perturb!r}")
    moving = _step_times(options, func, y0, t)
    times = tuple(moving.detach().tolist())
    return {
        "solver": _interpolated(solver, options),
        "controller": Grid(moving if moving.requires_grad else times),
        "max_steps": len(times) + 1,
        "jumps": times if perturb else (),
    }


def scipy_settings(options: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of `solve` that the options of "scipy_solver" mean.

    Raises:
        InputError: a value is out of its range or of another type, or `min_step` is given to a method without one.
        OptionError: SciPy has no such method.
    """
    engine = SciPy(options.get("solver", "LSODA"))
    least = _number(options, "min_step", 0.0)
    most = _number(options, "max_step", math.inf)
    if least and engine.method != "LSODA":
        raise InputError(f"options['min_step'] belongs to the solver 'LSODA'; {options['solver']!r} does not read it")
    if not most:
        raise InputError("options['max_step'] is above zero; got 0")
    return {
        "engine": engine,
        "dt_min": least or None,
        "dt_max": None if math.isinf(most) else most,
        "max_steps": MAX_STEPS,
    }


def read_tolerance(name: str, value: Any, y0: Any) -> Any:
    """Return a tolerance as `solve` takes it.

    Arguments:
        name: "rtol" or "atol".
        value: a number, a tensor that broadcasts against the state, or for a tuple state one of them per entry.
        y0: the state, a tensor or a tuple.

    A relative tolerance below four units of the state's resolution, such as the default 1e-7 in float32, is spread into
    tensors, which `solve` takes as given; it would raise a number that small, with a warning. A state of one number
    leaves nothing to spread over: its tolerance is raised here.

    Raises:
        InputError: the tolerance is no number, requires a gradient, or does not fit the state.
    """
    if isinstance(value, Tensor) and value.requires_grad:
        raise InputError(f"{name} requires a gradient, but a solve has none by its tolerances; pass {name}.detach()")
    leaves = (y0,) if isinstance(y0, Tensor) else tuple(y0)
    single = value.dim() == 0 if isinstance(value, Tensor) else not isinstance(value, list | tuple)
    least = 4 * torch.finfo(_real_dtype(leaves[0])).eps
    try:
        if single and not (name == "rtol" and 0 < float(value) < least):
            return float(value)
        if single and len(leaves) == 1 and leaves[0].dim() == 0:
            return least
        parts = [value] * len(leaves) if single else [value] if isinstance(y0, Tensor) else list(value)
        tolerances = [
            torch.as_tensor(part, dtype=_real_dtype(leaf), device=leaf.device)
            for part, leaf in zip(parts, leaves, strict=False)
        ]
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{name} is a number, a tensor, or one of them per entry of a tuple state: {error}") from None
    if len(parts) != len(leaves):
        raise InputError(f"{name} has {len(parts)} entries for a state of {len(leaves)} tensors; give one per tensor")
    shaped = tuple(_shaped(part, leaf) for part, leaf in zip(tolerances, leaves, strict=True))
    return shaped[0] if isinstance(y0, Tensor) else shaped


def largest_rms(state: tuple[Tensor, ...]) -> Tensor:
    """Return the largest of the entries' root mean squares: the default norm of a tuple state."""
    return torch.stack([torch.linalg.vector_norm(part) / max(part.numel(), 1) ** 0.5 for part in state]).amax()


def _step_times(options: dict[str, Any], func: Callable[..., Any], y0: Any, t: Tensor) -> Tensor:
    """Return the times at which steps begin and end, with their gradient, in float64."""
    size, constructor = options.get("step_size"), options.get("grid_constructor")
    if size is None and constructor is None:
        return t.double()
    given = (float(t[0].detach()), float(t[-1].detach()))
    if size is not None and constructor is not None:
        raise InputError("options has both step_size and grid_constructor; give one of them")
    if size is not None:
        even = torch.tensor(_even_times(*given, _number(options, "step_size", 0.0)), dtype=torch.float64)
        moves = (t - t.detach()).double()
        return even.to(t.device) + torch.cat([moves[:1].expand(len(even) - 1), moves[-1:]])
    if not callable(constructor):
        raise InputError(f"options['grid_constructor'] is a function (func, y0, t) -> times; got {constructor!r}")
    grid = constructor(func, y0, t)
    if not (isinstance(grid, Tensor) and grid.dim() == 1 and len(grid)):
        raise InputError("options['grid_constructor'] must return a 1-D tensor of times")
    ends = (float(grid[0].detach()), float(grid[-1].detach()))
    if ends != given:
        raise InputError(
            f"options['grid_constructor'] returned times from {ends[0]} to {ends[1]}; they must begin and end as t "
            f"does, at {given[0]} and {given[1]}"
        )
    return grid.double()


def _even_times(t0: float, t1: float, size: float) -> tuple[float, ...]:
    """Return t0, t0 + size, ... and t1; a last step that rounding alone would make is left out."""
    if not 0 < size < math.inf:
        raise InputError(f"options['step_size'] is a finite number above zero, whatever the direction; got {size}")
    count = math.ceil(abs(t1 - t0) / size * (1 - 1e-9))
    if count > _MOST_GRID_STEPS:
        raise InputError(f"options['step_size'] = {size} would take {count} steps from {t0} to {t1}; make it larger")
    sign = 1.0 if t1 >= t0 else -1.0
    return (*(t0 + sign * index * size for index in range(count)), t1)


def _interpolated(solver: Any, options: dict[str, Any]) -> Any:
    """Return the method with the interpolant that `interp` asks for."""
    if solver.implicit:
        return implicit_interpolant(solver, options)
    return _with_straight_lines(solver) if options.get("interp") == "linear" else solver


@functools.cache
def _with_straight_lines(solver: Adams | ExplicitRungeKutta) -> Adams | ExplicitRungeKutta:
    """Return the method with the straight line between a step's ends as its interpolant."""
    if isinstance(solver, Adams):
        return replace(solver, straight=True)
    tableau = solver.tableau
    lines: list[list[Fraction]] = [[weight] for weight in tableau.exact.b]
    return ExplicitRungeKutta(
        Tableau.from_lists(
            tableau.exact.a,
            tableau.exact.b,
            order=tableau.order,
            dense=lines,
            dense_order=1,
            name=f"{tableau.name} (linear)",
            source=tableau.source,
        )
    )


def _number(options: dict[str, Any], name: str, default: float) -> float:
    try:
        value = float(options.get(name, default))
    except (TypeError, ValueError, RuntimeError):
        raise InputError(f"options[{name!r}] is a number; got {options[name]!r}") from None
    if math.isnan(value) or value < 0:
        raise InputError(f"options[{name!r}] is a number of at least zero; got {value}")
    return value


def _times(value: Any, name: str) -> tuple[float, ...]:
    if value is None:
        return ()
    try:
        times = torch.as_tensor(value, dtype=torch.float64).detach()
    except (TypeError, ValueError, RuntimeError):
        raise InputError(f"options[{name!r}] holds times, numbers in a 1-D tensor or list; got {value!r}") from None
    if times.dim() != 1 or not bool(times.isfinite().all()):
        raise InputError(f"options[{name!r}] is a 1-D tensor or list of finite times; got {value!r}")
    return tuple(times.tolist())


def _real_dtype(leaf: Tensor) -> torch.dtype:
    """Return the real dtype in which a state is integrated."""
    dtype = leaf.real.dtype if leaf.is_complex() else leaf.dtype
    return dtype if dtype == torch.float64 else torch.float32


def _shaped(tolerance: Tensor, leaf: Tensor) -> Tensor:
    """Return a tolerance like the state: a number everywhere, or one per component where it is given flat."""
    if tolerance.dim() == 0:
        return tolerance.expand(leaf.shape)
    if tolerance.dim() == 1 and tolerance.shape[0] == leaf.numel():
        return tolerance.reshape(leaf.shape)
    return tolerance
