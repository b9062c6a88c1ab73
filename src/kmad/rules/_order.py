"""From the tree of a search to sorted sets."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kmad._jit import inner_kernel, kernel
from kmad._threads import Threads
from kmad.rules._baskets import Integers, Items, running_sum
from kmad.rules._work import Nodes

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
    edges = running_sum(sizes)
    order = np.empty(edges[-1], np.int64)

    def order_sets(low: int, high: int) -> None:
        which = sort.order(low, high)
        order[edges[low] : edges[high]] = which if found is None else which[found[which]]

    few = len(sort.counts) <= FEW_SETS
    each = Threads(1).map if few else threads.map
    lengths = range(min_len, len(sizes) + 1)
    each(order_sets, pairwise([*lengths[:1], *lengths[-1:]] if few and isinstance(sort, WordSort) else lengths))
    items, counts = np.empty(sizes @ np.arange(len(sizes)), np.int32), np.empty(len(order), np.int64)
    offsets = np.zeros(len(order) + 1, np.int64)
    parts = [0, len(order)] if few else [len(order) * c // PARTS for c in range(PARTS + 1)]
    each(lambda start, stop: sort.gather(order, edges, start, stop, items, offsets, counts), pairwise(parts))
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
        order = np.argsort(self._words[self._first[low] : self._first[high]])
        order += self._first[low]
        return order

    def gather(self, *given: Any) -> None:
        gather_words(self._words, self.counts, self._names, *given)


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
        order = lexicographic_order(rows, int(self._first[length + 1] - self._first[length]), self._n_bits)
        order += self._first[length]
        return order

    def gather(self, *given: Any) -> None:
        gather_rows(self._rows, self.counts, self._first, self._starts, self._names, *given)


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
    names,  # (MODULUS,) IN: of an item by the rest of its bit
    order,  # (n_sets,) IN
    edges,  # (lengths + 1,) IN: where the sets of each length begin in that order
    start,
    stop,
    items,  # (total,) OUT
    offsets,  # (n_sets + 1,) OUT: from the second on
    counts,  # (n_sets,) OUT
):
    """Write sets `start` to `stop` in order and their counts, the items by their names."""
    k, end = find_set(edges, start)
    for n in range(start, stop):
        while edges[k + 1] <= n:
            k += 1
        end += k
        offsets[n + 1] = end
        counts[n] = found[order[n]]
        word, to = np.uint64(~words[order[n]] & FULL), end
        while word:
            to -= 1
            rest = word & (word - np.uint64(1))
            items[to] = names[(word ^ rest) % np.uint64(MODULUS)]
            word = rest


@inner_kernel
def find_set(
    edges,  # (lengths + 1,) IN
    n,
):
    """Length of the set before which `n` stand, and where its items begin; for no such set what comes after all."""
    k, begin = 0, 0
    while k + 2 < len(edges) and edges[k + 1] <= n:
        begin += k * (edges[k + 1] - edges[k])
        k += 1
    return k, begin + k * (n - edges[k])


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
    names,  # (n_items,) IN
    order,  # (n_sets,) IN
    edges,  # (lengths + 1,) IN: where the sets of each length begin in that order
    start,
    stop,
    items,  # (total,) OUT
    offsets,  # (n_sets + 1,) OUT: from the second on
    counts,  # (n_sets,) OUT
):
    """Write rows `start` to `stop` in order and their counts, the items by their names."""
    k, to = find_set(edges, start)
    for n in range(start, stop):
        while edges[k + 1] <= n:
            k += 1
        i = order[n]
        counts[n] = found[i]
        row = starts[k] + (i - first[k]) * k
        for t in range(row, row + k):
            items[to] = names[rows[t]]
            to += 1
        offsets[n + 1] = to
