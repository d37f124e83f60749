"""`legato fit`: a run folder from a table, refused, interrupted and gone on with."""

from __future__ import annotations

import html
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from legato.data import load_lynx_hare

Run = Callable[..., Any]
LYNX = str(load_lynx_hare())
QUICK = ("--time", "year", "--model", "observed", "--members", "1", "--test-from", "1915", "--max-time", "1")
# A shell that starts the tests in the background lets its children ignore interrupts.
_INTERRUPTIBLE = """
import signal, sys
from legato.cli.entry import main
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main())
"""
FILES = ("model.safetensors", "config.json", "metrics.json", "log.jsonl", "forecast.csv", "report.html")


def test_a_fit_writes_the_run_folder_and_prints_scores_with_win_or_loss_in_words(legato: Run, tmp_path: Path) -> None:
    ended = legato("fit", LYNX, *QUICK, "--horizon", "3 years", "-o", tmp_path / "run")
    assert ended.code == 0
    assert [name for name in FILES if not (tmp_path / "run" / name).exists()] == []
    assert not (tmp_path / "run" / "checkpoint.safetensors").exists()
    for word in ("hare", "lynx", "var-log", "RMSE", "of 12", "1915 to 1920"):
        assert word in ended.out
    assert "wins" in ended.out or "loses" in ended.out
    assert "warning: the observed model" in ended.err
    report = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert f"legato fit {LYNX} --time year" in html.unescape(report)
    assert "give --period" in report
    assert "period=" not in report
    assert not re.search(r"Loss:(</strong>)? loses|Win:(</strong>)? wins", report)
    rows = (tmp_path / "run" / "forecast.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows[1:4]] == ["1921", "1922", "1923"]


def test_json_holds_the_scores_and_names_the_files(legato: Run, tmp_path: Path) -> None:
    ended = legato("fit", LYNX, *QUICK[:-1], "0.1", "--target", "hare", "-o", tmp_path / "run", "--json")
    assert ended.code == 0
    result = ended.json["result"]
    assert result["targets"] == ["hare"]
    assert result["evaluation"] == json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert {Path(name).name for name in result["files"]} >= set(FILES)
    assert "time limit" in result["stopped"]


def test_an_existing_run_is_replaced_only_when_forced(legato: Run, tmp_path: Path, lynx_run: Path) -> None:
    for words in ((), ("--resume",), ("--force", "--resume")):
        ended = legato("fit", LYNX, *QUICK, "-o", lynx_run, *words)
        assert ended.code == 2, words
        assert "--force" in ended.err
    (tmp_path / "mine.txt").write_text("mine")
    assert legato("fit", LYNX, *QUICK, "-o", tmp_path).code == 2
    assert legato("fit", LYNX, *QUICK, "-o", tmp_path, "--force").code == 0
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_run_folder_that_is_a_file_is_usage(legato: Run, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    assert legato("fit", LYNX, *QUICK, "-o", tmp_path / "run").code == 2


def test_bad_data_end_with_3_and_leave_no_folder(legato: Run, tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_text("year,y\n1900,1\n1901,x\n1902,3\n")
    ended = legato("fit", table, "--time", "year", "--target", "y", "-o", tmp_path / "run", "--json")
    assert ended.code == ended.json["error"]["code"] == 3
    assert (ended.json["error"]["row"], ended.json["error"]["column"]) == (3, "y")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("rows", "advice"),
    [(1, "move the cut, or add rows"), (3, "needs at least 12 in one"), (20, "hold nothing out")],
    ids=str,
)
def test_what_cannot_be_fitted_or_scored_names_the_file_and_what_to_do(
    legato: Run, tmp_path: Path, rows: int, advice: str
) -> None:
    table = tmp_path / "short.csv"
    lines = [f"{row % 10 + 10 * (row // 10)},{row // 10},{row % 3}" for row in range(rows)]
    table.write_text("\n".join(["t,who,y", *lines, ""]))
    options = ("--series", "who", "--target", "y", *(("--test-from", "10") if rows > 3 else ()))
    ended = legato("fit", table, "--time", "t", *options, "-o", tmp_path / "run")
    assert ended.code == 3
    assert ended.err.startswith("error: short.csv: ")
    assert advice in ended.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("--model", "lateen"),
        ("--max-time", "0"),
        ("--max-time", "5 eons"),
        ("--holdout", "2.5"),
        ("--holdout", "inf"),
        ("--holdout", "nan"),
        ("--seed", "-1"),
        ("--seed", str(2**64)),
        ("--period", "0"),
        ("--horizon", "3 bananas"),
        ("--horizon", "1 week"),
        ("--holdout", "3", "--test-from", "1915"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_usage(legato: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    ended = legato("fit", LYNX, *QUICK[:4], *words, "-o", tmp_path / "run")
    assert ended.code == 2
    assert not (tmp_path / "run").exists()


def test_without_the_column_of_times_the_fit_is_refused_and_says_how_to_find_it(legato: Run, tmp_path: Path) -> None:
    ended = legato("fit", LYNX, "-o", tmp_path / "run")
    assert ended.code == 2
    assert "--time" in ended.err


@pytest.mark.skipif(os.name != "posix", reason="interrupts are sent as POSIX signals")
def test_an_interrupted_fit_keeps_its_checkpoint_and_goes_on_from_it(legato: Run, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ["fit", LYNX, *QUICK[:-2], "-o", str(run), "--json"]
    process = subprocess.Popen(
        [sys.executable, "-c", _INTERRUPTIBLE, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    checkpoint = run / "checkpoint.safetensors"
    deadline = time.monotonic() + 100
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 130, err
    assert json.loads(out)["error"] == {
        "code": 130,
        "kind": "interrupted",
        "message": f"interrupted; {run} keeps the last good checkpoint: add --resume to go on",
    }
    assert not (run / "model.safetensors").exists()
    with safe_open(str(checkpoint), framework="pt") as opened:
        reached = int(opened.get_tensor("progress")[0])
    assert reached > 0

    resumed = legato(*words, "--resume", "--max-time", "5")
    assert resumed.code == 0
    assert resumed.json["result"]["iterations"] > reached
    assert len((run / "log.jsonl").read_text().splitlines()) > reached
    assert not checkpoint.exists()
