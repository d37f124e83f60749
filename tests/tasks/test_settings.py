"""Settings keep scikit-learn's conventions, and those that cannot be meant are refused before anything is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from legato.core.errors import DataError, OptionError
from legato.data import Dialect
from legato.tasks import Forecaster

pytestmark = pytest.mark.usefixtures("brief")

Cycle = dict[str, np.ndarray]


def forecaster(**changes: Any) -> Forecaster:
    return Forecaster(**{"time": "year", "model": "observed", "members": 2, "holdout": 4, **changes})


def test_settings_are_given_back_as_they_were_and_cloned() -> None:
    settings = {
        "time": "hours",
        "series": "patient",
        "target": ["hr", "rr"],
        "model": "observed",
        "seed": 7,
        "members": 3,
        "holdout": "1915",
        "period": 12.0,
        "time_unit": "hours",
        "dialect": Dialect(delimiter=";", missing=("-9",)),
        "max_time": 5.0,
    }
    made = Forecaster(**settings)
    assert made.get_params() == settings
    assert all(made.get_params()[name] is value for name, value in settings.items())
    copied = clone(made)
    assert type(copied) is Forecaster
    assert copied.get_params() == settings
    assert clone(Forecaster()).get_params() == Forecaster().get_params()


def test_settings_are_changed_by_name_and_a_wrong_name_is_refused_with_the_nearest() -> None:
    made = Forecaster()
    assert made.set_params(time="t", seed=3) is made
    assert (made.time, made.seed) == ("t", 3)
    with pytest.raises(OptionError, match="no setting 'sed'; did you mean 'seed'"):
        made.set_params(sed=3)


def test_the_constructor_neither_works_nor_judges() -> None:
    made = Forecaster(time="nowhere", model="no such model", holdout=-3, target=[])
    assert set(vars(made)) == set(made.get_params())


def test_wrong_settings_are_refused_by_fit(cycle: Cycle) -> None:
    table = pd.DataFrame(cycle)
    for changes, words in (
        ({"time": None}, "column of times"),
        ({"model": "observd"}, "did you mean 'observed'"),
        ({"target": ["hare", "year"]}, "one role"),
        ({"holdout": 1.5}, "between 0 and 1"),
        ({"holdout": float("inf")}, "between 0 and 1"),
        ({"holdout": True}, "between 0 and 1"),
        ({"holdout": 0}, "at least 1"),
        ({"members": 0}, "at least 1"),
        ({"members": -1}, "at least 1"),
        ({"members": 2.5}, "at least 1"),
        ({"seed": None}, r"from 0 to 2\^64 - 1"),
        ({"seed": 2**64}, r"from 0 to 2\^64 - 1"),
        ({"seed": -1}, r"from 0 to 2\^64 - 1"),
        ({"target": []}, "at least one column"),
        ({"target": [1]}, "at least one column"),
        ({"period": 0}, "period is a number above zero"),
        ({"max_time": float("nan")}, "max_time is a number above zero"),
        ({"dialect": ";"}, "dialect is"),
        ({"series": 3}, "series is a text"),
    ):
        with pytest.raises(OptionError, match=words):
            forecaster(**changes).fit(table)
    with pytest.raises(DataError, match="no column 'yeer'"):
        forecaster(time="yeer").fit(table)
    with pytest.raises(DataError, match="no row lies after the cut"):
        forecaster(holdout="1990").fit(table)


def test_what_is_held_out_and_asked_for_is_said_in_the_types_of_other_packages(cycle: Cycle, tmp_path: Path) -> None:
    days = pd.date_range("2024-01-01", periods=16, freq="D")
    table = pd.DataFrame({"day": days, "hare": cycle["hare"], "lynx": cycle["lynx"]})
    for holdout in (np.int64(4), pd.Timestamp("2024-01-13"), np.datetime64("2024-01-13", "ns"), days[12].date()):
        made = forecaster(time="day", holdout=holdout, seed=np.int64(1)).fit(table)
        assert made.split_ is not None
        assert [len(part[0]) for part in (made.split_.train, made.split_.test)] == [12, 4]
        again = Forecaster.load(made.save(tmp_path / "run", force=True))
        assert again.get_params() == {**made.get_params(), "holdout": again.holdout}
    wanted = made.predict("2 days")
    for at in (wanted["time"].to_numpy().astype("datetime64[ns]"), ["2024-01-17", "2024-01-18"]):
        assert made.predict(at=at)["time"].tolist() == wanted["time"].tolist()


def test_how_a_file_is_written_does_not_matter_to_a_frame_that_is_forecast_from(cycle: Cycle, tmp_path: Path) -> None:
    table = pd.DataFrame(cycle)
    table.to_csv(tmp_path / "t.csv", index=False, sep=";")
    made = forecaster(dialect=Dialect(delimiter=";")).fit(tmp_path / "t.csv")
    assert made.predict(steps=2, table=table)["mean"].tolist() == made.predict(steps=2)["mean"].to_pylist()
    with pytest.raises(OptionError, match="dialect= is for text files"):
        made.fit(table)
