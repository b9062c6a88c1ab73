"""From the tree of a search to sorted sets."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from kmad._jit import kernel
from kmad._threads import Threads
from kmad.rules._baskets import Integers, Items, running_sum
from kmad.rules._branches import Nodes

# Bits of a word that hold a set of so few items; above them stands the number of items. The word of none.
WORD_BITS = 57
FULL = (1 << WORD_BITS) - 1
# No two powers of two up to 2^65 leave the same rest: so a bit is looked up without a search for its place.
MODULUS = 67
# Bits of a key that numpy sorts as a signed number.
KEY_BITS = 63
# Fewer sets than this are in order before a pool of threads has started.
FEW_SETS = 1 << 17
# Parts that more are gathered in.
PARTS = 16


def sort_sets(trees: list[Nodes], ids: Items, min_len: int, threads: Threads) -> tuple[Items, Integers, Integers]:
    """Flat items, offsets and counts of the sets of some trees, by length and then in lexicographic order.

    `ids` are the ids of the items of the trees. Sets of fewer than `min_len` items are left out.
    """
    each_size = [np.bincount(tree.lengths) for tree in trees]
    sizes = np.zeros(max(map(len, each_size), default=1), np.int64)
    for more in each_size:
        sizes[: len(more)] += more
    sizes[0] = 0
    first = running_sum(sizes)
    sort = (WordSort if len(ids) <= WORD_BITS else RowSort)(trees, ids, first)
    # Sets that only lead to others have no count.
    found = None if sort.counts.all() else sort.counts > 0
    if found is not None:
        sizes = np.diff(running_sum(found)[first])
    sizes[:min_len] = 0

    def order_sets(low: int, high: int) -> Integers:
        order = sort.order(low, high)
        return order if found is None else order[found[order]]

    few = len(sort.counts) <= FEW_SETS
    each = Threads(1).map if few else threads.map
    at_once = few and isinstance(sort, WordSort)
    lengths = range(min_len, len(sizes) + 1)
    edges = [*lengths[:1], *lengths[-1:]] if at_once else list(lengths)
    order = np.concatenate([np.empty(0, np.int64), *each(order_sets, pairwise(edges))])
    offsets = running_sum(np.repeat(np.arange(len(sizes)), sizes))
    items, counts = np.empty(offsets[-1], np.int32), np.empty(len(order), np.int64)
    n_parts = 1 if few else PARTS
    edges = [len(order) * c // n_parts for c in range(n_parts + 1)]
    each(lambda start, stop: sort.gather(order, offsets, start, stop, items, counts), pairwise(edges))
    return items, offsets, counts


class WordSort:
    """Sets of few items as words, whose order is that of the sets."""

    def __init__(self, trees: list[Nodes], ids: Items, first: Integers) -> None:
        self.counts = np.empty(first[-1], np.int64)
        self._first = first
        self._words = np.empty(first[-1], np.int64)
        names = np.sort(ids)
        # The lowest item has the highest bit. A set's word lacks the bits of its items, so that low ones come first.
        bits = np.left_shift(1, WORD_BITS - 1 - np.arange(len(ids)))
        self._names = np.empty(MODULUS, np.int32)
        self._names[bits % MODULUS] = names
        steps, cursor = (FULL + 1) - bits[np.searchsorted(names, ids)], first[:-1].copy()
        for tree in trees:
            write_words(tree.parents, tree.items, tree.counts, tree.lengths, steps, cursor, self._words, self.counts)

    def order(self, low: int, high: int) -> Integers:
        start = self._first[low]
        return np.asarray(np.argsort(self._words[start : self._first[high]]) + start)

    def gather(self, order: Integers, offsets: Integers, start: int, stop: int, items: Items, counts: Integers) -> None:
        gather_words(self._words, self.counts, order, offsets, start, stop, self._names, items, counts)


class RowSort:
    """Sets as rows of their items, those of one length together."""

    def __init__(self, trees: list[Nodes], ids: Items, first: Integers) -> None:
        self.counts = np.empty(first[-1], np.int64)
        self._first = first
        self._starts = running_sum(np.diff(first) * np.arange(len(first) - 1))
        self._rows = np.empty(self._starts[-1], np.int32)
        self._names = np.sort(ids)
        self._n_bits = int(len(ids) - 1).bit_length()
        place, cursor = np.searchsorted(self._names, ids).astype(np.int32), first[:-1].copy()
        for tree in trees:
            parts = tree.parents, tree.items, tree.counts, tree.lengths
            write_rows(*parts, place, first, self._starts, cursor, self._rows, self.counts)

    def order(self, length: int, _: int) -> Integers:
        rows = self._rows[self._starts[length] : self._starts[length + 1]]
        start, stop = self._first[length], self._first[length + 1]
        return np.asarray(lexicographic_order(rows, int(stop - start), self._n_bits) + start)

    def gather(self, order: Integers, offsets: Integers, start: int, stop: int, items: Items, counts: Integers) -> None:
        given = self._rows, self.counts, self._first, self._starts, order, offsets
        gather_rows(*given, start, stop, self._names, items, counts)


def lexicographic_order(rows: Items, n_rows: int, n_bits: int) -> NDArray[np.int64]:
    """The order of distinct flat rows whose entries have so many bits.

    Keys hold as many entries as fit; further ones refine the order of rows that are equal so far.
    """
    width = len(rows) // max(n_rows, 1)
    keys = np.zeros(n_rows, np.int64)
    f, room = 0, KEY_BITS
    while True:
        more = min(width - f, room // n_bits)
        append_entries(rows, width, f, f + more, n_bits, keys)
        order = np.argsort(keys)
        f += more
        if f == width:
            return order
        rank = np.empty(n_rows, np.int64)
        ordered = keys[order]
        rank[order] = np.concatenate([[0], np.cumsum(ordered[1:] != ordered[:-1])])
        keys, room = rank, KEY_BITS - int(n_rows).bit_length()


@kernel
def write_rows(
    parent,  # (n_nodes,) IN
    item,  # (n_nodes,) IN
    count,  # (n_nodes,) IN
    length,  # (n_nodes,) IN
    place,  # (n_items,) IN: place of an item in the order of the result
    first,  # (lengths + 1,) IN: number of sets that are shorter
    starts,  # (lengths + 1,) IN: where the rows of each length begin
    cursor,  # (lengths,) INOUT: number of the next set of each length
    rows,  # (total,) OUT: ascending in a row
    counts,  # (n_sets,) OUT
):
    """Write every node as a row among those of its length: the row of its parent, its own item put in."""
    begin = np.empty(len(parent), np.int64)
    for n in range(1, len(parent)):
        k = length[n]
        at = starts[k] + (cursor[k] - first[k]) * k
        begin[n] = at
        counts[cursor[k]] = count[n]
        cursor[k] += 1
        above, added = begin[parent[n]], place[item[n]]
        t = k - 1
        while t > 0 and rows[above + t - 1] > added:
            rows[at + t] = rows[above + t - 1]
            t -= 1
        rows[at + t] = added
        while t > 0:
            t -= 1
            rows[at + t] = rows[above + t]


@kernel
def write_words(
    parent,  # (n_nodes,) IN
    item,  # (n_nodes,) IN
    count,  # (n_nodes,) IN
    length,  # (n_nodes,) IN
    steps,  # (n_items,) IN: one item more, and its bit less
    cursor,  # (lengths,) INOUT: number of the next set of each length
    words,  # (n_sets,) OUT
    counts,  # (n_sets,) OUT
):
    """Write the word of every node among those of its length."""
    word = np.empty(len(parent), np.int64)
    word[0] = FULL
    for n in range(1, len(parent)):
        k = length[n]
        word[n] = word[parent[n]] + steps[item[n]]
        words[cursor[k]], counts[cursor[k]] = word[n], count[n]
        cursor[k] += 1


@kernel
def gather_words(
    words,  # (n_found,) IN
    found,  # (n_found,) IN
    order,  # (n_sets,) IN
    offsets,  # (n_sets + 1,) IN
    start,
    stop,
    names,  # (MODULUS,) IN: of an item by the rest of its bit
    items,  # (total,) OUT
    counts,  # (n_sets,) OUT
):
    """Write sets and counts in order, the items by their names."""
    for n in range(start, stop):
        i = order[n]
        counts[n] = found[i]
        word, to = np.uint64(~words[i] & FULL), offsets[n + 1]
        while word:
            to -= 1
            rest = word & (word - np.uint64(1))
            items[to] = names[(word ^ rest) % np.uint64(MODULUS)]
            word = rest


@kernel
def append_entries(
    rows,  # (n_rows * width,) IN
    width,
    start,
    stop,
    n_bits,
    keys,  # (n_rows,) INOUT
):
    """Shift entries `start` to `stop` of every row into its key."""
    for i in range(len(keys)):
        key = keys[i]
        for t in range(i * width + start, i * width + stop):
            key = (key << n_bits) | rows[t]
        keys[i] = key


@kernel
def gather_rows(
    rows,  # (total,) IN
    found,  # (n_found,) IN
    first,  # (lengths + 1,) IN: number of sets that are shorter
    starts,  # (lengths + 1,) IN: where the rows of each length begin
    order,  # (n_sets,) IN
    offsets,  # (n_sets + 1,) IN
    start,
    stop,
    names,  # (n_items,) IN
    items,  # (total,) OUT
    counts,  # (n_sets,) OUT
):
    """Write rows and counts in order, the items by their names."""
    for n in range(start, stop):
        i = order[n]
        counts[n] = found[i]
        to, width = offsets[n], offsets[n + 1] - offsets[n]
        row = starts[width] + (i - first[width]) * width
        for t in range(width):
            items[to + t] = names[rows[row + t]]
