"""The record of energies says what the methods do: one amplitude for a symplectic method, a loss for RK4."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("solver", "grows"), [("velocity_verlet", False), ("rk4", True)])
def test_the_largest_error_of_each_decade_of_periods_is_recorded(
    solver: str, grows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import energy

    found = energy.decades(solver, 40)["largest_error"]
    assert list(found) == ["1e1", "1e2"]
    first, later = found.values()
    assert (later > 1.5 * first) == grows
