"""Baskets as a miner wants them: frequent items only, the rarest first, equal baskets once."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad._jit import frozen, kernel
from kmad._threads import Threads

Integers = NDArray[np.int64]
Items = NDArray[np.int32]

# Where more than this share of the first rows are distinct, merging equal rows would cost more than it saves.
DISTINCT = 0.6
LOOKED_AT = 4096
# Bits of a word that holds a row of so few items; the sign stays out of it.
WORD_BITS = 62
# Entries of the largest table of pairs.
MOST_PAIRS = 1 << 21
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


def count_items(items: Items, offsets: Integers, weights: Integers, n_items: int, threads: Threads) -> Integers:
    """Total weight of the baskets that hold each item; empty weights are ones."""

    def count(start: int, stop: int) -> Integers:
        counts = np.zeros(n_items, np.int64)
        add_items(items, offsets, weights, start, stop, np.full(n_items, -1, np.int64), counts)
        return counts

    return sum_in_place(threads.map(count, row_chunks(offsets, n_items)))


def build_database(
    items: Items, offsets: Integers, weights: Integers, counts: Integers, least: Integers, threads: Threads
) -> tuple[Database, Items]:
    """Recode baskets, and the id of every item of the database in the baskets.

    An item whose count falls below the lowest threshold is in no frequent set.
    """
    kept = np.flatnonzero(counts >= least.min()) if len(least) else np.empty(0, np.int64)
    ids = kept[np.lexsort((kept, counts[kept], least[kept]))].astype(np.int32)
    merged = None
    if len(ids) <= WORD_BITS:
        merged = merge_words(items, offsets, weights, ids, len(counts))
    if merged is None:
        place = np.full(len(counts), len(ids), np.int32)
        place[ids] = np.arange(len(ids), dtype=np.int32)
        merged = merge_rows(*sort_rows(items, offsets, weights, frozen(place), len(ids), threads), weights)
    rows, places, list_offsets, weights = merged
    return Database(rows, places, list_offsets, weights.copy(), counts[ids], least[ids]), ids


def sort_rows(
    items: Items, offsets: Integers, weights: Integers, place: Items, n_items: int, threads: Threads
) -> tuple[Items, Items, Integers, Integers]:
    """Rows and places, where the places of each item begin, and where rows end; `place` is `n_items` for the others."""
    n_rows, chunks = len(offsets) - 1, row_chunks(offsets, n_items)
    kept, row_sizes = np.empty(len(items) + 1, np.int32), np.empty(n_rows, np.int64)

    def keep(start: int, stop: int) -> Integers:
        list_sizes = np.zeros(n_items + 1, np.int64)
        # Items that are left out have a place too, so that nothing need branch on them.
        last = np.full(n_items + 1, -1, np.int64)
        keep_items(items, offsets, weights, place, start, stop, last, kept, row_sizes, list_sizes)
        return list_sizes[:-1]

    # The rows of an item in a chunk stand between those in the chunk before and after.
    sizes = np.array(threads.map(keep, chunks))
    list_offsets = running_sum(sizes.sum(axis=0))
    begins = frozen(list_offsets[:-1] + np.cumsum(sizes, axis=0) - sizes)
    ends = running_sum(row_sizes + 1)
    rows, places = np.empty(ends[-1] + 1, np.int32), np.empty(list_offsets[-1], np.int32)
    rows[0] = -1
    number = {start: c for c, (start, _) in enumerate(chunks)}

    def fill(start: int, stop: int) -> None:
        cursor = begins[number[start]].copy()
        fill_rows(frozen(kept), offsets[start], frozen(ends), start, stop, cursor, rows, places)

    threads.map(fill, chunks)
    return rows, places, list_offsets, ends


def row_chunks(offsets: Integers, n_items: int) -> list[tuple[int, int]]:
    """Ranges of rows with about as many items each, the same for any number of threads.

    Some are empty where a single row has more.
    """
    n_chunks = max(1, min(MAX_CHUNKS, int(offsets[-1]) // max(CHUNK_ITEMS, CHUNK_ITEMS_EACH * n_items)))
    inner = np.searchsorted(offsets, offsets[-1] * np.arange(1, n_chunks) // n_chunks)
    return list(pairwise([0, *inner.tolist(), len(offsets) - 1]))


def sum_in_place(arrays: list[Integers]) -> Integers:
    """The sum of arrays, in the first of them."""
    total, *others = arrays
    for other in others:
        total += other
    return total


def merge_rows(
    rows: Items, places: Items, list_offsets: Integers, ends: Integers, weights: Integers
) -> tuple[Items, Items, Integers, Integers]:
    """Let equal rows be one row of their total weight, and drop empty ones, where that saves.

    `ends` are the ends of the rows, and the one before the first. Returned are rows, places, list offsets and weights.
    """
    n_rows = len(ends) - 1
    table = np.empty(1 << max(4, int(2 * n_rows).bit_length()), np.int32)
    row_of = np.empty(n_rows, np.int32)
    for stop in sorted({min(n_rows, LOOKED_AT), n_rows}):
        table.fill(-1)
        distinct, held = find_equal(frozen(rows), frozen(ends), stop, table, row_of)
        if distinct > DISTINCT * stop:
            return rows, places, list_offsets, weights
    merged, merged_weights = np.empty(1 + held + distinct, np.int32), np.zeros(distinct, np.int64)
    sizes = np.zeros(len(list_offsets) - 1, np.int64)
    copy_distinct(frozen(rows), frozen(ends), weights, frozen(row_of), merged, merged_weights, sizes)
    return merged, *list_places(merged, sizes), merged_weights


def merge_words(
    items: Items, offsets: Integers, weights: Integers, ids: Items, n_labels: int
) -> tuple[Items, Items, Integers, Integers] | None:
    """Rows, places, list offsets and weights of the merged rows of so few items that a word holds them, or None.

    It is what `keep_items` and `merge_rows` come to, in one pass over the items.
    """
    n_rows = len(offsets) - 1
    bit = np.zeros(n_labels, np.int64)
    bit[ids] = np.left_shift(1, np.arange(len(ids)))
    table = np.empty(1 << max(4, int(2 * n_rows).bit_length()), np.int32)
    words, merged = np.empty(n_rows, np.int64), np.empty(n_rows, np.int64)
    for stop in sorted({min(n_rows, LOOKED_AT), n_rows}):
        table.fill(-1)
        distinct = find_words(items, offsets, weights, frozen(bit), stop, table, words, merged)
        if distinct > DISTINCT * stop:
            return None
    sizes = np.zeros(len(ids), np.int64)
    rows = np.empty(1 + distinct * (len(ids) + 1), np.int32)
    end = spread_words(frozen(words[:distinct]), rows, sizes)
    rows = rows[:end].copy()
    return rows, *list_places(rows, sizes), merged[:distinct].copy()


def list_places(rows: Items, sizes: Integers) -> tuple[Items, Integers]:
    """Where every item stands in rows that have so many of each, and where the places of each begin."""
    offsets = running_sum(sizes)
    places = np.empty(offsets[-1], np.int32)
    fill_places(frozen(rows), offsets.copy(), places)
    return places, offsets


def running_sum(sizes: Integers) -> Integers:
    """Where parts of these sizes begin and end when they stand one after the other."""
    offsets = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    return offsets


def count_pairs(database: Database, ends: Integers, threads: Threads) -> Integers:
    """Weight of the rows with two items, at ``first * n_items + second``; empty where that table would not pay.

    `ends` are the ends of the rows, and the one before the first.
    """
    n_items, work = len(database.counts), int((np.diff(ends) ** 2).sum())
    size = n_items * n_items
    if size > min(MOST_PAIRS, work):
        return np.empty(0, np.int64)

    def count(start: int, stop: int) -> Integers:
        pairs = np.zeros(size, np.int64)
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
    kept,  # (total + 1,) OUT: from where the first row begins
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
def fill_rows(
    kept,  # (total + 1,) IN
    begin,
    ends,  # (n_rows + 1,) IN
    start,
    stop,
    cursor,  # (n_items,) INOUT: where the next place of an item goes
    rows,  # (1 + held + n_rows,) OUT
    places,  # (held,) OUT
):
    """Write rows from `start` to `stop`, whose items are kept from `begin` on, and the places of their items."""
    first = cursor.copy()
    t = begin
    for r in range(start, stop):
        for _ in range(ends[r + 1] - ends[r] - 1):
            p = kept[t]
            places[cursor[p]] = r
            cursor[p] += 1
            t += 1
        rows[ends[r + 1]] = -1 - r
    # Item by item, every row comes to be ascending without a sort.
    to = ends[start:stop] + 1
    for p in range(len(cursor)):
        for u in range(first[p], cursor[p]):
            r = places[u] - start
            rows[to[r]] = p
            places[u] = to[r]
            to[r] += 1


@kernel
def find_equal(
    rows,  # (1 + held + n_rows,) IN
    ends,  # (n_rows + 1,) IN
    stop,
    table,  # (power of two,) INOUT: first row of its kind by hash, -1 where there is none
    row_of,  # (n_rows,) OUT: number of the row among the distinct ones, -1 for an empty one
):
    """Number the distinct rows among the first `stop`, and return how many there are and how many items they hold."""
    distinct, held = 0, 0
    for r in range(stop):
        start, end = ends[r] + 1, ends[r + 1]
        if start == end:
            row_of[r] = -1
            continue
        key = end - start
        for t in range(start, end):
            key = (key * 1_000_003 + rows[t]) & 0x3FFFFFFFFFF
        slot = (key ^ (key >> 21)) & (len(table) - 1)
        while True:
            other = table[slot]
            if other < 0:
                table[slot] = r
                row_of[r] = distinct
                distinct += 1
                held += end - start
                break
            if ends[other + 1] - ends[other] == ends[r + 1] - ends[r]:
                t, shift = start, ends[other] - ends[r]
                while t < end and rows[t] == rows[t + shift]:
                    t += 1
                if t == end:
                    row_of[r] = row_of[other]
                    break
            slot = (slot + 1) & (len(table) - 1)
    return distinct, held


@kernel
def find_words(
    items,  # (total,) IN
    offsets,  # (n_rows + 1,) IN
    weights,  # (n_rows,) or (0,) IN
    bit,  # (n_labels,) IN: the bit of every item in a word, 0 for an item to leave out
    stop,
    table,  # (power of two,) INOUT: number of a word by hash, -1 where there is none
    words,  # (n_rows,) OUT: those that differ, in the order of their first rows
    merged,  # (n_rows,) OUT: their weights
):
    """Collect the words of the first `stop` rows and return how many there are, but none of fewer than two items."""
    distinct = 0
    for r in range(stop):
        word = np.int64(0)
        for t in range(offsets[r], offsets[r + 1]):
            word |= bit[items[t]]
        weight = weights[r] if len(weights) else 1
        if word & (word - 1) == 0 or weight == 0:
            continue
        key = ((word ^ (word >> 31)) & 0x7FFFFFFF) * 1_000_003
        slot = (key ^ (key >> 21)) & (len(table) - 1)
        while table[slot] >= 0 and words[table[slot]] != word:
            slot = (slot + 1) & (len(table) - 1)
        if table[slot] < 0:
            table[slot] = distinct
            words[distinct], merged[distinct] = word, 0
            distinct += 1
        merged[table[slot]] += weight
    return distinct


@kernel
def spread_words(
    words,  # (distinct,) IN
    rows,  # (at least 1 + held + distinct,) OUT
    list_sizes,  # (n_items,) INOUT: zeros at first
):
    """Write the items of every word as a row, and return where the last ends."""
    rows[0] = -1
    to = 1
    for n in range(len(words)):
        word, p = words[n], 0
        while word:
            rows[to] = p
            to += word & 1
            list_sizes[p] += word & 1
            word >>= 1
            p += 1
        rows[to] = -1 - n
        to += 1
    return to


@kernel
def copy_distinct(
    rows,  # (1 + held + n_rows,) IN
    ends,  # (n_rows + 1,) IN
    weights,  # (n_rows,) or (0,) IN
    row_of,  # (n_rows,) IN
    distinct_rows,  # (1 + held + distinct,) OUT
    distinct_weights,  # (distinct,) INOUT: zeros at first
    list_sizes,  # (n_items,) INOUT: zeros at first
):
    """Write each row that is the first of its kind, and the weight of all of them."""
    n, to = 0, 1
    distinct_rows[0] = -1
    for r in range(len(row_of)):
        if row_of[r] < 0:
            continue
        distinct_weights[row_of[r]] += weights[r] if len(weights) else 1
        if row_of[r] == n:
            for t in range(ends[r] + 1, ends[r + 1]):
                distinct_rows[to] = rows[t]
                list_sizes[rows[t]] += 1
                to += 1
            n += 1
            distinct_rows[to] = -n
            to += 1


@kernel
def fill_places(
    rows,  # (1 + held + n_rows,) IN
    cursor,  # (n_items + 1,) INOUT: where the next place of an item goes
    places,  # (held,) OUT
):
    """Write where every item stands."""
    for t in range(len(rows)):
        if rows[t] >= 0:
            places[cursor[rows[t]]] = t
            cursor[rows[t]] += 1


@kernel
def add_pairs(
    rows,  # (1 + held + n_rows,) IN
    weights,  # (n_rows,) or (0,) IN
    n_items,
    before,
    last,
    pairs,  # (n_items * n_items,) INOUT
):
    """Add the weight of the rows between two ends to their pairs of items."""
    end = before
    while end < last:
        start = end + 1
        end = start
        while rows[end] >= 0:
            end += 1
        weight = weights[-1 - rows[end]] if len(weights) else 1
        for t in range(start, end):
            first = rows[t] * n_items
            for u in range(t + 1, end):
                pairs[first + rows[u]] += weight
