"""The Lotka-Volterra law finds the parameters of orbits that SciPy has simulated."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from legato.core.errors import InputError
from legato.models.baselines.law import LotkaVolterraFit, fit_lotka_volterra

LAW = (0.55, 0.028, 0.84, 0.026)
START = (30.0, 4.0)


def orbit(times: np.ndarray, law: tuple[float, ...] = LAW) -> np.ndarray:
    """Prey and predators at ascending times; the first is the start."""
    a, b, c, d = law

    def slope(t: float, state: np.ndarray) -> list[float]:
        x, y = state
        return [a * x - b * x * y, d * x * y - c * y]

    span = (times[0], times[-1])
    return solve_ivp(slope, span, START, method="DOP853", t_eval=times, rtol=1e-11, atol=1e-11).y.T


YEARS = 1900 + np.arange(20.0)


@pytest.fixture(scope="module")
def fitted() -> LotkaVolterraFit:
    """The law fitted to the first fourteen years."""
    return fit_lotka_volterra(YEARS[:14], orbit(YEARS)[:14])


def test_it_recovers_the_law_of_a_simulated_orbit(fitted: LotkaVolterraFit) -> None:
    # The fit solves to 1e-4, so that parameters are good to a few times that.
    assert fitted.parameters == pytest.approx(LAW, rel=5e-3)
    assert fitted.start == pytest.approx(START, rel=5e-3)
    assert fitted.error < 1e-3


def test_it_continues_the_orbit_from_any_time_of_its_history_on(fitted: LotkaVolterraFit) -> None:
    assert fitted.predict(YEARS[14:]) == pytest.approx(orbit(YEARS)[14:], rel=2e-2)
    assert fitted.predict(YEARS[[0, 7]]) == pytest.approx(orbit(YEARS)[[0, 7]], rel=1e-2)


def test_times_may_be_irregular_rows_incomplete_and_units_any() -> None:
    times = np.sort(np.random.default_rng(2).uniform(0, 16, 16))
    values = 1000 * orbit(times)
    values[[3, 9, 10], [0, 1, 0]] = np.nan
    fit = fit_lotka_volterra(times, values)
    alpha, beta, gamma, delta = LAW
    assert fit.parameters == pytest.approx((alpha, beta / 1000, gamma, delta / 1000), rel=5e-3)


@pytest.mark.parametrize("values", [np.ones((9, 3)), np.ones((5, 2)), np.zeros((9, 2)), np.full((9, 2), np.nan)])
def test_what_is_no_history_of_prey_and_predators_is_refused(values: np.ndarray) -> None:
    with pytest.raises(InputError, match="two positive variables"):
        fit_lotka_volterra(np.arange(float(len(values))), values)
