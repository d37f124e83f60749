"""The record of energies says what the methods do: one amplitude for a symplectic method, a loss for RK4."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("solver", "grows"), [("velocity_verlet", False), ("rk4", True)])
def test_the_largest_error_is_taken_over_all_chunks(solver: str, grows: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import energy

    monkeypatch.setattr(energy, "CHUNK", 10)
    first, later = energy.decades(solver, 20)["largest_error"].values()
    assert (later > 1.5 * first) == grows
