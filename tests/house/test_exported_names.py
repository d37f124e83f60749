"""Every module says what it exports: a sorted `__all__`, equal to its public names, each of which resolves.

Public names are the functions, classes and constants that a module defines without a leading underscore, and in an
`__init__` also what it imports from its own folder. Type variables are grammar, not names. An
`__init__` of one docstring exports nothing. A package that loads names
on demand (`__getattr__`) may list more than its syntax shows.
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


def public(source: Source) -> set[str]:
    names: set[str] = set()
    for node in statements(source.tree.body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and not is_type_variable(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names.update(leaf.id for target in targets for leaf in ast.walk(target) if isinstance(leaf, ast.Name))
        elif isinstance(node, ast.ImportFrom) and source.package and node.level == 1:
            names.update(alias.asname or alias.name for alias in node.names)
    return {name for name in names if not name.startswith("_")}


def is_type_variable(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] in TYPE_VARIABLES


def on_demand(source: Source) -> bool:
    return any(isinstance(node, ast.FunctionDef) and node.name == "__getattr__" for node in source.tree.body)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_a_module_exports_exactly_its_public_names_in_order(source: Source) -> None:
    names = exported(source)
    if names is None and source.package and len(source.tree.body) == 1:
        return  # a docstring alone: the folder re-exports nothing
    assert names is not None, f"{source.where} has no __all__"
    assert names == sorted(set(names)), f"{source.where}: __all__ should read {sorted(set(names))}"
    hidden = public(source) - set(names)
    assert not hidden, f"{source.where}: not in __all__, so export them or begin them with an underscore: {hidden}"
    dunders = {name for name in names if name.startswith("__")}
    unknown = set(names) - public(source) - dunders
    assert not unknown or on_demand(source), f"{source.where}: __all__ lists what it does not define: {unknown}"


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_every_exported_name_resolves(source: Source) -> None:
    module = source.load()
    missing = [name for name in exported(source) or [] if not hasattr(module, name)]
    assert not missing


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_every_module_begins_with_a_docstring(source: Source) -> None:
    assert ast.get_docstring(source.tree), f"{source.where} has no module docstring"
