"""Files that appear whole or not at all: written beside their place first, then moved there in one step."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

__all__ = ["write_whole"]


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file, so that whoever reads it sees the old content or the new one, never a part.

    The content is on disk before the file takes its place; where writing fails, the old file stays and nothing is left
    beside it.

    Arguments:
        path: where the file goes, in a folder that exists.
        content: its bytes.

    Raises:
        OSError: the folder does not exist, the disk is full, or the place cannot be written.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     place = pathlib.Path(folder, "note.txt")
        ...     write_whole(place, b"whole")
        ...     place.read_bytes()
        b'whole'
    """
    target = Path(path)
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename == str(part):
            raise type(error)(error.errno, error.strerror, str(target)) from None
        raise
