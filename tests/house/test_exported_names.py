"""Every module says what it exports: an `__all__` equal to its public names, each of which resolves.

Public names are the functions, classes and constants that a module defines without a leading underscore, and in an
`__init__` also what it imports from its own folder without using it there. Type variables and type aliases are grammar:
they may be exported, and need not be. An `__init__` of one docstring exports nothing. A package that loads names on
demand (`__getattr__`) may list more than its syntax shows. The order of `__all__` is ruff's (RUF022), which mends it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from source_tree import Source, sources

SOURCES = sources()
TYPE_VARIABLES = {"TypeVar", "ParamSpec", "TypeVarTuple"}


def exported(source: Source) -> list[str] | None:
    for node in source.tree.body:
        if isinstance(node, ast.Assign) and any(ast.unparse(target) == "__all__" for target in node.targets):
            return list(ast.literal_eval(node.value))
    return None


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        yield node
        if isinstance(node, ast.If):
            yield from statements([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            yield from statements([*node.body, *node.orelse, *(line for each in node.handlers for line in each.body)])


def defined(source: Source) -> Iterator[tuple[str, bool]]:
    """Names that a module defines, and whether each must be exported."""
    for node in statements(source.tree.body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, True
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            leaves = (leaf for target in targets for leaf in ast.walk(target) if isinstance(leaf, ast.Name))
            yield from ((leaf.id, not is_grammar(leaf.id, node.value)) for leaf in leaves)
        elif isinstance(node, ast.ImportFrom) and source.package and node.level == 1:
            names = [alias.asname or alias.name for alias in node.names]
            yield from ((name, name not in used(source)) for name in names)


def used(source: Source) -> set[str]:
    """Names that a module reads: in an `__init__`, the stones of which its catalogue is built."""
    return {node.id for node in ast.walk(source.tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def is_grammar(name: str, value: ast.expr | None) -> bool:
    """Whether an assignment makes a type variable or, by its capital and its lack of a call, a type alias."""
    if isinstance(value, ast.Call):
        return ast.unparse(value.func).rpartition(".")[2] in TYPE_VARIABLES
    return name[:1].isupper() and not name.isupper()


def on_demand(source: Source) -> bool:
    return any(isinstance(node, ast.FunctionDef) and node.name == "__getattr__" for node in source.tree.body)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_a_module_exports_exactly_its_public_names(source: Source) -> None:
    names = exported(source)
    if names is None and source.package and len(source.tree.body) == 1:
        return  # a docstring alone: the folder re-exports nothing
    assert names is not None, f"{source.where} has no __all__"
    assert len(names) == len(set(names)), f"{source.where}: __all__ names something twice"
    public = {(name, must) for name, must in defined(source) if not name.startswith("_")}
    hidden = {name for name, must in public if must} - set(names)
    assert not hidden, f"{source.where}: not in __all__, so export them or begin them with an underscore: {hidden}"
    unknown = {name for name in names if not name.startswith("__")} - {name for name, _ in public}
    assert not unknown or on_demand(source), f"{source.where}: __all__ lists what it does not define: {unknown}"


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_every_exported_name_resolves(source: Source) -> None:
    module = source.load()
    missing = [name for name in exported(source) or [] if not hasattr(module, name)]
    assert not missing


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_every_module_begins_with_a_docstring(source: Source) -> None:
    assert ast.get_docstring(source.tree), f"{source.where} has no module docstring"
