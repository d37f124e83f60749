"""The Hudson Bay record of lynx and hare: 21 years, two species, thousands of pelts a year.

The classic record of a predator and its prey, from the fur trade. It ships with the package, so that a first forecast
needs no download.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["load_lynx_hare"]


def load_lynx_hare() -> Path:
    """Return the path of the record: CSV with columns `year`, `hare` and `lynx`, 1900 to 1920.

    References:
        P. Howard, Modeling Basics, lecture notes, Texas A&M University.
    """
    return Path(__file__).with_name("lynx_hare.csv")
