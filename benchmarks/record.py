"""The record of a run: what was measured, of which code, with which versions, on which machine, by which command."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = ["FIELDS", "FOLDER", "commit", "load_record", "machine", "make_record", "save_record", "versions"]

FORMAT = 1
ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path(__file__).resolve().parent / "records"
FIELDS = ("format", "made", "script", "commit", "dirty", "versions", "machine", "settings", "problems", "results")
"""What every record has; `overhead` and `ratios` are there where they were measured."""

_PACKAGES = ("legato", "torch", "numpy", "scipy", "torchdiffeq", "torchode", "diffrax", "equinox", "jax", "jaxlib")
_MEASURED = ("src", "benchmarks/*.py", "benchmarks/adapters")


def make_record(*, settings: dict[str, Any], script: str, **measured: Any) -> dict[str, Any]:
    """Return a record of what was measured.

    Arguments:
        settings: threads, rounds and whatever else the run was told.
        script: the command that made it.
        measured: problems, results, overhead, ratios.
    """
    name, dirty = commit()
    return {
        "format": FORMAT,
        "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "script": script,
        "commit": name,
        "dirty": dirty,
        "versions": versions(),
        "machine": machine(),
        "settings": settings,
        **measured,
    }


def save_record(record: dict[str, Any], path: Path | None = None) -> Path:
    """Write a record, whole or not at all; without a path, into `benchmarks/records` under its day and commit."""
    if path is None:
        path = FOLDER / f"{record['made'][:10]}-{(record['commit'] or 'unknown')[:7]}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    part.replace(path)
    return path


def load_record(path: Path) -> dict[str, Any]:
    """Read a record.

    Raises:
        ValueError: a field is missing, or the format is another.
    """
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    missing = [name for name in FIELDS if name not in record]
    if missing or record["format"] != FORMAT:
        raise ValueError(
            f"{path.name} is no record of format {FORMAT}: missing {missing}, format {record.get('format')}"
        )
    return record


def commit() -> tuple[str | None, bool | None]:
    """Return the commit that was measured, and whether the measured files differ from it; None outside git."""
    try:
        name = _git("rev-parse", "HEAD").strip()
        return name, bool(_git("status", "--porcelain", "--", *_MEASURED).strip())
    except (OSError, subprocess.CalledProcessError):
        return None, None


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that are installed."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Return the processor, its cores, the memory and how busy they are."""
    return {
        "processor": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(_memory() / 2**30, 1) if _memory() else None,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load": list(os.getloadavg()) if sys.platform != "win32" else None,
    }


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, check=True, text=True).stdout


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    widest = next((flag for flag in ("avx512f", "avx2", "avx") if flag in flags), "no avx")
    return f"{names[0] if names else platform.processor()} ({widest})"


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError):
        return 0
