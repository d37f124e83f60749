"""The latent field's laws: turns keep the energy, nothing leaves, calendars count whole cycles."""

from __future__ import annotations

import torch

from legato import solve
from legato.models.latent_field import LatentEnsemble, latent_slope

ALL = slice(None)


def ensemble(*, rates: tuple[float, ...] = (), size: float = 1.0, seed: int = 0) -> LatentEnsemble:
    made = LatentEnsemble(members=3, features=5, latent=4, channels=2, rates=rates)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in made.parameters():
            weight.copy_(size * torch.randn(weight.shape, generator=generator))
    return made


def arguments(made: LatentEnsemble, windows: int = 2) -> dict[str, torch.Tensor]:
    phase = torch.full((windows, len(made.rate)), 0.25, dtype=torch.float64)
    return {**made._field_weights(ALL), "phase": phase, "rate": made.rate}


def test_the_field_is_its_formula() -> None:
    made = ensemble(rates=(0.5,))
    state = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(1))
    found = latent_slope(torch.tensor(0.5), state, arguments(made))
    member, window = 1, 1
    z = state[window, member]
    upper = made.skew[member].triu(1)
    energy = z.view(2, 2).square().sum(dim=1)
    q = energy / (1 + energy / 25)
    turned = torch.stack([-z[1], z[0], -z[3], z[2]])
    damping = torch.nn.functional.softplus(made.damping[member, 0] + (q @ made.brake[member]).repeat_interleave(2))
    angle = torch.tensor(2 * torch.pi * (0.25 + 0.5 * 0.5))
    inputs = torch.cat([z, angle.sin()[None], angle.cos()[None]])
    hidden = torch.tanh(inputs @ made.first[member] + made.first_bias[member, 0])
    network = hidden @ made.second[member] + made.second_bias[member, 0]
    turn = (q @ made.turn[member]).repeat_interleave(2)
    expected = z @ (upper - upper.T) + turned * turn - damping * z + network
    torch.testing.assert_close(found[window, member], expected, atol=2e-6, rtol=1e-5)


def test_without_network_and_damping_the_energy_stays() -> None:
    made = ensemble()
    with torch.no_grad():
        made.second.zero_(), made.second_bias.zero_(), made.brake.zero_()
        made.damping.fill_(-40.0)
    state = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(2))
    slope = latent_slope(torch.tensor(0.0), state, arguments(made))
    torch.testing.assert_close((slope * state).sum(dim=2), torch.zeros(2, 3), atol=1e-5, rtol=0)


def test_no_trajectory_leaves_even_where_damping_is_nearly_gone() -> None:
    made = ensemble(seed=3)
    with torch.no_grad():
        made.damping.fill_(-40.0), made.brake.fill_(-5.0)
    start = torch.full((1, 3, 4), 6.0)
    with torch.no_grad():
        states = solve(latent_slope, start, (0.0, 10.0), arguments(made, 1), batch_dims=1, rtol=1e-3, atol=1e-3).ys
        force = made.second.abs().sum(dim=1).norm(dim=1) + made.second_bias[:, 0].norm(dim=1)
    # At radius r the damping is at least r^2/2/36 - 1, so at the end the network's force must outweigh it times r.
    radius = states[-1, 0].norm(dim=1)
    assert bool(states.isfinite().all())
    assert bool(((radius.square() / 72 - 1) * radius <= 1.01 * force).all())


def test_a_whole_cycle_of_the_calendar_later_the_field_is_the_same() -> None:
    made = ensemble(rates=(0.25,))
    state = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(4))
    args = arguments(made)
    with torch.no_grad():
        now, later, between = (latent_slope(torch.tensor(t, dtype=torch.float64), state, args) for t in (1.0, 5.0, 2.0))
    torch.testing.assert_close(now, later, atol=1e-6, rtol=0)
    assert float((now - between).abs().max()) > 1e-3


def test_a_clipped_gradient_has_a_norm_of_at_most_one_per_member() -> None:
    made = ensemble()
    factor = torch.tensor([1e-4, 1.0, 100.0]).view(3, 1, 1)
    sum((factor * weight**2).sum() for weight in made.parameters()).backward()
    before = torch.stack([w.grad.flatten(1).square().sum(dim=1) for w in made.parameters()]).sum(dim=0).sqrt()
    made.clip()
    after = torch.stack([w.grad.flatten(1).square().sum(dim=1) for w in made.parameters()]).sum(dim=0).sqrt()
    torch.testing.assert_close(after, before.clamp(max=1.0))
    assert before[0] < 1 < before[2]
