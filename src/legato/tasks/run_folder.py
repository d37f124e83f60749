"""A run folder: the files of a fitted model, human-readable, without pickle, each written whole or not at all.

model.safetensors   weights and scaling
config.json         format, versions, what was read and how, the model's shape, settings, SHA-256 of the weights
metrics.json        scores beside baselines
log.jsonl           one record per training iteration
history.parquet     the series that forecasts start from
forecast.csv        series, time, variable, mean, 0.1 ... 0.9; mean is the point forecast, the ensemble's median
forecast-*.csv      what `legato forecast` was asked for later
report.html         the report
checkpoint.safetensors   while training, or after an interruption
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ..core.errors import InputError, ModelFileError, OptionError
from ..core.files import write_whole

__all__ = ["FORMAT", "RunFolder"]

FORMAT = 1


class RunFolder:
    """The files of one run.

    Arguments:
        path: the folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def check_free(self, *, force: bool = False, resume: bool = False) -> None:
        """Refuse a folder that holds a run, unless it may be replaced or gone on with; nothing is changed.

        Raises:
            InputError: the folder is not empty, is a file, or holds a finished run, which cannot be gone on with.
            OptionError: both are asked for.
        """
        if force and resume:
            raise OptionError("force begins anew and resume goes on; give one of them")
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self.path} is a file; name a folder for the run")
        if self.path.is_dir() and any(self.path.iterdir()) and not (force or resume):
            raise InputError(
                f"the folder {self.path} exists already and is not empty; force=True replaces the run in it, and a fit "
                "with resume=True goes on with an interrupted one"
            )
        if resume and self.file("model.safetensors").exists() and not self.file("checkpoint.safetensors").exists():
            raise InputError(
                f"the fit in {self.path} is finished, so there is nothing to go on with; force=True fits anew"
            )

    def check_source(self, table: Any) -> None:
        """Refuse a table that is itself a file which the run replaces or removes.

        Raises:
            InputError: it is one.
        """
        if not isinstance(table, str | os.PathLike) or not self.path.is_dir():
            return
        source = Path(os.fsdecode(table))
        if source.exists() and any(path.samefile(source) for path in self._own_files()):
            raise InputError(
                f"{source} is a file of the run folder {self.path}, and the fit would replace it; name another folder "
                "for the run, or copy the table elsewhere"
            )

    def create(self, *, force: bool = False, resume: bool = False) -> RunFolder:
        """Make the folder; with `force` remove the files of a run that is there, and no other.

        Raises:
            InputError, OptionError: see `check_free`.
        """
        self.check_free(force=force, resume=resume)
        self.path.mkdir(parents=True, exist_ok=True)
        if force:
            for path in self._own_files():
                path.unlink(missing_ok=True)
        return self

    def remove_drawn(self) -> None:
        """Remove what a model that is there was asked for: forecasts, pictures and the report."""
        for path in (*map(self.file, _DRAWN), *self._forecasts()):
            path.unlink(missing_ok=True)

    def _without(self, name: str) -> str:
        """Say what a folder is that lacks a file."""
        if self.file("checkpoint.safetensors").exists() and not self.file("model.safetensors").exists():
            return f"{self.path} holds an interrupted fit and no model yet; the fit goes on with resume=True"
        return f"{self.path} is no run folder: it has no {name}. `legato fit` makes one"

    def _own_files(self) -> list[Path]:
        """Return the run's files that are there."""
        return [path for path in (*map(self.file, _FILES), *self._forecasts()) if path.is_file()]

    def _forecasts(self) -> list[Path]:
        """Return what `legato forecast` wrote here, told from tables of others by the header."""
        return [path for path in self.path.glob("forecast-*.csv") if path.is_file() and _is_forecast(path)]

    def file(self, name: str) -> Path:
        """Return the path of one of the run's files."""
        return self.path / name

    def write_lines(self, name: str, records: Iterable[Any]) -> None:
        """Write a file of one JSON value a line."""
        text = "".join(json.dumps(record, allow_nan=False) + "\n" for record in records)
        write_whole(self.file(name), text.encode())

    def write_json(self, name: str, value: Any) -> None:
        """Write a JSON file."""
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
        write_whole(self.file(name), (text + "\n").encode())

    def read_json(self, name: str) -> Any:
        """Return a JSON file's value.

        Raises:
            ModelFileError: the file is missing or damaged.
        """
        try:
            return json.loads(self.file(name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ModelFileError(self._without(name)) from None
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ModelFileError(f"{self.file(name)} is damaged: {error}") from None

    def write_tensors(self, name: str, tensors: dict[str, torch.Tensor], facts: dict[str, Any]) -> None:
        """Write tensors with facts as safetensors; the facts are one JSON string, so that bytes are reproducible."""
        content = save(dict(sorted(tensors.items())), metadata={"legato": json.dumps(facts, sort_keys=True)})
        write_whole(self.file(name), content)

    def read_tensors(self, name: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """Return tensors and facts.

        Raises:
            ModelFileError: the file is missing, damaged or not of this program.
        """
        path = self.file(name)
        try:
            with safe_open(str(path), framework="pt") as opened:
                facts = json.loads((opened.metadata() or {})["legato"])
                return {key: opened.get_tensor(key) for key in opened.keys()}, facts  # noqa: SIM118 - not a dict
        except FileNotFoundError:
            raise ModelFileError(f"{self.path} has no {name}") from None
        except (OSError, SafetensorError, KeyError, json.JSONDecodeError) as error:
            raise ModelFileError(f"{path} is damaged or was not written by legato: {error}") from None

    def digest(self, name: str) -> str:
        """Return the SHA-256 of a file's bytes."""
        return hashlib.sha256(self.file(name).read_bytes()).hexdigest()

    def check_digest(self, name: str, wanted: str | None) -> None:
        """Refuse a file that is not the one of which `wanted` is the SHA-256; None is of a run that did not say.

        Raises:
            ModelFileError: it is another.
        """
        found = self.digest(name)
        if wanted is not None and found != wanted:
            raise ModelFileError(
                f"{self.file(name)} is not the file that config.json was written with: its SHA-256 is {found}, and "
                f"{wanted} was expected; copy the whole run folder again from where it was fitted, or fit anew"
            )

    def check_format(self, config: Any) -> dict[str, Any]:
        """Return a configuration of a format that this version reads.

        Raises:
            ModelFileError: it is newer, or no configuration at all.
        """
        if not isinstance(config, dict) or type(config.get("format")) is not int:
            raise ModelFileError(f"{self.file('config.json')} is not a run's configuration")
        if config["format"] < 1:
            raise ModelFileError(f"{self.file('config.json')} has the format {config['format']}, which never was")
        if config["format"] > FORMAT:
            raise ModelFileError(
                f"{self.path} was written by a newer legato (format {config['format']}, this one reads {FORMAT}); "
                "upgrade"
            )
        return config


def _is_forecast(path: Path) -> bool:
    with path.open("rb") as opened:
        return opened.readline(_LONGEST_HEADER).strip().endswith(_HEADER)


_HEADER = b"time,variable,mean,0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9"
_LONGEST_HEADER = 200
_DRAWN = ("forecast.csv", "forecast.svg", "report.html")
_FILES = (
    "model.safetensors",
    "config.json",
    "metrics.json",
    "log.jsonl",
    "history.parquet",
    *_DRAWN,
    "checkpoint.safetensors",
)
