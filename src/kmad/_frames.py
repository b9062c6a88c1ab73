"""Tables: what pandas, polars and pyarrow hand over, checked by column name, and what they get back."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from kmad._validation import check_choice

BACKENDS = ("pandas", "polars", "pyarrow")


def choose_backend(asked: str | None, given: str | None) -> str:
    """The kind of table that is asked for, else that of what was given, else pandas; raise where it cannot be had."""
    if asked is not None:
        check_choice("backend", asked, BACKENDS)
    backend = asked or given or "pandas"
    if find_spec(backend) is None:
        raise ImportError(f"a table needs {backend}, which is not installed: install it, or give another backend.")
    return backend


def make_table(columns: Mapping[str, Any], backend: str) -> Any:
    """A table of a kind that was chosen."""
    kind: Any = backend
    return nw.from_dict(columns, backend=kind).to_native()


def check_numeric_table(name: str, table: object) -> None:
    """Raise where a column of a table is not of finite numbers, and name the column and the first such row.

    Anything that is not a table passes: its entries are checked as an array's.
    """
    if isinstance(table, np.ndarray | list | tuple):
        if isinstance(table, np.ndarray) and table.dtype.kind in "mM":
            raise TypeError(f"{name} must be of numbers; got the dtype {table.dtype}: turn dates into numbers first.")
        return
    frame = nw.from_native(table, pass_through=True)
    if isinstance(frame, nw.LazyFrame):
        raise TypeError(f"{name} must be in memory; got a lazy {type(table).__name__}: collect it first.")
    if not isinstance(frame, nw.DataFrame):
        return
    for series in frame.iter_columns():
        column = series.name
        if not (series.dtype.is_numeric() or series.dtype in (nw.Boolean, nw.Object)):
            raise ValueError(
                f"{name} must have numeric columns; column {column!r} is of dtype {series.dtype}. "
                "Drop it, or turn it into numbers first."
            )
        if series.dtype == nw.Object:
            _check_objects(name, column, series.to_list())
            continue
        missing = series.is_null()
        if series.dtype.is_float():
            missing = missing | ~series.is_finite()
        wrong = missing.fill_null(value=True).to_numpy()
        if wrong.any():
            i = int(np.argmax(wrong))
            raise ValueError(
                f"{name} must hold finite numbers; column {column!r} has {int(wrong.sum())} missing or infinite "
                f"values (NaN, null or inf), the first in row {i}. Fill them, or drop those rows."
            )


def _check_objects(name: str, column: object, values: list[Any]) -> None:
    for i, value in enumerate(values):
        try:
            finite = bool(np.isfinite(float(value)))
        except (TypeError, ValueError):
            finite = False
        if not finite:
            raise ValueError(f"{name} must hold finite numbers; column {column!r} has {value!r} in row {i}.")
