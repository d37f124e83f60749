r"""torchdiffeq's `odeint` and `odeint_adjoint`, over `legato.solve`.

Both solve :math:`dy/dt = f(t, y)`, :math:`y(t_0) = y_0`, and return :math:`y(t_i)` at every time of `t`, time first.
The names, options, defaults and the choice of steps are those of torchdiffeq 0.2.5, so that a program keeps its meaning
when its import changes; where that library is wrong this one is right, and `docs/inside/compat-torchdiffeq.md` lists
each difference.

References: R. T. Q. Chen, torchdiffeq 0.2.5, 2024; R. T. Q. Chen, Y. Rubanova, J. Bettencourt, D. Duvenaud, Neural
Ordinary Differential Equations, 2018.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from ..core.catalogue import Catalogue, nearest
from ..core.errors import InputError, OptionError, SolveError
from ..engines import SciPy
from ..solve import solve
from ..solvers import SOLVERS, Adams, ExplicitRungeKutta
from ..solvers.tableaus import TORCHDIFFEQ_DOPRI5
from .torchdiffeq_implicit import IMPLICIT, implicit_options
from .torchdiffeq_options import (
    ADAPTIVE_OPTIONS,
    GRID_OPTIONS,
    MAX_ITERS,
    SCIPY_OPTIONS,
    adams_method,
    adams_options,
    adaptive_settings,
    check_names,
    grid_settings,
    largest_rms,
    read_tolerance,
    scipy_settings,
)

__all__ = ["METHODS", "odeint", "odeint_adjoint", "odeint_event"]

METHODS: Catalogue[Any] = Catalogue(
    "method",
    {
        "dopri5": (
            ExplicitRungeKutta(TORCHDIFFEQ_DOPRI5),
            "the default: Dormand-Prince 5(4), Shampine's error weights",
        ),
        "dopri8": (SOLVERS["dopri8"], "Prince-Dormand 8(7), for tight tolerances"),
        "tsit5": (SOLVERS["tsit5"], "Tsitouras 5(4); in torchdiffeq after 0.2.5"),
        "bosh3": (SOLVERS["bosh3"], "Bogacki-Shampine 3(2)"),
        "fehlberg2": (SOLVERS["fehlberg2"], "Fehlberg 2(1)"),
        "adaptive_heun": (SOLVERS["adaptive_heun"], "Heun 2(1)"),
        "euler": (SOLVERS["euler"], "first order, on a grid"),
        "midpoint": (SOLVERS["midpoint"], "explicit midpoint rule, on a grid"),
        "heun2": (SOLVERS["heun2"], "explicit trapezoid rule, on a grid"),
        "heun3": (SOLVERS["heun3"], "Heun's third-order method, on a grid"),
        "rk4": (SOLVERS["rk38"], "Kutta's 3/8 rule, on a grid"),
        **IMPLICIT,
        "explicit_adams": (Adams(order=4), "Adams-Bashforth, of order options['max_order'] - 1; on a grid"),
        "implicit_adams": (
            Adams(order=4, corrections=MAX_ITERS),
            "Adams-Bashforth-Moulton, of order options['max_order']; on a grid",
        ),
        "fixed_adams": (Adams(order=4, corrections=MAX_ITERS), "the same as implicit_adams"),
        "scipy_solver": (SciPy("LSODA"), "a method of SciPy, options['solver']; the default LSODA"),
    },
)

_EVENTS = (
    "events are still to come; until then solve over the whole interval and look for the sign change of event_fn along "
    "legato.solve(..., dense=True)"
)
_CALLBACKS = tuple(f"callback_{what}step{where}" for what in ("", "accept_", "reject_") for where in ("", "_adjoint"))
_IN_THESE_WORDS = (
    "Here max_steps is options['max_num_steps'], jumps= is options['jump_t'], dt0= is options['first_step'], and the "
    "dtype of time is that of y0."
)


def odeint(
    func: Callable[[Tensor, Any], Any],
    y0: Any,
    t: Tensor,
    *,
    rtol: Any = 1e-7,
    atol: Any = 1e-9,
    method: str | None = None,
    options: dict[str, Any] | None = None,
    event_fn: Callable[..., Any] | None = None,
) -> Any:
    r"""Solve :math:`dy/dt = f(t, y)` with torchdiffeq's signature and meaning; gradients by autograd through the steps.

    Arguments:
        func: `func(t, y)`, with a 0-d time of the state's real dtype, returns the derivative of `y`, in its structure.
        y0: the state at `t[0]`: a tensor of any shape, or a tuple of tensors of one dtype.
        t: 1-D floating-point tensor of times, rising or falling, the first of them the start; one alone gives
            `y0[None]`.
        rtol, atol: tolerances, numbers or tensors that broadcast against the state; for a tuple state also one per
            entry. They have no effect on methods without an error estimate.
        method: a name of `METHODS`; None is "dopri5".
        options: of adaptive methods: `first_step`, `min_step` (steps that small are accepted whatever their error),
            `max_step`, `step_t` (times at which a step ends), `jump_t` (times at which `func` jumps), `safety` 0.9,
            `ifactor` 10, `dfactor` 0.2, `max_num_steps` (attempts, for each interval
            of `t` on average; where it is not given, 100 000 for the whole solve), `norm` (a function of the scaled
            error, which is a tuple for a tuple state; default the root mean square, and the largest of those of a
            tuple's entries), and `dtype`, which has no effect: time is float64 inside.
            Of the others: `step_size` or `grid_constructor(func, y0, t)`, without which steps go from one time of `t`
            to the next; `interp`, "cubic" (the default here) or "linear"; `perturb`, to evaluate `func` just beside the
            times of the grid; and `norm`, which has no effect. Of the implicit methods also `max_iters`, which has no
            effect: their equations are solved to rounding, or the solve fails; and their `interp` by default is the
            method's own polynomial.
            times of the grid; and `norm`, which has no effect. Of the Adams methods also `max_order`, 1 to 12, and
            `max_iters`, the number of corrections; of "implicit_adams" and "fixed_adams" `implicit`.
            Of "scipy_solver": `solver`, SciPy's name of a method or a subclass of `scipy.integrate.OdeSolver`;
            `max_step`; `min_step`, of "LSODA" alone; and `norm`, which has no effect. It has no gradient yet, so where
            one is wanted it raises.
        event_fn: still to come: raises.

    Returns:
        The states `(len(t), *y0.shape)`, or a tuple of them.

    Raises:
        InputError: an argument cannot be meant as given.
        OptionError: a method or option that does not exist, or is still to come; the message says what to use.
        FieldError: `func` returns a wrong shape, dtype or structure.
        SolveError: the solve did not reach the last time; torchdiffeq fails an assertion, or returns NaN.
        GradientError: a gradient through "scipy_solver" is wanted.

    Example:
        >>> import torch, legato
        >>> y = legato.odeint(lambda t, y: -y, torch.tensor([1.0]), torch.tensor([0.0, 1.0]), rtol=1e-6)
        >>> round(y[-1].item(), 4)
        0.3679
    """
    return _solved(func, y0, t, rtol, atol, method=method, options=options, event_fn=event_fn, gradient="direct")


def odeint_adjoint(
    func: Callable[[Tensor, Any], Any],
    y0: Any,
    t: Tensor,
    *,
    rtol: Any = 1e-7,
    atol: Any = 1e-9,
    method: str | None = None,
    options: dict[str, Any] | None = None,
    event_fn: Callable[..., Any] | None = None,
    adjoint_rtol: Any = None,
    adjoint_atol: Any = None,
    adjoint_method: str | None = None,
    adjoint_options: dict[str, Any] | None = None,
    adjoint_params: Iterable[Tensor] | None = None,
) -> Any:
    r"""Solve like `odeint`, with the exact gradient of the steps taken and no activation kept.

    torchdiffeq solves the adjoint equation backwards, with an error of its own; here the steps that were taken are
    visited backwards, so the gradient is the one of `odeint`. No second equation is solved, and what would choose how
    is checked and has no effect.

    Arguments:
        func, y0, t, rtol, atol, method, options, event_fn: see `odeint`. `func` need not be a module.
        adjoint_rtol, adjoint_atol: numbers or tensors of at least zero; no effect, an exact gradient has no tolerance.
        adjoint_method: a method of torchdiffeq; no effect, the steps backwards are those of `method`.
        adjoint_options: options of `adjoint_method`, by name, where `norm` may also be "seminorm"; no effect, no step
            size is chosen and no error is measured on the way back.
        adjoint_params: tensors that get a gradient, beside `y0` and `t`; what else `func` uses gets none. None:
            everything that `func` uses gets its gradient, parameters and captured tensors alike.

    Returns:
        The states `(len(t), *y0.shape)`, or a tuple of them.

    Raises:
        InputError, OptionError, FieldError, SolveError: as `odeint`; also for `adjoint_*` that cannot be meant.

    Example:
        >>> import torch, legato
        >>> rate = torch.tensor(0.5, requires_grad=True)
        >>> t = torch.tensor([0.0, 1.0])
        >>> y = legato.odeint_adjoint(lambda t, y: -rate * y, torch.ones(1), t, rtol=1e-6, adjoint_params=[rate])
        >>> y[-1].sum().backward()
        >>> round(rate.grad.item(), 4)
        -0.6065
    """
    name = next((one for one in (adjoint_method, method) if one is not None), "dopri5")
    chosen = _known_method(name, argument="adjoint_method")
    _check_adjoint_options(adjoint_options, chosen, name)
    for label, tolerance in (("adjoint_rtol", adjoint_rtol), ("adjoint_atol", adjoint_atol)):
        _check_adjoint_tolerance(label, tolerance)
    wanted = None if adjoint_params is None else _tensors(adjoint_params)
    ys = _solved(func, y0, t, rtol, atol, method=method, options=options, event_fn=event_fn, gradient="discrete")
    if wanted is not None:
        _keep_only(ys if isinstance(ys, Tensor) else ys[0], wanted)
    return ys


def odeint_event(*arguments: Any, **named: Any) -> Any:
    """Raise: events are still to come.

    Raises:
        OptionError: always; the message says what to use.
    """
    raise OptionError(f"odeint_event cannot be called yet: {_EVENTS}")


def _solved(
    func: Callable[..., Any],
    y0: Any,
    t: Any,
    rtol: Any,
    atol: Any,
    *,
    method: str | None,
    options: dict[str, Any] | None,
    event_fn: Any,
    gradient: str,
) -> Any:
    """Return the states at `t`, every argument read as torchdiffeq means it."""
    if event_fn is not None:
        raise OptionError(f"event_fn cannot be given yet: {_EVENTS}")
    state = _read_state(y0)
    _check_times(t)
    _check_callbacks(func)
    name = "dopri5" if method is None else method
    solver = _known_method(name, argument="method")
    if isinstance(solver, SciPy):
        given = check_names(options, SCIPY_OPTIONS, method=name)
        settings = scipy_settings(given)
    elif solver.adaptive:
        given = check_names(options, ADAPTIVE_OPTIONS, method=name)
        settings = {"solver": solver, **adaptive_settings(given, intervals=len(t) - 1)}
    else:
        given = check_names(options, (*GRID_OPTIONS, *implicit_options(solver), *adams_options(solver)), method=name)
        if isinstance(solver, Adams):
            solver = adams_method(solver, given)
        settings = grid_settings(solver, given, func=func, y0=y0, t=t)
    if not isinstance(solver, SciPy):
        settings["norm"] = given.get("norm", "batch" if isinstance(state, Tensor) else largest_rms)
    try:
        solution = solve(
            func,
            state,
            t,
            rtol=read_tolerance("rtol", rtol, state),
            atol=read_tolerance("atol", atol, state),
            batch_dims=0,
            gradient=gradient,
            **settings,
        )
    except SolveError as error:
        if isinstance(solver, SciPy):
            raise
        raise SolveError(f"{error}\n{_IN_THESE_WORDS}", error.solution) from None
    return solution.ys


def _known_method(name: str, *, argument: str) -> Any:
    """Return the method of a name."""
    if not isinstance(name, str):
        raise OptionError(f"{argument} is the name of a method; got {type(name).__name__}")
    if name in METHODS:
        return METHODS[name]
    raise OptionError(f"{argument}={name!r} is not known; {nearest(name, METHODS)}")


def _read_state(y0: Any) -> Any:
    """Return the state with a named tuple made plain, as torchdiffeq shows it to the field."""
    if isinstance(y0, Tensor):
        return y0
    if not isinstance(y0, tuple) or not y0 or not all(isinstance(part, Tensor) for part in y0):
        raise InputError(
            f"y0 is a tensor or a tuple of tensors; got {type(y0).__name__}. legato.solve takes any structure"
        )
    return tuple(y0)


def _check_times(t: Any) -> None:
    if not isinstance(t, Tensor) or not t.is_floating_point() or t.dim() != 1 or len(t) == 0:
        got = f"{t.dtype} of shape {tuple(t.shape)}" if isinstance(t, Tensor) else type(t).__name__
        raise InputError(
            f"t is a 1-D floating-point tensor of one or more times; got {got}. legato.solve takes other forms"
        )


def _check_callbacks(func: Any) -> None:
    for name in _CALLBACKS:
        if hasattr(func, name):
            raise OptionError(
                f"func has a {name}, and callbacks are still to come; remove it, and look at the steps with "
                "legato.solve(..., save='steps')"
            )


def _check_adjoint_options(options: Any, method: Any, name: str) -> None:
    known: tuple[str, ...] = (*ADAPTIVE_OPTIONS, *GRID_OPTIONS, "implicit", "max_iters", "max_order", "solver")
    if isinstance(method, SciPy):
        known = SCIPY_OPTIONS
    elif method is not None:
        more = (*implicit_options(method), *adams_options(method))
        known = ADAPTIVE_OPTIONS if method.adaptive else (*GRID_OPTIONS, *more)
    norm = check_names(options, known, method=name, argument="adjoint_options").get("norm")
    if not (norm is None or norm == "seminorm" or callable(norm)):
        raise OptionError(f"adjoint_options['norm'] is 'seminorm' or a function; got {norm!r}")


def _check_adjoint_tolerance(name: str, tolerance: Any) -> None:
    """Refuse what is no tolerance; it has no effect."""
    if tolerance is None:
        return
    parts = tolerance if isinstance(tolerance, list | tuple) else [tolerance]
    try:
        good = all(bool((torch.as_tensor(part).double() >= 0).all()) for part in parts)
    except (TypeError, ValueError, RuntimeError):
        good = False
    if not good:
        raise InputError(f"{name} is a number or tensor of at least zero; got {tolerance!r}")


def _tensors(parameters: Any) -> tuple[Tensor, ...]:
    # A tensor is an iterable too, of rows that the field has never seen.
    found = None if isinstance(parameters, Tensor | str) or not isinstance(parameters, Iterable) else tuple(parameters)
    if found is None or not all(isinstance(parameter, Tensor) for parameter in found):
        raise InputError(f"adjoint_params is an iterable of tensors; got {type(parameters).__name__}")
    return found


def _keep_only(values: Tensor, wanted: tuple[Tensor, ...]) -> None:
    """Drop the gradients of the tensors that the field used, except those wanted."""
    waiting = [values.grad_fn]
    node = None
    while waiting and node is None:
        place = waiting.pop()
        if place is not None and hasattr(place, "held"):
            node = place
        elif place is not None:
            waiting.extend(following for following, _ in place.next_functions)
    if node is None:
        return
    kept = [torch.autograd.graph.get_gradient_edge(tensor)[:2] for tensor in wanted if tensor.requires_grad]
    used = range(1, 1 + len(node.held.originals))
    dropped = {place for place in used if node.next_functions[place] not in kept}
    node.register_hook(lambda found, _: tuple(None if place in dropped else part for place, part in enumerate(found)))
