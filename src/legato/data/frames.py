"""Tables on the way out: in the type that was read, as CSV, as Parquet, whole or not at all."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import InputError, ModelFileError
from ..core.files import write_whole
from .arrow import extra
from .series import Series, SeriesSet
from .table import Table
from .times import TimeScale

__all__ = ["FrameKind", "frame_kind", "make_frame", "read_history", "write_csv", "write_history"]

Columns = Mapping[str, Sequence[Any] | np.ndarray]


class FrameKind(NamedTuple):
    """What a table was, so that another can be made like it.

    Attributes:
        module: "pandas", "polars" or "pyarrow".
        time: the Arrow type of its times; None where they were text, as in a CSV file.
    """

    module: str = "pyarrow"
    time: Any = None


def frame_kind(table: Any, *, time: str) -> FrameKind:
    """Return what a table was: a pandas or Polars frame; PyArrow for a path and for every other frame.

    Arguments:
        table: a path or a data frame that was read, or series read from one.
        time: its column of times.
    """
    if isinstance(table, str | os.PathLike | Table | SeriesSet):
        return FrameKind()
    arrow = extra("pyarrow")
    names = {part.__module__.split(".")[0] for part in type(table).__mro__}
    module = next((name for name in ("pandas", "polars") if name in names), "pyarrow")
    kind = extra("narwhals").from_native(table, eager_only=True).get_column(time).to_arrow().type
    numeric = arrow.types.is_integer(kind) or arrow.types.is_floating(kind)
    return FrameKind(module, kind if numeric or arrow.types.is_temporal(kind) else None)


def make_frame(columns: Columns, *, kind: FrameKind, id_type: str = "string") -> Any:
    """Return columns as a data frame of a kind.

    Arguments:
        columns: name -> values, all of one length; "time" holds text, or stamps where `kind.time` is a type. Stamps
            that this type cannot hold, such as fractions in a column of whole numbers, keep a type of their own.
        kind: what to make.
        id_type: the Arrow type of "series", whose values are text.
    """
    arrow = extra("pyarrow")
    arrays = {name: arrow.array(values) for name, values in columns.items()}
    if "series" in arrays and id_type != "string":
        arrays["series"] = arrays["series"].cast(arrow.type_for_alias(id_type))
    if kind.time is not None:
        own = arrays["time"]
        with suppress(arrow.ArrowInvalid):
            cast = own.cast(kind.time)
            # A time of day does not survive a column of dates, and Arrow does not complain.
            arrays["time"] = cast if cast.cast(own.type).equals(own) else own
    table = arrow.table(arrays)
    if kind.module == "pandas":
        return table.to_pandas()
    return extra("polars").from_arrow(table) if kind.module == "polars" else table


def write_csv(path: Path, columns: Columns) -> None:
    """Write columns as CSV, numbers with the digits that give them back; the file is written whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(_cells(values) for values in columns.values()), strict=True))
    write_whole(path, text.getvalue().encode())


def write_history(path: Path, series: SeriesSet) -> None:
    """Write the series that a model forecasts from as Parquet: ids, times on the model's axis, values or null."""
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


def read_history(
    path: Path, *, targets: Sequence[str], scale: TimeScale, time: str, column: str | None, id_type: str = "string"
) -> SeriesSet:
    """Return the series that `write_history` wrote; the rest is what a `SeriesSet` holds beside them.

    Raises:
        ModelFileError: the file is missing or damaged, or holds no series.
    """
    arrow, parquet = extra("pyarrow"), extra("pyarrow.parquet")
    try:
        table = parquet.read_table(path)
        ids = np.array(table.column("series").to_pylist(), dtype=object)
        times = table.column("time").to_numpy()
        values = np.stack([table.column(f"value {place}").to_numpy() for place in range(len(targets))], axis=1)
        _check_history(ids, times, values, columns=table.num_columns)
    except (OSError, KeyError, ValueError, arrow.ArrowException) as error:
        raise ModelFileError(f"the history {path} cannot be read ({error}); fit again") from None
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
        series=found,
        targets=tuple(targets),
        scale=scale,
        time=time,
        series_column=column,
        id_type=id_type,
        source=str(path),
    )


def _check_history(ids: np.ndarray, times: np.ndarray, values: np.ndarray, *, columns: int) -> None:
    if columns != 2 + values.shape[1]:
        raise InputError(f"it holds {columns - 2} variables, and the model has {values.shape[1]}")
    if len(times) == 0 or not all(isinstance(name, str) for name in ids):
        raise InputError("it holds no series")
    if (
        times.dtype != np.float64
        or values.dtype != np.float64
        or not np.isfinite(times).all()
        or np.isinf(values).any()
    ):
        raise InputError("its numbers are finite and of double precision")
    for name in dict.fromkeys(ids.tolist()):
        if not (np.diff(times[ids == name]) > 0).all():
            raise InputError(f"the times of the series {name!r} do not increase")


def _cells(values: Sequence[Any] | np.ndarray) -> list[str]:
    return ["" if _missing(value) else _text(value) for value in values]


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float | np.floating) and bool(np.isnan(value)))


def _text(value: Any) -> str:
    return repr(float(value)) if isinstance(value, float | np.floating) else str(value)
