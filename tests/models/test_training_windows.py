"""What inner members learn from, and what they share with the others."""

from __future__ import annotations

import math

import torch

from legato.data import Batch
from legato.models import TimeFacts
from legato.models.training_windows import TrainingWindows


def record(count: int, late: float) -> Batch:
    """A sine of which the last 15 % are raised."""
    times = torch.arange(count, dtype=torch.float64)
    values = torch.sin(2 * math.pi * times / 8)[:, None]
    values[times > 0.85 * (count - 1)] += late
    return Batch(times=[times], values=[values], mask=[torch.ones(count, 1, dtype=torch.bool)])


def test_an_early_start_is_that_of_what_lies_before_the_last_part_in_a_scaling_of_everything() -> None:
    plain = TrainingWindows.from_data(record(80, 0.0), TimeFacts())
    shared = {"period": plain.period, "length": plain.length, "calendar": plain.calendar}
    raised = TrainingWindows(record(80, 5.0), plain.scaling, **shared)
    for early in (True, False):
        pairs = zip(*(one.linear_start(4, early=early) for one in (plain, raised)), strict=True)
        assert all(torch.equal(one, other) for one, other in pairs) is early
    found = TrainingWindows.from_data(record(80, 5.0), TimeFacts())
    assert not torch.equal(found.scaling.deviation, plain.scaling.deviation)


def test_an_early_start_of_too_few_windows_is_that_of_everything() -> None:
    windows = TrainingWindows.from_data(record(12, 1.0), TimeFacts())
    windows.early[1:] = False  # one is left, and two are needed
    pairs = zip(windows.linear_start(2, early=True), windows.linear_start(2, early=False), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
