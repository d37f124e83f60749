"""Fields that break their contract are refused, and the advice given is good."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import legato
from legato.core.errors import FieldError

MODES = ["shared", "independent"]
KEEP = {"on_failure": "partial"}
# One explicit method of every kind of error estimate: none, one, DOP853's two.
METHODS = ["tsit5", "dop853", "dopri8", "rk4"]


def start() -> tuple[Tensor, Tensor]:
    """Three samples of two components; the second one fails."""
    y0 = torch.tensor([[1.0, 0.5], [2.0, 2.0], [0.3, 1.5]], dtype=torch.float64)
    return y0, torch.tensor([[0.0], [1.0], [0.0]], dtype=torch.float64)


def widened(t: Tensor, y: Tensor) -> Tensor:
    return torch.ones(1, dtype=y.dtype)


def summed(t: Tensor, y: Tensor) -> Tensor:
    return y.sum()


def stretched(t: Tensor, y: Tensor) -> Tensor:
    return torch.stack([y, y])


def wrong_dtype(t: Tensor, y: Tensor) -> Tensor:
    return -y.float()


def no_tensor(t: Tensor, y: Tensor) -> Any:
    return 0.0


def nothing(t: Tensor, y: Tensor) -> Any:
    return None


def structure(t: Tensor, y: Tensor) -> Any:
    return (-y, -y)


def in_place(t: Tensor, y: Tensor) -> Tensor:
    y *= 2
    return -y


def in_place_later(t: Tensor, y: Tensor) -> Tensor:
    """At t = 0 the values stay as they are."""
    y.mul_(1 + t)
    return -y


def random(t: Tensor, y: Tensor) -> Tensor:
    return -y * torch.rand_like(y)


BROKEN: dict[Callable[..., Any], str] = {
    widened: "shape",
    summed: "shape",
    stretched: "shape",
    wrong_dtype: "float32",
    no_tensor: "returned float",
    nothing: "returned NoneType",
    structure: "returned tuple",
    in_place: "in place",
    in_place_later: "in place",
}


@pytest.mark.parametrize("gradient", ["discrete", "direct"])
@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("solver", ["tsit5", "rk4"])
@pytest.mark.parametrize("field", list(BROKEN), ids=lambda field: field.__name__)
def test_a_field_that_breaks_its_contract_is_refused(field: Any, solver: str, steps: str, gradient: str) -> None:
    y0 = start()[0]
    before = y0.clone()
    with pytest.raises(FieldError, match=BROKEN[field]):
        legato.solve(field, y0, (0.0, 1.0), solver=solver, dt0=0.1, steps=steps, gradient=gradient)
    assert torch.equal(y0, before)


class Dropped(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 2)).double()

    def forward(self, t: Tensor, y: Tensor) -> Tensor:
        return self.net(y)


class Normalised(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.BatchNorm1d(2).double()

    def forward(self, t: Tensor, y: Tensor) -> Tensor:
        return self.norm(y)


class Noisy:
    """Its own generator, which the global random state does not show."""

    def __init__(self) -> None:
        self.noise = torch.Generator().manual_seed(0)

    def __call__(self, t: Tensor, y: Tensor) -> Tensor:
        return -y + torch.randn(y.shape, generator=self.noise, dtype=y.dtype)


class Drifting:
    """Another result at every call, without any random number."""

    calls = 0

    def __call__(self, t: Tensor, y: Tensor) -> Tensor:
        self.calls += 1
        return -y * self.calls


class Recycling:
    """A field that returns the same memory every time."""

    def __init__(self) -> None:
        self.memory = torch.empty(3, 2, dtype=torch.float64)

    def __call__(self, t: Tensor, y: Tensor) -> Tensor:
        return self.memory[: len(y)].copy_(y).neg_()


@pytest.mark.parametrize(
    ("make", "advice"),
    [
        (Dropped, r"module\.eval\(\)"),
        (Normalised, r"module\.eval\(\)"),
        (lambda: random, "args="),
        (Noisy, "gradient='direct'"),
        (Drifting, "gradient='direct'"),
    ],
)
@pytest.mark.parametrize("grad", [True, False])
def test_an_impure_field_is_refused_with_advice(make: Any, advice: str, grad: bool) -> None:
    with torch.set_grad_enabled(grad), pytest.raises(FieldError, match=advice):
        legato.solve(make(), start()[0], (0.0, 1.0))


@pytest.mark.parametrize("make", [Dropped, Normalised, lambda: random, Noisy, Drifting])
def test_an_impure_field_is_refused_under_independent_steps(make: Any) -> None:
    with pytest.raises(FieldError):
        legato.solve(make(), start()[0], (0.0, 1.0), steps="independent")


@pytest.mark.parametrize("make", [Dropped, Normalised])
@pytest.mark.parametrize("steps", MODES)
def test_the_advice_to_evaluate_is_good(make: Any, steps: str) -> None:
    assert legato.solve(make().eval(), start()[0], (0.0, 1.0), steps=steps).success


@pytest.mark.parametrize("make", [Dropped, Normalised, Noisy])
def test_the_advice_to_differentiate_directly_is_good(make: Any) -> None:
    torch.manual_seed(0)
    y0 = start()[0].requires_grad_()
    solution = legato.solve(make(), y0, (0.0, 1.0), gradient="direct", solver="rk4", dt0=0.1)
    assert bool(torch.autograd.grad(solution.ys.sum(), y0)[0].isfinite().all())


@pytest.mark.parametrize("gradient", ["discrete", "direct"])
@pytest.mark.parametrize("steps", MODES)
@pytest.mark.parametrize("solver", ["tsit5", "rk4"])
def test_a_field_that_returns_the_same_memory_is_right_or_refused(solver: str, steps: str, gradient: str) -> None:
    try:
        solution = legato.solve(
            Recycling(), start()[0], (0.0, 1.0), solver=solver, dt0=0.05, steps=steps, gradient=gradient
        )
    except FieldError:
        return
    assert ((solution.ys[0] - start()[0] * math.exp(-1)).abs() < 1e-5).all()


@pytest.mark.parametrize("steps", MODES)
def test_a_field_that_returns_its_own_input_is_right(steps: str) -> None:
    for gradient in ("discrete", "direct"):
        y0 = start()[0].requires_grad_()
        solution = legato.solve(lambda t, y: y, y0, (0.0, 1.0), steps=steps, gradient=gradient, rtol=1e-8)
        assert ((solution.ys[0] - y0 * math.e).abs() < 1e-6).all()
        (found,) = torch.autograd.grad(solution.ys.sum(), y0)
        torch.testing.assert_close(found, torch.full_like(y0, math.e), rtol=1e-7, atol=0)


def test_a_field_of_the_wrong_structure_is_refused() -> None:
    y0 = {"a": start()[0], "b": start()[0]}
    wrong: list[Callable[..., Any]] = [
        lambda t, y: y["a"],
        lambda t, y: (y["a"], y["b"]),
        lambda t, y: {"a": y["a"]},
        lambda t, y: {"a": y["a"], "b": 0.0},
        lambda t, y: {"b": y["b"], "a": y["a"][:, :1]},
        lambda t, y: {"a": y["a"], "c": y["b"]},
    ]
    for field in wrong:
        with pytest.raises(FieldError):
            legato.solve(field, y0, (0.0, 1.0))


def test_leaves_are_told_by_their_names_and_not_their_order() -> None:
    """A field may return its dict in another order; each derivative belongs to the leaf of its name."""
    y0 = {"a": start()[0], "b": 2 * start()[0]}
    solution = legato.solve(lambda t, y: {"b": -2 * y["b"], "a": -y["a"]}, y0, (0.0, 1.0), rtol=1e-8)
    assert ((solution.ys["a"][0] - y0["a"] * math.exp(-1)).abs() < 1e-6).all()
    assert ((solution.ys["b"][0] - y0["b"] * math.exp(-2)).abs() < 1e-6).all()


@pytest.mark.parametrize("steps", MODES)
def test_an_error_of_the_users_field_comes_through_as_it_is(steps: str) -> None:
    def field(t: Tensor, y: Tensor) -> Tensor:
        if bool((t > 0.5).any()):
            raise KeyError("mine")
        return -y

    with pytest.raises(KeyError, match="mine"):
        legato.solve(field, start()[0], (0.0, 1.0), steps=steps)


def test_a_field_that_mixes_samples_is_refused_under_independent_steps() -> None:
    """Samples with their own times have no common instant at which they could be mixed."""

    def field(t: Tensor, y: Tensor) -> Tensor:
        return -2 * y + y.mean(0, keepdim=True)

    with pytest.raises(FieldError, match="mixes rows"):
        legato.solve(field, start()[0], (0.0, 1.0), steps="independent")
    assert legato.solve(field, start()[0], (0.0, 1.0)).ys.isfinite().all()


# Fields that meet the rest of torch


class Hamiltonian(torch.nn.Module):
    """A field that is itself a gradient, with autograd switched on inside or left as it is."""

    def __init__(self, *, switched_on: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.energy = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)).double()
        self.switched_on = switched_on

    def forward(self, t: Tensor, y: Tensor) -> Tensor:
        with torch.set_grad_enabled(self.switched_on or torch.is_grad_enabled()):
            y = y.requires_grad_(True)
            (slope,) = torch.autograd.grad(self.energy(y).sum(), y, create_graph=True)
        return torch.stack([slope[:, 1], -slope[:, 0]], dim=-1)


@pytest.mark.parametrize("switched_on", [True, False])
def test_a_field_that_is_a_gradient_has_the_gradients_of_direct(switched_on: bool) -> None:
    field, found = Hamiltonian(switched_on=switched_on), {}
    for gradient in ("discrete", "direct"):
        y0 = start()[0][:, :2].clone()
        for _ in range(2):
            field.zero_grad()
            legato.solve(field, y0, (0.0, 1.0), gradient=gradient).ys.pow(2).sum().backward()
        found[gradient] = field.energy[0].weight.grad
        assert gradient == "direct" or not y0.requires_grad
    torch.testing.assert_close(found["discrete"], found["direct"], rtol=1e-9, atol=1e-12)
    with torch.no_grad():
        assert legato.solve(field, start()[0][:, :2], (0.0, 1.0)).ys.isfinite().all()


@pytest.mark.parametrize("steps", ["shared", "independent"])
def test_inference_mode_changes_no_value(steps: str) -> None:
    net = torch.nn.Linear(2, 2).double()
    given = {"steps": steps, "dense": True}
    usual = legato.solve(lambda t, y: net(y), start()[0][:, :2], (0.0, 1.0), **given)
    with torch.inference_mode():
        inferred = legato.solve(lambda t, y: net(y), start()[0][:, :2], (0.0, 1.0), **given)
        assert torch.equal(inferred.ys, usual.ys)
        assert torch.equal(inferred(0.5), usual(0.5))


def test_autocast_gives_the_gradients_of_direct_and_leaves_later_layers_theirs() -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.Tanh(), torch.nn.Linear(16, 2))
    y0, found = torch.ones(3, 2), {}
    for gradient in ("discrete", "direct"):
        net.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            ys = legato.solve(lambda t, y: net(y), y0, (0.0, 1.0), gradient=gradient, rtol=1e-2, atol=1e-2).ys
            last = net(y0)
        (ys.sum() + last.float().sum()).backward()
        found[gradient] = net[0].weight.grad.clone()
    torch.testing.assert_close(found["discrete"], found["direct"], rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("steps", ["shared", "independent"])
@pytest.mark.parametrize(
    ("field", "args"), [(torch.nn.Linear(2, 2), None), (lambda t, y: -y, 3.0), (lambda y: -y, None)]
)
def test_a_field_of_other_arguments_is_told_how_it_is_called(field: Any, args: Any, steps: str) -> None:
    called = r"field\(t, y\)" if args is None else r"field\(t, y, args\)"
    with pytest.raises(FieldError, match=called):
        legato.solve(field, torch.ones(3, 2), (0.0, 1.0), args, steps=steps)


def test_a_type_error_inside_the_field_comes_through() -> None:
    with pytest.raises(TypeError, match="unsupported operand"):
        legato.solve(lambda t, y: y + "a", torch.ones(3, 2), (0.0, 1.0))
