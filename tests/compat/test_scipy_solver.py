"""`method="scipy_solver"` beside torchdiffeq's own."""

from __future__ import annotations

import math
import warnings
from typing import Any

import pytest
import torch
from beside_torchdiffeq import DOUBLE, PROBLEMS, Recorded, peer
from torch import Tensor

import legato
from legato.core.errors import GradientError, InputError, OptionError, SolveError

METHODS = ("RK45", "RK23", "DOP853", "Radau", "BDF", "LSODA")
FEW = {"rtol": 1e-6, "atol": 1e-8, "method": "scipy_solver"}


def theirs(*arguments: Any, default: torch.dtype = DOUBLE, **options: Any) -> Any:
    """Return the peer's states; it makes tensors of LSODA's times by the default dtype, so that is set to double."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(default)
    try:
        with warnings.catch_warnings():
            # It hands `min_step` to every method of SciPy, of which only LSODA knows it.
            warnings.simplefilter("ignore", UserWarning)
            return peer.odeint(*arguments, **options)
    finally:
        torch.set_default_dtype(before)


@pytest.mark.parametrize("name", list(PROBLEMS))
@pytest.mark.parametrize("method", METHODS)
def test_the_states_are_the_peers_whichever_way_time_runs(method: str, name: str) -> None:
    field, y0, t = PROBLEMS[name]
    for times in (t.double(), -t.double()):
        options = {**FEW, "options": {"solver": method}}
        with torch.no_grad():
            mine, other = legato.odeint(field, y0, times, **options), theirs(field, y0, times, **options)
        assert mine.shape == other.shape
        assert mine.dtype == other.dtype
        # The peer solves backwards by minus the field; differences that round otherwise reach the Jacobians.
        torch.testing.assert_close(mine, other, rtol=1e-7, atol=1e-8)


def test_lsoda_is_the_default_and_the_field_sees_what_the_peer_shows_it() -> None:
    seen: list[Any] = []

    def field(t: Tensor, y: Tensor) -> Tensor:
        seen.append((t.dtype, t.shape, y.dtype, y.shape))
        return -y * t

    y0, t = torch.ones(2, 3), torch.linspace(0, 1, 4, dtype=DOUBLE)
    mine = legato.odeint(field, y0, t, **FEW)
    other = theirs(field, y0, t, **FEW)
    assert len(set(seen)) == 1
    assert mine.dtype == other.dtype == torch.float32
    torch.testing.assert_close(mine, other, rtol=1e-6, atol=1e-6)
    ours, peers = Recorded(field), Recorded(field)
    legato.odeint(ours, y0, t, **FEW)
    theirs(peers, y0, t, **FEW)
    # Ours is called twice more at the start, to check its contract.
    assert ours.times[2:] == peers.times


def test_the_time_of_lsoda_is_not_rounded_to_single_precision_as_the_peers_is() -> None:
    """At t = 1e6 single precision moves in steps of 0.06, which sin(t) shows far above the tolerance."""
    y0, t = torch.ones(1, dtype=DOUBLE), torch.tensor([1e6, 1e6 + 2], dtype=DOUBLE)
    exact = 1 + math.cos(1e6) - math.cos(1e6 + 2)
    mine = legato.odeint(lambda t, y: torch.sin(t) + 0 * y, y0, t, **FEW)
    assert abs(float(mine[-1]) - exact) < 1e-5
    other = theirs(lambda t, y: torch.sin(t) + 0 * y, y0, t, default=torch.float32, **FEW)
    assert abs(float(other[-1]) - exact) > 1e-4


def test_tuples_and_their_tolerances_are_the_peers() -> None:
    y0 = torch.ones(2, dtype=DOUBLE), torch.full((3, 1), 2.0, dtype=DOUBLE)
    t = torch.linspace(0, 2, 5, dtype=DOUBLE)

    def field(t: Tensor, y: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        if float(y[0][0]) < -1:  # what `vmap` could not run
            return y
        return -y[0], torch.cos(t) * y[1]

    for options in (FEW, {**FEW, "atol": (1e-3, 1e-9)}):
        torch.testing.assert_close(
            legato.odeint(field, y0, t, **options), theirs(field, y0, t, **options), rtol=1e-10, atol=1e-12
        )


@pytest.mark.parametrize("options", [{"max_step": 0.05}, {"solver": "RK45", "max_step": 0.1}, {"min_step": 1e-3}, {}])
def test_options_mean_what_they_mean_to_the_peer(options: dict[str, Any]) -> None:
    field, y0, t = PROBLEMS["forced growth"]
    ours, peers = Recorded(field), Recorded(field)
    run = {**FEW, "options": options}
    torch.testing.assert_close(
        legato.odeint(ours, y0, t.double(), **run), theirs(peers, y0, t.double(), **run), rtol=1e-9, atol=1e-10
    )
    assert len(ours.times) - 2 == len(peers.times)


def test_the_norm_is_taken_and_has_no_effect_as_with_the_peer() -> None:
    field, y0, t = PROBLEMS["rotation"]
    plain = legato.odeint(field, y0, t.double(), **FEW)
    normed = legato.odeint(field, y0, t.double(), options={"norm": lambda error: error.abs().max()}, **FEW)
    assert torch.equal(plain, normed)


def test_one_time_gives_the_initial_state() -> None:
    y0 = torch.randn(2, 3)
    assert torch.equal(legato.odeint(lambda t, y: y, y0, torch.tensor([3.0]), method="scipy_solver"), y0[None])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"solver": "lsoda"}, OptionError, "did you mean 'LSODA'"),
        ({"first_step": 0.1}, OptionError, "no 'first_step'"),
        ({"max_step": 0.0}, InputError, "above zero"),
        ({"min_step": -1.0}, InputError, "at least zero"),
        ({"solver": "RK45", "min_step": 0.1}, InputError, "belongs to the solver 'LSODA'"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        legato.odeint(lambda t, y: -y, torch.ones(2), torch.tensor([0.0, 1.0]), method="scipy_solver", options=options)


def test_a_solve_that_ends_early_raises_where_the_peer_returns_fewer_times() -> None:
    y0, t = torch.ones(1, dtype=DOUBLE), torch.tensor([0.0, 0.5, 2.0], dtype=DOUBLE)
    run = {**FEW, "options": {"solver": "RK45"}}
    assert theirs(lambda t, y: y**2, y0, t, **run).shape == (2, 1)
    with pytest.raises(SolveError, match="DT_MIN"):
        legato.odeint(lambda t, y: y**2, y0, t, **run)


def test_a_gradient_is_refused_where_the_peer_returns_none() -> None:
    weight = torch.ones(1, requires_grad=True)
    y0, t = torch.ones(1), torch.tensor([0.0, 1.0])
    assert not theirs(lambda t, y: -weight * y, y0, t, method="scipy_solver").requires_grad
    for solver in (legato.odeint, legato.odeint_adjoint):
        with pytest.raises(GradientError, match="no_grad"):
            solver(lambda t, y: -weight * y, y0, t, method="scipy_solver")
        with torch.no_grad():
            assert solver(lambda t, y: -weight * y, y0, t, method="scipy_solver").shape == (2, 1)
