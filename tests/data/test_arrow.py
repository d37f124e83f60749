"""The optional readers are imported when a table is read, and missed with advice."""

from __future__ import annotations

import subprocess
import sys

import pytest

from legato.core.errors import MissingExtraError
from legato.data import load_lynx_hare, read_table
from legato.data.arrow import extra


def test_what_is_not_installed_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"needs pyarrow.*pip install 'legato\[data\]'"):
        read_table(load_lynx_hare())


def test_a_missing_extra_is_an_import_error_too() -> None:
    with pytest.raises(ImportError, match="needs no_such_reader"):
        extra("no_such_reader.csv")


def test_importing_the_floor_imports_no_reader() -> None:
    program = (
        "import sys, legato.data; sys.exit(any(name in sys.modules for name in ('pyarrow', 'narwhals', 'pandas')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
