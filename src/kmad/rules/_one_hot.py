"""Baskets from one-hot tables and arrays: a row for each basket, a column for each item, of 0 and 1 or booleans."""

from functools import partial
from itertools import pairwise, repeat
from operator import is_
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from kmad._jit import frozen, kernel
from kmad._threads import Threads
from kmad.rules._baskets import Baskets, Columns, Integers, Items, Labels, running_sum
from kmad.rules._bits import find_rows

# Cells of an array that are searched at once, of one that lies row by row and of one that lies column by column.
ROW_CELLS, COLUMN_CELLS = 1 << 22, 1 << 23
NAME_COLUMNS = "Where the rows are pairs of basket and item, name the two columns: basket=, item=."


def read_pandas(table: Any, threads: Threads) -> Baskets | Columns | None:
    """Baskets of a one-hot pandas table whose columns are of one kind of numbers or all sparse; None for others.

    Such a table is read at once, without narwhals, which alone would take as long as the search of a small one.
    """
    if not (nw.dependencies.is_pandas_dataframe(table) and len(table.columns) and table.columns.is_unique):
        return None
    labels = table.columns.tolist()
    # By identity, as types are slow to compare; most often all columns share one.
    types = list_types(table)
    shared = all(map(is_, types, repeat(types[0])))
    kinds: list[Any] = types[:1] if shared else list({id(kind): kind for kind in types}.values())
    if all(hasattr(kind, "fill_value") and not kind.fill_value for kind in kinds):
        return read_sparse_columns(table, labels)
    if all(isinstance(kind, np.dtype) and kind == kinds[0] and kind.kind in "biuf" for kind in kinds):
        return read_array(table.to_numpy(), labels, "pandas", threads)
    return None


def list_types(table: Any) -> list[Any]:
    """The type of each column."""
    # To make a Series of them would take a tenth of the time of a small search.
    manager: Any = getattr(table, "_mgr", None)
    return list(manager.get_dtypes() if hasattr(manager, "get_dtypes") else table.dtypes)


def read_one_hot(table: nw.DataFrame[Any]) -> Columns:
    """Baskets of any one-hot table, column by column."""
    lists = []
    for column in table.iter_columns():
        label = column.name
        values: NDArray[Any] = column.to_numpy()
        if column.dtype != nw.Boolean and not column.dtype.is_numeric() and values.dtype.kind not in "biuf":
            raise ValueError(
                f"a one-hot table must have columns of 0 and 1 or booleans; column {label!r} is of dtype "
                f"{column.dtype}. {NAME_COLUMNS} Where a column holds the lists, give that column alone."
            )
        if column.null_count():
            raise ValueError(f"a one-hot table must have no missing values; column {label!r} has some. Fill them.")
        i = find_other(values)
        if i >= 0:
            raise other_value("table", values[i], i, label)
        lists.append(np.flatnonzero(values).astype(np.int32))
    return join_columns(lists, len(table), table.columns, table.implementation.value)


def read_sparse_columns(table: Any, labels: Labels) -> Columns:
    """Baskets of pandas' sparse columns that are zero where they hold no value."""
    columns = list_arrays(table)
    lists, stored = [column.sp_index.indices for column in columns], [column.sp_values for column in columns]
    values = np.concatenate(stored)
    t = find_other(values)
    if t >= 0:
        ends = np.cumsum(list(map(len, lists)))
        j = int(np.searchsorted(ends, t, side="right"))
        raise other_value("table", values[t], lists[j][t - ends[j]], labels[j])
    if not values.all():
        lists = [rows[held != 0] for rows, held in zip(lists, stored, strict=True)]
    return join_columns(lists, len(table), labels, "pandas")


def list_arrays(table: Any) -> list[Any]:
    """The array of each column, of columns that pandas holds one by one, as it does sparse ones."""
    # To make a Series of each, or to ask for one after the other, takes longer than all else for thousands of columns.
    manager: Any = getattr(table, "_mgr", None)
    if not hasattr(manager, "blknos"):
        return [series.array for _, series in table.items()]
    arrays = [block.values for block in manager.blocks]
    return [arrays[b] for b in manager.blknos.tolist()]


def join_columns(lists: list[Items], n_baskets: int, labels: Labels, backend: str) -> Columns:
    """Columns of lists of the baskets that hold each item."""

    def list_baskets(which: Integers) -> Items:
        return np.concatenate([np.empty(0, np.int32), *(lists[j] for j in which.tolist())])

    return Columns(np.fromiter(map(len, lists), np.int64, len(lists)), list_baskets, n_baskets, labels, backend)


def find_other(values: NDArray[Any]) -> int:
    """Where the first value stands that is neither zero nor one, or -1."""
    if values.dtype == bool:
        return -1
    wrong = (values != 0) & (values != 1)
    return int(np.argmax(wrong)) if wrong.any() else -1


def other_value(what: str, value: object, row: int, label: object) -> ValueError:
    return ValueError(
        f"a one-hot {what} must hold 0 and 1 or booleans; got {value} in row {row}, column {label!r}. "
        f"Of quantities give `quantities > 0`. {NAME_COLUMNS}"
    )


def read_array(array: NDArray[Any], labels: Labels, backend: str | None, threads: Threads) -> Baskets | Columns:
    """Baskets of a one-hot array."""
    if array.dtype.kind not in "biuf":
        raise TypeError(f"a one-hot array must hold 0 and 1 or booleans; got the dtype {array.dtype}.")
    if np.ma.is_masked(array):
        i, j = np.argwhere(np.ma.getmaskarray(array))[0].tolist()
        raise other_value("array", "masked", i, labels[j])
    t = find_other(array)
    if t >= 0:
        i, j = divmod(t, array.shape[1])
        raise other_value("array", array[i, j], i, labels[j])
    if array.dtype != bool:
        array = array == 1
    if array.flags.f_contiguous and not array.flags.c_contiguous:
        return read_columns(array, labels, backend, threads)
    return read_rows(np.ascontiguousarray(array), labels, backend, threads)


def read_rows(array: NDArray[np.bool_], labels: Labels, backend: str | None, threads: Threads) -> Baskets:
    """Baskets of an array that lies row by row."""
    n_rows, n_columns = array.shape
    flags = frozen(array.reshape(-1).view(np.uint8))
    step = max(1, ROW_CELLS // max(n_columns, 1))
    sizes = np.empty(n_rows, np.int64)

    def find(start: int, stop: int) -> Items:
        # The kernel writes a number before it knows whether to keep it.
        room = np.empty(np.count_nonzero(array[start:stop]) + 1, np.int32)
        find_columns(flags[start * n_columns : stop * n_columns], n_columns, room, sizes[start:stop])
        return room[:-1]

    found = threads.map(find, pairwise([*range(0, n_rows, step), n_rows]))
    items = found[0] if len(found) == 1 else np.concatenate([np.empty(0, np.int32), *found])
    return Baskets(items, running_sum(sizes), labels, backend)


def read_columns(array: NDArray[np.bool_], labels: Labels, backend: str | None, threads: Threads) -> Columns:
    """Baskets of an array that lies column by column: only those that matter are looked through for their rows."""
    n_rows, n_columns = array.shape
    flags = frozen(array.T.view(np.uint8))
    sizes = np.empty(n_columns, np.int64)
    threads.map(partial(count_flags, flags, sizes), column_chunks(n_columns, n_rows))

    def list_baskets(which: Integers) -> Items:
        ends = np.cumsum(sizes[which])
        rows = np.empty(ends[-1] if len(ends) else 0, np.int32)

        def find(start: int, stop: int) -> None:
            find_rows(flags, frozen(which), frozen(ends), start, stop, rows)

        threads.map(find, column_chunks(len(which), n_rows))
        return rows

    return Columns(sizes, list_baskets, n_rows, labels, backend)


def column_chunks(n_columns: int, n_rows: int) -> list[tuple[int, int]]:
    """Ranges of columns to be searched at once."""
    step = max(1, COLUMN_CELLS // max(n_rows, 1))
    return list(pairwise([*range(0, n_columns, step), n_columns]))


@kernel
def find_columns(
    flags,  # (n_rows * n_columns,) IN: zeros and ones
    n_columns,
    columns,  # (number of ones + 1,) OUT
    sizes,  # (n_rows,) OUT
):
    """Write the columns of the ones, row by row."""
    n, n_cells = 0, len(flags)
    whole = n_cells - n_cells % 8
    words = flags[:whole].view(np.uint64)
    # Most are zero: eight at a time are passed over.
    for w in range(len(words)):
        if words[w]:
            for t in range(8 * w, 8 * w + 8):
                columns[n] = t
                n += flags[t]
    for t in range(whole, n_cells):
        columns[n] = t
        n += flags[t]
    u = 0
    for r in range(len(sizes)):
        begin, first, last = u, r * n_columns, (r + 1) * n_columns
        while u < n and columns[u] < last:
            columns[u] -= first
            u += 1
        sizes[r] = u - begin


@kernel
def count_flags(
    flags,  # (n_columns, n_rows) IN: zeros and ones
    sizes,  # (n_columns,) OUT
    start,
    stop,
):
    """Count the ones of columns `start` to `stop`."""
    for j in range(start, stop):
        n = 0
        for r in range(flags.shape[1]):
            n += flags[j, r]
        sizes[j] = n
