"""Texts and numbers are safe to draw and short to read."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from legato.plots.words import clean, number, round_number, shorten


@given(st.text(st.characters()))
def test_a_cleaned_text_can_be_written_as_utf8_and_holds_no_control_character(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode("utf-8")
    assert all(letter.isprintable() or letter in "\n\t" or ord(letter) > 0x9F for letter in cleaned)


@given(st.text(st.characters()), st.integers(2, 50))
def test_a_shortened_text_is_one_line_of_at_most_the_width(text: str, width: int) -> None:
    assert len(shorten(text, width)) <= width
    assert "\n" not in shorten(text, width)


def test_a_text_that_fits_is_not_cut() -> None:
    assert shorten("x" * 36) == "x" * 36


@given(st.floats(min_value=1e-12, max_value=1e12))
def test_a_number_is_printed_to_three_digits_at_least(value: float) -> None:
    assert math.isclose(float(number(value)), value, rel_tol=0.00501)
    assert number(-value) == f"-{number(value)}"


def test_numbers_without_a_value_have_words() -> None:
    assert [number(math.inf), number(-math.inf), number(math.nan), number(7)] == ["inf", "-inf", "-", "7"]


@given(st.integers(-9, 9), st.sampled_from([1, 2, 5]))
def test_a_tick_reads_as_itself(power: int, digit: int) -> None:
    assert float(round_number(digit * 10.0**power)) == float(f"{digit}e{power}")
