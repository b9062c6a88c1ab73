"""From the tree of a search to sorted sets."""

from itertools import pairwise

import numpy as np

from kmad._jit import kernel
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
    edges, begins = running_sum(sizes), running_sum(sizes * np.arange(len(sizes)))
    items, counts = np.empty(begins[-1], np.int32), np.empty(edges[-1], np.int64)
    offsets = np.zeros(len(counts) + 1, np.int64)
    sets = (Words if len(ids) <= WORD_BITS else Rows)(trees, ids, min_len, edges, begins, counts)

    def write(length: int, _: int) -> None:
        start, stop = edges[length], edges[length + 1]
        sets.write(length, items[begins[length] : begins[length + 1]], counts[start:stop])
        offsets[start + 1 : stop + 1] = np.arange(begins[length] + length, begins[length + 1] + 1, length)

    each = Threads(1).map if len(counts) <= FEW_SETS else threads.map
    each(write, pairwise(range(min_len, len(sizes) + 1)))
    return items, offsets, counts


class Words:
    """Sets of few items as words, whose order is that of the sets."""

    def __init__(
        self, trees: list[Nodes], ids: Items, min_len: int, edges: Integers, _: Integers, counts: Integers
    ) -> None:
        self._edges = edges
        self._n_bits = len(ids)
        self._words = np.empty(len(counts), np.int64)
        names = np.sort(ids)
        # The lowest item has the highest bit. A set's word lacks the bits of its items, so that low ones come first.
        bits = np.left_shift(1, np.arange(len(ids))[::-1])
        self._names = np.empty(MODULUS, np.int32)
        self._names[bits % MODULUS] = names
        own, cursor = bits[np.searchsorted(names, ids)], edges[:-1].copy()
        for tree in trees:
            write_words(*tree, own, min_len, cursor, self._words, counts)

    def write(self, length: int, items: Items, counts: Integers) -> None:
        words = self._words[self._edges[length] : self._edges[length + 1]]
        sort_pairs(words, counts, self._n_bits, np.empty_like(words), np.empty_like(counts))
        write_items(words, length, self._names, items)


class Rows:
    """Sets as rows of their items, those of one length together."""

    def __init__(
        self, trees: list[Nodes], ids: Items, min_len: int, edges: Integers, begins: Integers, counts: Integers
    ) -> None:
        self._begins = begins
        # Sets that only lead to others come last.
        self._rows = np.empty(sum(int(tree.lengths.sum(dtype=np.int64)) for tree in trees), np.int32)
        self._names = np.sort(ids)
        self._n_bits = int(len(ids) - 1).bit_length()
        place, cursor = np.searchsorted(self._names, ids).astype(np.int32), edges[:-1].copy()
        to, rest = begins[:-1].copy(), int(begins[-1])
        for tree in trees:
            rest = write_rows(*tree, place, min_len, rest, to, cursor, self._rows, counts)

    def write(self, length: int, items: Items, counts: Integers) -> None:
        rows = self._rows[self._begins[length] : self._begins[length + 1]]
        order, keys = np.arange(len(counts)), np.empty(len(counts), np.int64)
        more = np.empty_like(keys), np.empty_like(order)
        # The sort keeps the order of equal keys: so the last entries come first.
        n_entries = KEY_BITS // self._n_bits
        for stop in range(length, 0, -n_entries):
            start = max(stop - n_entries, 0)
            join_entries(rows, length, start, stop, self._n_bits, order, keys)
            sort_pairs(keys, order, (stop - start) * self._n_bits, *more)
        write_ordered(rows, length, self._names, order, items)
        counts[:] = counts[order]


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
def write_items(
    words,  # (n,) IN
    length,
    names,  # (MODULUS,) IN: of an item by the rest of its bit
    items,  # (n * length,) OUT
):
    """Write the items of words by their names."""
    for n in range(len(words)):
        word, to = np.uint64(-words[n]), (n + 1) * length
        while word:
            to -= 1
            rest = word & (word - np.uint64(1))
            items[to] = names[(word ^ rest) % np.uint64(MODULUS)]
            word = rest


@kernel
def write_rows(
    parent,  # (n_nodes,) IN
    item,  # (n_nodes,) IN
    count,  # (n_nodes,) IN
    length,  # (n_nodes,) IN
    place,  # (n_items,) IN: place of an item in the order of the result
    min_len,
    rest,
    to,  # (lengths,) INOUT: where the next row of each length goes
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
            at = to[k]
            to[k] += k
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
def join_entries(
    rows,  # (n * width,) IN
    width,
    start,
    stop,
    n_bits,
    order,  # (n,) IN
    keys,  # (n,) OUT
):
    """Join entries `start` to `stop` of every row, taken in order, as one key."""
    for i in range(len(keys)):
        key = np.int64(0)
        for t in range(order[i] * width + start, order[i] * width + stop):
            key = (key << n_bits) | rows[t]
        keys[i] = key


@kernel
def write_ordered(
    rows,  # (n * width,) IN
    width,
    names,  # (n_items,) IN
    order,  # (n,) IN
    items,  # (n * width,) OUT
):
    """Write rows in order, the items by their names."""
    to = 0
    for n in range(len(order)):
        row = order[n] * width
        for t in range(row, row + width):
            items[to] = names[rows[t]]
            to += 1


@kernel
def sort_pairs(
    keys,  # (n,) INOUT
    values,  # (n,) INOUT
    n_bits,
    more_keys,  # (n,) OUT
    more_values,  # (n,) OUT
):
    """Sort keys by their lowest bits, and their values with them; what is equal stays in order."""
    n_digits, n_values = (n_bits + DIGIT_BITS - 1) // DIGIT_BITS, 1 << DIGIT_BITS
    cursors = np.zeros((n_digits, n_values), np.int64)
    for i in range(len(keys)):
        for d in range(n_digits):
            cursors[d, (keys[i] >> (d * DIGIT_BITS)) & (n_values - 1)] += 1
    swapped = False
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
        swapped = not swapped
    if swapped:
        more_keys[:] = keys
        more_values[:] = values
