"""`odeint` and `odeint_adjoint`: states, gradients and errors, beside torchdiffeq, an independent implementation."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from beside_torchdiffeq import ADAPTIVE, DOUBLE, GRID, PROBLEMS, assert_same_steps, both, peer
from torch import Tensor

import legato
from legato.compat.torchdiffeq import METHODS, odeint_event
from legato.core.errors import FieldError, InputError, OptionError, SolveError


class Decay(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rate = torch.nn.Parameter(torch.tensor(0.7, dtype=DOUBLE))
        self.drive = torch.nn.Parameter(torch.tensor([0.3, -0.2], dtype=DOUBLE))

    def forward(self, t: Tensor, y: Tensor) -> Tensor:
        return -self.rate * y * y + self.drive * torch.sin(t)


class PairOfDecay(torch.nn.Module):
    def __init__(self, field: Decay) -> None:
        super().__init__()
        self.field = field

    def forward(self, t: Tensor, y: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return self.field(t, y[0]), self.field(t, y[1]) - 0.1 * y[0]


class TestStates:
    def pair(self, t: Tensor, y: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        angle, energy = y
        return torch.stack([angle[1], -torch.sin(angle[0])]), -0.01 * energy * angle[1] ** 2

    y0 = torch.tensor([2.0, 0.0], dtype=DOUBLE), torch.full((3, 1), 100.0, dtype=DOUBLE)
    t = torch.tensor([0.0, 9.0], dtype=DOUBLE)

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"rtol": (1e-5, 1e-8), "atol": [1e-7, 1e-4]},
            {"rtol": torch.tensor([1e-5, 1e-8])},
            {"atol": (torch.tensor([1e-6, 1e-9], dtype=DOUBLE), 1e-7)},
            {"atol": (1e-7, torch.tensor([1e-6, 1e-3, 1e-4], dtype=DOUBLE))},
            {"method": "dopri5", "options": {"norm": lambda error: error[0].abs().max() + error[1].abs().mean()}},
        ],
    )
    def test_a_tuple_is_measured_as_the_peer_measures_it(self, options: dict[str, Any]) -> None:
        mine, other, ours, theirs = both(self.pair, self.y0, self.t, **{"rtol": 1e-6, "atol": 1e-8, **options})
        assert_same_steps(ours, theirs)
        assert isinstance(mine, tuple)
        assert [part.shape for part in mine] == [part.shape for part in other] == [(2, 2), (2, 3, 1)]

    def test_a_field_of_a_tuple_may_return_a_list(self) -> None:
        listed = legato.odeint(lambda t, y: list(self.pair(t, y)), self.y0, self.t)
        torch.testing.assert_close(listed, legato.odeint(self.pair, self.y0, self.t), rtol=0, atol=0)

    def test_a_named_tuple_is_shown_to_the_field_as_a_tuple(self) -> None:
        class Named(NamedTuple):
            angle: Tensor
            energy: Tensor

        def field(t: Tensor, y: Any) -> Any:
            assert type(y) is tuple
            return self.pair(t, y)

        assert type(legato.odeint(field, Named(*self.y0), self.t)) is tuple

    def test_a_tolerance_per_component_is_the_peers(self) -> None:
        field, y0, t = PROBLEMS["pendulum"]
        tolerances = {"rtol": torch.tensor([1e-4, 1e-7], dtype=DOUBLE), "atol": torch.tensor([[1e-3], [1e-9]])}
        _, _, ours, theirs = both(field, y0, t[[0, -1]].double(), **tolerances)
        assert_same_steps(ours, theirs)

    def test_one_time_gives_the_initial_state(self) -> None:
        t = torch.tensor([3.0])
        for y0 in (torch.randn(2, 3, requires_grad=True), (torch.randn(2), torch.randn(1, 2))):
            for solver in (legato.odeint, legato.odeint_adjoint):
                for options in ({}, {"method": "rk4", "options": {"step_size": 0.1}}):
                    result = solver(lambda t, y: y, y0, t, **options)
                    expected = y0[None] if isinstance(y0, Tensor) else tuple(part[None] for part in y0)
                    torch.testing.assert_close(result, expected, rtol=0, atol=0)

    def test_time_and_state_may_have_unlike_dtypes(self) -> None:
        seen: list[torch.dtype] = []

        def field(t: Tensor, y: Tensor) -> Tensor:
            seen.append(t.dtype)
            return -y * t

        for state, time in ((torch.float32, torch.float64), (torch.float64, torch.float32)):
            y0, t = torch.ones(2, dtype=state), torch.tensor([0.0, 1.0], dtype=time)
            mine, other = legato.odeint(field, y0, t), peer.odeint(field, y0, t)
            assert mine.dtype == other.dtype == state
            assert set(seen) == {state}
            seen.clear()
            torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-5)

    def test_a_complex_state_turns_as_it_should(self) -> None:
        y0, t = torch.ones(1, dtype=torch.complex128), torch.tensor([0.0, 2.0], dtype=DOUBLE)
        mine = legato.odeint(lambda t, y: 1j * y, y0, t)
        torch.testing.assert_close(mine[-1, 0], torch.exp(2j * torch.ones((), dtype=torch.complex128)))
        assert mine.dtype == torch.complex128


class TestGradients:
    y0 = torch.tensor([1.0, 0.4], dtype=DOUBLE)
    t = torch.tensor([0.0, 0.6, 1.5, 2.0], dtype=DOUBLE)
    weights = torch.tensor([[0.3, 1.0], [-1.0, 2.0], [0.7, 0.1], [1.0, -0.5]], dtype=DOUBLE)

    def gradients(self, solver: Callable[..., Any], **options: Any) -> tuple[Tensor, ...]:
        field = Decay()
        y0, t = self.y0.clone().requires_grad_(), self.t.clone().requires_grad_()
        loss = (solver(field, y0, t, **options) * self.weights).sum()
        return torch.autograd.grad(loss, (y0, t, field.rate, field.drive))

    @pytest.mark.parametrize("ours", [legato.odeint, legato.odeint_adjoint], ids=["direct", "adjoint"])
    @pytest.mark.parametrize("method", [*ADAPTIVE, *GRID])
    def test_the_gradients_are_those_of_the_equation(self, ours: Callable[..., Any], method: str) -> None:
        order, grid = METHODS[method].order, method in GRID
        options: dict[str, Any] = {"options": {"step_size": 0.02}} if grid else {"rtol": 1e-5, "atol": 1e-7}
        # The error of order p in steps h is about h^p, of the interpolant h^3 at best; of an adaptive method its
        # tolerance times its steps.
        tolerance = 0.02 ** min(order, 3) if grid else 1e-5 * (1000 if order == 2 else 100)
        theirs = self.gradients(peer.odeint, method="dopri8", rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(
            self.gradients(ours, method=method, **options), theirs, rtol=tolerance, atol=tolerance
        )

    @pytest.mark.parametrize("method", GRID)
    def test_on_a_coarse_grid_the_gradient_is_that_of_the_steps_taken(self, method: str) -> None:
        def gradients(solver: Callable[..., Any]) -> tuple[Tensor, ...]:
            field, y0, t = Decay(), self.y0.clone().requires_grad_(), self.t.clone().requires_grad_()
            loss = (solver(field, y0, t, method=method) * self.weights).sum()
            return torch.autograd.grad(loss, (y0, t, field.rate, field.drive))

        theirs = gradients(peer.odeint)
        for ours in (legato.odeint, legato.odeint_adjoint):
            torch.testing.assert_close(gradients(ours), theirs, rtol=1e-12, atol=1e-12)

    def test_the_adjoint_gradient_is_the_direct_one(self) -> None:
        loose = {"rtol": 1e-3, "atol": 1e-3}
        direct, adjoint = (self.gradients(solver, **loose) for solver in (legato.odeint, legato.odeint_adjoint))
        # Both sum the stages in another order, and the step sizes carry the rounding of tiny errors on.
        torch.testing.assert_close(adjoint, direct, rtol=1e-9, atol=1e-9)
        # The peer's own adjoint is off by what its tolerance allows.
        assert (self.gradients(peer.odeint_adjoint, **loose)[2] - direct[2]).abs() > 1e-6

    @pytest.mark.parametrize("solver", [legato.odeint, legato.odeint_adjoint], ids=["direct", "adjoint"])
    def test_a_second_derivative_is_exact(self, solver: Callable[..., Any]) -> None:
        rate = torch.tensor(0.7, dtype=DOUBLE, requires_grad=True)
        y0, t = torch.tensor([2.0], dtype=DOUBLE, requires_grad=True), torch.tensor([0.0, 1.5], dtype=DOUBLE)
        end = solver(lambda t, y: -rate * y, y0, t)[-1, 0]
        (slope,) = torch.autograd.grad(end, rate, create_graph=True)
        curvature, mixed = torch.autograd.grad(slope, (rate, y0))
        # y = y0 exp(-p t): y_pp = t^2 y, y_py = -t exp(-p t).
        decay = math.exp(-0.7 * 1.5)
        assert slope.item() == pytest.approx(-1.5 * 2 * decay, rel=1e-6)
        assert curvature.item() == pytest.approx(1.5**2 * 2 * decay, rel=1e-6)
        assert mixed.item() == pytest.approx(-1.5 * decay, rel=1e-6)

    def test_a_tuple_state_has_the_peers_gradient(self) -> None:
        def gradients(solver: Callable[..., Any]) -> tuple[Tensor, ...]:
            field, y0 = Decay(), self.y0.clone().requires_grad_()
            whole = solver(PairOfDecay(field), (y0, 2 * y0.flip(0)), self.t, rtol=1e-9, atol=1e-11)
            loss = (whole[0] * self.weights).sum() + whole[1][-1].square().sum()
            return torch.autograd.grad(loss, (y0, field.rate, field.drive))

        for ours in (legato.odeint, legato.odeint_adjoint):
            torch.testing.assert_close(gradients(ours), gradients(peer.odeint), rtol=1e-7, atol=1e-7)

    def test_backward_fills_the_gradients_of_a_training_step(self) -> None:
        found = []
        for solver in (legato.odeint_adjoint, peer.odeint_adjoint):
            field = Decay()
            solver(field, self.y0, self.t, rtol=1e-8, atol=1e-10).square().sum().backward()
            found.append((field.rate.grad, field.drive.grad))
        torch.testing.assert_close(found[0], found[1], rtol=1e-6, atol=1e-6)


class TestAdjointArguments:
    t = torch.tensor([0.0, 1.0], dtype=DOUBLE)

    @pytest.mark.parametrize(
        "options",
        [
            {"adjoint_rtol": 1e-2, "adjoint_atol": torch.tensor(1e-2)},
            {"adjoint_rtol": (1e-2, 1e-3)},
            {"adjoint_method": "rk4"},
            {"adjoint_method": "implicit_adams", "adjoint_options": {"max_order": 5}},
            {"adjoint_options": {"norm": "seminorm"}},
            {"adjoint_options": {"norm": lambda parts: parts[1].abs().max(), "min_step": 1e-3}},
            {"adjoint_method": "euler", "adjoint_options": {"step_size": 0.5}},
        ],
        ids=lambda options: ",".join(options),
    )
    def test_what_would_choose_a_second_equation_has_no_effect(self, options: dict[str, Any]) -> None:
        gradients = []
        for given in ({}, options):
            field = Decay()
            y = legato.odeint_adjoint(field, torch.ones(2, dtype=DOUBLE), self.t, **given)
            gradients.append(torch.autograd.grad(y.square().sum(), (field.rate, field.drive)))
        torch.testing.assert_close(gradients[0], gradients[1], rtol=0, atol=0)

    @pytest.mark.parametrize("state", ["tensor", "tuple", "tensor with a gradient"])
    def test_adjoint_params_alone_get_a_gradient(self, state: str) -> None:
        field, outside = Decay(), torch.tensor(0.5, dtype=DOUBLE, requires_grad=True)
        y0 = torch.ones(2, dtype=DOUBLE, requires_grad=state == "tensor with a gradient")

        def gradients(
            solver: Callable[..., Any], wanted: Callable[[Tensor], Any] | None = None
        ) -> tuple[Tensor | None, ...]:
            derived = 2 * outside

            def changed(t: Tensor, y: Any) -> Any:
                lone = isinstance(y, Tensor)
                result = field(t, y if lone else y[0]) * derived
                return result if lone else (result,)

            options = {} if wanted is None else {"adjoint_params": wanted(derived)}
            y = solver(changed, (y0,) if state == "tuple" else y0, self.t, **options)
            loss = (y if isinstance(y, Tensor) else y[0]).square().sum()
            sources = (field.rate, field.drive, outside, *([y0] if y0.requires_grad else []))
            return torch.autograd.grad(loss, sources, allow_unused=True)

        everything = gradients(legato.odeint)
        assert all(part is not None for part in everything)
        torch.testing.assert_close(gradients(legato.odeint_adjoint), everything, rtol=1e-11, atol=1e-11)
        first = gradients(legato.odeint_adjoint, lambda derived: iter([field.rate]))
        assert first[1] is first[2] is None
        torch.testing.assert_close(first[0], everything[0], rtol=1e-11, atol=1e-11)
        torch.testing.assert_close(first[3:], everything[3:], rtol=1e-11, atol=1e-11)
        second = gradients(legato.odeint_adjoint, lambda derived: (derived, field.drive))
        assert second[0] is None
        torch.testing.assert_close(second[1:], everything[1:], rtol=1e-11, atol=1e-11)

    def test_no_adjoint_params_leave_the_gradient_of_the_state_and_the_times(self) -> None:
        field, y0 = Decay(), torch.ones(2, dtype=DOUBLE, requires_grad=True)
        t = self.t.clone().requires_grad_()
        loss = legato.odeint_adjoint(field, y0, t, adjoint_params=()).square().sum()
        found = torch.autograd.grad(loss, (y0, t, field.rate, field.drive), allow_unused=True)
        assert found[0] is not None
        assert found[1] is not None
        assert found[2] is found[3] is None
        with torch.no_grad():
            assert not legato.odeint_adjoint(field, y0, t, adjoint_params=()).requires_grad

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"adjoint_method": "dopri55"}, OptionError, "did you mean 'dopri5'"),
            ({"adjoint_options": {"norm": "seminrm"}}, OptionError, "seminorm"),
            ({"adjoint_options": {"frist_step": 1}}, OptionError, "adjoint_options has no 'frist_step'.*first_step"),
            ({"adjoint_method": "rk4", "adjoint_options": {"safety": 1}}, OptionError, "adaptive steps"),
            ({"adjoint_options": [1]}, InputError, "a dict"),
            ({"adjoint_rtol": -1e-3}, InputError, "adjoint_rtol"),
            ({"adjoint_atol": "tight"}, InputError, "adjoint_atol"),
            ({"adjoint_params": torch.ones(2)}, InputError, "iterable of tensors"),
            ({"adjoint_params": ["rate"]}, InputError, "iterable of tensors"),
            ({"adjoint_params": 3}, InputError, "iterable of tensors"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, options: Any, error: type[Exception], message: str) -> None:
        with pytest.raises(error, match=message):
            legato.odeint_adjoint(Decay(), torch.ones(2, dtype=DOUBLE), self.t, **options)


class TestErrors:
    y0, t = torch.ones(2), torch.tensor([0.0, 1.0])

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"method": "dorpi5"}, OptionError, "did you mean 'dopri5'"),
            ({"event_fn": lambda t, y: y[0]}, OptionError, "event_fn cannot be given yet: .*dense=True"),
            ({"options": {"frist_step": 1}}, OptionError, "no 'frist_step'.*did you mean 'first_step'"),
            ({"options": {"step_size": 0.1}}, OptionError, "'step_size' for method 'dopri5'; .*a grid of steps"),
            ({"method": "rk4", "options": {"max_num_steps": 9}}, OptionError, "methods with adaptive steps"),
            ({"options": [("first_step", 1)]}, InputError, "options is a dict"),
            ({"options": {"first_step": "small"}}, InputError, "'first_step'"),
            ({"options": {"first_step": 0.0}}, InputError, "above zero"),
            ({"options": {"min_step": 2.0, "max_step": 1.0}}, InputError, "above"),
            ({"options": {"dtype": torch.int64}}, InputError, "dtype"),
            ({"options": {"safety": 1.5}}, InputError, "safety"),
            ({"options": {"dfactor": 2.0}}, InputError, "dfactor"),
            ({"options": {"max_num_steps": 1.5}}, InputError, "max_num_steps"),
            ({"options": {"max_num_steps": "many"}}, InputError, "max_num_steps"),
            ({"method": 5}, OptionError, "method is the name of a method; got int"),
            ({"options": {"step_t": [0.5], "jump_t": [0.5]}}, InputError, "twice"),
            ({"options": {"step_t": 0.5}}, InputError, "1-D"),
            ({"options": {"norm": "rms"}}, InputError, "norm"),
            ({"method": "rk4", "options": {"step_size": 0.0}}, InputError, "above zero"),
            ({"method": "rk4", "options": {"step_size": 1e-12}}, InputError, "make it larger"),
            ({"method": "rk4", "options": {"interp": "linaer"}}, OptionError, "did you mean 'linear'"),
            ({"method": "rk4", "options": {"perturb": 1}}, InputError, "perturb"),
            ({"method": "rk4", "options": {"step_size": 0.1, "grid_constructor": max}}, InputError, "one of them"),
            ({"method": "rk4", "options": {"grid_constructor": [0, 1]}}, InputError, "is a function"),
            ({"method": "rk4", "options": {"grid_constructor": lambda f, y, t: t[:1]}}, InputError, "begin and end"),
            ({"method": "rk4", "options": {"grid_constructor": lambda f, y, t: [0, 1]}}, InputError, "1-D tensor"),
            ({"rtol": torch.tensor(1e-3, requires_grad=True)}, InputError, "detach"),
            ({"rtol": -1.0}, InputError, "rtol"),
            ({"atol": "tight"}, InputError, "atol"),
            ({"rtol": torch.ones(3)}, InputError, "broadcast"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, options: Any, error: type[Exception], message: str) -> None:
        for solver in (legato.odeint, legato.odeint_adjoint):
            with pytest.raises(error, match=message):
                solver(lambda t, y: -y, self.y0, self.t, **options)

    @pytest.mark.parametrize("t", [[0.0, 1.0], torch.tensor([0, 1]), torch.zeros(2, 2), torch.tensor([]), (0.0, 1.0)])
    def test_times_are_a_tensor_of_numbers(self, t: Any) -> None:
        with pytest.raises(InputError, match="1-D floating-point tensor"):
            legato.odeint(lambda t, y: -y, self.y0, t)

    def test_times_that_turn_back_are_refused(self) -> None:
        with pytest.raises(InputError, match="turn back"):
            legato.odeint(lambda t, y: -y, self.y0, torch.tensor([0.0, 1.0, 0.5]))

    @pytest.mark.parametrize("y0", [[torch.ones(2)], {"y": torch.ones(2)}, (), (1.0,), 1.0])
    def test_a_state_is_a_tensor_or_a_tuple_of_them(self, y0: Any) -> None:
        with pytest.raises(InputError, match="tensor or a tuple"):
            legato.odeint(lambda t, y: y, y0, self.t)

    def test_a_tuple_of_tolerances_has_one_per_entry(self) -> None:
        with pytest.raises(InputError, match="3 entries for a state of 2"):
            legato.odeint(lambda t, y: y, (self.y0, self.y0), self.t, rtol=(1e-3, 1e-3, 1e-3))

    def test_a_field_that_returns_another_shape_is_refused(self) -> None:
        with pytest.raises(FieldError, match="shape"):
            legato.odeint(lambda t, y: y.sum(), self.y0, self.t)

    def test_a_callback_is_refused_instead_of_never_called(self) -> None:
        field = Decay()
        field.callback_step = lambda t0, y0, dt: None
        with pytest.raises(OptionError, match="callback_step"):
            legato.odeint(field, self.y0.double(), self.t)

    def test_a_solution_that_blows_up_is_an_error_that_says_when(self) -> None:
        t = torch.tensor([0.0, 2.0], dtype=DOUBLE)
        # y' = y^2, y(0) = 1 is 1 / (1 - t).
        with pytest.raises(SolveError, match="blow up") as caught:
            legato.odeint(lambda t, y: y**2, torch.ones(1, dtype=DOUBLE), t, rtol=1e-4)
        assert caught.value.solution.t_reached.item() == pytest.approx(1.0, abs=1e-3)

    def test_events_of_the_peer_say_that_they_are_still_to_come(self) -> None:
        with pytest.raises(OptionError, match="still to come"):
            odeint_event(lambda t, y: -y, self.y0, self.t[0], event_fn=lambda t, y: y[0] - 0.5)

    def test_every_method_of_the_peer_is_there_or_said_to_come(self) -> None:
        from torchdiffeq._impl.odeint import SOLVERS

        for name in SOLVERS:
            if name not in METHODS:
                with pytest.raises(OptionError, match="still to come"):
                    legato.odeint(lambda t, y: -y, self.y0, self.t, method=name)

    def test_a_name_alone_is_refused_by_nothing_but_its_signature(self) -> None:
        with pytest.raises(TypeError):
            legato.odeint(lambda t, y: -y, self.y0, self.t, 1e-3)
