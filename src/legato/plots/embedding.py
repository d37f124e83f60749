"""Pictures as bytes: the same figure gives the same bytes, with no date and no address inside.

SVG stays sharp on paper and on any screen, and its letters are outlines, so that it needs no font.
"""

from __future__ import annotations

import base64
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import InputError
from ..core.files import write_whole
from .style import drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["data_address", "picture_bytes", "save_picture"]

_KINDS = {
    "svg": ("image/svg+xml", {"Date": None, "Creator": None, "Format": None, "Type": None}),
    "png": ("image/png", {"Software": None}),
    "pdf": ("application/pdf", {"CreationDate": None, "ModDate": None, "Creator": None, "Producer": None}),
}


def picture_bytes(figure: Figure, kind: str = "svg", *, dots_per_inch: float = 144.0) -> bytes:
    """Return a figure as a file of a kind: `svg`, `png` or `pdf`.

    Arguments:
        figure: as one of the picture functions returned it.
        kind: the ending of the file.
        dots_per_inch: the resolution of `png`.

    Raises:
        InputError: the kind is not known.
        MissingExtraError: matplotlib is not installed.
    """
    if kind not in _KINDS:
        raise InputError(f"a picture cannot be written as {kind!r}; expected one of {', '.join(_KINDS)}")
    buffer = io.BytesIO()
    with drawing():
        figure.savefig(buffer, format=kind, metadata=_KINDS[kind][1], dpi=dots_per_inch)
    return buffer.getvalue()


def data_address(figure: Figure, kind: str = "svg") -> str:
    """Return a figure as a `data:` address, which a page can show without a second file.

    Inside an address an SVG keeps its identifiers to itself: two pictures on a page cannot meet.
    """
    data = base64.b64encode(picture_bytes(figure, kind)).decode("ascii")
    return f"data:{_KINDS[kind][0]};base64,{data}"


def save_picture(path: str | os.PathLike[str], figure: Figure) -> None:
    """Write a figure to a file, whole or not at all; the ending of its name is its kind.

    Raises:
        InputError: the ending is none of `.svg`, `.png`, `.pdf`.
        MissingExtraError: matplotlib is not installed.
        OSError: the file cannot be written.
    """
    write_whole(path, picture_bytes(figure, Path(path).suffix.lower().removeprefix(".")))
