"""Optional packages are imported late, and missed with advice."""

from __future__ import annotations

import json
import sys

import pytest

from legato.core.errors import LegatoError, MissingExtraError
from legato.core.extras import import_extra


def test_what_is_there_is_returned() -> None:
    assert import_extra("json", extra="data", purpose="reading") is json


def test_what_is_missing_is_named_with_its_purpose_its_cause_and_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(
        MissingExtraError, match=r"drawing needs matplotlib.*halted.*pip install 'legato\[plot\]'"
    ) as caught:
        import_extra("matplotlib", extra="plot", purpose="drawing")
    assert caught.value.name == "matplotlib"


def test_a_missing_extra_is_both_ours_and_an_import_error() -> None:
    assert issubclass(MissingExtraError, LegatoError)
    assert issubclass(MissingExtraError, ImportError)
