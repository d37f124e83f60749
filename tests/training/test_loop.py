"""The training loop: the same bits however it is interrupted, and a guard against divergence."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from legato.core.errors import LegatoError, SolveError
from legato.data import Batch, Prediction
from legato.models import LatentODE, ObservedODE, Plan, SeriesModel, TimeFacts
from legato.training import loop
from legato.training.loop import TrainingState, train

NAN = float("nan")


class Bowl(SeriesModel):
    """Two weights that are drawn to 3 under random pushes, and a twist that a test may give its loss."""

    name = "bowl"

    def __init__(self, plan: Plan, twist: Callable[[int, Tensor, Tensor], Tensor] | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))
        self.loose = nn.Parameter(torch.ones(1))
        self.asked, self.twist, self.rates = plan, twist, []
        self.drawn = 0

    def plan(self) -> Plan:
        return self.asked

    def decayed(self) -> list[nn.Parameter]:
        return [self.weight]

    def objective(self, step: int, total: int, generator: torch.Generator) -> Tensor:
        push = torch.randn(2, generator=generator)
        self.drawn = int(100 * push.abs().sum())
        loss = (self.weight - 3 + push).square().sum()
        return loss if self.twist is None else self.twist(step, loss, push)

    def after_backward(self) -> None:
        pass

    @property
    def last_evaluations(self) -> int:
        return self.drawn

    def calibrate(self) -> None:
        raise NotImplementedError

    def forward(self, batch: Batch, at: Sequence[Tensor]) -> Prediction:
        raise NotImplementedError

    def fitted(self, batch: Batch) -> Prediction:
        raise NotImplementedError

    def config(self) -> dict[str, Any]:
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Bowl:
        raise NotImplementedError

    @classmethod
    def from_data(cls, batch: Batch, *, time: TimeFacts, seed: int, **settings: Any) -> Bowl:
        raise NotImplementedError


def bowl(twist: Callable[[int, Tensor, Tensor], Tensor] | None = None, **plan: Any) -> Bowl:
    return Bowl(Plan(**{"iterations": 35, "learning_rate": 0.1, "weight_decay": 0.1, **plan}), twist)


def waves(count: int = 16) -> Batch:
    t = torch.arange(count, dtype=torch.float64)
    x = torch.stack([t.sin() + 2, (1.3 * t).cos() + 2], dim=1)
    return Batch(times=[t], values=[x], mask=[x.isfinite()])


def observed() -> SeriesModel:
    return ObservedODE.from_data(waves(), time=TimeFacts(), seed=0, members=1, inner=1)


def latent() -> SeriesModel:
    return LatentODE.from_data(waves(), time=TimeFacts(), seed=0, members=1, inner=1)


def unlucky(step: int, loss: Tensor, push: Tensor) -> Tensor:
    """Not finite at about one draw in ten."""
    return loss * NAN if float(push.sum()) > 1.8 else loss


def interrupt(at: int) -> loop.Progress:
    def progress(done: int, total: int, text: str) -> None:
        if done == at:
            raise KeyboardInterrupt

    return progress


def equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(value, second[name]) for name, value in first.items())


@pytest.mark.parametrize(
    ("make", "at"),
    [(observed, 11), (latent, 11), *((make, at) for make in (bowl, lambda: bowl(unlucky)) for at in (1, 10, 19, 34))],
)
def test_interrupted_and_resumed_training_gives_the_bits_of_uninterrupted_training(
    make: Callable[[], SeriesModel], at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = Plan(iterations=13, learning_rate=1e-2, weight_decay=0.1, warmup=3)
    monkeypatch.setattr(ObservedODE, "plan", lambda self: short)
    monkeypatch.setattr(LatentODE, "plan", lambda self: short)
    whole = TrainingState(make(), seed=5)
    trained = train(whole)

    kept: list[dict[str, Tensor]] = []
    with pytest.raises(KeyboardInterrupt):
        train(TrainingState(make(), seed=5), progress=interrupt(at), checkpoint=kept.append)
    resumed = TrainingState(make(), seed=5)
    resumed.restore(kept[-1])
    assert resumed.iteration == at // 10 * 10
    again = train(resumed)
    assert equal(whole.tensors(), resumed.tensors())
    assert (again.losses, again.evaluations) == (trained.losses, trained.evaluations)


def test_how_often_checkpoints_are_written_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    states = []
    for seconds in (0.0, 1e9):
        monkeypatch.setattr(loop, "_CHECKPOINT_SECONDS", seconds)
        kept: list[dict[str, Tensor]] = []
        state = TrainingState(bowl(unlucky), seed=1)
        train(state, checkpoint=kept.append)
        assert [int(one["progress"][0]) for one in kept] == ([10, 20, 30] if seconds == 0 else [])
        states.append(state)
    assert states[0].scale < 1
    assert equal(states[0].tensors(), states[1].tensors())


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    states = [TrainingState(bowl(), seed=seed) for seed in (4, 4, 5)]
    for state in states:
        train(state)
    first, same, other = (state.model.weight for state in states)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_the_learning_rate_warms_up_and_falls_along_a_cosine() -> None:
    rates = []
    model = bowl(iterations=12, learning_rate=0.3, final=0.1, warmup=4)
    state = TrainingState(model, seed=0)
    train(state, progress=lambda *words: rates.append({group["lr"] for group in state.optimizer.param_groups}))
    place = np.arange(12)
    wanted = 0.3 * (0.1 + 0.9 * (1 + np.cos(math.pi * place / 12)) / 2) * np.minimum(1, (place + 1) / 4)
    assert [len(rate) for rate in rates] == [1] * 12
    assert [rate.pop() for rate in rates] == pytest.approx(wanted.tolist())


def test_weight_decay_acts_on_the_weights_that_the_model_names_alone() -> None:
    model = bowl(lambda step, loss, push: 0 * model.weight.sum() + 0 * model.loose.sum(), iterations=1)
    model.weight.data.fill_(1.0)
    train(TrainingState(model, seed=0))
    # AdamW: w (1 - rate decay), and no step without a gradient.
    assert model.weight.tolist() == pytest.approx([1 - 0.1 * 0.1] * 2)
    assert model.loose.tolist() == [1.0]


def test_progress_is_told_of_every_iteration() -> None:
    told: list[tuple[int, int, str]] = []
    result = train(TrainingState(bowl(), seed=0), progress=lambda *words: told.append(words))
    assert [(done, total) for done, total, _ in told] == [(place, 35) for place in range(1, 36)]
    assert told[-1][2] == f"loss {result.losses[-1]:.4g}"
    assert len(result.losses) == len(result.evaluations) == 35
    assert (result.iterations, result.stopped) == (35, "the plan was completed")


def test_training_stops_where_its_time_is_over() -> None:
    result = train(TrainingState(bowl(), seed=0), max_time=0.0)
    assert result.iterations == len(result.losses) == 1
    assert result.stopped == "the time limit of 0 s was reached"


def fail(step: int, loss: Tensor, push: Tensor) -> Tensor:
    raise SolveError("the solve did not reach its end")


def infinite_gradient(step: int, loss: Tensor, push: Tensor) -> Tensor:
    return (loss * 0).sqrt()


@pytest.mark.parametrize("bad", [lambda step, loss, push: loss * NAN, infinite_gradient, fail])
def test_a_bad_iteration_is_undone_and_the_learning_rate_halved(bad: Callable[..., Tensor]) -> None:
    met = []

    def twist(step: int, loss: Tensor, push: Tensor) -> Tensor:
        if step == 17 and not met:
            met.append(step)
            return bad(step, loss, push)
        return loss

    steps: list[int] = []
    state = TrainingState(bowl(twist), seed=0)
    result = train(state, progress=lambda done, total, text: steps.append(done))
    assert steps == [*range(1, 18), *range(11, 36)]
    assert state.scale == 0.5
    assert len(result.losses) == result.iterations == 35
    assert np.isfinite(result.losses).all()
    assert bool(state.model.weight.isfinite().all())


def test_training_that_diverges_whatever_the_learning_rate_ends_with_advice() -> None:
    state = TrainingState(bowl(lambda step, loss, push: loss * NAN if step >= 12 else loss), seed=0)
    with pytest.raises(LegatoError, match=r"training diverged.*legato check"):
        train(state)
    assert state.iteration == 12
    assert bool(state.model.weight.isfinite().all())
    assert state.scale == 2.0**-8
