"""`legato demo`: what it asks of the demonstration, and what it prints of it; `make demo` runs the real one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, lynx_run: Path) -> dict[str, Any]:
    """What the demonstration is asked, which answers with the scores of a fit to the same record."""
    asked: dict[str, Any] = {}
    origin = {"origin": "1911", "values": 20, "model": 14.21, "inside": "14 of 20", "lotka-volterra law": 11.39}

    def run_demo(run: Path, **options: Any) -> dict[str, Any]:
        asked.update(options, run=run)
        options["progress"](1, 400, "loss 1")
        scores = json.loads((lynx_run / "metrics.json").read_text(encoding="utf-8"))
        origins = [origin | {"seasonal-naive": 8.724, "var-log": None}]
        return {"evaluation": scores, "origins": origins, "report": str(run / "report.html")}

    monkeypatch.setattr("legato.cli.demo.run_demo", run_demo)
    return asked


def test_it_prints_scores_verdicts_other_origins_and_where_the_report_is(
    legato: Run, asked: dict[str, Any], tmp_path: Path
) -> None:
    ended = legato("demo", "-o", tmp_path / "run", "--seed", "3", "--force")
    assert ended.code == 0
    assert (asked["run"], asked["seed"], asked["force"], asked["resume"]) == (tmp_path / "run", 3, True, False)
    assert asked["command"] == f"legato demo -o {tmp_path / 'run'} --seed 3 --force"
    for word in ("hare", "1911", "14 of 20", "11.39", f"report: {tmp_path / 'run' / 'report.html'}"):
        assert word in ended.out
    assert "wins" in ended.out or "loses" in ended.out


def test_json_holds_scores_and_origins(legato: Run, asked: dict[str, Any], tmp_path: Path) -> None:
    ended = legato("demo", "-o", tmp_path / "run", "--json")
    assert set(ended.json["result"]) == {"run", "evaluation", "origins", "report"}
    assert ended.json["result"]["origins"][0]["var-log"] is None


def test_without_a_folder_it_writes_into_runs_demo(legato: Run, asked: dict[str, Any]) -> None:
    assert legato("demo").code == 0
    assert asked["run"] == Path("runs/demo")


def test_an_existing_folder_is_refused_before_anything_is_fitted(legato: Run, lynx_run: Path) -> None:
    ended = legato("demo", "-o", lynx_run)
    assert ended.code == 2
    assert "--force" in ended.err
