r"""The training loop: AdamW on a cosine schedule, a guard against divergence, checkpoints that resume to the bit.

With :math:`i` of :math:`n` iterations done, the learning rate is :math:`\eta\,(f + (1 - f)\,(1 + \cos \pi i/n)/2)`. An
iteration whose loss or gradient is not finite, or whose solve fails, is undone: the last good state, which is kept
every ten iterations, comes back and the learning rate is halved. Checkpoints are those states, so that nothing depends
on the clock.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import NamedTuple

import torch

from ..core.errors import LegatoError, SolveError
from ..models import Plan, SeriesModel

__all__ = ["Progress", "Trained", "TrainingState", "train"]

Progress = Callable[[int, int, str], None]

_MOST_RETREATS = 8
_CHECKPOINT_SECONDS = 2.0
_KEPT_EVERY = 10


class Trained(NamedTuple):
    """How training went.

    Attributes:
        losses: the loss of every iteration.
        evaluations: the field evaluations of every iteration's solve.
        iterations: how many were made.
        stopped: why training ended, in words.
        seconds: how long it took.
    """

    losses: list[float]
    evaluations: list[int]
    iterations: int
    stopped: str
    seconds: float


class TrainingState:
    """All that training needs to go on where it was: weights, optimizer, random state, history.

    Arguments:
        model: the model, whose weights are trained in place.
        seed: for everything random in training.
    """

    def __init__(self, model: SeriesModel, *, seed: int) -> None:
        self.model = model
        self.plan: Plan = model.plan()
        self.generator = torch.Generator().manual_seed(seed)
        trained = [weight for weight in model.parameters() if weight.requires_grad]
        drawn = {id(weight) for weight in model.decayed()}
        groups = [
            {"params": [weight for weight in trained if id(weight) in drawn], "weight_decay": self.plan.weight_decay},
            {"params": [weight for weight in trained if id(weight) not in drawn], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW([group for group in groups if group["params"]], lr=self.plan.learning_rate)
        self.iteration = 0
        self.scale = 1.0
        self.losses: list[float] = []
        self.evaluations: list[int] = []

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the state as named tensors."""
        found = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        found["generator"] = self.generator.get_state()
        found["losses"] = torch.tensor(self.losses, dtype=torch.float64)
        found["evaluations"] = torch.tensor(self.evaluations, dtype=torch.int64)
        found["progress"] = torch.tensor([self.iteration, self.scale], dtype=torch.float64)
        for place, moments in self.optimizer.state_dict()["state"].items():
            found.update({f"optimizer.{place}.{name}": value for name, value in moments.items()})
        return {name: value.detach().clone().contiguous() for name, value in found.items()}

    def restore(self, tensors: dict[str, torch.Tensor]) -> None:
        """Go back to a state that `tensors` gave."""
        weights = {name[6:]: value for name, value in tensors.items() if name.startswith("model.")}
        self.model.load_state_dict(weights)
        self.generator.set_state(tensors["generator"])
        self.losses = tensors["losses"].tolist()
        self.evaluations = tensors["evaluations"].tolist()
        self.iteration, self.scale = int(tensors["progress"][0]), float(tensors["progress"][1])
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimizer."):
                _, place, key = name.split(".", 2)
                moments.setdefault(int(place), {})[key] = value.clone()
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})


def train(
    state: TrainingState,
    *,
    progress: Progress | None = None,
    checkpoint: Callable[[dict[str, torch.Tensor]], None] | None = None,
    max_time: float | None = None,
) -> Trained:
    """Train a model from where its state is to the end of its plan.

    Arguments:
        state: the model and what goes with it.
        progress: told iterations done, iterations in all, and a word on the loss.
        checkpoint: given the last good state's tensors every two seconds and when training is interrupted.
        max_time: seconds after which training stops where it is.

    Raises:
        LegatoError: the loss stayed non-finite however small the learning rate became.
        KeyboardInterrupt: passed on, after a checkpoint.
    """
    began = saved = time.perf_counter()
    total, retreats, stopped = state.plan.iterations, 0, "the plan was completed"
    good = written = state.tensors()
    try:
        while state.iteration < total:
            if not state.model.before_step(state.iteration, total):
                stopped = "more training was of no use on the part of the history that is held back"
                break
            if _iterate(state, total):
                if state.iteration % _KEPT_EVERY == 0:
                    good = state.tensors()
                if progress is not None:
                    progress(state.iteration, total, f"loss {state.losses[-1]:.4g}")
            else:
                retreats += 1
                if retreats > _MOST_RETREATS:
                    raise LegatoError(
                        "training diverged: the loss is not finite even at a 250th of the learning rate; check the "
                        "data for extreme values with `legato check`"
                    )
                _retreat(state, good)
            now = time.perf_counter()
            if checkpoint is not None and good is not written and now - saved > _CHECKPOINT_SECONDS:
                saved, written = now, good
                checkpoint(good)
            if max_time is not None and now - began > max_time:
                stopped = f"the time limit of {max_time:g} s was reached"
                break
    except KeyboardInterrupt:
        if checkpoint is not None:
            checkpoint(good)
        raise
    return Trained(state.losses, state.evaluations, state.iteration, stopped, time.perf_counter() - began)


def _iterate(state: TrainingState, total: int) -> bool:
    """Make one iteration; return whether it was good."""
    plan = state.plan
    share = state.iteration / total
    rate = plan.learning_rate * (plan.final + (1 - plan.final) * (1 + math.cos(math.pi * share)) / 2)
    rate *= min(1.0, (state.iteration + 1) / plan.warmup) if plan.warmup else 1.0
    for group in state.optimizer.param_groups:
        group["lr"] = rate * state.scale
    state.optimizer.zero_grad()
    try:
        loss = state.model.objective(state.iteration, total, state.generator)
        loss.backward()
    except SolveError:
        return False
    gradients = [weight.grad for weight in state.model.parameters() if weight.grad is not None]
    if not (math.isfinite(float(loss.detach())) and all(bool(grad.isfinite().all()) for grad in gradients)):
        return False
    state.model.after_backward()
    state.optimizer.step()
    state.iteration += 1
    state.losses.append(float(loss.detach()))
    state.evaluations.append(state.model.last_evaluations)
    return True


def _retreat(state: TrainingState, good: dict[str, torch.Tensor]) -> None:
    """Go back to the last good weights with half the learning rate, and fresh random numbers."""
    generator = state.generator.get_state()
    scale = state.scale / 2
    state.restore(good)
    state.generator.set_state(generator)
    state.scale = scale
