"""Baskets as a miner wants them: frequent items only, the rarest first, equal baskets once."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad._jit import frozen, kernel

Integers = NDArray[np.int64]
Items = NDArray[np.int32]

# Where more than this share of the first rows are distinct, merging equal rows would cost more than it saves.
DISTINCT = 0.6
LOOKED_AT = 4096
# Bits of a word that holds a row of so few items; the sign stays out of it.
WORD_BITS = 62
# Entries of the largest table of pairs.
MOST_PAIRS = 1 << 21


class Database(NamedTuple):
    """Rows of items and, for every item, where it stands in them.

    Items are numbered by their place in the search: those with the lowest threshold first, then the rarest. Row r
    ends with -1 - r: who comes from an item in the middle needs no other array to know the rest of its row.
    """

    rows: Items  # (1 + held + n_rows,) ascending in a row; there is an end before the first too
    places: Items  # (held,) where in `rows` each item stands, item by item
    list_offsets: Integers  # (n_items + 1,)
    weights: Integers  # (n_rows,) number of baskets that a row stands for, or their weight; (0,) where all are one
    counts: Integers  # (n_items,) total weight of the rows with an item
    least: Integers  # (n_items,) count that a set needs whose first item this is


def count_items(items: Items, offsets: Integers, weights: Integers, n_items: int) -> Integers:
    """Total weight of the baskets that hold each item; empty weights are ones."""
    counts = np.zeros(n_items, np.int64)
    add_items(items, offsets, weights, np.full(n_items, -1, np.int64), counts)
    return counts


def build_database(
    items: Items, offsets: Integers, weights: Integers, counts: Integers, least: Integers
) -> tuple[Database, Items]:
    """Recode baskets, and the id of every item of the database in the baskets.

    An item whose count falls below the lowest threshold is in no frequent set.
    """
    n_rows = len(offsets) - 1
    kept = np.flatnonzero(counts >= least.min()) if len(least) else np.empty(0, np.int64)
    ids = kept[np.lexsort((kept, counts[kept], least[kept]))].astype(np.int32)
    if len(ids) <= WORD_BITS:
        merged = merge_words(items, offsets, weights, ids, len(counts))
        if merged is not None:
            rows, places, list_offsets, weights = merged
            return Database(rows, places, list_offsets, weights, counts[ids], least[ids]), ids
    place = np.full(len(counts), len(ids), np.int32)
    place[ids] = np.arange(len(ids), dtype=np.int32)

    kept, offsets_kept = np.empty(len(items) + 1, np.int32), np.zeros(n_rows + 1, np.int64)
    # Items that are left out have a place too, so that nothing need branch on them.
    last = np.full(len(ids) + 1, -1, np.int64)
    held = keep_items(items, offsets, weights, frozen(place), last, kept, offsets_kept)
    list_offsets = running_sum(np.bincount(kept[:held], minlength=len(ids)))
    row_lists = np.empty(held, np.int32)
    fill_lists(frozen(kept), frozen(offsets_kept), list_offsets[:-1].copy(), row_lists)
    ends = offsets_kept + np.arange(n_rows + 1)
    rows, places = np.empty(1 + held + n_rows, np.int32), np.empty(held, np.int32)
    rows[ends] = -np.arange(n_rows + 1)
    rows[0] = -1
    fill_rows(frozen(row_lists), frozen(list_offsets), ends[:-1] + 1, rows, places)
    database = Database(rows, places, list_offsets, weights, counts[ids], least[ids])
    return merge_rows(database, ends), ids


def merge_rows(database: Database, ends: Integers) -> Database:
    """Let equal rows be one row of their total weight, and drop empty ones, where that saves.

    `ends` are the ends of the rows, and the one before the first.
    """
    n_rows = len(ends) - 1
    table = np.empty(1 << max(4, int(2 * n_rows).bit_length()), np.int32)
    row_of = np.empty(n_rows, np.int32)
    for stop in (min(n_rows, LOOKED_AT), n_rows):
        table.fill(-1)
        distinct, held = find_equal(frozen(database.rows), frozen(ends), stop, table, row_of)
        if distinct > DISTINCT * stop:
            return database
    rows, weights = np.empty(1 + held + distinct, np.int32), np.zeros(distinct, np.int64)
    sizes = np.zeros(len(database.counts), np.int64)
    copy_distinct(
        frozen(database.rows), frozen(ends), frozen(database.weights), frozen(row_of), rows, weights, sizes
    )
    places, list_offsets = list_places(rows, sizes)
    return database._replace(rows=rows, places=places, list_offsets=list_offsets, weights=weights)


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
    for stop in (min(n_rows, LOOKED_AT), n_rows):
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


def count_pairs(database: Database) -> Integers:
    """Weight of the rows with two items, at ``first * n_items + second``; empty where that table would not pay."""
    n_items, ends = len(database.counts), np.flatnonzero(database.rows < 0)
    if n_items * n_items > min(MOST_PAIRS, int((np.diff(ends) ** 2).sum())):
        return np.empty(0, np.int64)
    pairs = np.zeros(n_items * n_items, np.int64)
    add_pairs(frozen(database.rows), frozen(database.weights), n_items, pairs)
    return pairs


@kernel
def add_items(
    items,  # (total,) IN
    offsets,  # (n_rows + 1,) IN
    weights,  # (n_rows,) or (0,) IN
    last,  # (n_items,) INOUT: last row that had the item
    counts,  # (n_items,) INOUT
):
    """Add the weight of every row to the counts of its items, once for each."""
    for r in range(len(offsets) - 1):
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
    last,  # (n_items + 1,) INOUT: last row that had the item, -1 at first
    kept,  # (total + 1,) OUT
    offsets_kept,  # (n_rows + 1,) INOUT: zero at first
):
    """Write the places of the items to keep, once for each row; none of rows of fewer than two, or without weight."""
    n, n_items = 0, len(last) - 1
    for r in range(len(offsets) - 1):
        begin = n
        for t in range(offsets[r], offsets[r + 1]):
            p = place[items[t]]
            kept[n] = p
            n += (last[p] != r) & (p < n_items)
            last[p] = r
        if n < begin + 2 or (len(weights) and weights[r] == 0):
            n = begin
        offsets_kept[r + 1] = n
    return n


@kernel
def fill_lists(
    kept,  # (held or more,) IN
    offsets_kept,  # (n_rows + 1,) IN
    cursor,  # (n_items,) INOUT: where the next row of an item goes
    row_lists,  # (held,) OUT
):
    """Write the rows of every item."""
    for r in range(len(offsets_kept) - 1):
        for t in range(offsets_kept[r], offsets_kept[r + 1]):
            row_lists[cursor[kept[t]]] = r
            cursor[kept[t]] += 1


@kernel
def fill_rows(
    row_lists,  # (held,) IN
    list_offsets,  # (n_items + 1,) IN
    cursor,  # (n_rows,) INOUT: where the next item of a row goes
    rows,  # (1 + held + n_rows,) INOUT: ends are there
    places,  # (held,) OUT
):
    """Write the items of every row, ascending without a sort: they come in that order."""
    for p in range(len(list_offsets) - 1):
        for t in range(list_offsets[p], list_offsets[p + 1]):
            r = row_lists[t]
            rows[cursor[r]] = p
            places[t] = cursor[r]
            cursor[r] += 1


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
    pairs,  # (n_items * n_items,) INOUT
):
    """Add the weight of every row to its pairs of items."""
    end = 0
    while end + 1 < len(rows):
        start = end + 1
        end = start
        while rows[end] >= 0:
            end += 1
        weight = weights[-1 - rows[end]] if len(weights) else 1
        for t in range(start, end):
            first = rows[t] * n_items
            for u in range(t + 1, end):
                pairs[first + rows[u]] += weight
