r"""The observed model: the observed state itself evolves by a learned field.

With :math:`z = (x - \mu)/\sigma`, :math:`x` the observations or their logarithms,

.. math:: \frac{dz}{dt} = W_2 \tanh(W_1 z + b_1) + b_2 + A z,

time in units of the typical gap. An ensemble of such fields is one module: every weight has a leading axis of members,
and all members are solved as one state. Some members are trained on less of the past than there is; their forecasts of
the rest calibrate the band.

The field knows nothing but the observed state: two equal observations must have equal futures, and a single variable
can only rise or fall. Where that is wrong, take the latent model; and where series are long, for this one learns from
every pair of a row and a later one, at most as many as 1,000 rows of two variables make.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..core.errors import DataError
from ..data import Batch, Prediction
from ..solve import solve
from .calibration import Band, fit_band
from .series_model import LEVELS, Plan, SeriesModel, TimeFacts, central_quantiles, check_shape

__all__ = ["ObservedODE"]

_WIDTH = 16
_JITTER = 0.1
_FARTHEST = 5.0
_TRAINING_RTOL = 1e-2
_RTOL = 1e-4
_MOST_NUMBERS = 2_000_000
_MOST_STEPS = 100_000


class ObservedODE(SeriesModel):
    """Forecast by an ensemble of neural ODEs on the observed variables.

    Arguments:
        channels: the number d of variables.
        members: fields that are trained on all of the past, and forecast.
        inner: fields for each of the `cuts`, trained on less of it.
        cuts: shares of each series that the inner members see.
        logarithm: whether the state is the logarithm of the observations, so that nothing goes negative.
        gap: the unit of time: the typical gap between observations.
    """

    name = "observed"
    mean: Tensor
    deviation: Tensor
    band: Tensor

    def __init__(
        self, *, channels: int, members: int, inner: int, cuts: Sequence[float], logarithm: bool, gap: float
    ) -> None:
        super().__init__()
        self.channels, self.members, self.inner = channels, members, inner
        self.cuts, self.logarithm, self.gap = tuple(cuts), logarithm, gap
        total = members + inner * len(self.cuts)
        self.field = _EnsembleField(total, channels, _WIDTH)
        self.register_buffer("mean", torch.zeros(total, channels, dtype=torch.float64))
        self.register_buffer("deviation", torch.ones(total, channels, dtype=torch.float64))
        self.register_buffer("band", torch.tensor([0.05, 0.05, 1.28], dtype=torch.float64))
        self._rows: _Rows | None = None
        self._evaluations = 0

    @classmethod
    def from_data(
        cls, batch: Batch, *, time: TimeFacts, seed: int, members: int = 5, inner: int = 3, **settings: Any
    ) -> ObservedODE:
        """Return an untrained ensemble, scaled to the data.

        Raises:
            DataError: fewer than six rows in which every variable was observed, one such row in each series, or more
                than two million numbers in all pairs of rows, with which time and memory grow.
        """
        complete = [mask.all(dim=1) for mask in batch.mask]
        count = sum(int(rows.sum()) for rows in complete)
        longest = max((int(rows.sum()) for rows in complete), default=0)
        if count < 6 or longest < 2:
            raise DataError(
                f"the observed model starts from rows in which every variable was observed, and there are {count}, at "
                f"most {longest} in one series; it needs at least 6, and 2 in one series. Use --model latent, which "
                "takes missing values as they are"
            )
        numbers = count * longest * batch.channels
        if numbers > _MOST_NUMBERS:
            raise DataError(
                f"the observed model learns from every pair of a row and a later one, and {count} rows, at most "
                f"{longest} of them in one series, of {batch.channels} variables make {numbers:,} numbers; it takes "
                f"{_MOST_NUMBERS:,}, such as 1,000 rows of two. Use --model latent, or fit the last rows alone"
            )
        values = torch.cat([one[rows] for one, rows in zip(batch.values, complete, strict=True)])
        gaps = torch.cat([times[rows].diff() for times, rows in zip(batch.times, complete, strict=True)])
        first = max(4, longest // 2 + 1)
        cuts = [rows / longest for rows in range(first, longest)][:: max(1, (longest - first) // 6)]
        model = cls(
            channels=batch.channels,
            members=members,
            inner=inner,
            cuts=cuts,
            logarithm=bool((values > 0).all()),
            gap=float(gaps.median()),
        )
        model.field.reset(torch.Generator().manual_seed(seed))
        model._rows = model._read(batch, complete)
        model._scale()
        return model

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the observed state cannot do."""
        general = "the observed model evolves the observed variables themselves: equal observations have equal futures"
        if self.channels == 1:
            return (f"{general}, and a single variable can only rise or only fall; the latent model has no such limit",)
        return (f"{general}; unobserved influences need the latent model",)

    @property
    def last_evaluations(self) -> int:
        """The number of field evaluations of the last solve."""
        return self._evaluations

    def plan(self) -> Plan:
        """Return 400 iterations of AdamW with strong weight decay."""
        return Plan(iterations=400, learning_rate=1e-2, weight_decay=0.1)

    def objective(self, step: int, total: int, generator: torch.Generator) -> Tensor:
        """Return the mean squared error over leads 1 ... k from every row; k grows over the first 70 % of training."""
        rows = self._rows
        assert rows is not None, "a model that was loaded is not trained again"
        horizon = min(rows.horizon, 1 + int(step / total / 0.7 * rows.horizon))
        starts = rows.scaled + _JITTER * torch.randn(rows.scaled.shape, generator=generator, dtype=rows.scaled.dtype)
        states = self._roll(starts, rows.leads[:, :horizon], rtol=_TRAINING_RTOL)
        error = (states - rows.targets[:horizon]).clamp(-_FARTHEST, _FARTHEST).square().mean(dim=-1)
        allowed = rows.allowed[:horizon]
        count = allowed.sum(dim=1)
        per_lead = torch.where(allowed, error, 0.0).sum(dim=1) / count.clamp(min=1)
        return (per_lead.sum(dim=0) / (count > 0).sum(dim=0).clamp(min=1)).sum()

    def after_backward(self) -> None:
        """Clip every member's gradient of every weight to norm 1, so that members do not meddle with each other."""
        for weight in self.field.parameters():
            if weight.grad is not None:
                norm = weight.grad.flatten(1).norm(dim=1).clamp(min=1.0)
                weight.grad /= norm.view(-1, *(1,) * (weight.dim() - 1))

    def calibrate(self) -> None:
        """Set the band from the inner members' forecasts of what they were not trained on."""
        self.band.copy_(torch.tensor(self._band(1.0), dtype=torch.float64))

    def inner_forecast(self, batch: Batch, at: Sequence[Tensor], *, cut: int) -> Prediction:
        """Return the forecast from an earlier origin, by the members that were trained on nothing later.

        Arguments:
            batch: the history up to that origin.
            at: one grid of times per series.
            cut: which of `cuts` the origin is; the band is that of the cuts before it.
        """
        members = slice(self.members + cut * self.inner, self.members + (cut + 1) * self.inner)
        return self._predict(batch, at, members=members, band=self._band(self.cuts[cut]))

    def _band(self, share: float) -> Band:
        """Return the band by what is known of the first `share` of every series."""
        rows = self._rows
        assert rows is not None, "the band is set after training"
        leads, residuals, spreads = [], [], []
        for place, cut in enumerate(self.cuts):
            if cut >= share:
                break
            members = slice(self.members + place * self.inner, self.members + (place + 1) * self.inner)
            unit = self._unit(members)
            for row in rows.last_allowed[members.start]:
                ahead = int((rows.shares[1:, row] <= share + 1e-9).sum())
                if ahead == 0:
                    continue
                with torch.no_grad():
                    states = self._roll(rows.scaled[row : row + 1], rows.leads[row : row + 1, :ahead])[:, 0, members]
                raw = states.double() * self.deviation[members] + self.mean[members]
                residuals.append(((rows.raw_targets[:ahead, row] - raw.median(dim=1).values) / unit).flatten())
                spreads.append((_spread(raw, dim=1) / unit).flatten())
                leads.append(rows.leads[row, :ahead].repeat_interleave(self.channels))
        empty = [torch.zeros(0, dtype=torch.float64)]
        return fit_band(torch.cat(leads or empty), torch.cat(residuals or empty), torch.cat(spreads or empty))

    def forward(self, batch: Batch, at: Sequence[Tensor]) -> Prediction:
        """Return the ensemble's median and band, from each series' last complete row."""
        return self._predict(batch, at, members=slice(0, self.members), band=Band(*self.band.tolist()))

    def fitted(self, batch: Batch) -> Prediction:
        """Return every row's forecast from the complete row before it; masked where there is none."""
        means, bands, masks = [], [], []
        for place in range(len(batch)):
            times = batch.times[place]
            known = self._usable(batch.values[place], batch.mask[place]).nonzero().squeeze(1)
            mean = torch.full((len(times), self.channels), torch.nan, dtype=torch.float64)
            levels = {level: mean.clone() for level in LEVELS}
            if len(known) > 1:
                leads = ((times[known[1:]] - times[known[:-1]]) / self.gap)[:, None]
                states = self._transform(batch.values[place][known[:-1]])
                band = Band(*self.band.tolist())
                centre, quantiles = self._forecast(states, leads, members=slice(0, self.members), band=band)
                mean[known[1:]] = centre[0]
                for level, value in quantiles.items():
                    levels[level][known[1:]] = value[0]
            means.append(mean)
            bands.append(levels)
            masks.append(mean.isfinite())
        merged = {level: [one[level] for one in bands] for level in LEVELS}
        return Prediction(times=list(batch.times), mean=means, quantiles=merged, mask=masks)

    def config(self) -> dict[str, Any]:
        """Return the model's shape."""
        return {
            "channels": self.channels,
            "members": self.members,
            "inner": self.inner,
            "cuts": list(self.cuts),
            "logarithm": self.logarithm,
            "gap": self.gap,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> ObservedODE:
        """Return a model of the same shape."""
        check_shape(config, counts=("channels", "members"), lengths=("gap",))
        return cls(**config)

    def slopes(self, points: Tensor) -> Tensor:
        """Return the forecasting members' mean field at points of the state space, for a phase portrait.

        Arguments:
            points: `(n, d)`, in the units of the table.

        Returns:
            `(n, d)`: the time derivative of the state (of its logarithm where the model works on logarithms), per unit
            of the table's time.
        """
        scaled = ((self._transform(points.double())[:, None] - self.mean) / self.deviation).float()
        with torch.no_grad():
            slope = self.field(torch.zeros(()), scaled).double() * self.deviation
        return slope[:, : self.members].mean(dim=1) / self.gap

    def _predict(self, batch: Batch, at: Sequence[Tensor], *, members: slice, band: Band) -> Prediction:
        means, quantiles = [], []
        for place, times in enumerate(at):
            start = _last_complete(batch, place)
            if not self._usable(batch.values[place][start:], batch.mask[place][start:])[0]:
                raise DataError(
                    f"{_named(batch, place)} ends with a value that is zero or negative; all values in training were "
                    "positive, so this model works on logarithms. Use --model latent, or fit again with this history"
                )
            state = self._transform(batch.values[place][start : start + 1])
            leads = ((times - batch.times[place][start]) / self.gap)[None]
            centre, levels = self._forecast(state, leads, members=members, band=band)
            means.append(centre[:, 0])
            quantiles.append({level: value[:, 0] for level, value in levels.items()})
        merged = {level: [one[level] for one in quantiles] for level in LEVELS}
        return Prediction(times=list(at), mean=means, quantiles=merged)

    def _forecast(
        self, states: Tensor, leads: Tensor, *, members: slice, band: Band
    ) -> tuple[Tensor, dict[float, Tensor]]:
        """Return median and quantiles `(leads, starts, d)` in the table's units, from states `(starts, d)`."""
        with torch.no_grad():
            scaled = ((states[:, None] - self.mean) / self.deviation).float()
            raw = self._roll(scaled, leads)[:, :, members].double() * self.deviation[members] + self.mean[members]
            centre = raw.median(dim=2).values
            unit = self._unit(members)
            deviation = band.deviation(leads.T[:, :, None], _spread(raw, dim=2) / unit) * unit
            levels = central_quantiles(centre, deviation)
            if self.logarithm:
                return centre.exp(), {level: value.exp() for level, value in levels.items()}
            return centre, levels

    def _roll(self, starts: Tensor, leads: Tensor, *, rtol: float = _RTOL) -> Tensor:
        """Return the states `(leads, starts, members, d)` at leads `(starts, k)` after each start."""
        origin = torch.zeros(len(leads), 1, dtype=torch.float64)
        grid = torch.cat([origin, leads.double()], dim=1)
        shared = bool(((grid - grid[:1]).abs() <= 1e-9 * (1 + grid[:1])).all())
        # Small and short: keeping the activations costs less than computing the steps again.
        solution = solve(
            self.field,
            starts,
            grid[0] if shared else grid,
            rtol=rtol,
            atol=rtol / 10,
            batch_dims=1,
            max_steps=_MOST_STEPS,
            gradient="direct",
        )
        self._evaluations = int(solution.stats.evaluations.max())
        states: Tensor = solution.ys[1:]
        return states

    def _unit(self, members: slice) -> Tensor:
        """Return the unit of the band, `(d,)`: 1 for logarithms, else the deviation that these members know."""
        return torch.ones_like(self.deviation[0]) if self.logarithm else self.deviation[members.start]

    def _usable(self, values: Tensor, mask: Tensor) -> Tensor:
        """Return the rows `(n,)` that hold a state: every variable observed, and positive for logarithms."""
        complete = mask.all(dim=1)
        return complete & (values > 0).all(dim=1) if self.logarithm else complete

    def _transform(self, values: Tensor) -> Tensor:
        return values.double().log() if self.logarithm else values.double()

    def _read(self, batch: Batch, complete: Sequence[Tensor]) -> _Rows:
        """Return the training rows: for every complete row its state and, for every later one, lead and state."""
        rows: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
        for times, values, known in zip(batch.times, batch.values, complete, strict=True):
            t, x = times[known] / self.gap, self._transform(values[known])
            share = torch.arange(1, len(t) + 1, dtype=torch.float64) / len(t)
            rows.extend((t[i:] - t[i], x[i:], share[i:], torch.tensor(i == len(t) - 1)) for i in range(len(t)))
        return _Rows.build(rows, [1.0] * self.members + [cut for cut in self.cuts for _ in range(self.inner)])

    def _scale(self) -> None:
        rows = self._rows
        assert rows is not None
        for member in range(rows.starts_allowed.shape[1]):
            seen = rows.raw[rows.starts_allowed[:, member]]
            self.mean[member] = seen.mean(dim=0)
            self.deviation[member] = seen.std(dim=0).clamp(min=1e-9)
        rows.scaled = ((rows.raw[:, None] - self.mean) / self.deviation).float()
        rows.targets = ((rows.raw_targets[:, :, None] - self.mean) / self.deviation).float().nan_to_num()


class _EnsembleField(nn.Module):
    """The fields of all members: float32 weights with a leading axis, states `(..., members, d)`."""

    def __init__(self, members: int, channels: int, width: int) -> None:
        super().__init__()

        def weight(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.zeros(members, *shape, dtype=torch.float32))

        self.first, self.first_bias = weight(channels, width), weight(1, width)
        self.second, self.second_bias = weight(width, channels), weight(1, channels)
        self.linear = weight(channels, channels)

    def reset(self, generator: torch.Generator) -> None:
        """Draw the initial weights; the linear part starts at zero."""
        channels, width = self.first.shape[1:]
        with torch.no_grad():
            for weight, size in (
                (self.first, 1 / math.sqrt(channels)),
                (self.first_bias, 0.5),
                (self.second, 0.3 / math.sqrt(width)),
            ):
                weight.copy_(size * torch.randn(weight.shape, generator=generator, dtype=weight.dtype))

    def forward(self, t: Tensor, state: Tensor) -> Tensor:
        """Return the slope of states `(starts, members, d)`."""
        moved = state.transpose(0, 1)
        hidden = torch.baddbmm(self.first_bias, moved, self.first).tanh()
        slope = torch.baddbmm(self.second_bias, hidden, self.second) + torch.bmm(moved, self.linear)
        return slope.transpose(0, 1)


class _Rows:
    """Training rows as rectangles: n starts, up to k later rows each, for M members.

    Attributes:
        raw: `(n, d)`, the states, unscaled; raw_targets: `(k, n, d)`, the later ones, NaN beyond a series' end.
        leads: `(n, k)`, going on by one gap a step beyond a series' end.
        counts: `(n,)`, how many later rows there are.
        shares: `(k + 1, n)`, the share of its series that lies up to each row, 2 beyond its end.
        allowed: `(k, n, M)`, which later rows a member may learn from.
        starts_allowed: `(n, M)`, which starts lie in the part that a member may know.
        last_allowed: for each member the last such start of every series that has one.
        scaled, targets: the states `(n, M, d)` and later states `(k, n, M, d)` in each member's own scale.
    """

    scaled: Tensor
    targets: Tensor

    def __init__(self, raw: Tensor, raw_targets: Tensor, leads: Tensor, counts: Tensor) -> None:
        self.raw, self.raw_targets, self.leads, self.counts = raw, raw_targets, leads, counts
        self.horizon = leads.shape[1]

    @classmethod
    def build(cls, rows: list[tuple[Tensor, Tensor, Tensor, Tensor]], limits: list[float]) -> _Rows:
        """Return the rectangles of ragged rows `(leads, states, shares, last)`."""
        pad = nn.utils.rnn.pad_sequence
        counts = torch.tensor([len(leads) - 1 for leads, _, _, _ in rows])
        later = max(int(counts.max()), 1)
        beyond = torch.arange(1, later + 1, dtype=torch.float64)
        lead = torch.stack([torch.cat([one[1:], one[-1] + beyond])[:later] for one, _, _, _ in rows])
        states = pad([one for _, one, _, _ in rows], padding_value=torch.nan)
        shares = pad([one for _, _, one, _ in rows], padding_value=2.0)
        built = cls(states[0], states[1:], lead, counts)
        limit = torch.tensor(limits, dtype=torch.float64) + 1e-9
        built.shares = shares
        built.starts_allowed = shares[0][:, None] <= limit
        built.allowed = shares[1:, :, None] <= limit
        ends = torch.tensor([bool(last) for _, _, _, last in rows])
        owner = ends.cumsum(0) - ends.long()
        series = int(owner.max()) + 1
        built.last_allowed = []
        for allowed in built.starts_allowed.T:
            found = [(allowed & (owner == one)).nonzero().flatten().tolist() for one in range(series)]
            built.last_allowed.append([starts[-1] for starts in found if starts])
        return built

    shares: Tensor
    starts_allowed: Tensor
    allowed: Tensor
    last_allowed: list[list[int]]


def _spread(values: Tensor, *, dim: int) -> Tensor:
    """Return the standard deviation over members, zero for one."""
    return values.std(dim=dim, correction=min(1, values.shape[dim] - 1))


def _named(batch: Batch, place: int) -> str:
    return f"series {batch.ids[place]!r}" if batch.ids and batch.ids[place] else "the series"


def _last_complete(batch: Batch, place: int) -> int:
    known = batch.mask[place].all(dim=1).nonzero()
    if not len(known):
        raise DataError(
            f"{_named(batch, place)} has no row in which every variable was observed, and the observed model starts "
            "from one; use --model latent"
        )
    return int(known[-1])
