"""A catalogue finds its entries whatever their case, and names the nearest one where there is none."""

from __future__ import annotations

import pytest

from legato.core.catalogue import Catalogue, nearest
from legato.core.errors import InputError, OptionError

FRUIT = Catalogue("fruit", {"apple": (1, "round"), "banana": (2, "bent")})


def test_an_entry_is_found_whatever_its_case() -> None:
    assert FRUIT["apple"] == FRUIT["Apple"] == 1
    assert "BANANA" in FRUIT
    assert FRUIT.summary("Banana") == "bent"


def test_a_catalogue_is_a_mapping_in_the_order_it_was_written() -> None:
    assert list(FRUIT) == ["apple", "banana"]
    assert len(FRUIT) == 2
    assert dict(FRUIT) == {"apple": 1, "banana": 2}


def test_a_wrong_name_is_refused_with_the_nearest_right_one() -> None:
    with pytest.raises(OptionError, match=r"no fruit is called 'aple'; did you mean 'apple'\?"):
        FRUIT["aple"]
    with pytest.raises(OptionError, match="did you mean 'banana'"):
        FRUIT.summary("bananas")


def test_a_name_like_no_other_is_answered_with_all_of_them() -> None:
    with pytest.raises(OptionError, match="known: apple, banana"):
        FRUIT["zzz"]
    assert nearest("qqq", ["b", "a"]) == "known: a, b"
    for word in ("bogus", "hare", "site"):
        assert nearest(word, ["bosh3", "year", "time"]) == "known: bosh3, time, year"


@pytest.mark.parametrize("name", [None, 3, ("apple",)])
def test_a_name_that_is_no_word_is_refused_too(name: object) -> None:
    assert name not in FRUIT
    with pytest.raises(OptionError, match=r"known|did you mean"):
        FRUIT[name]  # type: ignore[index]


def test_an_option_error_is_an_input_error_and_a_type_error() -> None:
    assert issubclass(OptionError, InputError)
    assert issubclass(OptionError, TypeError)
    assert issubclass(OptionError, ValueError)
