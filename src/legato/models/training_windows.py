"""Windows to learn from: each ends at an observation, and what follows it is to be forecast.

The last part of every series is kept for judging: inner members are not trained on it, all others learn everything.
What all members share is found from everything, the last part included: the typical period, the length of a window, the
scaling and whether it is anchored, the calendar, and the size of the latent state.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import torch
from torch import Tensor

from ..core.errors import DataError
from ..data import Batch
from .closed_form import LinearStart, latent_size, linear_start
from .series_model import TimeFacts
from .window_features import WindowFeatures, window_features
from .window_scaling import Scaling, typical_period

__all__ = ["Calendar", "Targets", "TrainingWindows", "calendar_phases"]

_JUDGED = 0.15  # the share of every series' span that inner members are judged by
_PERIODS = 2.0  # in a window, where the record has room for three windows
_FULL = 0.95  # how much of a window must lie in the record
_FEWEST = 12
_MOST_WINDOWS = 4096
_MOST_TARGETS = 256
_LINEAR_STEP = 1 / 8  # of the typical period
_LINEAR_GRID = 1 / 16


Calendar = Sequence[tuple[float, float]]


class Targets(NamedTuple):
    """The observations that follow some windows.

    Attributes:
        lead: `(N,)`, the time since the window's origin, in typical periods.
        window: `(N,)`, which of the windows asked for.
        values: `(N, d)`, scaled, less the window's anchor; mask: `(N, d)`, which of them were observed.
        late: `(N,)`, whether they lie in the part that is kept for judging.
    """

    lead: Tensor
    window: Tensor
    values: Tensor
    mask: Tensor
    late: Tensor


class TrainingWindows:
    """All windows of a batch of series.

    Arguments:
        batch: the series.
        scaling: fitted.
        period: the typical period, the unit of leads.
        length: of a window, in the unit of the times.
        calendar: pairs of a calendar period and its phase at time 0.

    Attributes:
        features: `(n, F)`; anchors: `(n, d)`; origins: `(n,)`; phases: `(n, C)`, the calendar's at the origins.
        early: `(n,)`, whether inner members may learn from a window.
        near: `(n,)`, how far an origin lies before the part kept for judging, in periods; below zero within it.
        share: `(n,)`, how far into that part an origin lies, 1 at its end.
        span: the length of the longest record after its first window, in periods.

    Raises:
        DataError: no series is long enough.
    """

    def __init__(self, batch: Batch, scaling: Scaling, *, period: float, length: float, calendar: Calendar) -> None:
        self.calendar = calendar
        self.scaling, self.period, self.length = scaling, period, length
        kept = [mask.any(dim=1) for mask in batch.mask]
        self.series = [
            _Record.build(times[rows], values[rows], mask[rows], scaling)
            for times, values, mask, rows in zip(batch.times, batch.values, batch.mask, kept, strict=True)
            if int(rows.sum()) >= _FEWEST
        ]
        found = [
            (which, row)
            for which, one in enumerate(self.series)
            for row in (one.times[:-1] - one.times[0] >= _FULL * length).nonzero().squeeze(1).tolist()
        ]
        if not found:
            most = max((int(rows.sum()) for rows in kept), default=0)
            raise DataError(
                f"the latent model learns from windows of history and what follows them, and the longest series has "
                f"{most} rows with an observation; it needs at least {_FEWEST} in one series, spread over its time"
            )
        count = min(len(found), _MOST_WINDOWS)
        places = torch.linspace(0, len(found) - 1, count, dtype=torch.float32).round().long()
        self.rows = [found[place] for place in places.tolist()]
        self._describe()

    @classmethod
    def from_data(cls, batch: Batch, time: TimeFacts) -> TrainingWindows:
        """Return windows whose length, scaling and calendar fit the data.

        Arguments:
            batch: the series, values NaN where not observed.
            time: of its periods those that span four observations, and are no longer than the record, are kept.

        Raises:
            DataError: no series is long enough.
        """
        kept = [mask.any(dim=1) for mask in batch.mask]
        seen = batch.where(kept).select([place for place, rows in enumerate(kept) if int(rows.sum()) >= 3])
        if not len(seen):
            raise DataError(
                f"no series has three rows with an observation; the latent model needs at least {_FEWEST} in one"
            )
        period = typical_period(seen)
        spans = torch.stack([times[-1] - times[0] for times in seen.times])
        length = min(_PERIODS * period, float(spans.median()) / 3)
        gap = float(torch.cat([times.diff() for times in seen.times]).median())
        cycles = zip(time.periods, time.phases, strict=True)
        calendar = tuple(pair for pair in cycles if 4 * gap <= pair[0] <= float(spans.max()))
        scaling = Scaling(batch.channels)
        scaling.fit(seen, length)
        return cls(seen, scaling, period=period, length=length, calendar=calendar)

    def _describe(self) -> None:
        features, anchors = [], []
        for which, found in groupby(self.rows, key=itemgetter(0)):
            one = self.series[which]
            described = self._features(one, one.times[[row for _, row in found]])
            features.append(described.features)
            anchors.append(described.anchors)
        self.features, self.anchors = torch.cat(features), torch.cat(anchors)
        self.origins = torch.stack([self.series[which].times[row] for which, row in self.rows])
        self.phases = calendar_phases(self.calendar, self.origins)
        cuts = torch.tensor([self.series[which].cut for which, _ in self.rows], dtype=torch.float64)
        self.near = (cuts - self.origins) / self.period
        self.early = self.near >= 0.5
        ends = torch.stack([self.series[which].times[-1] for which, _ in self.rows])
        self.share = (self.origins - cuts) / (ends - cuts)
        lengths = [float(one.times[-1] - one.times[0]) - self.length for one in self.series]
        self.span = max(lengths) / self.period

    def __len__(self) -> int:
        return len(self.rows)

    def targets(
        self, windows: Tensor, horizon: float, *, late_only: bool = False, generator: torch.Generator | None = None
    ) -> Targets:
        """Return the observations that follow some windows within a horizon.

        Arguments:
            windows: `(B,)`, which windows.
            horizon: in typical periods.
            late_only: only those kept for judging.
            generator: where a window is followed by more than 256 observations, some are drawn, or the first are taken.
        """
        leads, owners, values, masks, late = [], [], [], [], []
        for number, window in enumerate(windows.tolist()):
            which, row = self.rows[window]
            one = self.series[which]
            origin = one.times[row]
            end = int(torch.searchsorted(one.times, origin + horizon * self.period * (1 + 1e-9), right=True))
            rows = torch.arange(row + 1, end)
            if late_only:
                rows = rows[one.times[rows] > one.cut]
            if len(rows) > _MOST_TARGETS and generator is not None:
                rows = rows[torch.randperm(len(rows), generator=generator)[:_MOST_TARGETS].sort().values]
            rows = rows[:_MOST_TARGETS]
            leads.append((one.times[rows] - origin) / self.period)
            owners.append(torch.full((len(rows),), number))
            values.append(one.scaled[rows] - self.anchors[window])
            masks.append(one.mask[rows])
            late.append(one.times[rows] > one.cut)
        return Targets(torch.cat(leads), torch.cat(owners), torch.cat(values), torch.cat(masks), torch.cat(late))

    def latent_size(self) -> int:
        """Return how many latent states the windows ask for."""
        return latent_size(self.features)

    def linear_start(self, size: int, *, early: bool) -> LinearStart:
        """Return the linear model of all windows, or of the early ones only.

        Where the early ones are too few for the size, it is the model of all windows all the same.

        Raises:
            DataError: no record goes on long enough after its first window.
        """
        befores, afters = [], []
        spacing = max(_LINEAR_GRID, self.span * len(self.series) / _MOST_WINDOWS) * self.period
        for one in self.series:
            end = one.cut if early else float(one.times[-1])
            first = float(one.times[0]) + _FULL * self.length
            last = end - _LINEAR_STEP * self.period
            if first < last:  # a record may be shorter than a window
                origins = torch.arange(first, last, spacing, dtype=torch.float64)
                befores.append(self._features(one, origins).features)
                afters.append(self._features(one, origins + _LINEAR_STEP * self.period).features)
        chosen = self.early if early else torch.ones_like(self.early)
        count = sum(len(part) for part in befores)
        if early and (count < 2 * size or int(chosen.sum()) < 2):
            return self.linear_start(size, early=False)
        if 2 * count < size:
            raise DataError(
                f"the latent model learns from windows of {self.length:g} in the unit of the times, and no series goes "
                "on long enough after its first one; it needs longer series"
            )
        here = [(self.series[which].scaled[row], self.series[which].mask[row]) for which, row in self.rows]
        values, seen = torch.stack([one for one, _ in here]), torch.stack([two for _, two in here])
        return linear_start(
            torch.cat(befores),
            torch.cat(afters),
            step=_LINEAR_STEP,
            size=size,
            observed=self.features[chosen],
            targets=(values - self.anchors)[chosen],
            seen=seen[chosen],
        )

    def _features(self, one: _Record, origins: Tensor) -> WindowFeatures:
        return window_features(
            one.times,
            one.scaled,
            one.mask,
            origins=origins,
            length=self.length,
            anchored=bool(self.scaling.anchored),
        )


def calendar_phases(calendar: Calendar, times: Tensor) -> Tensor:
    """Return the phases `(n, C)` of times `(n,)`, in [0, 1), float64."""
    cycles = torch.tensor([cycle for cycle, _ in calendar], dtype=torch.float64)
    offsets = torch.tensor([phase for _, phase in calendar], dtype=torch.float64)
    return (offsets + times[:, None] / cycles) % 1.0


class _Record(NamedTuple):
    """One series: times `(n,)`, scaled values and mask `(n, d)`, and the time after which it is kept for judging."""

    times: Tensor
    scaled: Tensor
    mask: Tensor
    cut: float

    @classmethod
    def build(cls, times: Tensor, values: Tensor, mask: Tensor, scaling: Scaling) -> _Record:
        cut = float(times[-1]) - _JUDGED * float(times[-1] - times[0])
        return cls(times, scaling.scale(times, values, mask), mask, cut)
