r"""A start in closed form: the best linear model of windows, found without training.

Principal components of the windows' features :math:`\varphi(o)`, scaled to unit variance, are a first latent state
:math:`w = V^T(\varphi - \bar\varphi)`; there are as many as hold 95 % of the energy, rounded up to an even number D. A
ridge regression between windows a time :math:`\delta` apart, :math:`w(o + \delta) \approx M^T w(o)`, has eigenvalues
:math:`\lambda_j = e^{(-\gamma_j + i \omega_j)\,\delta}`. In the basis of the eigenvectors' real and imaginary parts the
state is

.. math:: z' = z\,(S - S^T) - \gamma \odot z, \qquad z(o) = (\varphi(o) - \bar\varphi)\,E, \qquad x(o) \approx z\,C + c,

with :math:`S` holding :math:`\omega_j` above the diagonal of each pair's block, and :math:`C, c` by ridge regression.
:math:`\gamma` is at least a hundredth per unit of time, so that nothing grows.

References:
    P. J. Schmid, Dynamic mode decomposition of numerical and experimental data, 2010.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["LinearStart", "latent_size", "linear_start"]

_ENERGY = 0.95
_LARGEST = 12
_RIDGE = 1e-3
_LEAST_DAMPING = 0.01
_SMALLEST = 1e-3  # of the typical size: below it are noise and rounding
_STALEST = 0.05  # eigenvalues below this are forgotten within one step, however small


class LinearStart(NamedTuple):
    """The linear model of the module, with features as `(feature - mean) / scale`.

    Arguments:
        mean, scale: `(F,)`.
        encode: `(F, D)`; skew: `(D, D)`; damping: `(D,)`; readout: `(D, d)`; offset: `(d,)`.
    """

    mean: Tensor
    scale: Tensor
    encode: Tensor
    skew: Tensor
    damping: Tensor
    readout: Tensor
    offset: Tensor


class _Modes(NamedTuple):
    """A real basis `(D, D)` of eigenvectors, with skew part and damping in it; complex pairs come first."""

    basis: Tensor
    skew: Tensor
    damping: Tensor
    pairs: int


def latent_size(features: Tensor) -> int:
    """Return the even number of principal components that hold 95 % of the features' energy, 2 to 12."""
    energy = torch.linalg.svdvals(features - features.mean(dim=0)).square()
    total = energy.sum()
    if not total > 0:
        return 2
    count = int((energy.cumsum(dim=0) < _ENERGY * total).sum()) + 1
    return min(count + count % 2, _LARGEST)


def linear_start(
    before: Tensor,
    after: Tensor,
    *,
    step: float,
    size: int,
    observed: Tensor,
    targets: Tensor,
    seen: Tensor,
) -> LinearStart:
    """Return the linear model of the module.

    Arguments:
        before, after: features `(n, F)` of windows and of those a step later.
        step: the time between them.
        size: the even number D of latent states.
        observed: features `(m, F)` of windows that end on observations.
        targets: those observations `(m, d)`, less the windows' anchors.
        seen: `(m, d)`, which of them there are.
    """
    mean = before.mean(dim=0)
    scale = before.std(dim=0, correction=0) + 0.05
    whiten = _principal(torch.cat([before, after]) - mean, size)
    first, second = (before - mean) @ whiten, (after - mean) @ whiten
    ridge = _RIDGE * len(first) * torch.eye(size, dtype=torch.float64)
    modes = _modes(torch.linalg.solve(first.T @ first + ridge, first.T @ second).T, step)
    encode = whiten @ torch.linalg.inv(modes.basis).T
    encode = encode / _mode_size((before - mean) @ encode, modes.pairs)
    readout, offset = _readout((observed - mean) @ encode, targets, seen)
    return LinearStart(mean, scale, encode * scale[:, None], modes.skew, modes.damping, readout, offset)


def _principal(centred: Tensor, size: int) -> Tensor:
    """Return the map `(F, D)` on principal components of unit variance."""
    _, singular, directions = torch.linalg.svd(centred, full_matrices=False)
    singular, directions = singular[:size], directions[:size]
    # The sign of a singular vector is arbitrary: its largest component is made positive.
    places = directions.abs().argmax(dim=1, keepdim=True)
    directions = directions * directions.gather(1, places).sign()
    spread = singular / math.sqrt(len(centred))
    spread = spread.clamp(min=max(_SMALLEST * float(spread[0]), _SMALLEST))
    assert len(singular) == size, "there are at least as many windows and features as latent states"
    return directions.T / spread


def _modes(step_map: Tensor, step: float) -> _Modes:
    """Return the real modes of `z(t + step) = step_map z(t)`."""
    values, vectors = torch.linalg.eig(step_map)
    order = values.abs().argsort(descending=True, stable=True).tolist()
    pairs = [k for k in order if values[k].imag > 1e-9]
    single = [k for k in order if values[k].imag.abs() <= 1e-9]
    rates = (values.abs().clamp(min=_STALEST).log() / -step).clamp(min=_LEAST_DAMPING)
    size = len(values)
    skew = torch.zeros(size, size, dtype=torch.float64)
    columns, damping = [], []
    for place, k in enumerate(pairs):
        vector = vectors[:, k] / vectors[:, k].norm()
        columns += [vector.real, -vector.imag]
        damping += [rates[k], rates[k]]
        skew[2 * place, 2 * place + 1] = values[k].angle() / step
    for k in single:
        columns.append(vectors[:, k].real / vectors[:, k].real.norm())
        damping.append(rates[k])
    return _Modes(torch.stack(columns, dim=1), skew, torch.stack(damping), len(pairs))


def _mode_size(states: Tensor, pairs: int) -> Tensor:
    """Return the root mean square of every mode, one for both states of a pair."""
    power = (states - states.mean(dim=0)).square().mean(dim=0)
    joint = power[: 2 * pairs].view(-1, 2).mean(dim=1).repeat_interleave(2)
    return torch.cat([joint, power[2 * pairs :]]).sqrt().clamp(min=_SMALLEST)


def _readout(states: Tensor, targets: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Return the ridge regression of every channel's observations on the states, and its constant."""
    design = torch.cat([states, torch.ones(len(states), 1, dtype=torch.float64)], dim=1)
    columns = []
    for channel in range(targets.shape[1]):
        rows = design[seen[:, channel]]
        penalty = _RIDGE * max(len(rows), 1) * torch.eye(design.shape[1], dtype=torch.float64)
        columns.append(torch.linalg.solve(rows.T @ rows + penalty, rows.T @ targets[seen[:, channel], channel]))
    both = torch.stack(columns, dim=1)
    return both[:-1], both[-1]
