r"""A known law as a baseline: the Lotka-Volterra equations, fitted by the same solver.

.. math:: \frac{dx}{dt} = \alpha x - \beta x y, \qquad \frac{dy}{dt} = -\gamma y + \delta x y,

with prey :math:`x` and predators :math:`y`. The six positive numbers :math:`\alpha, \beta, \gamma, \delta, x_0, y_0`
minimise the sum of squared errors of the logarithms, by L-BFGS on their own logarithms, with exact gradients through
the solve.

References: A. J. Lotka, Elements of physical biology, 1925; V. Volterra, Fluctuations in the abundance of a species
considered mathematically, 1926.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...core.errors import InputError, SolveError
from ...solve import solve

__all__ = ["LotkaVolterraFit", "fit_lotka_volterra"]

_STEPS = 40


class LotkaVolterraFit(NamedTuple):
    """Fitted parameters, and where the orbit starts.

    Attributes:
        parameters: alpha, beta, gamma, delta, per unit of time.
        start: x and y at `t0`.
        t0: the first time of the history.
        error: the root mean square error of the logarithms on the history.
    """

    parameters: tuple[float, float, float, float]
    start: tuple[float, float]
    t0: float
    error: float

    def predict(self, at: np.ndarray) -> np.ndarray:
        """Return x and y, `(m, 2)`, at ascending times not before `t0`."""
        logs = torch.tensor([*self.parameters, *self.start], dtype=torch.float64).log()
        times = torch.cat([torch.tensor([self.t0], dtype=torch.float64), torch.as_tensor(at, dtype=torch.float64)])
        with torch.no_grad():
            return np.asarray(_orbit(logs, times)[1:])


def fit_lotka_volterra(times: np.ndarray, values: np.ndarray) -> LotkaVolterraFit:
    """Fit the law to a history of prey and predators.

    Arguments:
        times: `(n,)`, ascending.
        values: `(n, 2)`, positive: prey first. Rows with a missing value are left out.

    Raises:
        InputError: not two positive variables, or fewer than six complete rows.
    """
    complete = np.isfinite(values).all(axis=1)
    if values.shape[1] != 2 or complete.sum() < 6 or not (values[complete] > 0).all():
        raise InputError("the Lotka-Volterra law needs two positive variables, prey first, and six complete rows")
    t = torch.as_tensor(times[complete], dtype=torch.float64)
    observed = torch.as_tensor(values[complete], dtype=torch.float64)
    best = min((_descend(guess, t, observed) for guess in _guesses(t, observed)), key=lambda found: found[0])
    error, logs = best
    numbers = logs.exp().tolist()
    return LotkaVolterraFit(tuple(numbers[:4]), tuple(numbers[4:]), float(t[0]), error**0.5)


def _guesses(t: Tensor, observed: Tensor) -> list[Tensor]:
    """Return starts: the slopes of the logarithms against the other species, and a centre with the record's period."""
    slopes = torch.gradient(observed.log(), spacing=(t,), dim=0)[0]
    starts = []
    prey = torch.linalg.lstsq(_design(-observed[:, 1]), slopes[:, :1]).solution[:, 0]
    predators = torch.linalg.lstsq(_design(observed[:, 0]), slopes[:, 1:]).solution[:, 0]
    regression = torch.stack([prey[0], prey[1], -predators[0], predators[1]]).clamp(min=1e-3)
    starts.append(torch.cat([regression, observed[0]]).log())
    centre = observed.mean(dim=0)
    for rate in (0.5,):
        law = torch.stack([torch.tensor(rate), rate / centre[1], torch.tensor(rate), rate / centre[0]]).double()
        starts.append(torch.cat([law, observed[0]]).log())
    return starts


def _design(column: Tensor) -> Tensor:
    return torch.stack([torch.ones_like(column), column], dim=1)


def _descend(guess: Tensor, t: Tensor, observed: Tensor) -> tuple[float, Tensor]:
    """Return the mean squared error of the logarithms and the parameters that L-BFGS reaches from a guess."""
    logs = guess.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([logs], max_iter=_STEPS, line_search_fn="strong_wolfe")
    seen = [(float("inf"), guess)]

    def closure() -> Tensor:
        optimizer.zero_grad()
        try:
            error = (_orbit(logs, t).log() - observed.log()).square().mean()
        except SolveError:
            return torch.tensor(1e6, dtype=torch.float64)
        if bool(error.isfinite()):
            error.backward()
            seen.append((float(error.detach()), logs.detach().clone()))
        return error

    optimizer.step(closure)
    return min(seen, key=lambda found: found[0])


def _orbit(logs: Tensor, times: Tensor) -> Tensor:
    alpha, beta, gamma, delta = logs[:4].exp()
    rates, couplings = torch.stack([alpha, -gamma]), torch.stack([-beta, delta])

    def law(t: Tensor, state: Tensor) -> Tensor:
        return state * torch.addcmul(rates, couplings, state.flip(0))

    solution = solve(law, logs[4:].exp(), times, rtol=1e-4, atol=1e-4, gradient="direct")
    states: Tensor = solution.ys
    return states
