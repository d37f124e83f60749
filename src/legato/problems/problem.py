"""A named problem: an initial value problem with its answer.

    y'(t) = f(t, y),      y(t0) = y0,      t0 <= t <= t1

The answer is an exact solution, reference states computed in binary128, or both. A problem is data: solvers, laws, the
command line and the self-test all read the same entries.

A field takes a state of shape `(..., n)` and a time that is 0-d or broadcasts against the state with its last axis of
length one, `(batch, 1)`; it is differentiable and keeps the state's dtype.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from .answers import Reference, Sensitivity, references, sensitivities
from .components import Parameters

__all__ = ["Invariant", "Parametric", "Problem", "total"]


class Invariant(NamedTuple):
    """A quantity that the exact flow conserves: `function` maps states `(..., n)` to values `(...)`."""

    name: str
    function: Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Parametric:
    """Give a law `law(t, y, parameters)` its default parameters, so that it is a field with and without `args`.

    `field(t, y)` uses the defaults; `field(t, y, args)` uses a tensor of parameters `(p,)` or, one set per sample,
    `(batch, p)`.
    """

    law: Callable[[Tensor, Tensor, Parameters], Tensor]
    names: tuple[str, ...]
    defaults: tuple[float, ...]

    def __call__(self, t: Tensor, y: Tensor, args: Parameters | None = None) -> Tensor:
        """Evaluate the law at time `t` and states `y` of shape (..., n)."""
        return self.law(t, y, self.defaults if args is None else args)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """An initial value problem with its answer.

    Arguments:
        name: the lower-case name in the catalogue.
        title: one line that says what the problem is.
        field: `field(t, y) -> dy/dt`; a `Parametric` one also takes `args`.
        y0: the initial state, in double precision.
        t0: the time of `y0`.
        t1: the end that the literature uses; beyond `breakdown` where the point is that no solver can get there.
        components: a name for each component of the state.
        equations: the equations as text.
        source: where the problem comes from.
        exact: the exact solution, from real times of any shape to states of shape `(*t.shape, n)`.
        invariants: quantities that the exact flow conserves.
        stiff: whether explicit methods are limited by stability rather than accuracy.
        atol: the absolute tolerance that small components need, where the usual one would drown them.
        jumps: times at which the field is discontinuous.
        breakdown: the time at which the solution ceases to exist or leaves the field's domain.

    Example:
        >>> from legato.problems import PROBLEMS
        >>> problem = PROBLEMS["lotka-volterra"]
        >>> problem.field(torch.tensor(0.0), problem.initial())
        tensor([ 0.5000, -2.0000], dtype=torch.float64)
        >>> problem.references[0].t
        1.0
    """

    name: str
    title: str
    field: Callable[..., Tensor]
    y0: tuple[float, ...]
    t0: float = 0.0
    t1: float
    components: tuple[str, ...]
    equations: str
    source: str
    exact: Callable[[Tensor], Tensor] | None = None
    invariants: tuple[Invariant, ...] = ()
    stiff: bool = False
    atol: float | None = None
    jumps: tuple[float, ...] = ()
    breakdown: float | None = None

    def __post_init__(self) -> None:
        assert len(self.components) == len(self.y0), self.name

    def initial(self, dtype: torch.dtype = torch.float64, *, device: torch.device | str | None = None) -> Tensor:
        """Return the initial state as a new tensor of shape (n,)."""
        return torch.tensor(self.y0, dtype=dtype, device=device)

    def args(self, dtype: torch.dtype = torch.float64, *, device: torch.device | str | None = None) -> Tensor:
        """Return the default parameters as a new tensor of shape (p,); p is 0 where the field takes none."""
        return torch.tensor(self.parameters, dtype=dtype, device=device)

    @property
    def parameters(self) -> tuple[float, ...]:
        """The default values of the parameters that the field takes as `args`; empty where it takes none."""
        return self.field.defaults if isinstance(self.field, Parametric) else ()

    @property
    def references(self) -> tuple[Reference, ...]:
        """States that a solve must reproduce, in order of time; every problem has at least one.

        From the files where they hold the problem, else the exact solution: at `t1`, or nine tenths of the way to
        the breakdown.
        """
        stored = references(self.name) or tuple(Reference(row.t, row.y) for row in self.sensitivities)
        if stored or self.exact is None:
            return stored
        end = self.t1 if self.breakdown is None else self.t0 + 0.9 * (self.breakdown - self.t0)
        return (Reference(end, tuple(self.exact(torch.tensor(end, dtype=torch.float64)).tolist())),)

    @property
    def sensitivities(self) -> tuple[Sensitivity, ...]:
        """Jacobians by initial state and parameters, in order of time; empty where none are known."""
        return sensitivities(self.name)


def total(y: Tensor) -> Tensor:
    """Return the sum of a state's components, which closed systems of one substance conserve."""
    return y.sum(-1)
