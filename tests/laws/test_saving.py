"""What is kept of a solve: a function of the state instead of the state, and every so many steps.

A function of the state at a time is, by definition, that function of the saved state; so the plain solve is the
reference for values, and autograd through its states the reference for gradients.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import legato
from legato.core.errors import InputError

MODES = ["shared", "independent"]
RAGGED = [
    torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64),
    torch.tensor([1.0, -0.5], dtype=torch.float64),
    torch.tensor([0.2, 0.2, 0.6, 0.9], dtype=torch.float64),
]
GRID = [0.0, 0.25, 0.3, 1.0]


def turning(t: Tensor, y: Tensor, rate: Tensor) -> Tensor:
    return rate * torch.stack([-y[..., 1] + 0.1 * torch.cos(t[..., 0] if t.dim() else t), y[..., 0]], dim=-1)


def start() -> tuple[Tensor, Tensor]:
    y0 = torch.tensor([[1.0, 0.5], [-0.3, 0.7], [0.2, 2.0]], dtype=torch.float64)
    return y0, torch.tensor([[1.0], [2.0], [0.5]], dtype=torch.float64)


def summary(t: Tensor, y: Tensor, rate: Tensor) -> dict[str, Any]:
    return {"energy": (y**2).sum(-1), "pair": (t * y[..., :1], rate * y)}


def times_of(mode: str) -> tuple[Any, dict[str, Any]]:
    return (RAGGED, {}) if mode == "ragged" else (GRID, {"steps": mode})


def expected(solution: legato.Solution, rate: Tensor) -> dict[str, Any]:
    """Return the summaries of saved states, times `(T, samples, 1)`."""
    t = solution.ts[:, None, None] if solution.ts.dim() == 1 else solution.ts.t()[..., None]
    return summary(t, solution.ys, rate)


@pytest.mark.parametrize("mode", [*MODES, "ragged"])
@pytest.mark.parametrize("dense", [False, True])
def test_a_saved_function_is_that_function_of_the_saved_states(mode: str, dense: bool) -> None:
    y0, rate = start()
    t, options = times_of(mode)
    options |= {"args_batched": True, "dense": dense}
    plain = legato.solve(turning, y0, t, rate, **options)
    read = legato.solve(turning, y0, t, rate, save=summary, **options)
    whole = expected(plain, rate)
    for got, want in ((read.ys["energy"], whole["energy"]), *zip(read.ys["pair"], whole["pair"], strict=True)):
        assert got.shape == want.shape
        assert torch.allclose(got, want, rtol=1e-14, atol=1e-15, equal_nan=True)
    assert torch.equal(read.stats.evaluations, plain.stats.evaluations)
    if read.mask is not None:
        assert torch.equal(read.packed["energy"], read.ys["energy"].t()[read.mask.t()])
    if dense:
        where = torch.full((1, 3), 0.25) if mode == "ragged" else torch.tensor([0.25, 0.9])
        assert torch.equal(read(where), plain(where))


@pytest.mark.parametrize("gradient", ["discrete", "direct"])
@pytest.mark.parametrize("mode", [*MODES, "ragged"])
def test_its_gradient_is_that_of_the_function_of_the_saved_states(mode: str, gradient: str) -> None:
    """With respect to the state, the arguments, a parameter of the function alone, and the times."""
    y0, rate = start()
    y0.requires_grad_()
    rate.requires_grad_()
    inner = nn.Parameter(torch.tensor([0.7, -1.3], dtype=torch.float64))
    moving: Any = torch.tensor(GRID, dtype=torch.float64, requires_grad=True)
    if mode == "ragged":
        moving = torch.nn.utils.rnn.pad_sequence(RAGGED, batch_first=True)[:2, :2].clone().requires_grad_()
        y0, rate = y0[:2].detach().requires_grad_(), rate[:2].detach().requires_grad_()

    def read(t: Tensor, y: Tensor, rate: Tensor) -> Tensor:
        return torch.tanh(y * inner + rate) * (1 + t)

    options: dict[str, Any] = {"args_batched": True, "gradient": gradient}
    if mode != "ragged":
        options["steps"] = mode
    saved = legato.solve(turning, y0, moving, rate, save=read, **options).ys
    plain = legato.solve(turning, y0, moving, rate, **options)
    columns = moving[:, None, None] if moving.dim() == 1 else moving.t()[..., None]
    wanted = read(columns, plain.ys, rate)
    weights = torch.linspace(-1, 2, saved.numel(), dtype=torch.float64).view_as(saved)
    sources = [y0, rate, inner, moving]
    got = torch.autograd.grad((saved * weights).sum(), sources)
    want = torch.autograd.grad((wanted * weights).sum(), sources)
    for one, other in zip(got, want, strict=True):
        assert torch.allclose(one, other, rtol=1e-11, atol=1e-12)


def test_second_derivatives_pass_through_a_saved_function() -> None:
    y0 = torch.tensor([[0.3], [0.8]], dtype=torch.float64, requires_grad=True)

    def energy(y: Tensor) -> Tensor:
        return legato.solve(lambda t, y: -(y**3), y, GRID, save=lambda t, y: y**2).ys.sum()

    assert torch.autograd.gradgradcheck(energy, (y0,))


@pytest.mark.parametrize("mode", MODES)
def test_a_tensor_seen_only_by_the_function_gets_its_gradient_in_later_solves(mode: str) -> None:
    """The field has been watched before; the function and what it captures are new."""
    y0, rate = start()
    for _ in range(2):
        weight = torch.tensor([1.0, 3.0], dtype=torch.float64, requires_grad=True)
        captured = weight * 2

        def read(t: Tensor, y: Tensor, rate: Tensor, captured: Tensor = captured) -> Tensor:
            return (y * captured).sum(-1)

        solution = legato.solve(turning, y0, GRID, rate, args_batched=True, steps=mode, save=read)
        plain = legato.solve(turning, y0, GRID, rate, args_batched=True, steps=mode)
        (slope,) = torch.autograd.grad(solution.ys.sum(), weight)
        assert torch.allclose(slope, 2 * plain.ys.sum((0, 1)), rtol=1e-13)


@pytest.mark.parametrize("mode", MODES)
def test_a_sample_that_fails_leaves_nan_in_its_readings_alone(mode: str) -> None:
    def falls(t: Tensor, y: Tensor) -> Tensor:
        return torch.where((y > 2) & (t > 0.5), torch.nan, -y)

    y0 = torch.tensor([[1.0], [5.0], [1.5]], dtype=torch.float64)
    solution = legato.solve(falls, y0, GRID, steps=mode, save=lambda t, y: (y**2)[:, 0], on_failure="partial")
    assert solution.ys[:, ::2].isfinite().all()
    assert solution.ys[:3, 1].isfinite().all()
    assert solution.ys[3, 1].isnan()


@pytest.mark.parametrize("mode", MODES)
def test_states_without_batch_axes_and_of_several_leaves(mode: str) -> None:
    y0 = {"a": torch.tensor([1.0, 2.0], dtype=torch.float64), "b": torch.tensor([0.5], dtype=torch.float64)}
    solution = legato.solve(
        lambda t, y: {"a": -y["a"], "b": y["b"]}, y0, GRID, steps=mode, save=lambda t, y: y["a"].sum() * y["b"][0]
    )
    assert solution.ys.tolist() == pytest.approx([1.5] * 4, rel=1e-6)


def test_half_precision_is_read_as_the_field_sees_it() -> None:
    y0 = torch.ones(2, 1, dtype=torch.bfloat16)
    seen = []

    def read(t: Tensor, y: Tensor) -> Tensor:
        seen.append(y.dtype)
        return y.double()

    assert legato.solve(lambda t, y: -y, y0, GRID, save=read).ys.dtype == torch.float64
    assert set(seen) == {torch.bfloat16}


@pytest.mark.parametrize(
    ("function", "word"),
    [
        (lambda t, y: y.sum(), "first axes"),
        (lambda t, y: 1.0, "float"),
        (lambda t, y: y > 0, "bool"),
        (lambda t, y: None, "nothing"),
        (lambda t, y: (y, y.float()), "unlike"),
    ],
)
def test_what_cannot_be_kept_is_refused(function: Any, word: str) -> None:
    with pytest.raises(InputError, match=word):
        legato.solve(lambda t, y: -y, torch.ones(2, 3, dtype=torch.float64), GRID, save=function)


def test_a_function_that_mixes_samples_is_refused_where_they_have_their_own_times() -> None:
    y0 = torch.tensor([[1.0], [2.0], [3.0]], dtype=torch.float64)
    with pytest.raises(InputError, match="by itself"):
        legato.solve(lambda t, y: -y, y0, GRID, steps="independent", save=lambda t, y: y - y.mean())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("every", [2, 3, 1000])
def test_every_so_many_steps_are_kept_and_the_last(mode: str, every: int) -> None:
    y0, rate = start()
    options: dict[str, Any] = {"args_batched": True, "steps": mode, "rtol": 1e-9, "atol": 1e-9}
    whole = legato.solve(turning, y0, (0.0, 6.0), rate, save="steps", **options)
    some = legato.solve(turning, y0, (0.0, 6.0), rate, save="steps", save_every=every, dense=True, **options)
    for row in range(3):
        counted = whole.ts if mode == "shared" else whole.ts[row][~whole.ts[row].isnan()]
        places = sorted({*range(0, len(counted), every), len(counted) - 1})
        times = some.ts if mode == "shared" else some.ts[row][~some.ts[row].isnan()]
        assert torch.equal(times, counted[places])
        assert torch.equal(some.ys[: len(places), row], whole.ys[places, row])
        assert some.ys[len(places) :, row].isnan().all()
    here = torch.tensor([1.234])
    assert torch.equal(some(here), legato.solve(turning, y0, (0.0, 6.0), rate, dense=True, **options)(here))


@pytest.mark.parametrize("mode", MODES)
def test_kept_steps_have_their_gradient(mode: str) -> None:
    y0 = torch.tensor([[1.0], [2.0]], dtype=torch.float64, requires_grad=True)
    solution = legato.solve(lambda t, y: -y, y0, (0.0, 3.0), steps=mode, save="steps", save_every=3)
    (slope,) = torch.autograd.grad(solution.ys[2].sum(), y0)
    times = solution.ts[2] if mode == "shared" else solution.ts[:, 2]
    assert torch.allclose(slope[:, 0], torch.exp(-times), rtol=1e-6)


@pytest.mark.parametrize(("every", "save"), [(0, "steps"), (1.5, "steps"), (2, "times")])
def test_a_count_of_steps_must_make_sense(every: Any, save: str) -> None:
    with pytest.raises(InputError, match="save_every"):
        legato.solve(lambda t, y: -y, torch.ones(1), GRID, save=save, save_every=every)
