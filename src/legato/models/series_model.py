"""What every model of irregular series offers: learning from windows, a calibrated band, prediction at any time.

    prediction = model(batch, at)            # at: one grid of times per series

A model holds its own scaling, so that its numbers are those of the table. It is told the history it forecasts from with
each call; nothing about a series is remembered.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..core.errors import InputError
from ..data import Batch, Prediction

__all__ = ["LEVELS", "Plan", "SeriesModel", "TimeFacts", "central_quantiles", "check_shape"]

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_NORMAL = (-1.2815515655446004, -0.8416212335729143, -0.5244005127080407, -0.2533471031357997, 0.0)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a model wants to be trained: AdamW with a cosine schedule.

    Arguments:
        iterations: the number of optimizer steps.
        learning_rate, weight_decay: of AdamW.
        final: the share of the learning rate that is left at the end.
        warmup: iterations over which the learning rate rises to its schedule.
    """

    iterations: int
    learning_rate: float
    weight_decay: float = 0.0
    final: float = 0.02
    warmup: int = 0


@dataclass(frozen=True, kw_only=True)
class TimeFacts:
    """What a model may know of its time axis.

    Arguments:
        year, week, day: the lengths of calendar periods in the axis' unit, 0 where time is no calendar.
        origin_phase: the calendar phases of time 0, in [0, 1), one per period.
    """

    periods: tuple[float, ...] = ()
    phases: tuple[float, ...] = ()


class SeriesModel(nn.Module, ABC):
    """A model of irregular series."""

    name: ClassVar[str]
    unknown: ClassVar[tuple[str, ...]] = ()
    """Tensors of the state in which NaN says that something is not known."""

    @classmethod
    @abstractmethod
    def from_data(cls, batch: Batch, *, time: TimeFacts, seed: int, **settings: Any) -> SeriesModel:
        """Return an untrained model whose sizes, scaling and windows fit the data.

        Arguments:
            batch: the training part, values in float64, NaN where not observed.
            time: what is known of the axis.
            seed: for the initial weights.
            settings: the model's own; see its class.
        """

    @abstractmethod
    def plan(self) -> Plan:
        """Return how the model wants to be trained."""

    def decayed(self) -> list[nn.Parameter]:
        """Return the weights that weight decay acts on; all of them, unless a model knows better."""
        return list(self.parameters())

    def before_step(self, step: int, total: int) -> bool:
        """Look at the model before an iteration, for instance to keep the weights that do best on a part held back.

        Returns:
            Whether training should go on.
        """
        return True

    @abstractmethod
    def objective(self, step: int, total: int, generator: torch.Generator) -> Tensor:
        """Return the 0-d loss of one training iteration."""

    @abstractmethod
    def after_backward(self) -> None:
        """Clip gradients, in the model's own way."""

    @abstractmethod
    def calibrate(self) -> None:
        """Set the band from forecasts of the training part's own later rows."""

    @abstractmethod
    def forward(self, batch: Batch, at: Sequence[Tensor]) -> Prediction:
        """Return the forecast of every series at the given times.

        Arguments:
            batch: each series' history.
            at: one grid of times per series, float64, after its last observed time.
        """

    @abstractmethod
    def fitted(self, batch: Batch) -> Prediction:
        """Return, at every time of the history, what the model says of it from what came before."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Return what `from_config` needs, as plain JSON values."""

    @classmethod
    @abstractmethod
    def from_config(cls, config: dict[str, Any]) -> SeriesModel:
        """Return a model of the same shape, its weights to be loaded.

        Raises:
            InputError: a size or a length that no model has.
        """

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user of this model should be told about it."""
        return ()

    @property
    def last_evaluations(self) -> int:
        """The number of field evaluations of the last solve, per sample; 0 before one."""
        return 0


def central_quantiles(centre: Tensor, deviation: Tensor) -> dict[float, Tensor]:
    """Return the normal quantiles `centre + z deviation` at `LEVELS`.

    Arguments:
        centre: the median.
        deviation: the standard deviation, of the same shape.
    """
    scores = (*_NORMAL, *(-score for score in reversed(_NORMAL[:-1])))
    return {level: centre + score * deviation for level, score in zip(LEVELS, scores, strict=True)}


def check_shape(config: dict[str, Any], *, counts: Sequence[str], lengths: Sequence[str]) -> None:
    """Refuse a model's shape whose counts are no whole numbers above zero, or its lengths no finite ones.

    Raises:
        InputError: with the name and what was got.
    """
    for name in counts:
        if type(config[name]) is not int or config[name] < 1:
            raise InputError(f"{name} is a whole number of at least 1; got {config[name]!r}")
    for name in lengths:
        if type(config[name]) not in (int, float) or not 0 < config[name] < float("inf"):
            raise InputError(f"{name} is a finite number above zero; got {config[name]!r}")
