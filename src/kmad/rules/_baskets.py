"""Baskets from whatever holds them, as numbered items and where each basket begins."""

import gzip
from array import array
from collections import defaultdict, deque
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kmad._jit import frozen, kernel
from kmad._threads import Threads

Integers = NDArray[np.int64]

# Numbers that span at most so many times their number are numbered through a table.
SPAN = 4
LEAST_SPAN = 1 << 16
# Cells of a one-hot array that are searched at once.
CHUNK_CELLS = 1 << 20
# Letters of a FIMI file, and the most digits that surely fit in 64 bits.
TAB, NEW_LINE, RETURN, BLANK, MINUS, ZERO, NINE = 9, 10, 13, 32, 45, 48, 57
DIGITS = 18
KINDS = (
    "a list of lists of items, a table with the columns basket= and item=, a one-hot table or array, "
    "a SciPy sparse matrix or the path of a FIMI file"
)


class Baskets(NamedTuple):
    """Items by number; an item may stand in a basket more than once."""

    items: NDArray[np.int32]  # (total,)
    offsets: Integers  # (n_baskets + 1,) where the items of each basket begin
    labels: Sequence[Any] | NDArray[Any]  # (n_items,)
    backend: str | None  # kind of table that they came in

    @property
    def n_baskets(self) -> int:
        return len(self.offsets) - 1


def read_baskets(baskets: object, basket: str | None, item: str | None, threads: Threads) -> Baskets:
    """Turn any kind of baskets into numbered items."""
    table = None if isinstance(baskets, np.ndarray | list | tuple) else nw.from_native(baskets, pass_through=True)
    if isinstance(table, nw.LazyFrame):
        raise TypeError(f"baskets must be in memory; got a lazy {type(baskets).__name__}: collect it first.")
    if isinstance(table, nw.DataFrame) and (basket is not None or item is not None):
        return read_long(table, basket, item)
    if basket is not None or item is not None:
        raise ValueError(f"basket and item name columns of a table; got baskets of type {type(baskets).__name__}.")
    if isinstance(table, nw.DataFrame):
        return read_one_hot(table, threads)
    if isinstance(baskets, str | Path):
        return read_fimi(Path(baskets))
    if sparse.issparse(baskets):
        return read_sparse(baskets)
    if isinstance(baskets, np.ndarray) and baskets.ndim == 2 and baskets.dtype != object:
        return read_array(baskets, range(baskets.shape[1]), None, threads)
    if isinstance(baskets, Mapping | bytes) or not isinstance(baskets, Iterable):
        raise TypeError(f"baskets must be {KINDS}; got a {type(baskets).__name__}.")
    return read_lists(list(baskets))


def read_lists(baskets: list[Any]) -> Baskets:
    """Number the items of lists, in the order in which they first appear."""
    whole = whole_numbers(baskets)
    if whole is not None:
        return Baskets(*number_integers(whole, offsets_of(baskets)), backend=None)
    types = set(map(type, baskets))
    for kind in types:
        if issubclass(kind, str | bytes | Mapping) or not issubclass(kind, Iterable):
            i = next(i for i, entry in enumerate(baskets) if type(entry) is kind)
            raise TypeError(f"baskets must be lists of items; baskets[{i}] is {baskets[i]!r}, a {kind.__name__}.")
    if not all(hasattr(kind, "__len__") for kind in types):
        baskets = list(map(list, baskets))
    offsets = offsets_of(baskets)
    if types != {list}:
        whole = whole_numbers(baskets, convert=True)
        if whole is not None:
            return Baskets(*number_integers(whole, offsets), backend=None)
    numbers: defaultdict[Any, int] = defaultdict(count().__next__)
    try:
        items = np.fromiter(map(numbers.__getitem__, chain.from_iterable(baskets)), np.int32, offsets[-1])
    except TypeError as error:
        raise TypeError(f"items of baskets must be hashable; {error}.") from error
    for label, number in numbers.items():
        if is_missing(label):
            i = int(np.searchsorted(offsets, np.argmax(items == number), side="right")) - 1
            raise ValueError(f"baskets must hold no missing items; baskets[{i}] has {label!r}. Leave it out.")
    return Baskets(items, offsets, list(numbers), None)


def offsets_of(baskets: list[Any]) -> Integers:
    offsets = np.zeros(len(baskets) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, baskets), np.int64, len(baskets)), out=offsets[1:])
    return offsets


def whole_numbers(baskets: list[Any], *, convert: bool = False) -> Integers | None:
    """All items one after the other where the baskets are, or convert to, lists of whole numbers of 64 bits."""
    # An array takes for integers nothing else. Unsigned ones it reads at twice the speed of signed ones, or of NumPy.
    for code in "Qq":
        flat = array(code)
        try:
            deque(map(flat.fromlist, map(list, baskets) if convert else baskets), maxlen=0)
        except OverflowError:
            continue
        except TypeError:
            return None
        items = np.frombuffer(flat, np.int64) if flat else np.empty(0, np.int64)
        # True and False come as 1 and 0, and should keep their names; what is above 2^63 comes as negative.
        misread = items.max(initial=0) <= 1 or (code == "Q" and items.min(initial=0) < 0)
        return None if misread else items
    return None


def number_integers(values: Integers, offsets: Integers) -> tuple[NDArray[np.int32], Integers, list[int]]:
    """Items, offsets and labels of integers, numbered as they first appear."""
    items, labels = number(values)
    return items, offsets, labels.tolist()


def number(values: Integers) -> tuple[NDArray[np.int32], Integers]:
    """Each value's number in the order of their first appearance, and the distinct values in that order."""
    if not len(values):
        return np.empty(0, np.int32), np.empty(0, np.int64)
    low, high = int(values.min()), int(values.max())
    if high - low < max(SPAN * len(values), LEAST_SPAN):
        table = np.full(high - low + 1, -1, np.int32)
        numbers = np.empty(len(values), np.int32)
        labels = np.empty(min(len(values), len(table)), np.int64)
        n = number_values(frozen(values), low, table, numbers, labels)
        return numbers, labels[:n]
    distinct, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return rank[inverse], distinct[order]


def read_long(table: nw.DataFrame[Any], basket: str | None, item: str | None) -> Baskets:
    """Baskets of a table with one row for each item in a basket; baskets are ordered by first appearance."""
    numbers, _ = number_column(column_of(table, "basket", basket), "basket")
    items, labels = number_column(column_of(table, "item", item), "item")
    sizes = np.bincount(numbers) if len(numbers) else np.empty(0, np.int64)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    ordered = np.empty(len(items), np.int32)
    group_items(frozen(numbers), frozen(items), offsets[:-1].copy(), ordered)
    return Baskets(ordered, offsets, labels, table.implementation.value)


def column_of(table: nw.DataFrame[Any], argument: str, name: str | None) -> nw.Series[Any]:
    if name is None:
        raise ValueError(f"{argument} must name a column where the other one is given; got None.")
    if name not in table.columns:
        raise ValueError(f"{argument} must name a column; got {name!r}, and the columns are {table.columns}.")
    return table[name]


def number_column(column: nw.Series[Any], argument: str) -> tuple[NDArray[np.int32], Sequence[Any]]:
    """Numbers and labels of the values of a column."""
    missing = column.is_null()
    if column.dtype.is_float():
        missing = missing | column.is_nan()
    wrong = missing.fill_null(value=True).to_numpy()
    if wrong.any():
        raise ValueError(
            f"{argument} must name a column without missing values; {column.name!r} has {int(wrong.sum())}, the first "
            f"in row {int(np.argmax(wrong))}. Drop those rows, or fill them."
        )
    if column.dtype.is_integer() and column.dtype != nw.UInt64:
        numbers, labels = number(np.ascontiguousarray(column.to_numpy(), np.int64))
        return numbers, labels.tolist()
    ids: defaultdict[Any, int] = defaultdict(count().__next__)
    values = column.to_list()
    try:
        return np.fromiter(map(ids.__getitem__, values), np.int32, len(values)), list(ids)
    except TypeError as error:
        raise TypeError(f"{argument} must name a column of hashable values; {column.name!r}: {error}.") from error


def read_one_hot(table: nw.DataFrame[Any], threads: Threads) -> Baskets:
    """Baskets of a table with a row for each basket and a column for each item."""
    native: Any = table.to_native()
    labels, backend = table.columns, table.implementation.value
    if nw.dependencies.is_pandas_dataframe(native) and len(labels):
        # Sparse types take long to compare, each column having its own.
        marked = read_sparse_columns(native, backend) if hasattr(native.dtypes.iloc[0], "fill_value") else None
        if marked is not None:
            return marked
        kinds = set(native.dtypes)
        if len(kinds) == 1 and isinstance(next(iter(kinds)), np.dtype) and next(iter(kinds)).kind in "biuf":
            # The columns of one kind of number lie in one array.
            return read_array(native.to_numpy(), labels, backend, threads)
    rows = []
    for position, label in enumerate(labels):
        column = table[:, position]
        values: NDArray[Any] = column.to_numpy()
        if column.dtype != nw.Boolean and not column.dtype.is_numeric() and values.dtype.kind not in "biuf":
            raise ValueError(
                f"a one-hot table must have columns of 0 and 1 or booleans; column {label!r} is of dtype "
                f"{column.dtype}. Where the rows are pairs of basket and item, name the two columns: basket=, item=."
            )
        if column.null_count():
            raise ValueError(f"a one-hot table must have no missing values; column {label!r} has some. Fill them.")
        rows.append(ones(values, f"column {label!r}"))
    lists = np.concatenate(rows) if rows else np.empty(0, np.int64)
    sizes = np.array([len(held) for held in rows], np.int64)
    return from_columns(lists, sizes, len(table), labels, backend)


def read_sparse_columns(native: Any, backend: str) -> Baskets | None:
    """Baskets of pandas' columns where all are sparse and zero where they hold no value, else None."""
    labels, columns = [], []
    for label, series in native.items():
        column = series.array
        if not hasattr(column, "sp_values") or column.fill_value:
            return None
        labels.append(label)
        columns.append(column)
    sizes = np.array([len(column.sp_values) for column in columns])
    marked = np.concatenate([column.sp_values for column in columns])
    where = np.concatenate([column.sp_index.indices for column in columns]).astype(np.int64)
    held = np.zeros(len(marked), bool)
    held[ones(marked, "the sparse columns")] = True
    kept = np.concatenate([[0], np.cumsum(held)])[np.concatenate([[0], np.cumsum(sizes)])]
    return from_columns(where[held], np.diff(kept), len(native), labels, backend)


def ones(values: NDArray[Any], place: str) -> Integers:
    """Where a column is one; any other number than zero or one is refused."""
    if values.dtype != bool:
        wrong = (values != 0) & (values != 1)
        if wrong.any():
            i = int(np.argmax(wrong))
            raise ValueError(f"a one-hot table must hold 0 and 1 or booleans; got {values[i]} in row {i} of {place}.")
        values = values == 1
    return np.flatnonzero(values)


def from_columns(
    lists: NDArray[Any], sizes: Integers, n_baskets: int, labels: Sequence[Any] | NDArray[Any], backend: str | None
) -> Baskets:
    """Baskets of the rows that each item stands in, one item after the other."""
    items = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(lists, minlength=n_baskets))]).astype(np.int64)
    ordered = np.empty(len(items), np.int32)
    group_items(frozen(lists.astype(np.int32, copy=False)), frozen(items), offsets[:-1].copy(), ordered)
    return Baskets(ordered, offsets, labels, backend)


def read_array(array: NDArray[Any], labels: Sequence[Any], backend: str | None, threads: Threads) -> Baskets:
    """Baskets of a one-hot array."""
    if array.dtype.kind not in "biuf":
        raise TypeError(f"a one-hot array must hold 0 and 1 or booleans; got the dtype {array.dtype}.")
    if array.dtype != bool:
        wrong = (array != 0) & (array != 1)
        if wrong.any():
            i, j = divmod(int(np.argmax(wrong)), wrong.shape[1])
            raise ValueError(
                f"a one-hot array must hold 0 and 1 or booleans; got {array[i, j]} in row {i}, column {labels[j]!r}."
            )
        array = array == 1
    n_rows = len(array)
    if array.flags.f_contiguous and not array.flags.c_contiguous:
        rows, edges = find_marks(array.T, threads)
        return from_columns(rows, np.diff(edges), n_rows, labels, backend)
    items, offsets = find_marks(np.ascontiguousarray(array), threads)
    return Baskets(items, offsets, labels, backend)


def find_marks(array: NDArray[np.bool_], threads: Threads) -> tuple[NDArray[np.int32], Integers]:
    """The columns where each row is true, row by row, and where the marks of each begin."""
    n_rows, n_columns = array.shape
    flags = frozen(array.reshape(-1).view(np.uint8))
    step = max(1, CHUNK_CELLS // max(n_columns, 1))
    sizes = np.empty(n_rows, np.int64)

    def find(start: int, stop: int) -> NDArray[np.int32]:
        room = np.empty((stop - start) * n_columns + 1, np.int32)
        n = find_columns(flags[start * n_columns : stop * n_columns], n_columns, room, sizes[start:stop])
        return room[:n].copy()

    found = threads.map(find, [(start, min(start + step, n_rows)) for start in range(0, n_rows, step)])
    offsets = np.zeros(n_rows + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    return np.concatenate([np.empty(0, np.int32), *found]), offsets


def read_sparse(matrix: Any) -> Baskets:
    """Baskets of a sparse matrix; the items are the numbers of its columns."""
    if matrix.ndim != 2:
        raise ValueError(f"a sparse matrix of baskets must have two dimensions; got {matrix.ndim}.")
    rows = matrix.tocsr()
    data = np.asarray(rows.data)
    if data.dtype != bool:
        wrong = (data != 0) & (data != 1)
        if wrong.any():
            raise ValueError(f"a sparse matrix of baskets must hold 0 and 1; got {data[np.argmax(wrong)]}.")
    items, offsets = rows.indices, rows.indptr.astype(np.int64)
    if not data.all():
        held = np.concatenate([[0], np.cumsum(data != 0)])
        items, offsets = items[data != 0], held[offsets].astype(np.int64)
    return Baskets(items.astype(np.int32), offsets, range(rows.shape[1]), None)


def read_fimi(path: Path) -> Baskets:
    """Baskets of a file with a line for each, of integers with blanks between."""
    text = path.read_bytes()
    if path.suffix == ".gz":
        text = gzip.decompress(text)
    if text and not text.endswith(b"\n"):
        text += b"\n"
    letters = np.frombuffer(text, np.uint8)
    values = np.empty(len(letters) // 2 + 1, np.int64)
    offsets = np.zeros(text.count(b"\n") + 1, np.int64)
    n, line = parse_integers(letters, values, offsets)
    if line >= 0:
        raise ValueError(f"a FIMI file must hold integers with blanks between; line {line + 1} of {path} does not.")
    return Baskets(*number_integers(values[:n], offsets), backend=None)


def is_missing(label: Hashable) -> bool:
    """None, NaN, NaT and pandas' NA differ from themselves, or do not say."""
    if label is None:
        return True
    try:
        return bool(label != label)  # noqa: PLR0124
    except (TypeError, ValueError):
        return type(label).__name__ == "NAType"


@kernel
def number_values(
    values,  # (n,) IN
    low,
    table,  # (span,) INOUT: number of each value from `low` on, -1 for one not seen
    numbers,  # (n,) OUT
    labels,  # (at most n,) OUT: values in the order of their numbers
):
    """Number values as they first appear, and return how many there are."""
    n = 0
    for t in range(len(values)):
        at = values[t] - low
        if table[at] < 0:
            table[at] = n
            labels[n] = values[t]
            n += 1
        numbers[t] = table[at]
    return n


@kernel
def find_columns(
    flags,  # (n_rows * n_columns,) IN: zeros and ones
    n_columns,
    columns,  # (n_rows * n_columns + 1,) OUT
    sizes,  # (n_rows,) OUT
):
    """Write the columns of the ones, row by row, and return how many there are."""
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
    return n


@kernel
def group_items(
    numbers,  # (n,) IN
    items,  # (n,) IN
    cursor,  # (n_baskets,) INOUT: where the next item of a basket goes
    ordered,  # (n,) OUT
):
    """Write the items basket by basket."""
    for t in range(len(items)):
        ordered[cursor[numbers[t]]] = items[t]
        cursor[numbers[t]] += 1


@kernel
def parse_integers(
    letters,  # (n,) IN
    values,  # (at least half of n,) OUT
    offsets,  # (n_lines + 1,) OUT
):
    """Read lines of integers; return how many there are and the first line that is not of integers, or -1."""
    n, line, number, digits, sign = 0, 0, 0, 0, 1
    for t in range(len(letters)):
        letter = int(letters[t])
        if ZERO <= letter <= NINE:
            digits += 1
            number = 10 * number + (letter - ZERO)
            if digits > DIGITS:
                return n, line
        elif letter == MINUS and digits == 0 and sign == 1:
            sign = -1
        elif letter in (TAB, NEW_LINE, RETURN, BLANK):
            if digits:
                values[n] = sign * number
                n += 1
            elif sign < 0:
                return n, line
            number, digits, sign = 0, 0, 1
            if letter == NEW_LINE:
                line += 1
                offsets[line] = n
        else:
            return n, line
    return n, -1
