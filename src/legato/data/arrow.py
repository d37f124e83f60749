"""pyarrow and narwhals, imported when a table is first read."""

from __future__ import annotations

from typing import Any

from ..core.extras import import_extra

__all__ = ["extra"]


def extra(module: str) -> Any:
    """Import a module of the `data` extra (`pyarrow`, `pyarrow.csv`, `narwhals`, ...) and return it.

    Raises:
        MissingExtraError: it is not installed.
    """
    return import_extra(module, extra="data", purpose="reading tables")
