"""The tableau of an implicit Runge-Kutta method: data that checks itself.

One step of size h from (t0, y0) has s stages,

    k_i = f(t0 + c_i h, y0 + h sum_j a_ij k_j)                                       i = 1 .. s
    y1  = y0 + h sum_i b_i k_i                                                       order p
    e   = (I - h damping J)^-1 h sum_i error_i k_i                                    J = df/dy (t0, y0)

Diagonally implicit: `a` is lower triangular, so that the stages are solved one after the other, those with a zero on
the diagonal without any equation; else all stages are solved at once. The first stage is always f(t0, y0), which the
error estimate and the interpolant use even where y1 does not. The filter keeps an error estimate bounded for stiff
components, as the method itself is; without one the estimate is as it stands.

Inside the step, theta in [0, 1],

    y(t0 + theta h) = y0 + h sum_i b_i(theta) k_i,    b_i(theta) = sum_n dense[i][n-1] theta^n,

over the s stages and, where `dense` has a row more than that, f(t1, y1), which is evaluated only for a step that
somebody looks into.

A tableau is checked when it is made: shapes, row sums, b(1) = b, and all order conditions for the orders that it
claims.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import torch

from ..core.errors import InputError
from .rooted_trees import dense_residual, order_residual, relative
from .tableau import Number, Row, Rows, hermite

__all__ = ["ImplicitTableau"]

_TOLERANCE = 1e-11
_ZERO = Fraction(0)


@dataclass(frozen=True, kw_only=True)
class ImplicitTableau:
    """Hold the coefficients of one implicit Runge-Kutta method; `from_lists` makes one from plain lists.

    Arguments:
        name: the method's name in the literature.
        a: the square stage matrix; its first row is zero.
        b, c: weights and nodes, one per stage.
        error: weights of the error estimate, one per stage, or None.
        damping: the coefficient of the filter of the error, or None.
        dense: coefficients of theta^1, theta^2, ... of b_i(theta), a row per stage, and perhaps one for f(t1, y1).
        order: the order p of y1: one step is wrong by O(h^(p+1)).
        error_order: the q for which the error estimate is O(h^(q+1)), or None.
        dense_order: the order of the interpolant: inside the step it is wrong by O(h^(q+1)).
        source: author, title, year.

    Raises:
        InputError: a shape, a sum or an order condition is wrong.
    """

    name: str
    a: Rows
    b: Row
    c: Row
    error: Row | None
    damping: float | None
    dense: Rows
    order: int
    error_order: int | None
    dense_order: int
    source: str = ""

    def __post_init__(self) -> None:
        self._check_shapes()
        self._check_sums()
        self._check_orders()

    @classmethod
    def from_lists(
        cls,
        a: Sequence[Sequence[Number]],
        b: Sequence[Number],
        *,
        order: int,
        name: str = "user",
        error: Sequence[Number] | None = None,
        b_hat: Sequence[Number] | None = None,
        error_order: int | None = None,
        damping: Number | None = None,
        dense: Sequence[Sequence[Number]] | None = None,
        dense_order: int | None = None,
        source: str = "",
    ) -> ImplicitTableau:
        """Make a tableau from lists of numbers, fractions or strings such as "5/12".

        Arguments:
            a: the stage matrix: square, or rows that end with the diagonal. Where its first row is not zero, a first
                stage f(t0, y0) is put before it, of no weight in y1.
            b: weights, one per stage.
            order: the order of the method.
            name: a name for messages.
            error: weights of the error estimate, one per stage, that first one included.
            b_hat: weights of an embedded solution, instead of `error`.
            error_order: the q for which the estimate is O(h^(q+1)); None: order - 1.
            damping: the coefficient of the error's filter.
            dense, dense_order: see the class; None: the cubic Hermite polynomial, of order min(order, 3).
            source: author, title, year.

        Raises:
            InputError: the tableau is not a method of the stated order.

        >>> rule = ImplicitTableau.from_lists([[0, 0], ["1/2", "1/2"]], ["1/2", "1/2"], order=2)
        >>> rule.c, rule.end
        ((0.0, 1.0), 1)
        """
        rows, weights = _square(a), [Fraction(entry) for entry in b]
        if any(rows[0]):
            rows = [[_ZERO] * (len(rows) + 1), *([_ZERO, *row] for row in rows)]
            weights = [_ZERO, *weights]
        nodes = [sum(row, start=_ZERO) for row in rows]
        difference = None if error is None else [Fraction(entry) for entry in error]
        if b_hat is not None:
            difference = [left - Fraction(right) for left, right in zip(weights, b_hat, strict=True)]
        if dense is None:
            dense = _hermite(rows, weights, nodes)
        return cls(
            name=name,
            a=tuple(tuple(float(entry) for entry in row) for row in rows),
            b=tuple(float(entry) for entry in weights),
            c=tuple(float(entry) for entry in nodes),
            error=None if difference is None else tuple(float(entry) for entry in difference),
            damping=None if damping is None else float(Fraction(damping)),
            dense=tuple(tuple(float(Fraction(entry)) for entry in row) for row in dense),
            order=order,
            error_order=None if difference is None else (order - 1 if error_order is None else error_order),
            dense_order=min(order, 3) if dense_order is None else dense_order,
            source=source,
        )

    @property
    def stages(self) -> int:
        """The number of stages, f(t0, y0) included."""
        return len(self.b)

    @property
    def total_stages(self) -> int:
        """The number of slopes that the interpolant is made of."""
        return len(self.dense)

    @property
    def adaptive(self) -> bool:
        """Whether the method estimates its own error."""
        return self.error is not None

    @cached_property
    def diagonal(self) -> bool:
        """Whether stages can be solved one after the other."""
        return all(not entry for index, row in enumerate(self.a) for entry in row[index + 1 :])

    @cached_property
    def late(self) -> int:
        """The first of the stages at the end that y1 does not need: they serve the error, or the next step."""
        last = self.stages
        while last > 1 and self.b[last - 1] == 0 and not any(row[last - 1] for row in self.a[:last]):
            last -= 1
        return last

    @cached_property
    def end(self) -> int | None:
        """The stage that is f(t1, y1), or None."""
        for index, (row, node) in enumerate(zip(self.a, self.c, strict=True)):
            if row == self.b and node == 1 and index > 0:
                return index
        return None

    @cached_property
    def reach(self) -> float:
        """The greatest node: how far into the step, in units of h, the field is called."""
        return max(*self.c, 1.0)

    @cached_property
    def stability(self) -> str:
        """L-stable, A-stable, or neither ("-"): |R(z)| <= 1 in the left half-plane, and R = 0 at infinity.

        R(z) = 1 + z b (I - z a)^-1 1 is bounded in the half-plane by its values on the imaginary axis.
        """
        a, b = torch.tensor(self.a, dtype=torch.float64), torch.tensor(self.b, dtype=torch.float64)
        z = 1j * torch.logspace(-3, 6, 2000, dtype=torch.float64)
        far = torch.tensor([-1e9 + 0j], dtype=torch.complex128)
        points = torch.cat([z, far])
        matrix = torch.eye(len(b)) - points[:, None, None] * a
        ones = torch.ones(len(points), len(b), 1, dtype=torch.complex128)
        values = 1 + points * (torch.linalg.solve(matrix, ones)[..., 0] * b).sum(-1)
        if float(values[:-1].abs().max()) > 1 + 1e-9:
            return "-"
        return "L-stable" if float(values[-1].abs()) < 1e-6 else "A-stable"

    @property
    def description(self) -> str:
        """One line for tables: order, error estimate, stages, dense order, stability, source."""
        error = "no error estimate" if self.error_order is None else f"error estimate of order {self.error_order}"
        kind = "diagonally" if self.diagonal else "fully"
        return (
            f"order {self.order}, {error}, {self.stages} stages with f(t0, y0), {kind} implicit, dense order "
            f"{self.dense_order}, {self.stability}; {self.source}"
        )

    def _check_shapes(self) -> None:
        count = len(self.b)
        self._require(count > 1 and len(self.a) == count == len(self.c), "a, b and c differ in length")
        self._require(all(len(row) == count for row in self.a), "a is not square")
        self._require(not any(self.a[0]), "the first stage must be f(t0, y0)")
        self._require(self.error is None or len(self.error) == count, f"error needs {count} entries, one per stage")
        self._require(len(self.dense) in (count, count + 1), f"dense has {len(self.dense)} rows for {count} stages")
        self._require(len({len(row) for row in self.dense}) == 1, "the rows of dense differ in length")

    def _check_sums(self) -> None:
        """Refuse an interpolant that does not meet y1 at theta = 1."""
        weights = (*self.b, *(0.0,) * (self.total_stages - self.stages))
        for index, (row, weight) in enumerate(zip(self.dense, weights, strict=True)):
            off = relative(sum(row) - weight, row)
            self._require(off < _TOLERANCE, f"dense row {index} sums to {sum(row)!r}, expected b = {weight!r}")
        if self.error is not None:
            off = relative(sum(self.error), self.error)
            self._require(off < _TOLERANCE, f"the error weights sum to {sum(self.error)!r}, expected 0")

    def _check_orders(self) -> None:
        """Refuse an order that the order conditions do not bear out."""
        self._require(self.order >= 1 and self.dense_order >= 1, "order and dense_order must be at least 1")
        off = order_residual(self.a, self.b, self.order)
        self._require(off < _TOLERANCE, f"b is not of order {self.order}: a condition is off by {off:.1e} relative")
        if self.error is not None and self.error_order is not None:
            hat = tuple(left - right for left, right in zip(self.b, self.error, strict=True))
            off = order_residual(self.a, hat, min(self.error_order, self.order))
            self._require(off < _TOLERANCE, f"error is not of order {self.error_order}: off by {off:.1e} relative")
        matrix = self.a if self.total_stages == self.stages else (*self.a, self.b)
        off = dense_residual(matrix, self.dense, self.dense_order)
        self._require(
            off < _TOLERANCE, f"dense is not of order {self.dense_order}: a condition is off by {off:.1e} relative"
        )

    def _require(self, holds: bool, message: str) -> None:
        if not holds:
            raise InputError(f"tableau {self.name!r}: {message}; check the coefficients against their source")


def _square(a: Sequence[Sequence[Number]]) -> list[list[Fraction]]:
    """Return the stage matrix with rows of full length."""
    count = len(a)
    try:
        rows = [[Fraction(entry) for entry in row] for row in a]
    except (ValueError, TypeError, OverflowError, ZeroDivisionError) as error:
        raise InputError("a tableau's coefficients are finite numbers, fractions or strings like '5/12'") from error
    if not rows or any(len(row) > count for row in rows):
        raise InputError(f"a has {count} rows, and one of them more entries than that")
    return [row + [_ZERO] * (count - len(row)) for row in rows]


def _hermite(rows: list[list[Fraction]], b: list[Fraction], nodes: list[Fraction]) -> list[list[Fraction]]:
    """Return the cubic Hermite interpolant, with f(t1, y1) from the stage that is it or as a slope of its own."""
    for index, (row, node) in enumerate(zip(rows, nodes, strict=True)):
        if index > 0 and row == b and node == 1:
            dense = [list(row) for row in hermite((*b, _ZERO), True)]
            last = dense.pop()
            dense[index] = [left + right for left, right in zip(dense[index], last, strict=True)]
            return dense
    return [list(row) for row in hermite((*b, _ZERO), True)]
