"""`legato evaluate`: a run on a table, from rolling origins, beside the baselines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..data.finding import naming
from ..tasks import Forecaster
from .options import Debug, File, Json, Run, length
from .output import session
from .scores import show_scores

__all__ = ["evaluate"]

_Horizon = Annotated[
    str | None, typer.Option("--horizon", help="How far each forecast goes: 24h, 12 steps.", show_default=False)
]
_Origins = Annotated[
    int, typer.Option("--origins", min=1, help="How many times each series is forecast, one horizon apart.")
]


def evaluate(
    run: Run,
    file: File,
    horizon: _Horizon = None,
    origins: _Origins = 1,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Score a run on a table: RMSE, MAE, MASE, CRPS and coverage, beside every baseline, win or loss in words.

    Rows that the run was trained on are not scored: the table holds later rows, the held-out ones, or other series.

    legato evaluate runs/icu later.csv --horizon 24h --origins 5
    """
    with session("evaluate", as_json=json, debug=debug) as output:
        forecaster = Forecaster.load(run)
        far = None if horizon is None else length(horizon)
        with naming(Path(file).name):
            values = forecaster.evaluate(file, horizon=far, origins=origins).to_dict()
        show_scores(output, values)
        output.result({"run": str(run), "file": file, **values})
