"""Words and numbers as pictures and reports print them.

Names come from files that others wrote: control characters and lone surrogates, which break SVG and HTML alike, are
replaced, and long names are cut. Numbers have three significant digits, and never fewer than stand before the point.
"""

from __future__ import annotations

import math
import unicodedata

__all__ = ["clean", "key_label", "number", "round_number", "shorten"]

_UNPRINTABLE = {"Cc", "Cs"}


def clean(text: str) -> str:
    r"""Return the text with control characters (newline and tab aside) and lone surrogates replaced by U+FFFD.

    Example:
        >>> clean("heart\x00rate")
        'heart�rate'
    """
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(letter) in _UNPRINTABLE and letter not in "\n\t" else letter
        for letter in text
    )


def shorten(text: str, width: int = 36) -> str:
    """Return the text on one line of at most `width` characters, cut with an ellipsis.

    Example:
        >>> shorten("dissolved oxygen, upper basin", 12)
        'dissolved o…'
    """
    line = " ".join(clean(text).split())
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def key_label(text: str) -> str:
    """Return a short name that matplotlib shows in a key even where it begins with an underscore."""
    label = shorten(text)
    return f" {label}" if label.startswith("_") else label


def number(value: float | None) -> str:
    """Return a number in words of a report; a dash where there is none.

    Example:
        >>> [number(value) for value in (6.0512, 33.4, 1512.6, 0.00004, 0, float("nan"), None)]
        ['6.05', '33.4', '1513', '4e-5', '0', '-', '-']
    """
    if value is None or math.isnan(value):
        return "-"
    if isinstance(value, int) or value == 0 or math.isinf(value):
        return str(int(value)) if math.isfinite(value) else f"{value}"
    exponent = int(f"{value:.2e}".partition("e")[2])
    if not -4 <= exponent < 6:
        digits, _, power = f"{value:.3g}".partition("e")
        return f"{digits}e{int(power)}"
    return f"{value:.{max(0, 2 - exponent)}f}"


def round_number(value: float) -> str:
    """Return a round number, of a tick or a share, without the digits that it does not need.

    Example:
        >>> [round_number(value) for value in (2.0, 0.05, 1e-5, 2e7)]
        ['2', '0.05', '1e-5', '2e7']
    """
    digits, _, power = f"{value:.6g}".partition("e")
    return f"{digits}e{int(power)}" if power else digits
