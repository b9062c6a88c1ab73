"""From the tree of a search to sorted sets."""

import numpy as np
from numpy.typing import NDArray

from kmad._jit import frozen, kernel
from kmad._threads import Threads
from kmad.rules._branches import Nodes
from kmad.rules._database import Integers, Items, running_sum

# Bits of a key that numpy sorts as a signed number.
KEY_BITS = 63
# Fewer sets than this are in order before a pool of threads has started.
FEW_SETS = 1 << 15


def sort_sets(trees: list[Nodes], ids: Items, min_len: int, threads: Threads) -> tuple[Items, Integers, Integers]:
    """Flat items, offsets and counts of the sets of some trees, by length and then in lexicographic order.

    `ids` are the ids of the items of the trees. Sets of fewer than `min_len` items are left out.
    """
    names = np.sort(ids)
    place = np.searchsorted(names, ids).astype(np.int32)
    n_bits = max(1, int(len(ids) - 1).bit_length())
    sizes = np.zeros(1, np.int64)
    for tree in trees:
        more = np.bincount(tree.lengths)
        more[0] = 0
        sizes = np.pad(sizes, (0, max(0, len(more) - len(sizes))))
        sizes[: len(more)] += more
    starts = running_sum(sizes * np.arange(len(sizes)))
    rows, counts = np.empty(starts[-1], np.int32), np.empty(sizes.sum(), np.int64)
    cursor = running_sum(sizes)[:-1]
    first = cursor.copy()
    for tree in trees:
        write_rows(
            frozen(tree.parents), frozen(tree.items), frozen(tree.counts), frozen(tree.lengths), frozen(place),
            frozen(first), frozen(starts), cursor, rows, counts,
        )  # fmt: skip

    def order_sets(k: int, _: int) -> NDArray[np.int64]:
        order = lexicographic_order(frozen(rows[starts[k] : starts[k + 1]]), int(sizes[k]), n_bits)
        found = counts[first[k] : first[k] + sizes[k]]
        # Sets that only lead to others have no count.
        return order if found.all() else order[found[order] > 0]

    lengths = range(min_len, len(sizes))
    each = threads.map if len(counts) > FEW_SETS else Threads(1).map
    orders = each(order_sets, zip(lengths, lengths, strict=True))
    offsets = running_sum(np.repeat(lengths, list(map(len, orders))))
    items, totals = np.empty(offsets[-1], np.int32), np.empty(len(offsets) - 1, np.int64)

    def gather_sets(k: int, n: int) -> None:
        block, found, order = rows[starts[k] :], counts[first[k] :], orders[k - min_len]
        gather(frozen(block), frozen(found), frozen(order), k, frozen(names), items[offsets[n] :], totals[n:])

    each(gather_sets, zip(lengths, running_sum(np.array(list(map(len, orders)), np.int64)), strict=False))
    return items, offsets, totals


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
