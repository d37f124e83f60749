"""Tables on the way out: in the type that was read, as CSV, as Parquet, whole or not at all."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import ModelFileError
from .arrow import extra
from .series import Series, SeriesSet
from .times import TimeScale

__all__ = ["make_frame", "read_history", "write_csv", "write_history", "write_whole"]

Columns = Mapping[str, Sequence[Any] | np.ndarray]


def make_frame(columns: Columns, *, like: Any) -> Any:
    """Return columns as a data frame.

    Arguments:
        columns: name -> values, all of one length.
        like: an object of the wanted type: a pandas, Polars or PyArrow frame; anything else gives a PyArrow table.
    """
    names = {part.__module__.split(".")[0] for part in type(like).__mro__}
    for module in ("pandas", "polars"):
        if module in names:
            return extra(module).DataFrame({name: list(values) for name, values in columns.items()})
    return extra("pyarrow").table({name: list(values) for name, values in columns.items()})


def write_csv(path: Path, columns: Columns) -> None:
    """Write columns as CSV, numbers with the digits that give them back; the file is written whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(_cells(values) for values in columns.values()), strict=True))
    write_whole(path, text.getvalue().encode())


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is never seen half written: beside its place, then moved there."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_history(path: Path, series: SeriesSet) -> None:
    """Write the series that a model forecasts from as Parquet: ids, times on the model's axis, values, null if missing."""
    arrow, parquet = extra("pyarrow"), extra("pyarrow.parquet")
    columns: dict[str, Any] = {
        "series": [one.id for one in series for _ in range(len(one))],
        "time": np.concatenate([one.times for one in series]),
    }
    values = np.concatenate([one.values for one in series])
    for place in range(values.shape[1]):
        columns[f"value {place}"] = arrow.array(values[:, place], from_pandas=True, type=arrow.float64())
    buffer = io.BytesIO()
    parquet.write_table(arrow.table(columns), buffer)
    write_whole(path, buffer.getvalue())


def read_history(path: Path, *, targets: Sequence[str], scale: TimeScale, time: str, column: str | None) -> SeriesSet:
    """Return the series that `write_history` wrote.

    Raises:
        ModelFileError: the file is missing or damaged.
    """
    arrow, parquet = extra("pyarrow"), extra("pyarrow.parquet")
    try:
        table = parquet.read_table(path)
        ids = np.array(table.column("series").to_pylist(), dtype=object)
        times = table.column("time").to_numpy()
        values = np.stack([table.column(f"value {place}").to_numpy() for place in range(len(targets))], axis=1)
    except (OSError, KeyError, arrow.ArrowException) as error:
        raise ModelFileError(f"the history {path} cannot be read ({error}); give the table again as FILE") from None
    order = list(dict.fromkeys(ids.tolist()))
    parts = [ids == name for name in order]
    found = tuple(
        Series(
            id=name,
            times=times[rows],
            values=values[rows],
            mask=np.isfinite(values[rows]),
            static=np.empty(0),
            rows=np.flatnonzero(rows),
        )
        for name, rows in zip(order, parts, strict=True)
    )
    return SeriesSet(
        series=found, targets=tuple(targets), scale=scale, time=time, series_column=column, source=str(path)
    )


def _cells(values: Sequence[Any] | np.ndarray) -> list[str]:
    return ["" if _missing(value) else _text(value) for value in values]


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float | np.floating) and bool(np.isnan(value)))


def _text(value: Any) -> str:
    return repr(float(value)) if isinstance(value, float | np.floating) else str(value)
