"""The version has one place, the changelog knows it, the package ships its data, and no file names a machine."""

from __future__ import annotations

import fnmatch
import importlib.metadata
import re
import tomllib

import pytest
from source_tree import ROOT, SOURCE, tracked_files

from legato.version import __version__

# A path that starts at the root of some machine; a relative one (`../shared`, `src/work/`) has a character before it.
MACHINE_PATH = re.compile(r"(?<![A-Za-z0-9_.:*/-])/(?:tmp|work|root|farm|home|Users)/")


def test_the_version_is_written_in_one_place() -> None:
    written = (path for path in tracked_files() if path.suffix in (".cfg", ".in", ".py", ".toml"))
    homes = [path for path in written if f'"{__version__}"' in path.read_text(encoding="utf-8")]
    assert homes == [SOURCE / "version.py"]


def test_the_installed_package_has_the_version_of_the_source() -> None:
    try:
        installed = importlib.metadata.version("legato")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("legato runs from its source folder, not installed")
    assert installed == __version__


def test_the_changelog_has_a_section_for_this_version_or_for_what_is_unreleased() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## \[(.+?)\]", text, flags=re.MULTILINE)
    assert "Unreleased" in sections or __version__ in sections


def test_no_tracked_file_names_a_path_of_one_machine() -> None:
    found = []
    for path in tracked_files():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue  # pictures and tensors
        found += [f"{path.relative_to(ROOT)}:{i}" for i, line in enumerate(lines, 1) if MACHINE_PATH.search(line)]
    assert not found


def test_everything_that_is_not_python_in_the_package_is_shipped() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["*"]
    names = [path for path in SOURCE.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")]
    left = [path for path in names if not any(fnmatch.fnmatch(path.name, pattern) for pattern in patterns)]
    assert not left, "not matched by package-data in pyproject.toml"


def test_the_extra_all_holds_every_extra_of_the_program() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    (everything,) = extras["all"]
    listed = set(re.findall(r"\[(.*)\]", everything)[0].split(","))
    assert listed == set(extras) - {"all", "dev", "bench"}
