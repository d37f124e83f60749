r"""The tableau of a Rosenbrock method: data that checks itself.

One step of size h from (t0, y0), with J = df/dy and f_t = df/dt there, has stages

    l_i = f(t0 + alpha_i h, y0 + h sum_{j<i} alpha_ij l_j) + gamma_i h f_t + h J sum_{j<=i} gamma_ij l_j
    y1  = y0 + h sum_i b_i l_i

with the same gamma_ii = gamma in every stage, alpha_i and gamma_i row sums: linear equations alone. They are solved for
k = Gamma l, which saves all products with J,

    (I / gamma - h J) k_i = f(t0 + alpha_i h, y0 + h sum_{j<i} a_ij k_j) + sum_{j<i} C_ij k_j + gamma_i h f_t
    a = alpha Gamma^-1,   C = diag(1/gamma) - Gamma^-1,   m = b Gamma^-1 in place of b.

All weights below are over the k. Inside the step y(t0 + theta h) = y0 + h sum_i b_i(theta) k_i, with
b_i(theta) = sum_n dense[i][n-1] theta^n.

The order conditions are those of Runge-Kutta methods with alpha + Gamma in place of the stage matrix below every node
of a tree that has one child, and alpha below those that have more. A tableau is checked when it is made.

Source: E. Hairer, G. Wanner, Solving Ordinary Differential Equations II, 1996, section IV.7.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from ..core.errors import InputError
from .rooted_trees import density, node_count, relative, rosenbrock_weights
from .tableau import Row, Rows

__all__ = ["RosenbrockTableau"]

_TOLERANCE = 1e-10
Matrix: TypeAlias = Sequence[Sequence[float]]


@dataclass(frozen=True, kw_only=True)
class RosenbrockTableau:
    """Hold the coefficients of one Rosenbrock method; two constructors make one from the forms that sources print.

    Arguments:
        name: the method's name in the literature.
        gamma: the coefficient on the diagonal.
        a, c: the matrices `a` and `C`, strictly lower triangular; row i holds i entries.
        alpha, gammas: the row sums of alpha and Gamma, one per stage.
        m: weights of the end of the step, one per stage.
        error: weights of the error estimate.
        dense: coefficients of theta, theta^2, ... of b_i(theta), a row per stage.
        order, error_order, dense_order: as in `ImplicitTableau`.
        source: author, title, year.

    Raises:
        InputError: a shape, a sum or an order condition is wrong.
    """

    name: str
    gamma: float
    a: Rows
    c: Rows
    alpha: Row
    gammas: Row
    m: Row
    error: Row
    dense: Rows
    order: int
    error_order: int
    dense_order: int
    source: str = ""

    def __post_init__(self) -> None:
        count = len(self.m)
        self._require(len(self.a) == len(self.c) == len(self.alpha) == len(self.gammas) == count, "lengths differ")
        self._require(len(self.error) == len(self.dense) == count, "error and dense need an entry per stage")
        self._require(all(len(row) == i for i, row in enumerate(self.a)), "row i of a holds i entries")
        self._require(all(len(row) == i for i, row in enumerate(self.c)), "row i of c holds i entries")
        self._check_sums()
        self._check_orders()

    @classmethod
    def from_stages(
        cls,
        alpha: Matrix,
        gamma: Matrix,
        b: Sequence[float],
        *,
        error: Sequence[float],
        dense: Matrix,
        order: int,
        error_order: int,
        dense_order: int,
        name: str,
        source: str = "",
    ) -> RosenbrockTableau:
        """Make a tableau from alpha, Gamma and b; weights are over the l, and `gamma` holds its diagonal.

        Raises:
            InputError: the tableau is not a method of the stated order.
        """
        first, second = _full(alpha, len(b)), _full(gamma, len(b))
        inverse = torch.linalg.inv(second)

        def turned(weights: Sequence[float]) -> Row:
            return tuple((torch.tensor(weights, dtype=torch.float64) @ inverse).tolist())

        return cls(
            name=name,
            gamma=float(second[0, 0]),
            a=_lower(first @ inverse),
            c=_lower(-inverse),
            alpha=tuple(first.sum(1).tolist()),
            gammas=tuple(second.sum(1).tolist()),
            m=turned(b),
            error=turned(error),
            dense=tuple(zip(*(turned(column) for column in zip(*dense, strict=True)), strict=True)),
            order=order,
            error_order=error_order,
            dense_order=dense_order,
            source=source,
        )

    @classmethod
    def stiffly_accurate(
        cls,
        *,
        gamma: float,
        a: Matrix,
        c: Matrix,
        alpha: Sequence[float],
        gammas: Sequence[float],
        h: Matrix,
        order: int,
        dense_order: int,
        name: str,
        source: str = "",
    ) -> RosenbrockTableau:
        """Make a tableau of the kind of RODAS: y1 is the last stage's argument plus its k, which is the error estimate.

        Arguments:
            gamma, a, c, alpha, gammas: as in the class; the last row of `a` is that of the embedded solution.
            h: rows h_1, h_2, ... of the interpolant, with an entry per stage:
                y0 (1 - theta) + theta (y1 + (1 - theta) h sum_j (h_1j + theta h_2j + ...) k_j).
            order, dense_order, name, source: as in the class.

        Raises:
            InputError: the tableau is not a method of the stated order.
        """
        m = (*a[-1], 1.0)
        rows = []
        for stage, weight in enumerate(m):
            inner = [row[stage] for row in h]
            coefficients = [weight, *(0.0 for _ in inner)]
            for power, entry in enumerate(inner):
                coefficients[power] += entry
                coefficients[power + 1] -= entry
            rows.append(tuple(coefficients))
        return cls(
            name=name,
            gamma=gamma,
            a=tuple(tuple(row) for row in a),
            c=tuple(tuple(row) for row in c),
            alpha=tuple(alpha),
            gammas=tuple(gammas),
            m=m,
            error=(*(0.0 for _ in a[-1]), 1.0),
            dense=tuple(rows),
            order=order,
            error_order=order - 1,
            dense_order=dense_order,
            source=source,
        )

    @property
    def stages(self) -> int:
        """The number of stages, each with one evaluation of the field and one linear solve."""
        return len(self.m)

    @property
    def total_stages(self) -> int:
        """The number of slopes that the interpolant is made of."""
        return len(self.m)

    @property
    def stability(self) -> str:
        """L-stable, A-stable, or neither ("-"), from R(z) = 1 + z b (I - z (alpha + Gamma))^-1 1."""
        _, gamma, beta, _ = self._matrices()
        z = torch.cat([1j * torch.logspace(-3, 6, 2000, dtype=torch.float64), torch.tensor([-1e9 + 0j])])
        ones = torch.ones(len(z), self.stages, 1, dtype=torch.complex128)
        inner = torch.linalg.solve(torch.eye(self.stages) - z[:, None, None] * beta, ones)[..., 0]
        weights = torch.tensor(self.m, dtype=torch.float64) @ gamma
        values = 1 + z * (inner * weights).sum(-1)
        if float(values[:-1].abs().max()) > 1 + 1e-9:
            return "-"
        return "L-stable" if float(values[-1].abs()) < 1e-6 else "A-stable"

    @property
    def description(self) -> str:
        """One line for tables: order, error estimate, stages, dense order, stability, source."""
        return (
            f"order {self.order}, error estimate of order {self.error_order}, {self.stages} stages, linearly implicit, "
            f"dense order {self.dense_order}, {self.stability}; {self.source}"
        )

    def _matrices(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return alpha, Gamma, their sum, and the inverse of Gamma."""
        inverse = torch.eye(self.stages, dtype=torch.float64) / self.gamma - _full(self.c, self.stages)
        gamma = torch.linalg.inv(inverse)
        alpha = _full(self.a, self.stages) @ gamma
        return alpha, gamma, alpha + gamma, inverse

    def _check_sums(self) -> None:
        alpha, gamma, _, _ = self._matrices()
        for label, matrix, sums in (("alpha", alpha, self.alpha), ("gamma", gamma, self.gammas)):
            for index, (row, value) in enumerate(zip(matrix.tolist(), sums, strict=True)):
                off = relative(sum(row) - value, row)
                self._require(off < _TOLERANCE, f"row {index} of {label} sums to {sum(row)!r}, not {value!r}")
        for index, (row, weight) in enumerate(zip(self.dense, self.m, strict=True)):
            off = relative(sum(row) - weight, row)
            self._require(off < _TOLERANCE, f"dense row {index} sums to {sum(row)!r}, expected m = {weight!r}")

    def _check_orders(self) -> None:
        alpha, gamma, beta, _ = self._matrices()
        highest = max(self.order, self.error_order, self.dense_order)
        weights = rosenbrock_weights(alpha.tolist(), beta.tolist(), highest)
        turned = [(torch.tensor(row, dtype=torch.float64) @ gamma).tolist() for row in zip(*self.dense, strict=True)]
        end = (torch.tensor(self.m, dtype=torch.float64) @ gamma).tolist()
        error = (torch.tensor(self.error, dtype=torch.float64) @ gamma).tolist()
        hat = [left - right for left, right in zip(end, error, strict=True)]
        for tree, inner in weights.items():
            nodes = node_count(tree)
            for label, row, order in (("m", end, self.order), ("m - error", hat, self.error_order)):
                if nodes <= order:
                    terms = [left * right for left, right in zip(row, inner, strict=True)]
                    off = relative(sum(terms) - 1 / density(tree), terms)
                    self._require(off < _TOLERANCE, f"{label} is not of order {order}: off by {off:.1e} relative")
            for power, row in enumerate(turned, start=1):
                if nodes <= self.dense_order:
                    terms = [left * right for left, right in zip(row, inner, strict=True)]
                    target = 1 / density(tree) if power == nodes else 0.0
                    off = relative(sum(terms) - target, terms)
                    self._require(off < _TOLERANCE, f"dense is not of order {self.dense_order}: off by {off:.1e}")

    def _require(self, holds: bool, message: str) -> None:
        if not holds:
            raise InputError(f"tableau {self.name!r}: {message}; check the coefficients against their source")


def _full(rows: Matrix, count: int) -> Tensor:
    """Return a lower triangular matrix with rows of full length, float64."""
    return torch.tensor([[*row, *(0.0,) * (count - len(row))] for row in rows], dtype=torch.float64)


def _lower(matrix: Tensor) -> Rows:
    """Return what stands below the diagonal, row i with i entries."""
    return tuple(tuple(row[:index]) for index, row in enumerate(matrix.tolist()))
