"""Where results are written: nothing is replaced unless that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..core.errors import OptionError

__all__ = ["free_file", "free_files"]


def free_file(path: Path, *, force: bool) -> Path:
    """Return a path at which a file may be written.

    Raises:
        OptionError: something is there and `force` is false, or it is a directory.
    """
    if path.is_dir():
        raise OptionError(f"{path} is a directory; name a file")
    if path.exists() and not force:
        raise OptionError(f"{path} exists; pass --force to replace it, or name another with -o")
    return path


def free_files(folder: Path, names: Sequence[str], *, force: bool) -> list[Path]:
    """Return paths in a folder at which files may be written.

    Raises:
        OptionError: the folder is a file, or one of the files is there and `force` is false.
    """
    if folder.exists() and not folder.is_dir():
        raise OptionError(f"{folder} is a file; name a folder with -o")
    return [free_file(folder / name, force=force) for name in names]
