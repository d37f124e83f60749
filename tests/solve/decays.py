"""The decaying state that tests of the front door solve, and what they compare with."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

MODES = ["shared", "independent"]
TIGHT = {"rtol": 1e-9, "atol": 1e-11}


class Motion(NamedTuple):
    place: Tensor
    speed: Tensor


def decay(t: Tensor, y: Tensor) -> Tensor:
    return -y


def start(rows: int = 3, columns: int = 2) -> Tensor:
    return 1 + torch.arange(rows * columns, dtype=torch.float64).reshape(rows, columns)


def close(actual: Tensor, expected: Tensor, tolerance: float = 1e-8) -> None:
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)
