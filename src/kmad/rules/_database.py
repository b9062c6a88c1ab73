"""Baskets as a miner wants them: frequent items only, the rarest first, equal baskets once."""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from kmad._jit import frozen, kernel
from kmad._threads import Threads, even_ranges
from kmad.rules._baskets import Baskets, Columns, Integers, Items, running_sum
from kmad.rules._merging import WORD_BITS, merge_rows, merge_words, write_words

S = TypeVar("S", bound=np.integer)

# Entries of the largest table of pairs, and the most that one can hold.
MOST_PAIRS, MOST_WEIGHT = 1 << 21, (1 << 31) - 1
# Additions that a second thread and a table of its own are worth, and for each entry of that table.
PAIRS_WORK, PAIRS_EACH = 1 << 20, 8
# Items of all rows in a chunk: some tenths of a millisecond of work, and so many for each item that may be counted.
CHUNK_ITEMS, CHUNK_ITEMS_EACH = 1 << 17, 8
MAX_CHUNKS = 8


class Database(NamedTuple):
    """Rows of items and, for every item, where it stands in them.

    Items are numbered by their place in the search: those with the lowest threshold first, then the rarest. Row r
    ends with -1 - r: who comes from an item in the middle needs no other array to know the rest of its row. The arrays
    are writable, as those of a branch are: so what reads both is compiled once.
    """

    rows: Items  # (1 + held + n_rows,) ascending in a row; there is an end before the first too
    places: Items  # (held,) where in `rows` each item stands, item by item
    list_offsets: Integers  # (n_items + 1,)
    weights: Integers  # (n_rows,) number of baskets that a row stands for, or their weight; (0,) where all are one
    counts: Integers  # (n_items,) total weight of the rows with an item
    least: Integers  # (n_items,) count that a set needs whose first item this is


def count_items(baskets: Baskets | Columns, weights: Integers, threads: Threads) -> Integers:
    """Total weight of the baskets that hold each code; empty weights are ones."""
    n_items = baskets.n_codes
    if baskets.sizes is not None and not len(weights):
        return baskets.sizes
    if isinstance(baskets, Columns):
        total = running_sum(weights[baskets.list_baskets(np.arange(n_items))])
        return np.diff(total[running_sum(baskets.sizes)])
    items, offsets = frozen(baskets.items), frozen(baskets.offsets)

    def count(start: int, stop: int) -> Integers:
        counts = np.zeros(n_items, np.int64)
        add_items(items, offsets, weights, start, stop, np.full(n_items, -1, np.int64), counts)
        return counts

    return sum_in_place(threads.map(count, row_chunks(offsets, n_items)))


def build_database(
    baskets: Baskets | Columns, weights: Integers, counts: Integers, least: Integers, threads: Threads
) -> tuple[Database, Items]:
    """Recode baskets, and the code of every item of the database in the baskets.

    An item whose count falls below the lowest threshold is in no frequent set.
    """
    kept = np.flatnonzero(counts >= least.min()) if len(least) else np.empty(0, np.int64)
    ids = kept[np.lexsort((kept, counts[kept], least[kept]))]
    if len(ids) <= WORD_BITS:
        rows, places, list_offsets, row_weights = merge_words(write_words(baskets, ids), weights, len(ids))
    else:
        if isinstance(baskets, Columns):
            chunks, row_sizes = cut_columns(baskets, weights, ids, threads)
        else:
            chunks, row_sizes = cut_baskets(baskets, weights, ids, threads)
        rows, places, list_offsets, row_weights = merge_rows(*sort_rows(chunks, row_sizes, threads), weights)
    database = Database(rows, places, list_offsets, row_weights.copy(), counts[ids], least[ids])
    return database, ids.astype(np.int32)


class Lists(NamedTuple):
    """For each item of a database the rows that hold it."""

    rows: Items  # (total,) ascending for each item
    begins: Integers  # (n_items,) where those of an item begin
    ends: Integers  # (n_items,)


class Chunk(NamedTuple):
    """Some baskets cut to the items of a database."""

    start: int
    stop: int
    sizes: Integers  # (n_items,) number of the rows to keep that hold each item
    # Lists its rows. They may be written into the places, from where that many for each item are its own.
    list_rows: Callable[[Items, Integers], Lists]


def cut_baskets(baskets: Baskets, weights: Integers, ids: Integers, threads: Threads) -> tuple[list[Chunk], Integers]:
    """Cut baskets to some items; number of items of each row, 0 of those that are left out."""
    n_items, items, offsets = len(ids), frozen(baskets.items), frozen(baskets.offsets)
    # Items that are left out have a place too, so that nothing need branch on them.
    place = np.full(baskets.n_codes, n_items, np.int32)
    place[ids] = np.arange(n_items, dtype=np.int32)
    # What is kept never comes before where it was read. New memory costs some tenths of a nanosecond a byte.
    kept = baskets.items if baskets.spare else np.empty(len(items), np.int32)
    row_sizes = np.empty(baskets.n_baskets, np.int64)

    def cut(start: int, stop: int) -> Chunk:
        sizes, last = np.zeros(n_items + 1, np.int64), np.full(n_items + 1, -1, np.int64)
        keep_items(items, offsets, weights, frozen(place), start, stop, last, kept, row_sizes, sizes)

        def list_chunk(places: Items, begins: Integers) -> Lists:
            ends = begins.copy()
            list_rows(kept, offsets[start], row_sizes, start, stop, ends, places)
            return Lists(places, begins, ends)

        return Chunk(start, stop, sizes[:-1], list_chunk)

    return threads.map(cut, row_chunks(offsets, n_items)), row_sizes


def cut_columns(columns: Columns, weights: Integers, ids: Integers, threads: Threads) -> tuple[list[Chunk], Integers]:
    """Cut columns to some items; number of items of each row, 0 of those that are left out."""
    lists, n_rows = columns.list_baskets(ids), columns.n_baskets
    n_chunks = count_chunks(len(lists), len(ids))
    edges = [n_rows * c // n_chunks for c in range(n_chunks + 1)]
    cuts = np.empty((n_chunks + 1, len(ids)), np.int64)
    find_edges(lists, running_sum(columns.sizes[ids]), np.array(edges), cuts)
    row_sizes = np.zeros(n_rows, np.int64)

    def cut(c: int, after: int) -> Chunk:
        sizes = np.zeros(len(ids), np.int64)
        keep_rows(lists, cuts[c], cuts[after], weights, edges[c], edges[after], row_sizes, sizes)
        return Chunk(edges[c], edges[after], sizes, lambda *_: Lists(lists, cuts[c], cuts[after]))

    return threads.map(cut, pairwise(range(n_chunks + 1))), row_sizes


def sort_rows(chunks: list[Chunk], row_sizes: Integers, threads: Threads) -> tuple[Items, Items, Integers, Integers]:
    """Rows and places, where the places of each item begin, and where rows end."""
    sizes = np.array([chunk.sizes for chunk in chunks])
    list_offsets, ends = running_sum(sizes.sum(axis=0)), running_sum(row_sizes + 1)
    # The places of an item in a chunk stand between those in the chunk before and after.
    cursors = list_offsets[:-1] + np.cumsum(sizes, axis=0) - sizes
    rows, places = np.empty(ends[-1] + 1, np.int32), np.empty(list_offsets[-1], np.int32)
    rows[0] = -1

    def fill(c: int, _: int) -> None:
        start, stop, _sizes, list_chunk = chunks[c]
        fill_rows(*list_chunk(places, cursors[c].copy()), ends, start, stop, cursors[c], rows, places)

    threads.map(fill, pairwise(range(len(chunks) + 1)))
    return rows, places, list_offsets, ends


def row_chunks(offsets: Integers, n_items: int) -> list[tuple[int, int]]:
    """Ranges of rows with about as many items each, the same for any number of threads."""
    return even_ranges(offsets, count_chunks(int(offsets[-1]), n_items))


def count_chunks(n_held: int, n_items: int) -> int:
    """Number of chunks for so many items of all rows, n_items different ones."""
    return max(1, min(MAX_CHUNKS, n_held // max(CHUNK_ITEMS, CHUNK_ITEMS_EACH * n_items)))


def sum_in_place(arrays: list[NDArray[S]]) -> NDArray[S]:
    """The sum of arrays, in the first of them."""
    total, *others = arrays
    for other in others:
        total += other
    return total


def count_pairs(database: Database, ends: Integers, threads: Threads) -> Items:
    """Weight of the rows with two items, or nothing where that table would not pay.

    The pairs of the first item with those after it come first, then those of the second. `ends` are the ends of the
    rows, and the one before the first.
    """
    n_items, lengths = len(database.counts), np.diff(ends)
    size, work = n_items * (n_items - 1) // 2, int(lengths @ lengths)
    if size > min(MOST_PAIRS, work) or database.counts.max(initial=0) > MOST_WEIGHT:
        return np.empty(0, np.int32)

    def count(start: int, stop: int) -> Items:
        pairs = np.zeros(size, np.int32)
        add_pairs(database.rows, database.weights, n_items, start, stop, pairs)
        return pairs

    # A second table takes some time to clear and to add.
    middle = [ends[len(ends) // 2]] if work > max(PAIRS_WORK, PAIRS_EACH * size) else []
    return sum_in_place(threads.map(count, pairwise([ends[0], *middle, ends[-1]])))


@kernel
def add_items(
    items,  # (total,) IN
    offsets,  # (n_rows + 1,) IN
    weights,  # (n_rows,) or (0,) IN
    start,
    stop,
    last,  # (n_items,) INOUT: last row that had the item
    counts,  # (n_items,) INOUT
):
    """Add the weight of rows to the counts of their items, once for each."""
    for r in range(start, stop):
        weight = weights[r] if len(weights) else 1
        for t in range(offsets[r], offsets[r + 1]):
            item = items[t]
            if last[item] != r:
                last[item] = r
                counts[item] += weight


@kernel
def keep_items(
    items,  # (total,) IN
    offsets,  # (n_rows + 1,) IN
    weights,  # (n_rows,) or (0,) IN
    place,  # (n_labels,) IN: number of places for an item to leave out
    start,
    stop,
    last,  # (n_items + 1,) INOUT: last row that had the item, -1 at first
    kept,  # (total,) OUT: from where the first of these rows begins; it may be the items themselves
    row_sizes,  # (n_rows,) OUT
    list_sizes,  # (n_items + 1,) INOUT: zeros at first
):
    """Write the places of the items to keep, once for each row; none of rows of fewer than two, or without weight."""
    n, n_items = offsets[start], len(last) - 1
    for r in range(start, stop):
        begin = n
        for t in range(offsets[r], offsets[r + 1]):
            p = place[items[t]]
            kept[n] = p
            n += (last[p] != r) & (p < n_items)
            last[p] = r
        if n < begin + 2 or (len(weights) and weights[r] == 0):
            n = begin
        for t in range(begin, n):
            list_sizes[kept[t]] += 1
        row_sizes[r] = n - begin


@kernel
def list_rows(
    kept,  # (total,) IN
    begin,
    row_sizes,  # (n_rows,) IN
    start,
    stop,
    cursor,  # (n_items,) INOUT: where the next row of an item goes
    lists,  # (held,) OUT
):
    """List the rows of every item that is kept, from `begin` on."""
    t = begin
    for r in range(start, stop):
        for _ in range(row_sizes[r]):
            p = kept[t]
            lists[cursor[p]] = r
            cursor[p] += 1
            t += 1


@kernel
def find_edges(
    lists,  # (held,) IN
    offsets,  # (n_items + 1,) IN
    edges,  # (n_chunks + 1,) IN
    cuts,  # (n_chunks + 1, n_items) OUT
):
    """Find where the rows from each edge on begin in the list of each item."""
    for p in range(cuts.shape[1]):
        for c in range(len(edges)):
            low, high = offsets[p], offsets[p + 1]
            while low < high:
                middle = (low + high) // 2
                if lists[middle] < edges[c]:
                    low = middle + 1
                else:
                    high = middle
            cuts[c, p] = low


@kernel
def keep_rows(
    lists,  # (held,) IN
    begins,  # (n_items,) IN
    ends,  # (n_items,) IN
    weights,  # (n_rows,) or (0,) IN
    start,
    stop,
    row_sizes,  # (n_rows,) INOUT: zeros at first
    list_sizes,  # (n_items,) INOUT: zeros at first
):
    """Count the items of each row, none of rows of fewer than two or without weight, and the rows of each item."""
    for p in range(len(begins)):
        for u in range(begins[p], ends[p]):
            row_sizes[lists[u]] += 1
    for r in range(start, stop):
        if row_sizes[r] < 2 or (len(weights) and weights[r] == 0):
            row_sizes[r] = 0
    for p in range(len(begins)):
        for u in range(begins[p], ends[p]):
            list_sizes[p] += row_sizes[lists[u]] > 0


@kernel
def fill_rows(
    lists,  # (held,) IN: it may be the places themselves
    begins,  # (n_items,) IN
    list_ends,  # (n_items,) IN
    ends,  # (n_rows + 1,) IN
    start,
    stop,
    cursor,  # (n_items,) INOUT: where the next place of an item goes
    rows,  # (1 + held + n_rows,) OUT
    places,  # (held,) OUT
):
    """Write rows from `start` to `stop`, but the empty ones, and the places of their items."""
    to = np.empty(stop - start, np.int64)
    for r in range(start, stop):
        rows[ends[r + 1]] = -1 - r
        to[r - start] = ends[r] + 1 if ends[r] + 1 < ends[r + 1] else -1
    # Item by item, every row comes to be ascending without a sort.
    for p in range(len(begins)):
        at = cursor[p]
        for u in range(begins[p], list_ends[p]):
            r = lists[u] - start
            if to[r] >= 0:
                rows[to[r]] = p
                places[at] = to[r]
                to[r] += 1
                at += 1
        cursor[p] = at


@kernel
def add_pairs(
    rows,  # (1 + held + n_rows,) IN
    weights,  # (n_rows,) or (0,) IN
    n_items,
    before,
    last,
    pairs,  # (n_items * (n_items - 1) / 2,) INOUT
):
    """Add the weight of the rows between two ends to their pairs of items."""
    end = before
    while end < last:
        start = end + 1
        end = start
        while rows[end] >= 0:
            end += 1
        weight = np.int32(weights[-1 - rows[end]] if len(weights) else 1)
        for t in range(start, end):
            first = np.int64(rows[t])
            begin = ((first * (2 * n_items - first - 3)) >> 1) - 1
            for u in range(t + 1, end):
                pairs[begin + rows[u]] += weight
