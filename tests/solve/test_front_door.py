"""The front door: every form of t, state and args it takes, the errors it makes of the rest.

The fields are linear, so that every answer is known: y' = -y, and y' = -r y with a rate r per sample. At rtol 1e-9 a
solve of these over an interval of length one errs by less than 1e-8.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from decays import MODES, TIGHT, Motion, close, decay, start
from torch import Tensor

import legato
from legato.core.errors import FieldError, InputError
from legato.core.structure import flatten

# Times


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("span", [(0.0, 1.0), (0, 1), (torch.tensor(0.0), 1), (np.float64(0), np.float32(1))])
def test_a_span_gives_one_row_the_end(span: tuple, steps: str) -> None:
    solution = legato.solve(decay, start(), span, steps=steps, **TIGHT)
    assert solution.ys.shape == (1, 3, 2)
    close(solution.ys[0], start() * math.exp(-1))


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize(
    "grid",
    [
        [0.0, 0.1, 0.5, 1.0],
        torch.tensor([0.0, 0.1, 0.5, 1.0], dtype=torch.float64),
        np.array([0.0, 0.1, 0.5, 1.0]),
        [0, torch.tensor(0.1, dtype=torch.float64), np.float64(0.5), 1],
    ],
)
def test_a_grid_gives_a_row_per_time_the_first_being_the_start(grid: Any, steps: str) -> None:
    solution = legato.solve(decay, start(), grid, steps=steps, **TIGHT)
    times = torch.tensor([0.0, 0.1, 0.5, 1.0], dtype=torch.float64)
    assert solution.ts.dtype == torch.float64
    assert torch.equal(solution.ts, times)
    assert torch.equal(solution.ys[0], start())
    close(solution.ys, torch.exp(-times)[:, None, None] * start())


def test_numbers_of_time_are_read_in_double_precision() -> None:
    assert legato.solve(decay, start(), [0.0, 0.1]).ts.tolist() == [0.0, 0.1]
    solution = legato.solve(lambda t, y: torch.ones_like(y), start() * 0, (1.7e9, 1.7e9 + 0.5), **TIGHT)
    close(solution.ys[0], torch.full((3, 2), 0.5, dtype=torch.float64))


@pytest.mark.parametrize("steps", MODES)
def test_a_grid_may_decrease(steps: str) -> None:
    solution = legato.solve(decay, start(), [1.0, 0.4, -1.0], steps=steps, **TIGHT)
    times = torch.tensor([1.0, 0.4, -1.0], dtype=torch.float64)
    close(solution.ys, torch.exp(1 - times)[:, None, None] * start())


@pytest.mark.parametrize("steps", MODES)
def test_times_given_twice_give_the_same_row_twice(steps: str) -> None:
    solution = legato.solve(decay, start(), [0.0, 0.0, 0.3, 0.3, 1.0, 1.0], steps=steps, **TIGHT)
    assert torch.equal(solution.ys[0::2], solution.ys[1::2])
    close(solution.ys[2], start() * math.exp(-0.3))


@pytest.mark.parametrize("steps", MODES)
def test_a_grid_of_one_time_gives_the_start_and_its_gradient_is_one(steps: str) -> None:
    y0 = start().requires_grad_()
    solution = legato.solve(decay, y0, [2.0], steps=steps)
    assert torch.equal(solution.ys, y0[None])
    assert solution.success
    (gradient,) = torch.autograd.grad(solution.ys.sum(), y0)
    assert torch.equal(gradient, torch.ones_like(y0))


@pytest.mark.parametrize("steps", MODES)
def test_an_interval_of_length_zero_gives_the_start(steps: str) -> None:
    solution = legato.solve(decay, start(), (1.0, 1.0), steps=steps)
    assert torch.equal(solution.ys[0], start())
    assert solution.success
    assert solution.stats.steps.tolist() == [0, 0, 0]


def test_the_ends_of_a_span_may_differ_from_sample_to_sample() -> None:
    t0 = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64)
    t1 = torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64)
    solution = legato.solve(decay, start(), (t0, t1), **TIGHT)
    close(solution.ys[0], start() * torch.exp(t0 - t1)[:, None])
    assert torch.equal(solution.t_reached, t1)


def test_one_end_of_a_span_may_be_shared() -> None:
    t1 = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)
    close(legato.solve(decay, start(), (0, t1), **TIGHT).ys[0], start() * torch.exp(-t1)[:, None])


def test_every_sample_may_have_its_own_grid() -> None:
    grid = torch.tensor([[0.0, 1.0, 2.0], [1.0, 1.5, 1.75], [3.0, 2.0, 0.0]], dtype=torch.float64)
    solution = legato.solve(decay, start(), grid, **TIGHT)
    assert torch.equal(solution.ts, grid)
    close(solution.ys, torch.exp(grid[:, :1] - grid).T[..., None] * start())
    assert solution.mask is not None
    assert bool(solution.mask.all())


def test_ragged_grids_are_padded_with_nan_masked_and_packed() -> None:
    grids = [torch.tensor([0.0, 1.0]), torch.tensor([0.0, 0.25, 0.5, 1.5]), torch.tensor([2.0])]
    solution = legato.solve(decay, start(), grids, **TIGHT)
    counts = [2, 4, 1]
    assert solution.ys.shape == (4, 3, 2)
    assert solution.mask is not None
    assert solution.mask.sum(0).tolist() == counts
    assert torch.equal(solution.ys.isnan().all(-1), ~solution.mask)
    assert torch.equal(solution.ts.isnan(), ~solution.mask.T)
    expected = [torch.exp((grid[0] - grid).double())[:, None] * y for grid, y in zip(grids, start(), strict=True)]
    close(solution.packed, torch.cat(expected))


@pytest.mark.parametrize(
    ("t", "message"),
    [
        ([], "empty"),
        (torch.zeros(0), "empty"),
        ((0.0, 1.0, 2.0), "span"),
        ((0.0,), "span"),
        (0.5, "axes"),
        ([0.0, math.nan], "NaN or infinity"),
        ((0.0, math.nan), "NaN or infinity"),
        ((0.0, math.inf), "NaN or infinity"),
        ((-math.inf, 0.0), "NaN or infinity"),
        ([0.0, 2.0, 1.0], "turn back"),
        ([0.0, 1.0, 0.0], "turn back"),
        (torch.tensor([[0.0, 1.0]] * 3 + [[0.0, 1.0]]), "3 rows"),
        (torch.zeros(1, 3, 2), "axes"),
        ([torch.tensor([0.0, 1.0])] * 2, "2 grids for 3 samples"),
        ([torch.tensor([0.0, 1.0])] * 2 + [torch.zeros(0)], "sample 2 is empty"),
        (torch.tensor([[0.0, 1.0, 2.0], [0.0, 2.0, 1.0], [0.0, 1.0, 2.0]]), "sample 1 turn back"),
        (torch.tensor([[0.0, 1.0], [0.0, 2.0], [0.0, math.nan]]), "sample 2 hold NaN"),
        ((0.0, torch.tensor([1.0, 2.0])), "2 entries for 3 samples"),
        (("now", "then"), "numbers"),
        (["a"], "numbers"),
        ([0j, 1j], "numbers"),
        (torch.tensor([0j, 1j]), "real numbers"),
        (torch.tensor([False, True]), "real numbers"),
        (None, "numbers"),
    ],
)
def test_times_that_cannot_be_meant_are_refused(t: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        legato.solve(decay, start(), t)


def test_samples_with_their_own_times_cannot_share_steps() -> None:
    with pytest.raises(InputError, match="independent"):
        legato.solve(decay, start(), (0.0, torch.ones(3)), steps="shared")


# States


STATES: dict[str, tuple[Any, int | None]] = {
    "0-d": (torch.tensor(2.0, dtype=torch.float64), None),
    "vector": (start()[0], None),
    "batch": (start(), None),
    "images": (start(2, 12).reshape(2, 3, 2, 2), None),
    "two batch axes": (start(6, 2).reshape(2, 3, 2), 2),
    "matrix without batch": (start(), 0),
    "transposed": (start(2, 3).T, None),
    "expanded": (start(1, 2).expand(3, 2), None),
    "sliced": (start(6, 4)[::2, ::2], None),
    "channels last": (start(2, 12).reshape(2, 3, 2, 2).to(memory_format=torch.channels_last), None),
    "complex": (torch.complex(start(), -start()), None),
    "tuple": ((start(3, 2), start(3, 1)), None),
    "list": ([start(3, 2), start(3, 1)], None),
    "dict": ({"z": start(3, 2), "w": start(3, 4).reshape(3, 2, 2)}, None),
    "named": (Motion(start(3, 2), start(3, 2)), None),
    "nested": ({"a": (start(3, 2), [start(3, 1)])}, None),
    "numbers": ((torch.tensor(1.0).double(), torch.tensor(2.0).double()), None),
}


def mapped(structure: Any, function: Any) -> Any:
    if isinstance(structure, Tensor):
        return function(structure)
    if isinstance(structure, dict):
        return {key: mapped(part, function) for key, part in structure.items()}
    parts = [mapped(part, function) for part in structure]
    return type(structure)(*parts) if hasattr(structure, "_fields") else type(structure)(parts)


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("name", list(STATES))
def test_a_state_comes_back_in_its_own_structure_with_time_in_front(name: str, steps: str) -> None:
    y0, dims = STATES[name]
    solution = legato.solve(
        lambda t, y: mapped(y, torch.neg), y0, [0.0, 0.5, 1.0], steps=steps, batch_dims=dims, dense=True, **TIGHT
    )
    times = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)

    def decayed(leaf: Tensor) -> Tensor:
        return torch.exp(-times).view(-1, *(1,) * leaf.dim()) * leaf

    torch.testing.assert_close(solution.ys, mapped(y0, decayed), rtol=1e-8, atol=1e-8)
    assert bool((solution.status == legato.Status.SUCCESS).all())
    assert solution.success


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("name", list(STATES))
def test_dense_output_has_the_shape_of_its_times_and_then_the_state(name: str, steps: str) -> None:
    y0, dims = STATES[name]
    solution = legato.solve(
        lambda t, y: mapped(y, torch.neg), y0, (0.0, 1.0), steps=steps, batch_dims=dims, dense=True, **TIGHT
    )
    torch.testing.assert_close(solution(0.3), mapped(y0, lambda leaf: leaf * math.exp(-0.3)), rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(
        solution(torch.tensor([0.3, 0.6])),
        mapped(y0, lambda leaf: torch.stack([leaf * math.exp(-0.3), leaf * math.exp(-0.6)])),
        rtol=1e-7,
        atol=1e-7,
    )


@pytest.mark.parametrize("steps", MODES)
def test_the_field_sees_the_memory_format_of_the_state(steps: str) -> None:
    y0 = torch.rand(2, 3, 4, 5, dtype=torch.float64).to(memory_format=torch.channels_last)
    seen = []

    def field(t: Tensor, y: Tensor) -> Tensor:
        seen.append(y.is_contiguous(memory_format=torch.channels_last))
        return -y

    legato.solve(field, y0, (0.0, 1.0), steps=steps)
    assert all(seen)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("steps", MODES)
def test_half_precision_is_integrated_in_float32_and_given_back(dtype: torch.dtype, steps: str) -> None:
    y0 = start().to(dtype)
    seen = set()

    def field(t: Tensor, y: Tensor) -> Tensor:
        seen.add(y.dtype)
        return -y

    solution = legato.solve(field, y0, [0.0, 1.0], steps=steps, rtol=1e-3, atol=1e-3)
    assert solution.ys.dtype == dtype
    assert seen == {dtype}
    # The field itself rounds to the dtype, once a stage; the sums do not.
    exact = start() * math.exp(-1)
    assert ((solution.ys[-1].double() - exact).abs() <= 4 * torch.finfo(dtype).eps * exact).all()


@pytest.mark.parametrize("steps", MODES)
def test_the_field_sees_its_time_in_the_states_real_dtype(steps: str) -> None:
    for dtype, expected in ((torch.float32, torch.float32), (torch.complex64, torch.float32)):
        seen = []

        def field(t: Tensor, y: Tensor, seen: list = seen) -> Tensor:
            seen.append((t.dtype, t.dim() if len(y) == 3 else None))
            return -y

        legato.solve(field, start().to(dtype), (0.0, 1.0), steps=steps)
        assert {kind for kind, _ in seen} == {expected}
        assert {dim for _, dim in seen} - {None} == ({0} if steps == "shared" else {2})


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("shape", [(0, 3), (0,), (2, 0), (0, 0)])
def test_states_of_size_zero_are_solved(shape: tuple[int, ...], steps: str) -> None:
    for options in ({}, {"dense": True}, {"save": "steps"}):
        solution = legato.solve(decay, torch.zeros(shape), [0.0, 0.5, 1.0], steps=steps, **options)
        assert solution.ys.shape[1:] == shape
        assert solution.success


@pytest.mark.parametrize("steps", MODES)
def test_one_sample_of_one_component_is_solved(steps: str) -> None:
    close(
        legato.solve(decay, torch.ones(1, 1).double(), (0, 1), steps=steps, **TIGHT).ys[0, 0, 0],
        torch.tensor(1 / math.e).double(),
    )


@pytest.mark.parametrize(
    ("y0", "message"),
    [
        (torch.tensor([[1, 2]]), r"int64.*double\(\)"),
        (torch.tensor([True]), "bool"),
        (torch.tensor([[1.0, math.nan]]), r"not finite at index \(0, 1\)"),
        (torch.tensor([[1.0], [math.inf]]), r"not finite at index \(1, 0\)"),
        (torch.tensor(math.nan), r"not finite at index \(\)"),
        (1.0, "torch.as_tensor"),
        (np.ones(3), "torch.as_tensor"),
        ([1.0, 2.0], "torch.as_tensor"),
        ((), "no tensor"),
        (None, "no tensor"),
        ((torch.zeros(2), torch.zeros(2).double()), "unlike dtypes"),
    ],
)
def test_a_state_that_cannot_be_meant_is_refused(y0: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        legato.solve(decay, y0, (0.0, 1.0))


# Arguments of the field


@pytest.mark.parametrize("steps", MODES)
def test_args_are_passed_on_as_they_are(steps: str) -> None:
    given = {"rate": torch.tensor(2.0, dtype=torch.float64), "name": "decay", "power": 1}

    def field(t: Tensor, y: Tensor, args: dict) -> Tensor:
        assert args["name"] == "decay"
        return -args["rate"] * y ** args["power"]

    close(legato.solve(field, start(), (0.0, 1.0), given, steps=steps, **TIGHT).ys[0], start() * math.exp(-2))


@pytest.mark.parametrize("steps", MODES)
def test_args_marked_as_batched_follow_their_samples(steps: str) -> None:
    rates = torch.tensor([[1.0], [2.0], [3.0]], dtype=torch.float64)
    t1 = torch.tensor([1.0, 0.2, 0.6], dtype=torch.float64) if steps == "independent" else 1.0
    solution = legato.solve(
        lambda t, y, args: -args[0] * args[1] * y,
        start(),
        (0.0, t1),
        (rates, 0.5),
        args_batched=(True, False),
        steps=steps,
        **TIGHT,
    )
    times = t1[:, None] if isinstance(t1, Tensor) else 1.0
    close(solution.ys[0], start() * torch.exp(-0.5 * rates * times))


def test_args_batched_works_where_the_field_runs_one_sample_at_a_time() -> None:
    rates = torch.tensor([[1.0], [2.0], [3.0]], dtype=torch.float64)
    y0 = (start(), start(3, 1))
    solution = legato.solve(
        lambda t, y, rate: tuple(-rate * leaf for leaf in y),
        y0,
        (0, 1),
        rates,
        args_batched=True,
        steps="independent",
        **TIGHT,
    )
    for leaf, initial in zip(solution.ys, y0, strict=True):
        close(leaf[0], initial * torch.exp(-rates))


def test_args_batched_must_fit_args() -> None:
    rates = torch.ones(3, 1, dtype=torch.float64)
    for flags in ((True, False), (True, 1), "yes"):
        with pytest.raises((FieldError, InputError), match="args_batched"):
            legato.solve(
                lambda t, y, rate: -rate[0] * y, start(), (0.0, 1.0), (rates,), args_batched=flags, steps="independent"
            )


def test_a_field_of_one_scalar_time_works_under_independent_steps() -> None:
    """`if t > ...` fails on a column of times; the field is then run sample by sample."""

    def field(t: Tensor, y: Tensor) -> Tensor:
        assert t.dim() == 0, "written for one time"
        return -y * torch.ones(2, dtype=y.dtype) * t

    t1 = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)
    with pytest.raises(AssertionError):
        legato.solve(field, start(), (0.0, t1), **TIGHT)

    def broadcasting_wrongly(t: Tensor, y: Tensor) -> Tensor:
        return -y * t.reshape(-1)[0]

    solution = legato.solve(broadcasting_wrongly, start(), (0.0, t1), **TIGHT)
    close(solution.ys[0], start() * torch.exp(-(t1**2) / 2)[:, None])


EMPTY = [
    ((torch.ones(0, 2), torch.ones(0, 3)), (0.0, 1.0)),
    (torch.ones(0, 2), torch.ones(0, 3)),
    (torch.ones(0, 2), (torch.ones(0), 1.0)),
    ({"a": torch.ones(0, 2)}, [0.0, 0.5, 1.0]),
    (torch.ones(3, 0), torch.ones(3, 4)),
]


@pytest.mark.parametrize(("y0", "t"), EMPTY)
def test_a_batch_of_nothing_is_solved_at_once(y0: Any, t: Any) -> None:
    ys = legato.solve(lambda t, y: y, y0, t).ys
    given, solved = flatten(y0)[0], flatten(ys)[0]
    assert [leaf.shape[1:] for leaf in solved] == [leaf.shape for leaf in given]
    assert legato.odeint(lambda t, y: y, torch.ones(0, 2), torch.tensor([0.0, 1.0])).shape == (2, 0, 2)


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("rows", [2, 5])
def test_batched_args_have_a_row_per_sample(rows: int, steps: str) -> None:
    with pytest.raises(InputError, match="leading axes are those of the batch"):
        legato.solve(
            lambda t, y, rate: -rate.sum() * y, start(), (0.0, 1.0), torch.ones(rows, 1), args_batched=True, steps=steps
        )


@pytest.mark.parametrize("steps", MODES)
def test_batched_args_follow_a_batch_of_two_axes(steps: str) -> None:
    rate = torch.rand(2, 3, 1, dtype=torch.float64)
    y0 = torch.ones(2, 3, 1, dtype=torch.float64)
    options = {"args_batched": True, "batch_dims": 2, "steps": steps}
    ys = legato.solve(lambda t, y, rate: -rate * y, y0, (0.0, 1.0), rate, **options).ys
    torch.testing.assert_close(ys[-1], torch.exp(-rate), rtol=1e-6, atol=0)
