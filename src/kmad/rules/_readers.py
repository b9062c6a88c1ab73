"""Baskets from whatever holds them, as numbered items."""

import gzip
import sys
import zlib
from array import array
from codecs import BOM_UTF8
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import chain, count, filterfalse
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from kmad._jit import frozen, kernel
from kmad._threads import Threads
from kmad.rules._baskets import Baskets, Columns, Integers, Items, group_by_basket, running_sum
from kmad.rules._one_hot import read_array, read_one_hot, read_pandas

# Numbers that span at most so many times their number are numbered through a table.
SPAN = 4
LEAST_SPAN = 1 << 16
# Letters of a FIMI file, and the most digits that surely fit in 64 bits.
TAB, NEW_LINE, RETURN, BLANK, MINUS, ZERO, NINE = 9, 10, 13, 32, 45, 48, 57
DIGITS = 18
KINDS = (
    "a list of lists of items, a table with the columns basket= and item=, a one-hot table or array, "
    "a SciPy sparse matrix or the path of a FIMI file"
)


def read_baskets(baskets: object, basket: Hashable, item: Hashable, threads: Threads) -> Baskets | Columns:
    """Turn any kind of baskets into numbered items."""
    long = basket is not None or item is not None
    if not long:
        # Lists and pandas tables come first: to ask for other kinds takes as long as a small search.
        read = read_lists(baskets) if isinstance(baskets, list | tuple) else read_pandas(baskets, threads)
        if read is not None:
            return read
    table = None if isinstance(baskets, np.ndarray) else nw.from_native(baskets, pass_through=True)
    if isinstance(table, nw.LazyFrame):
        raise TypeError(f"baskets must be in memory; got a lazy {type(baskets).__name__}: collect it first.")
    if isinstance(table, nw.DataFrame):
        return read_long(table, basket, item) if long else read_one_hot(table)
    if long:
        raise ValueError(f"basket and item name columns of a table; got baskets of type {type(baskets).__name__}.")
    if isinstance(baskets, str | Path):
        return read_fimi(Path(baskets))
    if is_sparse(baskets):
        return read_sparse(baskets)
    if isinstance(baskets, np.ndarray) and baskets.ndim == 2 and baskets.dtype != object:
        return read_array(baskets, range(baskets.shape[1]), None, threads)
    if isinstance(baskets, Mapping | bytes) or not isinstance(baskets, Iterable):
        raise TypeError(f"baskets must be {KINDS}; got a {type(baskets).__name__}.")
    # One by one pyarrow's arrays give scalars of their own: equal to no name, and a missing one is equal to itself.
    return read_lists(baskets.to_pylist() if hasattr(baskets, "to_pylist") else list(baskets))


def read_lists(baskets: Sequence[Any]) -> Baskets:
    """Number the items of lists, in the order in which they first appear."""
    read = read_whole_numbers(baskets)
    if read is not None:
        return read
    types = set(map(type, baskets))
    for kind in types:
        if issubclass(kind, str | bytes | Mapping) or not issubclass(kind, Iterable):
            i = next(i for i, entry in enumerate(baskets) if type(entry) is kind)
            raise TypeError(f"baskets must be lists of items; baskets[{i}] is {baskets[i]!r}, a {kind.__name__}.")
    if not all(hasattr(kind, "__len__") for kind in types):
        baskets = list(map(list, baskets))
    if types != {list}:
        read = read_whole_numbers(baskets, convert=True)
        if read is not None:
            return read
    numbers: defaultdict[Any, int] = defaultdict(count().__next__)
    try:
        found = list(map(numbers.__getitem__, chain.from_iterable(baskets)))
    except TypeError as error:
        raise TypeError(f"items of baskets must be hashable; {error}.") from error
    items: Items = as_numbers(array("I", found), np.int32)
    offsets = running_sum(as_numbers(array("Q", list(map(len, baskets))), np.int64))
    for label, number in numbers.items():
        if not isinstance(label, str) and is_missing(label):
            i = int(np.searchsorted(offsets, np.argmax(items == number), side="right")) - 1
            raise ValueError(f"baskets must hold no missing items; baskets[{i}] has {label!r}. Leave it out.")
    return Baskets(items, offsets, list(numbers), None)


def read_whole_numbers(baskets: Sequence[Any], *, convert: bool = False) -> Baskets | None:
    """Baskets that are, or convert to, lists of whole numbers of 64 bits; None for others."""
    # An array takes for integers nothing else. Unsigned ones it reads at twice the speed of signed ones, or of NumPy.
    kinds: list[tuple[str, Any]] = [("I", np.int32), ("Q", np.int64), ("q", np.int64)]
    for code, dtype in kinds:
        flat = array(code)
        lists = map(list, baskets) if convert else baskets
        try:
            # `fromlist` returns None: so every list is handed on, to be measured while it is at hand.
            sizes = array("Q", list(map(len, filterfalse(flat.fromlist, lists))))
        except OverflowError:
            continue
        except TypeError:
            return None
        values = as_numbers(flat, dtype)
        low, high = int(values.min(initial=0)), int(values.max(initial=0))
        # What is above the half of unsigned numbers comes as negative.
        if code != "q" and low < 0:
            continue
        # True and False come as 1 and 0, and should keep their names.
        if high <= 1:
            return None
        offsets = running_sum(as_numbers(sizes, np.int64))
        if code == "I" and high < most_span(len(values)):
            return count_codes(values, offsets, high + 1)
        return number_baskets(values.astype(np.int64, copy=False), offsets)
    return None


def as_numbers(flat: "array[int]", dtype: Any) -> NDArray[Any]:
    """What an array holds, which reads a list faster than NumPy an iterator; of none there is no view."""
    return np.frombuffer(flat, dtype) if flat else np.empty(0, dtype)


def count_codes(values: Items, offsets: Integers, n_codes: int) -> Baskets:
    """Baskets of small integers, which are codes as they are."""
    last, sizes = np.full(n_codes, -1, np.int64), np.zeros(n_codes, np.int64)
    seen = np.empty(min(n_codes, len(values)), np.int64)
    n = count_values(frozen(values), frozen(offsets), last, sizes, seen)
    numbers = np.zeros(n_codes, np.int32)
    numbers[seen[:n]] = np.arange(n, dtype=np.int32)
    return Baskets(values, offsets, seen[:n].tolist(), None, sizes, numbers, spare=True)


def number_baskets(values: Integers, offsets: Integers) -> Baskets:
    """Baskets of integers, numbered as they first appear."""
    items, labels = number(values)
    return Baskets(items, offsets, labels.tolist(), None, spare=True)


def most_span(n_values: int) -> int:
    """Span of so many integers for which a table pays."""
    return max(SPAN * n_values, LEAST_SPAN)


def number(values: Integers) -> tuple[Items, Integers]:
    """Each value's number in the order of their first appearance, and the distinct values in that order."""
    if not len(values):
        return np.empty(0, np.int32), np.empty(0, np.int64)
    low, high = int(values.min()), int(values.max())
    if high - low < most_span(len(values)):
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


def read_long(table: nw.DataFrame[Any], basket: Hashable, item: Hashable) -> Baskets:
    """Baskets of a table with one row for each item in a basket; baskets are ordered by first appearance."""
    numbers, _ = number_column(column_of(table, "basket", basket), "basket")
    items, labels = number_column(column_of(table, "item", item), "item")
    n_baskets = int(numbers.max(initial=-1)) + 1
    return Baskets(*group_by_basket(numbers, items, n_baskets), labels, table.implementation.value)


def column_of(table: nw.DataFrame[Any], argument: str, name: Any) -> nw.Series[Any]:
    if name is None:
        raise ValueError(f"{argument} must name a column where the other one is given; got None.")
    if name not in table.columns:
        raise ValueError(f"{argument} must name a column; got {name!r}, and the columns are {table.columns}.")
    # table[name] would take an integer, which pandas may have for a name, for a row.
    return table.get_column(name)


def number_column(column: nw.Series[Any], argument: str) -> tuple[Items, Sequence[Any]]:
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
        numbers, distinct = number(np.ascontiguousarray(column.to_numpy(), np.int64))
        return numbers, distinct.tolist()
    ids: defaultdict[Any, int] = defaultdict(count().__next__)
    try:
        return np.fromiter(map(ids.__getitem__, column.to_list()), np.int32, len(column)), list(ids)
    except TypeError as error:
        raise TypeError(f"{argument} must name a column of hashable values; {column.name!r}: {error}.") from error


def is_sparse(baskets: object) -> bool:
    """Whether it is a matrix of SciPy: who has one has imported that, which takes a sixth of our own import."""
    sparse = sys.modules.get("scipy.sparse")
    return sparse is not None and bool(sparse.issparse(baskets))


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
    return Baskets(items.astype(np.int32, copy=False), offsets, range(rows.shape[1]), None)


def read_fimi(path: Path) -> Baskets:
    """Baskets of a file with a line for each, of integers with blanks between."""
    text = path.read_bytes()
    if path.suffix == ".gz":
        try:
            text = gzip.decompress(text)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"a file whose name ends in .gz must be one of gzip; {path} is not: {error}.") from error
    text = text.removeprefix(BOM_UTF8)
    if b"\n" not in text:
        text = text.replace(b"\r", b"\n")
    if text and not text.endswith(b"\n"):
        text += b"\n"
    letters = np.frombuffer(text, np.uint8)
    values = np.empty(len(letters) // 2 + 1, np.int64)
    offsets = np.zeros(text.count(b"\n") + 1, np.int64)
    n, line = parse_integers(letters, values, offsets)
    if line >= 0:
        raise ValueError(f"a FIMI file must hold integers with blanks between; line {line + 1} of {path} does not.")
    return number_baskets(values[:n], offsets)


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
def count_values(
    values,  # (total,) IN
    offsets,  # (n_baskets + 1,) IN
    last,  # (n_codes,) INOUT: last basket that had the value, -1 at first
    sizes,  # (n_codes,) INOUT: baskets that have the value, zeros at first
    seen,  # (at most total,) OUT: values as they first appear
):
    """Count the baskets with each value, once for each, and return how many values there are."""
    n = 0
    for r in range(len(offsets) - 1):
        for t in range(offsets[r], offsets[r + 1]):
            value = values[t]
            if last[value] != r:
                if last[value] < 0:
                    seen[n] = value
                    n += 1
                last[value] = r
                sizes[value] += 1
    return n


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
