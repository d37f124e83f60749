"""The latent model: exact cases, irregular and masked histories, several series, round trips, seeds, calendars."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from safetensors.torch import save

from legato.core.errors import DataError, OptionError
from legato.data import Batch
from legato.models import MODELS, LatentODE, TimeFacts
from legato.training.loop import TrainingState, train

PLAIN = TimeFacts()


def waves(times: torch.Tensor) -> torch.Tensor:
    return torch.sin(2 * math.pi * times / 10) + 0.5 * torch.sin(2 * math.pi * times / 16 + 1)


def batch_of(*series: tuple[torch.Tensor, torch.Tensor]) -> Batch:
    values = [one if one.dim() == 2 else one[:, None] for _, one in series]
    return Batch(times=[times for times, _ in series], values=values, mask=[one.isfinite() for one in values])


def holes(values: torch.Tensor, share: float, seed: int = 0) -> torch.Tensor:
    draw = torch.rand(values.shape, generator=torch.Generator().manual_seed(seed))
    return torch.where(draw < share, torch.nan, values)


def grid(start: float, end: float, step: float) -> torch.Tensor:
    return torch.arange(start, end, step, dtype=torch.float64)


def trained(batch: Batch, iterations: int, *, time: TimeFacts = PLAIN, seed: int = 0) -> LatentODE:
    model = LatentODE.from_data(batch, time=time, seed=seed, members=2, inner=1)
    state = TrainingState(model, seed=seed)
    state.plan = dataclasses.replace(state.plan, iterations=iterations)
    train(state)
    model.calibrate()
    return model.eval()


def relative(found: torch.Tensor, truth: torch.Tensor) -> float:
    return float((found - truth).square().mean().sqrt() / truth.square().mean().sqrt())


TIMES = grid(0, 160, 0.25)
LATER = grid(160, 180, 0.5)


@pytest.fixture(scope="module")
def history() -> Batch:
    return batch_of((TIMES, holes(waves(TIMES), 0.5)))


@pytest.fixture(scope="module")
def model(history: Batch) -> LatentODE:
    return trained(history, 40)


@pytest.fixture(scope="module")
def start(history: Batch) -> LatentODE:
    return trained(history, 2)


def test_two_sines_of_which_half_is_missing_are_forecast_two_periods_ahead(model: LatentODE, history: Batch) -> None:
    prediction = model(history, [LATER])
    assert relative(prediction.mean[0][:, 0], waves(LATER)) < 0.04


def test_the_band_of_a_noiseless_series_is_narrow_and_holds_it(model: LatentODE, history: Batch) -> None:
    lower, upper = model(history, [LATER]).band(0.8)
    assert float((upper[0] - lower[0]).max()) < 0.4
    inside = (lower[0][:, 0] <= waves(LATER)) & (waves(LATER) <= upper[0][:, 0])
    assert int(inside.sum()) >= 20  # of 40


def test_training_improves_on_the_linear_start(model: LatentODE) -> None:
    first, _, last, _ = model.watched.tolist()
    assert last < 0.5 * first
    assert model.warnings == ()


def test_where_training_does_not_pay_the_kept_weights_are_used_and_the_user_is_told() -> None:
    noise = torch.randn(len(TIMES), generator=torch.Generator().manual_seed(0)).double()
    batch = batch_of((TIMES, noise))
    untrained = LatentODE.from_data(batch, time=PLAIN, seed=0, members=2, inner=1)
    model = trained(batch, 3)
    assert torch.equal(model.ensemble.read, untrained.ensemble.read)
    assert "did not pay" in model.warnings[0]


def test_fitted_rows_are_forecast_from_the_rows_before_them(model: LatentODE, history: Batch) -> None:
    fitted = model.fitted(history)
    known = history.mask[0][:, 0]
    late = known & (TIMES > 30)
    assert relative(fitted.mean[0][late, 0], waves(TIMES)[late]) < 0.05
    assert fitted.mask is not None
    assert int(fitted.mask[0].sum()) == int(known.sum()) - 1
    # A later value does not change an earlier row.
    changed = history.values[0].clone()
    changed[400:] += 3
    again = model.fitted(batch_of((TIMES, changed)))
    assert torch.equal(again.mean[0][:400].nan_to_num(), fitted.mean[0][:400].nan_to_num())


def test_what_lies_under_the_mask_does_not_matter(start: LatentODE, history: Batch) -> None:
    dirty = dataclasses.replace(history, values=[history.values[0].nan_to_num(nan=1e6)])
    assert torch.equal(start(dirty, [LATER]).mean[0], start(history, [LATER]).mean[0])


def test_times_may_be_irregular() -> None:
    generator = torch.Generator().manual_seed(1)
    times = (torch.rand(400, generator=generator).double() * 160).sort().values
    model = trained(batch_of((times, waves(times))), 12)
    prediction = model(batch_of((times, waves(times))), [times[-1] + grid(0.1, 6, 0.37)])
    assert relative(prediction.mean[0][:, 0], waves(prediction.times[0])) < 0.25


def test_the_unit_and_the_origin_of_time_do_not_matter(start: LatentODE, history: Batch) -> None:
    # A power of two scales doubles without rounding; the shift is exact too.
    moved = dataclasses.replace(history, times=[TIMES * 1024 + 2**30])
    other = trained(moved, 2)
    assert other.period == pytest.approx(1024 * start.period, rel=1e-9)
    found = other(moved, [LATER * 1024 + 2**30])
    torch.testing.assert_close(found.mean[0], start(history, [LATER]).mean[0], atol=1e-3, rtol=0)


def test_an_offset_far_larger_than_the_spread_does_not_matter(start: LatentODE, history: Batch) -> None:
    lifted = dataclasses.replace(history, values=[history.values[0] + 1e6])
    found = trained(lifted, 2)(lifted, [LATER]).mean[0] - 1e6
    # Centred in float64 the data differ by 1e-10, in float32 they would by 0.06. Adam's first updates have a size of
    # their own, so what rounding turns where a gradient is nearly zero is seen in the third digit.
    torch.testing.assert_close(found, start(history, [LATER]).mean[0], atol=2e-2, rtol=0)


def test_several_series_share_one_model_and_do_not_meddle_with_each_other() -> None:
    parts = [(TIMES[:400], waves(TIMES[:400] + shift)) for shift in (0.0, 23.0, 41.0)]
    batch = batch_of(*parts)
    model = trained(batch, 12)
    later = grid(100, 106, 0.5)
    together = model(batch, [later] * 3)
    for place, shift in enumerate((0.0, 23.0, 41.0)):
        assert relative(together.mean[place][:, 0], waves(later + shift)) < 0.25
        alone = model(batch.select([place]), [later])
        assert torch.equal(alone.mean[0], together.mean[place])


def test_several_variables_with_their_own_holes_and_a_constant_one() -> None:
    values = torch.stack([waves(TIMES), waves(TIMES + 2.5), torch.full_like(TIMES, 7.0)], dim=1)
    batch = batch_of((TIMES, holes(values, 0.3)))
    model = trained(batch, 3)
    found = model(batch, [LATER[:20]])
    assert all(bool(part.isfinite().all()) for part in (*found.mean, *found.quantiles[0.1], *found.quantiles[0.9]))
    assert float((found.mean[0][:, 2] - 7).abs().max()) < 0.2
    assert relative(found.mean[0][:, :2], torch.stack([waves(LATER[:20]), waves(LATER[:20] + 2.5)], dim=1)) < 0.6


def test_a_drift_is_carried_on() -> None:
    values = 100 + 0.5 * TIMES + waves(TIMES)
    model = trained(batch_of((TIMES, values)), 2)
    assert model.scaling.anchored
    found = model(batch_of((TIMES, values)), [LATER]).mean[0][:, 0]
    assert float((found - (100 + 0.5 * LATER + waves(LATER))).abs().max()) < 0.6


def test_a_forecast_far_beyond_the_history_stays_within_the_range_of_the_data(start: LatentODE, history: Batch) -> None:
    far = start(history, [torch.tensor([500.0, 1000.0, 1500.0], dtype=torch.float64)])
    assert float(far.mean[0].abs().max()) < 2
    # The band does not outgrow the range either: 80 % of a normal variable lie within 1.3 of its deviations.
    assert float((far.quantiles[0.9][0] - far.mean[0]).max()) < 4


def test_the_calendar_is_an_input_where_time_has_one(history: Batch) -> None:
    time = TimeFacts(periods=(40.0, 0.5, 1e6), phases=(0.25, 0.0, 0.0))
    model = trained(history, 2, time=time)
    # Half a unit is two samples, and a million units are never seen: neither can be learned.
    assert model.calendar == ((40.0, 0.25),)
    assert model.ensemble.first.shape[1] == model.latent + 2
    assert bool((model.ensemble.first[:, model.latent :] != 0).all())
    shifted = LatentODE.from_config({**model.config(), "calendar": [[40.0, 0.75]]})
    shifted.load_state_dict(model.state_dict())
    assert not torch.equal(shifted(history, [LATER]).mean[0], model(history, [LATER]).mean[0])


def test_weights_and_shape_give_the_same_forecast_to_the_bit(start: LatentODE, history: Batch) -> None:
    again = LatentODE.from_config(start.config())
    again.load_state_dict(start.state_dict())
    expected, found = start(history, [LATER]), again.eval()(history, [LATER])
    assert torch.equal(found.mean[0], expected.mean[0])
    assert all(torch.equal(found.quantiles[level][0], expected.quantiles[level][0]) for level in expected.quantiles)


def test_a_seed_gives_the_same_bytes(start: LatentODE, history: Batch) -> None:
    assert save(trained(history, 2).state_dict()) == save(start.state_dict())
    assert save(trained(history, 2, seed=1).state_dict()) != save(start.state_dict())


def test_training_goes_on_to_the_bit_from_a_checkpoint(start: LatentODE, history: Batch) -> None:
    halted = TrainingState(LatentODE.from_data(history, time=PLAIN, seed=0, members=2, inner=1), seed=0)
    halted.plan = dataclasses.replace(halted.plan, iterations=2)
    train(halted, max_time=0.0)
    assert halted.iteration == 1
    resumed = TrainingState(LatentODE.from_data(history, time=PLAIN, seed=0, members=2, inner=1), seed=0)
    resumed.plan = halted.plan
    resumed.restore(halted.tensors())
    train(resumed)
    resumed.model.calibrate()
    assert save(resumed.model.state_dict()) == save(start.state_dict())


def test_a_tighter_tolerance_costs_evaluations_and_hardly_moves_the_forecast(model: LatentODE, history: Batch) -> None:
    again = LatentODE.from_config(model.config())
    again.load_state_dict(model.state_dict())
    coarse = again(history, [LATER]).mean[0]
    count = again.last_evaluations
    again.rtol, again.atol = 1e-6, 1e-6
    fine = again(history, [LATER]).mean[0]
    assert again.last_evaluations > count
    assert float((fine - coarse).abs().max()) < 5e-3


def test_too_little_data_is_refused_with_what_is_needed(history: Batch) -> None:
    short = history.where([torch.arange(len(TIMES)) < 12])
    with pytest.raises(DataError, match="at least 12"):
        LatentODE.from_data(short, time=PLAIN, seed=0)
    with pytest.raises(DataError, match="at least 12"):
        LatentODE.from_data(history.where([torch.arange(len(TIMES)) < 0]), time=PLAIN, seed=0)


def test_a_setting_that_does_not_exist_is_refused_with_the_nearest_name(history: Batch) -> None:
    with pytest.raises(OptionError, match="members"):
        LatentODE.from_data(history, time=PLAIN, seed=0, member=3)


def test_a_history_without_an_observation_is_refused(start: LatentODE) -> None:
    empty = batch_of((TIMES[:5], torch.full((5, 1), torch.nan, dtype=torch.float64)))
    with pytest.raises(DataError, match="no observation"):
        start(empty, [LATER])


def test_the_latent_model_is_in_the_catalogue() -> None:
    assert MODELS["latent"] is LatentODE


def test_a_record_shorter_than_a_window_is_learned_from_beside_longer_ones() -> None:
    for short in (20.0, 40.0):
        times = [grid(0, 100, 1), grid(0, 100, 1), grid(0, short, 1)]
        batch = batch_of(*((one, torch.sin(one / 9)) for one in times))
        model = LatentODE.from_data(batch, time=PLAIN, seed=0, members=1, inner=1)
        assert model.length > 20
        found = model(batch, [one[-1:] + 1 for one in times])
        assert all(bool(mean.isfinite().all()) for mean in found.mean)
