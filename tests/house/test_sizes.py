"""Files, functions and names stay small enough to read: no room of the house is a store room."""

from __future__ import annotations

import ast

from source_tree import ROOT, python_files

LONGEST_FILE = 500
LONGEST_FUNCTION = 60
STORE_ROOMS = {"common", "helper", "helpers", "misc", "util", "utils"}


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function's body: signature and docstring, which only grow with what there is to say, aside."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    if not body:
        return 0
    assert node.end_lineno is not None
    return node.end_lineno - body[0].lineno + 1


def test_no_file_is_longer_than_500_lines() -> None:
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in python_files()}
    long = {path.relative_to(ROOT).as_posix(): size for path, size in sizes.items() if size > LONGEST_FILE}
    assert not long


def test_no_body_of_a_function_is_longer_than_60_lines() -> None:
    long = {}
    for path in python_files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and body_lines(node) > LONGEST_FUNCTION:
                long[f"{path.relative_to(ROOT).as_posix()}:{node.lineno} {node.name}"] = body_lines(node)
    assert not long


def test_nothing_is_called_utils_misc_common_or_helpers() -> None:
    rooms = [path.relative_to(ROOT) for path in python_files()]
    assert not [room.as_posix() for room in rooms if STORE_ROOMS & {*room.parts[:-1], room.stem.strip("_")}]


def test_test_files_have_unique_names() -> None:
    files = [path for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py"]
    names = [path.name for path in files]
    assert not sorted({name for name in names if names.count(name) > 1})


def test_signature_and_docstring_do_not_count_towards_a_function() -> None:
    node = ast.parse('def f(\n    a,\n):\n    """One.\n\n    Two.\n    """\n    b = a\n    return b\n').body[0]
    assert isinstance(node, ast.FunctionDef)
    assert body_lines(node) == 2
