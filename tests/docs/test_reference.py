"""The reference is what the catalogues say: its pages and the README's table are as docs/generate.py writes them."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
ADVICE = "run: python docs/generate.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("legato_docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATE = load()
PAGES: dict[str, str] = GENERATE.pages()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_the_reference_is_what_the_code_says(name: str) -> None:
    path = REFERENCE / name
    assert path.is_file(), ADVICE
    assert path.read_text(encoding="utf-8") == PAGES[name], ADVICE


def test_the_reference_holds_no_page_that_nothing_writes() -> None:
    assert {path.name for path in REFERENCE.iterdir()} == set(PAGES)


def test_the_table_of_the_readme_is_what_the_catalogues_hold() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(marker in text for marker in GENERATE.MARKERS)
    assert GENERATE.with_inside(text) == text, ADVICE


def test_a_readme_without_both_markers_is_left_as_it_is() -> None:
    for text in ("no markers\n", f"only {GENERATE.MARKERS[0]} the first\n", f"only {GENERATE.MARKERS[1]} the second\n"):
        assert GENERATE.with_inside(text) == text


def test_the_table_replaces_what_stood_between_the_markers_and_nothing_else() -> None:
    start, end = GENERATE.MARKERS
    assert GENERATE.with_inside(f"before {start}old{end} after") == f"before {start}\n{GENERATE.inside()}\n{end} after"


@pytest.mark.parametrize("name", ["README.md", *(f"docs/reference/{page}" for page in PAGES)])
def test_links_to_files_lead_somewhere(name: str) -> None:
    page = ROOT / name
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{name} links to {target}"


def test_the_solvers_page_gives_the_numbers_of_the_literature() -> None:
    rows = {row.split("|")[1].strip(): [cell.strip() for cell in row.split("|")[2:7]] for row in lines("solvers.md")}
    assert rows["`dopri5`"] == ["5", "4", "7", "yes", "4"]
    assert rows["`bosh3`"] == ["3", "2", "4", "yes", "3"]
    assert rows["`rk4`"][:4] == ["4", GENERATE.DASH, "4", "no"]


def test_every_row_of_a_table_has_as_many_cells_as_its_header() -> None:
    for name in PAGES:
        widths: list[int] = []
        for line in [*PAGES[name].splitlines(), ""]:
            cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
            widths = [*widths, cells] if cells else []
            assert len(set(widths)) <= 1, f"{name}: {line}"


def test_mathematics_is_written_in_dollars_and_no_docstring_markup_is_left() -> None:
    text = "".join(PAGES.values())
    assert "$e_n \\le 1$" in text
    assert ":math:" not in text
    assert ".. math::" not in text


def lines(name: str) -> list[str]:
    return [line for line in PAGES[name].splitlines() if line.startswith("| `")]
