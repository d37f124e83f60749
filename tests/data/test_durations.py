"""Lengths of time in words."""

from __future__ import annotations

import pytest

from legato.core.errors import OptionError
from legato.data import SECONDS, duration_seconds
from legato.data.durations import unit_in_name, unit_name


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("24h", 86400.0),
        ("1 day", 86400.0),
        ("7d", 604800.0),
        ("1w", 604800.0),
        (".5 min", 30.0),
        ("1.5 Hours", 5400.0),
        ("250ms", 0.25),
        ("400 years", 146097 * 86400.0),  # the Gregorian cycle is 146,097 days
        ("12 months", 31556952.0),
    ],
)
def test_a_length_in_words_is_its_seconds(text: str, seconds: float) -> None:
    assert duration_seconds(text) == pytest.approx(seconds, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("5m", "'min' or 'months'"),
        ("5 huors", "hours"),
        ("h", "a number and a unit"),
        ("-3h", "a number"),
        ("5", "a unit"),
    ],
)
def test_a_length_that_cannot_be_meant_is_refused_with_advice(text: str, advice: str) -> None:
    with pytest.raises(OptionError, match=advice):
        duration_seconds(text)


@pytest.mark.parametrize(
    ("column", "unit"),
    [
        ("hours", "hours"),
        ("Day", "days"),
        ("time_h", "hours"),
        ("Time (min)", "minutes"),
        ("t [s]", "seconds"),
        ("elapsed_seconds", "seconds"),
        ("t", None),
        ("time", None),
        ("s", None),
        ("Ts", None),
        ("h", None),
        ("patient", None),
        ("_s", None),
    ],
)
def test_a_columns_name_states_a_unit_or_none(column: str, unit: str | None) -> None:
    assert unit_in_name(column) == unit


def test_every_unit_is_known_by_its_own_name_and_singular() -> None:
    for name in SECONDS:
        assert unit_name(name) == unit_name(name.removesuffix("s")) == name
