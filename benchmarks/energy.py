"""The energy of pendulums over a hundred thousand periods, by the symplectic methods and by RK4.

    python -m benchmarks.energy [--periods 100000]

Ten pendulums, from small swings to two radians; the period is that of small swings, 2 pi, and every method takes 16
steps of it. For each decade of periods the record holds the largest |E - E0| of any sample at any step. A symplectic
method has one number in every decade; RK4, which is not symplectic, has one that grows until the pendulum rests.

Writes `benchmarks/records/energy.json`.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from typing import Any

import torch
from torch import Tensor

import legato
from benchmarks.record import FOLDER, make_record, save_record
from legato.controllers import Constant

__all__ = ["main"]

SOLVERS = ("semi_implicit_euler", "velocity_verlet", "yoshida4", "rk4")
STEPS = 16
CHUNK = 500
"""Periods that are solved and looked at in one go."""


def pendulum(t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Return the derivatives of angle and angular momentum."""
    q, p = state
    return p, -torch.sin(q)


def energy(q: Tensor, p: Tensor) -> Tensor:
    """Return the energy, zero at rest, of states whose last axis is one."""
    return (p**2 / 2 + 1 - q.cos()).squeeze(-1)


def decades(solver: str, periods: int) -> dict[str, Any]:
    """Return the largest error of the energy in each decade of periods, and the time it took."""
    state = torch.linspace(0.2, 2.0, 10, dtype=torch.float64)[:, None], torch.zeros(10, 1, dtype=torch.float64)
    begin, found = energy(*state), {}
    clock = time.process_time()
    with torch.no_grad():
        for first in range(0, periods, CHUNK):
            # Where a decade begins inside a chunk, the chunk counts to the decade that it ends in.
            decade = f"1e{math.ceil(math.log10(first + CHUNK) - 1e-9)}"
            ys = legato.solve(
                pendulum,
                state,
                (0.0, 2 * math.pi * CHUNK),
                solver=solver,
                controller=Constant(2 * math.pi / STEPS),
                save="steps",
            ).ys
            state = ys[0][-1], ys[1][-1]
            found[decade] = max(found.get(decade, 0.0), float((energy(*ys) - begin).abs().max()))
    return {"largest_error": found, "cpu_seconds": round(time.process_time() - clock, 1)}


def main(words: list[str] | None = None) -> None:
    """Measure and write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--periods", type=int, default=100_000)
    asked = parser.parse_args(words)
    torch.set_num_threads(1)
    results = {}
    for solver in SOLVERS:
        results[solver] = decades(solver, asked.periods)
        print(solver, results[solver], file=sys.stderr, flush=True)
    settings = {"periods": asked.periods, "steps_a_period": STEPS, "samples": 10, "threads": 1}
    record = make_record(
        settings=settings, script="python -m benchmarks.energy", problems=["pendulum"], results=results
    )
    print(save_record(record, FOLDER / "energy.json"))


if __name__ == "__main__":
    main()
