"""`legato doctor`: what is installed, on which machine, and whether it gives the right numbers."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import time
from dataclasses import asdict
from typing import Any

import torch

from ..engines import ENGINES
from ..gradients import GRADIENTS
from ..models import MODELS
from ..solvers import SOLVERS
from ..version import __version__
from .errors import ExitCode
from .options import Debug, Json
from .output import Output, number, session, table
from .self_test import Verdict, self_test

__all__ = ["doctor"]

_REQUIREMENT = re.compile(r"([\w.-]+).*;\s*extra\s*==\s*['\"](\w+)['\"]")
_NOT_FOR_USERS = ("all", "bench", "dev")


def doctor(json: Json = False, debug: Debug = False) -> None:
    """Show versions, engines and devices, and test this installation.

    The self-test solves problems with known answers, in both batch modes and with gradients, in a few seconds; exit
    code 1 says that a number is wrong on this machine.

    legato doctor
    """
    with session("doctor", as_json=json, debug=debug) as output:
        facts = _facts()
        output.show(table(("", ""), [(name, _words(value)) for name, value in facts.items()]))
        began = time.perf_counter()
        verdicts = list(self_test())
        seconds = time.perf_counter() - began
        _show(output, verdicts, seconds)
        tests = [asdict(verdict) | {"passed": verdict.passed} for verdict in verdicts]
        output.result({**facts, "self_test": tests, "seconds": seconds})
        failed = [verdict.name for verdict in verdicts if not verdict.passed]
        if failed:
            output.error(
                ExitCode.BUG,
                f"{len(failed)} of {len(verdicts)} checks failed: {'; '.join(failed)}\n"
                "This installation gives wrong numbers: report it with the output of `legato doctor --json`",
            )


def _facts() -> dict[str, Any]:
    """Return what is installed and where it runs, as plain JSON values."""
    return {
        "legato": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": _version("numpy"),
        "safetensors": _version("safetensors"),
        "platform": f"{platform.system()} {platform.machine()}",
        "threads": torch.get_num_threads(),
        "devices": _devices(),
        "engines": list(ENGINES),
        "gradients": list(GRADIENTS),
        "solvers": list(SOLVERS),
        "models": list(MODELS),
        "extras": _extras(),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _devices() -> list[str]:
    found = ["cpu"]
    if torch.cuda.is_available():
        found += [f"cuda:{index} ({torch.cuda.get_device_name(index)})" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append("mps")
    return found


def _extras() -> dict[str, dict[str, str | None]]:
    """Return for each extra of this package the versions of what it installs, None where it is missing."""
    try:
        lines = importlib.metadata.requires("legato") or []
    except importlib.metadata.PackageNotFoundError:
        return {}  # run from its source folder, which declares nothing
    extras: dict[str, dict[str, str | None]] = {}
    for line in lines:
        found = _REQUIREMENT.match(line)
        if found and found[1] != "legato" and found[2] not in _NOT_FOR_USERS:
            extras.setdefault(found[2], {})[found[1]] = _version(found[1])
    return extras


def _words(value: Any) -> str:
    if isinstance(value, dict):
        lines = []
        for extra, packages in value.items():
            listed = ", ".join(f"{name} {version or 'missing'}" for name, version in packages.items())
            advice = "" if all(packages.values()) else f"; run: pip install 'legato[{extra}]'"
            lines.append(f"{extra}: {listed}{advice}")
        return "\n".join(lines) or "not known: legato runs from its source folder"
    if isinstance(value, list):
        return ", ".join(value)
    return "missing" if value is None else str(value)


def _show(output: Output, verdicts: list[Verdict], seconds: float) -> None:
    rows = [
        (
            verdict.name,
            verdict.failure or f"{number(verdict.measured, 2)} {verdict.unit}",
            number(verdict.allowed),
            "passed" if verdict.passed else "FAILED",
        )
        for verdict in verdicts
    ]
    output.show(table(("self-test", "measured", "allowed", ""), rows, right=("allowed",)))
    passed = sum(verdict.passed for verdict in verdicts)
    output.show(f"{passed} of {len(verdicts)} checks passed in {seconds:.1f} s")
