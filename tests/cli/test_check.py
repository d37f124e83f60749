"""`legato check`: what is read, what is wrong, where and how to fix it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from legato.data import load_lynx_hare

Run = Callable[..., Any]
PENDULUM = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "real_pendulum" / "real_pend_h_1.txt"


def write(folder: Path, text: str, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_table_is_described_and_ends_with_0(legato: Run) -> None:
    ended = legato("check", load_lynx_hare())
    assert ended.code == 0
    assert ended.err == ""
    for word in ("21 rows", "hare", "lynx", "year", "1900 to 1920", "59.4"):
        assert word in ended.out


def test_json_holds_the_whole_report_and_nothing_else(legato: Run) -> None:
    ended = legato("check", load_lynx_hare(), "--time", "year", "--target", "hare", "--json")
    assert (ended.code, ended.err) == (0, "")
    assert set(ended.json) == {"command", "version", "ok", "result"}
    result = ended.json["result"]
    assert (result["rows"], result["series"], result["good"]) == (21, 1, True)
    roles = {column["name"]: column["role"] for column in result["columns"]}
    assert roles == {"year": "time", "hare": "target", "lynx": "unused"}


def test_a_word_among_numbers_ends_with_3_its_row_its_column_and_what_to_do(legato: Run, tmp_path: Path) -> None:
    path = write(tmp_path, "hours,hr\n0,61\n1,error\n2,64\n")
    ended = legato("check", path, "--time", "hours", "--target", "hr", "--json")
    assert ended.code == ended.json["error"]["code"] == 3
    assert (ended.json["error"]["row"], ended.json["error"]["column"]) == (3, "hr")
    assert ended.json["result"]["good"] is False
    assert "--missing" in ended.json["error"]["message"]
    assert "missing=" not in ended.out


def test_the_advice_works_when_it_is_followed(legato: Run, tmp_path: Path) -> None:
    more = "".join(f"{k},5;6{2 + k % 2},5\n" for k in range(1, 17))
    path = write(tmp_path, f"% rig 7\n0,0;61,5\n0,5;error\n1,0;64,25\n{more}")
    text = ("--comment", "%", "--columns", "s,angle", "--delimiter", ";", "--decimal", ",", "--missing", "error")
    ended = legato("check", path, *text, "--time", "s", "--time-unit", "seconds", "--json")
    assert ended.code == 0
    angle = ended.json["result"]["columns"][1]
    assert (angle["minimum"], angle["maximum"]) == (61.5, 64.25)
    assert angle["missing"] == pytest.approx(1 / 19)


@pytest.mark.skipif(not PENDULUM.exists(), reason="the shared data are not at hand")
def test_a_file_of_bare_numbers_is_read_once_it_is_described(legato: Run) -> None:
    refused = legato("check", PENDULUM)
    assert refused.code == 3
    assert "--columns" in refused.err
    words = ("--comment", "%", "--delimiter", "whitespace", "--columns", "trial,time,angle,velocity", "--time", "time")
    assert legato("check", PENDULUM, *words).code == 0


def test_a_column_that_is_not_there_is_named_with_the_nearest(legato: Run) -> None:
    ended = legato("check", load_lynx_hare(), "--time", "Year")
    assert ended.code == 3
    assert "did you mean 'year'" in ended.err


@pytest.mark.parametrize(
    "words", [("--decimal", "x"), ("--delimiter", "ab"), ("--target", "a,,b"), ("--time-unit", "eons")]
)
def test_an_option_that_cannot_be_meant_is_usage(legato: Run, words: tuple[str, str]) -> None:
    ended = legato("check", load_lynx_hare(), "--time", "year", *words)
    assert ended.code == 2
    assert words[1] in ended.err


@pytest.mark.parametrize(
    "name", ["[red]x.csv", ":smile:.csv", "line\nbreak.csv", "-dash.csv", "naïve 数据.csv", "a;b,c'\".csv"]
)
def test_a_strange_file_name_is_a_name_like_any_other(legato: Run, tmp_path: Path, name: str) -> None:
    os.chdir(tmp_path)
    write(tmp_path, "year,y\n1900,1\n1901,x\n", name=name)
    ended = legato("check", "--json", "--time", "year", "--target", "y", "--", name)
    assert ended.code == 3
    assert ended.json["result"]["source"] == name
    assert name in ended.err


@pytest.mark.skipif(os.name != "posix", reason="names that are no text are a matter of POSIX")
def test_a_file_name_that_is_no_text_ends_nothing(legato_process: Run, tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/b\xff.csv")
    Path(path).write_text("year,y\n1900,1\n1901,x\n", encoding="utf-8")
    ended = legato_process("check", path, "--json")
    assert ended.code == 3
    assert ended.json["error"]["row"] == 3


@pytest.mark.parametrize("words", ["", "no/such.csv", ".", "https://example.org/a.csv"])
def test_what_is_no_file_is_refused_with_3(legato: Run, words: str) -> None:
    ended = legato("check", words)
    assert (ended.code, ended.out) == (3, "")
    assert len(ended.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["0,1"], "nothing is left to train on"),
        ([f"{k},{k % 3}" for k in range(5)], "needs at least 12"),
        ([f"{k},{k % 3}e300" for k in range(40)], "numbers beyond 1e+70 overflow"),
    ],
    ids=["one row", "five rows", "magnitude"],
)
def test_what_a_fit_would_refuse_is_an_error_of_the_check_and_both_end_with_3(
    legato: Run, tmp_path: Path, rows: list[str], words: str
) -> None:
    path = write(tmp_path, "t,y\n" + "\n".join(rows) + "\n")
    ended = legato("check", path, "--time", "t", "--json")
    assert ended.code == 3
    assert words in ended.json["error"]["message"]
    assert ended.json["result"]["good"] is False
    assert legato("fit", path, "--time", "t", "-o", tmp_path / "run").code == 3


def test_a_table_that_only_the_observed_model_can_learn_from_is_warned_of(legato: Run, tmp_path: Path) -> None:
    path = write(tmp_path, "t,y\n" + "".join(f"{k},{k * k}\n" for k in range(9)))
    ended = legato("check", path, "--time", "t", "--json")
    assert ended.code == 0
    warning = ended.json["result"]["findings"][0]
    assert (warning["severity"], warning["fix"]) == ("warning", "fit with --model observed")
