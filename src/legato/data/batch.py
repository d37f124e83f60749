"""Batches of irregular series as tensors: what series models read and return.

Series i of a batch has its own grid: times t_i of shape (n_i,), values x_i of shape (n_i, d), mask m_i of shape
(n_i, d). A model is `model(batch, at) -> Prediction`, with `at` one grid of m_i times per series. Values that were not
observed are NaN in the ragged view, so that a model which forgets the mask is found out at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..core.errors import InputError, OptionError
from .series import Series

__all__ = ["Batch", "Padded", "Prediction", "collate", "split"]


class Padded(NamedTuple):
    """A batch as rectangles, with T the longest series' length.

    Arguments:
        times: `(B, T)` float64; a shorter series repeats its last time, so that no gap is negative.
        values: `(B, T, d)`, the fill value wherever `mask` is False.
        mask: `(B, T, d)` boolean, False where not observed and in the padding.
        lengths: `(B,)` int64.
    """

    times: Tensor
    values: Tensor
    mask: Tensor
    lengths: Tensor


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Hold B irregular series.

    Arguments:
        times: B float64 tensors of shape `(n_i,)`, strictly increasing.
        values: B tensors of shape `(n_i, d)`, NaN where not observed.
        mask: B boolean tensors of shape `(n_i, d)`, True where observed.
        static: `(B, s)` constants of each series, or None.
        controls: B functions of time (paths), or None.
        ids: B names.

    Raises:
        InputError: lengths or shapes do not fit, or times do not increase.
    """

    times: list[Tensor]
    values: list[Tensor]
    mask: list[Tensor]
    static: Tensor | None = None
    controls: Sequence[Any] | None = None
    ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.times)
        parts = {"values": self.values, "mask": self.mask, "static": self.static, "controls": self.controls}
        for name, part in {**parts, "ids": self.ids or None}.items():
            if part is not None and len(part) != count:
                raise InputError(f"a batch of {count} series needs {count} {name}; got {len(part)}")
        for index, (times, values, mask) in enumerate(zip(self.times, self.values, self.mask, strict=True)):
            _check_series(index, times, values, mask)

    @classmethod
    def from_series(
        cls, series: Iterable[Series], *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
    ) -> Batch:
        """Return series read from a table as tensors.

        Arguments:
            series: the series, such as a `SeriesSet`.
            dtype: the dtype of values and statics; torch's default dtype by default. Times stay float64.
            device: where to put them.
        """
        listed = list(series)
        dtype = dtype or torch.get_default_dtype()
        static = [torch.as_tensor(one.static) for one in listed]
        batch = cls(
            times=[torch.tensor(one.times, dtype=torch.float64) for one in listed],
            values=[torch.tensor(one.values, dtype=dtype) for one in listed],
            mask=[torch.tensor(one.mask) for one in listed],
            static=torch.stack(static).to(dtype) if static and static[0].numel() else None,
            ids=tuple(one.id for one in listed),
        )
        return batch if device is None else batch.to(device=device)

    def __len__(self) -> int:
        return len(self.times)

    @property
    def channels(self) -> int:
        """The number d of channels; 0 for an empty batch."""
        return self.values[0].shape[-1] if self.values else 0

    def to(self, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Batch:
        """Return the batch on a device, values and statics in a dtype; times stay float64."""
        return replace(
            self,
            times=[times.to(device=device) for times in self.times],
            values=[values.to(device=device, dtype=dtype) for values in self.values],
            mask=[mask.to(device=device) for mask in self.mask],
            static=None if self.static is None else self.static.to(device=device, dtype=dtype),
        )

    def select(self, indices: Sequence[int]) -> Batch:
        """Return the series at these positions, in this order; a position may come twice."""
        return replace(
            self,
            times=[self.times[i] for i in indices],
            values=[self.values[i] for i in indices],
            mask=[self.mask[i] for i in indices],
            static=None if self.static is None else self.static[list(indices)],
            controls=None if self.controls is None else [self.controls[i] for i in indices],
            ids=tuple(self.ids[i] for i in indices) if self.ids else (),
        )

    def where(self, keep: Sequence[Tensor]) -> Batch:
        """Return every series at some of its times; `keep` holds B boolean tensors of shape `(n_i,)`."""
        return replace(
            self,
            times=[times[kept] for times, kept in zip(self.times, keep, strict=True)],
            values=[values[kept] for values, kept in zip(self.values, keep, strict=True)],
            mask=[mask[kept] for mask, kept in zip(self.mask, keep, strict=True)],
        )

    def padded(self, *, fill: float = 0.0) -> Padded:
        """Return the batch as rectangles; see `Padded`.

        Arguments:
            fill: the value where nothing was observed. It is in the tensor, not in the data: read it under the mask.

        Raises:
            InputError: a series has no times.
        """
        empty = [index for index, times in enumerate(self.times) if len(times) == 0]
        if empty or not self.times:
            raise InputError(f"a padded batch needs at least one time per series; none in series {empty or 'at all'}")
        pad = torch.nn.utils.rnn.pad_sequence
        longest = max(len(times) for times in self.times)
        times = [torch.cat([one, one[-1:].expand(longest - len(one))]) for one in self.times]
        mask = pad(self.mask, batch_first=True, padding_value=False)
        values = pad(self.values, batch_first=True, padding_value=fill)
        lengths = torch.tensor([len(one) for one in self.times], device=mask.device)
        return Padded(torch.stack(times), torch.where(mask, values, values.new_tensor(fill)), mask, lengths)


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Hold what a series model says about B series at grids of m_i times.

    Arguments:
        mean: B tensors of shape `(m_i, d)`, the point forecast; what it is of, such as the median of an ensemble, says
            the model.
        quantiles: level in (0, 1) -> B tensors of shape `(m_i, d)`; levels ascend.
        mask: B boolean tensors of shape `(m_i, d)`, False where nothing is predicted; None where everything is.
        times: B float64 tensors of shape `(m_i,)`.

    Raises:
        InputError: a level is no quantile, or shapes do not fit.
    """

    times: list[Tensor]
    mean: list[Tensor]
    quantiles: Mapping[float, list[Tensor]] = field(default_factory=dict)
    mask: list[Tensor] | None = None

    def __post_init__(self) -> None:
        wrong = [level for level in self.quantiles if not 0 < level < 1]
        if wrong or list(self.quantiles) != sorted(self.quantiles):
            raise InputError(f"quantile levels ascend between 0 and 1; got {list(self.quantiles)}")
        for name, part in (*((f"quantile {q}", p) for q, p in self.quantiles.items()), ("mask", self.mask)):
            if part is not None and [one.shape for one in part] != [one.shape for one in self.mean]:
                raise InputError(f"{name} needs the shapes of the mean, one tensor per series")
        if [len(one) for one in self.times] != [len(one) for one in self.mean]:
            raise InputError("a prediction needs one row of the mean per time")

    def __len__(self) -> int:
        return len(self.mean)

    def band(self, level: float) -> tuple[list[Tensor], list[Tensor]]:
        """Return the lower and upper ends of the central band that holds `level` of the probability.

        Raises:
            OptionError: the prediction does not hold the two quantiles.
        """
        ends = []
        for wanted in ((1 - level) / 2, (1 + level) / 2):
            held = [known for known in self.quantiles if abs(known - wanted) < 1e-9]
            if not held:
                raise OptionError(f"a band of {level:g} needs the quantile {wanted:g}; held: {list(self.quantiles)}")
            ends.append(self.quantiles[held[0]])
        return ends[0], ends[1]


def collate(batches: Sequence[Batch]) -> Batch:
    """Return several batches as one; usable as a data loader's `collate_fn`.

    Raises:
        InputError: some have statics, controls or ids and others have none, or the channels differ in number.
    """
    if not batches:
        raise InputError("there is no batch to join")
    if len({batch.channels for batch in batches if len(batch)}) > 1:
        raise InputError(f"batches to join have different channels: {[batch.channels for batch in batches]}")
    for name in ("static", "controls"):
        if len({getattr(batch, name) is None for batch in batches}) > 1:
            raise InputError(f"batches to join either all have {name} or none has")
    if len({bool(batch.ids) for batch in batches if len(batch)}) > 1:
        raise InputError("batches to join either all have ids or none has")
    statics = [batch.static for batch in batches if batch.static is not None]
    controls = [path for batch in batches for path in batch.controls or ()]
    return Batch(
        times=[times for batch in batches for times in batch.times],
        values=[values for batch in batches for values in batch.values],
        mask=[mask for batch in batches for mask in batch.mask],
        static=torch.cat(statics) if statics else None,
        controls=None if batches[0].controls is None else controls,
        ids=tuple(name for batch in batches for name in batch.ids),
    )


def split(batch: Batch, at: float | Sequence[float] | Tensor) -> tuple[Batch, Batch]:
    """Return every series before a time, and from it on.

    Arguments:
        batch: the batch.
        at: the time of the cut, one for all series or one for each.

    Raises:
        InputError: there is neither one cut nor one for each series.
    """
    cuts = torch.as_tensor(at, dtype=torch.float64).flatten().tolist()
    if len(cuts) == 1:
        cuts = cuts * len(batch)
    if len(cuts) != len(batch):
        raise InputError(f"a batch of {len(batch)} series needs one cut, or {len(batch)}; got {len(cuts)}")
    later = [times >= cut for times, cut in zip(batch.times, cuts, strict=True)]
    return batch.where([~rows for rows in later]), batch.where(later)


def _check_series(index: int, times: Tensor, values: Tensor, mask: Tensor) -> None:
    if times.dtype != torch.float64 or times.dim() != 1:
        raise InputError(f"times of series {index} are float64 of one axis; got {times.dtype}, {tuple(times.shape)}")
    if values.dim() != 2 or len(values) != len(times) or mask.shape != values.shape or mask.dtype != torch.bool:
        raise InputError(
            f"series {index} with {len(times)} times needs values of shape ({len(times)}, d) and a boolean mask of "
            f"that shape; got {tuple(values.shape)} and {mask.dtype} {tuple(mask.shape)}"
        )
    if not bool((times[1:] > times[:-1]).all()):
        raise InputError(f"times of series {index} must increase strictly")
