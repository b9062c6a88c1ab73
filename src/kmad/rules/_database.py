"""Baskets as a miner wants them: frequent items only, the rarest first, equal baskets once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad._jit import frozen, kernel

Integers = NDArray[np.int64]
Items = NDArray[np.int32]

# Where more than this share of the first rows are distinct, merging equal rows would cost more than it saves.
DISTINCT = 0.6
LOOKED_AT = 4096
# Entries of the largest table of pairs.
MOST_PAIRS = 1 << 21


class Database(NamedTuple):
    """Rows of items and, for every item, the rows that hold it.

    Items are numbered by their place in the search: those with the lowest threshold first, then the rarest.
    """

    rows: Items  # (total,) ascending in a row
    row_offsets: Integers  # (n_rows + 1,)
    row_lists: Items  # (total,) rows that hold an item, ascending
    list_offsets: Integers  # (n_items + 1,)
    weights: Integers  # (n_rows,) number of baskets that a row stands for, or their weight
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
    place = np.full(len(counts), len(ids), np.int32)
    place[ids] = np.arange(len(ids), dtype=np.int32)

    rows, row_offsets = np.empty(len(items) + 1, np.int32), np.zeros(n_rows + 1, np.int64)
    # Items that are left out have a place too, so that nothing need branch on them.
    last = np.full(len(ids) + 1, -1, np.int64)
    held = keep_items(items, offsets, weights, frozen(place), last, rows, row_offsets)
    rows = rows[:held]
    row_lists, list_offsets = list_rows(rows, row_offsets, len(ids))
    fill_rows(frozen(row_lists), frozen(list_offsets), row_offsets[:-1].copy(), rows)
    if not len(weights):
        weights = np.ones(n_rows, np.int64)
    database = Database(rows, row_offsets, row_lists, list_offsets, weights, counts[ids], least[ids])
    return merge_rows(database), ids


def merge_rows(database: Database) -> Database:
    """Let equal rows be one row of their total weight, and drop rows of fewer than two items, where that saves."""
    n_rows = len(database.weights)
    size = 1 << max(4, int(2 * n_rows).bit_length())
    table, row_of = np.empty(size, np.int32), np.empty(n_rows, np.int32)
    few = min(n_rows, LOOKED_AT)
    for stop in (few, n_rows):
        table.fill(-1)
        distinct, held = find_equal(frozen(database.rows), frozen(database.row_offsets), stop, table, row_of)
        if distinct > DISTINCT * stop:
            return database
    rows, row_offsets = np.empty(held, np.int32), np.zeros(distinct + 1, np.int64)
    weights = np.zeros(distinct, np.int64)
    copy_distinct(
        frozen(database.rows), frozen(database.row_offsets), frozen(database.weights), row_of, rows, row_offsets, weights
    )
    row_lists, list_offsets = list_rows(rows, row_offsets, len(database.counts))
    return database._replace(
        rows=rows, row_offsets=row_offsets, row_lists=row_lists, list_offsets=list_offsets, weights=weights
    )


def list_rows(rows: Items, row_offsets: Integers, n_items: int) -> tuple[Items, Integers]:
    """The rows of every item one after the other, and where those of each begin."""
    list_offsets = running_sum(np.bincount(rows, minlength=n_items))
    row_lists = np.empty(len(rows), np.int32)
    fill_lists(frozen(rows), frozen(row_offsets), list_offsets[:-1].copy(), row_lists)
    return row_lists, list_offsets


def running_sum(sizes: Integers) -> Integers:
    """Where parts of these sizes begin and end when they stand one after the other."""
    offsets = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    return offsets


def count_pairs(database: Database) -> Integers:
    """Weight of the rows with two items, at ``first * n_items + second``; empty where that table would not pay."""
    n_items, sizes = len(database.counts), np.diff(database.row_offsets)
    if n_items * n_items > min(MOST_PAIRS, int((sizes * sizes).sum())):
        return np.empty(0, np.int64)
    pairs = np.zeros(n_items * n_items, np.int64)
    add_pairs(frozen(database.rows), frozen(database.row_offsets), frozen(database.weights), n_items, pairs)
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
    rows,  # (total + 1,) OUT
    row_offsets,  # (n_rows + 1,) OUT
):
    """Write the places of the items to keep, once for each row; none of rows of fewer than two, or without weight."""
    n, n_items = 0, len(last) - 1
    for r in range(len(offsets) - 1):
        begin = n
        for t in range(offsets[r], offsets[r + 1]):
            p = place[items[t]]
            rows[n] = p
            n += (last[p] != r) & (p < n_items)
            last[p] = r
        if n < begin + 2 or (len(weights) and weights[r] == 0):
            n = begin
        row_offsets[r + 1] = n
    return n


@kernel
def fill_lists(
    rows,  # (held,) IN
    row_offsets,  # (n_rows + 1,) IN
    cursor,  # (n_items,) INOUT: where the next row of an item goes
    row_lists,  # (held,) OUT
):
    """Write the rows of every item."""
    for r in range(len(row_offsets) - 1):
        for t in range(row_offsets[r], row_offsets[r + 1]):
            row_lists[cursor[rows[t]]] = r
            cursor[rows[t]] += 1


@kernel
def fill_rows(
    row_lists,  # (kept,) IN
    list_offsets,  # (n_items + 1,) IN
    cursor,  # (n_rows,) INOUT: where the next item of a row goes
    rows,  # (kept,) OUT
):
    """Write the items of every row, ascending without a sort: they come in that order."""
    for p in range(len(list_offsets) - 1):
        for t in range(list_offsets[p], list_offsets[p + 1]):
            r = row_lists[t]
            rows[cursor[r]] = p
            cursor[r] += 1


@kernel
def find_equal(
    rows,  # (kept,) IN
    row_offsets,  # (n_rows + 1,) IN
    stop,
    table,  # (power of two,) INOUT: first row of its kind by hash, -1 where there is none
    row_of,  # (n_rows,) OUT: number of the row among the distinct ones, -1 for an empty one
):
    """Number the distinct rows among the first `stop`, and return how many there are and how many items they hold."""
    distinct, held = 0, 0
    for r in range(stop):
        start, end = row_offsets[r], row_offsets[r + 1]
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
            shift = row_offsets[other] - start
            if row_offsets[other + 1] - row_offsets[other] == end - start:
                t = start
                while t < end and rows[t] == rows[t + shift]:
                    t += 1
                if t == end:
                    row_of[r] = row_of[other]
                    break
            slot = (slot + 1) & (len(table) - 1)
    return distinct, held


@kernel
def copy_distinct(
    rows,  # (kept,) IN
    row_offsets,  # (n_rows + 1,) IN
    weights,  # (n_rows,) IN
    row_of,  # (n_rows,) IN
    distinct_rows,  # (held,) OUT
    distinct_offsets,  # (distinct + 1,) INOUT: zeros at first
    distinct_weights,  # (distinct,) INOUT: zeros at first
):
    """Write each row that is the first of its kind, and the weight of all of them."""
    n = 0
    for r in range(len(row_of)):
        if row_of[r] < 0:
            continue
        distinct_weights[row_of[r]] += weights[r]
        if row_of[r] == n:
            to = distinct_offsets[n]
            for t in range(row_offsets[r], row_offsets[r + 1]):
                distinct_rows[to] = rows[t]
                to += 1
            n += 1
            distinct_offsets[n] = to


@kernel
def add_pairs(
    rows,  # (kept,) IN
    row_offsets,  # (n_rows + 1,) IN
    weights,  # (n_rows,) IN
    n_items,
    pairs,  # (n_items * n_items,) INOUT
):
    """Add the weight of every row to its pairs of items."""
    for r in range(len(weights)):
        weight, end = weights[r], row_offsets[r + 1]
        for t in range(row_offsets[r], end):
            first = rows[t] * n_items
            for u in range(t + 1, end):
                pairs[first + rows[u]] += weight
