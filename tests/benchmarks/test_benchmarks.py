"""The benchmarks measure what they say: contestants solve the problem, records are whole, tables show them."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
RUNS = [
    ("legato", "forward"),
    ("legato", "discrete"),
    ("legato", "direct"),
    ("torchdiffeq", "forward"),
    ("torchdiffeq", "direct"),
    ("torchdiffeq", "adjoint"),
    ("torchode", "forward"),
    ("torchode", "direct"),
    ("diffrax", "forward"),
    ("diffrax", "checkpointed"),
]
# By defaults the forward run alone: the gradient's goes through the same two lines.
CASES = [(*run, True) for run in RUNS] + [(*run, False) for run in RUNS if run[1] == "forward"]


@pytest.fixture(scope="module", autouse=True)
def _benchmarks_importable() -> Iterator[None]:
    """Put the project's root on the path: `benchmarks` is run from there and is not installed."""
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    """The record of one small problem and the overhead: legato alone, two rounds."""
    import benchmarks.__main__ as program
    import benchmarks.suites as suites

    arguments = ["--suite", "mlp,overhead", "--library", "legato", "--rounds", "2", "--threads", "1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["benchmarks", *arguments])
        patch.setattr(suites, "SUITES", {"mlp": ("mlp-small",), "overhead": ("decay",)})
        torch.set_num_threads(1)
        return program._run(program._parser().parse_args(arguments))


@pytest.fixture
def tiny() -> Any:
    """A network small enough for a test, on three save times."""
    from benchmarks.problems import MLP, Problem

    torch.manual_seed(3)
    times = (0.0, 0.5, 1.0, 1.5)
    y0 = torch.randn(5, 2)
    return Problem(name="tiny", title="tiny", field=MLP(2, 8), y0=y0, times=times, rtol=1e-5, atol=1e-6)


def adapter(name: str) -> Any:
    from benchmarks.adapters import load_adapters

    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed: the extra `bench` brings it")
    (found,) = load_adapters((name,))
    return found


def test_the_reference_is_the_exact_solution_and_its_exact_gradient() -> None:
    from benchmarks.problems import Problem
    from benchmarks.reference import make_reference

    class Growth(torch.nn.Module):
        """y' = r y, so y = y0 e^(r t), and the loss's derivative by r is 2 t y^2 summed."""

        def __init__(self) -> None:
            super().__init__()
            self.rate = torch.nn.Parameter(torch.tensor(0.5))

        def forward(self, t: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return self.rate * y

    y0 = torch.tensor([[1.0], [2.0]])
    times = (0.0, 1.0, 2.0)
    found = make_reference(Problem(name="", title="", field=Growth(), y0=y0, times=times, rtol=1.0, atol=1.0))
    t = np.array([1.0, 2.0])[:, None, None]
    exact = y0.double().numpy() * np.exp(0.5 * t)
    # DOP853 at 1e-11: its global error stays within a hundred tolerances on so short a way.
    np.testing.assert_allclose(found.values, exact, rtol=1e-9)
    np.testing.assert_allclose(found.gradient, [(2 * t * exact**2).sum()], rtol=1e-9)


@pytest.mark.parametrize(("name", "mode", "equal"), CASES)
@pytest.mark.filterwarnings("default")  # of a peer's own making
def test_every_contestant_solves_the_problem_and_differentiates_the_loss(
    name: str, mode: str, equal: bool, tiny: Any
) -> None:
    from benchmarks.reference import make_reference, relative_error

    contestant, reference = adapter(name), make_reference(tiny)
    forward = mode == "forward"
    run = contestant.forward(tiny, equal=equal) if forward else contestant.gradient(tiny, mode, equal=equal)
    answer = run.answer()
    # A tolerance of 1e-5 a step, in float32, over a dozen steps of a field that does not grow much.
    assert relative_error(answer.values, reference.values) < 1e-3
    assert (answer.gradient is None) == forward
    if answer.gradient is not None:
        assert relative_error(answer.gradient, reference.gradient) < 1e-3
    assert answer.steps or answer.evaluations


def test_every_kind_of_gradient_is_tried_above() -> None:
    from benchmarks.adapters import load_adapters

    for contestant in load_adapters():
        tried = {mode for name, mode in RUNS if name == contestant.name}
        assert tried == {"forward", *contestant.gradients}


def test_under_equal_rules_the_libraries_take_the_same_steps(tiny: Any) -> None:
    ours, peer, other = (adapter(name).forward(tiny, equal=True) for name in ("legato", "torchdiffeq", "torchode"))
    ours.call()  # the first solve of a field spends one evaluation on checking it
    # Our last step lands on the end, theirs pass it: one attempt more or less, six evaluations.
    assert abs(ours.answer().evaluations - peer.answer().evaluations) <= 6
    assert abs(ours.answer().steps - other.answer().steps) <= 1


def test_a_record_has_every_field_and_survives_the_disk(record: dict[str, Any], tmp_path: Path) -> None:
    from benchmarks.record import FIELDS, load_record, save_record

    path = save_record(record, tmp_path / "record.json")
    loaded = load_record(path)
    assert set(FIELDS) <= set(loaded)
    assert loaded == record
    assert loaded["versions"]["torch"] == torch.__version__
    assert loaded["settings"]["threads"] == 1
    assert loaded["machine"]["cores"] >= 1
    assert list(tmp_path.iterdir()) == [path]
    for result in loaded["results"]:
        assert len(result["wall_s"]["rounds"]) == len(result["cpu_s"]["rounds"]) == loaded["settings"]["rounds"]
        assert result["error"] < 1e-3
    assert {result["rules"] for result in loaded["results"]} == {"equal", "defaults"}


def test_what_is_no_record_is_refused(tmp_path: Path) -> None:
    from benchmarks.record import load_record

    path = tmp_path / "other.json"
    path.write_text('{"format": 1}')
    with pytest.raises(ValueError, match="versions"):
        load_record(path)


def test_the_tables_show_every_contestant_with_its_error(record: dict[str, Any]) -> None:
    from benchmarks.table import render, render_results

    text = render(record, source="records/x.json")
    assert "records/x.json" in text
    for rules in ("equal", "defaults"):
        lines = render_results(record, rules).splitlines()
        rows = {line.split(" | ")[0].strip("| "): line for line in lines[2:]}
        chosen = [result for result in record["results"] if result["rules"] == rules]
        assert set(rows) == {result["contestant"] for result in chosen}
        for result in chosen:
            error = result["error"] if result["mode"] == "forward" else result["gradient_error"]
            assert f"({error:.0e}, {result['evaluations']} ev.)" in rows[result["contestant"]]
        assert len({line.count("|") for line in lines}) == 1


def test_ratios_have_a_mean_only_over_all_three_networks() -> None:
    from benchmarks.suites import AIMS, MLPS, compare

    def result(problem: str, contestant: str, seconds: float) -> dict[str, Any]:
        return {"problem": problem, "contestant": contestant, "rules": "equal", "wall_s": {"rounds": [seconds] * 3}}

    seconds = dict(zip(MLPS, (1.0, 2.0, 4.0), strict=True))
    results = [result(name, AIMS[0].under, 1.0) for name in MLPS]
    results += [result(name, AIMS[0].over, taken) for name, taken in seconds.items()]
    (whole,) = compare(results, clock="wall")
    assert {name: ratio["value"] for name, ratio in whole["problems"].items()} == seconds
    assert whole["geometric_mean"] == pytest.approx(2.0)
    (part,) = compare([entry for entry in results if entry["problem"] != MLPS[1]], clock="wall")
    assert part["geometric_mean"] is None


def test_a_ratio_is_of_medians_and_its_spread_of_rounds() -> None:
    from benchmarks.timing import ratio

    # One round in which a third party slowed both by ten changes neither the quartiles nor the ratio of medians.
    found = ratio([2.0, 4.0, 4.0, 4.0, 40.0], [1.0, 2.0, 2.0, 2.0, 20.0])
    assert found == (2.0, 2.0, 2.0)


def test_all_contestants_are_timed_in_every_round() -> None:
    from benchmarks.timing import race

    calls: list[str] = []
    contestants: dict[str, Callable[[], Any]] = {name: lambda name=name: calls.append(name) for name in "abc"}
    times = race(contestants, rounds=4, warm_ups=1)
    assert all(len(taken.wall) == len(taken.cpu) == 4 for taken in times.values())
    rounds = [calls[place : place + 3] for place in range(3, len(calls), 3)]
    assert [sorted(turn) for turn in rounds] == [["a", "b", "c"]] * 4
    assert len({tuple(turn) for turn in rounds}) > 1


def test_the_readme_says_what_the_records_say() -> None:
    from benchmarks.readme import MARKERS, with_measured

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(marker in text for marker in MARKERS)
    assert with_measured(text) == text, "run: python -m benchmarks.readme"


def test_an_aim_that_was_missed_and_a_faster_peer_are_named(record: dict[str, Any]) -> None:
    from benchmarks.readme import shortfall

    ratios = [
        {"over": "torchdiffeq forward", "under": "legato forward", "least": 1.7, "geometric_mean": 1.5},
        {"over": "diffrax forward", "under": "legato forward", "least": 0.0, "geometric_mean": 0.3},
        {"over": "torchode forward", "under": "legato forward", "least": 1.0, "geometric_mean": 1.2},
    ]
    words = shortfall({**record, "ratios": ratios})
    assert "torchdiffeq forward / legato forward is 1.50 where 1.7 was aimed at" in words
    assert "Faster than legato: diffrax." in words
    assert "torchode" not in words
