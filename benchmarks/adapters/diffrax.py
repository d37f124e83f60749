"""diffrax (P. Kidger), compiled before it is timed."""

from __future__ import annotations

from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

from ..problems import Problem
from .interface import Answer, Run

__all__ = ["Diffrax"]


class Diffrax:
    """diffrax under `jax.jit`; the whole batch is one state. Its documentation's first choice is Tsit5."""

    name = "diffrax"
    gradients = ("checkpointed",)
    eager = False

    def forward(self, problem: Problem, *, equal: bool) -> Run:
        """Return the compiled solve."""
        solve, parameters, y0 = self._solve(problem, equal=equal)
        run = jax.jit(solve)
        return Run(
            lambda: jax.block_until_ready(run(parameters, y0)),
            lambda: self._answer(run(parameters, y0), gradient=None),
        )

    def gradient(self, problem: Problem, kind: str, *, equal: bool) -> Run:
        """Return the compiled solve with its gradient, by recursive checkpointing."""
        solve, parameters, y0 = self._solve(problem, equal=equal)

        def loss(parameters: Any, y0: Any) -> Any:
            values, steps = solve(parameters, y0)
            return (values[1:] ** 2).sum(), (values, steps)

        run = jax.jit(jax.value_and_grad(loss, has_aux=True))

        def answer() -> Answer:
            (_, solved), gradient = run(parameters, y0)
            return self._answer(solved, gradient=gradient)

        return Run(lambda: jax.block_until_ready(run(parameters, y0)), answer)

    def _solve(self, problem: Problem, *, equal: bool) -> tuple[Any, Any, Any]:
        times = jnp.asarray(problem.times, dtype=jnp.float32)
        parameters = [jnp.asarray(array) for array in problem.arrays()]
        term = diffrax.ODETerm(lambda t, y, parameters: problem.field.formula(jnp, parameters, y))
        method = diffrax.Dopri5() if equal else diffrax.Tsit5()
        controller = diffrax.PIDController(rtol=problem.rtol, atol=problem.atol)

        def solve(parameters: Any, y0: Any) -> Any:
            solution = diffrax.diffeqsolve(
                term,
                method,
                times[0],
                times[-1],
                None,
                y0,
                parameters,
                saveat=diffrax.SaveAt(ts=times),
                stepsize_controller=controller,
                adjoint=diffrax.RecursiveCheckpointAdjoint(),
                max_steps=4096,
            )
            return solution.ys, solution.stats["num_steps"]

        return solve, parameters, jnp.asarray(problem.y0.numpy())

    def _answer(self, solved: Any, *, gradient: Any) -> Answer:
        values, steps = solved
        flat = None if gradient is None else np.concatenate([np.ravel(part) for part in gradient]).astype(np.float64)
        return Answer(np.asarray(values[1:], dtype=np.float64), flat, int(steps), None)
