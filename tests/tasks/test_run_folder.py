"""Run folders: what is damaged, foreign or too new is refused, and what is there is not lost."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
import torch
from safetensors.torch import save_file

from legato.core import files
from legato.core.errors import DataError, InputError, ModelFileError, OptionError
from legato.data.frames import write_csv
from legato.tasks import Forecaster, RunFolder

TENSORS = {"b": torch.arange(3.0), "a": torch.tensor([[1, 2]]), "c": torch.tensor(2.5, dtype=torch.float64)}
NAN = float("nan")


@pytest.fixture(scope="module")
def saved(brief: None, cycle: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a run, by name."""
    run = tmp_path_factory.mktemp("run") / "run"
    Forecaster(time="year", model="observed", members=1).fit(pd.DataFrame(cycle), run=run)
    return {path.name: path.read_bytes() for path in run.iterdir()}


@pytest.fixture
def run(saved: dict[str, bytes], tmp_path: Path) -> Path:
    """A run folder that may be changed."""
    for name, content in saved.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def replace_weights(folder: RunFolder, tensors: dict[str, torch.Tensor], facts: dict[str, Any]) -> None:
    """Write other weights and their digest."""
    folder.write_tensors("model.safetensors", tensors, facts)
    config = folder.read_json("config.json")
    digest = hashlib.sha256(folder.file("model.safetensors").read_bytes()).hexdigest()
    folder.write_json("config.json", {**config, "weights": digest})


def test_tensors_and_facts_come_back_and_equal_ones_give_equal_bytes(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    facts = {"model": "latent", "shape": {"é": [1, None, 0.1]}}
    folder.write_tensors("one", TENSORS, facts)
    found, told = folder.read_tensors("one")
    assert told == facts
    assert {name: (value.dtype, value.tolist()) for name, value in found.items()} == {
        name: (value.dtype, value.tolist()) for name, value in TENSORS.items()
    }
    folder.write_tensors("two", dict(reversed(TENSORS.items())), dict(reversed(facts.items())))
    assert folder.file("one").read_bytes() == folder.file("two").read_bytes()


def test_json_comes_back_and_what_is_no_json_is_not_written(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    value = {"é": [1, 0.1, None, True, "a\nb"]}
    folder.write_json("a.json", value)
    assert folder.read_json("a.json") == value
    with pytest.raises(ValueError, match="JSON compliant"):
        folder.write_json("a.json", {"x": NAN})
    assert folder.read_json("a.json") == value
    folder.write_lines("a.jsonl", [{"x": 1}, {"x": 2}])
    assert [json.loads(line) for line in folder.file("a.jsonl").read_text().splitlines()] == [{"x": 1}, {"x": 2}]


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "metrics.json", "history.parquet"])
def test_a_missing_file_is_named(run: Path, name: str) -> None:
    (run / name).unlink()
    with pytest.raises(ModelFileError, match=name):
        Forecaster.load(run)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ModelFileError, match="no run folder"):
            Forecaster.load(path)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "metrics.json", "history.parquet"])
@pytest.mark.parametrize("damage", ["empty", "half", "noise", "pickle", "folder"])
def test_a_damaged_file_is_refused_whatever_the_damage(run: Path, name: str, damage: str) -> None:
    content = (run / name).read_bytes()
    damaged = {
        "empty": b"",
        "half": content[: len(content) // 2],
        "noise": np.random.default_rng(0).bytes(len(content)),
        "pickle": pickle.dumps({"weights": [1.0]}),
    }
    (run / name).unlink()
    if damage == "folder":
        (run / name).mkdir()
    else:
        (run / name).write_bytes(damaged[damage])
    with pytest.raises(ModelFileError, match=name):
        Forecaster.load(run)


def test_a_pickle_that_is_named_like_a_model_is_not_executed(run: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (run / "executed",))

    torch.save(Trap(), run / "model.safetensors")
    with pytest.raises(ModelFileError):
        Forecaster.load(run)
    (run / "model.safetensors").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ModelFileError):
        Forecaster.load(run)
    assert not (run / "executed").exists()


def test_tensors_of_another_program_are_refused(run: Path) -> None:
    for metadata in (None, {"format": "pt"}, {"legato": "not json"}, {"legato": '["a list"]'}, {"legato": "{}"}):
        save_file(TENSORS, run / "model.safetensors", metadata=metadata)
        with pytest.raises(ModelFileError):
            Forecaster.load(run)


def test_weights_that_are_not_the_ones_saved_are_refused_with_advice(run: Path) -> None:
    folder = RunFolder(run)
    tensors, facts = folder.read_tensors("model.safetensors")
    name = next(name for name, value in tensors.items() if value.is_floating_point())
    folder.write_tensors("model.safetensors", {**tensors, name: tensors[name] + 1e-3}, facts)
    with pytest.raises(ModelFileError, match=r"model.safetensors is not the file .* copy the whole run folder again"):
        Forecaster.load(run)
    folder.write_tensors("model.safetensors", tensors, facts)
    Forecaster.load(run)


def test_a_run_that_was_written_before_runs_said_their_digest_is_read(run: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    del config["weights"]
    (run / "config.json").write_text(json.dumps(config))
    Forecaster.load(run)


def test_weights_of_another_shape_are_refused(run: Path) -> None:
    folder = RunFolder(run)
    tensors, facts = folder.read_tensors("model.safetensors")
    for changed in ({**tensors, "extra": TENSORS["b"]}, dict(list(tensors.items())[1:]), TENSORS):
        replace_weights(folder, changed, facts)
        with pytest.raises(ModelFileError, match="does not describe a model of this version"):
            Forecaster.load(run)


def test_a_newer_format_is_refused_with_advice(run: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "format": config["format"] + 1}))
    with pytest.raises(ModelFileError, match=r"newer legato \(format 2, this one reads 1\); upgrade"):
        Forecaster.load(run)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "1"},
        {"format": None},
        {"settings": {}},
        {"settings": ["a", "list"]},
        {"settings": None},
        {"scale": {"kind": "number"}},
        {"scale": None},
        {"targets": None},
        {"targets": ["hare", "lynx", "fox"]},
        {"format": 0},
        {"format": -3},
        {"format": True},
        {"targets": ["hare"]},
        {"targets": ["hare", "hare"]},
        {"targets": ["lynx", "hare"]},
        {"targets": "ab"},
        {"notes": None},
        {"notes": "a text"},
        {"split": 3},
        {"time": None},
        {"source": None},
        {"series_column": 3},
        {"series_type": "int3"},
        {"heldout_steps": 0},
        {"digest": "0"},
        {"model": {"model": "latent", "shape": {}}},
    ],
    ids=str,
)
def test_a_configuration_that_says_something_else_is_refused(run: Path, change: dict[str, Any]) -> None:
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(ModelFileError):
        Forecaster.load(run)


@pytest.mark.parametrize("name", ["notes", "split", "series_type", "heldout_steps", "digest", "model", "time"])
def test_a_configuration_that_lacks_a_part_is_refused(run: Path, name: str) -> None:
    config = json.loads((run / "config.json").read_text())
    del config[name]
    (run / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelFileError, match=name):
        Forecaster.load(run)


@pytest.mark.parametrize(
    "change",
    [{"unit": "fortnights"}, {"origin": "now"}, {"kind": "eon"}, {"zone": "+x"}, {"digits": 0.5}, {"kind": "date"}],
    ids=str,
)
def test_a_time_axis_that_is_none_is_refused(run: Path, change: dict[str, Any]) -> None:
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "scale": {**config["scale"], **change}}))
    with pytest.raises(ModelFileError, match=r"time scale|calendar"):
        Forecaster.load(run)


@pytest.mark.parametrize(
    "change",
    [{"period": 0}, {"members": 0}, {"seed": None}, {"holdout": 2.5}, {"target": ["hare"]}, {"more": 1}],
    ids=str,
)
def test_settings_that_no_fit_takes_are_refused(run: Path, change: dict[str, Any]) -> None:
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "settings": {**config["settings"], **change}}))
    with pytest.raises(ModelFileError, match="does not describe a model of this version"):
        Forecaster.load(run)


@pytest.mark.parametrize("change", [{"gap": 0}, {"gap": None}, {"members": True}, {"channels": 0}], ids=str)
def test_a_shape_that_no_model_has_is_refused(run: Path, change: dict[str, Any]) -> None:
    folder = RunFolder(run)
    tensors, facts = folder.read_tensors("model.safetensors")
    replace_weights(folder, tensors, {**facts, "shape": {**facts["shape"], **change}})
    with pytest.raises(ModelFileError, match=f"{next(iter(change))} is a"):
        Forecaster.load(run)


def test_weights_that_are_not_finite_are_refused(run: Path) -> None:
    folder = RunFolder(run)
    tensors, facts = folder.read_tensors("model.safetensors")
    for wrong in (NAN, float("inf")):
        name = next(iter(tensors))
        replace_weights(folder, {**tensors, name: torch.full_like(tensors[name], wrong)}, facts)
        with pytest.raises(ModelFileError, match=rf"'{name}' are not finite"):
            Forecaster.load(run)


def test_a_history_that_is_another_is_refused(run: Path) -> None:
    table = pyarrow.parquet.read_table(run / "history.parquet")
    more = table.append_column("value 2", table.column("value 0"))
    text = table.set_column(1, "time", table.column("time").cast("string"))
    for changed, words in (
        (table.take(list(reversed(range(len(table))))), "do not increase"),
        (table.slice(0, 0), "no series"),
        (table.slice(3), "not the one that was fitted"),
        (more, "3 variables"),
        (text, "history"),
    ):
        pyarrow.parquet.write_table(changed, run / "history.parquet")
        with pytest.raises(ModelFileError, match=words):
            Forecaster.load(run)


@pytest.mark.parametrize("value", [[], "text", 3, None, {}])
def test_a_configuration_that_is_none_is_refused(run: Path, value: Any) -> None:
    (run / "config.json").write_text(json.dumps(value))
    with pytest.raises(ModelFileError, match="not a run's configuration"):
        Forecaster.load(run)


@pytest.mark.parametrize("facts", [{"model": "lateen"}, {"shape": {"channels": "two"}}, {"shape": {}}, {"shape": None}])
def test_a_model_that_is_not_known_is_refused(run: Path, facts: dict[str, Any]) -> None:
    folder = RunFolder(run)
    tensors, own = folder.read_tensors("model.safetensors")
    replace_weights(folder, tensors, {**own, **facts})
    with pytest.raises(ModelFileError, match="does not describe a model of this version"):
        Forecaster.load(run)


def test_a_folder_is_made_with_those_above_it(tmp_path: Path) -> None:
    assert RunFolder(tmp_path / "a" / "b").create().path.is_dir()
    RunFolder(tmp_path / "a" / "b").create()


def test_a_folder_that_holds_something_is_taken_only_by_force_which_spares_what_is_not_of_a_run(run: Path) -> None:
    (run / "mine.txt").write_text("mine")
    (run / "forecast-of-mine.csv").write_text("time,wind\n1,2\n")
    write_csv(run / "forecast-2-steps.csv", Forecaster.load(run).predict(steps=2).to_pydict())
    with pytest.raises(InputError, match=r"exists already .* force=True replaces"):
        RunFolder(run).create()
    RunFolder(run).create(force=True)
    assert {path.name for path in run.iterdir()} == {"mine.txt", "forecast-of-mine.csv"}
    with pytest.raises(InputError, match="exists already"):
        RunFolder(run).create()


def test_a_save_replaces_a_run_only_when_forced_and_then_what_the_other_weights_drew_is_gone(
    run: Path, saved: dict[str, bytes], cycle: dict[str, np.ndarray]
) -> None:
    drawn = ("forecast.csv", "forecast.svg", "report.html")
    for name in (*drawn, "mine.txt"):
        (run / name).write_text(name)
    write_csv(run / "forecast-1-step.csv", Forecaster.load(run).predict(steps=1).to_pydict())
    other = Forecaster(time="year", model="observed", members=1, seed=1).fit(pd.DataFrame(cycle))
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    with pytest.raises(InputError, match="exists already and is not empty; force=True replaces"):
        other.save(run)
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before
    Forecaster.load(run).save(run, force=True)  # the same weights: what they drew stays
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before
    other.save(run, force=True)
    assert Forecaster.load(run).seed == 1
    assert {path.name for path in run.iterdir()} == {*saved, "mine.txt"}


@pytest.mark.parametrize(("rows", "changes"), [(1, {}), (16, {"holdout": 500}), (16, {"holdout": "1990"})], ids=str)
def test_a_forced_fit_that_is_refused_leaves_the_run_as_it_was(
    run: Path, saved: dict[str, bytes], cycle: dict[str, np.ndarray], rows: int, changes: dict[str, Any]
) -> None:
    with pytest.raises(DataError):
        Forecaster(time="year", **changes).fit(pd.DataFrame(cycle)[:rows], run=run, force=True)
    assert {path.name: path.read_bytes() for path in run.iterdir()} == saved


def test_an_interrupted_fit_is_no_model_and_says_how_to_go_on(run: Path) -> None:
    (run / "model.safetensors").rename(run / "checkpoint.safetensors")
    (run / "config.json").unlink()
    with pytest.raises(ModelFileError, match=r"holds an interrupted fit and no model yet; .* resume=True"):
        Forecaster.load(run)


@pytest.mark.parametrize("name", ["forecast.csv", "history.parquet", "forecast-2-steps.csv"])
@pytest.mark.parametrize("options", [{"force": True}, {"resume": True}], ids=str)
def test_a_table_that_the_run_would_replace_is_refused_and_stays(
    run: Path, name: str, options: dict[str, bool]
) -> None:
    (run / "model.safetensors").unlink()  # as an interrupted fit leaves it
    write_csv(run / "forecast.csv", {"time": [1, 2], "hare": [3, 4]})
    columns = {"time": [1], "variable": ["a"], "mean": [2], **{f"0.{place}": [3] for place in range(1, 10)}}
    write_csv(run / "forecast-2-steps.csv", columns)
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    with pytest.raises(InputError, match=r"is a file of the run folder .* name another folder"):
        Forecaster(time="time").fit(run / name, run=run, **options)
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


def test_a_file_is_no_folder_for_a_run(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    for options in ({}, {"force": True}, {"resume": True}):
        with pytest.raises(InputError, match="is a file"):
            RunFolder(tmp_path / "run").create(**options)


def test_a_finished_run_cannot_be_gone_on_with_and_an_interrupted_one_can(run: Path) -> None:
    with pytest.raises(InputError, match="finished"):
        RunFolder(run).create(resume=True)
    (run / "checkpoint.safetensors").write_bytes(b"")
    RunFolder(run).create(resume=True)
    (run / "model.safetensors").unlink()
    RunFolder(run).create(resume=True)
    with pytest.raises(OptionError, match="give one of them"):
        RunFolder(run).create(resume=True, force=True)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "log.jsonl", "history.parquet"])
def test_a_save_that_fails_midway_leaves_every_file_whole(
    run: Path, saved: dict[str, bytes], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forecaster = Forecaster.load(run)
    replace = files.Path.replace

    def failing(part: Path, target: Path) -> Path:
        if target.name == name:
            raise OSError(28, "No space left on device")
        return replace(part, target)

    monkeypatch.setattr(files.Path, "replace", failing)
    with pytest.raises(OSError, match="No space left"):
        forecaster.save(run, force=True) if name != "log.jsonl" else RunFolder(run).write_lines(name, [{"x": 1}])
    assert {path.name for path in run.iterdir()} == set(saved)
    assert (run / name).read_bytes() == saved[name]
    Forecaster.load(run)
