"""The forecaster keeps scikit-learn's conventions, takes any table, and gives the same answer after saving."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
from sklearn.base import clone

from legato.core.errors import (
    DataError,
    InputError,
    ModelFileError,
    NotFittedError,
    OptionError,
)
from legato.data import Batch, Dialect
from legato.models import ObservedODE, TimeFacts
from legato.tasks import Forecaster

pytestmark = pytest.mark.usefixtures("brief")

LEVELS = [f"0.{place}" for place in range(1, 10)]
Cycle = dict[str, np.ndarray]


def forecaster(**changes: Any) -> Forecaster:
    return Forecaster(**{"time": "year", "model": "observed", "members": 2, "holdout": 4, **changes})


@pytest.fixture(scope="module")
def fitted(brief: None, cycle: Cycle) -> Forecaster:
    """Fitted to a pandas frame; not to be changed."""
    return forecaster().fit(pd.DataFrame(cycle))


def numbers(frame: Any) -> np.ndarray:
    return np.stack([np.asarray(frame[name]) for name in ("mean", *LEVELS)])


def test_before_fit_whatever_needs_a_model_is_refused(tmp_path: Path) -> None:
    made = forecaster()
    for ask in (
        lambda: made.predict(steps=1),
        made.evaluate,
        lambda: made.save(tmp_path / "run"),
        lambda: made.long_forecast(np.array([1.0])),
        lambda: clone(forecaster()).predict(steps=1),
    ):
        with pytest.raises(NotFittedError, match="call fit"):
            ask()
    assert not (tmp_path / "run").exists()


def test_what_was_learned_has_trailing_underscores_and_fit_returns_itself(fitted: Forecaster, cycle: Cycle) -> None:
    assert fitted.fit is not None
    assert fitted.series_.targets == ("hare", "lynx")
    assert fitted.split_ is not None
    assert [len(part[0]) for part in (fitted.split_.train, fitted.split_.test)] == [12, 4]
    assert fitted.evaluation_ is not None
    assert fitted.evaluation_.scores["all, scaled"][0].total == 8
    assert fitted.trained_.iterations == 6
    made = forecaster(holdout=None)
    assert made.fit(pd.DataFrame(cycle)) is made
    assert (made.split_, made.evaluation_, made.heldout_) == (None, None, [])


def test_a_second_fit_forgets_what_the_first_held_out(cycle: Cycle) -> None:
    made = forecaster().fit(pd.DataFrame(cycle))
    assert made.heldout_
    made.set_params(holdout=None).fit(pd.DataFrame(cycle))
    assert (made.heldout_, made.evaluation_) == ([], None)


def test_every_kind_of_table_gives_the_same_forecast_in_its_own_kind(
    fitted: Forecaster, cycle: Cycle, tmp_path: Path
) -> None:
    wanted = fitted.predict(steps=3)
    assert type(wanted) is pd.DataFrame
    assert list(wanted.columns) == ["time", "variable", "mean", *LEVELS]
    assert wanted["time"].tolist() == [1916, 1917, 1918] * 2
    assert wanted["variable"].tolist() == ["hare"] * 3 + ["lynx"] * 3
    pd.DataFrame(cycle).to_csv(tmp_path / "t.csv", index=False)
    pa.parquet.write_table(pa.table(cycle), tmp_path / "t.parquet")
    for table, kind in (
        (pl.DataFrame(cycle), pl.DataFrame),
        (pa.table(cycle), pa.Table),
        (tmp_path / "t.csv", pa.Table),
        (str(tmp_path / "t.parquet"), pa.Table),
    ):
        found = forecaster().fit(table).predict(steps=3)
        assert isinstance(found, kind)
        assert np.array_equal(numbers(found), numbers(wanted))
        times = (found if kind is pa.Table else found.to_arrow()).column("time").to_pylist()
        assert times == [1916, 1917, 1918] * 2 or times == ["1916", "1917", "1918"] * 2


def test_rows_in_any_order_give_the_same_forecast(fitted: Forecaster, cycle: Cycle) -> None:
    shuffled = pd.DataFrame(cycle).sample(frac=1, random_state=0)
    assert np.array_equal(numbers(forecaster().fit(shuffled).predict(steps=3)), numbers(fitted.predict(steps=3)))


def test_quantiles_ascend_around_the_mean(fitted: Forecaster) -> None:
    found = numbers(fitted.predict(steps=5))
    assert (np.diff(found[1:], axis=0) > 0).all()
    assert np.allclose(found[0], found[5])


def test_horizons_in_words_numbers_steps_and_times_mean_the_same(fitted: Forecaster) -> None:
    wanted = fitted.predict(steps=3)
    for same in (
        fitted.predict("3 years"),
        fitted.predict(3),
        fitted.predict(horizon=3.9),
        fitted.predict("3 steps"),
        fitted.predict(at=[1916, 1917, 1918]),
        fitted.predict(at=["1918", "1916", "1917", "1917"]),
        fitted.predict(at=pd.Series([1916, 1917, 1918])),
    ):
        pd.testing.assert_frame_equal(same, wanted)
    single = fitted.predict(at="1917")
    pd.testing.assert_frame_equal(single, fitted.predict(at=1917))
    assert np.allclose(numbers(single), numbers(wanted)[:, [1, 4]], rtol=1e-3)  # solved with other steps


def test_what_cannot_be_asked_is_refused(fitted: Forecaster) -> None:
    for options in ({}, {"horizon": 3, "steps": 3}, {"steps": 2, "at": [1916]}):
        with pytest.raises(OptionError, match="exactly one"):
            fitted.predict(**options)
    for options in ({"horizon": "half an eon"}, {"steps": 0}, {"horizon": -1}, {"horizon": 0.5}):
        with pytest.raises(OptionError):
            fitted.predict(**options)
    for early in ([1915], [1899, 1920]):
        with pytest.raises(InputError, match="later times"):
            fitted.predict(at=early)
    with pytest.raises(InputError, match="at least one"):
        fitted.predict(at=[])


def test_another_history_is_forecast_in_its_own_kind(fitted: Forecaster, cycle: Cycle) -> None:
    wanted = fitted.predict(steps=2)
    same = fitted.predict(steps=2, table=pl.DataFrame(cycle))
    assert isinstance(same, pl.DataFrame)
    assert np.array_equal(numbers(same), numbers(wanted))
    # The observed model starts from the last row: the others do not matter, and one is enough.
    last = pd.DataFrame(cycle).iloc[-1:]
    assert np.allclose(numbers(fitted.predict(steps=2, table=last)), numbers(wanted), rtol=1e-12)


def test_several_series_are_forecast_each_from_its_own_end(patients: pd.DataFrame) -> None:
    made = forecaster(time="hours", series="patient", target=["hr"], holdout=0.2).fit(patients)
    assert made.series_.ids == ("a,1", "b 2", "ü")
    found = made.predict(steps=2)
    assert list(found.columns) == ["series", "time", "variable", "mean", *LEVELS]
    assert found["series"].tolist() == [name for name in ("a,1", "b 2", "ü") for _ in range(2)]
    assert set(found["variable"]) == {"hr"}
    for name, part in found.groupby("series"):
        last = patients[patients["patient"] == name]["hours"].max()
        assert part["time"].tolist() == pytest.approx([last + k * np.median(made.series_.gaps) for k in (1, 2)])
    at = made.predict(at=[13.0, 14.0])
    assert at["time"].tolist() == [13.0, 14.0] * 3
    assert made.evaluation_ is not None
    assert made.evaluation_.scores["hr"][0].total == 4 + 2 + 2


def test_whole_numbers_for_ids_come_back_in_their_type_so_that_a_forecast_joins_its_table(
    cycle: Cycle, tmp_path: Path
) -> None:
    table = pd.concat([pd.DataFrame({**cycle, "site": np.int32(site)}) for site in (10, 9)])
    made = forecaster(series="site").fit(table)
    again = Forecaster.load(made.save(tmp_path / "run"))
    found = made.predict(steps=2)
    assert found["series"].dtype == np.int32
    assert found["series"].tolist() == [9] * 4 + [10] * 4
    assert again.predict(steps=2).column("series").type == pa.int32()
    assert len(found.merge(table, left_on=["series"], right_on=["site"])) == 8 * 16
    wide = made.predict(steps=1, table=pl.DataFrame({**cycle, "site": np.full(16, 3, dtype=np.uint64)}))
    assert wide["series"].dtype == pl.UInt64
    table.to_csv(tmp_path / "t.csv", index=False)
    assert forecaster(series="site").fit(tmp_path / "t.csv").predict(steps=1).column("series").type == pa.string()


def test_an_evaluation_after_loading_is_as_long_as_before(cycle: Cycle, tmp_path: Path) -> None:
    made = forecaster(holdout=5).fit(pd.DataFrame(cycle))
    again = Forecaster.load(made.save(tmp_path / "run"))
    assert made.evaluate().description.startswith("1 forecast of 5 rows")
    assert again.evaluate().to_dict() == made.evaluate().to_dict()
    assert Forecaster.load(again.save(tmp_path / "copy")).evaluate().to_dict() == made.evaluate().to_dict()


def test_the_latent_model_takes_missing_values_and_the_observed_one_refuses_with_advice(cycle: Cycle) -> None:
    table = pd.DataFrame(cycle)
    table.loc[table.index % 2 == 0, "hare"] = np.nan
    table.loc[table.index % 2 == 1, "lynx"] = np.nan
    with pytest.raises(DataError, match="Use --model latent"):
        forecaster().fit(table)
    made = forecaster(model="latent", holdout=2, members=1).fit(table)
    assert np.isfinite(numbers(made.predict(steps=2))).all()
    assert made.series_[0].mask.sum() == len(table)


def test_a_target_that_was_not_measured_in_a_new_history_is_masked_and_noted_and_one_without_a_column_refused(
    cycle: Cycle, tmp_path: Path
) -> None:
    made = forecaster(model="latent", members=1).fit(pd.DataFrame(cycle))
    empty = pd.DataFrame({**cycle, "lynx": np.nan})
    empty.to_csv(tmp_path / "t.csv", index=False)
    for table in (empty, tmp_path / "t.csv", pa.table({**cycle, "lynx": pa.nulls(16)}), made.history(empty)):
        assert np.isfinite(numbers(made.predict(steps=2, table=table))).all()
    noted = [str(found) for found in made.history(tmp_path / "t.csv").notes if found.code == "unmeasured"]
    assert noted == ["column 'lynx': not measured at all: masked"]
    with pytest.raises(DataError, match=r"no column 'lynx', and the columns wanted are hare, lynx; .* empty column"):
        made.predict(steps=2, table=pd.DataFrame(cycle).drop(columns="lynx"))
    with pytest.raises(DataError, match="nothing can be scored of lynx"):
        made.evaluate(empty)
    with pytest.raises(DataError, match="every cell is missing"):
        forecaster(target=["hare", "lynx"]).fit(empty)


def test_a_calendar_is_forecast_in_dates_and_written_as_read(tmp_path: Path, cycle: Cycle) -> None:
    days = pd.date_range("2024-01-01", periods=16, freq="D")
    table = pd.DataFrame({"day": days, "hare": cycle["hare"], "lynx": cycle["lynx"]})
    found = forecaster(time="day").fit(table).predict("2 days")
    assert found["time"].dtype == table["day"].dtype
    assert found["time"].tolist()[:2] == [pd.Timestamp("2024-01-17"), pd.Timestamp("2024-01-18")]
    pd.DataFrame({**table, "day": days.strftime("%Y%m%d")}).to_csv(tmp_path / "t.csv", index=False)
    written = forecaster(time="day").fit(tmp_path / "t.csv").predict("2 days")
    assert written.column("time").to_pylist()[:2] == ["20240117", "20240118"]
    assert np.allclose(numbers(written), numbers(found), rtol=1e-6)


def test_the_model_is_told_the_lengths_of_year_week_and_day_in_its_unit_and_their_phases_at_time_zero(
    cycle: Cycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    from_data = ObservedODE.from_data

    def recording(batch: Batch, *, time: TimeFacts, seed: int, **settings: Any) -> ObservedODE:
        told.append(time)
        return from_data(batch, time=time, seed=seed, **settings)

    monkeypatch.setattr(ObservedODE, "from_data", recording)
    # A Thursday, at noon, in a year of 366 days.
    for start, form in (("2024-01-04 12:00", "%Y-%m-%d %H:%M"), ("2024-01-04", "%Y-%m-%d")):
        days = pd.date_range(start, periods=16, freq="D").strftime(form)
        forecaster(time="day", target=["hare", "lynx"]).fit(pd.DataFrame({**cycle, "day": days}))
    forecaster().fit(pd.DataFrame(cycle))
    seconds, days, plain = told
    assert seconds.periods == pytest.approx((365.2425 * 86400, 7 * 86400, 86400))
    assert seconds.phases == pytest.approx((3.5 / 366, 3.5 / 7, 0.5))
    assert days.periods == pytest.approx((365.2425, 7))
    assert days.phases == pytest.approx((3 / 366, 3 / 7))
    assert plain == TimeFacts()


def test_copies_and_pickles_forecast_the_same_and_hold_no_table(fitted: Forecaster, cycle: Cycle) -> None:
    for again in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        pd.testing.assert_frame_equal(again.predict(steps=2), fitted.predict(steps=2))
        assert again.get_params() == fitted.get_params()
    wide = pd.DataFrame({**cycle, "blob": [bytes(100_000).hex()] * 16})
    made = forecaster(target=["hare", "lynx"]).fit(wide)
    assert len(pickle.dumps(made)) < 1_000_000


def test_a_saved_forecaster_is_loaded_with_its_forecast_to_the_bit_its_scores_and_settings(
    patients: pd.DataFrame, tmp_path: Path
) -> None:
    table = patients.dropna()
    table.to_csv(tmp_path / "t.csv", index=False)
    for model in ("observed", "latent"):
        settings = {"time": "hours", "series": "patient", "target": ["rr", "hr"], "model": model, "holdout": 0.2}
        made = forecaster(**settings, dialect=Dialect(missing=("-9",))).fit(tmp_path / "t.csv")
        run = made.save(tmp_path / model)
        assert run == tmp_path / model
        again = Forecaster.load(str(run))
        found = again.predict(steps=3)
        assert isinstance(found, pa.Table)
        assert found.equals(made.predict(steps=3))
        assert again.get_params() == made.get_params()
        assert again.series_.digest == made.series_.digest
        assert again.series_.source == "t.csv"
        assert again.evaluation_ is not None
        assert made.evaluation_ is not None
        assert again.evaluation_.to_dict() == made.evaluation_.to_dict()
        assert again.predict(steps=2, table=tmp_path / "t.csv").equals(made.predict(steps=2))
        before = {name: (run / name).read_bytes() for name in ("metrics.json", "config.json", "model.safetensors")}
        assert json.loads(before["config.json"])["split"].startswith("train: ")
        copy = again.save(tmp_path / f"{model} again")
        assert {name: (copy / name).read_bytes() for name in before} == before


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(cycle: Cycle, tmp_path: Path) -> None:
    observed = (("a", 1, "observed"), ("b", 1, "observed"), ("c", 2, "observed"))
    for name, seed, model in (*observed, ("d", 1, "latent"), ("e", 1, "latent")):
        forecaster(seed=seed, model=model, members=1).fit(pa.table(cycle), run=tmp_path / name)
    weights = {name: (tmp_path / name / "model.safetensors").read_bytes() for name in "abcde"}
    assert weights["a"] == weights["b"] != weights["c"]
    assert weights["d"] == weights["e"]


@pytest.mark.parametrize("model", ["observed", "latent"])
def test_neither_the_default_dtype_nor_the_absence_of_gradients_around_it_changes_a_fit(
    cycle: Cycle, model: str
) -> None:
    made = forecaster(model=model, members=1).fit(pa.table(cycle))
    torch.set_default_dtype(torch.float64)
    try:
        with torch.no_grad():
            other = forecaster(model=model, members=1).fit(pa.table(cycle))
        with torch.inference_mode():
            third = forecaster(model=model, members=1).fit(pa.table(cycle))
        found = [one.predict(steps=3) for one in (other, third)]
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(one.equals(made.predict(steps=3)) for one in found)


def refuse(word: str) -> float:
    raise ValueError(f"{word} is no JSON")


def test_the_run_folder_holds_strict_json_and_one_line_an_iteration(cycle: Cycle, tmp_path: Path) -> None:
    irregular = pd.DataFrame({**cycle, "year": cycle["year"] + 0.3 * (cycle["year"] % 3 == 0)})  # no MASE
    run = tmp_path / "run"
    made = forecaster(target=("hare", "lynx")).fit(irregular, run=run)
    names = {"model.safetensors", "config.json", "metrics.json", "log.jsonl", "history.parquet"}
    assert {path.name for path in run.iterdir()} == names
    config, metrics = (
        json.loads((run / name).read_text(encoding="utf-8"), parse_constant=refuse)
        for name in ("config.json", "metrics.json")
    )
    assert made.evaluation_ is not None
    assert metrics == made.evaluation_.to_dict()
    assert metrics["scores"]["all, scaled"][0]["mase"] is None
    assert config["targets"] == ["hare", "lynx"]
    assert config["digest"] == made.series_.digest
    assert config["warnings"] == list(made.model_.warnings)
    assert config["split"] == made.split_.description
    lines = [json.loads(line, parse_constant=refuse) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["iteration"] for line in lines] == list(range(1, 7))
    assert [line["loss"] for line in lines] == made.trained_.losses


def stop(after: int) -> Any:
    def progress(done: int, total: int, text: str) -> None:
        assert total == 6
        if done == after:
            raise KeyboardInterrupt

    return progress


def test_an_interrupted_fit_goes_on_to_the_same_bytes(
    cycle: Cycle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("legato.training.loop._KEPT_EVERY", 2)
    table = pa.table(cycle)
    forecaster().fit(table, run=tmp_path / "whole")
    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        forecaster().fit(table, run=run, progress=stop(5))
    assert [path.name for path in run.iterdir()] == ["checkpoint.safetensors"]
    with pytest.raises(InputError, match="exists already"):
        forecaster().fit(table, run=run)

    told: list[tuple[int, str]] = []
    # Neither the limit of time nor a period for the baselines changes the model.
    made = forecaster(max_time=99.0, period=8.0)
    made.fit(table, run=run, resume=True, progress=lambda done, total, text: told.append((done, text)))
    assert [done for done, _ in told] == [5, 6, 6]
    assert told[-1][1] == "setting the band and scoring"
    assert len(made.trained_.losses) == 6
    assert (run / "model.safetensors").read_bytes() == (tmp_path / "whole" / "model.safetensors").read_bytes()
    assert (run / "log.jsonl").read_bytes() == (tmp_path / "whole" / "log.jsonl").read_bytes()
    assert not (run / "checkpoint.safetensors").exists()
    with pytest.raises(InputError, match="finished"):
        forecaster().fit(table, run=run, resume=True)


def test_a_fit_is_not_resumed_with_other_data_settings_or_a_damaged_checkpoint(cycle: Cycle, tmp_path: Path) -> None:
    table = pa.table(cycle)
    with pytest.raises(KeyboardInterrupt):
        forecaster().fit(table, run=tmp_path, progress=stop(2))
    more = pa.table({**cycle, "hare": cycle["hare"] + 1})
    for other, changes, words in (
        (more, {}, "other data;"),
        (table, {"seed": 1}, "seed 0;"),
        (more, {"seed": 1, "holdout": 3}, r"other data, seed 0, holdout \S+;"),
    ):
        with pytest.raises(ModelFileError, match=f"belongs to another fit, with {words} fit as then"):
            forecaster(**changes).fit(other, run=tmp_path, resume=True)
    content = (tmp_path / "checkpoint.safetensors").read_bytes()
    (tmp_path / "checkpoint.safetensors").write_bytes(content[:-100])
    with pytest.raises(ModelFileError, match="damaged"):
        forecaster().fit(table, run=tmp_path, resume=True)
    forecaster().fit(table, run=tmp_path, force=True)
    assert (tmp_path / "model.safetensors").exists()


def test_held_out_times_are_forecast_as_columns(fitted: Forecaster) -> None:
    times = fitted.heldout_[0].later.times
    columns = fitted.long_forecast(times)
    assert columns["time"] == ["1912", "1913", "1914", "1915"] * 2
    assert np.allclose(columns["mean"], fitted.heldout_[0].mean.T.ravel())
