"""Linear stability of explicit Runge-Kutta methods.

On `y' = lambda y` one step multiplies the state by the polynomial R(z) = 1 + sum_n z^n b a^(n-1) 1, z = h lambda.
The step is stable where |R(z)| <= 1.

Source: E. Hairer, G. Wanner, Solving Ordinary Differential Equations II, 1996, section IV.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

__all__ = ["polynomial", "real_interval"]

_SCAN = (
    1e-3  # steps of the scan along the negative real axis; no interval of the methods here ends and resumes within one
)
_SLACK = 1e-9  # R touches 1 at z = 0 and may touch it inside: rounding must not end the interval there


def polynomial(a: Sequence[Sequence[Fraction]], b: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """Compute the coefficients of R(z), from the constant term up, trailing zeros dropped."""
    coefficients = [Fraction(1)]
    power = [Fraction(1)] * len(b)
    for _ in b:
        coefficients.append(sum((weight * entry for weight, entry in zip(b, power, strict=True)), start=Fraction(0)))
        power = [sum((x * power[j] for j, x in enumerate(row)), start=Fraction(0)) for row in a]
    while coefficients[-1] == 0:
        coefficients.pop()
    return tuple(coefficients)


def real_interval(coefficients: Sequence[float]) -> float:
    """Return the largest x such that |R(-z)| <= 1 for all z in [0, x], to 1e-9."""

    def stable(x: float) -> bool:
        value = 0.0
        for coefficient in reversed(coefficients):
            value = value * -x + coefficient
        return abs(value) <= 1 + _SLACK

    inside = 0.0
    while stable(inside + _SCAN):
        inside += _SCAN
    outside = inside + _SCAN
    while outside - inside > 1e-10:
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if stable(middle) else (inside, middle)
    return inside
