"""pyarrow and narwhals, imported when a table is first read.

The numerics need neither, so `import legato` works without them; what is missing is named with the line that
installs it.
"""

from __future__ import annotations

import importlib
from typing import Any

from ..core.errors import LegatoError

__all__ = ["MissingExtraError", "extra"]


class MissingExtraError(LegatoError, ImportError):
    """An optional dependency is not installed; the message holds the line that installs it."""


def extra(module: str) -> Any:
    """Import a module of the `data` extra (`pyarrow`, `pyarrow.csv`, `narwhals`, ...) and return it.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingExtraError(
            f"reading tables needs {package}, which is not installed; run: pip install 'legato[data]'", name=package
        ) from error
