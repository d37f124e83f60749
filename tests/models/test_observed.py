"""The observed model on fields whose flow is known, and what its members may know."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch import Tensor

from legato.core.errors import DataError
from legato.data import Batch
from legato.models import LEVELS, ObservedODE, TimeFacts, observed

NAN = float("nan")
Z80 = norm.ppf(0.9)
TURN = torch.tensor([[-0.1, 0.8], [-0.8, 0.05]], dtype=torch.float64)
FACTS = TimeFacts()


def batch(*series: tuple[Any, Any]) -> Batch:
    """Series of times `(n,)` and values `(n, d)`."""
    times = [torch.as_tensor(np.asarray(t), dtype=torch.float64) for t, _ in series]
    values = [torch.as_tensor(np.asarray(x), dtype=torch.float64) for _, x in series]
    return Batch(times=times, values=values, mask=[one.isfinite() for one in values])


def wave(count: int = 12, *, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    t = np.arange(float(count))
    return t, np.stack([np.sin(t + shift), np.cos(1.3 * t + shift)], axis=1)


def make(*, channels: int = 2, members: int = 1, logarithm: bool = False, gap: float = 1.0) -> ObservedODE:
    """A model whose field is zero and whose scaling is none."""
    return ObservedODE(channels=channels, members=members, inner=1, cuts=(), logarithm=logarithm, gap=gap)


def linear(matrix: Tensor = TURN, **settings: Any) -> ObservedODE:
    """A model whose field is `dz/dt = A z`, in units of its gap."""
    model = make(**settings)
    model.field.linear.data[:] = matrix.T.float()
    return model


def expected(matrix: Tensor, start: Tensor, leads: Tensor) -> Tensor:
    return torch.matrix_exp(matrix * leads[:, None, None]) @ start


def test_a_linear_field_is_followed_as_the_matrix_exponential_at_any_times() -> None:
    at = torch.tensor([5.3, 5.9, 8.0], dtype=torch.float64)
    prediction = linear(gap=0.5)(batch(([4.0, 5.0], [[9.0, 9.0], [1.0, -2.0]])), [at])
    start = torch.tensor([1.0, -2.0], dtype=torch.float64)
    # Relative tolerance 1e-4 a step, in single precision.
    assert torch.allclose(prediction.mean[0], expected(TURN, start, (at - 5.0) / 0.5), atol=2e-3)


def test_scaling_moves_and_stretches_the_field() -> None:
    model = linear()
    model.mean[:] = torch.tensor([10.0, -3.0])
    model.deviation[:] = torch.tensor([2.0, 5.0])
    prediction = model(batch(([0.0], [[14.0, -8.0]])), [torch.tensor([1.5], dtype=torch.float64)])
    flow = expected(TURN, torch.tensor([2.0, -1.0], dtype=torch.float64), torch.tensor([1.5], dtype=torch.float64))
    assert torch.allclose(prediction.mean[0], flow * model.deviation[0] + model.mean[0], atol=5e-3)


def test_on_logarithms_forecast_and_band_stay_positive_and_the_flow_is_that_of_the_logarithms() -> None:
    at = torch.linspace(0.5, 6.0, 12, dtype=torch.float64)
    prediction = linear(logarithm=True)(batch(([0.0], [[3.0, 0.2]])), [at])
    flow = expected(TURN, torch.tensor([3.0, 0.2], dtype=torch.float64).log(), at)
    assert torch.allclose(prediction.mean[0].log(), flow, atol=2e-3)
    assert min(float(parts[0].min()) for parts in prediction.quantiles.values()) > 0


def test_every_series_has_its_own_start_and_its_own_times() -> None:
    grids = [torch.tensor(times, dtype=torch.float64) for times in ([1.0, 2.5], [7.2], [3.1, 3.2, 5.0])]
    starts = [([0.0], [[1.0, 0.0]]), ([7.0], [[0.0, 2.0]]), ([3.0], [[-1.0, 1.0]])]
    together = linear()(batch(*starts), grids)
    for place, (start, grid) in enumerate(zip(starts, grids, strict=True)):
        flow = expected(TURN, torch.tensor(start[1][0], dtype=torch.float64), grid - start[0][0])
        assert torch.allclose(together.mean[place], flow, atol=2e-3)


def test_centre_and_band_are_median_noise_growth_and_spread_of_the_members() -> None:
    model = make(members=3, channels=1)
    # Members that drift by -1, 2 and 6 a unit of time: median 2, standard deviation sqrt(37/3).
    model.field.second_bias.data[:] = torch.tensor([2.0, -1.0, 6.0]).view(3, 1, 1)
    model.band[:] = torch.tensor([0.5, 0.3, 1.7])
    at = torch.tensor([1.0, 4.0], dtype=torch.float64)
    prediction = model(batch(([0.0], [[10.0]])), [at])
    assert prediction.mean[0].flatten().tolist() == pytest.approx([12.0, 18.0], rel=1e-5)
    half = 1.7 * (0.5 + 0.3 * at + 37 / 3 * at**2).sqrt()
    assert list(prediction.quantiles) == list(LEVELS)
    for level, parts in prediction.quantiles.items():
        wanted = prediction.mean[0].flatten() + norm.ppf(level) / Z80 * half
        assert parts[0].flatten().tolist() == pytest.approx(wanted.tolist(), rel=1e-5)


def test_slopes_are_the_field_in_the_units_of_the_table() -> None:
    model = linear(gap=0.25)
    model.mean[:] = torch.tensor([10.0, -3.0])
    model.deviation[:] = torch.tensor([2.0, 5.0])
    point = torch.tensor([[14.0, -8.0]], dtype=torch.float64)
    wanted = (TURN @ torch.tensor([2.0, -1.0], dtype=torch.float64)) * model.deviation[0] / 0.25
    assert torch.allclose(model.slopes(point), wanted[None], rtol=1e-5)


def test_fitted_values_start_from_the_row_before_and_pass_over_incomplete_rows() -> None:
    times = [0.0, 1.0, 2.0, 4.0]
    values = [[1.0, 0.0], [0.5, NAN], [0.0, 1.0], [2.0, 2.0]]
    fitted = linear().fitted(batch((times, values)))
    assert fitted.mask is not None
    assert fitted.mask[0].all(dim=1).tolist() == [False, False, True, True]
    for row, before, lead in ((2, [1.0, 0.0], 2.0), (3, [0.0, 1.0], 2.0)):
        flow = expected(TURN, torch.tensor(before, dtype=torch.float64), torch.tensor([lead], dtype=torch.float64))
        assert torch.allclose(fitted.mean[0][row], flow[0], atol=2e-3)


def test_a_forecast_starts_from_the_last_complete_row() -> None:
    at = [torch.tensor([3.0], dtype=torch.float64)]
    whole = linear()(batch(([0.0, 1.0], [[5.0, 5.0], [1.0, 0.0]])), at)
    holed = linear()(batch(([0.0, 1.0, 2.0], [[5.0, 5.0], [1.0, 0.0], [NAN, 7.0]])), at)
    assert torch.equal(whole.mean[0], holed.mean[0])


def test_a_model_of_logarithms_refuses_to_start_from_zero_and_passes_over_it_when_looking_back() -> None:
    history = batch(([0.0, 1.0, 2.0, 3.0], [[1.0, 2.0], [0.0, 1.0], [2.0, 2.0], [3.0, 0.0]]))
    with pytest.raises(DataError, match=r"zero or negative.*latent"):
        linear(logarithm=True)(history, [torch.tensor([4.0], dtype=torch.float64)])
    fitted = linear(logarithm=True).fitted(history)
    assert fitted.mask is not None
    assert fitted.mask[0].all(dim=1).tolist() == [False, False, True, False]


def test_too_few_complete_rows_are_refused_with_advice() -> None:
    t, x = wave(9)
    x[[1, 3, 5, 7], [0, 1, 0, 1]] = NAN
    with pytest.raises(DataError, match=r"there are 5.*--model latent"):
        ObservedODE.from_data(batch((t, x)), time=FACTS, seed=0)
    alone = [([float(place)], [[1.0, 2.0]]) for place in range(8)]
    with pytest.raises(DataError, match="at most 1 in one series"):
        ObservedODE.from_data(batch(*alone), time=FACTS, seed=0)
    with pytest.raises(DataError, match="no row in which every variable"):
        linear()(batch(([0.0], [[1.0, NAN]])), [torch.tensor([1.0], dtype=torch.float64)])


def test_logarithms_are_taken_where_every_value_is_positive() -> None:
    t, x = wave()
    for shift, logarithm in ((2.0, True), (0.0, False)):
        model = ObservedODE.from_data(batch((t, x + shift)), time=FACTS, seed=0)
        assert model.logarithm is logarithm
        state = np.log(x + shift) if logarithm else x
        assert model.mean[0].tolist() == pytest.approx(state.mean(axis=0).tolist())
        assert model.deviation[0].tolist() == pytest.approx(state.std(axis=0, ddof=1).tolist())


def test_inner_members_know_nothing_after_their_cut() -> None:
    t, x = wave(12)
    later = x.copy()
    later[8:] = 5 - 2 * later[8:]
    gradients = []
    for values in (x, later):
        model = ObservedODE.from_data(batch((t, values)), time=FACTS, seed=1, members=1, inner=2)
        place = max(place for place, cut in enumerate(model.cuts) if round(cut * 12) <= 8)
        inner = slice(1 + 2 * place, 3 + 2 * place)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(observed, "_TRAINING_RTOL", 1e-6)
            model.objective(9, 10, torch.Generator().manual_seed(0)).backward()
        gradients.append([weight.grad[inner] for weight in model.field.parameters()])
        gradients[-1] += [model.mean[inner], model.deviation[inner]]
    for first, second in zip(*gradients, strict=True):
        assert torch.allclose(first, second, rtol=1e-3, atol=1e-5)
        assert first.abs().max() > 0


def test_the_objective_of_a_field_at_rest_is_the_mean_squared_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observed, "_JITTER", 0.0)
    t, x = wave(10)
    model = ObservedODE.from_data(batch((t, x)), time=FACTS, seed=0, members=2, inner=0)
    for weight in model.field.parameters():
        weight.data.zero_()
    z = (x - x.mean(axis=0)) / x.std(axis=0, ddof=1)
    by_lead = [np.mean((z[lead:] - z[:-lead]) ** 2) for lead in range(1, 10)]
    generator = torch.Generator().manual_seed(0)
    assert float(model.objective(0, 100, generator).detach()) == pytest.approx(2 * by_lead[0], rel=1e-5)
    assert float(model.objective(99, 100, generator).detach()) == pytest.approx(2 * np.mean(by_lead), rel=1e-5)


def test_long_gradients_are_shortened_to_one_member_by_member() -> None:
    model = make(members=3)
    for weight in model.field.parameters():
        weight.grad = torch.zeros_like(weight)
    model.field.linear.grad = torch.tensor([30.0, 0.2, 0.0]).view(3, 1, 1).expand(3, 2, 2).clone()
    model.after_backward()
    assert model.field.linear.grad.flatten(1).norm(dim=1).tolist() == pytest.approx([1.0, 0.4, 0.0])


def trained(*series: tuple[Any, Any], **settings: Any) -> ObservedODE:
    model = ObservedODE.from_data(batch(*series), time=FACTS, seed=3, **settings)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    generator = torch.Generator().manual_seed(3)
    for step in range(4):
        optimizer.zero_grad()
        model.objective(step, 4, generator).backward()
        model.after_backward()
        optimizer.step()
    model.calibrate()
    return model


def test_the_unit_of_one_variable_changes_its_own_forecast_and_band_by_that_factor_alone() -> None:
    t, x = wave()
    at = [torch.tensor([12.0, 15.0], dtype=torch.float64)]
    factor = np.array([1024.0, 1.0])  # a power of two, so that rounding is the same
    plain = trained((t, x))(batch((t, x)), at)
    scaled = trained((t, x * factor))(batch((t, x * factor)), at)
    for one, other in ((plain.mean, scaled.mean), *((plain.quantiles[q], scaled.quantiles[q]) for q in LEVELS)):
        assert torch.allclose(one[0] * torch.tensor(factor), other[0], rtol=1e-6)


def test_series_of_very_unequal_lengths_train_together() -> None:
    model = trained(wave(12), wave(1, shift=1.0), wave(3, shift=2.0), members=1, inner=1)
    assert bool(model.band.isfinite().all())
    grids = [torch.tensor([12.5], dtype=torch.float64)] * 3
    prediction = model(batch(wave(12), wave(1, shift=1.0), wave(3, shift=2.0)), grids)
    assert all(bool(mean.isfinite().all()) for mean in prediction.mean)


def test_an_earlier_origin_is_forecast_by_its_own_members_with_the_band_known_by_then() -> None:
    t, x = wave()
    model = trained((t, x), members=1, inner=2)
    place = len(model.cuts) - 1
    seen = round(model.cuts[place] * 12)
    history, at = batch((t[:seen], x[:seen])), [torch.tensor(t[seen:])]
    before = model.inner_forecast(history, at, cut=place)
    with torch.no_grad():
        for weight in model.field.parameters():
            weight[:1] += 1.0  # the members that know everything
    model.band[:] = 99.0
    after = model.inner_forecast(history, at, cut=place)
    assert torch.allclose(before.mean[0], after.mean[0], atol=1e-3)
    assert torch.allclose(before.quantiles[0.9][0], after.quantiles[0.9][0], atol=1e-2)


def test_shape_and_weights_give_the_same_forecast_bitwise() -> None:
    t, x = wave()
    model = trained((t, x))
    again = ObservedODE.from_config(json.loads(json.dumps(model.config())))
    again.load_state_dict(model.state_dict())
    at = [torch.tensor([12.3, 14.0], dtype=torch.float64)]
    one, other = model(batch((t, x)), at), again(batch((t, x)), at)
    assert torch.equal(one.mean[0], other.mean[0])
    assert all(torch.equal(one.quantiles[q][0], other.quantiles[q][0]) for q in LEVELS)
    assert model.last_evaluations == again.last_evaluations > 0


def test_it_warns_that_a_single_variable_can_only_rise_or_fall() -> None:
    assert "only rise or only fall" in make(channels=1).warnings[0]
    assert "equal futures" in make(channels=2).warnings[0]


def test_a_history_whose_pairs_are_too_many_is_refused_and_one_just_short_enough_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(DataError, match=r"3000 rows, .* make 18,000,000 numbers; .* Use --model latent"):
        ObservedODE.from_data(batch(wave(3000)), time=FACTS, seed=0)
    monkeypatch.setattr(observed, "_MOST_NUMBERS", 2 * 24 * 12)
    ObservedODE.from_data(batch(wave(12), wave(12)), time=FACTS, seed=0, members=1, inner=1)
    with pytest.raises(DataError, match="25 rows, at most 13 of them in one series"):
        ObservedODE.from_data(batch(wave(12), wave(13)), time=FACTS, seed=0)
