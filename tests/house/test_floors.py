"""Imports go downward only, and every external package has one home.

The tower is read from CONTRIBUTING.md, its only home. An import counts wherever it stands, at the top of a file or
inside a function; one under `if TYPE_CHECKING:` does not run, so it does not count.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from typing import NamedTuple

from source_tree import ROOT, SOURCE, Source, sources

NUMERICS = "core", "paths", "terms", "solvers", "controllers", "outputs", "engines", "gradients", "solve", "solution"
EVERYWHERE = {"torch"}
ABOVE_THE_NUMERICS = {"numpy", "safetensors"}
HOMES = {
    "pyarrow": ("legato.data",),
    "narwhals": ("legato.data",),
    "matplotlib": ("legato.plots",),
    "jinja2": ("legato.plots",),
    "typer": ("legato.cli",),
    "click": ("legato.cli",),
    "rich": ("legato.cli",),
    "scipy": ("legato.engines.external",),
    "sksundae": ("legato.engines.external",),
}


class Import(NamedTuple):
    source: Source
    line: int
    target: str

    def __str__(self) -> str:
        return f"{self.source.where}:{self.line} imports {self.target}"


class Place(NamedTuple):
    height: int
    room: int  # the part of its line, where lines are cut by `|`


def tower() -> dict[str, Place]:
    section = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## The house")[2]
    block = re.search(r"```\n(.*?)```", section, flags=re.DOTALL)
    assert block is not None, "CONTRIBUTING.md has no table of floors under 'The house'"
    places = {"version": Place(-1, 0)}
    for height, line in enumerate(block[1].splitlines()):
        for room, names in enumerate(line.split("|")):
            places.update({name: Place(height, room) for name in names.split()})
    return places


def imports(source: Source) -> Iterator[Import]:
    package = source.name.split(".") if source.package else source.name.split(".")[:-1]
    for node in running(source.tree):
        if isinstance(node, ast.Import):
            yield from (Import(source, node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            # `from legato import solve` and `from .. import solve` name a floor only in their list of names.
            names = [f"{base}.{alias.name}" for alias in node.names] if base == "legato" else [base]
            yield from (Import(source, node.lineno, name) for name in names)


def running(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for branch in child.orelse:
                yield branch
                yield from running(branch)
        else:
            yield child
            yield from running(child)


def below(target: str, source: str, places: dict[str, Place]) -> bool:
    if target == source:
        return True
    if source not in places or target not in places:
        return False
    if places[target].height == places[source].height:
        return places[target].room == places[source].room
    return places[target].height < places[source].height


def test_every_folder_and_file_of_the_package_stands_on_a_floor() -> None:
    places = tower()
    homeless = sorted({source.where for source in sources() if source.floor and source.floor not in places})
    assert not homeless, f"not in the table of CONTRIBUTING.md: {homeless}"


def test_every_folder_of_the_package_with_code_in_it_is_a_package() -> None:
    folders = {parent for source in sources() for parent in source.path.parents if SOURCE in (parent, *parent.parents)}
    bare = [folder.relative_to(ROOT).as_posix() for folder in folders if not (folder / "__init__.py").is_file()]
    assert not bare, f"no __init__.py in {bare}"


def test_imports_go_downward_only_and_strangers_do_not_meet() -> None:
    places, wrong = tower(), []
    for source in sources():
        if not source.floor:
            continue  # the front page shows every floor
        for item in imports(source):
            root, _, rest = item.target.partition(".")
            if root == "legato" and not below(rest.partition(".")[0], source.floor, places):
                wrong.append(str(item))
    assert not wrong, "\n".join(["upward or sideways:", *wrong])


def test_external_packages_are_imported_in_their_homes_only() -> None:
    wrong = []
    for source in sources():
        for item in imports(source):
            root = item.target.partition(".")[0]
            if root == "legato" or root in sys.stdlib_module_names or root in EVERYWHERE:
                continue
            if root in ABOVE_THE_NUMERICS and source.floor not in NUMERICS:
                continue
            if not any(f"{source.name}.".startswith(f"{home}.") for home in HOMES.get(root, ())):
                wrong.append(str(item))
    assert not wrong, "\n".join(["outside their home:", *wrong])


def test_the_numerics_named_here_are_the_lowest_floors_of_the_table() -> None:
    places = tower()
    top = max(places[name].height for name in NUMERICS)
    assert {name for name, place in places.items() if 0 <= place.height <= top} == set(NUMERICS)


def test_an_upward_import_a_stranger_and_a_lazy_one_are_all_found() -> None:
    text = (
        "from ..controllers.pid import PID\n"
        "from ..core import norms\n"
        "def f():\n    from ..solve import solve\n"
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from ..tasks import Forecaster\n"
    )
    source = Source(ROOT / "src/legato/solvers/x.py", "legato.solvers.x", False, ast.parse(text))
    verdicts = {
        item.target: below(item.target.split(".")[1], source.floor, tower())
        for item in imports(source)
        if item.target.startswith("legato")
    }
    assert verdicts == {"legato.controllers.pid": False, "legato.core": True, "legato.solve": False}
