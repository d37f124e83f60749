"""Every entry of every catalogue is documented: a one-line summary, a docstring of its own, a line in the reference."""

from __future__ import annotations

import functools
import inspect
from typing import Any, NamedTuple

import pytest
from source_tree import ROOT, sources

from legato.core.catalogue import Catalogue


class Entry(NamedTuple):
    catalogue: Catalogue[Any]
    home: str
    name: str


def catalogues() -> dict[str, Catalogue[Any]]:
    """Every catalogue of the package, once, under the first name that holds it."""
    found: dict[int, tuple[str, Catalogue[Any]]] = {}
    for source in sources():
        for name, value in vars(source.load()).items():
            if isinstance(value, Catalogue):
                found.setdefault(id(value), (f"{source.name}.{name}", value))
    return dict(found.values())


ENTRIES = [Entry(catalogue, home, name) for home, catalogue in catalogues().items() for name in catalogue]


def documentation(thing: Any) -> str:
    """The docstring that someone wrote for a thing; empty where Python wrote it."""
    if isinstance(thing, functools.partial):
        return documentation(thing.func)
    text = inspect.getdoc(thing) or ""
    if inspect.isroutine(thing):
        return text
    owner = thing if inspect.isclass(thing) else type(thing)
    return "" if owner.__module__ == "builtins" or text.startswith(f"{owner.__name__}(") else text


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.home}[{entry.name}]")
def test_an_entry_has_a_summary_and_a_docstring(entry: Entry) -> None:
    summary = entry.catalogue.summary(entry.name)
    assert summary.strip(), "the summary is empty"
    assert "\n" not in summary, "the summary is one line"
    assert documentation(entry.catalogue[entry.name]).strip(), "the thing has no docstring of its own"


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.home}[{entry.name}]")
def test_an_entry_is_named_in_lower_case(entry: Entry) -> None:
    assert entry.name == entry.name.lower()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.home}[{entry.name}]")
def test_an_entry_stands_in_the_reference(entry: Entry) -> None:
    reference = ROOT / "docs" / "reference"
    if not reference.is_dir():
        pytest.skip("docs/reference does not exist yet")
    text = "\n".join(page.read_text(encoding="utf-8") for page in sorted(reference.rglob("*.md")))
    assert f"`{entry.name}`" in text, f"{entry.home}[{entry.name}] is missing: generate the reference again"


def test_a_docstring_that_python_wrote_does_not_count() -> None:
    class Bare(NamedTuple):
        order: int

    assert documentation(Bare) == documentation(Bare(1)) == documentation(3) == ""
    assert documentation(functools.partial(catalogues)).startswith("Every catalogue")
