"""Batches and predictions: shapes, cuts, padding, and what is refused."""

from __future__ import annotations

import pyarrow
import pytest
import torch

from legato.core.errors import InputError, OptionError
from legato.data import Batch, Prediction, collate, read_series, split

NAN = float("nan")


@pytest.fixture
def batch() -> Batch:
    columns = {
        "id": list("aaabb"),
        "t": [0.0, 0.5, 2.0, 1.0, 4.0],
        "y": [1.0, None, 3.0, 4.0, 5.0],
        "w": [7.0, 7.0, 7.0, 8.0, 8.0],
    }
    return Batch.from_series(read_series(pyarrow.table(columns), time="t", series="id", static=["w"]))


def assert_same(a: Batch, b: Batch) -> None:
    assert a.ids == b.ids
    for part in ("times", "values", "mask"):
        for x, y in zip(getattr(a, part), getattr(b, part), strict=True):
            torch.testing.assert_close(x, y, rtol=0, atol=0, equal_nan=True)


def test_a_batch_holds_the_series_as_they_are(batch: Batch) -> None:
    assert (len(batch), batch.channels, batch.ids) == (2, 1, ("a", "b"))
    assert [times.tolist() for times in batch.times] == [[0.0, 0.5, 2.0], [1.0, 4.0]]
    assert batch.times[0].dtype == torch.float64
    assert batch.values[0].dtype == torch.get_default_dtype()
    assert batch.values[0].isnan().flatten().tolist() == [False, True, False]
    assert [mask.flatten().tolist() for mask in batch.mask] == [[True, False, True], [True, True]]
    assert batch.static.tolist() == [[7.0], [8.0]]


def test_padding_repeats_the_last_time_and_masks_the_rest(batch: Batch) -> None:
    padded = batch.padded(fill=-1.0)
    assert padded.times.tolist() == [[0.0, 0.5, 2.0], [1.0, 4.0, 4.0]]
    assert padded.values[..., 0].tolist() == [[1.0, -1.0, 3.0], [4.0, 5.0, -1.0]]
    assert padded.mask[..., 0].tolist() == [[True, False, True], [True, True, False]]
    assert padded.lengths.tolist() == [3, 2]


def test_padding_keeps_nan_out_of_values(batch: Batch) -> None:
    assert batch.padded().values.isfinite().all()


def test_a_cut_sends_its_own_time_to_the_later_part(batch: Batch) -> None:
    before, after = split(batch, [0.5, 2.0])
    assert [times.tolist() for times in before.times] == [[0.0], [1.0]]
    assert [times.tolist() for times in after.times] == [[0.5, 2.0], [4.0]]
    assert [len(values) for values in after.values] == [2, 1]
    assert after.static is batch.static
    before, after = split(batch, 1.0)
    assert [len(times) for times in before.times] == [2, 0]


def test_collate_undoes_select(batch: Batch) -> None:
    assert_same(collate([batch.select([0]), batch.select([1])]), batch)
    assert_same(batch.select([1, 0]).select([1, 0]), batch)
    assert collate([batch.select([1]), batch.select([0])]).static.tolist() == [[8.0], [7.0]]


def test_controls_travel_with_their_series(batch: Batch) -> None:
    controlled = Batch(times=batch.times, values=batch.values, mask=batch.mask, controls=["u", "v"])
    assert collate([controlled.select([1]), controlled.select([0])]).controls == ["v", "u"]
    assert split(controlled, 1.0)[1].controls == ["u", "v"]


def test_a_batch_changes_dtype_but_times_do_not(batch: Batch) -> None:
    half = batch.to(dtype=torch.float16)
    assert half.values[0].dtype == half.static.dtype == torch.float16
    assert half.times[0].dtype == torch.float64


def test_batches_that_do_not_fit_are_refused(batch: Batch) -> None:
    bare = Batch(times=batch.times, values=batch.values, mask=batch.mask)
    with pytest.raises(InputError, match="static"):
        collate([batch, bare])
    with pytest.raises(InputError, match="no batch"):
        collate([])
    with pytest.raises(InputError, match="cut"):
        split(batch, [1.0, 2.0, 3.0])
    with pytest.raises(InputError, match="at least one time"):
        split(batch, 0.0)[0].padded()


@pytest.mark.parametrize(
    ("times", "values", "mask"),
    [
        ([0.0, 1.0], torch.zeros(3, 1), torch.ones(3, 1, dtype=torch.bool)),
        ([0.0, 1.0], torch.zeros(2), torch.ones(2, dtype=torch.bool)),
        ([0.0, 1.0], torch.zeros(2, 1), torch.ones(2, 1)),
        ([1.0, 1.0], torch.zeros(2, 1), torch.ones(2, 1, dtype=torch.bool)),
        ([1.0, NAN], torch.zeros(2, 1), torch.ones(2, 1, dtype=torch.bool)),
    ],
    ids=["lengths", "one axis", "mask of floats", "repeated time", "NaN time"],
)
def test_parts_of_a_series_that_do_not_fit_are_refused(
    times: list[float], values: torch.Tensor, mask: torch.Tensor
) -> None:
    with pytest.raises(InputError, match="series 0"):
        Batch(times=[torch.tensor(times, dtype=torch.float64)], values=[values], mask=[mask])


def test_float32_times_are_refused() -> None:
    with pytest.raises(InputError, match="float64"):
        Batch(times=[torch.zeros(1)], values=[torch.zeros(1, 1)], mask=[torch.ones(1, 1, dtype=torch.bool)])


def test_a_band_is_the_two_quantiles_around_it() -> None:
    times, mean = [torch.tensor([1.0])], [torch.zeros(1, 2)]
    quantiles = {0.1: [mean[0] - 1], 0.5: mean, 0.9: [mean[0] + 1]}
    low, high = Prediction(times=times, mean=mean, quantiles=quantiles).band(0.8)
    assert (low[0].tolist(), high[0].tolist()) == ([[-1.0, -1.0]], [[1.0, 1.0]])
    with pytest.raises(OptionError, match=r"0\.25"):
        Prediction(times=times, mean=mean, quantiles=quantiles).band(0.5)


@pytest.mark.parametrize(
    "parts",
    [
        {"quantiles": {0.0: [torch.zeros(1, 2)]}},
        {"quantiles": {0.9: [torch.zeros(1, 2)], 0.1: [torch.zeros(1, 2)]}},
        {"quantiles": {0.5: [torch.zeros(2, 2)]}},
        {"mask": [torch.ones(1, dtype=torch.bool)]},
        {"times": [torch.tensor([1.0, 2.0])]},
    ],
    ids=["level", "order", "shape", "mask", "times"],
)
def test_a_prediction_that_does_not_fit_is_refused(parts: dict) -> None:
    with pytest.raises(InputError):
        Prediction(**{"times": [torch.tensor([1.0])], "mean": [torch.zeros(1, 2)], **parts})
