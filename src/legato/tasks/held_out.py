"""What is forecast to be scored: the parts of a split, and the model's word on what followed each history."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..core.errors import DataError, SolveError
from ..data import Batch, Prediction, Series
from ..data.holdout import SeriesSplit
from ..models import SeriesModel
from .evaluation import Forecast
from .origins import name_series

__all__ = ["heldout_pairs", "model_forecasts", "predicted"]

Pairs = Sequence[tuple[Series, Series]]


def heldout_pairs(split: SeriesSplit) -> tuple[list[tuple[Series, Series]], list[str]]:
    """Return training and test part of each series that has both, and in words which have not.

    Raises:
        DataError: none has both.
    """
    train = {one.id: one for one in split.train}
    pairs = [(train[one.id], one) for one in split.test if one.id in train]
    tested = {one.id for one in split.test}
    only_test = [one.id for one in split.test if one.id not in train]
    only_train = [name for name in train if name not in tested]
    if not pairs:
        raise DataError(
            f"no series has rows before and after the split, so nothing can be scored ({split.description}); move the "
            "split, or hold nothing out"
        )
    notes = []
    if only_test:
        notes.append(f"not scored: {name_series(only_test)}: no row is left to train on")
    if only_train:
        notes.append(f"not scored: {name_series(only_train)}: no row is held out")
    return pairs, notes


def model_forecasts(model: SeriesModel, pairs: Pairs) -> tuple[list[Forecast], list[str]]:
    """Return the model's forecast of what followed each history, and in words where it has none.

    Raises:
        DataError: the model can start from none of the histories.
    """
    try:
        return _forecasts(model, pairs), []
    except DataError as error:
        refused = error
    found: list[Forecast] = []
    failed = []
    for pair in pairs:
        try:
            found += _forecasts(model, [pair])
        except DataError:
            failed.append(pair[0].id)
    if not found:
        raise refused
    return found, [f"not scored: {name_series(failed)}: the model cannot start from the history ({refused})"]


def predicted(model: SeriesModel, histories: Sequence[Series], grids: Sequence[np.ndarray]) -> Prediction:
    """Return the model's word on some times after each history.

    Raises:
        SolveError: the model's equation was not solved to the last of them.
    """
    with torch.inference_mode(False), torch.no_grad():
        batch = Batch.from_series(histories, dtype=torch.float64)
        try:
            return model(batch, [torch.tensor(grid) for grid in grids])
        except SolveError as error:
            message = f"the model's equation was not solved to the end of the forecast; ask for nearer times. {error}"
            raise SolveError(message, error.solution) from error


def _forecasts(model: SeriesModel, pairs: Pairs) -> list[Forecast]:
    prediction = predicted(model, [history for history, _ in pairs], [later.times for _, later in pairs])
    return [
        Forecast(
            history=history,
            later=later,
            mean=prediction.mean[place].numpy(),
            quantiles={level: parts[place].numpy() for level, parts in prediction.quantiles.items()},
        )
        for place, (history, later) in enumerate(pairs)
    ]
