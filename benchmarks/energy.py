"""The energy of pendulums over a hundred thousand periods, by the symplectic methods and by RK4.

    python -m benchmarks.energy [--periods 100000]

Ten pendulums, from small swings to two radians; the period is that of small swings, 2 pi, and every method takes 16
steps of it. For each decade of periods the record holds the largest |E - E0| of any sample at every seventh step. A
symplectic method has one number in every decade; RK4, which is not symplectic, has one that grows until the pendulum
rests. It is one solve: Yoshida's first and last steps are others, and the energy of many solves in a row would walk.

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
EVERY = 7
"""Of how many steps one is looked at: coprime to the steps of a period."""


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
    clock = time.process_time()
    with torch.no_grad():
        solution = legato.solve(
            pendulum,
            state,
            (0.0, 2 * math.pi * periods),
            solver=solver,
            controller=Constant(2 * math.pi / STEPS),
            save="steps",
            save_every=EVERY,
            max_steps=STEPS * periods + 1,
        )
        off = (energy(*solution.ys) - energy(*state)).abs().amax(1)
    decades = (solution.ts / (2 * math.pi)).clamp(min=1).log10().sub(1e-9).ceil().clamp(min=1).int()
    found = {f"1e{decade}": float(off[decades == decade].max()) for decade in decades.unique().tolist()}
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
