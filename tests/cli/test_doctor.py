"""`legato doctor`: it passes where the numbers are right, and fails where they are not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch

from legato.cli import self_test as self_test_module
from legato.cli.self_test import self_test
from legato.solve import solve
from legato.version import __version__

Run = Callable[..., Any]


def test_it_names_versions_engines_and_extras_and_every_check_passes(legato: Run) -> None:
    ended = legato("doctor", "--json")
    assert ended.code == 0
    result = ended.json["result"]
    assert result["legato"] == __version__
    assert result["torch"] == torch.__version__
    assert "eager" in result["engines"]
    assert "cpu" in result["devices"]
    assert len(result["self_test"]) >= 16
    assert all(check["passed"] for check in result["self_test"])


def test_a_solution_off_by_a_hundred_thousandth_fails_the_test(legato: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*arguments: Any, **options: Any) -> Any:
        solution = solve(*arguments, **options)
        return dataclasses.replace(solution, ys=solution.ys * (1 + 1e-5))

    monkeypatch.setattr(self_test_module, "solve", wrong)
    monkeypatch.setattr(self_test_module, "_SOLVERS", {"tsit5": 1e-8})
    failed = [verdict.name for verdict in self_test() if not verdict.passed]
    assert any(name.startswith("tsit5") for name in failed)
    assert any("shared" in name for name in failed)
    assert any("own steps" in name for name in failed)
    assert any("gradients" in name for name in failed)


def test_a_check_that_raises_is_a_check_that_failed_and_the_program_ends_with_1(
    legato: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(self_test_module, "solve", broken)
    ended = legato("doctor", "--json")
    assert ended.code == ended.json["error"]["code"] == 1
    assert "checks failed" in ended.err
    assert all("no such kernel" in check["failure"] for check in ended.json["result"]["self_test"])
