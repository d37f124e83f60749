"""States are packed into one tensor and unpacked without loss."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from legato.core.errors import InputError
from legato.core.packing import layout_of


class Motion(NamedTuple):
    place: Tensor
    speed: Tensor


def numbers(*shape: int) -> Tensor:
    return torch.arange(float(torch.Size(shape).numel())).reshape(shape) + len(shape)


STATES: dict[str, tuple[Any, int]] = {
    "tuple": ((numbers(3, 2), numbers(3, 4)), 1),
    "list": ([numbers(3, 2), numbers(3, 1)], 1),
    "dict": ({"z": numbers(3, 2, 2), "logp": numbers(3, 1)}, 1),
    "named": (Motion(numbers(5, 2), numbers(5, 2)), 1),
    "nested": ({"a": (numbers(3, 2), [numbers(3, 1)]), "b": numbers(3, 1, 2)}, 1),
    "no batch": ((numbers(2), numbers(3)), 0),
    "0-d": ((torch.tensor(1.0), torch.tensor(2.0)), 0),
    "two batch axes": ((numbers(2, 3, 4), numbers(2, 3, 1)), 2),
    "leaf without own axes": ((numbers(3, 4), numbers(3)), 1),
    "empty leaf": ((numbers(3, 0), numbers(3, 2)), 1),
}


@pytest.mark.parametrize("name", list(STATES))
def test_unpacking_undoes_packing(name: str) -> None:
    state, dims = STATES[name]
    layout = layout_of(state, batch_dims=dims)
    packed = layout.pack(state)
    assert packed.shape == (*layout.batch_shape, sum(layout.sizes))
    again = layout.unpack(packed)
    assert type(again) is type(state)
    torch.testing.assert_close(again, state, rtol=0, atol=0)


@pytest.mark.parametrize("name", list(STATES))
def test_unpacking_keeps_leading_axes_of_time(name: str) -> None:
    state, dims = STATES[name]
    layout = layout_of(state, batch_dims=dims)
    twice = layout.unpack(torch.stack([layout.pack(state)] * 2), leading=1)
    again = layout.unpack(layout.pack(layout.rebuild([leaf[1] for leaf in leaves_of(twice)])))
    torch.testing.assert_close(again, state, rtol=0, atol=0)


def leaves_of(state: Any) -> list[Tensor]:
    if isinstance(state, Tensor):
        return [state]
    parts = state.values() if isinstance(state, dict) else state
    return [leaf for part in parts for leaf in leaves_of(part)]


def test_a_lone_tensor_is_not_touched() -> None:
    state = torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last)
    layout = layout_of(state, batch_dims=None)
    assert layout.pack(state) is state
    assert layout.unpack(state) is state


@pytest.mark.parametrize(
    ("state", "dims"),
    [
        (torch.zeros(()), 0),
        (torch.zeros(3), 0),
        (torch.zeros(3, 2), 1),
        (torch.zeros(3, 2, 2), 1),
        ((torch.zeros(3), torch.zeros(3, 2)), 0),
    ],
)
def test_batch_dims_are_none_for_vectors_and_one_beyond(state: Any, dims: int) -> None:
    assert layout_of(state, batch_dims=None).batch_dims == dims


def test_rows_are_the_product_of_the_batch_axes() -> None:
    assert layout_of(torch.zeros(2, 3, 4), batch_dims=2).rows == 6
    assert layout_of(torch.zeros(4), batch_dims=0).rows == 1
    assert layout_of(torch.zeros(0, 4), batch_dims=1).rows == 0


def test_components_are_named_as_the_user_would_index_them() -> None:
    layout = layout_of({"z": torch.zeros(3, 2, 2), "w": torch.zeros(3, 3)}, batch_dims=1)
    assert layout.component(3) == "leaf 0, component (1, 1)"
    assert layout.component(4) == "leaf 1, component 0"
    assert layout_of(torch.zeros(3, 5), batch_dims=1).component(4) == "component 4"
    assert layout_of(torch.zeros(()), batch_dims=0).component(0) == "its only component"


@pytest.mark.parametrize(
    ("state", "dims", "message"),
    [
        ((), None, "no tensor"),
        ({}, None, "no tensor"),
        ([1.0, 2.0], None, "torch.as_tensor"),
        ("y", None, "leaf of type str"),
        ((torch.zeros(2), torch.zeros(2).double()), None, "unlike dtypes"),
        ((torch.zeros(2, 3), torch.zeros(4, 3)), None, "disagree"),
        (torch.zeros(3), 2, "only 1 axes"),
        (torch.zeros(3), -1, "batch_dims is -1"),
    ],
)
def test_a_state_that_cannot_be_laid_out_is_refused(state: Any, dims: int | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        layout_of(state, batch_dims=dims)
