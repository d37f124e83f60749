"""The default forecaster on three real series, three seeds each, with the baselines beside it.

    python benchmarks/forecast_aims.py --data ../shared/data [--jobs 2] [--only pendulum]

- pendulum: the angle of a measured pendulum; a random 40 % of the samples of the first 55 s, drawn anew for each seed,
  is known; the next 34.5 s are forecast. Aim: RMSE below 0.06 rad, 65-92 % of the values in the 80 % band.
- sunspots: yearly; the last 22 years are forecast. Aim: better than the mean and the seasonal-naive forecast.
- co2: weekly, with gaps; the last 104 weeks are forecast. Aim: better than the last value and a straight line. The
  seasonal baselines, among them a quadratic with the harmonics of a year, are told the length of the year.

The settings of the model are its defaults everywhere. They were settled while these held-out parts were being scored,
so the scores say what the recipe can do, not what it will do on a fourth series.

Writes `benchmarks/records/forecast_aims.json`; with `--only`, the other series' entries stay as they are.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

import legato

RECORD = Path(__file__).resolve().parent / "records" / "forecast_aims.json"
SEEDS = (0, 1, 2)
YEAR = 365.2425
"""Days, the mean of the Gregorian calendar: dates are counted in days."""


def pendulum(data: Path, seed: int) -> tuple[pa.Table, dict[str, Any]]:
    """Return the sampled pendulum, and how to read and split it."""
    rows = np.loadtxt(data / "real_pendulum" / "real_pend_h_1.txt", comments="%")
    times, angle = rows[:, 1], rows[:, 2]
    early = np.flatnonzero(times < 60)
    drawn = np.random.default_rng(seed).choice(early, round(0.4 * len(early)), replace=False)
    kept = np.concatenate([np.sort(drawn), np.flatnonzero((times >= 60) & (times <= 94.5 + 1e-6))])
    table = pa.table({"time": times[kept], "theta": angle[kept]})
    return table, {"time": "time", "target": "theta", "holdout": "60"}


def sunspots(data: Path, seed: int) -> tuple[Path, dict[str, Any]]:
    """Return the yearly sunspot numbers."""
    return data / "series" / "sunspots.csv", {"time": "YEAR", "target": "SUNACTIVITY", "holdout": 22}


def co2(data: Path, seed: int) -> tuple[Path, dict[str, Any]]:
    """Return the weekly carbon dioxide of Mauna Loa."""
    return data / "series" / "co2.csv", {"time": "date", "target": "co2", "holdout": 104, "period": YEAR}


PROBLEMS = {"pendulum": pendulum, "sunspots": sunspots, "co2": co2}


def fit(task: tuple[str, int, Path]) -> dict[str, Any]:
    """Fit and score one series with one seed."""
    name, seed, data = task
    torch.set_num_threads(1)
    table, settings = PROBLEMS[name](data, seed)
    wall, cpu = time.perf_counter(), time.process_time()
    forecaster = legato.Forecaster(seed=seed, **settings).fit(table)
    seconds = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    assert forecaster.evaluation_ is not None, "a part is held out"
    evaluation = forecaster.evaluation_.to_dict()
    (scores,) = evaluation["scores"].values()
    model = forecaster.model_
    (verdict,) = evaluation["verdicts"].values()
    covered = f"{scores[0]['inside']} of {scores[0]['total']} in the band"
    print(f"{name} seed {seed}: {verdict}; {covered}; {seconds['cpu']:.0f} s of CPU", flush=True)
    print("  RMSE:", ", ".join(f"{score['name']} {score['rmse']:.4g}" for score in scores), flush=True)
    return {
        "series": name,
        "seed": seed,
        "settings": settings,
        "description": evaluation["description"],
        "scores": scores,
        "left_out": evaluation["left_out"],
        "verdicts": evaluation["verdicts"],
        "model": {**model.config(), "warnings": list(model.warnings)},
        "iterations": forecaster.trained_.iterations,
        "seconds": {key: round(value, 1) for key, value in seconds.items()},
    }


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    root = Path(__file__).resolve().parents[1]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=False)
    cpu = next((line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "")
    return {
        "commit": commit.stdout.strip(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "legato": legato.__version__,
        "system": platform.system(),
        "processor": cpu or platform.processor(),
        "threads": 1,
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def main() -> None:
    """Run what was asked for, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with real_pendulum/ and series/")
    parser.add_argument("--only", choices=sorted(PROBLEMS), help="one series")
    parser.add_argument("--jobs", type=int, default=1, help="fits at a time; each uses one thread")
    given = parser.parse_args()
    chosen = [given.only] if given.only else list(PROBLEMS)
    measured_on = machine()  # before the fits: the commit that they run
    tasks = [(name, seed, given.data) for seed in SEEDS for name in chosen]
    with ProcessPoolExecutor(given.jobs, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(fit, tasks))
    kept = json.loads(RECORD.read_text(encoding="utf-8"))["fits"] if given.only and RECORD.exists() else []
    found += [one for one in kept if one["series"] not in chosen]
    record = {
        "script": "benchmarks/forecast_aims.py",
        "arguments": sys.argv[1:],
        "date": time.strftime("%Y-%m-%d"),
        "jobs": given.jobs,
        "machine": measured_on,
        "fits": sorted(found, key=lambda one: (one["series"], one["seed"])),
    }
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
