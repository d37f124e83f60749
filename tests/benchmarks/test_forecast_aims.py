"""The script of the forecasting aims fits, scores and prints each series beside the baselines that it should meet."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
import torch

from legato.models import LatentODE, Plan

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _importable_and_brief() -> Iterator[None]:
    """Put the project's root on the path, train for two iterations, and give back the threads."""
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        patch.setattr(LatentODE, "plan", lambda self: Plan(iterations=2, learning_rate=1e-2))
        yield
    torch.set_num_threads(threads)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with seven years of a weekly rise with a yearly season in the place of the record."""
    days = 7 * np.arange(7 * 52)
    values = 316 + 0.002 * days + 1e-7 * days**2 + 3 * np.sin(2 * np.pi * days / 365.2425)
    stamps = [f"{date(1958, 3, 29) + timedelta(days=int(day)):%Y%m%d}" for day in days]
    (tmp_path / "series").mkdir()
    lines = "".join(f"{stamp},{value:.3f}\n" for stamp, value in zip(stamps, values, strict=True))
    (tmp_path / "series" / "co2.csv").write_text("date,co2\n" + lines)
    return tmp_path


def test_carbon_dioxide_stands_beside_the_quadratic_with_the_harmonics_of_a_year(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks.forecast_aims import fit

    found = fit(("co2", 0, data))
    errors = {score["name"]: score["rmse"] for score in found["scores"]}
    assert {"model", "last", "linear", "seasonal-naive", "harmonics"} <= set(errors)
    assert errors["harmonics"] < 0.001  # the series is of that kind, rounded to a thousandth
    assert f"harmonics {errors['harmonics']:.4g}" in capsys.readouterr().out
    assert "harmonics" not in found["left_out"]


def test_every_series_says_how_it_is_read_and_held_out(data: Path) -> None:
    from benchmarks.forecast_aims import PROBLEMS

    assert set(PROBLEMS) == {"pendulum", "sunspots", "co2"}
    for name in ("sunspots", "co2"):
        path, settings = PROBLEMS[name](data, 0)
        assert path.parent == data / "series"
        assert {"time", "target", "holdout"} <= set(settings)
