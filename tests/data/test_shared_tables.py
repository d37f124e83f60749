"""Real tables, read by path where they are at hand: what each holds is stated by its source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from legato.data import Dialect, SeriesSet, TableError, check_table, load_lynx_hare, read_series

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
PENDULUM = Dialect(comment="%", delimiter="whitespace", columns=("trial", "time", "angle", "velocity"))


def read(name: str, **roles: object) -> SeriesSet:
    return read_series(at_hand(name), **roles)


def at_hand(name: str) -> Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"the shared data are not at hand: {name}")
    return path


def test_the_bundled_lynx_and_hare_are_the_shared_ones() -> None:
    shared = read("lynx_hare/hudson-bay-lynx-hare.csv", time="Year", target=["Hare", "Lynx"])
    bundled = read_series(load_lynx_hare(), time="year", target=["hare", "lynx"])
    np.testing.assert_array_equal(shared[0].times, bundled[0].times)
    np.testing.assert_array_equal(shared[0].values, bundled[0].values)


def test_the_dates_of_co2_are_recognised_and_its_gaps_stay_gaps() -> None:
    series = read("series/co2.csv", time="date")
    assert series.scale.kind == "yyyymmdd"
    assert series.scale.format(series[0].times[[0, -1]]) == ["19580329", "20011229"]
    assert set(series.gaps) == {7.0}
    assert (~series[0].mask).sum() == 59


def test_sunspots_are_years() -> None:
    series = read("series/sunspots.csv", time="YEAR")
    assert series.scale.kind == "year"
    assert series[0].times.tolist() == list(range(1700, 2009))


def test_el_nino_is_refused_with_advice() -> None:
    path = at_hand("series/elnino.csv")
    with pytest.raises(TableError, match="one row per month"):
        read_series(path, time="YEAR")
    assert "wide-months" in [finding.code for finding in check_table(path).findings if finding.severity == "error"]


def test_etth1_is_hourly() -> None:
    series = read("ett/ETTh1.csv", time="date")
    assert len(series[0]) == 17420
    assert len(series.targets) == 7
    assert set(series.gaps) == {3600.0}


def test_theophylline_is_twelve_patients_with_dose_and_weight() -> None:
    series = read("theophylline/Theoph.csv", time="Time", series="Subject", target="conc", static=["Wt", "Dose"])
    assert series.ids == tuple(str(patient) for patient in range(1, 13))
    assert {len(one) for one in series} == {11}
    assert series[0].static.tolist() == [79.6, 4.02]


def test_theophylline_without_its_patients_is_refused_with_advice() -> None:
    with pytest.raises(TableError, match="series="):
        read("theophylline/Theoph.csv", time="Time", target="conc")


def test_the_stock_indices_are_counted_days() -> None:
    series = read("finance/EuStockMarkets.csv", time="rownames")
    assert series.targets == ("DAX", "SMI", "CAC", "FTSE")
    assert len(series[0]) == 1860


def test_the_pendulum_is_read_only_as_it_is_described() -> None:
    path = at_hand("real_pendulum/real_pend_h_1.txt")
    with pytest.raises(TableError, match="columns="):
        read_series(path, time="time")
    series = read_series(path, time="time", target=["angle", "velocity"], dialect=PENDULUM)
    assert len(series[0]) == 556
    assert series[0].times[0] == 5.0
    assert series[0].rows.tolist() == list(range(2, 558))


def test_the_trailing_comma_of_the_tanks_is_noted() -> None:
    report = check_table(at_hand("sysid_cascaded_tanks/dataBenchmark.csv"))
    assert "empty-column" in [finding.code for finding in report.findings]
    assert report.rows == 1024


def test_skab_is_separated_by_semicolons() -> None:
    series = read("skab/data/valve1/0.csv", time="datetime", target=["Pressure", "Temperature"])
    assert set(series.gaps) <= {1.0, 2.0}
