"""What the front door makes of options: names become objects, numbers are checked, defaults are filled in."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..controllers import CONTROLLERS, PID, Constant, Grid
from ..core.errors import InputError
from ..core.norms import Tolerances
from ..core.packing import Layout
from ..core.structure import aligned, flatten
from ..engines import ENGINES, Limits
from ..solvers import (
    SOLVERS,
    ExplicitRungeKutta,
    ImplicitTableau,
    Rosenbrock,
    RosenbrockTableau,
    Tableau,
    implicit_runge_kutta,
)

__all__ = ["Method", "choose_controller", "choose_engine", "choose_method", "choose_solver", "choose_tolerances"]

_DEFAULTS = {torch.float64: (1e-7, 1e-9), torch.float32: (1e-5, 1e-7)}


def choose_solver(solver: Any) -> Any:
    """Return a solver from its name, a tableau or a solver."""
    if isinstance(solver, str):
        return SOLVERS[solver]
    if isinstance(solver, Tableau):
        return ExplicitRungeKutta(solver)
    if isinstance(solver, ImplicitTableau):
        return implicit_runge_kutta(solver)
    if isinstance(solver, RosenbrockTableau):
        return Rosenbrock(solver)
    if hasattr(solver, "step") and hasattr(solver, "start"):
        return solver
    raise InputError(f"solver is a name, a Tableau or a solver; got {type(solver).__name__}")


def choose_engine(engine: Any) -> Any:
    """Return an engine from its name; `auto` is eager until another engine exists."""
    if isinstance(engine, str):
        return ENGINES["eager" if engine == "auto" else engine]
    if not hasattr(engine, "march"):
        raise InputError(
            f"engine is a name or an engine; got {type(engine).__name__}. A solver of your own becomes one by "
            "legato.engines.BlackBox(function)"
        )
    return engine


def choose_controller(controller: Any, solver: Any, dt0: float | None) -> Any:
    """Return a controller from its name, or the default that the solver allows.

    Raises:
        InputError: a method without error estimate and no step size.
    """
    if isinstance(controller, str):
        controller = CONTROLLERS[controller]
    elif controller is not None and dt0 is not None and not getattr(controller, "adaptive", True):
        raise InputError(f"{controller!r} sets the step sizes, so dt0 = {dt0} has no meaning; leave one of them out")
    if controller is None:
        if solver.adaptive:
            return PID()
        if dt0 is None:
            raise InputError(
                f"{solver.name} has no error estimate, so it cannot choose its steps; give dt0= (a step size) or "
                "controller=Grid(times), or take an adaptive method such as 'tsit5'"
            )
        return Constant(dt0)
    if getattr(controller, "adaptive", False) and not solver.adaptive:
        raise InputError(f"{solver.name} has no error estimate, so {controller!r} cannot steer it; use Constant(dt)")
    if not hasattr(controller, "judge"):
        raise InputError(f"controller is a name or a controller; got {type(controller).__name__}")
    return controller


class Method(NamedTuple):
    """How to march: what steps, what decides their sizes, within which bounds, with which forced stops and jumps.

    `moving` holds the stops and then the jumps as a tensor, where any of them requires a gradient.
    """

    solver: Any
    controller: Any
    limits: Limits
    stops: tuple[float, ...]
    jumps: tuple[float, ...]
    moving: Tensor | None


def choose_method(
    solver: Any,
    controller: Any,
    *,
    dt0: float | None,
    dt_min: float | None,
    dt_max: float | None,
    max_steps: int,
    max_evaluations: int | None,
    max_time: float | None,
    force_dt_min: bool,
    stops: Sequence[float],
    jumps: Sequence[float],
) -> Method:
    """Return the method that the options of `solve` describe.

    Raises:
        InputError: a number out of its range, or options that do not go together.
    """
    chosen = choose_solver(solver)
    control = choose_controller(controller, chosen, dt0)
    limits = _limits(
        dt0=dt0,
        dt_min=dt_min,
        dt_max=dt_max,
        max_steps=max_steps,
        max_evaluations=max_evaluations,
        max_time=max_time,
        force_dt_min=force_dt_min,
        controller=control,
    )
    forced = (*stops, *(control.given if isinstance(control, Grid) else ()))
    return Method(chosen, control, limits, _times(forced, "stops"), _times(jumps, "jumps"), _moving((*forced, *jumps)))


def choose_tolerances(rtol: Any, atol: Any, layout: Layout, like: Tensor) -> Tolerances:
    """Return the tolerances on packed states: numbers, or tensors that broadcast against them.

    Raises:
        InputError: a tolerance below zero, not finite, both zero, or of a shape that does not fit.
    """
    real = like.real.dtype if like.is_complex() else like.dtype
    defaults = _DEFAULTS[real]
    packed = [
        _pack(default if value is None else value, layout, like, real, name)
        for name, value, default in (("rtol", rtol, defaults[0]), ("atol", atol, defaults[1]))
    ]
    relative, absolute = packed
    if bool(((torch.as_tensor(relative) == 0) & (torch.as_tensor(absolute) == 0)).any()):
        raise InputError("rtol and atol are both zero; at least one must be above zero")
    least = 4 * torch.finfo(real).eps
    if not isinstance(relative, Tensor) and 0 < relative < least:
        warnings.warn(f"rtol = {relative:.3g} is below what {real} resolves; {least:.3g} is used instead", stacklevel=4)
        relative = least
    return Tolerances(relative, absolute)


def _times(given: Sequence[float], name: str) -> tuple[float, ...]:
    times = tuple(float(one.detach() if isinstance(one, Tensor) else one) for one in given)
    if not all(math.isfinite(one) for one in times):
        raise InputError(f"{name} must hold finite times; got {times}")
    return times


def _moving(times: Sequence[Any]) -> Tensor | None:
    if not any(isinstance(one, Tensor) and one.requires_grad for one in times):
        return None
    return torch.stack([torch.as_tensor(one, dtype=torch.float64).reshape(()) for one in times])


def _limits(
    *,
    dt0: float | None,
    dt_min: float | None,
    dt_max: float | None,
    max_steps: int,
    max_evaluations: int | None,
    max_time: float | None,
    force_dt_min: bool,
    controller: Any,
) -> Limits:
    """Return the bounds of the march, checked."""
    for name, value in (("dt0", dt0), ("dt_min", dt_min), ("dt_max", dt_max)):
        if value is not None and not (float(value) > 0):
            raise InputError(f"{name} must be above zero (its sign follows the direction of the solve); got {value}")
    if dt_min is not None and dt_max is not None and dt_min > dt_max:
        raise InputError(f"dt_min = {dt_min} is above dt_max = {dt_max}")
    if not (isinstance(max_steps, int) and max_steps >= 1):
        raise InputError(f"max_steps is a whole number of at least 1, so that every solve ends; got {max_steps!r}")
    if max_evaluations is not None and not (isinstance(max_evaluations, int) and max_evaluations >= 1):
        raise InputError(f"max_evaluations is a whole number of at least 1, or None; got {max_evaluations!r}")
    if max_time is not None and not (isinstance(max_time, int | float) and max_time > 0):
        raise InputError(f"max_time is a number of seconds above zero, or None; got {max_time!r}")
    return Limits(
        dt0=None if dt0 is None or not controller.adaptive else float(dt0),
        dt_min=None if dt_min is None else float(dt_min),
        dt_max=math.inf if dt_max is None else float(dt_max),
        max_steps=int(max_steps),
        force=bool(force_dt_min),
        max_evaluations=max_evaluations,
        deadline=None if max_time is None else time.monotonic() + max_time,
    )


def _pack(value: Any, layout: Layout, like: Tensor, real: torch.dtype, name: str) -> float | Tensor:
    """Return one tolerance as a number, or as a tensor laid out like the packed state."""
    if isinstance(value, dict):
        try:
            value = aligned(value, layout.rebuild(range(len(layout.shapes))))
        except ValueError as error:
            raise InputError(f"{name} must have the structure of the state: {error}") from None
    leaves, _ = flatten(value)
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor) and leaf.dim() > 0]
    if not all(isinstance(leaf, Tensor | int | float) for leaf in leaves):
        raise InputError(f"{name} is a number, a tensor or a structure of them like the state; got {value!r}")
    if len(leaves) == 1 and not tensors:
        number = float(leaves[0])
        _check_number(number, name)
        return number
    for values in (torch.as_tensor(leaf) for leaf in leaves):
        if values.numel():
            _check_number(float(values.min()), name)
            _check_number(float(values.max()), name)
    shapes = [torch.Size((*layout.batch_shape, *shape)) for shape in layout.shapes]
    if len(leaves) != len(shapes):
        raise InputError(f"{name} has {len(leaves)} entries for a state of {len(shapes)} tensors")
    parts = []
    for leaf, shape in zip(leaves, shapes, strict=True):
        part = torch.as_tensor(leaf, dtype=real, device=like.device)
        try:
            parts.append(part.expand(shape))
        except RuntimeError:
            raise InputError(
                f"{name} has shape {tuple(part.shape)}, which does not broadcast to the state's {tuple(shape)}"
            ) from None
    if layout.lone:
        return parts[0].contiguous()
    batch = layout.batch_shape
    return torch.cat([part.reshape(*batch, -1) for part in parts], dim=-1)


def _check_number(number: float, name: str) -> None:
    if not (math.isfinite(number) and number >= 0):
        raise InputError(f"{name} must be finite and at least zero; got {number}")
