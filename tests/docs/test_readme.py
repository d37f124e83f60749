"""The README's code is run as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[2] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_readme_shows_a_solve_and_a_training_loop() -> None:
    assert len(BLOCKS) == 2


@pytest.mark.parametrize("block", BLOCKS, ids=["solve", "train"])
def test_every_block_of_the_readme_runs(block: str) -> None:
    scope: dict[str, object] = {}
    exec(compile(block, str(README), "exec"), scope)
    if "loss" in scope:
        assert float(scope["loss"].detach()) < 0.3  # type: ignore[attr-defined]  # a fifth of the variance of the spiral


def test_the_training_gives_the_same_loss_each_time() -> None:
    losses = []
    for _ in range(2):
        scope: dict[str, object] = {}
        exec(compile(BLOCKS[1].replace("range(200)", "range(2)"), str(README), "exec"), scope)
        losses.append(float(scope["loss"].detach()))  # type: ignore[attr-defined]
    assert losses[0] == losses[1]
