"""The lattice of frequent itemsets: every set knows the sets with one item less, and any set can be found."""

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad._jit import frozen, inner_kernel, kernel
from kmad._threads import Threads
from kmad.rules._itemsets import Itemsets

# Subsets that a chunk of sets has, about: some ten milliseconds of work, after which Ctrl-C is heard.
CHUNK_SUBSETS = 1 << 20
# The upper half of a sign tells sets apart, the lower half says where they lie in the table.
TAG = np.uint64(0xFFFFFFFF00000000)
ID = np.uint64(0x00000000FFFFFFFF)
# The part of a rule that an item may be in: either, where it is the sum of both.
ANTECEDENT = 1
CONSEQUENT = 2


class Lattice(NamedTuple):
    """Itemsets that hold every subset of theirs; arrays are read-only."""

    items: NDArray[np.int32]  # (total,)
    offsets: NDArray[np.int64]  # (m + 1,)
    counts: NDArray[np.float64]  # (m,)
    below: NDArray[np.int32]  # (total,) the set without the item that stands here; -1 for the empty set
    signs: NDArray[np.uint64]  # (n_items,) the sign of a set is the exclusive or of those of its items
    table: NDArray[np.uint64]  # (2**c,) where signs lead: the tag of a set and its number plus 1, or 0


def even_chunks(itemsets: Itemsets) -> list[tuple[int, int]]:
    """Ranges of sets with about as many subsets each, the same for any number of threads."""
    subsets = np.cumsum(np.ldexp(1.0, itemsets.lengths))
    n_chunks = int(subsets[-1] // CHUNK_SUBSETS) + 1 if len(subsets) else 1
    inner = np.searchsorted(subsets, subsets[-1:] * np.arange(1, n_chunks) / n_chunks)
    return list(pairwise([0, *np.unique(inner).tolist(), len(subsets)]))


def build_lattice(itemsets: Itemsets, chunks: list[tuple[int, int]], threads: Threads) -> Lattice:
    """Link every set with its subsets, chunk by chunk.

    Raises ValueError when one is missing, or a set is there twice.
    """
    items, offsets = itemsets.items, itemsets.offsets
    signs, table = _sign(itemsets, 0)
    below = np.empty(len(items), np.int32)
    lattice = Lattice(items, offsets, frozen(itemsets.counts.astype(np.float64)), below, signs, table)
    missing = threads.map(lambda start, stop: link(items, offsets, below, signs, table, start, stop), chunks)
    if max(missing) >= 0:
        i = max(missing)
        raise ValueError(
            "itemsets must hold every subset of theirs, as rules need the supports of those; one of "
            f"{set(itemsets.itemset(i))!r} is missing. Take the whole result of apriori with kind='frequent', min_len=1"
            " and one min_support for all."
        )
    return lattice._replace(below=frozen(below))


def draw_signs(n_items: int, seed: int) -> NDArray[np.uint64]:
    """A random sign for every item."""
    return np.random.default_rng(seed).integers(0, 2**64, n_items, dtype=np.uint64)


def _sign(itemsets: Itemsets, seed: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Signs of the items, and the table of the sets."""
    signs = frozen(draw_signs(len(itemsets.labels), seed))
    table = np.zeros(1 << (2 * len(itemsets)).bit_length(), np.uint64)
    i, j = enter(itemsets.items, itemsets.offsets, signs, table)
    if i < 0:
        return signs, frozen(table)
    if itemsets.itemset(i) == itemsets.itemset(j):
        raise ValueError(f"itemsets must differ; {set(itemsets.itemset(i))!r} is there twice.")
    return _sign(itemsets, seed + 1)


@kernel
def enter(
    items,  # (total,) IN
    offsets,  # (m + 1,) IN
    signs,  # (n_items,) IN
    table,  # (2**c,) INOUT, zeros
):
    """Enter every set into the table; returns two sets that it could not tell apart, or (-1, -1)."""
    last = np.uint64(table.shape[0] - 1)
    for i in range(offsets.shape[0] - 1):
        sign = np.uint64(0)
        for t in range(offsets[i], offsets[i + 1]):
            sign ^= signs[items[t]]
        # A set is found by its tag alone: so no two that are met on the same way may share it.
        at = sign & last
        while table[at] != np.uint64(0):
            if (table[at] ^ sign) & TAG == np.uint64(0):
                return i, np.int64(table[at] & ID) - 1
            at = (at + np.uint64(1)) & last
        table[at] = (sign & TAG) | np.uint64(i + 1)
    return -1, -1


@kernel
def find(
    table,  # (2**c,) IN
    sign,
):
    """The set of this sign, or -1. A set that was never entered may be taken for another."""
    last = np.uint64(table.shape[0] - 1)
    at = sign & last
    while table[at] != np.uint64(0):
        if (table[at] ^ sign) & TAG == np.uint64(0):
            return np.int64(table[at] & ID) - 1
        at = (at + np.uint64(1)) & last
    return np.int64(-1)


@kernel
def link(
    items,  # (total,) IN
    offsets,  # (m + 1,) IN
    below,  # (total,) OUT
    signs,  # (n_items,) IN
    table,  # (2**c,) IN
    start,
    stop,
):
    """Find the subsets with one item less of the sets start to stop; returns a set that lacks one, or -1."""
    for i in range(start, stop):
        first, length = offsets[i], offsets[i + 1] - offsets[i]
        sign = np.uint64(0)
        for t in range(first, first + length):
            sign ^= signs[items[t]]
        for p in range(length):
            below[first + p] = -1
            if length == 1:
                continue
            j = find(table, sign ^ signs[items[first + p]])
            # Signs of different sets are as good as never equal; this makes it never.
            if j < 0 or offsets[j + 1] - offsets[j] != length - 1:
                return i
            for q in range(length - 1):
                if items[offsets[j] + q] != items[first + q + (q >= p)]:
                    return i
            below[first + p] = j
    return -1


@kernel
def split(
    items,  # (total,) IN
    offsets,  # (m + 1,) IN
    counts,  # (m,) IN
    below,  # (total,) IN
    signs,  # (n_items,) IN
    table,  # (2**c,) IN
    sides,  # (n_items,) IN: the part that each item may be in, 0 for none
    needed,  # (n_items,) IN: whether an item must be in a rule
    n_needed,
    confidence,
    bounds,  # (3,) IN: fewest and most items of an antecedent, most of a consequent
    start,
    stop,
    n_rules,  # (m,) OUT unless writing: the rules of each set
    at,  # where the first rule goes
    antecedent,  # (n,) OUT if writing, or (0,)
    consequent,  # (n,) OUT if writing, or (0,)
    union,  # (n,) OUT if writing, or (0,)
):
    """Split the sets start to stop in all ways, and count or write the rules that reach the confidence.

    Items move from the antecedent to the consequent one by one, depth first and in order; when an antecedent is too
    common for the confidence, so is every part of it.
    """
    writing = antecedent.shape[0] > 0
    longest = 0
    for i in range(start, stop):
        longest = max(longest, offsets[i + 1] - offsets[i])
    # After d moves: the antecedent, the sign of the consequent, and the next item to try.
    ante = np.empty(longest + 1, np.int64)
    sign = np.empty(longest + 1, np.uint64)
    position = np.empty(longest + 1, np.int64)
    for i in range(start, stop):
        first, length = offsets[i], offsets[i + 1] - offsets[i]
        must_move, n_found, allowed = -1, 0, length > 1
        for p in range(length):
            item = items[first + p]
            n_found += needed[item]
            if sides[item] == 0:
                allowed = False
            elif sides[item] == CONSEQUENT:
                must_move = p
        found = 0
        if allowed and n_found == n_needed:
            d = 0
            ante[0], sign[0], position[0] = i, np.uint64(0), 0
            while d >= 0:
                p = position[d]
                if p == length or d == bounds[2] or length - d <= bounds[0]:
                    d -= 1
                    continue
                position[d] = p + 1
                item = items[first + p]
                if sides[item] == ANTECEDENT:
                    continue
                if sides[item] == CONSEQUENT:
                    position[d] = length  # it may not be passed over
                # The items moved so far stood before p.
                j = below[offsets[ante[d]] + p - d]
                # A correctly rounded quotient keeps what is exactly at a threshold, be that written 0.9 or 9 / 10.
                if counts[i] / counts[j] < confidence:
                    continue
                d += 1
                ante[d], sign[d], position[d] = j, sign[d - 1] ^ signs[item], p + 1
                if p >= must_move and length - d <= bounds[1]:
                    if writing:
                        antecedent[at] = j
                        consequent[at] = find(table, sign[d])
                        union[at] = i
                        at += 1
                    found += 1
        if not writing:
            n_rules[i] = found


@inner_kernel
def locate(
    items,  # (total,) IN
    offsets,  # (m + 1,) IN
    x,
    z,
    place,  # (longest,) OUT
):
    """Find where in set z the items of its subset x stand."""
    q = offsets[z]
    for p in range(offsets[x + 1] - offsets[x]):
        while items[q] != items[offsets[x] + p]:
            q += 1
        place[p] = q - offsets[z]


@kernel
def improve(
    items,  # (total,) IN
    offsets,  # (m + 1,) IN
    counts,  # (m,) IN
    below,  # (total,) IN
    total,
    longest,
    antecedent,  # (n,) IN
    union,  # (n,) IN
    start,
    stop,
    improvement,  # (n,) OUT
):
    """By how much each rule's confidence exceeds that of the best rule with a part of its antecedent, or none."""
    place = np.empty(longest, np.int64)
    # After d removals: the antecedent, with its consequent, and the next item to try.
    ante = np.empty(longest + 1, np.int64)
    whole = np.empty(longest + 1, np.int64)
    position = np.empty(longest + 1, np.int64)
    # By a power of two, so that products of any weights fit.
    scale = math.ldexp(1.0, -math.frexp(total)[1])
    for r in range(start, stop):
        x, z = antecedent[r], union[r]
        length = offsets[x + 1] - offsets[x]
        locate(items, offsets, x, z, place)
        # The best rule: its confidence, and the counts of both parts and of its antecedent.
        best, best_both, best_held = 0.0, 0.0, float(total)
        d = 0
        ante[0], whole[0], position[0] = x, z, 0
        while d >= 0:
            p = position[d]
            if p == length:
                d -= 1
                continue
            position[d] = p + 1
            a = below[offsets[ante[d]] + p - d]
            w = below[offsets[whole[d]] + place[p] - d]
            held = counts[a] if a >= 0 else total
            if counts[w] / held > best:
                best, best_both, best_held = counts[w] / held, counts[w], held
            d += 1
            ante[d], whole[d], position[d] = a, w, p + 1
        # One quotient of whole numbers, unlike the difference of two, is rounded right: a rule at a threshold is kept.
        both, held = counts[z] * scale, counts[x] * scale
        best_both, best_held = best_both * scale, best_held * scale
        improvement[r] = (both * best_held - best_both * held) / (held * best_held)


@kernel
def simplify(
    items,  # (total,) IN
    offsets,  # (m + 1,) IN
    counts,  # (m,) IN
    below,  # (total,) IN
    total,
    longest,
    antecedent,  # (n,) IN
    union,  # (n,) IN
    starts,  # (n,) IN: where the items of each antecedent go
    start,
    stop,
    held,  # (sum of lengths,) OUT
    both,  # (sum of lengths,) OUT
):
    """Count the baskets with the antecedent less each of its items, and those that hold the consequent too."""
    place = np.empty(longest, np.int64)
    for r in range(start, stop):
        x, z = antecedent[r], union[r]
        locate(items, offsets, x, z, place)
        for p in range(offsets[x + 1] - offsets[x]):
            a = below[offsets[x] + p]
            held[starts[r] + p] = counts[a] if a >= 0 else total
            both[starts[r] + p] = counts[below[offsets[z] + place[p]]]
