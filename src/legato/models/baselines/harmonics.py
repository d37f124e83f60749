r"""A smooth trend and a calendar season, by least squares.

.. math::
    \hat y(t) = a + b t + c t^2
              + \sum_{k=1}^{K} \left( \alpha_k \cos\frac{2\pi k t}{P} + \beta_k \sin\frac{2\pi k t}{P} \right) .

Every column has its own coefficients; times may be irregular.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ...core.errors import InputError
from .interface import Array, NotApplicableError, Predictor, read_history

__all__ = ["QuadraticHarmonics"]

_NAME = "the quadratic with harmonics"


@dataclass(frozen=True, kw_only=True)
class QuadraticHarmonics:
    """Predict by a quadratic trend and the harmonics of a calendar period.

    Arguments:
        period: :math:`P`, in the unit of the times: 365.25 for a year in days. It is never guessed.
        harmonics: :math:`K`, at least 1.

    Example:
        >>> t = np.arange(40.0)
        >>> y = 3 + 0.1 * t**2 + np.cos(2 * np.pi * t / 12)
        >>> QuadraticHarmonics(period=12).fit(t, y).predict([48.0]).round(6).tolist()
        [[234.4]]
    """

    period: float | None = None
    harmonics: int = 2

    def __post_init__(self) -> None:
        if self.period is not None and not 0 < self.period < np.inf:
            raise InputError(f"period is {self.period}; expected a positive length of time")
        if int(self.harmonics) != self.harmonics or self.harmonics < 1:
            raise InputError(f"harmonics is {self.harmonics}; expected a whole number of at least 1")

    def fit(self, times: ArrayLike, values: ArrayLike, mask: ArrayLike | None = None) -> Predictor:
        """Return a predictor; needs two whole periods, and more observations than coefficients, in every column."""
        if self.period is None:
            raise NotApplicableError(_NAME, "it needs a calendar period; give period=")
        history = read_history(times, values, mask)
        period, count = float(self.period), 3 + 2 * self.harmonics
        history.require(count + 1, baseline=_NAME)
        # The trend's clock runs from -1 to 1 over the history, where powers of it are of one size.
        centre, reach = history.times[[0, -1]].mean(), np.ptp(history.times) / 2

        def terms(at: Array) -> Array:
            clock = (at - centre) / reach
            angles = np.outer(2 * np.pi * (at - centre) / period, np.arange(1, self.harmonics + 1))
            return np.column_stack([np.ones_like(clock), clock, clock**2, np.cos(angles), np.sin(angles)])

        columns = enumerate(history.columns)
        law = np.column_stack(
            [_coefficients(terms(time), time, value, period, history.name(index)) for index, (time, value) in columns]
        )
        plural = "harmonic" if self.harmonics == 1 else "harmonics"
        description = f"quadratic and {self.harmonics} {plural} of {period:.6g}"
        return Predictor(description=description, rule=lambda at: terms(at) @ law)


def _coefficients(terms: Array, times: Array, values: Array, period: float, name: str) -> Array:
    if times[-1] - times[0] < 2 * period * (1 - 1e-9):
        reason = f"{name} spans {times[-1] - times[0]:.6g} in time, less than two periods of {period:.6g}"
        raise NotApplicableError(_NAME, reason)
    solution, _, rank, _ = np.linalg.lstsq(terms, values, rcond=1e-10)
    if rank < terms.shape[1]:
        reason = f"the observations of {name} do not tell its terms apart; use fewer harmonics"
        raise NotApplicableError(_NAME, reason)
    return np.asarray(solution, dtype=np.float64)
