"""The examples run, quickly, and what they print agrees with what can be counted by hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """The numbers of `digits.py --quick`, and the folder of its picture."""
    pytest.importorskip("sklearn")
    output = tmp_path_factory.mktemp("digits") / "nested"
    command = [sys.executable, str(EXAMPLES / "digits.py"), "--quick", "--json", "--output", str(output)]
    environment = {**os.environ, "MPLCONFIGDIR": str(tmp_path_factory.mktemp("matplotlib"))}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), output


def test_digits_counts_the_parameters_that_its_layers_have(digits: tuple[dict[str, Any], Path]) -> None:
    body = 2 * (17 * 16 * 9 + 16)
    around = (16 * 9 + 16) + 2 * 16 + 2 * 16 + (256 * 10 + 10)
    counted = {name: row["parameters"] for name, row in digits[0]["networks"].items()}
    assert counted == {
        "ResNet": 6 * body + around,
        "ResNet, one body": body + around,
        "ODE-Net": body + around,
        "logistic regression": 64 * 10 + 10,
    }


def test_digits_learns(digits: tuple[dict[str, Any], Path]) -> None:
    accuracies = [value for row in digits[0]["networks"].values() for value in row["accuracy"]]
    assert len(accuracies) == 4
    assert all(0.5 < value <= 1 for value in accuracies)  # one of ten classes at random: 0.1


def test_digits_needs_more_evaluations_at_tighter_tolerances(digits: tuple[dict[str, Any], Path]) -> None:
    curve = digits[0]["ode_net"][0]["curve"]
    evaluations = [point["evaluations"] for point in sorted(curve, key=lambda point: -point["rtol"])]
    assert len(curve) == 5
    assert evaluations == sorted(evaluations)
    assert evaluations[0] < evaluations[-1]


def test_digits_takes_every_test_image_by_itself(digits: tuple[dict[str, Any], Path]) -> None:
    found, _ = digits
    each = found["ode_net"][0]
    fewest, most = each["range"]
    wrong = round((1 - found["networks"]["ODE-Net"]["accuracy"][0]) * found["test_images"])
    assert found["test_images"] == 450
    assert len(each["quarters"]) == 4
    assert all(fewest <= value <= most for value in [*each["quarters"], *each["wrong"]["evaluations"]])
    assert abs(each["wrong"]["images"] - wrong) <= 1  # an image on the border may turn with its step sizes


def test_digits_measures_that_the_discrete_gradient_holds_less_than_every_activation(
    digits: tuple[dict[str, Any], Path],
) -> None:
    rows = digits[0]["networks"]
    state = 128 * 16 * 4 * 4 * 4 / 1e6
    activations = 6 * 4 * state  # at least two inputs and two outputs of convolutions in each of six blocks
    assert rows["ResNet"]["megabytes"] > activations
    assert rows["ODE-Net"]["megabytes"] < rows["ODE-Net"]["direct"]


def test_digits_draws_its_picture(digits: tuple[dict[str, Any], Path]) -> None:
    pytest.importorskip("matplotlib")
    assert (digits[1] / "digits.png").read_bytes().startswith(b"\x89PNG")
