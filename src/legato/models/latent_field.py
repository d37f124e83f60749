r"""The latent field: damped rotations whose rates bend with their energies, and a small network.

A latent state of D numbers is D/2 pairs. With :math:`e_k = |z_k|^2` the energy of pair k,
:math:`q_k = e_k/(1 + e_k/25)`, and :math:`s` the sines and cosines of the calendar's phases,

.. math::
    \frac{dz}{dt} = z\,(S - S^T) + J z \odot G q - \big(\mathrm{softplus}(d + H q) + \epsilon(z)\big) \odot z
                    + W_2 \tanh(W_1 [z, s] + b_1) + b_2 ,

:math:`J` a quarter turn of every pair: :math:`G` makes a swing slower or faster the wider it is, :math:`H` damps it
more or less. Within the range of the data :math:`\epsilon = 0`; where the mean energy of the pairs passes 36 it is
:math:`\epsilon = e/36 - 1`. The turns keep the energy, the network is bounded, so no trajectory can leave.

All members of the ensemble are one state `(windows, members, D)`, all weights have a leading axis of members. Both are
float32, whatever torch's default dtype is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..solve import solve
from .closed_form import LinearStart

__all__ = ["LatentEnsemble", "latent_slope"]

_SATURATION = 25.0
_BOUND = 36.0
_WIDEST_START = 6.0
_SAVES = 16  # a unit of time
_MOST_STEPS = 100_000
_SPREAD = 0.05  # how far the members' starts lie apart
_SPREAD_RATE = 0.02

Args = dict[str, Tensor]


class LatentEnsemble(nn.Module):
    """Encoder, latent field and readout of M members.

    Arguments:
        members: the number M.
        features: the number F of features of a window.
        latent: the even number D of latent states.
        channels: the number d of variables.
        rates: the frequencies of the calendar's phases, per typical period.
        width: of the field's network; `encoder_width`: of the encoder's.
    """

    feature_mean: Tensor
    feature_scale: Tensor
    quarter: Tensor
    rate: Tensor

    def __init__(
        self,
        *,
        members: int,
        features: int,
        latent: int,
        channels: int,
        rates: Sequence[float] = (),
        width: int = 32,
        encoder_width: int = 16,
    ) -> None:
        super().__init__()
        self.latent, self.width = latent, width
        self.evaluations = 0

        def weight(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.zeros(members, *shape, dtype=torch.float32))

        self.encode, self.encode_bias = weight(features, latent), weight(1, latent)
        self.lift, self.lift_bias, self.fold = (
            weight(features, encoder_width),
            weight(1, encoder_width),
            weight(encoder_width, latent),
        )
        self.skew, self.damping = weight(latent, latent), weight(1, latent)
        self.turn, self.brake = weight(latent // 2, latent // 2), weight(latent // 2, latent // 2)
        self.first, self.first_bias = weight(latent + 2 * len(rates), width), weight(1, width)
        self.second, self.second_bias = weight(width, latent), weight(1, latent)
        self.read, self.read_bias = weight(latent, channels), weight(1, channels)
        self.register_buffer("feature_mean", torch.zeros(members, 1, features, dtype=torch.float32))
        self.register_buffer("feature_scale", torch.ones(members, 1, features, dtype=torch.float32))
        self.register_buffer("rate", torch.tensor(rates, dtype=torch.float64), persistent=False)
        quarter = torch.zeros(latent, latent, dtype=torch.float32)
        for place in range(0, latent, 2):
            quarter[place, place + 1], quarter[place + 1, place] = 1.0, -1.0
        self.register_buffer("quarter", quarter, persistent=False)

    def decayed(self) -> list[nn.Parameter]:
        """Return the weights that are drawn towards zero: the networks', not those of the linear model."""
        return [self.lift, self.fold, self.first, self.second]

    def clip(self) -> None:
        """Scale every member's gradient to a norm of at most 1."""
        gradients = [weight.grad for weight in self.parameters() if weight.grad is not None]
        if gradients:
            norm = torch.stack([gradient.flatten(1).square().sum(dim=1) for gradient in gradients]).sum(dim=0).sqrt()
            for gradient in gradients:
                gradient /= norm.clamp(min=1.0).view(-1, *(1,) * (gradient.dim() - 1))

    def start(self, starts: Sequence[LinearStart], generator: torch.Generator) -> None:
        """Begin at one linear model per member, each a little moved, with small networks."""

        def noise(weight: Tensor) -> Tensor:
            return torch.randn(weight.shape, generator=generator, dtype=weight.dtype)

        with torch.no_grad():
            self.feature_mean.copy_(torch.stack([one.mean for one in starts])[:, None])
            self.feature_scale.copy_(torch.stack([one.scale for one in starts])[:, None])
            self.encode.copy_(torch.stack([one.encode for one in starts])).mul_(1 + _SPREAD * noise(self.encode))
            self.skew.copy_(torch.stack([one.skew for one in starts])).add_(_SPREAD_RATE * noise(self.skew))
            self.damping.copy_(torch.stack([one.damping for one in starts])[:, None].expm1().log())
            self.read.copy_(torch.stack([one.readout for one in starts])).mul_(1 + _SPREAD * noise(self.read))
            self.read_bias.copy_(torch.stack([one.offset for one in starts])[:, None])
            for weight, size in (
                (self.lift, 1 / math.sqrt(self.lift.shape[1])),
                (self.fold, 0.03 / math.sqrt(self.fold.shape[1])),
                (self.first, 1 / math.sqrt(self.first.shape[1])),
                (self.first_bias, 0.3),
                (self.second, 0.03 / math.sqrt(self.width)),
            ):
                weight.copy_(size * noise(weight))

    def encoded(self, features: Tensor, members: slice) -> Tensor:
        """Return the latent states `(windows, members, D)` of windows with features `(windows, F)`, float64."""
        standard = ((features - self.feature_mean[members].double()) / self.feature_scale[members]).float()
        linear = torch.baddbmm(self.encode_bias[members], standard, self.encode[members])
        hidden = torch.baddbmm(self.lift_bias[members], standard, self.lift[members]).tanh()
        state = torch.baddbmm(linear, hidden, self.fold[members])
        return state.clamp(-_WIDEST_START, _WIDEST_START).transpose(0, 1)

    def readout(self, states: Tensor, members: slice) -> Tensor:
        """Return the scaled variables `(n, members, d)` of states `(n, members, D)`."""
        return torch.baddbmm(self.read_bias[members], states.transpose(0, 1), self.read[members]).transpose(0, 1)

    def march(self, starts: Tensor, phases: Tensor, t: Any, *, members: slice, rtol: float, atol: float) -> Tensor:
        """Return the states `(T, windows, members, D)` at times since the windows' origins.

        Arguments:
            starts: `(windows, members, D)`.
            phases: `(windows, C)`, float64, the calendar's phases at the origins.
            t: what `legato.solve` takes, in typical periods.
            members: which of them.
            rtol, atol: tolerances.
        """
        args = {**self._field_weights(members), "phase": phases, "rate": self.rate}
        solution = solve(
            latent_slope,
            starts,
            t,
            args,
            args_batched={name: name == "phase" for name in args},
            batch_dims=1,
            rtol=rtol,
            atol=atol,
            time_dtype=torch.float64,
            max_steps=_MOST_STEPS,
            gradient="direct",  # the states of a short solve fit in memory, and nothing is computed twice
        )
        self.evaluations = int(solution.stats.evaluations.max())
        states: Tensor = solution.ys
        return states

    def follow(
        self,
        starts: Tensor,
        phases: Tensor,
        leads: Tensor,
        windows: Tensor,
        *,
        members: slice,
        rtol: float,
        atol: float,
    ) -> Tensor:
        r"""Return the states `(N, members, D)` at N pairs of window and lead, at the cost of one solve.

        All windows are saved at the same times, :math:`1/16` apart; between those, cubic Hermite interpolation has an
        error of :math:`(\omega/16)^4/384` of an oscillation with angular frequency :math:`\omega`: 6e-5 of one whose
        period is the unit of time, 5e-3 of one three times as fast.

        Arguments:
            starts, phases, members, rtol, atol: as in `march`.
            leads: `(N,)`, float64, at least zero.
            windows: `(N,)`, which window.
        """
        last = max(1, math.ceil(float(leads.max()) * _SAVES))
        grid = torch.arange(last + 1, dtype=torch.float64) / _SAVES
        states = self.march(starts, phases, grid, members=members, rtol=rtol, atol=atol)
        count = len(starts)
        args = {**self._field_weights(members), "phase": phases.repeat(last + 1, 1), "rate": self.rate}
        slopes = latent_slope(grid.repeat_interleave(count), states.flatten(0, 1), args).view(states.shape) / _SAVES
        place = (leads * _SAVES).floor().long().clamp(max=last - 1)
        u = (leads * _SAVES - place).to(states.dtype)[:, None, None]
        y0, y1 = states[place, windows], states[place + 1, windows]
        s0, s1 = slopes[place, windows], slopes[place + 1, windows]
        rise = y1 - y0
        return y0 + u * (rise + (1 - u) * ((1 - u) * (s0 - rise) - u * (s1 - rise)))

    def _field_weights(self, members: slice) -> Args:
        """Return the field's matrices, those that meet the same factor side by side."""
        skew = self.skew[members].triu(1)
        linear = skew - skew.transpose(1, 2)
        count, latent = len(linear), self.latent
        first = self.first[members]
        mixed = torch.cat([linear, self.quarter.expand(count, -1, -1), first[:, :latent]], dim=2)
        zeros = linear.new_zeros(count, 1, 2 * latent)
        gates = torch.cat([self.turn[members], self.brake[members]], dim=2).repeat_interleave(2, dim=2) * _SATURATION
        damping = self.damping[members]
        return {
            "mix": mixed,
            "mix_bias": torch.cat([zeros, self.first_bias[members]], dim=2),
            "gates": gates,
            "gates_bias": torch.cat([torch.zeros_like(damping), damping], dim=2),
            "season": first[:, latent:],
            "second": self.second[members],
            "second_bias": self.second_bias[members],
        }


def latent_slope(t: Tensor, state: Tensor, args: Args) -> Tensor:
    """Return the slope of latent states `(windows, members, D)`, time in typical periods since each window's origin.

    Arguments:
        t: 0-d, or one time per window.
        state: the latent states.
        args: the weights; the calendar's phases at the origins, `phase` `(windows, C)`; its frequencies, `rate` `(C,)`.
    """
    windows, members, latent = state.shape
    z = state.transpose(0, 1)
    mixed = torch.baddbmm(args["mix_bias"], z, args["mix"])
    linear, turned, hidden = mixed.split([latent, latent, mixed.shape[2] - 2 * latent], dim=2)
    if args["rate"].numel():
        angle = 2 * math.pi * (args["phase"] + t.reshape(-1, 1) * args["rate"])
        hidden = hidden + torch.cat([angle.sin(), angle.cos()], dim=1).to(z.dtype) @ args["season"]
    energy = z.square().view(members, windows, latent // 2, 2).sum(dim=3)
    gated = torch.baddbmm(args["gates_bias"], energy / (energy + _SATURATION), args["gates"])
    rate, damping = gated.split(latent, dim=2)
    excess = (energy.mean(dim=2, keepdim=True) * (1 / _BOUND) - 1).relu()
    slope = linear + turned * rate - (functional.softplus(damping) + excess) * z
    return (slope + torch.baddbmm(args["second_bias"], hidden.tanh(), args["second"])).transpose(0, 1)
