from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
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


@pytest.fixture(scope="session")
def patients() -> pd.DataFrame:
    """Three series with text for ids, irregular, unsorted, with a hole."""
    generator = np.random.default_rng(0)
    parts = []
    for name, count in (("b 2", 18), ("a,1", 11), ("ü", 9)):
        hours = np.round(np.sort(generator.uniform(0, 12, count)), 2)
        parts.append(pd.DataFrame({"hours": hours, "patient": name, "hr": 60 + 9 * np.sin(hours), "rr": 15 + hours}))
    parts[0].loc[2, "hr"] = np.nan
    return pd.concat(parts).sample(frac=1, random_state=1).reset_index(drop=True)
