"""From the tree of a search to sorted sets."""

import numpy as np
from numpy.typing import NDArray

from kmad._jit import frozen, kernel
from kmad._threads import Threads
from kmad.rules._baskets import Integers, Items
from kmad.rules._branches import Nodes
from kmad.rules._database import running_sum

# Bits of a word that holds a set of so few items, and the word of none.
WORD_BITS = 62
FULL = (1 << WORD_BITS) - 1
# No two powers of two up to 2^65 leave the same rest: so a bit is looked up without a search for its place.
MODULUS = 67
# Bits of a key that numpy sorts as a signed number.
KEY_BITS = 63
# Fewer sets than this are in order before a pool of threads has started.
FEW_SETS = 1 << 17


def sort_sets(trees: list[Nodes], ids: Items, min_len: int, threads: Threads) -> tuple[Items, Integers, Integers]:
    """Flat items, offsets and counts of the sets of some trees, by length and then in lexicographic order.

    `ids` are the ids of the items of the trees. Sets of fewer than `min_len` items are left out.
    """
    each_size = [np.bincount(tree.lengths) for tree in trees]
    sizes = np.zeros(max(map(len, each_size), default=1), np.int64)
    for more in each_size:
        sizes[: len(more)] += more
    sizes[0] = 0
    sort = (WordSort if len(ids) <= WORD_BITS else RowSort)(trees, ids, sizes)
    counts, first = sort.counts, sort.first

    def order_sets(k: int, _: int) -> NDArray[np.int64]:
        order = sort.order(k)
        found = counts[first[k] : first[k + 1]]
        # Sets that only lead to others have no count.
        return order if found.all() else order[found[order] > 0]

    lengths = range(min_len, len(sizes))
    each = threads.map if len(counts) > FEW_SETS else Threads(1).map
    orders = each(order_sets, zip(lengths, lengths, strict=True))
    n_sets = [len(order) for order in orders]
    offsets = running_sum(np.repeat(lengths, n_sets))
    items, totals = np.empty(offsets[-1], np.int32), np.empty(len(offsets) - 1, np.int64)

    def gather_sets(k: int, n: int) -> None:
        sort.gather(k, frozen(orders[k - min_len]), items[offsets[n] :], totals[n:])

    each(gather_sets, zip(lengths, running_sum(np.array(n_sets, np.int64)), strict=False))
    return items, offsets, totals


class WordSort:
    """Sets of few items as words: among those of one length, the order of the words is that of the sets."""

    def __init__(self, trees: list[Nodes], ids: Items, sizes: Integers) -> None:
        self.first = running_sum(sizes)
        self.counts = np.empty(self.first[-1], np.int64)
        self._words = np.empty(self.first[-1], np.int64)
        names = np.sort(ids)
        # The lowest item has the highest bit. A set's word lacks the bits of its items, so that low ones come first.
        bits = np.left_shift(1, WORD_BITS - 1 - np.arange(len(ids)))
        self._names = np.empty(MODULUS, np.int32)
        self._names[bits % MODULUS] = names
        bit, cursor = bits[np.searchsorted(names, ids)], self.first[:-1].copy()
        for tree in trees:
            parts = frozen(tree.parents), frozen(tree.items), frozen(tree.counts), frozen(tree.lengths)
            write_words(*parts, frozen(bit), FULL, cursor, self._words, self.counts)

    def order(self, k: int) -> NDArray[np.int64]:
        return np.argsort(self._words[self.first[k] : self.first[k + 1]])

    def gather(self, k: int, order: Integers, items: Items, counts: Integers) -> None:
        words, found = self._words[self.first[k] :], self.counts[self.first[k] :]
        gather_words(frozen(words), frozen(found), order, k, FULL, frozen(self._names), items, counts)


class RowSort:
    """Sets as rows of their items, those of one length together."""

    def __init__(self, trees: list[Nodes], ids: Items, sizes: Integers) -> None:
        self.first = running_sum(sizes)
        self.counts = np.empty(self.first[-1], np.int64)
        self._starts = running_sum(sizes * np.arange(len(sizes)))
        self._rows = np.empty(self._starts[-1], np.int32)
        self._names = np.sort(ids)
        self._n_bits = int(len(ids) - 1).bit_length()
        place = np.searchsorted(self._names, ids).astype(np.int32)
        first, starts, cursor = frozen(self.first[:-1]), frozen(self._starts), self.first[:-1].copy()
        for tree in trees:
            parts = frozen(tree.parents), frozen(tree.items), frozen(tree.counts), frozen(tree.lengths)
            write_rows(*parts, frozen(place), first, starts, cursor, self._rows, self.counts)

    def order(self, k: int) -> NDArray[np.int64]:
        rows = self._rows[self._starts[k] : self._starts[k + 1]]
        return lexicographic_order(frozen(rows), int(self.first[k + 1] - self.first[k]), self._n_bits)

    def gather(self, k: int, order: Integers, items: Items, counts: Integers) -> None:
        rows, found = self._rows[self._starts[k] :], self.counts[self.first[k] :]
        gather(frozen(rows), frozen(found), order, k, frozen(self._names), items, counts)


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
    first,  # (lengths,) IN: number of sets that are shorter
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
    bit,  # (n_items,) IN
    full,
    cursor,  # (lengths,) INOUT: number of the next set of each length
    words,  # (n_sets,) OUT: `full` without the bits of the items
    counts,  # (n_sets,) OUT
):
    """Write the word of every node among those of its length."""
    word = np.empty(len(parent), np.int64)
    word[0] = full
    for n in range(1, len(parent)):
        k = length[n]
        word[n] = word[parent[n]] ^ bit[item[n]]
        words[cursor[k]], counts[cursor[k]] = word[n], count[n]
        cursor[k] += 1


@kernel
def gather_words(
    words,  # (n_rows,) IN
    found,  # (n_rows,) IN
    order,  # (n_sets,) IN
    width,
    full,
    names,  # (MODULUS,) IN: of an item by the rest of its bit
    items,  # (at least n_sets * width,) OUT
    counts,  # (at least n_sets,) OUT
):
    """Write sets and counts in order, the items by their names."""
    for n in range(len(order)):
        i = order[n]
        counts[n] = found[i]
        word, to = np.uint64(words[i] ^ full), (n + 1) * width
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
def gather(
    rows,  # (n_rows * width,) IN
    found,  # (n_rows,) IN
    order,  # (n_sets,) IN
    width,
    names,  # (n_items,) IN
    items,  # (at least n_sets * width,) OUT
    counts,  # (at least n_sets,) OUT
):
    """Write rows and counts in order, the items by their names."""
    to = 0
    for n in range(len(order)):
        i = order[n]
        counts[n] = found[i]
        for t in range(i * width, (i + 1) * width):
            items[to] = names[rows[t]]
            to += 1
