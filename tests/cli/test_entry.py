"""The entry point works, and says what to install, where the program's extras are missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from legato.data import load_lynx_hare

Run = Callable[..., Any]

BLOCK = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocked())
"""


@pytest.mark.parametrize("package", ["typer", "rich"])
def test_without_its_extra_the_program_prints_one_line_to_run_and_ends_with_2(
    legato_process: Run, package: str
) -> None:
    ended = legato_process("--help", first=BLOCK.format(package=package))
    assert ended.code == 2
    assert ended.out == ""
    assert len(ended.err.splitlines()) == 1
    assert "pip install 'legato[cli]'" in ended.err


def test_without_the_package_that_draws_a_fit_is_refused_before_it_begins(legato_process: Run, tmp_path: Path) -> None:
    words = ("fit", load_lynx_hare(), "--time", "year", "--model", "observed", "-o", tmp_path / "run")
    ended = legato_process(*words, first=BLOCK.format(package="matplotlib"))
    assert ended.code == 2
    assert "pip install 'legato[plot]'" in ended.err
    assert not (tmp_path / "run").exists()


def test_without_the_package_that_reads_tables_a_command_names_the_extra_that_holds_it(legato_process: Run) -> None:
    ended = legato_process("check", load_lynx_hare(), "--json", first=BLOCK.format(package="pyarrow"))
    assert ended.code == 2
    assert "pip install 'legato[data]'" in ended.json["error"]["message"]
