from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from legato.cli import main
from legato.data import load_lynx_hare


class Ended(NamedTuple):
    """How a run of the program ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.out)


@pytest.fixture
def legato(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """The program inside this process."""

    def run(*words: object) -> Ended:
        capsys.readouterr()
        code = main([str(word) for word in words])
        return Ended(code, *capsys.readouterr())

    return run


@pytest.fixture
def legato_process() -> Callable[..., Ended]:
    """The program in a process of its own, `first` before it."""

    def run(*words: object, first: str = "", **variables: str) -> Ended:
        code = f"{first}\nimport sys\nfrom legato.cli import main\nsys.exit(main())"
        ended = subprocess.run(
            [sys.executable, "-c", code, *map(str, words)],
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "OMP_NUM_THREADS": "1", **variables},
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    return run


@pytest.fixture(scope="session")
def lynx_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of a second's training on lynx and hare up to 1914; not to be changed."""
    run = tmp_path_factory.mktemp("runs") / "lynx"
    options = ("--time", "year", "--model", "observed", "--members", "1", "--test-from", "1915", "--max-time", "1")
    assert main(["fit", str(load_lynx_hare()), *options, "-o", str(run)]) == 0
    return run
