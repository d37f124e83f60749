"""Irrational coefficients as fractions of fifty digits, so that conditions can be checked far below rounding."""

from __future__ import annotations

from decimal import Context, Decimal
from fractions import Fraction

__all__ = ["root"]


def root(number: int) -> Fraction:
    """Return the square root of a whole number, to fifty digits."""
    return Fraction(Decimal(number).sqrt(Context(prec=50)))
