from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from legato.models import LatentODE, ObservedODE, Plan


@pytest.fixture(scope="session")
def brief() -> Iterator[None]:
    """Six iterations of training, since what is tested is what surrounds it."""
    plan = Plan(iterations=6, learning_rate=1e-2, weight_decay=0.1)
    with pytest.MonkeyPatch.context() as patch:
        for model in (LatentODE, ObservedODE):
            patch.setattr(model, "plan", lambda self: plan)
        yield


@pytest.fixture(scope="session")
def cycle() -> dict[str, np.ndarray]:
    """Two species on a cycle, yearly."""
    years = np.arange(1900, 1916)
    phase = 2 * np.pi * (years - 1900) / 8
    return {"year": years, "hare": 20 + 12 * np.sin(phase), "lynx": 15 + 9 * np.sin(phase - 1)}
