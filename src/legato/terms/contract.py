"""The contract of a field, checked once: shape, dtype, device, purity, and its meaning row by row."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor

from ..core.errors import FieldError
from .ode import ODETerm

__all__ = ["check_alone", "check_rows", "first_evaluation"]

_IMPURE = (
    "the field's steps are computed again for the gradient, and that needs the same result for the same input; {what}. "
    "{remedy}, or pass gradient='direct'"
)
_NOT_BY_ROWS = (
    "steps='independent' gives every row its own time, but the field mixes rows or needs the whole batch: {reason}. "
    "Pass values that differ from sample to sample in args=, marked by args_batched=, or use steps='shared'"
)
_NOT_ALONE = (
    "this engine solves each sample by itself, but the field mixes rows or needs the whole batch: {reason}. Pass "
    "values that differ from sample to sample in args=, marked by args_batched=, or set batch_dims=0 to solve the "
    "batch as one system"
)


def first_evaluation(term: Any, t0: Tensor, y0: Tensor, *, pure: bool, again: bool) -> Tensor:
    """Return the field at the start of a solve, having checked its contract.

    Arguments:
        term: the right-hand side.
        t0: the time, as the field is to see it.
        y0: the packed state.
        pure: whether to refuse a field that moves random state or its module's buffers.
        again: whether to call the field a second time: where `pure`, to compare, and to see whether it returns one
            buffer of its own again and again.

    Raises:
        FieldError: the result has another device, or the field changed its input, or is not pure.
    """
    before = _outside_state(term.function, y0.device) if pure else None
    f0 = _untouched(term, t0, y0)
    if f0.device != y0.device:
        raise FieldError(f"the field returned a tensor on {f0.device} for a state on {y0.device}")
    if before is not None:
        _compare(before, _outside_state(term.function, y0.device))
    if again:
        second = term.field(t0, y0.clone())
        if pure and not torch.equal(torch.nan_to_num(second), torch.nan_to_num(f0)):
            raise FieldError(
                _IMPURE.format(
                    what="two calls with the same arguments gave different results",
                    remedy="Draw random numbers and change counters once before the solve",
                )
            )
        # A field that fills one buffer of its own again and again would change stages that are still needed.
        term.copies = f0.data_ptr() == second.data_ptr()
        f0 = f0.clone() if term.copies else f0
    return f0


def check_rows(term: ODETerm, t0: Tensor, t1: Tensor, y0: Tensor) -> ODETerm:
    """Return the term in the form in which every row may have its own time.

    The field is called with times `(rows, 1, ...)`, and compared on up to three rows with calls of its own, a batch of
    one with a 0-d time. Where it does not give the same it is run under `vmap`; a state of several leaves always is. A
    field that then gives a row another value in the batch than alone, at a time that all rows share, mixes the rows and
    is refused.

    Arguments:
        term: the right-hand side.
        t0, t1: each row's interval, float64 `(rows,)`; the times of the check lie inside.
        y0: the packed state.

    Raises:
        FieldError: the field mixes rows, or gives the same row by row neither directly nor under `vmap`.
    """
    rows = min(3, len(y0))
    if rows == 0:
        return term
    # No round fractions of the interval: a jump may lie there.
    place = torch.linspace(0.2613, 0.7384, len(y0), dtype=torch.float64, device=y0.device)
    times = (t0 + place * (t1 - t0)).to(term.time_dtype)
    candidates = [term, term.vmapped()] if term.layout.lone else [term.vmapped()]
    reason: Exception | str = ""
    for candidate in candidates:
        column = times.view(-1, *(1,) * (y0.dim() - 1))
        try:
            whole = _untouched(candidate, column, y0)[:rows]
            alone = torch.cat([_alone(term, times[row], y0, row) for row in range(rows)])
        except _InPlaceError:
            raise
        except (RuntimeError, ValueError, IndexError) as error:
            reason = error
            continue
        if _alike(whole, alone):
            if candidate is not term:
                _refuse_mixing(term, t0, t1, y0, rows)
            return candidate
        reason = "a row of the batch has another value than the same row alone"
    raise FieldError(_NOT_BY_ROWS.format(reason=reason))


def check_alone(term: ODETerm, t0: Tensor, t1: Tensor, y0: Tensor) -> ODETerm:
    """Return the term, having seen that it gives up to three rows the same alone as in the batch, at one time.

    Where the rows have no time in common, it is one of the first row's, and that row is compared.

    Arguments:
        term: the right-hand side.
        t0, t1: each row's interval, float64 `(rows,)`.
        y0: the packed state.

    Raises:
        FieldError: the field mixes rows, or cannot be called on one of them.
    """
    if len(y0) < 2:
        return term
    begin, end = torch.minimum(t0, t1).max(), torch.maximum(t0, t1).min()
    rows = min(3, len(y0))
    if begin > end:
        begin, end, rows = t0[0], t1[0], 1
    time = (begin + 0.3871 * (end - begin)).to(term.time_dtype)
    whole = _untouched(term, time, y0)[:rows]
    try:
        alone = torch.cat([_alone(term, time, y0, row) for row in range(rows)])
    except (RuntimeError, ValueError, IndexError) as error:
        raise FieldError(_NOT_ALONE.format(reason=error)) from error
    if not _alike(whole, alone):
        raise FieldError(_NOT_ALONE.format(reason="a row alone has another value than the same row in the batch"))
    return term


def _refuse_mixing(term: ODETerm, t0: Tensor, t1: Tensor, y0: Tensor, rows: int) -> None:
    """Refuse a field whose value of a row depends on the other rows, if there is a time at which that can be asked."""
    earliest, latest = torch.minimum(t0, t1).max(), torch.maximum(t0, t1).min()
    if len(y0) < 2 or earliest > latest:
        return
    time = (earliest + 0.3871 * (latest - earliest)).to(term.time_dtype)
    try:
        whole = _untouched(term, time, y0)[:rows]
        alone = torch.cat([_alone(term, time, y0, row) for row in range(rows)])
    except _InPlaceError:
        raise
    except (RuntimeError, ValueError, IndexError):
        return  # what cannot be called so says nothing about mixing
    if not _alike(whole, alone):
        raise FieldError(_NOT_BY_ROWS.format(reason="a row alone has another value than the same row in the batch"))


def _alike(whole: Tensor, alone: Tensor) -> bool:
    tolerance = 1e-3 if whole.dtype == torch.float32 else 1e-8
    return torch.allclose(whole, alone, rtol=tolerance, atol=tolerance * _size(alone), equal_nan=True)


class _InPlaceError(FieldError):
    """The field changed the state that it was given."""


def _untouched(term: Any, t: Tensor, y: Tensor) -> Tensor:
    """Return the field's value, having seen that it left a copy of the state alone."""
    given = y.clone()
    version = _version(given)
    try:
        value: Tensor = term.field(t, given)
    except TypeError:
        _check_arguments(term)
        raise
    if _version(given) != version or not torch.equal(given, y):  # states at the door are finite
        raise _InPlaceError(
            "the field changed its state argument in place; work on a copy, or use out-of-place operators"
        )
    return value


def _check_arguments(term: Any) -> None:
    """Say how a field is called, if this one cannot be called so."""
    function = term.function
    given = (None, None) if term.args is None else (None, None, None)
    try:
        signature = inspect.signature(function.forward if isinstance(function, torch.nn.Module) else function)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*given)
    except TypeError as error:
        called = "field(t, y)" if term.args is None else "field(t, y, args)"
        raise FieldError(
            f"the field is called as {called}, and this one cannot be: {error}. A network of the state alone becomes a "
            "field by `lambda t, y: network(y)`; args are passed on where args= is given"
        ) from None


def _alone(term: ODETerm, time: Tensor, y0: Tensor, row: int) -> Tensor:
    index = torch.tensor([row], device=y0.device)
    return term.rows(index).field(time, y0[index])


def _size(value: Tensor) -> float:
    finite = value[value.isfinite()]
    return float(finite.abs().max()) if finite.numel() else 0.0


def _outside_state(function: Any, device: torch.device) -> tuple[Tensor, list[int]]:
    random = torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.random.get_rng_state()
    buffers = function.buffers() if isinstance(function, torch.nn.Module) else ()
    return random, [_version(buffer) for buffer in buffers]


def _version(tensor: Tensor) -> int:
    """Return how often a tensor has been changed in place; 0 for one of inference mode, which does not count."""
    return 0 if tensor.is_inference() else tensor._version


def _compare(before: tuple[Tensor, list[int]], after: tuple[Tensor, list[int]]) -> None:
    if not torch.equal(before[0], after[0]):
        raise FieldError(
            _IMPURE.format(
                what="this field draws random numbers in each call (dropout, noise)",
                remedy="Draw the noise once before the solve and pass it in args=, or call module.eval()",
            )
        )
    if before[1] != after[1]:
        raise FieldError(
            _IMPURE.format(
                what="this field changes its buffers in each call (batch statistics)",
                remedy="Use layer or group normalisation, or call module.eval()",
            )
        )
