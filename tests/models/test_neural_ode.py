"""The layer on linear fields: their exact solution is the matrix exponential, their exact gradient its derivative."""

from __future__ import annotations

import copy
import gc
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import legato
from legato.core.errors import InputError, OptionError
from legato.solvers import SOLVERS


class Linear(nn.Module):
    """dy/dt = A y, row by row."""

    def __init__(self, matrix: Tensor) -> None:
        super().__init__()
        self.matrix = nn.Parameter(matrix.clone())

    def forward(self, t: Tensor, y: Tensor) -> Tensor:
        return y @ self.matrix.mT


class Decay(nn.Module):
    """dy/dt = -rate y: easy where the rate is small and hard where it is large."""

    def forward(self, t: Tensor, y: Tensor, rate: Tensor) -> Tensor:
        return -rate * y


def matrix(size: int = 3, *, seed: int = 0) -> Tensor:
    return torch.randn(size, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def states(rows: int = 5, size: int = 3) -> Tensor:
    return torch.randn(rows, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def tight(field: Any, **options: Any) -> legato.NeuralODE:
    return legato.NeuralODE(field, **{"rtol": 1e-10, "atol": 1e-12, **options})


def relative(found: Tensor, exact: Tensor) -> float:
    return float((found - exact).detach().norm() / exact.detach().norm())


def test_a_call_without_times_gives_the_state_at_the_end_of_the_span() -> None:
    field, y = Linear(matrix()), states()
    layer = tight(field, t=(0.5, 2.0))
    assert relative(layer(y), y @ torch.linalg.matrix_exp(1.5 * field.matrix).mT) < 1e-9


def test_a_span_may_run_backwards() -> None:
    field, y = Linear(matrix()), states()
    there, back = tight(field), tight(field, t=(1.0, 0.0))
    assert relative(back(there(y)), y) < 1e-9


def test_a_call_with_a_grid_gives_the_states_at_its_times_time_first() -> None:
    field, y, times = Linear(matrix()), states(), [0.0, 0.3, 1.0, 1.7]
    found = tight(field)(y, times)
    exact = torch.stack([y @ torch.linalg.matrix_exp(time * field.matrix).mT for time in times])
    assert found.shape == (4, 5, 3)
    assert relative(found, exact) < 1e-8  # the values inside steps are the interpolant's


def test_a_structured_state_comes_back_in_its_structure() -> None:
    layer = tight(lambda t, state: {"x": state["v"], "v": -state["x"]}, t=(0.0, torch.pi))
    start = {"x": states(4, 1), "v": states(4, 1)}
    end = layer(start)
    assert relative(end["x"], -start["x"]) < 1e-9
    assert relative(end["v"], -start["v"]) < 1e-9


@pytest.mark.parametrize("steps", ["shared", "independent"])
@pytest.mark.parametrize("gradient", ["discrete", "direct"])
def test_the_gradient_is_that_of_the_matrix_exponential(steps: str, gradient: str) -> None:
    field, y = Linear(matrix()), states().requires_grad_()
    weights = torch.linspace(-1.0, 2.0, y.numel(), dtype=torch.float64).view_as(y)

    def gradients(end: Tensor) -> tuple[Tensor, ...]:
        return torch.autograd.grad((weights * end).sum(), (field.matrix, y))

    found = gradients(tight(field, steps=steps, gradient=gradient)(y))
    exact = gradients(y @ torch.linalg.matrix_exp(field.matrix).mT)
    assert relative(found[0], exact[0]) < 1e-8
    assert relative(found[1], exact[1]) < 1e-8


def test_inside_sequential_the_gradient_reaches_the_layers_before_and_after() -> None:
    torch.manual_seed(0)
    before, after, field = nn.Linear(4, 3).double(), nn.Linear(3, 2).double(), Linear(matrix())
    y = states(5, 4)
    parameters = [*before.parameters(), field.matrix, *after.parameters()]
    found = torch.autograd.grad(nn.Sequential(before, tight(field), after)(y).square().sum(), parameters)
    exact_end = after(before(y) @ torch.linalg.matrix_exp(field.matrix).mT)
    exact = torch.autograd.grad(exact_end.square().sum(), parameters)
    assert max(relative(mine, theirs) for mine, theirs in zip(found, exact, strict=True)) < 1e-8


def test_under_a_checkpoint_or_with_saved_tensors_on_the_host_the_gradient_has_the_same_bits() -> None:
    field, y = Linear(matrix()), states().requires_grad_()
    layer = legato.NeuralODE(field)

    def gradients(end: Tensor) -> tuple[Tensor, ...]:
        return torch.autograd.grad(end.square().sum(), (field.matrix, y))

    plain = gradients(layer(y))
    kept = gradients(checkpoint(layer, y, use_reentrant=False))
    with torch.autograd.graph.save_on_cpu():
        moved = gradients(layer(y))
    for found in (kept, moved):
        assert torch.equal(found[0], plain[0])
        assert torch.equal(found[1], plain[1])


@pytest.mark.parametrize("steps", ["shared", "independent"])
def test_a_training_step_leaves_no_tensor_to_the_garbage_collector(steps: str) -> None:
    layer, y = legato.NeuralODE(Linear(matrix()), steps=steps), states()

    def tensors() -> int:
        layer.stats = None
        layer(y).square().sum().backward()
        layer.zero_grad()
        return sum(issubclass(type(thing), Tensor) for thing in gc.get_objects())

    tensors()  # what a first solve keeps for good
    gc.collect()
    gc.disable()
    try:
        assert tensors() == tensors()
    finally:
        gc.enable()


def test_training_recovers_the_matrix_whose_exponential_made_the_data() -> None:
    truth = torch.tensor([[-0.4, 1.3], [-1.3, -0.1]], dtype=torch.float64)  # eigenvalues within pi: one real logarithm
    y = states(8, 2)
    target = y @ torch.linalg.matrix_exp(truth).mT
    field = Linear(torch.zeros(2, 2, dtype=torch.float64))
    layer = tight(field, rtol=1e-8, atol=1e-10)
    optimizer = torch.optim.LBFGS(
        layer.parameters(), max_iter=60, line_search_fn="strong_wolfe", tolerance_grad=1e-12, tolerance_change=1e-14
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = (layer(y) - target).square().mean()
        value.backward()
        return value

    optimizer.step(loss)
    assert relative(field.matrix, truth) < 1e-6


def test_tolerances_set_after_training_change_evaluations_and_error_monotonically() -> None:
    field, y = Linear(4 * matrix()), states()
    layer = legato.NeuralODE(field, t=(0.0, 2.0))
    exact = y @ torch.linalg.matrix_exp(2 * field.matrix).mT
    evaluations, errors = [], []
    for tolerance in (1e-2, 1e-4, 1e-6, 1e-8, 1e-10):
        layer.rtol, layer.atol = tolerance, tolerance / 10
        errors.append(relative(layer(y), exact))
        assert layer.stats is not None
        evaluations.append(int(layer.stats.evaluations[0]))
    assert evaluations == sorted(set(evaluations))
    assert errors == sorted(set(errors), reverse=True)


def test_before_the_first_call_there_are_no_stats() -> None:
    assert legato.NeuralODE(Linear(matrix())).stats is None


def test_stats_hold_the_evaluations_that_were_made_of_every_sample() -> None:
    calls = 0

    def field(t: Tensor, y: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return -y

    layer = legato.NeuralODE(field)
    layer(states().requires_grad_())
    stats = layer.stats
    assert stats is not None
    assert stats.evaluations.shape == (5,)
    assert not stats.evaluations.requires_grad
    assert stats.evaluations.tolist() == [calls - stats.checks] * 5


def test_under_independent_steps_a_hard_sample_takes_more_evaluations_than_an_easy_one() -> None:
    layer = legato.NeuralODE(Decay(), steps="independent", args_batched=True)
    rate = torch.tensor([[0.01], [1.0], [100.0]], dtype=torch.float64)
    y = torch.ones(3, 1, dtype=torch.float64)
    end = layer(y, None, rate)
    assert float((end - torch.exp(-rate)).detach().abs().max()) < 1e-4
    assert layer.stats is not None
    easy, middle, hard = layer.stats.evaluations.tolist()
    assert easy < middle < hard


def test_the_state_dict_holds_the_parameters_of_the_field_alone() -> None:
    layer = legato.NeuralODE(Linear(matrix()))
    layer(states())
    assert list(layer.state_dict()) == ["field.matrix"]
    assert list(dict(layer.named_parameters())) == ["field.matrix"]
    assert not list(legato.NeuralODE(lambda t, y: -y).parameters())


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
@pytest.mark.parametrize("solver", ["dopri5", SOLVERS["bosh3"]], ids=["name", "object"])
def test_a_copied_or_pickled_layer_keeps_its_options_and_gives_the_same_bits(clone: Any, solver: Any) -> None:
    layer, y = legato.NeuralODE(Linear(matrix()), t=(0.0, 0.7), solver=solver, rtol=1e-3, steps="independent"), states()
    end = layer(y)
    other = clone(layer)
    assert torch.equal(other(y), end)
    assert (other.t, other.rtol, other.steps) == ((0.0, 0.7), 1e-3, "independent")
    assert torch.equal(other.stats.evaluations, layer.stats.evaluations)


def test_the_layer_follows_its_dtype_and_has_nothing_to_do_in_train_or_eval_mode() -> None:
    layer, y = legato.NeuralODE(Linear(matrix())), states()
    double = layer(y)
    assert torch.equal(layer.eval()(y), double)
    single = layer.train().to(torch.float32)(y.float())
    assert single.dtype == torch.float32
    assert relative(single.double(), double) < 1e-6  # both take the steps of one tolerance


def test_its_representation_shows_the_method_and_the_tolerances() -> None:
    text = repr(legato.NeuralODE(Linear(matrix()), solver="dopri5", rtol=1e-3, atol=1e-6, steps="independent"))
    for part in (
        "t=(0.0, 1.0)",
        "solver='dopri5'",
        "rtol=0.001",
        "atol=1e-06",
        "steps='independent'",
        "(field): Linear",
    ):
        assert part in text
    assert "solver='Bosh3'" in repr(legato.NeuralODE(Linear(matrix()), solver=SOLVERS["bosh3"]))


@pytest.mark.parametrize(
    ("options", "right"),
    [
        ({"rtoll": 1e-3}, "'rtol'"),
        ({"solver": "tsit"}, "'tsit5'"),
        ({"gradient": "discreet"}, "'discrete'"),
        ({"steps": "independant"}, "'independent'"),
        ({"controller": "pidd"}, "'pid'"),
        ({"on_failure": "rais"}, "'raise'"),
    ],
)
def test_a_wrong_option_or_name_is_refused_with_the_nearest_right_one(options: dict[str, Any], right: str) -> None:
    with pytest.raises(OptionError, match=f"did you mean {right}"):
        legato.NeuralODE(Linear(matrix()), **options)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"rtol": -1.0}, "rtol must be finite and at least zero"),
        ({"dt_min": 1.0, "dt_max": 0.1}, "is above dt_max"),
        ({"solver": "rk4"}, "give dt0="),
        ({"t": 1.0}, "two finite numbers"),
        ({"t": (0.0, float("inf"))}, "two finite numbers"),
        ({"t": [0.0, 0.5, 1.0]}, "given in the call"),
        ({"t": (0.0, torch.ones(3))}, "given in the call"),
    ],
)
def test_an_option_out_of_range_is_refused_by_the_constructor(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        legato.NeuralODE(Linear(matrix()), **options)


def test_a_field_that_cannot_be_called_is_refused() -> None:
    with pytest.raises(InputError, match="function f"):
        legato.NeuralODE(matrix())  # type: ignore[arg-type]


def test_tolerances_per_component_are_taken() -> None:
    loose = torch.tensor([1e-2, 1e-2, 1e-2], dtype=torch.float64)
    layer = legato.NeuralODE(Linear(4 * matrix()), rtol=0.0, atol=loose)
    layer(states())
    assert layer.stats is not None
    few = int(layer.stats.evaluations[0])
    layer.atol = loose * torch.tensor([1.0, 1.0, 1e-6], dtype=torch.float64)
    layer(states())
    assert int(layer.stats.evaluations[0]) > few


def test_a_fixed_step_method_takes_the_steps_it_was_given() -> None:
    layer, y = legato.NeuralODE(Linear(matrix()), solver="rk4", dt0=0.25), states()
    z, one = 0.25 * layer.field.matrix, torch.eye(3, dtype=torch.float64)
    step = one + z @ (one + z / 2 @ (one + z / 3 @ (one + z / 4)))  # RK4's stability polynomial
    assert relative(layer(y), y @ torch.linalg.matrix_power(step, 4).mT) < 1e-14


def test_solve_gives_the_whole_solution_with_dense_output() -> None:
    field, y = Linear(matrix()), states()
    solution = tight(field).solve(y, dense=True)
    assert solution.success
    assert relative(solution(0.4), y @ torch.linalg.matrix_exp(0.4 * field.matrix).mT) < 1e-8


def test_a_network_of_the_state_alone_is_an_autonomous_field_with_its_parameters() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
    layer = legato.NeuralODE(network)
    y = torch.ones(3, 2)
    assert torch.equal(layer(y), legato.NeuralODE(lambda t, y: network(y))(y))
    assert len(list(layer.parameters())) == 4
    layer(y).sum().backward()
    assert network[0].weight.grad is not None
