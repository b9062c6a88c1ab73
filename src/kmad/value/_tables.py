"""Tables of pandas, polars and pyarrow, and mappings of arrays: columns in, a table of the same kind out."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from kmad._frames import check_numeric_table

Column: TypeAlias = "nw.Series[Any] | NDArray[Any]"


class Table:
    """A table, or a mapping of arrays, of which some columns are needed and others are read where they are there."""

    def __init__(self, name: str, given: object, columns: Sequence[str], *, optional: Sequence[str] = ()) -> None:
        self.name = name
        self._frame: nw.DataFrame[Any] | None = None
        self._arrays: dict[str, NDArray[Any]] = {}
        if isinstance(given, Mapping):
            self._check_names(list(given), columns)
            self._arrays = {column: np.asarray(given[column]) for column in (*columns, *optional) if column in given}
            shapes = [array.shape for array in self._arrays.values()]
            if len(set(shapes)) > 1 or len(shapes[0]) != 1:
                raise ValueError(f"{name} must hold arrays of one dimension and one length; got the shapes {shapes}.")
            return
        frame = nw.from_native(given, pass_through=True)
        if isinstance(frame, nw.LazyFrame):
            raise TypeError(f"{name} must be in memory; got a lazy {type(given).__name__}: collect it first.")
        if not isinstance(frame, nw.DataFrame):
            kinds = "a pandas, polars or pyarrow table or a mapping of arrays"
            raise TypeError(f"{name} must be {kinds}; got {type(given).__name__}.")
        self._check_names(frame.columns, columns)
        self._frame = frame

    def _check_names(self, found: list[Any], columns: Sequence[str]) -> None:
        for column in columns:
            if column not in found:
                known = ", ".join(map(repr, found)) or "none"
                raise ValueError(f"{self.name} must have a column {column!r}; its columns are {known}.")

    def __contains__(self, column: str) -> bool:
        return column in (self._arrays if self._frame is None else self._frame.columns)

    @property
    def n_rows(self) -> int:
        return len(next(iter(self._arrays.values()))) if self._frame is None else len(self._frame)

    def __getitem__(self, column: str) -> Column:
        return self._arrays[column] if self._frame is None else self._frame.get_column(column)

    def numbers(self, column: str) -> NDArray[np.float64]:
        """A column as float64; raises where an entry is no finite number."""
        if self._frame is not None:
            check_numeric_table(self.name, self._frame.select(column).to_native())
            return np.ascontiguousarray(self._frame[column].cast(nw.Float64).to_numpy())
        try:
            array = np.ascontiguousarray(self._arrays[column], np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{self.name} must have numbers in column {column!r}; {error}.") from error
        if not np.isfinite(array).all():
            wrong = ~np.isfinite(array)
            raise ValueError(
                f"{self.name} must hold finite numbers; column {column!r} has {int(wrong.sum())} missing or infinite "
                f"values, the first in row {int(np.argmax(wrong))}."
            )
        return array

    def matrix(self, *columns: str) -> NDArray[np.float64]:
        """Some columns of numbers, side by side."""
        return np.column_stack([self.numbers(column) for column in columns])

    def look_up(self, column: str, other: "Table", values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The value of another table's row that has the same entry in a column; NaN where there is none."""
        mine, others = (np.asarray(table[column]) for table in (self, other))
        try:
            # NumPy would look for numbers among texts, and find none; it compares objects one by one.
            mine[:1] < others[:1]  # noqa: B015 - raises
            keys, first, count = np.unique(others, return_index=True, return_counts=True)
            at = np.minimum(np.searchsorted(keys, mine), len(keys) - 1)
        except TypeError as error:
            raise TypeError(
                f"{other.name} must have a column {column!r} that can be compared with that of {self.name}: both of "
                "one kind, such as all text or all numbers, and nothing missing."
            ) from error
        if count.max() > 1:
            raise ValueError(
                f"{other.name} must have each {column} once; it has {keys[count.argmax()]} more than once."
            )
        return np.where(keys[at] == mine, values[first[at]], np.nan)

    def beside(self, column: str, rows: NDArray[np.intp] | None, columns: dict[str, NDArray[Any]]) -> Any:
        """A table of the caller's kind: rows of a column of the caller's, None for all, as `customer`, and others."""
        if self._frame is None:
            array = self._arrays[column]
            return {"customer": array[:] if rows is None else array[rows], **columns}
        backend = self._frame.implementation
        made = [nw.new_series(name, array, backend=backend) for name, array in columns.items()]
        # pandas takes rows of a column in half the time that it needs for a table of one.
        own = self._frame.get_column(column)
        own = nw.maybe_reset_index(own if rows is None else own[rows]).alias("customer")
        return own.to_frame().with_columns(*made).to_native()
