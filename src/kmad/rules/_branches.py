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

# Entries of the state: the next first item and its next partner, where nodes, extensions and words end, and the sets
# of the first item and of what was written last: blocks of nodes, or in the search for closed ones lengths of the path.
FIRST, SECOND, LOCALS, DEPTH, WORDS, NODE, SETS, LIST, BIT = 0, 1, 2, 3, 4, 5, 6, 7, 8
BLOCK, BLOCK_END, WRITTEN, WRITTEN_END = 9, 10, 11, 12
N_STATE = 13
# Entries of a frame: a list of extensions, the next to take, the set that they extend, and where their words begin.
START, NEXT, END, PREFIX, PREFIX_END, FLOOR = 0, 1, 2, 3, 4, 5
N_FRAME = 6


class Nodes(NamedTuple):
    """Sets as a tree: each is its parent's and one item more. Node 0 is the empty set."""

    parent: Items  # (capacity,)
    item: Items  # (capacity,)
    count: Integers  # (capacity,) 0 where the set is only on the way to another
    length: Items  # (capacity,)


class Work(NamedTuple):
    """What a search keeps between its calls."""

    state: Integers
    tally: Integers  # (n_items,) zeros between uses
    local: Items  # (n_items,) number of an item beside the first, -1 between uses
    partners: Items  # (n_items,) the item of each such number; excluded ones, earlier than the first, stand first
    partner_counts: Integers  # (n_items,) weight of the rows with the first item and that one
    slots: Items  # (n_items,) place of a partner's number in the list of extensions, -1 between uses
    local_rows: Items  # (held + 1,) rows of the first item, its partners' numbers falling in each
    local_offsets: Integers  # (longest list + 1,)
    local_weights: Integers  # (longest list,)
    local_lists: Items  # (held,) local rows of every partner
    list_offsets: Integers  # (n_items + 1,)
    perfect: Items  # (n_items,) items in every row of the set at hand
    path: Items  # (n_items,) items of the set at hand where it must be closed
    path_nodes: Items  # (n_items,) their nodes, -1 where the path has none yet
    frames: Integers  # (longest row + 1, 6)
    planes: Integers  # (64,) the next place in the words, for each bit of the rows' weights
    shift: NDArray[np.uint8]  # (most words,) bit of the weights that a word stands for
    bits: NDArray[np.uint64]  # (capacity,) rows of the extensions, each a number of words
    list_items: Items  # (capacity,) items that extend a set on the path
    list_counts: Integers  # (capacity,) weight of the rows with the set and that item


@kernel
def search(
    database,  # IN
    pairs,  # (n_items * n_items,) or (0,) IN: weight of the rows with both items, the first the lower
    kind,
    max_len,
    stop,
    budget,
    nodes,  # INOUT
    work,  # INOUT
):
    """Go on until all sets whose first item comes before `stop` are written, or the search must come back."""
    # Tuples of arrays are slow to hand on: what runs often gets its arrays one by one.
    counts, least_of, weights = database.counts, database.least, database.weights
    rows, row_offsets = database.rows, database.row_offsets
    row_lists, list_offsets = database.row_lists, database.list_offsets
    parent, item, count, length = nodes.parent, nodes.item, nodes.count, nodes.length
    state, tally, partners, partner_counts = work.state, work.tally, work.partners, work.partner_counts
    perfect, path, path_nodes, slots = work.perfect, work.path, work.path_nodes, work.slots
    local_rows, local_offsets, local_weights = work.local_rows, work.local_offsets, work.local_weights
    local_lists, frames, planes, shift = work.local_lists, work.frames, work.planes, work.shift
    bits, list_items, list_counts = work.bits, work.list_items, work.list_counts
    n_items = len(counts)
    while True:
        if state[DEPTH] > 0 or state[SECOND] < state[LOCALS]:
            least = least_of[state[FIRST] - 1]
            status, budget = pair_up(
                kind, max_len, least, least_of, budget, state, tally, partners, partner_counts, slots, local_rows,
                local_offsets, local_weights, local_lists, work.list_offsets, perfect, path, path_nodes, frames,
                planes, shift, bits, list_items, list_counts, parent, item, count, length,
            )  # fmt: skip
            if status != DONE:
                return status
        if budget < 0:
            return PAUSED
        i = state[FIRST]
        if i == stop:
            return DONE
        total, least = counts[i], least_of[i]
        if total < least:
            state[FIRST] += 1
            continue

        lowest = i + 1 if kind == FREQUENT else 0
        list_start, list_end = list_offsets[i], list_offsets[i + 1]
        beside = tally
        if max_len == 1 and kind == FREQUENT:
            pass
        elif len(pairs):
            beside = pairs[i * n_items : (i + 1) * n_items]
        else:
            for t in range(list_start, list_end):
                r = row_lists[t]
                weight = weights[r]
                u, begin = row_offsets[r + 1] - 1, row_offsets[r]
                while u >= begin and rows[u] >= lowest:
                    tally[rows[u]] += weight
                    u -= 1
        n, n_perfect, excluded, closed = 0, 0, 0, True
        for other in range(lowest, n_items):
            together = beside[other]
            if other < i:
                if len(pairs):
                    together = pairs[other * n_items + i]
                closed = closed and together < total
                # An earlier item may lower the threshold of the set that it joins.
                if together == 0 or together < (least_of[other] if kind == MAXIMAL else least):
                    continue
                excluded += 1
            elif together < least or other == i:
                continue
            elif together == total:
                perfect[n_perfect] = other
                n_perfect += 1
                continue
            partners[n] = other
            partner_counts[n] = together
            n += 1
        if not len(pairs):
            tally[lowest:] = 0
        budget -= (n_items - lowest) // 2
        if not closed:
            state[FIRST] += 1
            continue

        if kind == FREQUENT:
            deeper = n > 0 and max_len > 1
        else:
            deeper = n > excluded and 1 + n_perfect < max_len
        if not deeper:
            if not write(
                kind, max_len, 0, 1, i, total, perfect, n_perfect, n == 0, path, path_nodes, state, parent, item,
                count, length,
            ):  # fmt: skip
                return NODES
            state[FIRST] += 1
            continue

        n_rows = copy_rows(database, work, i, lowest, n, 2 if kind == FREQUENT else 1)
        held = local_offsets[n_rows]
        budget -= 8 * (list_end - list_start) + 4 * held
        words = plan_words(local_weights, local_lists, 0, n_rows, planes, shift)
        # Intersections of words cost some nanoseconds a pair, counting in the rows one for each pair in them.
        flat = held * held // max(n_rows, 1) < (n - excluded) * (n + excluded) // 2 * (words // 4 + 6)
        if n > len(list_items):
            return LISTS
        if not flat and n * words > len(bits):
            return BITS
        if not write(
            kind, max_len, 0, 1, i, total, perfect, n_perfect, n == 0, path, path_nodes, state, parent, item, count,
            length,
        ):  # fmt: skip
            return NODES
        state[FIRST] += 1
        if flat:
            list_local_rows(n, n_rows, local_rows, local_offsets, local_lists, work.list_offsets)
            state[SECOND], state[LOCALS] = excluded, n
            state[BLOCK], state[BLOCK_END] = state[WRITTEN], state[WRITTEN_END]
        else:
            for x in range(n):
                slots[x] = x
                list_items[x] = partners[x]
                list_counts[x] = partner_counts[x]
            fill_words(0, n_rows, 0, n, words, local_lists, local_rows, local_offsets, local_weights, slots, planes, bits)
            for x in range(n):
                slots[x] = -1
            push(n, excluded, words, state, frames)


@kernel
def pair_up(
    kind,
    max_len,
    least,
    least_of,  # (n_items,) IN
    budget,
    state,  # INOUT, and so are all arrays of the work
    tally,
    partners,
    partner_counts,
    slots,
    local_rows,
    local_offsets,
    local_weights,
    local_lists,
    list_offsets,
    perfect,
    path,
    path_nodes,
    frames,
    planes,
    shift,
    bits,
    list_items,
    list_counts,
    parent,  # OUT, and so are the other arrays of the nodes
    item,
    count,
    length,
):
    """Write the sets of the first item and each of its partners, and all that extends them."""
    i, n_partners = state[FIRST] - 1, state[LOCALS]
    while True:
        if state[DEPTH] > 0:
            if kind == FREQUENT:
                status, budget = extend(
                    max_len, least, budget, state, perfect, frames, shift, bits, list_items, list_counts, parent,
                    item, count, length,
                )  # fmt: skip
            else:
                status, budget = extend_closed(
                    kind, max_len, least, i, least_of, budget, state, perfect, path, path_nodes, frames, shift, bits,
                    list_items, list_counts, parent, item, count, length,
                )  # fmt: skip
            if status != DONE:
                return status, budget
        if budget < 0:
            return PAUSED, budget
        j = state[SECOND]
        if j == n_partners:
            return DONE, budget
        total = partner_counts[j]
        lowest = j + 1 if kind == FREQUENT else 0
        list_start, list_end = list_offsets[j], list_offsets[j + 1]
        prefix, prefix_end = state[BLOCK], state[BLOCK_END]
        shortest = length[prefix] if kind == FREQUENT else prefix
        if shortest + 1 < max_len or kind != FREQUENT:
            for t in range(list_start, list_end):
                r = local_lists[t]
                weight = local_weights[r]
                u, end = local_offsets[r], local_offsets[r + 1]
                budget -= end - u
                while u < end and local_rows[u] >= lowest:
                    tally[local_rows[u]] += weight
                    u += 1
        n, n_perfect, excluded, closed = 0, 0, 0, True
        for x in range(lowest, n_partners):
            together = tally[x]
            if x < j:
                closed = closed and together < total
                earlier = partners[x]
                if together == 0 or together < (least_of[earlier] if kind == MAXIMAL and earlier < i else least):
                    continue
                excluded += 1
            elif together < least or x == j:
                continue
            elif together == total:
                perfect[n_perfect] = partners[x]
                n_perfect += 1
                continue
            list_items[n] = partners[x]
            list_counts[n] = together
            slots[x] = n
            n += 1
        tally[lowest:n_partners] = 0
        budget -= (n_partners - lowest) // 2

        status = DONE
        longer = shortest + 1 if kind == FREQUENT else shortest + 1 + n_perfect
        deeper = closed and n > excluded and longer < max_len
        words = 0
        if deeper and n > 1:
            words = plan_words(local_weights, local_lists, list_start, list_end, planes, shift)
            if n * words > len(bits):
                status = BITS
        if status == DONE and closed:
            if not write(
                kind, max_len, prefix, prefix_end, partners[j], total, perfect, n_perfect, n == 0, path, path_nodes,
                state, parent, item, count, length,
            ):  # fmt: skip
                status = NODES
        if status == DONE:
            state[SECOND] += 1
            if deeper:
                if n > 1:
                    fill_words(
                        list_start, list_end, lowest, n, words, local_lists, local_rows, local_offsets, local_weights,
                        slots, planes, bits,
                    )  # fmt: skip
                push(n, excluded, words, state, frames)
        if n:
            slots[lowest:n_partners] = -1
        if status != DONE:
            return status, budget


@kernel
def extend(
    max_len,
    least,
    budget,
    state,  # INOUT
    perfect,  # (n_items,) INOUT
    frames,  # (depth, 6) INOUT
    shift,  # (most words,) IN
    bits,  # (capacity,) INOUT
    list_items,  # (capacity,) INOUT
    list_counts,  # (capacity,) INOUT
    parent,  # (n_nodes,) INOUT
    item,  # (n_nodes,) INOUT
    count,  # (n_nodes,) INOUT
    length,  # (n_nodes,) INOUT
):
    """Write all sets that the frames lead to."""
    depth, n, top, free, words = state[DEPTH], state[NODE], state[LIST], state[BIT], state[WORDS]
    before, status = n, DONE
    while depth > 0:
        f = depth - 1
        x, end = frames[f, NEXT], frames[f, END]
        if x == end:
            depth = f
            top, free = frames[f, START], frames[f, FLOOR]
            continue
        rest = end - x - 1
        if top + rest > len(list_items):
            status = LISTS
            break
        if free + rest * words > len(bits):
            status = BITS
            break
        if budget < 0:
            status = PAUSED
            break
        total, at = list_counts[x], frames[f, FLOOR] + (x - frames[f, START]) * words
        begin, stop = frames[f, PREFIX], frames[f, PREFIX_END]
        child, child_bits, n_perfect = top, free, 0
        if length[begin] + 1 < max_len:
            budget -= 4 + rest * (words // 4 + 4)
            for y in range(x + 1, end):
                both = intersect(bits, at, at + (y - x) * words, child_bits, words, shift)
                if both < least:
                    continue
                if both == total:
                    perfect[n_perfect] = list_items[y]
                    n_perfect += 1
                    continue
                list_items[child] = list_items[y]
                list_counts[child] = both
                child += 1
                child_bits += words
        after = write_block(max_len, begin, stop, list_items[x], total, perfect, n_perfect, n, parent, item, count, length)
        if after < 0:
            status = NODES
            break
        frames[f, NEXT] = x + 1
        if child > top:
            frames[depth, START], frames[depth, NEXT], frames[depth, END] = top, top, child
            frames[depth, PREFIX], frames[depth, PREFIX_END], frames[depth, FLOOR] = n, after, free
            depth += 1
            top, free = child, child_bits
        n = after
    state[DEPTH], state[NODE], state[LIST], state[BIT] = depth, n, top, free
    state[SETS] += n - before
    return status, budget


@kernel
def extend_closed(
    kind,
    max_len,
    least,
    i,
    least_of,  # (n_items,) IN
    budget,
    state,  # INOUT
    perfect,  # (n_items,) INOUT
    path,  # (n_items,) INOUT
    path_nodes,  # (n_items,) INOUT
    frames,  # (depth, 6) INOUT
    shift,  # (most words,) IN
    bits,  # (capacity,) INOUT
    list_items,  # (capacity,) INOUT
    list_counts,  # (capacity,) INOUT
    parent,  # (n_nodes,) INOUT
    item,  # (n_nodes,) INOUT
    count,  # (n_nodes,) INOUT
    length,  # (n_nodes,) INOUT
):
    """Write the closed or maximal ones of the sets that the frames lead to."""
    words = state[WORDS]
    while state[DEPTH] > 0:
        depth, top, free = state[DEPTH], state[LIST], state[BIT]
        f = depth - 1
        x, end = frames[f, NEXT], frames[f, END]
        if x == end:
            state[DEPTH], state[LIST], state[BIT] = f, frames[f, START], frames[f, FLOOR]
            continue
        if top + end - x > len(list_items):
            return LISTS, budget
        if free + (end - x) * words > len(bits):
            return BITS, budget
        if budget < 0:
            return PAUSED, budget
        total, at = list_counts[x], frames[f, FLOOR] + (x - frames[f, START]) * words
        budget -= 16 + (end - x) * (words // 4 + 4)
        if is_within_excluded(f, at, words, frames, bits):
            frames[f, NEXT] = x + 1
            continue
        child, child_bits, n_perfect = top, free, 0
        for y in range(x + 1, end):
            both = intersect(bits, at, at + (y - x) * words, child_bits, words, shift)
            if both < least:
                continue
            if both == total:
                perfect[n_perfect] = list_items[y]
                n_perfect += 1
                continue
            list_items[child] = list_items[y]
            list_counts[child] = both
            child += 1
            child_bits += words
        leaf = child == top and not (
            kind == MAXIMAL and joins_excluded(f, at, words, i, least_of, frames, list_items, shift, free, bits)
        )
        if not write(
            kind, max_len, frames[f, PREFIX], 0, list_items[x], total, perfect, n_perfect, leaf, path, path_nodes,
            state, parent, item, count, length,
        ):  # fmt: skip
            return NODES, budget
        frames[f, NEXT] = x + 1
        if child > top and state[WRITTEN] < max_len:
            frames[depth, START], frames[depth, NEXT], frames[depth, END] = top, top, child
            frames[depth, PREFIX], frames[depth, PREFIX_END], frames[depth, FLOOR] = state[WRITTEN], 0, free
            state[DEPTH], state[LIST], state[BIT] = depth + 1, child, child_bits
    return DONE, budget


@kernel
def push(
    n,
    excluded,
    words,
    state,  # INOUT
    frames,  # (depth, 6) INOUT
):
    """Begin with the first `n` extensions, the excluded ones as if they had been taken."""
    frames[0, START], frames[0, NEXT], frames[0, END] = 0, excluded, n
    frames[0, PREFIX], frames[0, PREFIX_END], frames[0, FLOOR] = state[WRITTEN], state[WRITTEN_END], 0
    state[DEPTH], state[LIST], state[BIT], state[WORDS] = 1, n, n * words, words


@kernel
def write(
    kind,
    max_len,
    prefix,
    prefix_end,
    added,
    total,
    perfect,  # (n_items,) IN
    n_perfect,
    leaf,
    path,  # (n_items,) INOUT
    path_nodes,  # (n_items,) INOUT
    state,  # INOUT
    parent,  # (n_nodes,) INOUT
    item,  # (n_nodes,) INOUT
    count,  # (n_nodes,) INOUT
    length,  # (n_nodes,) INOUT
):
    """Write the prefix with an item and its perfect ones: all sets between, or the largest where it is asked for.

    The block of the new set, or the length of its path, goes to the state. False, with nothing written, where the
    nodes do not suffice.
    """
    n = state[NODE]
    if kind == FREQUENT:
        after = write_block(
            max_len, prefix, prefix_end, added, total, perfect, n_perfect, n, parent, item, count, length
        )
        if after < 0:
            return False
        state[WRITTEN], state[WRITTEN_END], state[NODE] = n, after, after
        state[SETS] += after - n
        return True
    longer = prefix + 1 + n_perfect
    for t in range(prefix, longer):
        path[t] = added if t == prefix else perfect[t - prefix - 1]
        path_nodes[t] = -1
    if longer <= max_len and (kind == CLOSED or leaf):
        t = prefix
        while t > 0 and path_nodes[t - 1] < 0:
            t -= 1
        if n + longer - t > len(parent):
            return False
        above = path_nodes[t - 1] if t > 0 else 0
        while t < longer:
            parent[n], item[n], count[n], length[n] = above, path[t], 0, t + 1
            path_nodes[t] = above = n
            n += 1
            t += 1
        count[n - 1] = total
        state[NODE] = n
        state[SETS] += 1
    state[WRITTEN] = longer
    return True


@kernel
def write_block(
    max_len,
    begin,
    stop,
    added,
    total,
    perfect,  # (n_items,) IN
    n_perfect,
    n,
    parent,  # (n_nodes,) INOUT
    item,  # (n_nodes,) INOUT
    count,  # (n_nodes,) INOUT
    length,  # (n_nodes,) INOUT
):
    """Write a block of sets with one item more, doubled by each perfect item; return the next node, -1 for want of."""
    start = n
    for q in range(-1, n_perfect):
        if q >= 0:
            begin, stop, added = start, n, perfect[q]
        if n + stop - begin > len(parent):
            return -1
        for t in range(begin, stop):
            if length[t] < max_len:
                parent[n], item[n], count[n], length[n] = t, added, total, length[t] + 1
                n += 1
    return n


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
    n,
    n_rows,
    local_rows,  # (held + 1,) IN
    local_offsets,  # (longest list + 1,) IN
    local_lists,  # (held,) OUT
    offsets,  # (n_items + 1,) OUT
):
    """List the local rows of every partner."""
    for x in range(n + 1):
        offsets[x] = 0
    for t in range(local_offsets[n_rows]):
        offsets[local_rows[t] + 1] += 1
    for x in range(n):
        offsets[x + 1] += offsets[x]
    for r in range(n_rows):
        for t in range(local_offsets[r], local_offsets[r + 1]):
            x = local_rows[t]
            local_lists[offsets[x]] = r
            offsets[x] += 1
    for x in range(n, 0, -1):
        offsets[x] = offsets[x - 1]
    offsets[0] = 0


@kernel
def plan_words(
    local_weights,  # (longest list,) IN
    local_lists,  # (held,) IN
    start,
    stop,
    planes,  # (64,) OUT
    shift,  # (most words,) OUT
):
    """Give each of the listed rows a place in words, one for each bit of its weight, and return how many words."""
    for b in range(64):
        planes[b] = 0
    highest = 0
    for t in range(start, stop):
        weight = local_weights[local_lists[t]]
        b = 0
        while weight:
            planes[b] += weight & 1
            weight >>= 1
            b += 1
        highest = max(highest, b)
    words = 0
    for b in range(highest):
        more = (planes[b] + 63) >> 6
        planes[b] = words << 6
        for w in range(words, words + more):
            shift[w] = b
        words += more
    return words


@kernel
def fill_words(
    start,
    stop,
    lowest,
    n,
    words,
    local_lists,  # (held,) IN
    local_rows,  # (held + 1,) IN
    local_offsets,  # (longest list + 1,) IN
    local_weights,  # (longest list,) IN
    slots,  # (n_items,) IN
    planes,  # (64,) INOUT
    bits,  # (capacity,) OUT
):
    """Set the bits of the listed rows in the words of the extensions."""
    bits[: n * words] = 0
    for t in range(start, stop):
        r = local_lists[t]
        weight = local_weights[r]
        b = 0
        while weight:
            if weight & 1:
                place = planes[b]
                planes[b] += 1
                word, bit = place >> 6, np.uint64(1) << np.uint64(place & 63)
                u, end = local_offsets[r], local_offsets[r + 1]
                while u < end and local_rows[u] >= lowest:
                    slot = slots[local_rows[u]]
                    if slot >= 0:
                        bits[slot * words + word] |= bit
                    u += 1
            weight >>= 1
            b += 1


@kernel
def is_within_excluded(
    f,
    at,
    words,
    frames,  # (depth, 6) IN
    bits,  # (capacity,) IN
):
    """Tell whether an excluded item stands in all rows whose words begin `at`."""
    for g in range(f + 1):
        # Below the last frame, the one before the next is on the path.
        stop = frames[g, NEXT] - (g < f)
        for e in range(frames[g, START], stop):
            other = frames[g, FLOOR] + (e - frames[g, START]) * words
            w = 0
            while w < words and not (bits[at + w] & ~bits[other + w]):
                w += 1
            if w == words:
                return True
    return False


@kernel
def joins_excluded(
    f,
    at,
    words,
    i,
    least_of,  # (n_items,) IN
    frames,  # (depth, 6) IN
    list_items,  # (capacity,) IN
    shift,  # (most words,) IN
    free,
    bits,  # (capacity,) INOUT: from `free` on
):
    """Tell whether the set whose words begin `at` stays frequent with an excluded item."""
    for g in range(f + 1):
        stop = frames[g, NEXT] - (g < f)
        for e in range(frames[g, START], stop):
            other = frames[g, FLOOR] + (e - frames[g, START]) * words
            if intersect(bits, at, other, free, words, shift) >= least_of[min(i, list_items[e])]:
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
