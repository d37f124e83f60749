"""Error norms and tolerances against their formulas."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from legato.core.errors import InputError
from legato.core.norms import Tolerances, make_measure, row_norms
from legato.core.packing import layout_of

SCALED = torch.tensor([[3.0, 4.0], [0.0, 1.0]], dtype=torch.float64)
LAYOUT = layout_of(SCALED, batch_dims=1)


def test_rows_gives_each_row_its_root_mean_square() -> None:
    expected = torch.tensor([math.sqrt(12.5), math.sqrt(0.5)], dtype=torch.float64)
    torch.testing.assert_close(make_measure("rows", LAYOUT)(SCALED), expected, rtol=1e-15, atol=0)


def test_batch_gives_the_root_mean_square_over_everything() -> None:
    assert float(make_measure("batch", LAYOUT)(SCALED)) == pytest.approx(math.sqrt(26 / 4), rel=1e-15)


def test_a_state_without_batch_axes_is_one_row() -> None:
    assert row_norms(torch.tensor([3.0, 4.0]), 0).tolist() == pytest.approx([math.sqrt(12.5)], rel=1e-6)
    assert row_norms(torch.tensor(-2.0), 0).tolist() == [2.0]


def test_two_batch_axes_count_as_rows() -> None:
    assert row_norms(torch.ones(2, 3, 5), 2).tolist() == pytest.approx([1.0] * 6, rel=1e-6)


def test_complex_errors_count_by_their_absolute_value() -> None:
    assert row_norms(torch.tensor([[3 + 4j, 0]]), 1).tolist() == pytest.approx([5 / math.sqrt(2)], rel=1e-6)


def test_states_without_components_have_norm_zero() -> None:
    assert row_norms(torch.zeros(2, 0), 1).tolist() == [0.0, 0.0]
    assert float(make_measure("batch", LAYOUT)(torch.zeros(2, 0))) == 0.0


def test_no_number_hides_in_a_norm() -> None:
    for bad in (math.nan, math.inf):
        rows = row_norms(torch.tensor([[bad, 0.0], [1.0, 1.0]]), 1)
        assert rows.isfinite().tolist() == [False, True]


def test_a_callable_sees_the_users_structure() -> None:
    state = {"a": torch.zeros(2, 1), "b": torch.zeros(2, 2)}
    layout = layout_of(state, batch_dims=1)

    def norm(scaled: dict[str, Tensor]) -> Tensor:
        assert set(scaled) == {"a", "b"}
        return -scaled["b"].abs().max()

    assert float(make_measure(norm, layout)(torch.tensor([[9.0, 1.0, 2.0], [9.0, -3.0, 0.0]]))) == 3.0


@pytest.mark.parametrize("norm", ["row", None, 2])
def test_an_unknown_norm_is_refused(norm: object) -> None:
    with pytest.raises(InputError, match="norm is 'rows', 'batch' or a function"):
        make_measure(norm, LAYOUT)  # type: ignore[arg-type]


def test_the_scale_takes_the_larger_end_of_the_step() -> None:
    y0, y1 = torch.tensor([[[1.0, -4.0]], [[-2.0, 3.0]]], dtype=torch.float64)
    scale = Tolerances(0.1, 0.01).scale(y0, y1)
    torch.testing.assert_close(scale, torch.tensor([[0.21, 0.41]], dtype=torch.float64), rtol=1e-15, atol=0)


def test_the_scale_stays_above_zero_without_an_absolute_tolerance() -> None:
    zero = torch.zeros(1, 2, dtype=torch.float64)
    assert bool((Tolerances(0.1, 0.0).scale(zero, zero) > 0).all())
    assert bool((Tolerances(0.1, torch.zeros(2).double()).scale(zero, zero) > 0).all())


def test_tolerances_follow_the_rows_they_belong_to() -> None:
    atol = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    picked = Tolerances(0.1, atol).rows(torch.tensor([2, 0]), 3)
    assert picked.rtol == 0.1
    assert torch.equal(torch.as_tensor(picked.atol), atol[[2, 0]])
