"""A forecaster scores what its model was not trained on, before and after saving, and says what it leaves out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from legato.core.errors import DataError, OptionError
from legato.tasks import Evaluation, Forecaster

pytestmark = pytest.mark.usefixtures("brief")

Cycle = dict[str, np.ndarray]


def forecaster(**changes: Any) -> Forecaster:
    return Forecaster(**{"time": "year", "model": "observed", "members": 2, "holdout": 4, **changes})


@pytest.fixture(scope="module")
def fitted(brief: None, cycle: Cycle) -> Forecaster:
    """Fitted to a pandas frame; not to be changed."""
    return forecaster().fit(pd.DataFrame(cycle))


def test_rolling_origins_are_scored_beside_baselines(fitted: Forecaster, cycle: Cycle) -> None:
    found = fitted.evaluate(horizon="2 years", origins=2)
    assert found.scores["hare"][0].total == 4
    assert found.description.startswith("2 forecasts of 2 rows of 1 series, from 2 origins, 1911 to 1913: ")
    assert found.origins == {"count": 2, "series": 1, "first": "1911", "last": "1913", "unseen": True}
    names = [score.name for score in found.scores["all, scaled"]]
    assert names[0] == "model"
    assert {"last", "mean", "linear"} <= set(names)
    # The baseline that repeats the last value, by hand.
    hare = cycle["hare"]
    errors = [hare[cut + k] - hare[cut - 1] for cut in (12, 14) for k in (0, 1)]
    last = next(score for score in found.scores["hare"] if score.name == "last")
    assert last.rmse == pytest.approx(np.sqrt(np.mean(np.square(errors))))


def test_an_evaluation_without_words_is_that_of_what_was_held_out(fitted: Forecaster, cycle: Cycle) -> None:
    assert fitted.evaluation_ is not None
    wanted = fitted.evaluation_.to_dict()["scores"]
    assert fitted.evaluate().to_dict()["scores"] == wanted
    assert fitted.evaluate(pl.DataFrame(cycle)).to_dict()["scores"] == wanted
    with pytest.raises(DataError, match="no series is long enough"):
        fitted.evaluate(horizon="50 years")
    for origins in (0, -1, 1.5, "two", True):
        with pytest.raises(OptionError, match="origins is a whole number of at least 1"):
            fitted.evaluate(origins=origins)


def test_rows_that_the_model_was_trained_on_are_never_scored(fitted: Forecaster, cycle: Cycle, tmp_path: Path) -> None:
    found = fitted.evaluate(horizon="2 years", origins=4)
    assert found.origins is not None
    assert (found.origins["count"], found.origins["first"]) == (2, "1911")
    assert "2 of 4 origins do not count: the model was trained on rows that follow them" in found.notes
    early = pd.DataFrame(cycle).iloc[:12]
    run = fitted.save(tmp_path / "run")
    everything = forecaster(holdout=None).fit(pd.DataFrame(cycle))
    for made, table in ((fitted, early), (Forecaster.load(run), early), (everything, None)):
        with pytest.raises(DataError, match=r"later rows .* fitted with a holdout"):
            made.evaluate(table, horizon="2 years")


def test_a_series_that_was_not_trained_on_is_scored_from_any_origin(patients: pd.DataFrame, tmp_path: Path) -> None:
    known, new = patients[patients["patient"] != "b 2"], patients[patients["patient"] == "b 2"].dropna()
    made = forecaster(time="hours", series="patient", target=["hr"], holdout=None).fit(known)
    loaded = Forecaster.load(made.save(tmp_path / "run"))
    assert loaded.trained_until_ == made.trained_until_
    found = loaded.evaluate(pd.concat([known, new]), horizon="3 steps", origins=4)
    assert found.origins is not None
    assert (found.origins["count"], found.origins["series"]) == (4, 1)
    assert "not scored: the series 'a,1', 'ü': fewer than 3 rows follow the training part" in found.notes


def test_a_loaded_run_knows_how_much_was_held_out(cycle: Cycle, tmp_path: Path) -> None:
    made = forecaster(holdout=2).fit(pd.DataFrame(cycle))
    loaded = Forecaster.load(made.save(tmp_path / "run"))
    assert made.evaluation_ is not None
    assert loaded.evaluate().to_dict()["scores"] == made.evaluation_.to_dict()["scores"]


def test_a_run_that_does_not_say_what_it_was_trained_on_is_scored_with_a_warning(
    fitted: Forecaster, tmp_path: Path
) -> None:
    run = fitted.save(tmp_path / "run")
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    assert config.pop("trained_until") == {"": 1911.0}
    (run / "config.json").write_text(json.dumps(config), encoding="utf-8")
    found = Forecaster.load(run).evaluate(horizon="2 years", origins=4)
    assert found.origins is not None
    assert (found.origins["count"], found.origins["unseen"]) == (4, None)
    assert any("unknown which rows the model was trained on" in note for note in found.notes)
    assert Evaluation.from_dict(found.to_dict()).to_dict() == found.to_dict()


def test_series_without_a_part_to_train_on_or_to_be_judged_by_are_named(cycle: Cycle) -> None:
    long = pd.DataFrame(cycle).assign(site="long")
    early, late = long.iloc[:8].assign(site="early"), long.iloc[13:].assign(site="late")
    settings = {"series": "site", "holdout": "1912", "target": ["hare"]}
    made = forecaster(**settings).fit(pd.concat([long, early, late]))
    assert made.evaluation_ is not None
    assert made.evaluation_.scored == {"values": 4, "forecasts": 1, "series": 1}
    assert made.evaluation_.notes == (
        "not scored: the series 'late': no row is left to train on",
        "not scored: the series 'early': no row is held out",
    )
    with pytest.raises(DataError, match="no series has rows before and after the split"):
        forecaster(**settings).fit(pd.concat([early, late]))


def test_a_series_that_the_model_cannot_start_from_is_named_and_the_others_are_scored(cycle: Cycle) -> None:
    whole, lacking = (pd.DataFrame(cycle).assign(site=name) for name in ("whole", "lacking"))
    lacking.loc[lacking.index[:12], ["hare", "lynx"]] = np.nan
    for model in ("observed", "latent"):
        made = forecaster(series="site", model=model).fit(pd.concat([whole, lacking]))
        assert made.evaluation_ is not None
        assert made.evaluation_.scored["series"] == 1
        assert any("not scored: the series 'lacking': the model" in note for note in made.evaluation_.notes)
