"""Equal baskets as one: rows that are compared item by item, and baskets of so few items that each is a word."""

import numpy as np

from kmad._jit import frozen, kernel
from kmad.rules._baskets import Baskets, Columns, Integers, Items, running_sum
from kmad.rules._bits import spread_words

# Where more than this share of the first rows are distinct, merging equal rows would cost more than it saves.
DISTINCT = 0.6
LOOKED_AT = 4096
# Bits of a word that holds a row of so few items; the sign stays out of it.
WORD_BITS = 62


def merge_rows(
    rows: Items, places: Items, list_offsets: Integers, ends: Integers, weights: Integers
) -> tuple[Items, Items, Integers, Integers]:
    """Let equal rows be one row of their total weight, and drop empty ones, where that saves.

    `ends` are the ends of the rows, and the one before the first. Returned are rows, places, list offsets and weights.
    """
    n_rows = len(ends) - 1
    row_of = np.empty(n_rows, np.int32)
    for stop in sorted({min(n_rows, LOOKED_AT), n_rows}):
        table = new_table(stop)
        distinct, held = find_equal(rows, ends, stop, table, row_of)
        if distinct > DISTINCT * stop:
            return rows, places, list_offsets, weights
    merged, merged_weights = np.empty(1 + held + distinct, np.int32), np.zeros(distinct, np.int64)
    sizes = np.zeros(len(list_offsets) - 1, np.int64)
    copy_distinct(rows, ends, weights, row_of, merged, merged_weights, sizes)
    return merged, *list_places(merged, sizes), merged_weights


def write_words(baskets: Baskets | Columns, ids: Integers) -> Integers:
    """Every basket as a word, of so few items that they have a bit each."""
    words = np.zeros(baskets.n_baskets, np.int64)
    if isinstance(baskets, Columns):
        join_columns(baskets.list_baskets(ids), running_sum(baskets.sizes[ids]), words)
        return words
    bit = np.zeros(baskets.n_codes, np.int64)
    bit[ids] = np.left_shift(1, np.arange(len(ids)))
    join_items(frozen(baskets.items), frozen(baskets.offsets), bit, words)
    return words


def merge_words(words: Integers, weights: Integers, n_items: int) -> tuple[Items, Items, Integers, Integers]:
    """Rows, places, list offsets and weights of baskets that are words, equal ones merged where that saves.

    It is what `sort_rows` and `merge_rows` come to.
    """
    kept = (words & (words - 1) != 0) & (weights > 0 if len(weights) else True)
    words, weights = words[kept], weights[kept] if len(weights) else weights
    n_rows = len(words)
    first, merged = np.empty(n_rows, np.int64), np.empty(n_rows, np.int64)
    for stop in sorted({min(n_rows, LOOKED_AT), n_rows}):
        table = new_table(stop)
        distinct = find_words(words, weights, stop, table, first, merged)
        if distinct > DISTINCT * stop:
            break
    else:
        words, weights = first[:distinct], merged[:distinct]
    sizes = np.zeros(n_items, np.int64)
    rows = np.empty(1 + len(words) + int(np.bitwise_count(words).sum()), np.int32)
    spread_words(words, rows, sizes)
    return rows, *list_places(rows, sizes), weights


def new_table(n: int) -> Items:
    """A table to look up so many things in by their hash; -1 where there is none."""
    return np.full(1 << max(4, (2 * n).bit_length()), -1, np.int32)


def list_places(rows: Items, sizes: Integers) -> tuple[Items, Integers]:
    """Where every item stands in rows that have so many of each, and where the places of each begin."""
    offsets = running_sum(sizes)
    places = np.empty(offsets[-1], np.int32)
    fill_places(rows, offsets.copy(), places)
    return places, offsets


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
def join_items(
    items,  # (total,) IN
    offsets,  # (n_rows + 1,) IN
    bit,  # (n_labels,) IN: the bit of every item in a word, 0 for an item to leave out
    words,  # (n_rows,) OUT
):
    """Set the bits of the items of each row."""
    for r in range(len(words)):
        word = np.int64(0)
        for t in range(offsets[r], offsets[r + 1]):
            word |= bit[items[t]]
        words[r] = word


@kernel
def join_columns(
    lists,  # (held,) IN
    offsets,  # (n_items + 1,) IN
    words,  # (n_rows,) INOUT: zeros at first
):
    """Set the bit of each item in the words of its rows."""
    for p in range(len(offsets) - 1):
        bit = np.int64(1) << p
        for t in range(offsets[p], offsets[p + 1]):
            words[lists[t]] |= bit


@kernel
def find_words(
    words,  # (n_rows,) IN
    weights,  # (n_rows,) or (0,) IN
    stop,
    table,  # (power of two,) INOUT: number of a word by hash, -1 where there is none
    first,  # (n_rows,) OUT: those that differ, in the order of their first rows
    merged,  # (n_rows,) OUT: their weights
):
    """Collect the words of the first `stop` rows and return how many differ."""
    distinct = 0
    for r in range(stop):
        word = words[r]
        key = ((word ^ (word >> 31)) & 0x7FFFFFFF) * 1_000_003
        slot = (key ^ (key >> 21)) & (len(table) - 1)
        while table[slot] >= 0 and first[table[slot]] != word:
            slot = (slot + 1) & (len(table) - 1)
        if table[slot] < 0:
            table[slot] = distinct
            first[distinct], merged[distinct] = word, 0
            distinct += 1
        merged[table[slot]] += weights[r] if len(weights) else 1
    return distinct


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
