"""What the members of a latent ensemble are asked in training, and how they are judged.

All members forecast from the same windows in one solve. Inner members, the last of the ensemble, are not asked for what
lies in the last part of any series; their forecasts of that part judge training, and measure the errors that a band
is made of. What they share with the others was found with that part; see `latent`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from ..core.errors import SolveError
from .latent_field import LatentEnsemble
from .training_windows import Targets, TrainingWindows

__all__ = ["Errors", "LatentTraining", "middle", "spread_of"]

_FARTHEST = 6.0  # periods that training looks ahead, at most
_SHORTEST = 0.5
_GROWTH = 0.6  # the share of training over which the horizon grows
_WINDOWS_A_STEP = 32
_MOST_JUDGED = 16
_MOST_MEASURED = 40
_TOLERANCE = 1e-3


class Errors(NamedTuple):
    """Errors of inner forecasts.

    Attributes:
        lead: `(N,)`, in periods.
        residual: `(N, d)`, observation minus forecast, scaled, NaN where nothing was observed.
        spread: `(N, d)`, the standard deviation over members, scaled.
    """

    lead: Tensor
    residual: Tensor
    spread: Tensor


class LatentTraining:
    """Ask and judge.

    Arguments:
        windows: what there is to learn from.
        members: how many members learn from everything; the others are inner ones.
    """

    def __init__(self, windows: TrainingWindows, *, members: int) -> None:
        self.windows, self.members = windows, members
        self.longest = max(min(_FARTHEST, 0.75 * windows.span), _SHORTEST)
        self.inner = slice(members, None)
        begins = (windows.near <= 1.0) & (windows.share <= 0.3)
        self.judged = _thinned(begins.nonzero().squeeze(1), _MOST_JUDGED)
        self.measured = _thinned((windows.near <= self.longest).nonzero().squeeze(1), _MOST_MEASURED)

    def objective(self, ensemble: LatentEnsemble, share: float, generator: torch.Generator) -> Tensor:
        """Return the sum over members of their mean error over random windows.

        Arguments:
            ensemble: the members.
            share: of training that is done; the horizon grows from half a period over the first 60 %.
            generator: for the windows.
        """
        windows = self.windows
        horizon = min(self.longest, _SHORTEST + (self.longest - _SHORTEST) * share / _GROWTH)
        chosen = torch.randperm(len(windows), generator=generator)[:_WINDOWS_A_STEP]
        targets = windows.targets(chosen, horizon, generator=generator)
        if not len(targets.window):
            return torch.stack([weight.sum() for weight in ensemble.parameters()]).sum() * 0
        error = self._forecast(ensemble, chosen, targets, slice(None)) - targets.values[:, None].float()
        known = targets.mask[:, None].expand(error.shape).clone()
        known[:, self.members :] &= (windows.early[chosen][targets.window] & ~targets.late)[:, None, None]
        loss = functional.smooth_l1_loss(error, torch.zeros_like(error), reduction="none")
        count = known.sum(dim=(0, 2)).clamp(min=1)
        return (torch.where(known, loss, 0.0).sum(dim=(0, 2)) / count).sum()

    def judge(self, ensemble: LatentEnsemble) -> float:
        """Return the inner members' root mean square error in what they were not trained on.

        It is NaN where there is nothing to judge by, and infinite where a solve fails.
        """
        targets = self.windows.targets(self.judged, self.longest, late_only=True)
        if not len(targets.window):
            return float("nan")
        try:
            with torch.no_grad():
                error = self._forecast(ensemble, self.judged, targets, self.inner) - targets.values[:, None]
        except SolveError:
            return float("inf")
        return float(error[targets.mask[:, None].expand(error.shape)].square().mean().sqrt())

    def measure(self, ensemble: LatentEnsemble) -> Errors | None:
        """Return the inner members' errors in what they were not trained on; None where there is nothing."""
        targets = self.windows.targets(self.measured, self.longest, late_only=True)
        if not len(targets.window):
            return None
        with torch.no_grad():
            scaled = self._forecast(ensemble, self.measured, targets, self.inner).double()
        residual = torch.where(targets.mask, targets.values - middle(scaled), torch.nan)
        return Errors(targets.lead, residual, spread_of(scaled))

    def _forecast(self, ensemble: LatentEnsemble, chosen: Tensor, targets: Targets, members: slice) -> Tensor:
        """Return the forecasts `(N, members, d)` of targets, scaled, less the anchors."""
        starts = ensemble.encoded(self.windows.features[chosen], members)
        phases = self.windows.phases[chosen]
        states = ensemble.follow(
            starts, phases, targets.lead, targets.window, members=members, rtol=_TOLERANCE, atol=_TOLERANCE
        )
        return ensemble.readout(states, members)


def middle(values: Tensor) -> Tensor:
    """Return the median over members, `(n, members, d)` to `(n, d)`; of an even number, the mean of the middle two."""
    ordered = values.sort(dim=1).values
    count = values.shape[1]
    return (ordered[:, (count - 1) // 2] + ordered[:, count // 2]) / 2


def spread_of(values: Tensor) -> Tensor:
    """Return the standard deviation over members, zero for one."""
    return values.std(dim=1, correction=min(1, values.shape[1] - 1))


def _thinned(places: Tensor, most: int) -> Tensor:
    """Return at most so many of the places, evenly spread."""
    if len(places) <= most:
        return places
    return places[torch.linspace(0, len(places) - 1, most, dtype=torch.float32).round().long()]
