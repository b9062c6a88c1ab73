"""From the tree of a search to sorted sets."""

from functools import partial
from itertools import pairwise

import numpy as np

from kmad._jit import inner_kernel, kernel
from kmad._threads import Threads
from kmad.rules._baskets import Integers, Items, running_sum
from kmad.rules._work import Nodes

# Most items of which a set is a word, a bit for each.
WORD_BITS = 57
# No two powers of two up to 2^65 leave the same rest: so a bit is looked up without a search for its place.
MODULUS = 67
# Bits of a key of the entries of a row.
KEY_BITS = 63
# Bits that are sorted by at once.
DIGIT_BITS = 8
# Fewer sets than this are in order before a second thread has started.
FEW_SETS = 1 << 15


def sort_sets(trees: list[Nodes], ids: Items, min_len: int, threads: Threads) -> tuple[Items, Integers, Integers]:
    """Flat items, offsets and counts of the sets of some trees, by length and then in lexicographic order.

    `ids` are the ids of the items of the trees. Sets of fewer than `min_len` items are left out.
    """
    sizes = np.zeros(len(ids) + 1, np.int64)
    longest = max([count_lengths(tree.counts, tree.lengths, min_len, sizes) for tree in trees], default=0)
    sizes = sizes[: longest + 1]
    edges, begins = running_sum(sizes), running_sum(sizes * np.arange(longest + 1))
    items, counts = np.empty(begins[-1], np.int32), np.empty(edges[-1], np.int64)
    offsets = np.zeros(len(counts) + 1, np.int64)
    names = np.sort(ids)
    place = np.searchsorted(names, ids)
    if len(ids) <= WORD_BITS:
        # The lowest item has the highest bit. A set's word lacks the bits of its items, so that low ones come first.
        bits = np.left_shift(1, np.arange(len(ids))[::-1])
        name_of = np.empty(MODULUS, np.int32)
        name_of[bits % MODULUS] = names
        words, cursor, own = np.empty(len(counts), np.int64), edges[:-1].copy(), bits[place]
        for tree in trees:
            write_words(*tree, own, min_len, cursor, words, counts)
        order = partial(order_words, words, edges, begins, counts, len(ids), name_of, items, offsets)
    else:
        # Sets that only lead to others come last.
        rows = np.empty(sum(int(tree.lengths.sum(dtype=np.int64)) for tree in trees), np.int32)
        cursor, rest = edges[:-1].copy(), begins[-1]
        for tree in trees:
            rest = write_rows(*tree, place, edges, begins, min_len, rest, cursor, rows, counts)
        n_bits = int(len(ids) - 1).bit_length()
        order = partial(order_rows, rows, edges, begins, counts, n_bits, KEY_BITS // n_bits, names, items, offsets)
    if len(counts) <= FEW_SETS:
        order(min_len, longest + 1)
    else:
        threads.map(order, pairwise(range(min_len, longest + 2)))
    return items, offsets, counts


@kernel
def count_lengths(
    count,  # (n_nodes,) IN
    length,  # (n_nodes,) IN
    min_len,
    sizes,  # (n_items + 1,) INOUT
):
    """Add the number of sets of each length, and return the greatest."""
    longest = np.int32(0)
    for n in range(1, len(count)):
        if count[n] and length[n] >= min_len:
            sizes[length[n]] += 1
            longest = max(longest, length[n])
    return longest


@kernel
def write_words(
    parent,  # (n_nodes,) IN
    item,  # (n_nodes,) IN
    count,  # (n_nodes,) IN
    length,  # (n_nodes,) IN
    own,  # (n_items,) IN: the bit of each
    min_len,
    cursor,  # (lengths,) INOUT: number of the next set of each length
    words,  # (n_sets,) OUT
    counts,  # (n_sets,) OUT
):
    """Write the word of every set among those of its length."""
    word = np.empty(len(parent), np.int64)
    word[0] = 0
    for n in range(1, len(parent)):
        word[n] = word[parent[n]] - own[item[n]]
        k = length[n]
        if count[n] and k >= min_len:
            words[cursor[k]], counts[cursor[k]] = word[n], count[n]
            cursor[k] += 1


@kernel
def write_rows(
    parent,  # (n_nodes,) IN
    item,  # (n_nodes,) IN
    count,  # (n_nodes,) IN
    length,  # (n_nodes,) IN
    place,  # (n_items,) IN: place of an item in the order of the result
    edges,  # (lengths + 1,) IN: number of sets that are shorter
    begins,  # (lengths + 1,) IN: where the items of each length begin
    min_len,
    rest,
    cursor,  # (lengths,) INOUT: number of the next set of each length
    rows,  # (total,) OUT: ascending in a row
    counts,  # (n_sets,) OUT
):
    """Write every set as a row among those of its length: the row of its parent, its own item put in.

    What is none of them goes to `rest`; where the next such goes is returned.
    """
    begin = np.empty(len(parent), np.int64)
    for n in range(1, len(parent)):
        k = length[n]
        if count[n] and k >= min_len:
            at = begins[k] + (cursor[k] - edges[k]) * k
            counts[cursor[k]] = count[n]
            cursor[k] += 1
        else:
            at = rest
            rest += k
        begin[n] = at
        above, added = begin[parent[n]], place[item[n]]
        t = k - 1
        while t > 0 and rows[above + t - 1] > added:
            rows[at + t] = rows[above + t - 1]
            t -= 1
        rows[at + t] = added
        while t > 0:
            t -= 1
            rows[at + t] = rows[above + t]
    return rest


@kernel
def order_words(
    words,  # (n_sets,) INOUT
    edges,  # (lengths + 1,) IN: number of sets that are shorter
    begins,  # (lengths + 1,) IN: where the items of each length begin
    counts,  # (n_sets,) INOUT
    n_bits,
    name_of,  # (MODULUS,) IN: of an item by the rest of its bit
    items,  # (total,) OUT
    offsets,  # (n_sets + 1,) OUT: from the second on
    low,
    high,
):
    """Put sets of `low` to less than `high` items in order, and write their items by their names."""
    for k in range(low, high):
        start, stop, end = edges[k], edges[k + 1], begins[k]
        sort_pairs(words[start:stop], counts[start:stop], n_bits)
        for n in range(start, stop):
            end += k
            offsets[n + 1] = end
            word, to = np.uint64(-words[n]), end
            while word:
                to -= 1
                rest = word & (word - np.uint64(1))
                items[to] = name_of[(word ^ rest) % np.uint64(MODULUS)]
                word = rest


@kernel
def order_rows(
    rows,  # (total,) IN
    edges,  # (lengths + 1,) IN: number of sets that are shorter
    begins,  # (lengths + 1,) IN: where the items of each length begin
    counts,  # (n_sets,) INOUT
    n_bits,
    n_entries,  # that a key holds
    names,  # (n_items,) IN
    items,  # (total,) OUT
    offsets,  # (n_sets + 1,) OUT: from the second on
    low,
    high,
):
    """Put sets of `low` to less than `high` items in order, and write their items by their names."""
    for k in range(low, high):
        found, first = counts[edges[k] : edges[k + 1]], begins[k]
        order, keys = np.arange(len(found)), np.empty(len(found), np.int64)
        # The sort keeps the order of equal keys: so the last entries come first.
        stop = np.int64(k)
        while stop > 0:
            start = max(stop - n_entries, 0)
            for n in range(len(keys)):
                row, key = first + order[n] * k, np.int64(0)
                for t in range(row + start, row + stop):
                    key = (key << n_bits) | rows[t]
                keys[n] = key
            sort_pairs(keys, order, (stop - start) * n_bits)
            stop = start
        to = first
        for n in range(len(order)):
            row = first + order[n] * k
            for t in range(row, row + k):
                items[to] = names[rows[t]]
                to += 1
            offsets[edges[k] + n + 1] = to
        found[:] = found[order]


@inner_kernel
def sort_pairs(
    keys,  # (n,) INOUT
    values,  # (n,) INOUT
    n_bits,
):
    """Sort keys by their lowest bits, and their values with them; what is equal stays in order."""
    n_digits, n_values = (n_bits + DIGIT_BITS - 1) // DIGIT_BITS, 1 << DIGIT_BITS
    cursors = np.zeros((n_digits, n_values), np.int64)
    for i in range(len(keys)):
        for d in range(n_digits):
            cursors[d, (keys[i] >> (d * DIGIT_BITS)) & (n_values - 1)] += 1
    own_keys, own_values = keys, values
    more_keys, more_values = np.empty_like(keys), np.empty_like(values)
    for d in range(n_digits):
        cursor, shift = cursors[d], d * DIGIT_BITS
        n = 0
        for v in range(n_values):
            n, cursor[v] = n + cursor[v], n
        for i in range(len(keys)):
            v = (keys[i] >> shift) & (n_values - 1)
            more_keys[cursor[v]], more_values[cursor[v]] = keys[i], values[i]
            cursor[v] += 1
        keys, more_keys = more_keys, keys
        values, more_values = more_values, values
    if n_digits % 2:
        own_keys[:], own_values[:] = keys, values
