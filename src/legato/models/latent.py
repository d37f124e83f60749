r"""The latent model: a window of irregular, masked history becomes a latent state, which a learned field carries on.

.. math::
    z(o) = \mathrm{encoder}(\varphi(o)), \qquad \frac{dz}{dt} = f_\theta(t, z), \qquad
    \hat y(t) = \mathrm{readout}(z(t)) ,

with :math:`\varphi(o)` the features of the window that ends at the origin o (`window_features`), and calendar phases
among the field's inputs where the time axis has a calendar (`latent_field`). A single variable may thus swing, since
its past tells which way it goes.

Everything is found from the data: the typical period (the unit of time inside) and with it the window of two periods;
whether the record drifts (`window_scaling`); the size of the latent state and a first linear model, in closed form
(`closed_form`). Training starts from there. Members of the ensemble differ in how far their starts lie from it.

Two inner members are trained on nothing of the last 15 % of any series' span: their windows end half a period before
it, and what they are asked lies before it. What they say of that part decides whether training is of use at all, and
calibrates the band. Their errors there are not wholly out of sample. The typical period, the window, the scaling, the
calendar and the size of the latent state are found once, for all members, from all of the training part; where too few
windows lie before its last part, the inner members also start from the linear model of everything; and the weights that
are kept are those that do best there. Of what the caller holds out nothing is seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..core.catalogue import nearest
from ..core.errors import DataError, OptionError
from ..data import Batch, Prediction
from .calibration import Band, fit_band
from .latent_field import LatentEnsemble
from .latent_training import LatentTraining, middle, spread_of
from .series_model import LEVELS, Plan, SeriesModel, TimeFacts, central_quantiles, check_shape
from .training_windows import TrainingWindows, calendar_phases
from .window_features import DEGREES, window_features
from .window_scaling import Scaling

__all__ = ["LatentODE"]

_WATCH_EVERY = 20
_BETTER = 0.95
_LEAST_NOISE = 1e-5
_ROWS_AT_ONCE = 256


class LatentODE(SeriesModel):
    """Forecast by an ensemble of latent neural ODEs.

    Far from the last observation a forecast stays within the range of the data, about the record's mean, or about its
    straight line where the record drifts.

    Arguments:
        channels: the number d of variables.
        latent: the even number D of latent states.
        members: members that learn from everything, and forecast.
        inner: members that are not trained on the last part, and judge.
        period: the typical period, in the unit of the times.
        length: of a window, in the unit of the times.
        calendar: pairs of a calendar period, in the unit of the times, and its phase at time 0.

    Attributes:
        rtol, atol: tolerances of forecasts; read at each call, so that they can be changed after training.
    """

    name = "latent"
    unknown = ("watched",)
    band: Tensor
    watched: Tensor

    def __init__(
        self,
        *,
        channels: int,
        latent: int,
        members: int,
        inner: int,
        period: float,
        length: float,
        calendar: Sequence[Sequence[float]] = (),
    ) -> None:
        super().__init__()
        self.channels, self.latent, self.members, self.inner = channels, latent, members, inner
        self.period, self.length = period, length
        self.calendar = tuple((float(cycle), float(phase)) for cycle, phase in calendar)
        self.rtol, self.atol = 1e-4, 1e-5
        self.scaling = Scaling(channels)
        self.ensemble = self._make_ensemble()
        self.kept: LatentEnsemble | None = None
        self.register_buffer("band", torch.tensor([[0.05, 0.05, 1.28]] * channels, dtype=torch.float64))
        self.register_buffer("watched", torch.full((4,), torch.nan, dtype=torch.float64))
        self._training: LatentTraining | None = None

    @classmethod
    def from_data(
        cls, batch: Batch, *, time: TimeFacts, seed: int, members: int = 5, inner: int = 2, **settings: Any
    ) -> LatentODE:
        """Return an ensemble at its linear start.

        Raises:
            DataError: the series are too short to learn from.
            OptionError: a setting that the model does not have.
        """
        if settings:
            name = next(iter(settings))
            raise OptionError(f"the latent model has no setting {name!r}; {nearest(name, ('members', 'inner'))}")
        windows = TrainingWindows.from_data(batch, time)
        model = cls(
            channels=batch.channels,
            latent=windows.latent_size(),
            members=members,
            inner=inner,
            period=windows.period,
            length=windows.length,
            calendar=windows.calendar,
        )
        model.scaling = windows.scaling
        model._start(windows, torch.Generator().manual_seed(seed))
        return model

    @property
    def warnings(self) -> tuple[str, ...]:
        """Whether training was of use."""
        first, _, last, step = self.watched.tolist()
        if not last >= _BETTER * first:
            return ()
        return (
            f"training did not pay on the last part of the history (error {last:.3g} after, {first:.3g} before, in "
            f"standard deviations), so the weights before iteration {step + 1:.0f} are used",
        )

    @property
    def last_evaluations(self) -> int:
        """The number of field evaluations of the last solve."""
        return self.ensemble.evaluations

    def plan(self) -> Plan:
        """Return 400 iterations of AdamW, the networks alone with weight decay."""
        return Plan(iterations=400, learning_rate=1e-2, weight_decay=0.1, warmup=20)

    def decayed(self) -> list[nn.Parameter]:
        """Return the weights of the networks."""
        return self.ensemble.decayed()

    def before_step(self, step: int, total: int) -> bool:
        """Every 20 iterations judge the inner members, and keep the weights where they are better by 5 %.

        Returns:
            False where training is half done and was never of use.
        """
        if step % _WATCH_EVERY:
            return True
        error, kept = self._asked().judge(self.ensemble), float(self.watched[1])
        self.watched[2] = error
        if step == 0 or error < _BETTER * kept:
            assert self.kept is not None, "weights are kept until the band is set"
            self.kept.load_state_dict(self.ensemble.state_dict())
            self.watched[1], self.watched[3] = error, step
        if step == 0:
            self.watched[0] = error
        return bool(2 * step < total or self.watched[3] > 0 or self.watched[0].isnan())

    def objective(self, step: int, total: int, generator: torch.Generator) -> Tensor:
        """Return the error over random windows, to a horizon that grows from half a period over 60 % of training."""
        return self._asked().objective(self.ensemble, step / total, generator)

    def after_backward(self) -> None:
        """Clip every member's gradient to norm 1, so that members do not meddle with each other."""
        self.ensemble.clip()

    def calibrate(self) -> None:
        """Choose the weights, and set the band from the inner members' forecasts of what they were not trained on.

        The weights at the end are taken if they are better than the linear start by 5 %; else those that were kept.
        """
        training = self._asked()
        if self.kept is not None:
            self.watched[2] = training.judge(self.ensemble)
            if self.watched[2] >= _BETTER * self.watched[0]:
                self.ensemble.load_state_dict(self.kept.state_dict())
            self.kept = None
        errors = training.measure(self.ensemble)
        if errors is None:
            return
        for channel in range(self.channels):
            residual, spread = errors.residual[:, channel], errors.spread[:, channel]
            band = fit_band(errors.lead, residual, spread, least_noise=_LEAST_NOISE)
            self.band[channel] = torch.tensor(band, dtype=torch.float64)

    def forward(self, batch: Batch, at: Sequence[Tensor]) -> Prediction:
        """Return the ensemble's median and band, from the last row of every series in which anything was observed.

        Raises:
            DataError: a series has no observation.
        """
        means, quantiles = _empty()
        for place, times in enumerate(at):
            seen = batch.mask[place].any(dim=1)
            if not bool(seen.any()):
                name = batch.ids[place] if batch.ids else place
                raise DataError(f"series {name!r} has no observation to forecast from")
            origin = batch.times[place][seen][-1:]
            grid = torch.cat([origin.new_zeros(1), (times - origin) / self.period])
            mean, levels = self._forecast(batch, place, origin, times, grid)
            means.append(mean)
            for level, value in levels.items():
                quantiles[level].append(value)
        return Prediction(times=list(at), mean=means, quantiles=quantiles)

    def fitted(self, batch: Batch) -> Prediction:
        """Return every row's forecast from the observed row before it; masked where there is none."""
        means, quantiles = _empty()
        for place, times in enumerate(batch.times):
            mean = torch.full((len(times), self.channels), torch.nan, dtype=torch.float64)
            levels = {level: mean.clone() for level in LEVELS}
            known = batch.mask[place].any(dim=1).nonzero().squeeze(1)
            for part in torch.arange(1, len(known)).split(_ROWS_AT_ONCE):
                origins, later = times[known[part - 1]], times[known[part]]
                span = (torch.zeros_like(later), (later - origins) / self.period)
                mean[known[part]], found = self._forecast(batch, place, origins, later, span)
                for level, value in found.items():
                    levels[level][known[part]] = value
            means.append(mean)
            for level, value in levels.items():
                quantiles[level].append(value)
        masks = [mean.isfinite() for mean in means]
        return Prediction(times=list(batch.times), mean=means, quantiles=quantiles, mask=masks)

    def config(self) -> dict[str, Any]:
        """Return the model's shape."""
        names = ("channels", "latent", "members", "inner", "period", "length")
        return {**{name: getattr(self, name) for name in names}, "calendar": [list(pair) for pair in self.calendar]}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LatentODE:
        """Return a model of the same shape."""
        check_shape(config, counts=("channels", "latent", "members"), lengths=("period", "length"))
        return cls(**config)

    def _make_ensemble(self) -> LatentEnsemble:
        return LatentEnsemble(
            members=self.members + self.inner,
            features=self.channels * DEGREES,
            latent=self.latent,
            channels=self.channels,
            rates=[self.period / cycle for cycle, _ in self.calendar],
        )

    def _start(self, windows: TrainingWindows, generator: torch.Generator) -> None:
        everything = windows.linear_start(self.latent, early=False)
        earlier = windows.linear_start(self.latent, early=True)
        self.ensemble.start([everything] * self.members + [earlier] * self.inner, generator)
        self.kept = self._make_ensemble().requires_grad_(False)
        self._training = LatentTraining(windows, members=self.members)

    def _asked(self) -> LatentTraining:
        assert self._training is not None, "a model that was loaded is not trained again"
        return self._training

    def _forecast(
        self, batch: Batch, place: int, origins: Tensor, times: Tensor, t: Any
    ) -> tuple[Tensor, dict[float, Tensor]]:
        """Return median and quantiles `(m, d)` at times `(m,)`, from one origin or from one for each.

        Arguments:
            batch, place: the history.
            origins: `(1,)` with `t` a grid that starts at zero, or `(m,)` with `t` spans.
        """
        known, mask = batch.times[place], batch.mask[place]
        scaled = self.scaling.scale(known, batch.values[place], mask)
        anchored, members = bool(self.scaling.anchored), slice(0, self.members)
        window = window_features(known, scaled, mask, origins=origins, length=self.length, anchored=anchored)
        phases = calendar_phases(self.calendar, origins)
        with torch.no_grad():
            starts = self.ensemble.encoded(window.features, members)
            states = self.ensemble.march(starts, phases, t, members=members, rtol=self.rtol, atol=self.atol)
            states = states[0] if isinstance(t, tuple) else states[1:, 0]
            values = self.ensemble.readout(states, members).double()
        centre = middle(values) + window.anchors
        deviation = self._deviation((times - origins) / self.period, spread_of(values))
        levels = central_quantiles(centre, deviation)
        unscale = self.scaling.unscale
        return unscale(times, centre), {level: unscale(times, value) for level, value in levels.items()}

    def _deviation(self, leads: Tensor, spread: Tensor) -> Tensor:
        """Return the band's standard deviation, scaled, `(m, d)`."""
        columns = []
        for channel, numbers in enumerate(self.band.tolist()):
            band = Band(*numbers)
            # The error of a forecast that stays within the range of the data does not outgrow that range.
            capped = not self.scaling.anchored and band.growth > 0
            most = max(1 - band.noise, 0.0) / band.growth if capped else float("inf")
            columns.append(band.deviation(leads.clamp(max=most), spread[:, channel]))
        return torch.stack(columns, dim=1)


def _empty() -> tuple[list[Tensor], dict[float, list[Tensor]]]:
    return [], {level: [] for level in LEVELS}
