"""The report says what a run holds, whether or not anything was held out, for one series and for several."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from legato import plots
from legato.tasks import Evaluation, Forecaster, Score, reporting
from legato.tasks.reporting import report_run, versions
from legato.version import __version__

pytestmark = pytest.mark.usefixtures("brief")

Cycle = dict[str, np.ndarray]


@pytest.fixture
def reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Report a fit, and give what the page was made of; its pictures are drawn, but not written out."""

    def report(forecaster: Forecaster, **options: Any) -> plots.Report:
        made: list[plots.Report] = []
        with monkeypatch.context() as patch:
            patch.setattr(reporting.plots, "write_report", lambda path, page: made.append(page))
            patch.setattr(reporting.plots, "save_picture", lambda path, figure: path.write_text("svg"))
            report_run(forecaster, tmp_path / "report.html", title="A title", command="a command", **options)
        assert (tmp_path / "forecast.svg").exists()
        return made[0]

    return report


def titles(report: plots.Report) -> list[str]:
    return [picture.title for picture in report.pictures]


def panels(report: plots.Report) -> list[str]:
    return [axes.get_title() or axes.get_title("left") for axes in report.pictures[0].figure.axes]


def fit(table: Any, **settings: Any) -> Forecaster:
    return Forecaster(**{"time": "year", "model": "observed", "members": 1, "holdout": 4, **settings}).fit(table)


def test_a_report_says_what_was_read_learned_and_scored(reported: Any, cycle: Cycle) -> None:
    table = pd.DataFrame(cycle)
    table.loc[[3, 13], "hare"] = np.nan
    made = fit(table)
    report = reported(made)
    assert (report.title, report.command) == ("A title", "a command")
    assert report.data_hash == f"sha256:{made.series_.digest}"
    assert report.read["median spacing"] == "1 year"
    assert titles(report) == [
        "Data, fit and forecast",
        "RMSE beside the baselines",
        "What the bands hold",
        "Phase portrait",
        "Training",
        "Field evaluations per solve",
    ]
    assert report.read["rows"] == 16
    assert report.read["time"] == "year, 1900 to 1915"
    assert report.read["missing values"] == "6.2 %"
    assert report.read["targets"] == "hare, lynx"
    assert report.split == made.split_.description
    assert [note.text for note in report.notes if note.severity == "warning"][-1:] == list(made.model_.warnings)
    assert (report.settings["seed"], report.settings["members"], report.settings["period"]) == ("0", "1", None)
    assert [one.verdicts[0].text.partition(" ")[0] for one in report.scores] == ["RMSE", "RMSE", "scaled"]
    assert made.evaluation_ is not None
    assert report.summary == f"The model {made.evaluation_.verdicts['all, scaled']}."
    assert report.won is made.evaluation_.verdicts["all, scaled"].startswith("wins")
    assert [table.target for table in report.scores] == ["hare", "lynx", "all, scaled"]
    own = made.evaluation_.scores["hare"][0]
    assert report.scores[0].rows[0].values == (own.rmse, own.mae, own.mase, own.crps, f"{own.inside} of 3")
    reasons = {row.name: row.reason for row in report.scores[0].rows if row.reason}
    assert reasons == made.evaluation_.left_out
    assert [(one.inside, one.total) for one in report.coverage][:1] == [(own.inside, 3)]


def calendar_table(cycle: Cycle, step: str) -> pd.DataFrame:
    """Four times the cycle in dates."""
    values = np.tile(cycle["hare"], 4) + 0.01 * np.arange(64)
    return pd.DataFrame({"year": pd.date_range("2001-01-06", periods=64, freq=step), "hare": values})


@pytest.mark.parametrize(
    ("step", "model", "forecast", "calendar"),
    [
        ("7D", "latent", "every 7 days, 4 steps", "inputs: sine and cosine of the phase of the year"),
        ("6h", "latent", "every 6 hours, 4 steps", "inputs: sine and cosine of the phase of the week and of the day"),
        ("D", "observed", "every day, 4 steps", "no input: the observed model has none but its variables"),
        ("MS", "observed", "every month, 4 steps", "no input: the observed model has none but its variables"),
        ("2MS", "latent", "every 2 months, 4 steps", "inputs: sine and cosine of the phase of the year"),
        ("YS", "latent", "every 12 months, 4 steps", "no input: neither year, week nor day spans four observations"),
    ],
)
def test_a_report_says_the_step_of_the_forecast_and_the_inputs_of_the_calendar(
    reported: Any, cycle: Cycle, step: str, model: str, forecast: str, calendar: str
) -> None:
    report = reported(fit(calendar_table(cycle, step), model=model))
    assert report.model["forecast"] == forecast
    assert report.model["calendar"].startswith(calendar)
    assert report.model["model"] == f"{model}, 1 member"


def test_the_step_of_irregular_series_is_about_its_median(reported: Any, patients: pd.DataFrame) -> None:
    made = fit(patients, time="hours", series="patient", target="rr", holdout=0.2)
    words = f"about every {np.median(made.series_.gaps):g} hours, 2 to 4 steps"
    assert reported(made).model["forecast"] == words
    assert (
        reported(fit(patients[patients["patient"] == "ü"], time="hours", target="rr", holdout=None))
        .model["forecast"]
        .endswith("hours, 2 steps")
    )


def test_settings_say_the_size_of_the_ensemble_that_the_model_chose(reported: Any, cycle: Cycle) -> None:
    made = fit(pd.DataFrame(cycle), members=None)
    assert reported(made).settings["members"] == str(made.model_.members)
    assert made.model_.members > 1


def test_advice_in_a_report_is_spelled_for_who_reads_it(reported: Any, cycle: Cycle) -> None:
    report = reported(fit(pd.DataFrame(cycle)), spell=lambda text: text.replace("period=", "--period"))
    reasons = [row.reason for row in report.scores[0].rows if row.reason]
    assert any("give --period" in reason for reason in reasons)
    assert not any("period=" in reason for reason in reasons)


def test_versions_are_those_that_run() -> None:
    found = versions()
    assert (found["legato"], found["torch"]) == (__version__, torch.__version__)
    assert found["threads"] == str(torch.get_num_threads())


def test_without_a_part_held_out_the_report_forecasts_and_scores_nothing(reported: Any, cycle: Cycle) -> None:
    two = pd.concat([pd.DataFrame({**cycle, "site": name}) for name in ("north", "south")])
    report = reported(fit(two, series="site", holdout=None, target="hare"))
    assert report.summary == "Nothing was held out, so there is no score."
    assert (report.scores, report.coverage, report.won, report.split) == ((), (), None, "")
    assert titles(report) == ["Data, fit and forecast", "Training", "Field evaluations per solve"]
    assert panels(report) == ["hare, north", "hare, south"]


def test_of_several_series_the_best_the_median_and_the_worst_are_drawn(reported: Any, cycle: Cycle) -> None:
    wild = {"a": 0.0, "b": 30.0, "c": 3.0, "d": 80.0, "e": 1.0}
    parts = []
    for name, size in wild.items():
        part = pd.DataFrame({**cycle, "site": name})
        part.loc[12:, "hare"] += size
        parts.append(part)
    made = fit(pd.concat(parts), series="site", target="hare")
    errors = {one.history.id: np.abs(one.mean - one.later.values).mean() for one in made.heldout_}
    best, _, _, _, worst = sorted(errors, key=errors.__getitem__)
    report = reported(made)
    assert [title.split("(")[-1] for title in (panels(report)[0], panels(report)[-1])] == [f"{best})", f"{worst})"]
    assert len(panels(report)) == 3


def test_the_best_and_the_worst_series_are_the_same_in_other_units(reported: Any, cycle: Cycle) -> None:
    parts = [pd.DataFrame({**cycle, "site": name}) for name in "abc"]
    for place, part in enumerate(parts):
        part.loc[12:, "hare"] *= 1 + place
        part.loc[12:, "lynx"] *= 1 + 0.1 * (2 - place)
    table = pd.concat(parts)
    shown = [panels(reported(fit(table.assign(lynx=table.lynx * unit), series="site"))) for unit in (1.0, 1000.0)]
    assert shown[0] == shown[1]
    assert shown[0][0] == "hare, best series (a)"
    assert shown[0][-1] == "lynx, worst series (c)"


def test_a_forecast_of_the_future_is_drawn_in_months_of_the_calendar_where_the_series_is_monthly(
    reported: Any,
) -> None:
    months = pd.date_range("2020-01-01", periods=24, freq="MS")
    table = pd.DataFrame({"month": months, "x": 2 + np.sin(np.arange(24))})
    made = fit(table, time="month", holdout=None)
    (axes,) = reported(made).pictures[0].figure.axes
    (line,) = (line for line in axes.lines if line.get_label() == "forecast")
    expected = made.predict(steps=4)["time"].to_numpy()
    assert np.asarray(line.get_xdata(), dtype="datetime64[s]")[-1] == expected[-1].astype("datetime64[s]")


def test_a_loaded_run_is_reported_with_its_scores(reported: Any, cycle: Cycle, tmp_path: Path) -> None:
    made = fit(pd.DataFrame(cycle), model="latent", holdout=3)
    report = reported(Forecaster.load(made.save(tmp_path / "run")))
    assert made.evaluation_ is not None
    assert report.summary == f"The model {made.evaluation_.verdicts['all, scaled']}."
    assert "Training" not in titles(report)


def test_a_model_without_a_rival_has_neither_won_nor_lost(reported: Any, cycle: Cycle) -> None:
    alone = Evaluation(
        scores={"hare": [Score(name="model", mae=1.0, rmse=2.0, inside=1, total=2)]},
        left_out={"mean": "no reason"},
        verdicts={"hare": "no baseline applies"},
        description="",
        overall="hare",
        scored={"values": 2, "forecasts": 1, "series": 1},
    )
    report = reported(fit(pd.DataFrame(cycle), target="hare"), evaluation=alone)
    assert report.summary == "No baseline applies, so nobody won."
    assert report.won is None
    assert report.scores[0].verdicts[0].won is None


@pytest.mark.parametrize("model", ["observed", "latent"])
def test_a_target_that_was_not_observed_in_the_held_out_part_stops_no_report(
    reported: Any, cycle: Cycle, model: str
) -> None:
    table = pd.DataFrame(cycle)
    table.loc[table.index[-4:], "hare"] = np.nan
    report = reported(fit(table, model=model))
    assert [one.target for one in report.scores] == ["hare", "lynx"]
    assert report.scores[0].verdicts[0].text == "nothing was observed in the held-out part: no score"
    assert [one.name for one in report.coverage] == ["lynx"]
    assert report.won is not None
    assert "RMSE beside the baselines" in titles(report)
    table.loc[table.index[-4:], "lynx"] = np.nan
    report = reported(fit(table, model=model))
    assert report.summary == "Nothing was observed in the held-out part: no score."
    assert "not scored: the series: nothing was observed after the origin" in [note.text for note in report.notes]
    assert "RMSE beside the baselines" not in titles(report)


def test_another_forecast_is_drawn_beside_the_model(reported: Any, cycle: Cycle) -> None:
    made = fit(pd.DataFrame(cycle))
    later = made.heldout_[0].later
    report = reported(made, others={"oracle": (later.times, later.values)})
    figure = report.pictures[0].figure
    labels = {
        text.get_text() for axes in figure.axes for text in (axes.get_legend().get_texts() if axes.get_legend() else [])
    }
    labels |= {text.get_text() for legend in figure.legends for text in legend.get_texts()}
    assert "oracle" in labels
