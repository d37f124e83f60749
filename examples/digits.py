"""An ODE-Net beside residual networks, on scikit-learn's 8 x 8 digits.

    python examples/digits.py --output runs/digits

Four classifiers, the first three with the same stem and head:

- a ResNet of six blocks, y <- y + body(t, y) / 6, each block with a body of its own;
- the same with one body for all six, so that it has the ODE-Net's parameters;
- an ODE-Net, dy/dt = body(t, y) from t = 0 to 1: as many steps as the tolerance asks for;
- logistic regression on the pixels, the floor.

Peak memory is that of one training step on 128 images: the bytes of all tensors made by the step and alive at once,
counted after each operation of the forward and the backward pass; parameters and a kernel's own scratch space aside.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import torch
from scipy.stats import spearmanr
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

import legato

CHANNELS, BLOCKS, BATCH = 16, 6, 128
TOLERANCES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)


class Body(nn.Module):
    """Two convolutions, each told the time by an extra channel."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(CHANNELS + 1, CHANNELS, 3, padding=1)
        self.second = nn.Conv2d(CHANNELS + 1, CHANNELS, 3, padding=1)

    def forward(self, t: Tensor, y: Tensor) -> Tensor:
        clock = t.expand(len(y), 1, *y.shape[2:])
        y = torch.tanh(self.first(torch.cat([y, clock], dim=1)))
        return self.second(torch.cat([y, clock], dim=1))


class Residual(nn.Module):
    """Blocks y <- y + body(t, y) / n: Euler's method, with a body for each step or one for all."""

    def __init__(self, *, bodies: int) -> None:
        super().__init__()
        self.bodies = nn.ModuleList(Body() for _ in range(bodies))

    def forward(self, y: Tensor) -> Tensor:
        for block in range(BLOCKS):
            y = y + self.bodies[block % len(self.bodies)](y.new_tensor(block / BLOCKS), y) / BLOCKS
        return y


def network(middle: nn.Module) -> nn.Sequential:
    stem = [nn.Conv2d(1, CHANNELS, 3, stride=2, padding=1), nn.GroupNorm(4, CHANNELS)]
    head = [nn.GroupNorm(4, CHANNELS), nn.ReLU(), nn.Flatten(), nn.Linear(CHANNELS * 4 * 4, 10)]
    return nn.Sequential(*stem, middle, *head)


NETWORKS: dict[str, Callable[[], nn.Sequential]] = {
    "ResNet": lambda: network(Residual(bodies=BLOCKS)),
    "ResNet, one body": lambda: network(Residual(bodies=1)),
    "ODE-Net": lambda: network(legato.NeuralODE(Body())),
}


class Digits(NamedTuple):
    """Images `(n, 1, 8, 8)` between 0 and 1, and their classes."""

    images: Tensor
    labels: Tensor


def read() -> tuple[Digits, Digits]:
    pixels, labels = load_digits(return_X_y=True)
    images = torch.tensor(pixels / 16, dtype=torch.float32).view(-1, 1, 8, 8)
    parts = train_test_split(images, torch.tensor(labels), test_size=0.25, random_state=0, stratify=labels)
    return Digits(parts[0], parts[2]), Digits(parts[1], parts[3])


def train(net: nn.Sequential, data: Digits, *, epochs: int) -> None:
    optimizer = torch.optim.Adam(net.parameters())
    steps = epochs * -(-len(data.images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=steps)
    for _ in range(epochs):
        for batch in torch.randperm(len(data.images)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(data.images[batch]), data.labels[batch]).backward()
            optimizer.step()
            schedule.step()


class Peak(TorchDispatchMode):
    """The greatest number of bytes that the tensors made under it held at once."""

    def __init__(self) -> None:
        super().__init__()
        self.alive, self.bytes = WeakIdKeyDictionary(), 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self.alive[leaf.untyped_storage()] = leaf.untyped_storage().nbytes()
        self.bytes = max(self.bytes, sum(self.alive.values()))
        return result


def peak_megabytes(net: nn.Sequential, data: Digits) -> float:
    with Peak() as peak:
        nn.functional.cross_entropy(net(data.images[:BATCH]), data.labels[:BATCH]).backward()
    return peak.bytes / 1e6


@torch.no_grad()
def margins(net: nn.Sequential, data: Digits) -> Tensor:
    """The right class's probability less the best wrong one's, of every image; below zero the answer is wrong."""
    chances = net(data.images).softmax(dim=1)
    right = chances.gather(1, data.labels[:, None])
    return (right - chances.scatter(1, data.labels[:, None], 0).amax(dim=1, keepdim=True))[:, 0]


def accuracy(net: nn.Sequential, data: Digits) -> float:
    return float((margins(net, data) > 0).double().mean())


def after_training(net: nn.Sequential, data: Digits) -> dict[str, Any]:
    """Try what may still be asked of a trained ODE-Net: other tolerances, and steps for each image alone."""
    layer: Any = net[2]
    trained, curve = (layer.rtol, layer.atol), []
    for rtol in TOLERANCES:
        layer.rtol, layer.atol = rtol, rtol / 10
        curve.append({"rtol": rtol, "accuracy": accuracy(net, data), "evaluations": int(layer.stats.evaluations[0])})
    (layer.rtol, layer.atol), layer.steps = trained, "independent"
    margin = margins(net, data)
    evaluations = layer.stats.evaluations.double()
    rank = spearmanr(margin, evaluations) if evaluations.min() < evaluations.max() else None
    return {
        "curve": curve,
        "quarters": [float(part.mean()) for part in evaluations[margin.argsort()].tensor_split(4)],
        "wrong": {"images": int((margin <= 0).sum()), "evaluations": [int(n) for n in evaluations[margin <= 0]]},
        "range": [int(evaluations.min()), int(evaluations.max())],
        "spearman": {"rho": float(rank.statistic), "p": float(rank.pvalue)} if rank else None,
    }


def study(*, seeds: int, epochs: int) -> dict[str, Any]:
    training, test = read()
    rows: dict[str, Any] = {name: {"accuracy": [], "seconds": 0.0} for name in NETWORKS}
    afterwards = []
    for seed in range(seeds):
        for name, make in NETWORKS.items():
            torch.manual_seed(seed)
            net, row, start = make(), rows[name], time.perf_counter()
            train(net, training, epochs=epochs)
            row["seconds"] += (time.perf_counter() - start) / seeds
            row["accuracy"].append(accuracy(net, test))
            row["parameters"] = sum(part.numel() for part in net.parameters())
            row["megabytes"] = peak_megabytes(net, training)
            print(f"seed {seed}: {name}, {row['accuracy'][-1]:.1%} of the test images", file=sys.stderr)
        afterwards.append(after_training(net, test))
    layer: Any = net[2]
    layer.gradient = "direct"
    rows["ODE-Net"]["direct"] = peak_megabytes(net, training)
    floor = LogisticRegression(max_iter=2000).fit(training.images.flatten(1), training.labels)
    rows["logistic regression"] = {
        "accuracy": [float(floor.score(test.images.flatten(1), test.labels))],
        "parameters": floor.coef_.size + floor.intercept_.size,
    }
    return {"test_images": len(test.labels), "networks": rows, "ode_net": afterwards}


def tell(found: dict[str, Any]) -> None:
    rows, each, images = found["networks"], found["ode_net"], found["test_images"]
    print(f"\n{'':20}{'accuracy':>9}{'of each seed':>20}{'parameters':>12}{'peak MB':>9}{'seconds':>9}")
    for name, row in rows.items():
        seeds = "  ".join(f"{value:.1%}" for value in row["accuracy"])
        cost = f"{row['megabytes']:9.2f}{row['seconds']:9.1f}" if "seconds" in row else ""
        print(f"{name:20}{fmean(row['accuracy']):9.1%}{seeds:>20}{row['parameters']:12}{cost}")
    best, *others = sorted(rows, key=lambda name: -fmean(rows[name]["accuracy"]))
    chance = fmean(rows[best]["accuracy"])
    error = (chance * (1 - chance) / images) ** 0.5
    memory = sorted((row["megabytes"], name) for name, row in rows.items() if "megabytes" in row)
    print(f"\nBy accuracy {best} wins, then {', '.join(others)}; the standard error of one accuracy on {images}")
    print(f"images is {error:.1%}, so that a lead below {2 * error:.1%} proves nothing.")
    print(
        f"By peak memory: {', '.join(f'{name} {size:.2f} MB' for size, name in memory)}; the ODE-Net's is one step and"
    )
    print(f"the states; with gradient='direct', which keeps every activation, {rows['ODE-Net']['direct']:.2f} MB.")
    print("\nODE-Net, tolerance set after training (mean over seeds):\n      rtol  evaluations  accuracy")
    for point in zip(*(one["curve"] for one in each), strict=True):
        evaluations, right = (fmean(one[key] for one in point) for key in ("evaluations", "accuracy"))
        print(f"{point[0]['rtol']:10.0e}{evaluations:13.1f}{right:10.1%}")
    print("\nODE-Net, evaluations of each image by itself: mean of the quarters by margin, hardest first")
    for one in each:
        quarters = "  ".join(f"{value:.1f}" for value in one["quarters"])
        wrong = (
            f"{fmean(one['wrong']['evaluations'] or [float('nan')]):.1f} for the {one['wrong']['images']} wrong ones"
        )
        print(f"  {quarters}; {wrong}; range {one['range']}; {relation(one['spearman'])}")


def relation(rank: dict[str, float] | None) -> str:
    if rank is None:
        return "all alike"
    words = "harder images take more" if rank["rho"] < 0 else "harder images take fewer"
    return (
        f"rank correlation {rank['rho']:+.2f}, p = {rank['p']:.1g}: {words if rank['p'] < 0.01 else 'no relation seen'}"
    )


def draw(found: dict[str, Any], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for seed, one in enumerate(found["ode_net"]):
        curve = [(point["evaluations"], 100 * point["accuracy"]) for point in one["curve"]]
        left.plot(*zip(*curve, strict=True), "o-")
        right.plot(["hardest", "", " ", "easiest"], one["quarters"], "o-", label=f"seed {seed}")
    left.set(xlabel="evaluations (tolerance set after training)", ylabel="test accuracy, %")
    right.set(xlabel="quarter of the test images, by margin", ylabel="evaluations of an image")
    right.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description="An ODE-Net beside residual networks, on scikit-learn's digits.")
    parser.add_argument("--output", type=Path, default=Path("runs/digits"), help="folder for digits.png")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    parser.add_argument("--quick", action="store_true", help="one seed and one epoch, to see that it runs")
    options = parser.parse_args()
    torch.set_num_threads(1)  # for tensors this small a second thread costs more than it gives
    found = study(seeds=1, epochs=1) if options.quick else study(seeds=3, epochs=10)
    if options.json:
        print(json.dumps(found, indent=2, allow_nan=False))
    else:
        tell(found)
    if find_spec("matplotlib"):
        draw(found, options.output / "digits.png")


if __name__ == "__main__":
    main()
