"""`python -m benchmarks`: run the suites, write a record, print its tables.

python -m benchmarks                                  everything, on all cores
python -m benchmarks --suite mlp --rounds 30 --threads 1
python -m benchmarks --table benchmarks/records/X.json
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .record import load_record, save_record
from .table import render


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if options.table is not None:
        print(render(load_record(options.table), source=options.table.as_posix()))
        return 0
    _limit_threads(options.threads)
    record = _run(options)
    if options.record == "none":
        print(render(record))
        return 0
    path = save_record(record, None if options.record is None else Path(options.record))
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    print(render(record, source=shown.as_posix()))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Speed and accuracy beside the peers.")
    parser.add_argument("--suite", default="mlp,van-der-pol,overhead", help="suites, separated by commas")
    parser.add_argument("--library", default="legato,torchdiffeq,torchode,diffrax", help="libraries, by commas")
    parser.add_argument("--rounds", type=int, default=15, help="how often each contestant is timed")
    parser.add_argument("--threads", type=int, default=_cores(), help="cores and threads to use; default all")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: on a busy machine, one thread")
    parser.add_argument("--seed", type=int, default=0, help="of the order within rounds")
    parser.add_argument("--record", help="where the record goes; 'none' writes none")
    parser.add_argument("--table", type=Path, help="print the tables of a record instead")
    return parser


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _limit_threads(count: int) -> None:
    """Keep every library to `count` cores; jax sizes its pool by them when it is imported, torch is told."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
    import torch

    torch.set_num_threads(count)


def _run(options: argparse.Namespace) -> dict[str, Any]:
    # After the threads are limited: importing jax starts its own.
    from .adapters import ADAPTERS, load_adapters
    from .problems import PROBLEMS
    from .record import make_record
    from .suites import SUITES, compare, run_overhead, run_problem
    from .timing import WARM_UPS

    names = tuple(options.library.split(","))
    unknown = [name for name in names if name not in ADAPTERS]
    unknown += [name for name in options.suite.split(",") if name not in SUITES]
    if unknown:
        raise SystemExit(f"not known: {unknown}; suites are {list(SUITES)}, libraries {list(ADAPTERS)}")
    adapters = load_adapters(names)
    missing = set(names) - {adapter.name for adapter in adapters}
    for name in sorted(missing):
        print(f"{name} is not installed and is left out", file=sys.stderr)
    problems, results, overhead = [], [], []
    for suite in options.suite.split(","):
        for name in SUITES[suite]:
            print(f"{suite}: {name}", file=sys.stderr, flush=True)
            problem = PROBLEMS[name]()
            if suite == "overhead":
                overhead = run_overhead(adapters, rounds=options.rounds, clock=options.clock, seed=options.seed)
                continue
            problems.append(problem.facts())
            results += run_problem(problem, adapters, rounds=options.rounds, seed=options.seed)
    told = {name: getattr(options, name) for name in ("threads", "rounds", "clock", "seed")}
    return make_record(
        settings=told | {"warm_ups": WARM_UPS, "dtype": "float32", "device": "cpu"},
        script=" ".join(["python -m benchmarks", *sys.argv[1:]]),
        problems=problems,
        results=results,
        overhead=overhead,
        ratios=compare(results, clock=options.clock),
    )


if __name__ == "__main__":
    sys.exit(main())
