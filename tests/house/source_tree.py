"""The package as the house tests read it: files, syntax trees, imported modules, tracked files."""

from __future__ import annotations

import ast
import importlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

__all__ = ["ROOT", "SOURCE", "Source", "python_files", "sources", "tracked_files"]

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "legato"


class Source(NamedTuple):
    """One file of the package: where it lies, its dotted name, whether it is an `__init__`, its syntax tree."""

    path: Path
    name: str
    package: bool
    tree: ast.Module

    @property
    def where(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def floor(self) -> str:
        """The floor's name: `core` for legato.core.norms, `solve` for legato.solve, empty for the front page itself."""
        return self.name.partition(".")[2].partition(".")[0]

    def load(self) -> ModuleType:
        return importlib.import_module(self.name)


def sources() -> list[Source]:
    """Every module of the package but `__main__`, which runs when it is imported."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        if parts[-1] == "__main__":
            continue
        package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if package else parts)
        found.append(Source(path, name, package, ast.parse(path.read_text(encoding="utf-8"))))
    assert found, f"no Python files under {SOURCE.relative_to(ROOT)}"
    return found


def python_files() -> Iterator[Path]:
    """Every Python file that people read: package, tests, examples, benchmarks, documentation scripts."""
    for folder in ("src", "tests", "examples", "benchmarks", "docs"):
        yield from sorted((ROOT / folder).rglob("*.py"))


def tracked_files() -> list[Path]:
    """The files that git tracks and that exist; skips the test outside a git checkout."""
    try:
        listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: tracked files are unknown")
    return [ROOT / name for name in listing.split("\0") if name and (ROOT / name).is_file()]
