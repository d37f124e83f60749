"""Optional packages, imported when they are first needed.

The numerics need torch alone, so `import legato` works without the extras; one that is missing is named with the line
that installs it.
"""

from __future__ import annotations

import importlib
from typing import Any

from .errors import MissingExtraError

__all__ = ["import_extra"]


def import_extra(module: str, *, extra: str, purpose: str) -> Any:
    """Import a module of an optional package and return it.

    Arguments:
        module: its dotted name, such as `pyarrow.csv`.
        extra: the extra of legato that holds the package, such as `data`.
        purpose: what needs it, as the subject of a sentence: "reading tables".

    Raises:
        MissingExtraError: it cannot be imported.

    Example:
        >>> import_extra("json.decoder", extra="data", purpose="reading tables").__name__
        'json.decoder'
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingExtraError(
            f"{purpose} needs {package}, which cannot be imported ({error}); run: pip install 'legato[{extra}]'",
            name=package,
        ) from error
