"""The search: every frequent set with a given first item, written as a tree of nodes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad._jit import kernel
from kmad.rules._database import Database, Integers, Items

FREQUENT, CLOSED, MAXIMAL = 0, 1, 2
# Why `search` came back: it is done, wants larger arrays of a kind, or lets others have a word.
DONE, NODES, BITS, LISTS, PAUSED = 0, 1, 2, 3, 4
# Work between two pauses, very roughly in nanoseconds.
BUDGET = 20_000_000

# Entries of the state.
FIRST, SECOND, LOCALS, EXCLUDED, DEPTH, WORDS, LEAST = 0, 1, 2, 3, 4, 5, 6
NODE, SETS, LIST, BIT, BLOCK, BLOCK_END, WRITTEN, WRITTEN_END = 7, 8, 9, 10, 11, 12, 13, 14
N_STATE = 15
# Entries of a frame: a list of extensions, the next to take, and the set they extend.
START, NEXT, END, PREFIX, PREFIX_END, FLOOR = 0, 1, 2, 3, 4, 5
N_FRAME = 6


class Nodes(NamedTuple):
    """Sets as a tree: each is its parent's and one item more. Node 0 is the empty set."""

    parent: Items  # (capacity,)
    item: Items  # (capacity,)
    count: Integers  # (capacity,) 0 where the set is only on the way to another
    length: Items  # (capacity,)


class Work(NamedTuple):
    """What a search keeps between its calls.

    A set is a prefix of the next: the frequent ones as a block of nodes, where perfect items, those in every row of
    a set, have doubled it; closed and maximal ones as the length of the path.
    """

    state: Integers
    tally: Integers  # (n_items,) zeros between uses
    local: Items  # (n_items,) number of an item beside the first, -1 between uses
    partners: Items  # (n_items,) the item of each such number; the excluded ones, earlier than the first, come first
    partner_counts: Integers  # (n_items,) weight of the rows with the first item and that one
    slots: Items  # (n_items,) place of a partner's number in the list of extensions, -1 between uses
    local_rows: Items  # (largest branch,) rows of the first item, its partners' numbers falling in each
    local_offsets: Integers  # (longest list + 1,)
    local_weights: Integers  # (longest list,)
    local_lists: Items  # (largest branch,) local rows of every partner
    list_offsets: Integers  # (n_items + 1,)
    perfect: Items  # (n_items,)
    path: Items  # (n_items,)
    path_nodes: Items  # (n_items,) -1 where the path has no node yet
    frames: Integers  # (longest row + 1, 6)
    planes: Integers  # (64,) the next place in the words, for each bit of the rows' weights
    shift: NDArray[np.uint8]  # (most words,) bit of the weights that a word stands for
    bits: NDArray[np.uint64]  # (capacity,) rows of the extensions, each a number of words
    list_items: Items  # (capacity,) items that extend a set on the path
    list_counts: Integers  # (capacity,) weight of the rows with the set and that item
    list_bits: Integers  # (capacity,) where the rows of both begin in `bits`


@kernel
def search(
    database,  # IN
    kind,
    max_len,
    stop,
    budget,
    nodes,  # INOUT
    work,  # INOUT
):
    """Go on until all sets whose first item comes before `stop` are written, or the search must come back."""
    state = work.state
    while True:
        if state[DEPTH] > 0:
            status, cost = extend(database, kind, max_len, nodes, work)
        elif state[SECOND] < state[LOCALS]:
            status, cost = open_second(database, kind, max_len, nodes, work)
        elif state[FIRST] < stop:
            status, cost = open_first(database, kind, max_len, nodes, work)
        else:
            return DONE
        if status != DONE:
            return status
        budget -= cost
        if budget < 0:
            return PAUSED


@kernel
def open_first(
    database,  # IN
    kind,
    max_len,
    nodes,  # INOUT
    work,  # INOUT
):
    """Write the set of the next first item alone, and list what it goes with."""
    state = work.state
    i = state[FIRST]
    count, least = database.counts[i], database.least[i]
    if count < least:
        state[FIRST] += 1
        return DONE, 1
    lowest = i + 1 if kind == FREQUENT else 0
    list_start, list_end = database.list_offsets[i], database.list_offsets[i + 1]
    cost = len(database.counts) - lowest
    if max_len > 1 or kind != FREQUENT:
        for t in range(list_start, list_end):
            r = database.row_lists[t]
            weight = database.weights[r]
            u, begin = database.row_offsets[r + 1] - 1, database.row_offsets[r]
            while u >= begin and database.rows[u] >= lowest:
                work.tally[database.rows[u]] += weight
                u -= 1

    n, n_perfect, excluded, closed = 0, 0, 0, True
    for other in range(lowest, len(database.counts)):
        together = work.tally[other]
        if together == 0:
            continue
        work.tally[other] = 0
        if other < i:
            closed = closed and together < count
            # An earlier item may lower the threshold of the set that it joins.
            if together < (database.least[other] if kind == MAXIMAL else least):
                continue
            excluded += 1
        elif other == i or together < least:
            continue
        elif together == count:
            work.perfect[n_perfect] = other
            n_perfect += 1
            continue
        work.partners[n] = other
        work.partner_counts[n] = together
        n += 1
    if not closed:
        state[FIRST] += 1
        return DONE, cost

    state[LEAST] = least
    length = 1 if kind == FREQUENT else 1 + n_perfect
    if n == excluded or length >= max_len:
        if not write(nodes, work, kind, max_len, 0, 1, i, count, n_perfect, n == 0):
            return NODES, cost
        state[FIRST] += 1
        return DONE, cost

    n_rows = copy_rows(database, work, i, lowest, n, 2 if kind == FREQUENT else 1)
    held = work.local_offsets[n_rows]
    words = plan_words(work, 0, n_rows)
    pairs = (n - excluded) * (n + excluded) // 2
    # Intersections of words cost some nanoseconds a pair, counting in the rows one for each pair in them.
    flat = held * held // max(n_rows, 1) < pairs * (words // 4 + 6)
    cost += 4 * held + 8 * (list_end - list_start)
    if not flat:
        if n > len(work.list_items):
            return LISTS, cost
        if n * words > len(work.bits):
            return BITS, cost
    if not write(nodes, work, kind, max_len, 0, 1, i, count, n_perfect, n == 0):
        return NODES, cost
    state[FIRST] += 1
    if flat:
        list_local_rows(work, n, n_rows)
        state[SECOND], state[LOCALS], state[EXCLUDED] = excluded, n, excluded
        state[BLOCK], state[BLOCK_END] = state[WRITTEN], state[WRITTEN_END]
    else:
        for x in range(n):
            work.slots[x] = x
            work.list_items[x] = work.partners[x]
            work.list_counts[x] = work.partner_counts[x]
        fill_words(work, 0, n_rows, 0, n, words)
        push(work, n, excluded, words)
        for x in range(n):
            work.slots[x] = -1
    return DONE, cost


@kernel
def open_second(
    database,  # IN
    kind,
    max_len,
    nodes,  # INOUT
    work,  # INOUT
):
    """Write the set of the first item and its next partner, and list what they go with."""
    state = work.state
    j, n_partners, least = state[SECOND], state[LOCALS], state[LEAST]
    i, count = state[FIRST] - 1, work.partner_counts[j]
    lowest = j + 1 if kind == FREQUENT else 0
    list_start, list_end = work.list_offsets[j], work.list_offsets[j + 1]
    if n_partners > len(work.list_items):
        return LISTS, 0
    cost = n_partners - lowest + 4
    prefix, prefix_end = state[BLOCK], state[BLOCK_END]
    shortest = nodes.length[prefix] if kind == FREQUENT else prefix
    if shortest + 1 < max_len or kind != FREQUENT:
        for t in range(list_start, list_end):
            r = work.local_lists[t]
            weight = work.local_weights[r]
            u, end = work.local_offsets[r], work.local_offsets[r + 1]
            cost += 2 * (end - u)
            while u < end and work.local_rows[u] >= lowest:
                work.tally[work.local_rows[u]] += weight
                u += 1

    n, n_perfect, excluded, closed = 0, 0, 0, True
    for x in range(lowest, n_partners):
        together = work.tally[x]
        if together == 0:
            continue
        work.tally[x] = 0
        if x < j:
            closed = closed and together < count
            earlier = work.partners[x]
            if together < (database.least[earlier] if kind == MAXIMAL and earlier < i else least):
                continue
            excluded += 1
        elif x == j or together < least:
            continue
        elif together == count:
            work.perfect[n_perfect] = work.partners[x]
            n_perfect += 1
            continue
        work.list_items[n] = work.partners[x]
        work.list_counts[n] = together
        work.slots[x] = n
        n += 1

    status = DONE
    length = shortest + 1 if kind == FREQUENT else shortest + 1 + n_perfect
    deeper = closed and n > excluded and length < max_len
    words = 0
    if deeper and n > 1:
        words = plan_words(work, list_start, list_end)
        if n * words > len(work.bits):
            status = BITS
    if status == DONE and closed:
        if not write(nodes, work, kind, max_len, prefix, prefix_end, work.partners[j], count, n_perfect, n == 0):
            status = NODES
    if status == DONE:
        state[SECOND] += 1
        if deeper:
            if n > 1:
                fill_words(work, list_start, list_end, lowest, n, words)
            push(work, n, excluded, words)
    for x in range(lowest, n_partners):
        work.slots[x] = -1
    return status, cost


@kernel
def extend(
    database,  # IN
    kind,
    max_len,
    nodes,  # INOUT
    work,  # INOUT
):
    """Write the next extension of the set that stands last on the path, and list its own extensions."""
    state = work.state
    f = state[DEPTH] - 1
    frame = work.frames[f]
    x, end = frame[NEXT], frame[END]
    if x == end:
        state[DEPTH] = f
        state[LIST], state[BIT] = frame[START], frame[FLOOR]
        return DONE, 1
    words, least, count, at = state[WORDS], state[LEAST], work.list_counts[x], work.list_bits[x]
    if kind != FREQUENT and is_within_excluded(work, f, at, words):
        frame[NEXT] += 1
        return DONE, 8

    top, free = state[LIST], state[BIT]
    if top + end - x > len(work.list_items):
        return LISTS, 0
    if free + (end - x) * words > len(work.bits):
        return BITS, 0
    prefix = frame[PREFIX]
    shortest = nodes.length[prefix] if kind == FREQUENT else prefix
    n_perfect, cost = 0, 4
    if shortest + 1 < max_len or kind != FREQUENT:
        cost += (end - x) * (words // 4 + 4)
        for y in range(x + 1, end):
            together = intersect(work.bits, at, work.list_bits[y], free, words, work.shift)
            if together < least:
                continue
            if together == count:
                work.perfect[n_perfect] = work.list_items[y]
                n_perfect += 1
                continue
            work.list_items[top] = work.list_items[y]
            work.list_counts[top] = together
            work.list_bits[top] = free
            top += 1
            free += words

    leaf = top == state[LIST] and not (kind == MAXIMAL and joins_excluded(database, work, f, at, words))
    if not write(nodes, work, kind, max_len, prefix, frame[PREFIX_END], work.list_items[x], count, n_perfect, leaf):
        return NODES, cost
    frame[NEXT] += 1
    length = shortest + 1 if kind == FREQUENT else shortest + 1 + n_perfect
    if top > state[LIST] and length < max_len:
        child = work.frames[f + 1]
        child[START], child[NEXT], child[END] = state[LIST], state[LIST], top
        child[PREFIX], child[PREFIX_END], child[FLOOR] = state[WRITTEN], state[WRITTEN_END], state[BIT]
        state[DEPTH], state[LIST], state[BIT] = f + 2, top, free
    return DONE, cost


@kernel
def push(
    work,  # INOUT
    n,
    excluded,
    words,
):
    """Begin with the first `n` extensions, the excluded ones as if they had been taken."""
    state, frame = work.state, work.frames[0]
    for x in range(n):
        work.list_bits[x] = x * words
    frame[START], frame[NEXT], frame[END] = 0, excluded, n
    frame[PREFIX], frame[PREFIX_END], frame[FLOOR] = state[WRITTEN], state[WRITTEN_END], 0
    state[DEPTH], state[LIST], state[BIT], state[WORDS] = 1, n, n * words, words


@kernel
def write(
    nodes,  # INOUT
    work,  # INOUT
    kind,
    max_len,
    prefix,
    prefix_end,
    item,
    count,
    n_perfect,
    leaf,
):
    """Write a prefix and one item, with all subsets of the perfect items or as a closed set with all of them.

    False, with nothing written, where the nodes do not suffice.
    """
    state = work.state
    start = n = state[NODE]
    if kind == FREQUENT:
        for q in range(-1, n_perfect):
            added = item if q < 0 else work.perfect[q]
            begin, end = (prefix, prefix_end) if q < 0 else (start, n)
            if n + end - begin > len(nodes.parent):
                return False
            for t in range(begin, end):
                if nodes.length[t] < max_len:
                    nodes.parent[n] = t
                    nodes.item[n] = added
                    nodes.count[n] = count
                    nodes.length[n] = nodes.length[t] + 1
                    n += 1
        state[WRITTEN], state[WRITTEN_END] = start, n
        state[NODE] = n
        state[SETS] += n - start
        return True

    length = prefix + 1 + n_perfect
    for t in range(prefix, length):
        work.path[t] = item if t == prefix else work.perfect[t - prefix - 1]
        work.path_nodes[t] = -1
    if length <= max_len and (kind == CLOSED or leaf):
        t = prefix
        while t > 0 and work.path_nodes[t - 1] < 0:
            t -= 1
        if n + length - t > len(nodes.parent):
            return False
        parent = work.path_nodes[t - 1] if t > 0 else 0
        while t < length:
            nodes.parent[n] = parent
            nodes.item[n] = work.path[t]
            nodes.count[n] = count if t == length - 1 else 0
            nodes.length[n] = t + 1
            work.path_nodes[t] = parent = n
            n += 1
            t += 1
        state[NODE] = n
        state[SETS] += 1
    state[WRITTEN], state[WRITTEN_END] = length, length
    return True


@kernel
def copy_rows(
    database,  # IN
    work,  # INOUT
    i,
    lowest,
    n,
    fewest,
):
    """Copy the rows of item `i`, cut to its partners, where they have `fewest` of those, and return their number."""
    for x in range(n):
        work.local[work.partners[x]] = x
    n_rows, held = 0, 0
    work.local_offsets[0] = 0
    for t in range(database.list_offsets[i], database.list_offsets[i + 1]):
        r = database.row_lists[t]
        before = held
        u, begin = database.row_offsets[r + 1] - 1, database.row_offsets[r]
        while u >= begin and database.rows[u] >= lowest:
            x = work.local[database.rows[u]]
            work.local_rows[held] = x
            held += x >= 0
            u -= 1
        if held - before < fewest:
            held = before
        else:
            work.local_weights[n_rows] = database.weights[r]
            n_rows += 1
            work.local_offsets[n_rows] = held
    for x in range(n):
        work.local[work.partners[x]] = -1
    # Until there are lists for each partner, one of all rows.
    for r in range(n_rows):
        work.local_lists[r] = r
    return n_rows


@kernel
def list_local_rows(
    work,  # INOUT
    n,
    n_rows,
):
    """List the local rows of every partner."""
    offsets = work.list_offsets
    for x in range(n + 1):
        offsets[x] = 0
    for t in range(work.local_offsets[n_rows]):
        offsets[work.local_rows[t] + 1] += 1
    for x in range(n):
        offsets[x + 1] += offsets[x]
    for r in range(n_rows):
        for t in range(work.local_offsets[r], work.local_offsets[r + 1]):
            x = work.local_rows[t]
            work.local_lists[offsets[x]] = r
            offsets[x] += 1
    for x in range(n, 0, -1):
        offsets[x] = offsets[x - 1]
    offsets[0] = 0


@kernel
def plan_words(
    work,  # INOUT
    start,
    stop,
):
    """Give each of the listed rows a place in words, one for each bit of its weight, and return how many words."""
    for b in range(64):
        work.planes[b] = 0
    highest = 0
    for t in range(start, stop):
        weight = work.local_weights[work.local_lists[t]]
        b = 0
        while weight:
            work.planes[b] += weight & 1
            weight >>= 1
            b += 1
        highest = max(highest, b)
    words = 0
    for b in range(highest):
        more = (work.planes[b] + 63) >> 6
        work.planes[b] = words << 6
        for w in range(words, words + more):
            work.shift[w] = b
        words += more
    return words


@kernel
def fill_words(
    work,  # INOUT
    start,
    stop,
    lowest,
    n,
    words,
):
    """Set the bits of the listed rows in the words of the extensions."""
    work.bits[: n * words] = 0
    for t in range(start, stop):
        r = work.local_lists[t]
        weight = work.local_weights[r]
        b = 0
        while weight:
            if weight & 1:
                place = work.planes[b]
                work.planes[b] += 1
                word, bit = place >> 6, np.uint64(1) << np.uint64(place & 63)
                u, end = work.local_offsets[r], work.local_offsets[r + 1]
                while u < end and work.local_rows[u] >= lowest:
                    slot = work.slots[work.local_rows[u]]
                    if slot >= 0:
                        work.bits[slot * words + word] |= bit
                    u += 1
            weight >>= 1
            b += 1


@kernel
def is_within_excluded(
    work,  # IN
    f,
    at,
    words,
):
    """Tell whether an excluded item stands in all rows whose words begin `at`."""
    for g in range(f + 1):
        # Below the last frame, the one before the next is on the path.
        stop = work.frames[g, NEXT] - (g < f)
        for e in range(work.frames[g, START], stop):
            other = work.list_bits[e]
            w = 0
            while w < words and not (work.bits[at + w] & ~work.bits[other + w]):
                w += 1
            if w == words:
                return True
    return False


@kernel
def joins_excluded(
    database,  # IN
    work,  # IN
    f,
    at,
    words,
):
    """Tell whether the set whose words begin `at` stays frequent with an excluded item."""
    state = work.state
    i = state[FIRST] - 1
    for g in range(f + 1):
        stop = work.frames[g, NEXT] - (g < f)
        for e in range(work.frames[g, START], stop):
            together = intersect(work.bits, at, work.list_bits[e], state[BIT], words, work.shift)
            if together >= database.least[min(i, work.list_items[e])]:
                return True
    return False


@kernel
def intersect(
    bits,  # (capacity,) INOUT
    first,
    second,
    to,
    words,
    shift,  # (most words,) IN
):
    """Write the words common to two sets of rows, and return the weight of those rows."""
    a, b, both = bits[first : first + words], bits[second : second + words], bits[to : to + words]
    total = 0
    for w in range(words):
        word = a[w] & b[w]
        both[w] = word
        # The compiler knows this for a count of bits.
        word -= (word >> np.uint64(1)) & np.uint64(0x5555555555555555)
        word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
        word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
        total += np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56)) << np.int64(shift[w])
    return total
