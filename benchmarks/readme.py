"""The README's measured results, from the records: `python -m benchmarks.readme` writes them.

Nothing is typed by hand: the section between the markers is what the newest records say, and a test compares.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .record import load_record
from .table import origin, render_overhead, render_ratios, table

__all__ = ["measured", "shortfall", "with_measured"]

ROOT = Path(__file__).resolve().parents[1]
SPEED = "benchmarks/records/eager.json"
FORECASTS = "benchmarks/records/forecast_aims.json"
MARKERS = "<!-- measured:start -->", "<!-- measured:end -->"


def measured() -> str:
    """Return the section: speed beside the peers, and forecasts beside the baselines."""
    speed = load_record(ROOT / SPEED)
    forecasts = json.loads((ROOT / FORECASTS).read_text(encoding="utf-8"))
    return "\n\n".join(
        [
            f"How many times as long it takes under equal rules, dopri5 ([record]({SPEED}); mean: geometric, over the "
            f"three networks; in brackets the quartiles within rounds). {shortfall(speed)}",
            render_ratios(speed),
            "What an attempted step costs beside the field:",
            render_overhead(speed),
            origin(speed, ""),
            f"Forecasts by the default model of what was held out, a seed a row ([record]({FORECASTS}); its settings "
            "were settled while these parts were scored):",
            _forecasts(forecasts["fits"]),
        ]
    )


def with_measured(readme: str) -> str:
    """Return a README with its measured results; as it was where it has no markers for them."""
    start, end = MARKERS
    before, found, rest = readme.partition(start)
    _, closed, after = rest.partition(end)
    return f"{before}{start}\n{measured()}\n{end}{after}" if found and closed else readme


def shortfall(record: dict[str, Any]) -> str:
    """Return in words which aims were missed."""
    missed = [
        f"{ratio['over']} / {ratio['under']} is {ratio['geometric_mean']:.2f} where {ratio['least']:g} was aimed at"
        for ratio in record["ratios"]
        if ratio["geometric_mean"] is not None and ratio["geometric_mean"] < ratio["least"]
    ]
    slower = [
        ratio["over"].split()[0]
        for ratio in record["ratios"]
        if ratio["geometric_mean"] is not None and ratio["geometric_mean"] < 1
    ]
    words = [f"Short of the aim: {'; '.join(missed)}."] if missed else []
    if slower:
        words.append(f"Faster than legato: {', '.join(dict.fromkeys(slower))}.")
    return " ".join(words) or "Every aim is met, and no peer is faster."


def _forecasts(fits: Sequence[dict[str, Any]]) -> str:
    rows = []
    for fit in fits:
        model, *baselines = fit["scores"]
        best = min(baselines, key=lambda score: score["rmse"])
        others = ", ".join(f"{one['name']} {one['rmse']:.3g}" for one in baselines)
        verdict = "wins" if model["rmse"] < best["rmse"] else f"{best['name']} wins"
        rows.append(
            [
                f"{fit['series']}, {fit['seed']}",
                f"{model['rmse']:.3g}",
                f"{model['inside']} of {model['total']}",
                verdict,
                others,
            ]
        )
    return table(["series, seed", "RMSE", "in the 80 % band", "", "RMSE of the baselines"], rows)


def main() -> None:
    """Write the README's section."""
    readme = ROOT / "README.md"
    readme.write_text(with_measured(readme.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
