r"""The front door: coerce, choose defaults, run, unpack.

Solves :math:`dy/dt = f(t, y)`, :math:`y(t_0) = y_0`, for a batch of samples that share their step sizes or march each
for itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..core.catalogue import nearest
from ..core.errors import InputError, OptionError
from ..core.packing import Layout, layout_of
from ..engines import is_black_box, steps_aside
from ..gradients import GRADIENTS
from ..solution import Solution
from ..terms import ODETerm
from .choices import choose_engine, choose_method, choose_tolerances
from .conclude import conclude
from .events import read_events
from .request import Request
from .running import run
from .times import read_times

__all__ = ["solve"]

_HALF = (torch.bfloat16, torch.float16)


@steps_aside
def solve(
    field: Callable[..., Any],
    y0: Any,
    t: Any,
    args: Any = None,
    *,
    solver: Any = "tsit5",
    rtol: Any = None,
    atol: Any = None,
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
    save: str | Callable[..., Any] = "times",
    save_every: int = 1,
    dense: bool = False,
    clip: bool = False,
    events: Any = (),
    max_events: int = 1000,
    batch_dims: int | None = None,
    args_batched: Any = False,
    time_dtype: torch.dtype | None = None,
    gradient: str = "discrete",
    engine: Any = "auto",
    on_failure: str = "raise",
    **unknown: Any,
) -> Solution:
    r"""Solve an ordinary differential equation, :math:`dy/dt = f(t, y)` with :math:`y(t_0) = y_0`.

    Arguments:
        field: `f(t, y)`, or `f(t, y, args)` where `args` is given; any callable or `nn.Module`. The time has the
            state's real dtype, 0-d under shared steps and `(batch, 1, ...)` under independent ones.
        y0: the initial state: a tensor, or tuples, lists and dicts of tensors that share their first `batch_dims` axes.
        t: a tuple of two, a span, of numbers or `(batch,)` tensors; a list of numbers or a 1-D tensor, a grid whose
            first entry is the start; a 2-D tensor, one grid per sample; a list of 1-D tensors, ragged grids. Times may
            decrease.
        args: passed on to the field.
        solver: a name of the catalogue, a `Tableau`, or a solver.
        rtol, atol: tolerances, numbers or tensors that broadcast against the state, or structures of them. Default
            1e-5 and 1e-7 in float32, 1e-7 and 1e-9 in float64. Constant steps of an explicit method do not read them.
        norm: "rows", the largest of the samples' root mean squares; "batch", the root mean square over everything; or a
            function of the scaled error.
        steps: "shared", one step size for the batch, or "independent", every sample its own; None is "shared" unless
            the samples have their own times.
        controller: a name ("i", "pi", "pid", "predictive", "smooth") or a controller; default the I rule, and constant
            steps of `dt0` for methods without an error estimate.
        dt0, dt_min, dt_max: the first, least and greatest step size, above zero.
        max_steps: the greatest number of attempted steps.
        max_evaluations: the number of field evaluations after which no step is attempted: of the whole solve under
            shared steps, per sample under independent ones. None is no such bound.
        max_time: the wall-clock seconds of the solve after which no step is attempted. None is no such bound.
        force_dt_min: accept steps at `dt_min` whatever their error.
        stops: times at which a step must end; 0-d tensors and 1-D ones may carry a gradient, here and in `jumps`.
        jumps: times at which the field jumps; steps end there and the field is never called on the jump itself.
        save: "times" keeps the states at `t`, "steps" those at the start and after every step. A function keeps what
            it returns, `save(t, y)` or, where `args` is given, `save(t, y, args)`, at the times of `t` instead of the
            states: floating-point tensors, or structures of them, whose first axes are those of the batch. It is called
            with times and states as the field is, under independent steps with some of the samples.
        save_every: with "steps", keep every so many steps of each sample, and its last.
        dense: keep the steps' polynomials, so that the solution can be called at any time.
        clip: let a step of every sample end on each of its times in `t`, so that no value is interpolated.
        events: a `legato.Event`, a function at whose zeros a sample ends, or several of them; every sample meets its
            own, so its steps are its own. See `Solution.events`. Over a span the end row of a sample that ended at an
            event is its state there; a grid holds NaN after it.
        max_events: the greatest number of events of a sample.
        batch_dims: the leading axes that index samples; None is 0 for 0-d and 1-D states, else 1.
        args_batched: which leaves of `args` have a row per sample: one boolean, or a structure like `args`.
        time_dtype: the dtype of the field's time, where the state's is too coarse.
        gradient: "discrete" (the exact transpose of the accepted steps) or "direct" (autograd through them).
        engine: "auto", a name of the catalogue, or an engine; those beside "eager" are black boxes with a method of
            their own, and solve each sample by itself, without gradients.
        on_failure: "raise" a `SolveError` if a sample does not reach its end, "nan" to return NaN for it, "partial" to
            return what it reached.

    Returns:
        A `Solution`: `ys` has time first, `(T, *state)`; a span gives one row, the end.

    Raises:
        InputError: an argument cannot be meant as given.
        FieldError: the field returns a wrong shape, dtype or device, or is not pure.
        SolveError: a sample did not reach its end.

    Example:
        >>> import torch, legato
        >>> solution = legato.solve(lambda t, y: -y, torch.tensor([1.0], dtype=torch.float64), (0.0, 1.0))
        >>> round(solution.ys[-1].item(), 6)
        0.367879
    """
    _refuse(unknown)
    _check_words(gradient=gradient, steps=steps, save=save, on_failure=on_failure)
    _check_every(save_every, save)
    layout = layout_of(y0, batch_dims=batch_dims)
    packed = _initial_state(y0, layout)
    plan = read_times(t, rows=layout.rows, device=packed.device)
    chosen = choose_engine(engine)
    alone = _solves_alone(
        chosen, solver=solver, controller=controller, norm=norm, force_dt_min=force_dt_min, clip=clip, events=events
    )
    independent = _independent(steps, plan.per_sample or alone, events=events, rows=layout.rows)
    method = choose_method(
        solver,
        controller,
        dt0=dt0,
        dt_min=dt_min,
        dt_max=dt_max,
        max_steps=max_steps,
        max_evaluations=max_evaluations,
        max_time=max_time,
        force_dt_min=force_dt_min,
        stops=stops,
        jumps=jumps,
    )
    term = _term(field, layout, packed, args=args, args_batched=args_batched, time_dtype=time_dtype)
    request = Request(
        term=term,
        layout=layout,
        plan=plan,
        method=method,
        tolerances=choose_tolerances(rtol, atol, layout, packed),
        norm=norm,
        save=save,
        save_every=save_every,
        dense=dense,
        clip=clip,
        events=read_events(events, term, max_events=max_events),
        max_events=max_events,
    )
    task = request.rows_task(packed) if independent else request.shared_task(packed)
    outcome = run(task, request, gradient=gradient, engine=chosen)
    return conclude(request, task, outcome, on_failure=on_failure, engine=chosen)


def _refuse(unknown: Iterable[str]) -> None:
    for name in unknown:
        raise OptionError(f"solve has no option {name!r}; {nearest(name, inspect.signature(solve).parameters)}")


def _solves_alone(engine: Any, **given: Any) -> bool:
    """Return whether the engine is a black box, which solves every sample by itself, with a method of its own.

    Raises:
        InputError: an option was given that a black box does not read.
    """
    if not is_black_box(engine):
        return False
    parameters = inspect.signature(solve).parameters
    for name, value in given.items():
        default = parameters[name].default
        if value is not default and value != default:
            raise InputError(
                f"{name}= has no meaning for the engine {engine.name!r}, which solves each sample by itself with a "
                f"method and steps of its own; leave {name}= out"
            )
    return True


def _independent(steps: str | None, per_sample: bool, *, events: Any, rows: int) -> bool:
    """Return whether every sample marches for itself."""
    watched = not isinstance(events, Sequence) or len(events) > 0
    if steps == "shared" and watched and rows != 1:
        raise InputError(
            "events happen in every sample at its own time, so that shared steps cannot end on them; leave steps= out, "
            "or pass batch_dims=0 to solve the whole batch as one sample"
        )
    if steps == "shared" and per_sample:
        raise InputError(
            "samples with their own times, and engines that solve each by itself, need steps='independent'; leave "
            "steps= out"
        )
    return per_sample or watched or steps == "independent"


def _term(
    field: Callable[..., Any],
    layout: Layout,
    packed: Tensor,
    *,
    args: Any,
    args_batched: Any,
    time_dtype: torch.dtype | None,
) -> ODETerm:
    real = packed.real.dtype if packed.is_complex() else packed.dtype
    if time_dtype is not None and not time_dtype.is_floating_point:
        raise InputError(f"time_dtype is a floating dtype such as torch.float64; got {time_dtype}")
    term = ODETerm(
        field,
        layout,
        args=args,
        args_batched=args_batched,
        compute_dtype=packed.dtype,
        time_dtype=time_dtype or real,
        device=packed.device,
    )
    term.check_args()
    return term


def _initial_state(y0: Any, layout: Layout) -> Tensor:
    """Return the packed initial state, in a dtype that can be integrated."""
    if not (layout.dtype.is_floating_point or layout.dtype.is_complex):
        raise InputError(
            f"the state has dtype {layout.dtype}; it changes continuously, so pass y0.double() or y0.float()"
        )
    packed = layout.pack(y0)
    if layout.dtype in _HALF:
        packed = packed.float()
    finite = packed.detach().isfinite()
    if not bool(finite.all()):
        where = tuple(int(place) for place in (~finite).nonzero()[0])
        raise InputError(f"the initial state is not finite at index {where}; every component must be a finite number")
    return packed


def _check_every(save_every: int, save: Any) -> None:
    if not (isinstance(save_every, int) and save_every >= 1):
        raise InputError(f"save_every is a whole number of at least 1; got {save_every!r}")
    if save_every > 1 and save != "steps":
        raise InputError(f"save_every={save_every} counts steps, so it goes with save='steps'; got save={save!r}")


def _check_words(*, gradient: str, steps: str | None, save: Any, on_failure: str) -> None:
    GRADIENTS[gradient]
    for name, value, known in (
        ("steps", steps, (None, "shared", "independent")),
        ("save", "times" if callable(save) else save, ("times", "steps")),
        ("on_failure", on_failure, ("raise", "nan", "partial")),
    ):
        if value not in known:
            words = [word for word in known if word is not None]
            raise OptionError(f"{name}={value!r} is not known; {nearest(str(value), words)}")
