"""A solve inside torch.compile."""

from __future__ import annotations

import math
import subprocess
import sys

import torch

import legato


class Decay(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rate = torch.nn.Parameter(torch.tensor(1.0))

    def forward(self, t: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return -self.rate * y


def test_a_layer_inside_torch_compile_solves_and_has_its_gradient() -> None:
    decay = Decay()
    model = torch.nn.Sequential(torch.nn.Identity(), legato.NeuralODE(decay))
    compiled = torch.compile(model, backend="eager")
    end = compiled(torch.ones(2, 3))
    end.sum().backward()
    torch.testing.assert_close(end, torch.full((2, 3), math.exp(-1)), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(decay.rate.grad, torch.tensor(-6 * math.exp(-1)), atol=1e-3, rtol=1e-3)


def test_importing_legato_and_solving_does_not_load_the_compiler() -> None:
    program = (
        "import sys, torch, legato\n"
        "legato.solve(lambda t, y: -y, torch.ones(2), (0.0, 1.0))\n"
        "assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
