"""`legato forecast` and `legato evaluate`: from a run folder, never in place of what is not theirs."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from legato.data import load_lynx_hare

Run = Callable[..., Any]
LEVELS = [f"0.{digit}" for digit in range(1, 10)]


@pytest.fixture
def run(lynx_run: Path, tmp_path: Path) -> Path:
    """A copy of the run, to be changed at will."""
    return shutil.copytree(lynx_run, tmp_path / "run")


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_a_forecast_is_named_for_what_was_asked_and_its_quantiles_are_in_order(legato: Run, run: Path) -> None:
    assert legato("forecast", run, "--steps", "2").code == 0
    found = rows(run / "forecast-2-steps.csv")
    assert [(row["time"], row["variable"]) for row in found] == [
        ("1921", "hare"), ("1922", "hare"), ("1921", "lynx"), ("1922", "lynx"),
    ]  # fmt: skip
    for row in found:
        band = [float(row[level]) for level in LEVELS]
        assert band[0] > 0
        assert band == sorted(band)


def test_a_forecast_never_takes_the_place_of_another_that_is_in_the_run(legato: Run, run: Path) -> None:
    before = (run / "forecast.csv").read_bytes()
    shutil.copy(load_lynx_hare(), run.parent / "new table.csv")
    (run.parent / "times.csv").write_text("year\n1921\n")
    for words, name in (
        (("--horizon", "2 years"), "forecast-2-years.csv"),
        (("--horizon", "2"), "forecast-2.csv"),
        (("--at", run.parent / "times.csv"), "forecast-at-times.csv"),
        ((run.parent / "new table.csv", "--steps", "1"), "forecast-new-table-1-step.csv"),
    ):
        assert legato("forecast", run, *words).code == 0
        own = (run / name).read_bytes()
        refused = legato("forecast", run, *words)
        assert refused.code == 2
        assert "--force" in refused.err
        assert (run / name).read_bytes() == own
        assert legato("forecast", run, *words, "--force").code == 0
    assert legato("forecast", run, "--steps", "1", "-o", run / "forecast.csv").code == 2
    assert (run / "forecast.csv").read_bytes() == before


def test_steps_a_horizon_and_a_table_of_the_same_times_give_the_same_forecast(legato: Run, run: Path) -> None:
    times = run.parent / "times.csv"
    times.write_text("year\n1921\n1922\n1923\n")
    tables = []
    for words in (("--steps", "3"), ("--horizon", "3 years"), ("--horizon", "3"), ("--at", times)):
        ended = legato("forecast", run, *words, "--json")
        assert ended.code == 0
        tables.append(ended.json["result"]["forecast"])
    assert tables[0] == tables[1] == tables[2] == tables[3]


def test_another_history_moves_the_forecast_to_its_end(legato: Run, run: Path) -> None:
    lines = load_lynx_hare().read_text().splitlines()
    shorter = run.parent / "shorter.csv"
    shorter.write_text("\n".join(lines[:-5]) + "\n")
    ended = legato("forecast", run, shorter, "--steps", "1", "--json")
    assert ended.json["result"]["forecast"]["time"] == ["1916", "1916"]


@pytest.mark.parametrize(
    "words", [(), ("--steps", "2", "--horizon", "2 years"), ("--horizon", "2 yers"), ("--steps", "0")]
)
def test_how_far_is_said_once_and_in_a_way_that_can_be_meant(legato: Run, run: Path, words: tuple[str, ...]) -> None:
    assert legato("forecast", run, *words).code == 2


def test_a_file_that_is_there_is_replaced_only_when_forced_and_what_was_read_never(legato: Run, run: Path) -> None:
    history = run.parent / "history.csv"
    shutil.copy(load_lynx_hare(), history)
    before = history.read_bytes()
    assert legato("forecast", run, history, "--steps", "1", "-o", history).code == 2
    assert legato("forecast", run, history, "--steps", "1", "-o", history, "--force").code == 2
    assert history.read_bytes() == before
    other = run.parent / "other.csv"
    other.write_text("mine")
    assert legato("forecast", run, "--steps", "1", "-o", other).code == 2
    assert other.read_text() == "mine"
    assert legato("forecast", run, "--steps", "1", "-o", other, "--force").code == 0
    assert len(rows(other)) == 2


def test_a_time_that_is_past_or_no_time_is_refused(legato: Run, run: Path) -> None:
    times = run.parent / "times.csv"
    times.write_text("year\n1919\n")
    assert legato("forecast", run, "--at", times).code == 2
    times.write_text("year\n1921\nsoon\n")
    ended = legato("forecast", run, "--at", times, "--json")
    assert ended.code == 3
    assert ended.json["error"]["row"] == 3
    assert ended.json["error"]["message"].startswith("times.csv: row 3")


def test_a_table_of_times_with_the_column_of_series_gives_each_series_its_own(legato: Run, tmp_path: Path) -> None:
    table, times = tmp_path / "table.csv", tmp_path / "times.csv"
    lines = [f"{year},{site},{year % 7 + 1}" for site in ("north", "south", "west") for year in range(1900, 1920)]
    table.write_text("\n".join(["year,site,hare", *lines]) + "\n")
    fit = ("--time", "year", "--series", "site", "--model", "observed", "--members", "1", "--max-time", "1")
    assert legato("fit", table, *fit, "-o", tmp_path / "run").code == 0
    times.write_text("site,when\nwest,1923\nnorth,1921\nwest,1920\n")
    ended = legato("forecast", tmp_path / "run", "--at", times, "--json")
    assert ended.code == 0
    found = ended.json["result"]["forecast"]
    assert list(zip(found["series"], found["time"], strict=True)) == [
        ("north", "1921"), ("west", "1920"), ("west", "1923"),
    ]  # fmt: skip
    assert "not forecast: the series 'south'" in ended.err
    times.write_text("site,year\neast,1923\n")
    ended = legato("forecast", tmp_path / "run", "--at", times, "--force")
    assert ended.code == 2
    assert "'east'" in ended.err
    times.write_text("year\n1923\n")
    assert (
        len(legato("forecast", tmp_path / "run", "--at", times, "--force", "--json").json["result"]["forecast"]["time"])
        == 3
    )


@pytest.mark.parametrize("command", [("forecast", "--steps", "1"), ("evaluate", str(load_lynx_hare()))])
@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
@pytest.mark.parametrize("damage", [None, b"", b"{", b"\x00" * 64])
def test_a_damaged_run_ends_with_5_and_names_the_folder(
    legato: Run, run: Path, command: tuple[str, ...], name: str, damage: bytes | None
) -> None:
    if damage is None:
        (run / name).unlink()
    else:
        (run / name).write_bytes(damage)
    ended = legato(command[0], run, *command[1:], "--json")
    assert ended.code == ended.json["error"]["code"] == 5
    assert str(run) in ended.json["error"]["message"]


def test_weights_of_another_run_end_with_5_and_say_what_to_do(legato: Run, run: Path) -> None:
    other = run.parent / "other"
    fit = ("--time", "year", "--model", "observed", "--members", "1", "--max-time", "0.1", "--seed", "1")
    assert legato("fit", load_lynx_hare(), *fit, "-o", other).code == 0
    shutil.copy(other / "model.safetensors", run / "model.safetensors")
    ended = legato("forecast", run, "--steps", "1", "--json")
    assert ended.code == ended.json["error"]["code"] == 5
    assert "copy the whole run folder again" in ended.json["error"]["message"]


def test_a_run_of_a_newer_version_ends_with_5(legato: Run, run: Path) -> None:
    text = (run / "config.json").read_text(encoding="utf-8")
    (run / "config.json").write_text(text.replace('"format": 1,', '"format": 99,'), encoding="utf-8")
    ended = legato("forecast", run, "--steps", "1")
    assert ended.code == 5
    assert "newer" in ended.err


def test_a_folder_that_is_no_run_ends_with_5_and_says_what_makes_one(legato: Run, tmp_path: Path) -> None:
    ended = legato("forecast", tmp_path, "--steps", "1")
    assert ended.code == 5
    assert "legato fit" in ended.err


def test_an_evaluation_scores_the_model_beside_baselines_from_several_origins(legato: Run, lynx_run: Path) -> None:
    ended = legato("evaluate", lynx_run, load_lynx_hare(), "--horizon", "3", "--origins", "2", "--json")
    assert ended.code == 0
    result = ended.json["result"]
    for target, total in (("hare", 6), ("lynx", 6), ("all, scaled", 12)):
        model, *baselines = result["scores"][target]
        assert (model["name"], model["total"]) == ("model", total)
        assert {"last", "mean", "linear"} <= {score["name"] for score in baselines}
        assert result["verdicts"][target].startswith(("wins", "loses", "ties"))


def test_an_evaluation_says_from_where_and_refuses_rows_that_were_trained_on(legato: Run, lynx_run: Path) -> None:
    ended = legato("evaluate", lynx_run, load_lynx_hare(), "--horizon", "3", "--origins", "4")
    assert ended.code == 0
    said = " ".join(ended.out.split())
    assert "2 forecasts of 3 rows of 1 series, from 2 origins, 1914 to 1917" in said
    assert "2 of 4 origins do not count: the model was trained on rows that follow them" in said
    ended = legato("evaluate", lynx_run, load_lynx_hare(), "--horizon", "7", "--json")
    assert ended.code == 3
    assert "a file with later rows" in ended.json["error"]["message"]


def test_an_evaluation_on_a_table_of_one_row_ends_with_3(legato: Run, lynx_run: Path, tmp_path: Path) -> None:
    table = tmp_path / "one.csv"
    table.write_text("year,hare,lynx\n1921,1,2\n")
    assert legato("evaluate", lynx_run, table).code == 3


def test_an_evaluation_on_a_table_without_a_column_of_the_run_ends_with_3(
    legato: Run, lynx_run: Path, tmp_path: Path
) -> None:
    table = tmp_path / "a.csv"
    table.write_text("year,hare\n1900,1\n1901,2\n")
    ended = legato("evaluate", lynx_run, table)
    assert ended.code == 3
    assert "lynx" in ended.err
