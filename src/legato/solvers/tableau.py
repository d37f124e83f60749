"""The tableau of an explicit Runge-Kutta method: data that checks itself.

One step of size h from (t0, y0) evaluates s stages, in order,

    k_i = f(t0 + c_i h, y0 + h sum_{j<i} a_ij k_j)                                   i = 1 .. s
    y1  = y0 + h sum_i b_i k_i                                                       order p
    e   = h sum_i error_i k_i,   error = b - b_hat                                   b_hat: the embedded solution

First same as last: the last row of `a` is `b` and its c is 1, so that the last stage is f(t0 + h, y1), the first stage
of the next step. Methods whose error estimate or extra stages use that slope are always written in this form, so
`error` has exactly one entry per stage.

Inside the step, theta in [0, 1],

    y(t0 + theta h) = y0 + h sum_i b_i(theta) k_i,    b_i(theta) = sum_n dense[i][n-1] theta^n,

over the s stages, then f(t1, y1) unless the last stage is that, then the extra stages, which are evaluated only for a
step that somebody looks into. Without an interpolant of its own a method gets the cubic Hermite polynomial of y0,
f(t0, y0), y1, f(t1, y1), which has this form too.

A tableau is checked when it is made: shapes, row sums c_i = sum_j a_ij, b(1) = b, and all order conditions for the
orders that it claims. A wrong digit raises; so does a claim that is too high.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple, TypeAlias

from ..core.errors import InputError
from . import stability
from .rooted_trees import dense_residual, order_residual, relative

__all__ = ["Coefficients", "Number", "Row", "Rows", "Tableau", "hermite"]

Number: TypeAlias = int | float | str | Fraction
Row: TypeAlias = tuple[float, ...]
Rows: TypeAlias = tuple[Row, ...]
ExactRow: TypeAlias = tuple[Fraction, ...]
ExactRows: TypeAlias = tuple[ExactRow, ...]

# Relative to the absolute sum of the terms of a condition: a coefficient typed with 14 digits or stored as a float
# passes, a wrong digit among the first eleven does not.
_TOLERANCE = 1e-11


class Coefficients(NamedTuple):
    """The coefficients of a tableau as exact fractions; the fields are those of `Tableau`."""

    a: ExactRows
    b: ExactRow
    c: ExactRow
    error: ExactRow | None = None
    error_low: ExactRow | None = None
    dense: ExactRows = ()
    extra_a: ExactRows = ()
    extra_c: ExactRow = ()


@dataclass(frozen=True, kw_only=True)
class Tableau:
    """Hold the coefficients of one explicit Runge-Kutta method; `Tableau.from_lists` makes one from plain lists.

    Arguments:
        name: the method's name in the literature.
        exact: the coefficients as fractions; the fields below hold them as floats.
        order: the order p of y1: one step is wrong by O(h^(p+1)).
        embedded_order: the order of b_hat; None where there is no error estimate.
        embedded_low_order: the order of the second embedded solution (DOP853 alone); see `error_low`.
        dense_order: the order q of the interpolant: inside the step it is wrong by O(h^(q+1)).
        source: author, title, year.

    Attributes:
        a: rows of the stage matrix; row i holds i entries, row 0 is ().
        b, c: weights and nodes, one per stage.
        error: weights b - b_hat of the error estimate, one per stage, or None.
        error_low: weights of a second, cruder estimate, or None. With the norms n5 of the first estimate and n3 of the
            second (each without the factor h) the norm of the error is then |h| n5^2 / sqrt(n5^2 + 0.01 n3^2), and 0
            where both are 0.
        dense: coefficients of theta^1, theta^2, ... of b_i(theta): a row per stage, a row for f(t1, y1) unless the
            method is first-same-as-last, a row per extra stage.
        extra_a, extra_c: the extra stages of the interpolant; row i holds stages + i entries.

    Raises:
        InputError: a shape, a sum or an order condition is wrong.
    """

    name: str
    exact: Coefficients = field(repr=False, compare=False)
    order: int
    embedded_order: int | None = None
    embedded_low_order: int | None = None
    dense_order: int
    source: str = ""
    a: Rows = field(init=False)
    b: Row = field(init=False)
    c: Row = field(init=False)
    error: Row | None = field(init=False)
    error_low: Row | None = field(init=False)
    dense: Rows = field(init=False)
    extra_a: Rows = field(init=False)
    extra_c: Row = field(init=False)

    def __post_init__(self) -> None:
        for name, value in self.exact._asdict().items():
            object.__setattr__(self, name, _as_floats(value))
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
        c: Sequence[Number] | None = None,
        b_hat: Sequence[Number] | None = None,
        error: Sequence[Number] | None = None,
        embedded_order: int | None = None,
        error_low: Sequence[Number] | None = None,
        embedded_low_order: int | None = None,
        dense: Sequence[Sequence[Number]] | None = None,
        dense_order: int | None = None,
        extra_a: Sequence[Sequence[Number]] = (),
        extra_c: Sequence[Number] | None = None,
        source: str = "",
    ) -> Tableau:
        """Make a tableau from lists of numbers, fractions or strings such as "35/384" and "0.161".

        Arguments:
            a: stage matrix: row i with i entries, or square with zeros from the diagonal on.
            b: weights, one per stage.
            order: the order of the method.
            name: a name for messages.
            c: nodes; None: the row sums of `a`.
            b_hat: weights of the embedded solution, one per stage; or one more, the last for f(t1, y1).
            error: b - b_hat, instead of `b_hat`.
            embedded_order: order of the embedded solution; None: order - 1.
            error_low, embedded_low_order: see the class.
            dense, dense_order: see the class; the row for f(t1, y1) may be missing. None: cubic Hermite, of order
                min(order, 3).
            extra_a, extra_c: see the class; nodes default to row sums.
            source: author, title, year.

        Returns:
            The checked tableau. Where f(t1, y1) was referred to, the stage that evaluates it has been added.

        Raises:
            InputError: the tableau is not an explicit method of the stated order.

        >>> heun = Tableau.from_lists([[], [1]], ["1/2", "1/2"], order=2, b_hat=[1, 0])
        >>> heun.c, heun.error, heun.embedded_order
        ((0.0, 1.0), (-0.5, 0.5), 1)
        """
        if b_hat is not None and error is not None:
            raise InputError("got both b_hat and error; give b_hat, or error = b - b_hat")
        stages, weights = _lower_rows(a), _fractions(b)
        extra = tuple(_fractions(row) for row in extra_a)
        difference = None if error is None else _fractions(error)
        if b_hat is not None:
            difference = _difference(weights, _fractions(b_hat))
        coefficients = Coefficients(
            a=stages,
            b=weights,
            c=_row_sums(stages) if c is None else _fractions(c),
            error=difference,
            error_low=None if error_low is None else _fractions(error_low),
            dense=() if dense is None else tuple(_fractions(row) for row in dense),
            extra_a=extra,
            extra_c=_row_sums(extra) if extra_c is None else _fractions(extra_c),
        )
        estimated = coefficients.error is not None
        return cls(
            name=name,
            exact=_with_interpolant(_with_end_stage(coefficients)),
            order=order,
            embedded_order=(order - 1 if embedded_order is None else embedded_order) if estimated else embedded_order,
            embedded_low_order=embedded_low_order,
            dense_order=min(order, 3) if dense_order is None else dense_order,
            source=source,
        )

    @property
    def stages(self) -> int:
        """The number of stages, the last one included where it is the next step's first."""
        return len(self.b)

    @property
    def error_order(self) -> int | None:
        """The q for which the error estimate is O(h^(q+1)); None without an estimate.

        The order of the embedded solution; with two estimates of orders p > q the combination e_p^2 / e_q is
        O(h^(2(p+1) - (q+1))), which for DOP853 (5 and 3) is O(h^8), so 7.
        """
        if self.embedded_order is None or self.embedded_low_order is None:
            return self.embedded_order
        return 2 * (self.embedded_order + 1) - (self.embedded_low_order + 1) - 1

    @cached_property
    def first_same_as_last(self) -> bool:
        """Whether the last stage is f(t0 + h, y1): its row is b and its node is 1."""
        return _ends_on_first(self.exact)

    @property
    def adaptive(self) -> bool:
        """Whether the method estimates its own error."""
        return self.error is not None

    @cached_property
    def reach(self) -> tuple[float, float]:
        """The least and the greatest node: the part of the step, in units of h, on which the field is called."""
        nodes = (*self.c, *self.extra_c, 0.0, 1.0)
        return min(nodes), max(nodes)

    @property
    def total_stages(self) -> int:
        """The number of slopes that the interpolant is made of: one per row of `dense`."""
        return len(self.dense)

    @property
    def error_weights(self) -> Rows:
        """The weights of the error estimates: none, one, or DOP853's two."""
        return tuple(weights for weights in (self.error, self.error_low) if weights is not None)

    @cached_property
    def stability_polynomial(self) -> Row:
        """The coefficients of R(z) = 1 + z b.1 + z^2 b.a.1 + ...: y1 = R(h lambda) y0 for y' = lambda y."""
        return tuple(float(value) for value in stability.polynomial(self.exact.a, self.exact.b))

    @cached_property
    def stability_interval(self) -> float:
        """The largest x such that |R(-z)| <= 1 on [0, x]: h |lambda| must stay below it for real negative lambda."""
        return stability.real_interval(self.stability_polynomial)

    @property
    def description(self) -> str:
        """One line for tables: orders, stages, first-same-as-last, dense order, stability, source."""
        embedded = "no error estimate" if self.embedded_order is None else f"embedded {self.embedded_order}"
        if self.embedded_low_order is not None:
            embedded += f" and {self.embedded_low_order}"
        stages = f"{self.stages} stages" + (", first same as last" if self.first_same_as_last else "")
        extra = f" (with {len(self.extra_a)} more stages)" if self.extra_a else ""
        return (
            f"order {self.order}, {embedded}, {stages}, dense order {self.dense_order}{extra}, "
            f"stable to -{self.stability_interval:.2f}; {self.source}"
        )

    def _check_shapes(self) -> None:
        """Refuse rows and weights whose lengths do not fit together."""
        count = len(self.b)
        self._require(count > 0 and len(self.a) == count, f"a has {len(self.a)} rows and b {count} entries")
        self._require(len(self.c) == count, f"c has {len(self.c)} entries for {count} stages")
        for index, row in enumerate((*self.a, *self.extra_a)):
            self._require(len(row) == index, f"row {index} of a and extra_a has {len(row)} entries, expected {index}")
        self._require(len(self.extra_c) == len(self.extra_a), "extra_a and extra_c differ in length")
        end = not self.first_same_as_last
        self._require(
            not (end and self.extra_a), "extra stages need a first-same-as-last method: add the stage f(t1, y1)"
        )
        for weights, order, label in (
            (self.error, self.embedded_order, "error"),
            (self.error_low, self.embedded_low_order, "error_low"),
        ):
            self._require((weights is None) == (order is None), f"{label} and its embedded order go together")
            self._require(weights is None or len(weights) == count, f"{label} needs {count} entries, one per stage")
        self._require(self.error_low is None or self.error is not None, "error_low without error")
        rows = count + end + len(self.extra_a)
        self._require(len(self.dense) == rows, f"dense has {len(self.dense)} rows, expected {rows}: one per stage")
        self._require(len({len(row) for row in self.dense}) == 1, "the rows of dense differ in length")

    def _check_sums(self) -> None:
        """Refuse nodes that are not row sums, and an interpolant that does not meet y1 at theta = 1."""
        nodes = (*self.c, *self.extra_c)
        for index, (row, node) in enumerate(zip((*self.a, *self.extra_a), nodes, strict=True)):
            off = relative(sum(row) - node, row)
            self._require(off < _TOLERANCE, f"row {index} of a sums to {sum(row)!r}, but c[{index}] is {node!r}")
        weights = self.b + (0.0,) * (self.total_stages - self.stages)
        for index, (row, weight) in enumerate(zip(self.dense, weights, strict=True)):
            off = relative(sum(row) - weight, row)
            self._require(off < _TOLERANCE, f"dense row {index} sums to {sum(row)!r}, expected b = {weight!r}")

    def _check_orders(self) -> None:
        """Refuse an order that the order conditions do not bear out."""
        self._require(self.order >= 1 and self.dense_order >= 1, "order and dense_order must be at least 1")
        claims = [(self.b, self.order, "b")]
        for error, order, label in (
            (self.error, self.embedded_order, "b - error"),
            (self.error_low, self.embedded_low_order, "b - error_low"),
        ):
            if error is not None and order is not None:
                claims.append((tuple(left - right for left, right in zip(self.b, error, strict=True)), order, label))
        for weights, order, label in claims:
            off = order_residual(self.a, weights, order)
            self._require(
                off < _TOLERANCE, f"{label} is not of order {order}: a condition is off by {off:.1e} relative"
            )
        matrix = (*self.a, *self.extra_a) if self.first_same_as_last else (*self.a, self.b)
        off = dense_residual(matrix, self.dense, self.dense_order)
        self._require(
            off < _TOLERANCE, f"dense is not of order {self.dense_order}: a condition is off by {off:.1e} relative"
        )

    def _require(self, holds: bool, message: str) -> None:
        if not holds:
            raise InputError(f"tableau {self.name!r}: {message}; check the coefficients against their source")


def hermite(b: ExactRow, first_same_as_last: bool) -> ExactRows:
    """Write the cubic Hermite interpolant as rows of b_i(theta), f(t1, y1) last.

    With u = 3 theta^2 - 2 theta^3 the rows are u b_i, plus theta - 2 theta^2 + theta^3 in the first and
    theta^3 - theta^2 in the last.
    """
    weights = b if first_same_as_last else (*b, Fraction(0))
    rows = [[Fraction(0), 3 * weight, -2 * weight] for weight in weights]
    for row, slope in ((rows[0], (1, -2, 1)), (rows[-1], (0, -1, 1))):
        row[:] = [left + right for left, right in zip(row, slope, strict=True)]
    return tuple(tuple(row) for row in rows)


def _as_floats(value: object) -> object:
    """Turn a nest of tuples of fractions into the same nest of floats."""
    if isinstance(value, tuple):
        return tuple(_as_floats(item) for item in value)
    return float(value) if isinstance(value, Fraction) else value


def _fractions(values: Sequence[Number]) -> ExactRow:
    try:
        return tuple(Fraction(value) for value in values)
    except (ValueError, TypeError, OverflowError, ZeroDivisionError) as error:
        raise InputError(
            f"a tableau's coefficients are finite numbers, fractions or strings like '35/384'; got {values!r}"
        ) from error


def _lower_rows(a: Sequence[Sequence[Number]]) -> ExactRows:
    """Cut every row to the entries below the diagonal, refusing what is not explicit."""
    rows = [_fractions(row) for row in a]
    for index, row in enumerate(rows):
        if len(row) < index or any(row[index:]):
            raise InputError(
                f"row {index} of a is {[float(entry) for entry in row]}; an explicit method has {index} entries there "
                "and zeros from the diagonal on"
            )
    return tuple(row[:index] for index, row in enumerate(rows))


def _difference(b: ExactRow, b_hat: ExactRow) -> ExactRow:
    """Return b - b_hat, where `b_hat` may have one entry more than `b`, for f(t1, y1)."""
    if len(b_hat) not in (len(b), len(b) + 1):
        raise InputError(f"b_hat has {len(b_hat)} entries; expected {len(b)}, one per stage, or one more for f(t1, y1)")
    padded = b if len(b_hat) == len(b) else (*b, Fraction(0))
    return tuple(left - right for left, right in zip(padded, b_hat, strict=True))


def _row_sums(rows: ExactRows) -> ExactRow:
    return tuple(sum(row, start=Fraction(0)) for row in rows)


def _ends_on_first(exact: Coefficients) -> bool:
    """Whether the last stage is f(t1, y1)."""
    return len(exact.b) > 1 and exact.b[-1] == 0 and exact.a[-1] == exact.b[:-1] and exact.c[-1] == 1


def _with_end_stage(given: Coefficients) -> Coefficients:
    """Add the stage f(t1, y1) where the error or the extra stages refer to it and the stages do not hold it."""
    count, zero = len(given.b), Fraction(0)
    in_error = given.error is not None and len(given.error) == count + 1
    in_extra = bool(given.extra_a) and len(given.extra_a[0]) == count + 1
    if not (in_error or in_extra):
        return given
    low, dense = given.error_low, given.dense
    if dense and len(dense) == count + len(given.extra_a):
        if given.extra_a:
            raise InputError("with extra stages dense needs a row for f(t1, y1), after those of the stages")
        dense = (*dense, (zero,) * len(dense[0]))
    return given._replace(
        a=(*given.a, given.b),
        b=(*given.b, zero),
        c=(*given.c, Fraction(1)),
        error=given.error if in_error or given.error is None else (*given.error, zero),
        error_low=(*low, zero) if low is not None and len(low) == count else low,
        dense=dense,
    )


def _with_interpolant(given: Coefficients) -> Coefficients:
    """Give a method without an interpolant the Hermite cubic, and one that does not use f(t1, y1) a row of zeros."""
    ends = _ends_on_first(given)
    if not given.dense:
        return given._replace(dense=hermite(given.b, ends))
    if not ends and len(given.dense) == len(given.b):
        return given._replace(dense=(*given.dense, (Fraction(0),) * len(given.dense[0])))
    return given
