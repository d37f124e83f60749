"""The linear start in closed form."""

from __future__ import annotations

import math

import torch

from legato.models.closed_form import LinearStart, latent_size, linear_start

STEP = 1 / 8


def rotation(damping: float, turn: float, count: int, later: float = 0.0) -> torch.Tensor:
    """Return states `(count, 2)` of z' = -damping z + turn J z, with starts of about unit size and of mean zero."""
    half = torch.randn(count // 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    starts = torch.cat([half, -half])
    c, s, shrink = math.cos(turn * later), math.sin(turn * later), math.exp(-damping * later)
    return shrink * starts @ torch.tensor([[c, s], [-s, c]], dtype=torch.float64)


def start(damping: float, turn: float) -> tuple[LinearStart, torch.Tensor]:
    lift = torch.randn(2, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    before, after = rotation(damping, turn, 4000) @ lift, rotation(damping, turn, 4000, STEP) @ lift
    targets = before @ torch.arange(1.0, 7.0, dtype=torch.float64)[:, None] + 0.5
    seen = torch.ones_like(targets, dtype=torch.bool)
    found = linear_start(before, after, step=STEP, size=2, observed=before, targets=targets, seen=seen)
    return found, before


def test_the_rates_of_a_damped_rotation_are_found() -> None:
    found, _ = start(0.2, 2 * math.pi)
    assert abs(float(found.skew[0, 1]) - 2 * math.pi) < 0.02
    # The ridge of 1e-3 shrinks every step by as much, which looks like a damping of 0.008 a unit of time.
    torch.testing.assert_close(found.damping, torch.full((2,), 0.208, dtype=torch.float64), atol=5e-3, rtol=0)


def test_the_linear_model_forecasts_what_it_was_made_of() -> None:
    found, before = start(0.2, 2 * math.pi)
    states = (before - found.mean) / found.scale @ found.encode
    generator = found.skew - found.skew.T - torch.diag(found.damping)
    ahead = states @ torch.linalg.matrix_exp(generator * 1.5) @ found.readout + found.offset
    lift = torch.randn(2, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    truth = rotation(0.2, 2 * math.pi, 4000, 1.5) @ lift @ torch.arange(1.0, 7.0, dtype=torch.float64)[:, None] + 0.5
    assert float((ahead - truth).square().mean().sqrt() / truth.std()) < 0.03


def test_nothing_grows_whatever_the_data_do() -> None:
    found, _ = start(-0.5, 3.0)
    assert float(found.damping.min()) >= 0.01


def test_the_latent_size_is_even_and_holds_95_percent_of_the_energy() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.linalg.qr(torch.randn(1000, 6, dtype=torch.float64, generator=generator)).Q
    noise = torch.linalg.qr(noise - noise.mean(dim=0)).Q
    for powers, size in (([0.96, 0.04, 0, 0, 0, 0], 2), ([0.5, 0.3, 0.16, 0.04, 0, 0], 4), ([0.2] * 5 + [0], 6)):
        assert latent_size(noise * torch.tensor(powers, dtype=torch.float64).sqrt()) == size


def test_constant_windows_have_a_start_too() -> None:
    still = torch.zeros(50, 6, dtype=torch.float64)
    target = torch.full((50, 1), 2.0, dtype=torch.float64)
    seen = torch.ones_like(target, dtype=torch.bool)
    found = linear_start(still, still, step=STEP, size=2, observed=still, targets=target, seen=seen)
    assert all(bool(part.isfinite().all()) for part in found)
    assert abs(float(found.offset) - 2) < 0.01
