"""`legato solve`: a named problem to a table and a picture."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from legato.problems import PROBLEMS
from legato.solvers import SOLVERS

Run = Callable[..., Any]


def test_without_a_name_every_problem_is_listed(legato: Run) -> None:
    ended = legato("solve", "--json")
    assert ended.code == 0
    assert [problem["name"] for problem in ended.json["result"]["problems"]] == list(PROBLEMS)


def test_the_table_holds_the_exact_solution_of_the_oscillator(legato: Run, tmp_path: Path) -> None:
    ended = legato(
        "solve", "harmonic-oscillator", "--rtol", "1e-9", "--atol", "1e-9", "--times", "11", "-o", tmp_path / "o"
    )
    assert ended.code == 0
    rows = list(csv.DictReader((tmp_path / "o" / "solution.csv").read_text().splitlines()))
    problem = PROBLEMS["harmonic-oscillator"]
    x0, v0 = problem.y0
    assert [float(row["t"]) for row in rows] == pytest.approx([float(t) for t in range(11)])
    for row in rows:
        t = float(row["t"])
        assert float(row[problem.components[0]]) == pytest.approx(x0 * math.cos(t) + v0 * math.sin(t), abs=1e-7)
    assert (tmp_path / "o" / "solution.svg").read_text(encoding="utf-8").lstrip().startswith("<?xml")


def test_the_error_against_the_reference_is_told_in_tolerances(legato: Run, tmp_path: Path) -> None:
    ended = legato("solve", "lotka-volterra", "--solver", "dop853", "-o", tmp_path, "--json")
    result = ended.json["result"]
    assert [row["t"] for row in result["errors"]] == [1.0, 5.0, 10.0]
    assert all(0 < row["tolerances"] < 30 for row in result["errors"])
    assert result["evaluations"] > result["steps"] >= result["accepted"] > 0
    assert [Path(name).exists() for name in result["files"]] == [True, True]


def test_an_engine_with_a_method_of_its_own_solves_and_is_named(legato: Run, tmp_path: Path) -> None:
    ended = legato("solve", "robertson", "--engine", "scipy-radau", "-o", tmp_path, "--times", "5", "--json")
    result = ended.json["result"]
    assert (result["solver"], result["engine"]) == ("scipy-radau", "scipy-radau")
    assert result["errors"]
    assert all(row["error"] < 1e-6 for row in result["errors"])
    refused = legato("solve", "robertson", "--engine", "scipy-radau", "--solver", "dop853", "-o", tmp_path / "other")
    assert refused.code == 2
    assert "leave solver= out" in refused.err
    assert legato("solve", "robertson", "--engine", "scipy-raudau", "-o", tmp_path / "other").code == 2


def test_existing_results_are_replaced_only_when_forced(legato: Run, tmp_path: Path) -> None:
    (tmp_path / "solution.csv").write_text("mine")
    refused = legato("solve", "cosine", "-o", tmp_path)
    assert refused.code == 2
    assert "--force" in refused.err
    assert (tmp_path / "solution.csv").read_text() == "mine"
    assert legato("solve", "cosine", "-o", tmp_path, "--force").code == 0
    assert (tmp_path / "solution.csv").read_text().startswith("t,")


def test_a_solution_that_ends_early_is_numerical_and_writes_nothing(legato: Run, tmp_path: Path) -> None:
    ended = legato("solve", "blow-up-square", "-o", tmp_path / "o", "--json")
    assert ended.code == ended.json["error"]["code"] == 4
    assert "t = 1" in ended.json["error"]["message"]
    assert not (tmp_path / "o").exists()


def test_wrong_names_are_refused_with_the_nearest(legato: Run, tmp_path: Path) -> None:
    problem = legato("solve", "lotka-voltera", "-o", tmp_path)
    assert problem.code == 2
    assert "'lotka-volterra'" in problem.err
    solver = legato("solve", "cosine", "--solver", "tsit", "-o", tmp_path)
    assert solver.code == 2
    assert "'tsit5'" in solver.err


def test_a_method_without_an_error_estimate_asks_for_its_step(legato: Run, tmp_path: Path) -> None:
    for problem in ("lotka-volterra", "arenstorf"):
        asked = legato("solve", problem, "--solver", "euler", "-o", tmp_path / problem)
        assert asked.code == 2
        assert "controller=" not in asked.err
        advised = re.search(r"--dt0 (\S+) ", asked.err)
        assert advised is not None
        words = ("--solver", "euler", "--dt0", advised[1], "-o", tmp_path / problem, "--json")
        steps = legato("solve", problem, *words).json["result"]["steps"]
        assert f"({steps} steps)" in asked.err


def test_a_folder_that_is_a_file_is_refused(legato: Run, tmp_path: Path) -> None:
    (tmp_path / "o").write_text("mine")
    assert legato("solve", "cosine", "-o", tmp_path / "o").code == 2


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_of_the_catalogue_is_a_choice(legato: Run, tmp_path: Path, solver: str) -> None:
    ended = legato("solve", "cosine", "--solver", solver, "--dt0", "0.05", "--rtol", "1e-3", "-o", tmp_path, "--json")
    if SOLVERS[solver].accepts == "separable":
        assert ended.code == 2
        assert "two halves" in ended.err
        return
    assert ended.json["result"]["end"][0] == pytest.approx(math.exp(math.sin(2.0)), rel=0.1)
