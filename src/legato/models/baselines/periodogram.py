r"""The strongest period of a history that may be irregular and masked.

At each frequency :math:`f` a sine wave with a floating mean is fitted by least squares to the detrended values; its
power :math:`p(f) \in [0, 1]` is the share of the variance that it explains (the generalised Lomb-Scargle periodogram).
Measured series drift, and drift makes high peaks at low frequencies; so the yardstick is red noise, a first-order
autoregression with the history's own correlation :math:`\varphi` between neighbours, a spacing :math:`\Delta` apart:

.. math::
    z(f) = \frac{n - 1}{2}\,\frac{p(f)}{S(f)}, \qquad
    S(f) = \max\left(1, \frac{1 - \varphi^2}{1 + \varphi^2 - 2 \varphi \cos 2\pi f \Delta}\right), \qquad
    P(z > x) \approx e^{-x} .

The 1, which is white noise, stands for the errors of measurement that ride on the drift. The highest :math:`z` over the
frequencies, from two periods in the history to half the typical sampling rate, counts as a period if noise would show
one as high in fewer than 1 of 1000 histories. A season whose second harmonic is the stronger is found at half its
length, so a known period should be given.

References:
    M. Zechmeister and M. Kuerster, The generalised Lomb-Scargle periodogram, 2009.
    M. Schulz and M. Mudelsee, REDFIT: estimating red-noise spectra from unevenly spaced time series, 2002.
"""

from __future__ import annotations

import math

import numpy as np

from .interface import Array, History

__all__ = ["dominant_period"]

_LATEST = 2048  # observations looked at: the cost is their number squared
_FEWEST = 12
_OVERSAMPLING = 8
_FALSE_ALARM = 1e-3


def dominant_period(history: History) -> float | None:
    """Return the strongest period of all columns together, in the unit of the times, or None where none stands out.

    Example:
        >>> t = np.arange(60.0)
        >>> column = np.sin(2 * np.pi * t[:, None] / 12)
        >>> round(dominant_period(History(t, column, np.isfinite(column))), 1)
        12.0
    """
    columns = [(time[-_LATEST:], _detrended(time[-_LATEST:], value[-_LATEST:])) for time, value in history.columns]
    columns = [(time, value) for time, value in columns if len(time) >= _FEWEST and value.any()]
    if not columns:
        return None
    longest = max((time for time, _ in columns), key=lambda time: float(time[-1] - time[0]))
    span, spacing = longest[-1] - longest[0], float(np.median(np.diff(longest)))
    frequency = np.arange(2 / span, 0.5 / spacing, 1 / (_OVERSAMPLING * span))
    if len(frequency) < 3:
        return None
    powers = [_power(time, value, frequency) for time, value in columns]
    noises = [_noise(time, value, frequency) for time, value in columns]
    height = np.mean([power / noise for power, noise in zip(powers, noises, strict=True)], axis=0)
    peak = int(height.argmax())
    chance = len(frequency) * math.exp(-height[peak])
    return 1 / _summit(frequency, np.mean(powers, axis=0), peak) if chance < _FALSE_ALARM else None


def _detrended(time: Array, value: Array) -> Array:
    if len(time) < _FEWEST:
        return value
    offset = time - time.mean()
    rest = value - value.mean() - offset * (offset @ value / (offset @ offset))
    # What a straight line leaves of a straight line is rounding, not a signal.
    return rest if np.abs(rest).max() > 1e-9 * np.abs(value).max() else np.zeros_like(rest)


def _noise(time: Array, value: Array, frequency: Array) -> Array:
    """Return the power that noise of the same correlation shows on average at each frequency."""
    gaps = np.diff(time)
    spacing = float(np.median(gaps))
    near = gaps < 1.5 * spacing
    now, later = value[:-1][near], value[1:][near]
    correlation = float(np.clip(now @ later / max(math.sqrt((now @ now) * (later @ later)), 1e-300), 0.0, 1 - 1e-9))
    wave = np.cos(2 * np.pi * frequency * spacing)
    red = (1 - correlation**2) / (1 + correlation**2 - 2 * correlation * wave)
    return 2 / (len(time) - 1) * np.maximum(red, 1.0)


def _power(time: Array, value: Array, frequency: Array) -> Array:
    """Return the share of the variance that a sine wave with a floating mean explains at each frequency."""
    share = np.empty(len(frequency))
    for chunk in np.array_split(np.arange(len(frequency)), max(1, len(frequency) * len(time) // 500_000)):
        angle = 2 * np.pi * frequency[chunk, None] * (time - time[0])
        cosine, sine = np.cos(angle), np.sin(angle)
        cosine -= cosine.mean(axis=1, keepdims=True)
        sine -= sine.mean(axis=1, keepdims=True)
        cc, ss, cs = (cosine**2).sum(axis=1), (sine**2).sum(axis=1), (cosine * sine).sum(axis=1)
        yc, ys = cosine @ value, sine @ value
        determinant = cc * ss - cs**2
        explained = ss * yc**2 + cc * ys**2 - 2 * cs * yc * ys
        usable = determinant > 1e-9 * cc * ss
        share[chunk] = np.where(usable, explained / np.where(usable, determinant, 1.0), 0.0)
    return share / (value @ value)


def _summit(frequency: Array, power: Array, peak: int) -> float:
    """Climb from a peak to the top of the power there, and return the frequency of its parabola's top."""
    while 0 < peak < len(power) - 1 and power[peak] < max(power[peak - 1], power[peak + 1]):
        peak += 1 if power[peak + 1] > power[peak - 1] else -1
    if not 0 < peak < len(power) - 1:
        return float(frequency[peak])
    left, middle, right = power[peak - 1 : peak + 2]
    bend = left - 2 * middle + right
    shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
    return float(frequency[peak] + shift * (frequency[1] - frequency[0]))
