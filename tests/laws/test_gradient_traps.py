"""Gradients that are lost in silence elsewhere: captured, late, frozen, shared, changed in place, beside a failure."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

import legato
from legato.core.errors import GradientError
from legato.engines import ENGINES, Eager, March, Task

MODES = ["shared", "independent"]
GRADIENTS = ["discrete", "direct"]


def start() -> Tensor:
    return torch.tensor([[0.5, 1.0], [1.5, 0.8]], dtype=torch.float64)


class Net(torch.nn.Module):
    """A field with a used, a frozen, a twice used and an unused parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.used = torch.nn.Parameter(torch.tensor(0.7, dtype=torch.float64))
        self.frozen = torch.nn.Parameter(torch.tensor(0.4, dtype=torch.float64), requires_grad=False)
        self.unused = torch.nn.Parameter(torch.tensor(1.0, dtype=torch.float64))
        self.inner = torch.nn.Linear(2, 2).double()
        self.again = self.inner

    def forward(self, t: Tensor, y: Tensor) -> Tensor:
        return -self.used * y + self.frozen * torch.tanh(self.again(self.inner(y)))


@pytest.mark.parametrize("steps", MODES)
def test_frozen_unused_and_shared_parameters_get_what_autograd_would_give_them(steps: str) -> None:
    net = Net()
    found = {}
    for gradient in GRADIENTS:
        net.zero_grad()
        legato.solve(net, start(), (0.0, 1.0), gradient=gradient, steps=steps, rtol=1e-6).ys.sum().backward()
        found[gradient] = {name: parameter.grad for name, parameter in net.named_parameters()}
    for name in ("used", "inner.weight", "inner.bias"):
        torch.testing.assert_close(found["discrete"][name], found["direct"][name], rtol=1e-10, atol=0)
    for gradient in GRADIENTS:
        assert found[gradient]["frozen"] is None
        unused = found[gradient]["unused"]
        assert unused is None or not bool(unused)


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("gradient", GRADIENTS)
def test_a_parameter_outside_the_module_gets_its_gradient(steps: str, gradient: str) -> None:
    """torchdiffeq's adjoint gives None here."""
    gain = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)

    class Outside(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rate = torch.nn.Parameter(torch.ones((), dtype=torch.float64))

        def forward(self, t: Tensor, y: Tensor) -> Tensor:
            return -self.rate * gain * y

    field = Outside()
    for _ in range(2):  # the second solve of a field is watched less closely than the first
        ys = legato.solve(field, start(), (0.0, 1.0), rtol=1e-9, steps=steps, gradient=gradient).ys
        by_rate, by_gain = torch.autograd.grad(ys.sum(), (field.rate, gain))
        assert float(by_gain) == pytest.approx(-ys.sum().item(), rel=1e-7)
        assert float(by_rate) == pytest.approx(-0.5 * ys.sum().item(), rel=1e-7)


@pytest.mark.parametrize("steps", MODES)
def test_what_an_encoder_made_passes_its_gradient_on_to_the_encoder(steps: str) -> None:
    """The captured tensor has a history of its own; args, state and closure all reach the same weight."""
    weight = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    found = []
    for gradient in GRADIENTS:
        code = weight.exp()

        def field(t: Tensor, y: Tensor, args: Tensor, code: Tensor = code) -> Tensor:
            return -args * y * code + weight * torch.cos(y)

        options = {"rtol": 1e-6, "steps": steps, "gradient": gradient}
        ys = legato.solve(field, start() * weight, [0.0, 0.5, 1.0], code**2, **options).ys
        found.append(torch.autograd.grad((ys**2).sum(), weight)[0])
    torch.testing.assert_close(found[0], found[1], rtol=1e-10, atol=0)


@pytest.mark.parametrize("steps", MODES)
def test_a_state_attribute_that_changes_between_solves_is_found_each_time(steps: str) -> None:
    class Conditioned(torch.nn.Module):
        code: Tensor

        def forward(self, t: Tensor, y: Tensor) -> Tensor:
            return -self.code * y

    field = Conditioned()
    for value in (0.3, 0.9, 1.7):
        source = torch.tensor(value, dtype=torch.float64, requires_grad=True)
        field.code = source * 1.0
        ys = legato.solve(field, start(), (0.0, 1.0), rtol=1e-9, steps=steps).ys
        (found,) = torch.autograd.grad(ys.sum(), source)
        assert float(found) == pytest.approx(-ys.sum().item(), rel=1e-7)


@pytest.mark.parametrize("steps", MODES)
def test_a_captured_tensor_that_turns_up_late_is_refused_rather_than_lost(steps: str) -> None:
    """The first solve has seen the field without it; in the second it is used between the first and the last step."""
    rate = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    late = torch.tensor(0.2, dtype=torch.float64, requires_grad=True)
    window = [9.0, 9.0]

    def field(t: Tensor, y: Tensor) -> Tensor:
        inside = bool(((t > window[0]) & (t < window[1])).any())
        return -rate * y + (late * y if inside else 0.0)

    options = {"steps": steps, "dt_max": 0.05}
    legato.solve(field, start(), (0.0, 1.0), **options).ys.sum().backward()
    window[:] = [0.4, 0.6]
    ys = legato.solve(field, start(), (0.0, 1.0), **options).ys
    with pytest.raises(GradientError, match="gradient would be lost"):
        ys.sum().backward()


@pytest.mark.parametrize("steps", MODES)
def test_a_captured_tensor_used_by_part_of_the_steps_is_found_in_the_first_solve(steps: str) -> None:
    late = torch.tensor(0.2, dtype=torch.float64, requires_grad=True)

    def field(t: Tensor, y: Tensor) -> Tensor:
        return torch.where((t > 0.4) & (t < 0.6), late * y, torch.zeros_like(y))

    ys = legato.solve(field, start(), (0.0, 1.0), jumps=[0.4, 0.6], rtol=1e-9, steps=steps).ys
    (found,) = torch.autograd.grad(ys.sum(), late)
    assert float(found) == pytest.approx(0.2 * ys.sum().item(), rel=1e-7)


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("which", ["parameter", "captured", "args", "y0"])
def test_a_change_in_place_between_forward_and_backward_raises(which: str, steps: str) -> None:
    tensors: dict[str, Tensor] = {
        name: torch.tensor(0.5, dtype=torch.float64, requires_grad=True) for name in ("captured", "args")
    }

    class Field(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rate = torch.nn.Parameter(torch.ones((), dtype=torch.float64))

        def forward(self, t: Tensor, y: Tensor, args: Tensor) -> Tensor:
            return -self.rate * tensors["captured"] * args * y

    field = Field()
    tensors |= {"parameter": field.rate, "y0": start().requires_grad_()}
    ys = legato.solve(field, tensors["y0"], (0.0, 1.0), tensors["args"], steps=steps).ys
    with torch.no_grad():
        tensors[which].add_(0.1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        ys.sum().backward()


class Watched(Eager):
    """The eager engine, keeping the tasks it was given and what came of them."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        self.marches: list[March] = []

    def march(self, task: Task, **options: Any) -> March:  # type: ignore[override]
        self.tasks.append(task)
        self.marches.append(ENGINES["eager"].march(task, **options))
        return self.marches[-1]


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("gradient", GRADIENTS)
def test_a_solve_without_gradients_keeps_no_record(steps: str, gradient: str) -> None:
    engine = Watched()
    with torch.no_grad():
        solution = legato.solve(Net(), start(), (0.0, 1.0), engine=engine, steps=steps, gradient=gradient)
    assert not solution.ys.requires_grad
    assert solution.stats.gradient == "none"
    assert all(not march.record for march in engine.marches)


@pytest.mark.parametrize("steps", MODES)
def test_a_solve_that_depends_on_nothing_keeps_no_record(steps: str) -> None:
    engine = Watched()
    for _ in range(2):
        solution = legato.solve(lambda t, y: -y, start(), (0.0, 1.0), engine=engine, steps=steps)
    assert not solution.ys.requires_grad
    assert all(not march.record for march in engine.marches)


@pytest.mark.parametrize("steps", MODES)
def test_discrete_keeps_the_accepted_states_and_no_activation(steps: str) -> None:
    """What autograd saves for the backward pass: the states and the inputs, nothing made inside the field."""
    saved: list[int] = []
    net = torch.nn.Sequential(torch.nn.Linear(2, 500), torch.nn.Tanh(), torch.nn.Linear(500, 2)).double()

    def field(t: Tensor, y: Tensor) -> Tensor:
        return net(y)

    def keep(tensor: Tensor) -> Tensor:
        saved.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        solution = legato.solve(field, start().requires_grad_(), (0.0, 1.0), steps=steps)
    parameters = sum(parameter.numel() for parameter in net.parameters())
    states = (int(solution.stats.accepted.sum()) + 3) * 4
    assert sum(saved) <= parameters + states


@pytest.mark.parametrize("steps", MODES)
def test_hooks_on_saved_tensors_change_neither_first_nor_second_derivatives(steps: str) -> None:
    """Autograd hands back other objects than the field holds, for leaves and for what was computed from them."""
    rate, net = torch.tensor(0.5, dtype=torch.float64, requires_grad=True), Net()

    def derivatives() -> list[Tensor]:
        scale, y0 = rate * 2, start().requires_grad_()
        end = legato.solve(lambda t, y: net(t, y) * scale, y0, (0.0, 1.0), steps=steps).ys[-1]
        sources = [rate, y0, net.used, *net.inner.parameters()]
        first = torch.autograd.grad(end.square().sum(), sources, create_graph=True)
        second = torch.autograd.grad(sum(part.square().sum() for part in first), sources)
        return [*first, *second]

    plain = derivatives()
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor.clone(), lambda tensor: tensor):
        hooked = derivatives()
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(hooked, plain, strict=True))


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("gradient", GRADIENTS)
def test_a_second_backward_pass_of_a_kept_graph_gives_the_same_gradient(steps: str, gradient: str) -> None:
    y0 = start().requires_grad_()
    ys = legato.solve(Net(), y0, (0.0, 1.0), steps=steps, gradient=gradient).ys
    first = torch.autograd.grad(ys.sum(), y0, retain_graph=True)[0]
    assert torch.equal(first, torch.autograd.grad(ys.sum(), y0)[0])


def failing(t: Tensor, y: Tensor, args: tuple[Tensor, Tensor]) -> Tensor:
    """y' = -p y, but NaN after t = 0.5 where the sample's flag is set."""
    p, flag = args
    return torch.where((flag > 0) & (t > 0.5), torch.nan, -p * y * (1 + y**2))


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("solver", ["tsit5", "dop853", "rk4"])
def test_a_loss_masked_over_a_failed_row_has_the_gradients_of_a_solve_without_it(
    solver: str, steps: str, gradient: str
) -> None:
    flag = torch.tensor([[0.0], [1.0], [0.0]], dtype=torch.float64)
    options = {"solver": solver, "steps": steps, "gradient": gradient, "args_batched": (False, True), "dt0": 0.1}
    options |= {"rtol": 1e-7, "atol": 1e-7, "on_failure": "partial"}

    def gradients(rows: list[int]) -> tuple[Tensor, Tensor, legato.Solution]:
        p = torch.tensor(0.8, dtype=torch.float64, requires_grad=True)
        y0 = torch.tensor([[0.5, 1.0], [1.5, 0.8], [1.0, 2.0]], dtype=torch.float64)[rows].requires_grad_()
        solution = legato.solve(failing, y0, [0.0, 0.25, 0.75, 1.0], (p, flag[rows]), **options)
        good = (solution.status == legato.Status.SUCCESS)[None, :, None]
        loss = torch.where(good, solution.ys, 0.0).pow(2).sum()
        return *torch.autograd.grad(loss, (p, y0)), solution

    by_p, by_y0, solution = gradients([0, 1, 2])
    p_alone, y0_alone, _ = gradients([0, 2])
    assert solution.status.tolist() == [legato.Status.SUCCESS, legato.Status.NONFINITE, legato.Status.SUCCESS]
    assert bool(by_p.isfinite())
    assert bool(by_y0.isfinite().all())
    assert torch.equal(by_y0[1], torch.zeros(2, dtype=torch.float64))
    # Shared steps shrink before the failure, so the others are right to tolerance; independent ones are the same.
    tolerance = 1e-13 if steps == "independent" or solver == "rk4" else 1e-5
    torch.testing.assert_close(by_p, p_alone, rtol=tolerance, atol=0)
    torch.testing.assert_close(by_y0[[0, 2]], y0_alone, rtol=tolerance, atol=0)


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("steps", MODES)
def test_what_a_failed_row_reached_has_its_gradient_and_what_it_did_not_has_none(steps: str, gradient: str) -> None:
    """An unmasked loss over `ys` is NaN; the cotangents of what was not reached are dropped, those before are exact."""
    flag = torch.tensor([[1.0]], dtype=torch.float64)
    y0 = torch.tensor([[0.5]], dtype=torch.float64, requires_grad=True)
    p = torch.tensor(0.8, dtype=torch.float64)
    options = {"steps": steps, "gradient": gradient, "on_failure": "partial", "rtol": 1e-9, "atol": 1e-9}
    solution = legato.solve(failing, y0, [0.0, 0.25, 0.75], (p, flag), args_batched=(False, True), **options)
    assert solution.ys.isnan().flatten().tolist() == [False, False, True]
    (found,) = torch.autograd.grad(solution.ys.nan_to_num(0.0).sum() + 0 * solution.ys[1:2].sum(), y0)
    (wanted,) = torch.autograd.grad(legato.solve(failing, y0, [0.0, 0.25], (p, 0 * flag), **options).ys.sum(), y0)
    torch.testing.assert_close(found, wanted, rtol=1e-7, atol=0)


# What changes between the solve and its backward pass


class Gained(torch.nn.Module):
    """A field that reads an attribute without a gradient, and drops components while it trains."""

    def __init__(self) -> None:
        super().__init__()
        self.rate = torch.nn.Parameter(torch.tensor(1.0, dtype=torch.float64))
        self.gain = torch.tensor(1.0, dtype=torch.float64)
        self.drop = torch.nn.Dropout(0.5)
        self.eval()

    def forward(self, t: Tensor, y: Tensor) -> Tensor:
        return self.drop(self.rate * self.gain * y)


def assigned(field: Gained) -> None:
    field.gain = torch.tensor(-2.0, dtype=torch.float64)


def in_place(field: Gained) -> None:
    field.gain.fill_(3.0)


def to_training(field: Gained) -> None:
    field.train()


@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("change", [assigned, in_place, to_training])
def test_a_field_that_is_another_in_the_backward_pass_raises(change: Any, steps: str) -> None:
    field = Gained()
    ys = legato.solve(field, start(), (0.0, 1.0), steps=steps).ys
    change(field)
    with pytest.raises(GradientError, match="something that the field uses has changed"):
        ys.sum().backward()


def test_a_control_that_is_assigned_from_segment_to_segment_raises_in_the_backward_pass() -> None:
    field, y = Gained(), start()
    for gain in (1.0, -2.0):
        field.gain = torch.tensor(gain, dtype=torch.float64)
        y = legato.solve(field, y, (0.0, 1.0)).ys[-1]
    with pytest.raises(GradientError, match="args="):
        y.sum().backward()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("solver", ["tsit5", "dop853", "rk4"])
@pytest.mark.parametrize("steps", MODES)
def test_rounding_alone_is_never_taken_for_a_change(steps: str, solver: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(8, 64), torch.nn.Tanh(), torch.nn.Linear(64, 8)).to(dtype)
    y0 = torch.randn(33, 8, dtype=dtype) * torch.logspace(-6, 6, 33, dtype=dtype)[:, None]
    for tolerance in (1e-3, 1e-6 if dtype == torch.float32 else 1e-10):
        options = {"dt0": 0.05} if solver == "rk4" else {"rtol": tolerance, "atol": tolerance * 1e-3}
        legato.solve(lambda t, y: 5 * net(y), y0, (0.0, 3.0), solver=solver, steps=steps, **options).ys.sum().backward()


# A failed row that the field cannot leave out


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_a_masked_loss_is_finite_where_the_failed_row_is_still_evaluated(gradient: str) -> None:
    """The field holds a value per sample, so it cannot take a part of the batch."""
    rate = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    ends = torch.tensor([[10.0], [0.5], [10.0]], dtype=torch.float64)
    y0 = torch.ones(3, 1, dtype=torch.float64)

    def field(t: Tensor, y: Tensor) -> Tensor:
        return -rate * torch.sqrt(ends - t) * y

    solution = legato.solve(field, y0, (0.0, 1.0), gradient=gradient, on_failure="partial")
    good = (solution.status == legato.Status.SUCCESS)[None, :, None]
    (found,) = torch.autograd.grad(torch.where(good, solution.ys, 0.0).sum(), rate)
    exponent = 2 / 3 * (10**1.5 - 9**1.5)
    torch.testing.assert_close(found.item(), -2 * exponent * math.exp(-exponent), rtol=1e-6, atol=0)


# Tensors that no torch function is handed


@pytest.mark.parametrize("steps", MODES)
def test_args_with_a_history_pass_first_and_second_derivatives_where_rows_run_alone(steps: str) -> None:
    """A state of several leaves runs under vmap, one sample at a time; y = exp(-w c t) of each."""
    rates = torch.tensor([[1.0], [2.0], [3.0]], dtype=torch.float64)
    w = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    y0 = (torch.ones(3, 1, dtype=torch.float64), torch.ones(3, 2, dtype=torch.float64))
    options = {"args_batched": True, "steps": steps, "rtol": 1e-10, "atol": 1e-12}
    ys = legato.solve(lambda t, y, a: (-a * y[0], -a * y[1]), y0, (0.0, 1.0), w * rates, **options).ys
    (first,) = torch.autograd.grad(ys[1].sum(), w, create_graph=True)
    (second,) = torch.autograd.grad(first, w)
    decay = 2 * torch.exp(-1.5 * rates)
    torch.testing.assert_close(first, -(rates * decay).sum(), rtol=1e-8, atol=0)
    torch.testing.assert_close(second, (rates**2 * decay).sum(), rtol=1e-8, atol=0)


class Product(torch.autograd.Function):
    """A function of the user's own, which no mode sees."""

    @staticmethod
    def forward(ctx: Any, rate: Tensor, y: Tensor) -> Tensor:
        ctx.save_for_backward(rate, y)
        return -rate * y

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor, Tensor]:
        rate, y = ctx.saved_tensors
        return (-y * cotangents[0]).sum_to_size(rate.shape), -rate * cotangents[0]


@pytest.mark.parametrize("steps", MODES)
def test_args_with_a_history_reach_a_function_of_the_users_own(steps: str) -> None:
    w = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    field = lambda t, y, rate: Product.apply(rate, y)  # noqa: E731
    ys = legato.solve(field, torch.ones(2, 1, dtype=torch.float64), (0.0, 1.0), 2 * w, steps=steps, rtol=1e-10).ys
    assert torch.autograd.grad(ys.sum(), w)[0].item() == pytest.approx(-4 * math.exp(-1), rel=1e-8)


def test_parameters_that_take_turns_are_all_found_in_every_iteration() -> None:
    """y' = -p_k y on [k, k + 1): dy(3)/dp_k = -y(3)."""
    parameters = [torch.tensor(0.1 * (k + 1), dtype=torch.float64, requires_grad=True) for k in range(3)]

    def field(t: Tensor, y: Tensor) -> Tensor:
        return -parameters[min(int(t), 2)] * y

    for _ in range(3):
        end = legato.solve(field, torch.ones(1, 1, dtype=torch.float64), (0.0, 3.0), jumps=[1.0, 2.0]).ys.sum()
        found = torch.autograd.grad(end, parameters)
        assert [float(part) for part in found] == pytest.approx([-math.exp(-0.6)] * 3, rel=1e-6)
